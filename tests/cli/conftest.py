"""A whole project on disk, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from project_on_disk import CHEAP, Project, build

from pseudolink.keys import vault


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A demo of 600 people."""
    return build(tmp_path_factory.mktemp("project") / "demo", 600)


@pytest.fixture
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """New key files that are cheap to open."""
    monkeypatch.setattr(vault, "_COST", CHEAP)


@pytest.fixture
def copied(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project that a test may change."""
    folder: Path = tmp_path_factory.mktemp("copied") / "demo"
    shutil.copytree(project.folder, folder)
    return Project(folder, project.result)
