"""``pseudolink ledger``: the chain of receipts, verified and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pseudolink import files
from pseudolink.agreement import verify_signatures
from pseudolink.cli.common import NEW_PATH, READABLE, emit, json_option, refusals
from pseudolink.errors import UsageError
from pseudolink.formats.receipt import Receipt
from pseudolink.ledger import chain, together
from pseudolink.ledger import timestamp as stamps


@click.group()
def ledger() -> None:
    """Verify and show the chain of receipts."""


@ledger.command(
    epilog="Example: pseudolink ledger verify council/ledger.jsonl linkage-unit/ledger.jsonl "
    "--agreement agreement.toml"
)
@click.argument("ledgers", nargs=-1, required=True, type=READABLE, metavar="FILE...")
@click.option(
    "--agreement", type=READABLE, required=True, help="The signed agreement, for the parties' keys."
)
@click.option("--head", help="A head that someone noted of the one ledger; it must be in the chain.")
@click.option("--timestamp", type=READABLE, help="A time-stamp response (RFC 3161) for the one ledger.")
@click.option("--authority", type=READABLE, help="Certificates (PEM) that its signature is checked with.")
@json_option
@refusals
def verify(
    ledgers: tuple[Path, ...],
    agreement: Path,
    head: str | None,
    timestamp: Path | None,
    authority: Path | None,
    as_json: bool,
) -> None:
    """
    Find any change, gap, reorder, wrong signature or cut, in the ledgers of one party or of many.

    Together, what each party noted of the others is compared too, so that nobody can have rewritten
    what another has seen.
    """
    if len(ledgers) > 1 and (head or timestamp):
        raise UsageError("--head and --timestamp are about one ledger")
    if authority and not timestamp:
        raise UsageError("--authority goes with --timestamp")
    # A reviewer's work goes on after the agreement has expired, so the day does not matter here.
    agreed = verify_signatures(agreement)
    publics = {one.id: one.signing_key for one in agreed.parties}
    if len(ledgers) > 1:
        found = together.verify(ledgers, publics)
        counts = {party: len(receipts) for party, receipts in found.receipts.items()}
        heads = {party: receipts[-1].digest for party, receipts in found.receipts.items()}
        text = "\n".join(f"{party}: {counts[party]} receipts, head {heads[party]}" for party in counts)
        text += f"\nall whole and signed; {found.seen} notes of one party about another's ledger agree"
        emit({"receipts": counts, "heads": heads, "notes": found.seen}, text, as_json=as_json)
        return
    receipts = chain.verify(ledgers[0], publics, expected_head=head)
    last = receipts[-1].digest if receipts else None
    other = sum(one.agreement != agreed.digest for one in receipts)
    text = f"{len(receipts)} receipts, whole and signed\nhead {last or 'none'}"
    if other:
        text += f"\n{other} of them under another agreement"
    result: dict[str, Any] = {"receipts": len(receipts), "head": last, "under_another_agreement": other}
    if timestamp is not None:
        receipt, time = stamps.read(timestamp, receipts)
        if authority is not None:
            stamps.verify(timestamp, receipt, authority)
        stated = time.isoformat().replace("+00:00", "Z")
        result["timestamp"] = {"receipt": receipt.sequence, "time": stated, "verified": authority is not None}
        text += f"\nup to receipt {receipt.sequence} older than {stated}"
        text += "" if authority else " (as stated: name --authority to check the signature)"
    emit(result, text, as_json=as_json)


@ledger.command(epilog="Example: pseudolink ledger stamp ledger.jsonl -o head.tsq")
@click.argument("file", type=READABLE)
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The request (RFC 3161) to send.")
@json_option
@refusals
def stamp(file: Path, output: Path, as_json: bool) -> None:
    """Write a request for a timestamp of the ledger's head; people send it to an authority of their own."""
    receipts = chain.read(file)
    if not receipts:
        raise UsageError("nothing has been done in this ledger yet")
    files.write_bytes(output, stamps.request(receipts[-1].digest))
    text = f"wrote {output} for head {receipts[-1].digest}; it shows a digest and nothing else"
    emit({"file": str(output), "head": receipts[-1].digest}, text, as_json=as_json)


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
