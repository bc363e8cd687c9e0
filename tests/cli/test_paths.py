"""Folders are called as people call them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from project_on_disk import Project, run

NAMES = ["Children's services", "Ynys Môn; 50% & more #1", "a [b] {c} $d"]


@pytest.mark.parametrize("name", NAMES)
def test_blanks_and_punctuation_in_a_path_change_nothing(project: Project, tmp_path: Path, name: str) -> None:
    """Encoded, linked and released in a folder of that name: no path is taken for a pattern or a query."""
    here = Project(tmp_path / name / "demo", project.result)
    shutil.copytree(project.folder, here.folder)
    out = here.folder.parent / "new one"
    encoded = run(*here.encode(out / "outbox", "offending"))
    assert encoded.exit_code == 0, encoded.stderr
    package = out / "outbox" / "offending.encodings.package"
    linked = run(*here.link(out / "linkage", here.encodings("council"), package))
    assert linked.exit_code == 0, linked.stderr
    payloads = (here.payload("council"), out / "outbox" / "offending.payload.package")
    released = run(*here.release(out / "release", out / "linkage" / "linkmap.package", *payloads), "--accept")
    assert released.exit_code == 0, released.stderr
    assert (out / "release" / "release.parquet").is_file()
    profiled = run("profile", here.extract("council"), "--schema", here.schema, "--html", out / "p q.html")
    assert profiled.exit_code == 0, profiled.stderr
