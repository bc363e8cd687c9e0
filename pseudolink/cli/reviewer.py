"""``pseudolink ledger``: the chain of receipts, verified and shown."""

from __future__ import annotations

from pathlib import Path

import click

from pseudolink.agreement import verify_signatures
from pseudolink.cli.common import READABLE, emit, json_option, refusals
from pseudolink.formats.receipt import Receipt
from pseudolink.ledger import chain


@click.group()
def ledger() -> None:
    """Verify and show the chain of receipts."""


@ledger.command(epilog="Example: pseudolink ledger verify ledger.jsonl --agreement agreement.toml")
@click.argument("file", type=READABLE)
@click.option(
    "--agreement", type=READABLE, required=True, help="The signed agreement, for the parties' keys."
)
@click.option("--head", help="A head that someone noted; it must be in the chain.")
@json_option
@refusals
def verify(file: Path, agreement: Path, head: str | None, as_json: bool) -> None:
    """Find any change, gap, reorder, wrong signature or cut."""
    # A reviewer's work goes on after the agreement has expired, so the day does not matter here.
    agreed = verify_signatures(agreement)
    publics = {one.id: one.signing_key for one in agreed.parties}
    receipts = chain.verify(file, publics, expected_head=head)
    last = receipts[-1].digest if receipts else None
    other = sum(one.agreement != agreed.digest for one in receipts)
    text = f"{len(receipts)} receipts, whole and signed\nhead {last or 'none'}"
    if other:
        text += f"\n{other} of them under another agreement"
    result = {"receipts": len(receipts), "head": last, "under_another_agreement": other}
    emit(result, text, as_json=as_json)


@ledger.command(epilog="Example: pseudolink ledger show ledger.jsonl")
@click.argument("file", type=READABLE)
@json_option
@refusals
def show(file: Path, as_json: bool) -> None:
    """Show the receipts. The chain is checked; signatures are not (use verify)."""
    receipts = chain.read(file)
    result = [
        {
            "sequence": one.sequence,
            "time": one.time,
            "party": one.party,
            "step": one.step,
            "agreement": one.agreement,
            "details": dict(one.details),
            "digest": one.digest,
        }
        for one in receipts
    ]
    emit(result, "\n".join(_line(one) for one in receipts), as_json=as_json)


def _line(receipt: Receipt) -> str:
    return f"{receipt.sequence:4}  {receipt.time}  {receipt.party}  {receipt.step}  {receipt.digest[:16]}"
