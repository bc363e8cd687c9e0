"""P12: deleted when no longer needed: destroying early is as easy as destroying at the end."""

from __future__ import annotations

import shutil
from pathlib import Path

from project_on_disk import CUSTODIANS, Project, run

from pseudolink.roles.audit import audit


def test_a_key_is_destroyed_years_before_its_date_in_one_command(project: Project, tmp_path: Path) -> None:
    shutil.copytree(project.folder, tmp_path / "demo")
    here = Project(tmp_path / "demo", project.result)
    for party in CUSTODIANS:
        keys = here.keys(party)
        done = run(
            "keys",
            "destroy",
            keys / "linkage.key",
            "--key",
            keys / f"{party}.party.key",
            "--agreement",
            here.agreement,
            "--ledger",
            here.folder / party / "ledger.jsonl",
            "--passphrase-file",
            keys / "passphrase",
            "--yes",
        )
        assert done.exit_code == 0, done.output
    assert not list(here.folder.rglob("linkage.key"))
    found = audit([here.folder])
    assert found["faults"] == 0, found["findings"]
    assert {one["party"] for one in found["destroyed"]} == set(CUSTODIANS)
    done = run(*here.encode(tmp_path / "out", "work"))
    assert done.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_destroying_asks_first(project: Project, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from pseudolink.cli.main import cli

    shutil.copytree(project.keys("work"), tmp_path / "keys")
    keys = tmp_path / "keys"
    arguments = [
        "keys",
        "destroy",
        str(keys / "linkage.key"),
        "--key",
        str(keys / "work.party.key"),
        "--passphrase-file",
        str(keys / "passphrase"),
    ]
    assert CliRunner().invoke(cli, arguments, input="n\n").exit_code == 1
    assert (keys / "linkage.key").exists()
    assert CliRunner().invoke(cli, arguments, input="y\n").exit_code == 0
    assert not (keys / "linkage.key").exists()
