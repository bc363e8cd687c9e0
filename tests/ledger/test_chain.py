from __future__ import annotations

import json
import multiprocessing
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from parties_in_memory import ROLES, SCHEMA, key_of

from pseudolink.errors import ArtefactError, LedgerError, OutputError
from pseudolink.formats import canonical
from pseudolink.formats.binary import encode64
from pseudolink.formats.receipt import FIRST, Receipt
from pseudolink.ledger import chain

VECTORS = sorted((Path(__file__).parents[2] / "specs/vectors/receipt").glob("*.json"))
PUBLICS = {name: key_of(name).public.signing_key for name in ROLES}
STEPS = [("council", "encode"), ("schools", "encode"), ("unit", "link"), ("vault", "release")]


def add(ledger: Path, party: str, step: str, **details: Any) -> Receipt:
    return chain.append(ledger, key_of(party), step=step, agreement=SCHEMA, details=details or {"rows": 3})


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.jsonl"
    for party, step in STEPS:
        add(path, party, step)
    return path


def places(ledger: Path, **options: Any) -> list[str]:
    with pytest.raises(LedgerError) as caught:
        chain.verify(ledger, PUBLICS, **options)
    return [problem.place for problem in caught.value.problems]


def test_a_ledger_that_nobody_touched_is_whole(ledger: Path) -> None:
    receipts = chain.verify(ledger, PUBLICS)
    assert [(one.party, one.step) for one in receipts] == STEPS
    assert [one.sequence for one in receipts] == [1, 2, 3, 4]
    assert receipts[0].previous == FIRST
    assert [one.previous for one in receipts[1:]] == [one.digest for one in receipts[:-1]]
    assert chain.read(ledger) == receipts


def test_the_time_is_utc_whatever_the_zone(tmp_path: Path) -> None:
    now = datetime(2026, 6, 1, 9, 30, 15, tzinfo=UTC)
    receipt = chain.append(
        tmp_path / "l", key_of("unit"), step="link", agreement=SCHEMA, details={}, now=now.astimezone()
    )
    assert receipt.time == "2026-06-01T09:30:15Z"


def test_the_file_belongs_to_its_owner_alone(ledger: Path) -> None:
    if os.name == "posix":
        assert ledger.stat().st_mode & 0o777 == 0o600


def test_change_attack_every_changed_byte_is_found(ledger: Path) -> None:
    data = ledger.read_bytes()
    for at in range(0, len(data), 3):
        ledger.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert places(ledger)


def test_gap_attack_a_line_taken_out_is_found(ledger: Path) -> None:
    lines = ledger.read_bytes().splitlines(keepends=True)
    for at in range(len(lines) - 1):
        ledger.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
        assert f"line {at + 1}" in places(ledger)


def test_reorder_attack_two_lines_exchanged_are_found(ledger: Path) -> None:
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join([lines[0], lines[2], lines[1], lines[3]]))
    assert {"line 2", "line 3", "line 4"} == set(places(ledger))


def test_repetition_attack_a_line_twice_is_found(ledger: Path) -> None:
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join([*lines, lines[-1]]))
    assert set(places(ledger)) == {"line 5"}


def test_truncation_attack_lines_cut_off_are_found_by_a_noted_head(ledger: Path) -> None:
    head = chain.read(ledger)[-1].digest
    chain.verify(ledger, PUBLICS, expected_head=head)
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[:-1]))
    assert len(chain.verify(ledger, PUBLICS)) == 3
    assert places(ledger, expected_head=head) == ["the end"]


def test_an_earlier_head_is_still_in_a_chain_that_has_grown(ledger: Path) -> None:
    head = chain.read(ledger)[-1].digest
    add(ledger, "auditor", "review")
    assert len(chain.verify(ledger, PUBLICS, expected_head=head)) == 5


def test_rewriting_attack_a_new_chain_without_the_keys_is_found(ledger: Path) -> None:
    """Someone recomputes every digest after a change, but cannot sign for the parties."""
    previous, lines = FIRST, []
    for line in ledger.read_bytes().splitlines():
        raw = {**json.loads(line), "previous": previous, "details": {"rows": 4}}
        receipt = Receipt(**{key: value for key, value in raw.items() if key != "format"})
        lines.append(receipt.to_bytes() + b"\n")
        previous = receipt.digest
    ledger.write_bytes(b"".join(lines))
    assert places(ledger) == ["line 1", "line 2", "line 3", "line 4"]


def test_impersonation_attack_a_receipt_signed_by_another_is_found(ledger: Path) -> None:
    last = chain.read(ledger)[-1]
    values: dict[str, Any] = {
        "sequence": 5,
        "previous": last.digest,
        "party": "unit",
        "step": "link",
        "time": last.time,
        "agreement": SCHEMA,
        "details": {},
    }
    blank = Receipt(**values, signature=encode64(bytes(64)))
    forged = Receipt(**values, signature=encode64(key_of("vault").sign(blank.message())))
    ledger.write_bytes(ledger.read_bytes() + forged.to_bytes() + b"\n")
    assert places(ledger) == ["line 5"]


def test_a_party_without_a_known_key_is_reported(ledger: Path) -> None:
    add(ledger, "stranger", "encode")
    assert places(ledger) == ["line 5"]


def test_a_torn_last_line_is_reported_and_nothing_is_added_after_it(ledger: Path) -> None:
    whole = ledger.read_bytes()
    torn = whole + whole.splitlines()[-1][:50]
    ledger.write_bytes(torn)
    assert places(ledger) == ["line 5"]
    with pytest.raises(LedgerError, match="cut off in the middle"):
        add(ledger, "council", "encode")
    assert ledger.read_bytes() == torn


def test_line_ends_of_windows_are_told_as_what_they_are(ledger: Path) -> None:
    """A program that carries text has changed them; the chain itself is whole."""
    ledger.write_bytes(ledger.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(LedgerError) as caught:
        chain.verify(ledger, {})
    told = [one.message for one in caught.value.problems if "Windows" in one.message]
    assert len(told) == ledger.read_bytes().count(b"\n")
    assert "does not follow" not in str(caught.value)


def test_a_line_without_its_end_is_torn(ledger: Path) -> None:
    ledger.write_bytes(ledger.read_bytes()[:-1])
    assert places(ledger) == ["line 4"]


def test_nothing_is_added_to_a_broken_ledger(ledger: Path) -> None:
    broken = ledger.read_bytes().replace(b'"rows":3', b'"rows":4', 1)
    ledger.write_bytes(broken)
    with pytest.raises(LedgerError, match="line 2"):
        add(ledger, "council", "encode")
    assert ledger.read_bytes() == broken


def test_a_full_disk_leaves_no_half_receipt(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = ledger.read_bytes(), os.write

    def full(handle: int, data: Any) -> int:
        if len(data) > 20:
            return write(handle, bytes(data)[:20])
        raise OSError(28, "No space left on device")

    calls = iter([full])

    def once(handle: int, data: Any) -> int:
        step = next(calls, None)
        if step is not None:
            return step(handle, data)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", once)
    with pytest.raises(OutputError, match="No space"):
        add(ledger, "council", "encode")
    monkeypatch.undo()
    assert before == ledger.read_bytes()
    add(ledger, "council", "encode")
    chain.verify(ledger, PUBLICS)


@pytest.mark.parametrize("details", [{"rate": 0.5}, {"raw": b"x"}])
def test_a_detail_without_a_canonical_form_is_refused(ledger: Path, details: dict[str, Any]) -> None:
    before = ledger.read_bytes()
    with pytest.raises(ArtefactError):
        add(ledger, "council", "encode", **details)
    assert before == ledger.read_bytes()


def _many(path: str, party: str) -> None:
    for _ in range(10):
        add(Path(path), party, "encode")


def test_runs_at_the_same_time_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    workers = [
        multiprocessing.Process(target=_many, args=(str(path), name))
        for name in ("council", "schools", "police")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(chain.verify(path, PUBLICS)) == 30


def test_a_ledger_that_is_not_there_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        chain.verify(tmp_path / "missing", PUBLICS)
    (tmp_path / "empty").write_bytes(b"")
    assert chain.verify(tmp_path / "empty", PUBLICS) == []


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_ledgers_of_the_specification(path: Path, tmp_path: Path) -> None:
    vector = json.loads(path.read_text())
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_bytes(vector["ledger"].encode())
    if vector["expect"] == "failure":
        with pytest.raises(LedgerError) as caught:
            chain.verify(ledger, vector["publics"], expected_head=vector["head"])
        assert vector["places"] == [problem.place for problem in caught.value.problems]
    else:
        receipts = chain.verify(ledger, vector["publics"], expected_head=vector["head"])
        assert vector["receipts"] == len(receipts)
        assert all(canonical.loads(line) for line in ledger.read_bytes().splitlines())


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 8
