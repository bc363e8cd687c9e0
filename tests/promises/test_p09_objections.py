"""P9: people may object, before and after their record was sent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from project_on_disk import RELEASER, Project, run

from pseudolink.agreement import load_agreement
from pseudolink.formats import records
from pseudolink.ledger import chain
from pseudolink.seal.package import open_package


def test_who_objects_before_encoding_is_in_no_package(project: Project, tmp_path: Path) -> None:
    listed = (project.folder / "council" / "objections.csv").read_text().split()
    index = project.folder / "council" / "outbox" / "council.records.package"
    agreement = load_agreement(project.agreement)
    open_package(
        index, tmp_path / "i", agreement=agreement, recipient=project.party_key("council"), artefact="records"
    )
    sent = set(records.load(tmp_path / "i").column("programme_id").to_pylist())
    assert listed
    assert not sent & set(listed)
    council = pd.read_csv(project.extract("council"), dtype=str)
    assert sent == set(council["programme_id"].str.strip()) - set(listed)
    (receipt,) = chain.read(project.folder / "council" / "ledger.jsonl")
    assert receipt.details["objections"] == project.result.objections


def test_the_list_leaves_no_trace_outside_the_councils_folder(project: Project) -> None:
    listed = (project.folder / "council" / "objections.csv").read_text().split()
    for path in project.folder.rglob("*"):
        if path.is_file() and (path.parent.name == "outbox" or "council" not in path.parts):
            held = path.read_bytes()
            assert not [one for one in listed if len(one) >= 6 and one.encode() in held], path.name


def test_who_objects_afterwards_is_in_no_later_release(project: Project, tmp_path: Path) -> None:
    """The counts of tests/roles/test_withdrawing.py in one sentence: one withdraws, one row less."""
    shutil.copytree(project.folder, tmp_path / "demo")
    here = Project(tmp_path / "demo", project.result)
    place, keys = here.folder / "council", here.keys("council")
    objecting = (place / "objections.csv").read_text().split()
    council = pd.read_csv(here.extract("council"), dtype=str)
    chosen = next(one for one in council["programme_id"] if one.strip() not in objecting)
    (place / "list").write_text(chosen + "\n")
    done = run(
        "withdraw",
        place / "list",
        "--index",
        place / "outbox" / "council.records.package",
        "--agreement",
        here.agreement,
        "--key",
        keys / "council.party.key",
        "--passphrase-file",
        keys / "passphrase",
        "-o",
        place / "w.package",
    )
    assert done.exit_code == 0, done.output
    done = run(*here.release(tmp_path / "release"), "--withdrawals", place / "w.package")
    assert done.exit_code == 0, done.output
    before = pq.read_table(here.folder / RELEASER / "release" / "release.parquet").num_rows
    assert pq.read_table(tmp_path / "release" / "release.parquet").num_rows == before - 1
