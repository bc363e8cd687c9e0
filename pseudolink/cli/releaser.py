"""The releaser's command: release."""

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
    refusals,
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
    )
    result = {
        "folder": str(found.folder),
        "rows": found.rows,
        "columns": list(found.columns),
        "parquet": str(found.parquet),
    }
    emit(
        result,
        f"released {found.rows:,} people, {len(found.columns)} columns: {found.folder}",
        as_json=as_json,
    )
