"""The operator's command: link."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

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
    say,
)
from pseudolink.errors import UsageError

if TYPE_CHECKING:
    from pseudolink.match.expect import Expected

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def _bytes(size: str) -> int:
    """Bytes of a size such as 4G, 512M or 1000000."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*([KMGT]?)(?:i?B)?", size.strip(), re.IGNORECASE)
    number = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if number < 1:
        raise UsageError("--memory is a size, such as 4G or 512M")
    return number


def _expected(party: str, one: Expected) -> str:
    width = max((len(name) for name in one.passes), default=4)
    lines = [f"with {party}, from {one.sampled:,} rows of the cohort:"]
    lines += [f"  {name:<{width}} {pairs:>15,} pairs" for name, pairs in one.passes.items()]
    lines.append(f"  {'together':<{width}} {one.pairs:>15,} candidate pairs")
    lines.append(
        f"  {one.shards:,} shards, about {max(one.seconds, 0.1):,.1f} s to join, "
        f"{one.memory / (1 << 20):,.0f} MiB at most"
    )
    return "\n".join(lines)


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
@click.option("--min-precision", type=click.FloatRange(0, 1), help="Lowest threshold expected to reach it.")
@click.option(
    "--memory", metavar="SIZE", help="That the join may take, such as 4G; default half of the machine's."
)
@click.option("--dry-run", is_flag=True, help="Only say, from a sample, what to expect; write nothing.")
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
    min_precision: float | None,
    memory: str | None,
    dry_run: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Link sealed encodings, each against the cohort; the link map is sealed to the releaser."""
    from pseudolink.keys.party import PartyKey
    from pseudolink.roles import operator as role

    allowed = None if memory is None else _bytes(memory)
    own = PartyKey.load(key, ask_passphrase(passphrase_file))
    if dry_run:
        with progress() as report:
            expected = role.expect(
                packages,
                agreement=agreement,
                schema=schema,
                key=own,
                output=output,
                memory=allowed,
                report=report,
            )
        found_by_party = {party: asdict(one) for party, one in expected.items()}
        text = "\n".join(_expected(party, one) for party, one in expected.items())
        emit({"expected": found_by_party}, text, as_json=as_json)
        return
    with progress() as report:
        found = role.link(
            packages,
            agreement=agreement,
            schema=schema,
            key=own,
            output=output,
            ledger=ledger or output.parent / "ledger.jsonl",
            min_precision=min_precision,
            memory=allowed,
            report=report,
        )
    for sentence in found.left_out:
        say(sentence)
    lines = [
        f"{p.left} and {p.right}: {p.links:,} links, expected precision {p.expected_precision:.4f}, "
        f"recall {p.expected_recall:.4f}; {p.ambiguous:,} ambiguous pairs left out"
        for p in found.summary.pairs
    ]
    lines += [f"for the releaser: {found.link_map}", f"report: {found.report}"]
    result = {
        "link_map": str(found.link_map),
        "report": str(found.report),
        "left_out": list(found.left_out),
        "summary": found.summary.to_json(),
    }
    emit(result, "\n".join(lines), as_json=as_json)
