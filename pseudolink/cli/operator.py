"""The operator's command: link."""

from __future__ import annotations

from pathlib import Path

import click

from pseudolink.cli.common import (
    NEW_PATH,
    READABLE,
    ask_passphrase,
    emit,
    json_option,
    passphrase_option,
    progress,
    refusals,
)


@click.command(
    epilog="Example: pseudolink link council.encodings.package schools.encodings.package "
    "--agreement agreement.toml --schema schema.toml --key linkage-unit.party.key -o linkage"
)
@click.argument("packages", nargs=-1, required=True, type=READABLE, metavar="PACKAGE...")
@click.option("--agreement", type=READABLE, required=True, help="The signed agreement (TOML).")
@click.option("--schema", type=READABLE, required=True, help="The linkage schema that it names (TOML).")
@click.option("--key", type=READABLE, required=True, help="The operator's ID.party.key.")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New folder for link map and report.")
@click.option("--ledger", type=NEW_PATH, help="Where the receipt goes; default ledger.jsonl beside --output.")
@click.option(
    "--withdrawals", type=READABLE, multiple=True, help="A custodian's withdrawal; give every one you hold."
)
@click.option("--min-precision", type=click.FloatRange(0, 1), help="Lowest threshold expected to reach it.")
@passphrase_option
@json_option
@refusals
def link(
    packages: tuple[Path, ...],
    agreement: Path,
    schema: Path,
    key: Path,
    output: Path,
    ledger: Path | None,
    withdrawals: tuple[Path, ...],
    min_precision: float | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Link sealed encodings, each against the cohort; the link map is sealed to the releaser."""
    from pseudolink.keys.party import PartyKey
    from pseudolink.roles import operator as role

    own = PartyKey.load(key, ask_passphrase(passphrase_file))
    with progress() as report:
        found = role.link(
            packages,
            agreement=agreement,
            schema=schema,
            key=own,
            output=output,
            ledger=ledger or output.parent / "ledger.jsonl",
            min_precision=min_precision,
            withdrawals=withdrawals,
            report=report,
        )
    lines = [
        f"{p.left} and {p.right}: {p.links:,} links, expected precision {p.expected_precision:.4f}, "
        f"recall {p.expected_recall:.4f}; {p.ambiguous:,} ambiguous pairs left out"
        for p in found.summary.pairs
    ]
    lines += [f"for the releaser: {found.link_map}", f"report: {found.report}"]
    result = {
        "link_map": str(found.link_map),
        "report": str(found.report),
        "summary": found.summary.to_json(),
    }
    emit(result, "\n".join(lines), as_json=as_json)
