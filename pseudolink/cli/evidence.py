"""The reviewer's command: evidence."""

from __future__ import annotations

from pathlib import Path

import click

from pseudolink.cli.common import NEW_PATH, READABLE, emit, json_option, refusals, say
from pseudolink.errors import EvidenceError


@click.command(
    epilog="Example: pseudolink evidence agreement.toml --schema schema.toml --ledger council/ledger.jsonl "
    "--ledger linkage-unit/ledger.jsonl --report linkage/summary.json -o evidence"
)
@click.argument("agreement", type=READABLE)
@click.option("--schema", type=READABLE, help="The agreed linkage schema, for the kinds of fields.")
@click.option("--ledger", "ledgers", type=READABLE, multiple=True, help="A party's ledger; repeat for each.")
@click.option(
    "--report",
    "reports",
    type=READABLE,
    multiple=True,
    help="A linkage summary, attack or disclosure report, a release's release.json or linkage.json, a "
    "certificate of destruction, or a ledger of published tables (tables.jsonl); repeatable.",
)
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New folder for HTML and Markdown.")
@json_option
@refusals
def evidence(
    agreement: Path,
    schema: Path | None,
    ledgers: tuple[Path, ...],
    reports: tuple[Path, ...],
    output: Path,
    as_json: bool,
) -> None:
    """Write record of processing, DPIA annex, field table and promises from a project's own artefacts.

    Needs no key and sees no record. What only people can decide stays blank and is marked.
    """
    from pseudolink.roles import evidence as role

    found = role.evidence(agreement, output=output, schema=schema, ledgers=ledgers, reports=reports)
    broken = [one._asdict() for one in found.broken]
    emit({"folder": str(found.folder), "broken": broken}, f"written: {found.folder}", as_json=as_json)
    if broken:
        say("the document says so too:")
        raise EvidenceError(found.broken)
