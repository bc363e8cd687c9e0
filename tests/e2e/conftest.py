"""A whole project on disk, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from project_on_disk import Project

from pseudolink.cli.anyone import demo_schema
from pseudolink.keys import vault
from pseudolink.roles import demo


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A demo of 1,200 people, with key files that are cheap to open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "_COST", vault.Cost(1, 1, 8))
        folder = tmp_path_factory.mktemp("project") / "demo"
        result = demo.run(1200, folder, schema=demo_schema())
    return Project(folder, result)


@pytest.fixture
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """New key files that are cheap to open."""
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))


@pytest.fixture
def copied(project: Project, tmp_path: Path) -> Project:
    """A copy of the project that a test may change."""
    target = tmp_path / "copy"
    shutil.copytree(project.folder, target)
    return Project(target, project.result)
