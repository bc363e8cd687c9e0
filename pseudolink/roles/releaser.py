"""
The releaser: join the link map with the payloads and make the de-identified dataset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pseudolink import files
from pseudolink.agreement import Agreement, load_signed, require_own_key, today_utc
from pseudolink.errors import (
    ArtefactError,
    MixedArtefactsError,
    NotAcceptedError,
    NotPermittedError,
    Problem,
)
from pseudolink.formats import linkmap
from pseudolink.formats import payload as payloads
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey
from pseudolink.keys.release import ReleaseKey
from pseudolink.ledger import chain
from pseudolink.release.dataset import assemble, families_table, records_of, require_consistent
from pseudolink.release.families import Families, carries, family_links
from pseudolink.release.microdata.protect import protect
from pseudolink.release.microdata.rules import parse_rules
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.receiving import dropped, dropped_from_map, receive
from pseudolink.seal.package import file_digest, open_package

FORMAT = "pseudolink/release/1"
PARQUET = "release.parquet"
CSV = "release.csv"
FAMILIES = "families"
DESCRIPTION = "release.json"
DISCLOSURE = "disclosure.json"

#: ``accept(report) -> whether the releaser accepts what the disclosure rules did and left``.
Accept = Callable[[dict[str, Any]], bool]
STATEMENT = (
    "Pseudonymised data for research under the agreement named here. It must not be used for "
    "decisions about individuals or families, must not be shared with a local authority or another "
    "public agency, and nobody may try to identify a person or a family in it."
)


@dataclass(frozen=True)
class Released:
    """What was written; withheld: further tables that the disclosure rules do not cover."""

    folder: Path
    parquet: Path
    rows: int
    columns: tuple[str, ...]
    further: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


def release(
    link_map: Path,
    payload_packages: Sequence[Path],
    *,
    agreement: Path,
    key: PartyKey,
    release_key: ReleaseKey,
    output: Path,
    ledger: Path,
    accept: Accept | None = None,
    withdrawals: Sequence[Path] = (),
    today: date | None = None,
) -> Released:
    """
    Make the release from a sealed link map and the sealed payloads of all parties.

    Args:
        output: new folder; gets the dataset as Parquet and CSV, its description as JSON and, where the
            agreement has disclosure rules, the report of what they did.
        accept: is shown that report; without it, or when it says no, nothing is released.
        withdrawals: packages of custodians; their records are dropped from links and payloads first.

    Raises:
        PseudolinkError: whatever does not fit; no output is left then.
    """
    files.refuse_existing(output)
    today = today or today_utc()
    agreed = load_signed(agreement, today)
    party = require_own_key(agreed, key)
    if party.role != "releaser":
        raise NotPermittedError(f"{party.id!r} is not the releaser; only the releaser makes a release")
    exchange = Exchange(ledger, party.id)
    with files.new_folder(output) as folder:
        plain = folder / "opened.parquet"
        manifest = open_package(
            link_map, plain, agreement=agreed, recipient=key, artefact="link_map", today=today
        )
        exchange.take(manifest)
        repeated = _duplicates(manifest, agreed)
        found = linkmap.load(plain, duplicates=repeated)
        plain.unlink()
        tables, digests = _payloads(payload_packages, plain, agreed, key, today, exchange)
        gone = receive(withdrawals, agreed, key, exchange, folder, today)
        exchange.require_withdrawals()
        found = dropped_from_map(found, gone, agreed.cohort.id) if gone else found
        tables = {one: dropped(held, gone.get(one, frozenset())) for one, held in tables.items()}
        families = _families(found, tables, agreed, repeated)
        names = {"cohort": agreed.cohort.id, "programme": _programme(agreed, release_key)}
        family = partial(release_key.family, agreed.project)
        table = assemble(found, tables, **names, family=family, duplicates=repeated, families=families)
        table, report = _protected(table, agreed, accept)
        if report is not None:
            (folder / DISCLOSURE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        _write(table, folder, "release")
        further = {
            f"release.{party}": records_of(found, tables, **names, party=party)
            for party in repeated
            if party in tables
        }
        if families is not None:
            further[FAMILIES] = families_table(families, family)
        # microdata-v1 knows rows of people; what has other rows would pass by its rules.
        withheld = sorted(further) if agreed.disclosure is not None else []
        further = {} if withheld else further
        for name, one in further.items():
            _write(one, folder, name)
        description = {
            **_describe(table, manifest, agreed, release_key, today),
            "disclosure_rules": None if report is None else report["rules"],
            "further": {name: _columns(one) for name, one in further.items()},
            "withheld": withheld,
        }
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        chain.append(
            ledger,
            key,
            step="release",
            agreement=agreed.digest,
            details={
                "link_map": file_digest(link_map),
                "payloads": digests,
                "rows": table.num_rows,
                "columns": len(table.column_names),
                "keys": {"release": release_key.fingerprint},
                **exchange.details(),
                PARQUET: file_digest(folder / PARQUET),
                CSV: file_digest(folder / CSV),
                **{f"{name}.parquet": file_digest(folder / f"{name}.parquet") for name in further},
            },
        )
    names_ = tuple(table.column_names)
    return Released(output, output / PARQUET, table.num_rows, names_, tuple(further), tuple(withheld))


def _protected(
    table: pa.Table, agreed: Agreement, accept: Accept | None
) -> tuple[pa.Table, dict[str, Any] | None]:
    """The dataset under the agreement's disclosure rules, and the report that was accepted."""
    if agreed.disclosure is None:
        return table, None
    family = payloads.FAMILY_ID if payloads.FAMILY_ID in table.column_names else None
    found = protect(table, parse_rules(agreed.disclosure), family=family)
    if accept is None or not accept(found.report):
        raise NotAcceptedError(
            "the disclosure report was not accepted; nothing was released",
            advice="Read it, then accept it: answer yes on a terminal, or give --accept.",
        )
    return found.table, found.report


def _duplicates(manifest: Manifest, agreed: Agreement) -> tuple[str, ...]:
    """Parties of which the operator says that they may have several records of a person."""
    stated = manifest.statistics.get("duplicates", [])
    known = {one.id for one in agreed.of_role("custodian") if not one.cohort}
    if not isinstance(stated, list) or not all(isinstance(one, str) for one in stated):
        raise ArtefactError([Problem("statistics.duplicates", "must be a list")], source="the link map")
    if set(stated) - known:
        problem = Problem("statistics.duplicates", "names who is no custodian beside the cohort's")
        raise ArtefactError([problem], source="the link map")
    return tuple(sorted(set(stated)))


def _families(
    found: pa.Table, tables: dict[str, pa.Table], agreed: Agreement, repeated: Sequence[str]
) -> Families | None:
    """Family links, where another party than the cohort carries families."""
    cohort = agreed.cohort.id
    if cohort not in tables or not any(carries(one) for party, one in tables.items() if party != cohort):
        return None
    # What does not belong together is refused by assemble, with everything told at once.
    require_consistent(found, tables, cohort, repeated)
    return family_links(found, tables, cohort)


def _write(table: pa.Table, folder: Path, name: str) -> None:
    pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    pa.csv.write_csv(table, folder / f"{name}.csv")


def _columns(table: pa.Table) -> dict[str, Any]:
    return {
        "rows": table.num_rows,
        "columns": [
            {"name": f.name, "type": str(f.type), "missing": table.column(f.name).null_count}
            for f in table.schema
        ],
    }


def _payloads(
    packages: Sequence[Path],
    plain: Path,
    agreed: Agreement,
    key: PartyKey,
    today: date,
    exchange: Exchange,
) -> tuple[dict[str, pa.Table], dict[str, str]]:
    tables: dict[str, pa.Table] = {}
    digests = {}
    problems = []
    for package in packages:
        manifest = open_package(
            package, plain, agreement=agreed, recipient=key, artefact="payload", today=today
        )
        exchange.take(manifest)
        sender = agreed.party(manifest.sender)
        if sender.id in tables:
            problems.append(Problem(sender.id, "has sent two payloads; release one delivery of each party"))
        tables[sender.id] = payloads.load(
            plain,
            party=sender.id,
            permitted=sender.attributes,
            cohort=sender.cohort,
            families=sender.families,
        )
        digests[sender.id] = file_digest(package)
        plain.unlink()
    if problems:
        raise MixedArtefactsError(problems)
    return tables, dict(sorted(digests.items()))


def _programme(agreed: Agreement, key: ReleaseKey) -> Any:
    if agreed.programme_ids == "as-supplied":
        return lambda value: value
    return lambda value: key.pseudonym(agreed.project, value)


def _describe(
    table: pa.Table, manifest: Manifest, agreed: Agreement, key: ReleaseKey, today: date
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "project": agreed.project,
        "purpose": agreed.purpose,
        "agreement": agreed.digest,
        "schema": agreed.schema,
        "created": today.isoformat(),
        "expires": agreed.expires.isoformat(),
        "software": f"pseudolink {version('pseudolink')}",
        "statement": STATEMENT,
        "programme_ids": agreed.programme_ids,
        "programme_ids_reason": agreed.programme_ids_reason,
        "release_key": key.fingerprint if agreed.programme_ids == "pseudonym" else None,
        **_columns(table),
        "linkage": manifest.statistics.get("pairs", []),
    }
