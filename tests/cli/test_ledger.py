from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from parties_in_memory import SCHEMA, agreed, key_of, write_agreement

from pseudolink.cli.main import cli
from pseudolink.ledger import chain


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.jsonl"
    for party, step in (("council", "encode"), ("unit", "link"), ("vault", "release")):
        chain.append(path, key_of(party), step=step, agreement=agreed().digest, details={"rows": 3})
    return path


def run(*args: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["ledger", *(str(arg) for arg in args)])
    assert code == result.exit_code, result.output
    return result


def test_a_whole_ledger_is_verified_and_its_head_printed(tmp_path: Path, ledger: Path) -> None:
    result = run("verify", ledger, "--agreement", write_agreement(tmp_path), "--json")
    head = chain.read(ledger)[-1].digest
    assert json.loads(result.stdout) == {"receipts": 3, "head": head, "under_another_agreement": 0}


def test_every_broken_line_is_listed(tmp_path: Path, ledger: Path) -> None:
    ledger.write_bytes(ledger.read_bytes().replace(b'"rows":3', b'"rows":4', 1))
    result = run("verify", ledger, "--agreement", write_agreement(tmp_path), code=1)
    assert "PL-LEDGER-01" in result.stderr
    assert "line 1: the signature" in result.stderr
    assert "line 2: does not follow" in result.stderr


def test_a_cut_is_found_with_the_head(tmp_path: Path, ledger: Path) -> None:
    agreement, head = write_agreement(tmp_path), chain.read(ledger)[-1].digest
    run("verify", ledger, "--agreement", agreement, "--head", head)
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:-1]))
    run("verify", ledger, "--agreement", agreement)
    assert "cut off" in run("verify", ledger, "--agreement", agreement, "--head", head, code=1).stderr


def test_the_keys_come_from_a_signed_agreement_alone(tmp_path: Path, ledger: Path) -> None:
    result = run("verify", ledger, "--agreement", write_agreement(tmp_path, sign=False), code=1)
    assert "PL-AGREE-04" in result.stderr


def test_a_reviewer_verifies_after_the_agreement_has_ended(
    tmp_path: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement = write_agreement(tmp_path)
    monkeypatch.setattr("pseudolink.agreement.today_utc", lambda: date(2040, 1, 1))
    run("verify", ledger, "--agreement", agreement)


def test_receipts_under_another_agreement_are_counted(tmp_path: Path, ledger: Path) -> None:
    chain.append(ledger, key_of("unit"), step="link", agreement=SCHEMA, details={})
    result = run("verify", ledger, "--agreement", write_agreement(tmp_path))
    assert "1 of them under another agreement" in result.stdout


def test_show_lists_the_steps(ledger: Path) -> None:
    lines = run("show", ledger).stdout.splitlines()
    assert [line.split()[3] for line in lines] == ["encode", "link", "release"]
    assert json.loads(run("show", ledger, "--json").stdout)[1]["details"] == {"rows": 3}
    ledger.write_bytes(ledger.read_bytes()[:-9])
    assert "PL-LEDGER-01" in run("show", ledger, code=1).stderr
