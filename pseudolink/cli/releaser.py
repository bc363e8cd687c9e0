"""The releaser's command: release."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pseudolink.cli.common import (
    NEW_PATH,
    READABLE,
    ask_passphrase,
    emit,
    json_option,
    passphrase_option,
    refusals,
    say,
)


@click.command(
    epilog="Example: pseudolink release linkmap.package council.payload.package schools.payload.package "
    "--agreement agreement.toml --key research-environment.party.key --release-key release.key -o release"
)
@click.argument("link_map", type=READABLE, metavar="MAP")
@click.argument("payloads", nargs=-1, required=True, type=READABLE, metavar="PAYLOAD...")
@click.option("--agreement", type=READABLE, required=True, help="The signed agreement (TOML).")
@click.option("--key", type=READABLE, required=True, help="The releaser's ID.party.key.")
@click.option("--release-key", type=READABLE, required=True, help="The release key, for pseudonyms.")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New folder for the dataset.")
@click.option("--recipient", metavar="ID", help="Whom it is for, where the agreement names several.")
@click.option("--accept", is_flag=True, help="Accept the disclosure report; without it a terminal asks.")
@click.option(
    "--withdrawals", type=READABLE, multiple=True, help="A custodian's withdrawal; give every one you hold."
)
@click.option("--ledger", type=NEW_PATH, help="Where the receipt goes; default ledger.jsonl beside --output.")
@passphrase_option
@json_option
@refusals
def release(
    link_map: Path,
    payloads: tuple[Path, ...],
    agreement: Path,
    key: Path,
    release_key: Path,
    output: Path,
    recipient: str | None,
    accept: bool,
    withdrawals: tuple[Path, ...],
    ledger: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Join MAP and PAYLOADs into a dataset with programme pseudonyms and permitted attributes only."""
    from pseudolink.keys.party import PartyKey
    from pseudolink.keys.release import ReleaseKey
    from pseudolink.roles import releaser as role

    phrase = ask_passphrase(passphrase_file)
    found = role.release(
        link_map,
        payloads,
        agreement=agreement,
        key=PartyKey.load(key, phrase),
        release_key=ReleaseKey.load(release_key, phrase),
        output=output,
        ledger=ledger or output.parent / "ledger.jsonl",
        recipient=recipient,
        accept=lambda report: _accepted(report, accept),
        withdrawals=withdrawals,
    )
    result = {
        "folder": str(found.folder),
        "rows": found.rows,
        "columns": list(found.columns),
        "parquet": str(found.parquet),
        "further": list(found.further),
        "withheld": list(found.withheld),
    }
    for name in found.withheld:
        say(f"{name} is withheld: too few people or families are in it")
    emit(
        result,
        f"released {found.rows:,} people, {len(found.columns)} columns"
        + "".join(f", and {name}" for name in found.further)
        + f": {found.folder}",
        as_json=as_json,
    )


def _accepted(report: dict[str, Any], accept: bool) -> bool:
    """Show what the disclosure rules did; whether the releaser takes it."""
    for line in _lines(report):
        say(line)
    if accept or not sys.stdin.isatty():
        return accept
    return click.confirm("Release the dataset so?", err=True)


def _lines(report: dict[str, Any]) -> Iterator[str]:
    before, after = report["before"], report["after"]
    yield f"disclosure rules {report['rules']['profile']!r}, k = {report['rules']['k']}"
    for name, one in report["columns"].items():
        done = [f"step {one['step']}"] if one["step"] else []
        done += [f"{one['suppressed']:,} values suppressed"] if one["suppressed"] else []
        done += [f"{one['top_coded']:,} top-coded"] if one.get("top_coded") else []
        yield f"  {name}: {', '.join(done) or 'as it was'}"
    yield f"  people in classes below k: {before['below_k']:,} before, {after['below_k']:,} after"
    yield f"  expected to be singled out: {before['expected']:,.1f} before, {after['expected']:,.1f} after"
    risk = f"{before['household_risk']:.1%} before, {after['household_risk']:.1%} after"
    yield f"  largest household risk: {risk}"
    for name, one in report["further"].items():
        if "withheld" in one:
            yield f"  table {name}: withheld, {one['withheld']}"
            continue
        hidden = sum(column["suppressed"] for column in one["columns"].values())
        yield (
            f"  table {name}: {one['rows']:,} rows, {hidden:,} values suppressed, "
            f"{one['left_out']:,} rows left out; smallest class {one['smallest']:,}"
        )
    events = report["events"]
    if events["columns"]:
        alone = f"{events['unique_before']:,} before, {events['unique_after']:,} after"
        yield f"  event sequences of one person: {alone}"
