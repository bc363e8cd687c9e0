"""The custodian's command: encode."""

from __future__ import annotations

from pathlib import Path

import click

from pseudolink.cli.common import (
    FOLDER,
    NEW_PATH,
    READABLE,
    ask_passphrase,
    delimiter_option,
    emit,
    encoding_option,
    engine_options,
    json_option,
    passphrase_option,
    progress,
    refusals,
    require_engine,
    say,
    sheet_option,
)
from pseudolink.errors import KeyFileError, UsageError, WrongKeyError


def linkage_key_file(keys: Path) -> Path:
    """
    The one linkage key in a folder of keys.

    Raises:
        KeyFileError: none, or several: which project's it would be is not for software to guess.
    """
    found = sorted(keys.glob("*.linkage.key"))
    found += [keys / "linkage.key"] if (keys / "linkage.key").exists() else []
    if len(found) != 1:
        raise KeyFileError(
            f"{keys} holds {len(found) or 'no'} linkage keys; it must hold exactly one",
            advice="Its name is linkage.key, or ends in .linkage.key.",
        )
    return found[0]


@click.command(
    epilog="Example: pseudolink encode extract.csv --agreement agreement.toml --schema schema.toml "
    "--keys keys --party council -o outbox"
)
@click.argument("extract", type=READABLE)
@click.option("--agreement", type=READABLE, required=True, help="The signed agreement (TOML).")
@click.option("--schema", type=READABLE, required=True, help="The linkage schema that it names (TOML).")
@click.option(
    "--keys",
    type=FOLDER,
    required=True,
    help="Folder with ID.party.key and one linkage.key (or NAME.linkage.key).",
)
@click.option("--party", required=True, metavar="ID", help="Who you are in the agreement.")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New folder for the packages.")
@click.option("--ledger", type=NEW_PATH, help="Where the receipt goes; default ledger.jsonl beside --output.")
@click.option(
    "--objections",
    type=READABLE,
    help="Who to leave out: programme IDs, one a line, or a table of identifiers.",
)
@click.option(
    "--do-not-link", type=READABLE, help="Pairs of local IDs that nothing may ever join, one pair a line."
)
@click.option(
    "--known-links",
    type=READABLE,
    help="Pairs of local IDs that are one person, one pair a line; not of the cohort.",
)
@click.option("--local-id", metavar="COLUMN", help="What these lists and events name people by; never sent.")
@click.option(
    "--events",
    multiple=True,
    metavar="NAME=FILE",
    help="An event table of the agreement, a row an event, by --local-id; repeatable.",
)
@click.option("--attributes", help="Attributes to carry, with commas; all that are permitted without it.")
@click.option("--programme-id", default="programme_id", show_default=True, help="Column of the cohort.")
@click.option("--family-id", default="family_id", show_default=True, help="Column of the family.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads that encode; all processors without it.")
@click.option(
    "--chunk-rows",
    type=click.IntRange(min=1),
    default=50_000,
    show_default=True,
    help="Rows that a thread encodes at a time; more take more memory.",
)
@engine_options
@click.option("--strict", is_flag=True, help="Refuse cells that break a rule instead of counting them.")
@click.option("--audit", type=READABLE, help="Report of `pseudolink attack`, where the schema requires one.")
@click.option("--pin-file", type=READABLE, help="PIN of the token, where the linkage key is in one.")
@encoding_option
@delimiter_option
@sheet_option
@passphrase_option
@json_option
@refusals
def encode(
    extract: Path,
    agreement: Path,
    schema: Path,
    keys: Path,
    party: str,
    output: Path,
    ledger: Path | None,
    objections: Path | None,
    do_not_link: Path | None,
    known_links: Path | None,
    local_id: str | None,
    events: tuple[str, ...],
    attributes: str | None,
    programme_id: str,
    family_id: str,
    workers: int | None,
    chunk_rows: int,
    engine: str,
    cluster: str | None,
    strict: bool,
    audit: Path | None,
    pin_file: Path | None,
    encoding: str,
    delimiter: str | None,
    sheet: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Encode EXTRACT under an agreement and seal it: encodings to the operator, payload to the releaser."""
    from pseudolink.cli.keeping import ask_pin
    from pseudolink.keys.linkage import LinkageKey
    from pseudolink.keys.party import PartyKey
    from pseudolink.keys.token import is_reference
    from pseudolink.roles import custodian as role
    from pseudolink.roles.encoding import Options

    require_engine(engine, cluster)
    phrase = ask_passphrase(passphrase_file)
    own = PartyKey.load(keys / f"{party}.party.key", phrase)
    if own.id != party:
        raise WrongKeyError(f"{party}.party.key holds the key of {own.id!r}")
    linkage = linkage_key_file(keys)
    in_token = is_reference(linkage)
    linkage_key = LinkageKey.load(linkage, ask_pin(pin_file) if in_token else phrase)
    away = None
    if engine == "spark":
        if passphrase_file is None or in_token:
            raise UsageError(
                "--engine spark needs the linkage key in a file, and --passphrase-file: each task reads "
                "both, and nothing is sent"
            )
        from pseudolink.engines.spark import open_session
        from pseudolink.roles.spark_encoding import SparkEncoder

        away = SparkEncoder(open_session(cluster), linkage, passphrase_file, linkage_key)
    with progress() as report:
        found = role.encode(
            extract,
            agreement=agreement,
            schema=schema,
            key=own,
            linkage_key=linkage_key,
            output=output,
            ledger=ledger or output.parent / "ledger.jsonl",
            columns=role.Columns(
                programme_id,
                family_id,
                None if attributes is None else [a.strip() for a in attributes.split(",") if a.strip()],
                local_id=local_id,
            ),
            objections=objections,
            do_not_link=do_not_link,
            events=_named_files(events),
            known_links=known_links,
            options=Options(
                strict=strict, workers=workers, chunk_rows=chunk_rows, audit=audit, sheet=sheet, away=away
            ),
            encoding=encoding,
            delimiter=delimiter,
            report=report,
        )
    for name, (count, strangers) in found.events.items():
        said = f"{name}: {count:,} events"
        say(said + (f"; {strangers:,} are of no record that was encoded" if strangers else ""))
    if found.unknown_objections:
        # Else a mistyped ID would have a person linked who objected, and nobody would know.
        say(
            f"{found.unknown_objections:,} of the objections listed match no record of this extract "
            "(a heading does not either): compare their spelling with the programme IDs"
        )
    result = {
        "rows": found.rows,
        "objections": found.objections,
        "unknown_objections": found.unknown_objections,
        "do_not_link": found.do_not_link,
        "events": {name: count for name, (count, _) in found.events.items()},
        "known_links": found.known_links,
        "company": found.company,
        "largest_component": found.largest_component,
        "fields": found.counts,
        "encodings": str(found.encodings),
        "payload": str(found.payload),
    }
    text = (
        f"encoded {found.rows:,} records ({found.objections:,} left out for objections); "
        f"{found.company:.2%} have company\n"
        f"for the operator: {found.encodings}\nfor the releaser: {found.payload}"
    )
    emit(result, text, as_json=as_json)


def _named_files(words: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or not name.strip() or name.strip() in found or not Path(path).is_file():
            raise UsageError(
                "--events has the form NAME=FILE, each name once",
                advice="FILE must be there, as CSV, Parquet or .xlsx.",
            )
        found[name.strip()] = Path(path)
    return found


@click.command(
    epilog="Example: pseudolink withdraw objections.txt --index outbox/council.records.package "
    "--agreement agreement.toml --key council.party.key -o council.withdrawal.package"
)
@click.argument("listed", type=READABLE, metavar="LIST")
@click.option("--index", type=READABLE, required=True, help="The records package of the delivery.")
@click.option("--agreement", type=READABLE, required=True, help="The signed agreement (TOML).")
@click.option("--key", type=READABLE, required=True, help="This custodian's ID.party.key.")
@click.option("--schema", type=READABLE, help="With identifiers: the linkage schema.")
@click.option("--extract", type=READABLE, help="With identifiers: the extract as it was delivered.")
@sheet_option
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The new package.")
@click.option("--ledger", type=NEW_PATH, help="Where the receipt goes; default ledger.jsonl beside --output.")
@passphrase_option
@json_option
@refusals
def withdraw(
    listed: Path,
    index: Path,
    agreement: Path,
    key: Path,
    schema: Path | None,
    extract: Path | None,
    sheet: str | None,
    output: Path,
    ledger: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Take people who object out of what was delivered already.

    LIST has programme IDs, one a line, or a table of identifiers. The package goes to the linkage unit
    and the research environment; they give it to link and release as --withdrawals.
    """
    from pseudolink.keys.party import PartyKey
    from pseudolink.roles import withdrawing as role

    found = role.withdraw(
        listed,
        index=index,
        agreement=agreement,
        key=PartyKey.load(key, ask_passphrase(passphrase_file)),
        schema=schema,
        extract=extract,
        sheet=sheet,
        output=output,
        ledger=ledger or output.parent / "ledger.jsonl",
    )
    if found.unknown:
        say(f"{found.unknown:,} of those listed are nobody in this delivery: compare the spelling")
    result = {"package": str(found.package), "records": found.records, "unknown": found.unknown}
    emit(result, f"{found.records:,} records withdrawn: {found.package}", as_json=as_json)
