"""
The releaser: join the link map with the payloads and make the de-identified dataset.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from pseudolink import files
from pseudolink.agreement import Agreement, load_signed, today_utc
from pseudolink.errors import NotAcceptedError, NotPermittedError, UsageError
from pseudolink.formats import payload as payloads
from pseudolink.formats.released import (
    CODEBOOK,
    DESCRIPTION,
    DICTIONARY,
    DISCLOSURE,
    DISCLOSURE_PAGE,
    PARQUET,
    PEOPLE,
)
from pseudolink.keys.party import PartyKey
from pseudolink.keys.release import ReleaseKey
from pseudolink.ledger import chain
from pseudolink.release import documents
from pseudolink.release import files as written
from pseudolink.release.dataset import (
    assemble,
    column_name,
    events_of,
    families_table,
    listed,
    records_of,
    require_consistent,
)
from pseudolink.release.families import Families, carries, family_links
from pseudolink.release.microdata.changing import own_families
from pseudolink.release.microdata.protect import protect
from pseudolink.release.microdata.rules import Rules, parse_rules
from pseudolink.report import disclosure
from pseudolink.roles import quality
from pseudolink.roles.arrivals import Arrived, open_all
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.standing import require_role
from pseudolink.seal.package import file_digest

FORMAT = "pseudolink/release/1"
FAMILIES = "families"

#: ``accept(report) -> whether the releaser accepts what the disclosure rules did and left``.
Accept = Callable[[dict[str, Any]], bool]
Tables = dict[str, pa.Table]
STATEMENT = (
    "Pseudonymised data for research under the agreement named here. It must not be used for "
    "decisions about individuals or families, must not be shared with a local authority or another "
    "public agency, and nobody may try to identify a person or a family in it."
)


@dataclass(frozen=True)
class Released:
    """What was written; withheld: further tables of too few people or families."""

    folder: Path
    parquet: Path
    rows: int
    columns: tuple[str, ...]
    further: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Names:
    """Whom a release is for, and what people and families are called in it."""

    agreed: Agreement
    recipient: str
    release: str
    key: ReleaseKey

    def programme(self, ids: Sequence[str]) -> Sequence[str]:
        if self.agreed.programme_ids == "as-supplied":
            return ids
        return self.key.names("pseudonym", self.agreed.project, ids)

    def family(self, ids: Sequence[str]) -> Sequence[str]:
        return self.key.names("family", self.agreed.project, ids)


def release(
    link_map: Path,
    payload_packages: Sequence[Path],
    *,
    agreement: Path,
    key: PartyKey,
    release_key: ReleaseKey,
    output: Path,
    ledger: Path,
    recipient: str | None = None,
    accept: Accept | None = None,
    withdrawals: Sequence[Path] = (),
    today: date | None = None,
) -> Released:
    """
    Make the release from a sealed link map and the sealed payloads of all parties.

    Args:
        output: new folder; gets the tables as Parquet and CSV, data dictionary and codebook, the
            quality of the linkage, a description as JSON and, where the agreement has disclosure
            rules, the report of what they did.
        recipient: who of those whom the agreement names gets it; needed where there are several.
        accept: is shown that report; without it, or when it says no, nothing is released.
        withdrawals: packages of custodians; their records are dropped from links and payloads first.

    Raises:
        PseudolinkError: whatever does not fit; no output is left then.
    """
    files.refuse_existing(output)
    today = today or today_utc()
    agreed = load_signed(agreement, today)
    party = require_role(agreed, key, "releaser", "makes a release")
    names = _names(agreed, recipient, release_key)
    rules = None if agreed.disclosure is None else parse_rules(agreed.disclosure)
    exchange = Exchange(ledger, party.id)
    with files.new_folder(output) as folder:
        work = folder / "work"
        work.mkdir(mode=0o700)
        arrived = open_all(
            link_map,
            payload_packages,
            work,
            agreed=agreed,
            key=key,
            today=today,
            exchange=exchange,
            withdrawals=withdrawals,
        )
        people, further, found = _joined(arrived, names, work / "spill")
        known = _known(arrived, agreed)
        measured = quality.measure(arrived, agreed, rules)
        people, further, report = _protected(people, further, rules, accept)
        _clear(work)
        tables = {PEOPLE: people, **further}
        said = {
            name: documents.labels("" if name == PEOPLE else name, one, *known)
            for name, one in tables.items()
        }
        made = []
        for name, one in tables.items():
            made += written.write(one, folder, name, {c: said[name][c].label for c in one.column_names})
        made += _documents(folder, tables, said, report)
        made += quality.write(folder, measured, agreed, arrived.manifest, today)
        description = {
            **_describe(people, arrived, names, today),
            "disclosure_rules": None if report is None else report["rules"],
            "further": {name: _columns(one) for name, one in further.items()},
            "withheld": sorted(set(found) - set(further)),
        }
        (folder / DESCRIPTION).write_text(
            json.dumps(description, indent=2) + "\n", encoding="utf-8", newline="\n"
        )
        chain.append(
            ledger,
            key,
            step="release",
            agreement=agreed.digest,
            details={
                "link_map": file_digest(link_map),
                "payloads": dict(arrived.digests),
                "recipient": names.recipient,
                "release": names.release,
                "rows": people.num_rows,
                "columns": len(people.column_names),
                "keys": {"release": release_key.fingerprint},
                **exchange.details(),
                **{name: file_digest(folder / name) for name in (*made, DESCRIPTION)},
            },
        )
    withheld = tuple(sorted(set(found) - set(further)))
    return Released(
        output, output / PARQUET, people.num_rows, tuple(people.column_names), tuple(further), withheld
    )


def _names(agreed: Agreement, recipient: str | None, key: ReleaseKey) -> _Names:
    """
    The recipient, an ID of the release that is new each time, and the key derived for both.

    Raises:
        UsageError: several recipients, and none chosen. NotPermittedError: one who is none.
    """
    ids = [one.id for one in agreed.recipients_of("release")]
    if recipient is None and len(ids) > 1:
        raise UsageError(
            "the agreement names several recipients of a release; each gets one of its own",
            advice=f"Choose: --recipient {' or '.join(ids)}.",
        )
    chosen = recipient or ids[0]
    if chosen not in ids:
        raise NotPermittedError(f"{chosen!r} receives no release; {' or '.join(ids)} does")
    number = secrets.token_hex(16)
    return _Names(agreed, chosen, number, key.of_release(agreed.project, chosen, number))


def _joined(arrived: Arrived, names: _Names, spill: Path) -> tuple[pa.Table, Tables, list[str]]:
    """The table of people, the further tables, and the names of these."""
    agreed, tables = names.agreed, arrived.payloads
    cohort = agreed.cohort.id
    several = {one.id: dict(one.several) for one in agreed.of_role("custodian")}
    options: dict[str, Any] = {"cohort": cohort, "programme": names.programme, "spill": spill}
    families = _families(arrived, cohort)
    people = assemble(
        arrived.link_map,
        tables,
        **options,
        family=names.family,
        duplicates=arrived.duplicates,
        several=several,
        families=families,
    )
    further: Tables = {}
    for party, source in sorted(tables.items()):
        for name in payloads.event_tables(source):
            further[column_name(party, name)] = events_of(
                arrived.link_map, tables, **options, party=party, name=name
            )
        if party in arrived.duplicates and listed(source, several[party]):
            further[f"release.{party}"] = records_of(
                arrived.link_map, tables, **options, party=party, rules=several[party]
            )
    if families is not None:
        further[FAMILIES] = families_table(families, names.family)
    return people, further, list(further)


def _families(arrived: Arrived, cohort: str) -> Families | None:
    """Family links, where another party than the cohort carries families."""
    tables = arrived.payloads
    if cohort not in tables or not any(carries(one) for party, one in tables.items() if party != cohort):
        return None
    # What does not belong together is refused by assemble, with everything told at once.
    require_consistent(arrived.link_map, tables, cohort, arrived.duplicates)
    return family_links(arrived.link_map, tables, cohort)


def _protected(
    people: pa.Table, further: Tables, rules: Rules | None, accept: Accept | None
) -> tuple[pa.Table, Tables, dict[str, Any] | None]:
    """The tables under the agreement's disclosure rules, and the report that was accepted."""
    if rules is None:
        return people, further, None
    family = payloads.FAMILY_ID if payloads.FAMILY_ID in people.column_names else None
    found = protect(people, rules, family=family, further=further)
    if accept is None or not accept(found.report):
        raise NotAcceptedError(
            "the disclosure report was not accepted; nothing was released",
            advice="Read it, then accept it: answer yes on a terminal, or give --accept.",
        )
    return found.table, dict(found.further), found.report


def _known(
    arrived: Arrived, agreed: Agreement
) -> tuple[dict[str, documents.Column], dict[str, documents.Column]]:
    """What is known of the columns of the table of people, and of the rows of further tables."""
    names = {one.id: one.name for one in agreed.parties}
    people = documents.columns_of(
        arrived.payloads, cohort=agreed.cohort.id, duplicates=arrived.duplicates, parties=names
    )
    further = {FAMILIES: documents.Column("family link", "release", "not known, or suppressed")}
    for party, source in arrived.payloads.items():
        null = "blank, or suppressed"
        for name in payloads.event_tables(source):
            further[column_name(party, name)] = documents.Column(f"{name}, {names[party]}", party, null)
        further[f"release.{party}"] = documents.Column(f"as supplied by {names[party]}", party, null)
    return people, further


def _documents(
    folder: Path, tables: Tables, said: Mapping[str, Any], report: dict[str, Any] | None
) -> list[str]:
    changes = {} if report is None else {PEOPLE: report["columns"]}
    if report is not None:
        changes |= {name: one.get("columns", {}) for name, one in report["further"].items()}
        (folder / DISCLOSURE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8", newline="\n")
        (folder / DISCLOSURE_PAGE).write_text(disclosure.render(report), encoding="utf-8", newline="\n")
    people = tables[PEOPLE]
    family = payloads.FAMILY_ID if payloads.FAMILY_ID in people.column_names else None
    pa.csv.write_csv(documents.dictionary(tables, said, changes), folder / DICTIONARY)
    pa.csv.write_csv(documents.codebook(tables, people, own_families(people, family)), folder / CODEBOOK)
    return [DICTIONARY, CODEBOOK, *([DISCLOSURE, DISCLOSURE_PAGE] if report is not None else [])]


def _clear(work: Path) -> None:
    """Opened payloads do not stay with what was made of them."""
    for path in sorted(work.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    work.rmdir()


def _columns(table: pa.Table) -> dict[str, Any]:
    return {
        "rows": table.num_rows,
        "columns": [
            {"name": f.name, "type": str(f.type), "missing": table.column(f.name).null_count}
            for f in table.schema
        ],
    }


def _describe(table: pa.Table, arrived: Arrived, names: _Names, today: date) -> dict[str, Any]:
    agreed = names.agreed
    return {
        "format": FORMAT,
        "project": agreed.project,
        "purpose": agreed.purpose,
        "agreement": agreed.digest,
        "schema": agreed.schema,
        "recipient": names.recipient,
        "release": names.release,
        "created": today.isoformat(),
        "expires": agreed.expires.isoformat(),
        "software": f"pseudolink {version('pseudolink')}",
        "statement": STATEMENT,
        "programme_ids": agreed.programme_ids,
        "programme_ids_reason": agreed.programme_ids_reason,
        "release_key": names.key.parent if agreed.programme_ids == "pseudonym" else None,
        **_columns(table),
        "linkage": arrived.manifest.statistics.get("pairs", []),
    }
