"""
Objections after transfer, at the custodian: record IDs sealed to everyone who holds the records.

Source: specs/objections-v1.md, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink import files
from pseudolink.agreement import Agreement, load_signed, require_own_key, today_utc
from pseudolink.clean.reader import read_extract
from pseudolink.errors import InputError, NotPermittedError, UsageError
from pseudolink.formats import records as indexes
from pseudolink.formats import withdrawal as withdrawals
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain
from pseudolink.roles import objections
from pseudolink.roles.exchange import Exchange
from pseudolink.schema import load_schema
from pseudolink.seal.package import file_digest, open_package, seal

WITHDRAWAL = "withdrawal"
RECORDS = "records"


@dataclass(frozen=True)
class Withdrawn:
    """What was written. records: how many of the custodian's records; unknown: entries that match nobody."""

    package: Path
    records: int
    unknown: int


def index_of(
    records: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    programme: Sequence[str | None] | None,
    family: Sequence[str | None] | None,
) -> pa.Table:
    """
    The custodian's index of a delivery.

    Args:
        records: (n, 16), rows: (n,) the row of the extract behind each; versions repeat both.
        programme, family: (n,) the record's IDs, where the extract has them.
    """
    _, first = np.unique(rows, return_index=True)
    nobody: list[str | None] = [None] * len(rows)
    return pa.table(
        {
            "record": pa.array([records[at].tobytes() for at in first], pa.binary(16)),
            "row": pa.array(rows[first]),
            "programme_id": pa.array([(programme or nobody)[at] for at in first], pa.string()),
            "family_id": pa.array([(family or nobody)[at] for at in first], pa.string()),
        }
    )


def withdraw(
    listed: Path,
    *,
    index: Path,
    agreement: Path,
    key: PartyKey,
    output: Path,
    ledger: Path,
    schema: Path | None = None,
    extract: Path | None = None,
    today: date | None = None,
) -> Withdrawn:
    """
    Seal the record IDs of those who object to everyone who holds their records.

    Args:
        listed: programme IDs, or identifiers as the extract has them.
        index: the ``records`` package of the delivery.
        schema, extract: with identifiers: the linkage schema, and the extract as it was delivered.
        output: the new package.

    Raises:
        PseudolinkError: whatever does not fit; nothing is written then.

    Source: specs/objections-v1.md, section 4.
    """
    files.refuse_existing(output)
    today = today or today_utc()
    agreed = load_signed(agreement, today)
    party = require_own_key(agreed, key)
    if party.role != "custodian":
        raise NotPermittedError(f"{party.id!r} is not a custodian; only custodians withdraw")
    exchange = Exchange(ledger, party.id)
    with files.new_folder(output.with_name(output.name + ".working")) as folder:
        plain = folder / "plain.parquet"
        manifest = open_package(index, plain, agreement=agreed, recipient=key, artefact=RECORDS, today=today)
        table = indexes.load(plain)
        plain.unlink()
        out, unknown = _meant(table, manifest, listed, schema, extract)
        if party.objections == "family" and out.any():
            out = objections.with_families(out, table.column("family_id").to_pylist())
        if not out.any():
            raise InputError(f"{listed.name}: nobody of this delivery is listed; nothing was written")
        ids = table.filter(pa.array(out)).column("record").to_pylist()
        rows = withdrawals.save(ids, plain)
        sealed = _seal(plain, output, rows, agreed, key, exchange, today)
        plain.unlink()
        try:
            # How many withdrew stays with the custodian: a receipt is read by others.
            details = {WITHDRAWAL: sealed}
            chain.append(ledger, key, step="withdraw", agreement=agreed.digest, details=details)
        except BaseException:
            output.unlink()
            raise
    output.with_name(output.name + ".working").rmdir()
    return Withdrawn(output, len(ids), unknown)


def _meant(
    table: pa.Table, manifest: Manifest, listed: Path, schema: Path | None, extract: Path | None
) -> tuple[npt.NDArray[np.bool_], int]:
    found = objections.read_list(listed, load_schema(schema) if schema is not None else None)
    if found.table is None:
        return objections.by_ids(table.column("programme_id").to_pylist(), found.ids)
    if schema is None or extract is None:
        raise UsageError("a list by identifiers needs the schema and the extract that was delivered")
    if file_digest(extract) != manifest.statistics.get("extract"):
        raise InputError(f"{extract.name}: not the file that was delivered; row numbers would not fit")
    rows, unknown = objections.matching(read_extract(extract), found, load_schema(schema), None)
    return rows[table.column("row").to_numpy()], unknown


def _seal(
    plain: Path, target: Path, rows: int, agreed: Agreement, key: PartyKey, exchange: Exchange, today: date
) -> str:
    to = {*agreed.recipients["encodings"], *agreed.recipients["payload"]}
    manifest = Manifest(
        artefact=WITHDRAWAL,
        project=agreed.project,
        agreement=agreed.digest,
        schema=agreed.schema,
        key_check=agreed.key_check,
        sender=key.id,
        recipients=tuple(sorted(to)),
        purpose=agreed.purpose,
        created=today.isoformat(),
        expires=agreed.expires.isoformat(),
        rows=rows,
        software=f"pseudolink {version('pseudolink')}",
        content_sha256=file_digest(plain),
        heads=exchange.outgoing(),
    )
    return seal(plain, target, manifest, agreed, key, today=today)
