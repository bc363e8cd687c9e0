"""
Heads of ledgers, as manifests and receipts carry them: ``{party: {"sequence", "head"}}``.

A head that somebody else has seen cannot be taken back: whoever rewrites its ledger no longer
comes to the same digest at that place.

Source: specs/receipt-v1.md, section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pseudolink.errors import LedgerForkError, Problem
from pseudolink.formats.receipt import FIRST, Receipt

HEADS = "heads"
RECEIVED = "received"

Heads = Mapping[str, Mapping[str, Any]]


def of_chain(receipts: Iterable[Receipt]) -> dict[str, Any]:
    """The head of a ledger; sequence 0 and 64 zeros where nothing has been done yet."""
    last = None
    for last in receipts:  # noqa: B007 - only the last one is wanted
        pass
    return {"sequence": last.sequence if last else 0, "head": last.digest if last else FIRST}


def merge(known: Heads, more: Heads, *, source: str) -> dict[str, dict[str, Any]]:
    """
    The latest head of each party of both.

    Raises:
        LedgerForkError: two digests at one place of a party's ledger: it has shown two histories.
    """
    found = {party: dict(head) for party, head in known.items()}
    problems = []
    for party, head in sorted(more.items()):
        before = found.get(party)
        if before is not None and before["sequence"] == head["sequence"] and before["head"] != head["head"]:
            problems.append(Problem(party, f"two different ledgers at entry {head['sequence']:,}"))
        if before is None or head["sequence"] > before["sequence"]:
            found[party] = dict(head)
    if problems:
        raise LedgerForkError(problems, source=source)
    return found
