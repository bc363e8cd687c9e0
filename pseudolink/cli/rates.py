"""The releaser's command for linkage rates by subgroup."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from pseudolink.cli.common import (
    NEW_PATH,
    READABLE,
    ask_passphrase,
    emit,
    json_option,
    passphrase_option,
    refusals,
)


@click.command(
    epilog="Example: pseudolink rates linkmap.package council.payload.package schools.payload.package "
    "--by arm --agreement agreement.toml --key research-environment.party.key -o rates"
)
@click.argument("link_map", type=READABLE, metavar="MAP")
@click.argument("payloads", nargs=-1, required=True, type=READABLE, metavar="PAYLOAD...")
@click.option("--by", multiple=True, required=True, metavar="ATTRIBUTE", help="Makes subgroups; repeatable.")
@click.option("--band", type=click.IntRange(min=2), help="Years (or numbers) that make one subgroup.")
@click.option("--agreement", type=READABLE, required=True, help="The signed agreement (TOML).")
@click.option("--key", type=READABLE, required=True, help="The releaser's ID.party.key.")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New folder for the table.")
@click.option(
    "--withdrawals", type=READABLE, multiple=True, help="A custodian's withdrawal; give every one you hold."
)
@click.option("--ledger", type=NEW_PATH, help="Where the receipt goes; default ledger.jsonl beside --output.")
@passphrase_option
@json_option
@refusals
def rates(
    link_map: Path,
    payloads: tuple[Path, ...],
    by: tuple[str, ...],
    band: int | None,
    agreement: Path,
    key: Path,
    output: Path,
    withdrawals: tuple[Path, ...],
    ledger: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Count by subgroup how many records are linked: whom does the linkage miss?

    A figure is told where at least ten records are linked and ten are not; counts are rounded to
    five, and further subgroups are held back where a total would give one away.
    """
    from pseudolink.keys.party import PartyKey
    from pseudolink.roles import rates as role

    found = role.rates(
        link_map,
        payloads,
        by,
        band=band,
        agreement=agreement,
        key=PartyKey.load(key, ask_passphrase(passphrase_file)),
        output=output,
        withdrawals=withdrawals,
        ledger=ledger or output.parent / "ledger.jsonl",
    )
    lines = [f"{'party':<14}{'linked with':<14}{'subgroup':<34}{'records':>9}{'linked':>9}{'rate':>7}"]
    lines += [
        f"{one.party:<14}{one.linked_with:<14}{f'{one.attribute}: {one.group}':<34}"
        + (f"{one.records:>9,}{one.linked:>9,}{one.rate:>6} %" if one.records is not None else f"{'-':>9}")
        for one in found
    ]
    lines += ["", f"table: {output / role.FILE}", f"page:  {output / role.PAGE}"]
    emit({"rates": [asdict(one) for one in found]}, "\n".join(lines), as_json=as_json)
