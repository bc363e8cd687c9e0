"""
The ledger: receipts in a file, each chained to the one before by its digest.

A change, a gap or a reorder breaks a digest or a signature. Lines cut off at the end leave a
shorter chain that is whole in itself: only someone who noted a later head can tell, so the head
is printed at each step and taken by :func:`verify`.

Source: specs/receipt-v1.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pseudolink import portable
from pseudolink.errors import ArtefactError, LedgerError, OutputError, Problem, SignatureError
from pseudolink.formats import canonical
from pseudolink.formats.binary import decode64, encode64
from pseudolink.formats.receipt import FIRST, Receipt
from pseudolink.keys.party import PartyKey
from pseudolink.keys.party import verify as verify_signature

_TORN = "cut off in the middle: a run was interrupted here; take this line away once it has been looked at"

_WINDOWS = "ends as lines of Windows do: the file was changed on the way; carry ledgers as binary files"


def _chain(data: bytes) -> tuple[list[tuple[int, Receipt]], list[Problem]]:
    """Every readable receipt with its line number, and what is wrong with the form and the chain."""
    problems: list[Problem] = []
    found: list[tuple[int, Receipt]] = []
    lines = data.split(b"\n")
    torn = lines.pop()
    before: Receipt | None = None
    known = True  # whether the line before could be read
    for number, line in enumerate(lines, start=1):
        place = f"line {number}"
        if line.endswith(b"\r"):
            problems.append(Problem(place, _WINDOWS))
            line = line[:-1]
        try:
            receipt = Receipt.from_bytes(line)
        except ArtefactError as error:
            problems += [
                Problem(place, f"{p.place}: {p.message}" if p.place else p.message) for p in error.problems
            ]
            known = False
            continue
        if receipt.sequence != number:
            problems.append(Problem(place, f"carries the number {receipt.sequence}: a gap or a reorder"))
        expected = before.digest if before else FIRST
        if known and receipt.previous != expected:
            problems.append(
                Problem(place, "does not follow from the line before: a change, a gap or a reorder")
            )
        found.append((number, receipt))
        before, known = receipt, True
    if torn:
        problems.append(Problem(f"line {len(lines) + 1}", _TORN))
    return found, problems


def _read_all(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    parts = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


@contextmanager
def _opened(ledger: Path) -> Iterator[int]:
    flags = os.O_RDWR | os.O_CREAT | portable.BINARY
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(ledger, flags, 0o600)
    except OSError as error:
        raise OutputError(f"cannot write {ledger.name}: {error.strerror or type(error).__name__}") from None
    try:
        portable.lock(handle)
        try:
            yield handle
        finally:
            portable.unlock(handle)
    except OSError as error:
        raise OutputError(f"cannot write {ledger.name}: {error.strerror or type(error).__name__}") from None
    finally:
        os.close(handle)


def _write(handle: int, line: bytes, at: int) -> None:
    os.lseek(handle, at, os.SEEK_SET)
    try:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except BaseException:
        # A full disk must not leave half a receipt for the next run to stumble over.
        os.ftruncate(handle, at)
        raise


def append(
    ledger: Path,
    key: PartyKey,
    *,
    step: str,
    agreement: str,
    details: Mapping[str, Any],
    now: datetime | None = None,
) -> Receipt:
    """
    Add a signed receipt to a ledger; the file is made when it is not there.

    The receipt is on disk when this returns. Two runs at the same time take turns.

    Args:
        agreement: its digest.
        details: digests and counts alone; canonical JSON (no floating point).
        now: a time with a zone; default the current time.

    Returns:
        the receipt; its ``digest`` is the new head.

    Raises:
        LedgerError: the chain is not whole; nothing is added to a broken ledger.
        ArtefactError: a detail without a canonical form.
        OutputError: the file cannot be written.

    Source: specs/receipt-v1.md, section 3.
    """
    ledger = Path(ledger)
    with _opened(ledger) as handle:
        data = _read_all(handle)
        receipts, problems = _chain(data)
        if problems:
            raise LedgerError(problems, source=ledger.name)
        last = receipts[-1][1] if receipts else None
        values: dict[str, Any] = {
            "sequence": last.sequence + 1 if last else 1,
            "previous": last.digest if last else FIRST,
            "party": key.id,
            "step": step,
            "time": (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "agreement": agreement,
            # A copy, so that what was signed cannot change in the caller's hands.
            "details": canonical.loads(canonical.dumps(details)),
        }
        unsigned = Receipt(**values, signature=encode64(bytes(64)))
        receipt = Receipt(**values, signature=encode64(key.sign(unsigned.message())))
        _write(handle, receipt.to_bytes() + b"\n", len(data))
    return receipt


def read(ledger: Path) -> list[Receipt]:
    """
    The receipts of a ledger whose form and chain are whole; signatures are not looked at.

    Raises:
        LedgerError: lists every problem with its line.
    """
    receipts, problems = _chain(_data(Path(ledger)))
    if problems:
        raise LedgerError(problems, source=Path(ledger).name)
    return [receipt for _, receipt in receipts]


def _data(ledger: Path) -> bytes:
    try:
        return ledger.read_bytes()
    except OSError as error:
        problem = Problem("", error.strerror or type(error).__name__)
        raise LedgerError([problem], source=ledger.name) from None


def verify(ledger: Path, publics: Mapping[str, str], *, expected_head: str | None = None) -> list[Receipt]:
    """
    Check a ledger: the form of every line, the chain, every signature.

    Args:
        publics: party id -> public signing key in base64.
        expected_head: digest of a receipt that must be in the chain: the head that someone noted.

    Raises:
        LedgerError: lists every change, gap, reorder, wrong signature and cut with its line.

    Source: specs/receipt-v1.md, section 4.
    """
    ledger = Path(ledger)
    receipts, problems = _chain(_data(ledger))
    for number, receipt in receipts:
        place = f"line {number}"
        if receipt.party not in publics:
            problems.append(Problem(place, f"by {receipt.party!r}, whose key is not known here"))
            continue
        try:
            verify_signature(publics[receipt.party], receipt.message(), decode64(receipt.signature, 64))
        except SignatureError:
            problems.append(Problem(place, f"the signature of {receipt.party!r} does not fit"))
    if expected_head is not None and all(receipt.digest != expected_head for _, receipt in receipts):
        problems.append(
            Problem("the end", "the noted head is not in the chain: lines were cut off or replaced")
        )
    if problems:
        raise LedgerError(sorted(problems, key=_order), source=ledger.name)
    return [receipt for _, receipt in receipts]


def _order(problem: Problem) -> int:
    number = problem.place.removeprefix("line ")
    return int(number) if number.isdigit() else sys.maxsize
