"""
The releaser: join the link map with the payloads and make the de-identified dataset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pseudolink import files
from pseudolink.agreement import Agreement, load_signed, require_own_key, today_utc
from pseudolink.errors import MixedArtefactsError, NotAcceptedError, NotPermittedError, Problem
from pseudolink.formats import linkmap
from pseudolink.formats import payload as payloads
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey
from pseudolink.keys.release import ReleaseKey
from pseudolink.ledger import chain
from pseudolink.release.dataset import assemble
from pseudolink.release.microdata.protect import protect
from pseudolink.release.microdata.rules import parse_rules
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.receiving import dropped, dropped_from_map, receive
from pseudolink.seal.package import file_digest, open_package

FORMAT = "pseudolink/release/1"
PARQUET = "release.parquet"
CSV = "release.csv"
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
    """What was written."""

    folder: Path
    parquet: Path
    rows: int
    columns: tuple[str, ...]


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
        found = linkmap.load(plain)
        plain.unlink()
        tables, digests = _payloads(payload_packages, plain, agreed, key, today, exchange)
        gone = receive(withdrawals, agreed, key, exchange, folder, today)
        exchange.require_withdrawals()
        found = dropped_from_map(found, gone, agreed.cohort.id) if gone else found
        tables = {one: dropped(held, gone.get(one, frozenset())) for one, held in tables.items()}
        table = assemble(
            found,
            tables,
            cohort=agreed.cohort.id,
            programme=_programme(agreed, release_key),
            family=lambda value: release_key.family(agreed.project, value),
        )
        table, report = _protected(table, agreed, accept)
        if report is not None:
            (folder / DISCLOSURE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        pq.write_table(table, folder / PARQUET, compression="zstd")
        pa.csv.write_csv(table, folder / CSV)
        description = {
            **_describe(table, manifest, agreed, release_key, today),
            "disclosure_rules": None if report is None else report["rules"],
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
            },
        )
    return Released(output, output / PARQUET, table.num_rows, tuple(table.column_names))


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
            plain, party=sender.id, permitted=sender.attributes, cohort=sender.cohort
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
        "rows": table.num_rows,
        "columns": [
            {"name": f.name, "type": str(f.type), "missing": table.column(f.name).null_count}
            for f in table.schema
        ],
        "linkage": manifest.statistics.get("pairs", []),
    }
