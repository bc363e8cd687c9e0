"""A whole project on disk, made once for all promises."""

from __future__ import annotations

import pytest
from project_on_disk import CHEAP, Project, build

from pseudolink.keys import vault


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A demo of 500 people; tests that change it work on a copy."""
    return build(tmp_path_factory.mktemp("promises") / "demo", 500)


@pytest.fixture(autouse=True)
def _as_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's key files are cheap to open; the audit would call that weak."""
    monkeypatch.setattr(vault, "_COST", CHEAP)
