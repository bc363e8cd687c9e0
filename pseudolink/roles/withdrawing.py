"""
Objections after transfer, at the custodian: record IDs sealed to everyone who holds the records.

Source: specs/objections-v1.md, sections 3 and 4.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink import files
from pseudolink.agreement import Agreement, load_signed, today_utc
from pseudolink.clean.reader import open_extract
from pseudolink.engines.spill import Spill
from pseudolink.errors import InputError, UsageError
from pseudolink.formats import payload as payloads
from pseudolink.formats import records as indexes
from pseudolink.formats import withdrawal as withdrawals
from pseudolink.formats.encodings import fixed_column
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain
from pseudolink.roles import objections
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.payload import Piece
from pseudolink.roles.standing import require_role
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


class Index:
    """
    The custodian's index of a delivery on its way, in the order of the extract.

    Args:
        carried: name in the payload -> column of the extract.
        spill: where it waits, encrypted, until it is sealed.
    """

    def __init__(self, carried: Mapping[str, str], spill: Spill) -> None:
        self._carried, self._spill = carried, spill

    def add(self, piece: Piece, records: npt.NDArray[np.uint8]) -> None:
        """Note rows of the extract; ``records`` are their IDs, (n, 16)."""
        data: dict[str, Any] = {"record": fixed_column(records), "row": pa.array(piece.rows)}
        for name in (payloads.PROGRAMME_ID, payloads.FAMILY_ID):
            if name in self._carried:
                text = piece.table.column(self._carried[name]).cast(pa.string()).combine_chunks()
                data[name] = payloads.blank_as_null(text)
            else:
                data[name] = pa.nulls(len(records), pa.string())
        stream = io.BytesIO()
        table = pa.table(data).cast(indexes.SCHEMA)
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        self._spill.append(0, stream.getbuffer())

    def tables(self) -> Iterator[pa.Table]:
        """All of it, once."""
        return (pa.ipc.open_stream(data).read_all() for data in self._spill.read(0))


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
    sheet: str | None = None,
    today: date | None = None,
) -> Withdrawn:
    """
    Seal the record IDs of those who object to everyone who holds their records.

    Args:
        listed: programme IDs, or identifiers as the extract has them.
        index: the ``records`` package of the delivery.
        schema, extract: with identifiers: the linkage schema, and the extract as it was delivered.
        sheet: of a workbook that was delivered, as it was said then.
        output: the new package.

    Raises:
        PseudolinkError: whatever does not fit; nothing is written then.

    Source: specs/objections-v1.md, section 4.
    """
    files.refuse_existing(output)
    today = today or today_utc()
    agreed = load_signed(agreement, today)
    party = require_role(agreed, key, "custodian", "withdraw")
    exchange = Exchange(ledger, party.id)
    with files.new_folder(output.with_name(output.name + ".working")) as folder:
        plain = folder / "plain.parquet"
        manifest = open_package(index, plain, agreement=agreed, recipient=key, artefact=RECORDS, today=today)
        table = indexes.load(plain)
        plain.unlink()
        out, unknown = _meant(table, manifest, listed, schema, extract, sheet)
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
    table: pa.Table,
    manifest: Manifest,
    listed: Path,
    schema: Path | None,
    extract: Path | None,
    sheet: str | None,
) -> tuple[npt.NDArray[np.bool_], int]:
    found = objections.read_list(listed, load_schema(schema) if schema is not None else None)
    if found.table is None:
        return objections.by_ids(table.column("programme_id").to_pylist(), found.ids)
    if schema is None or extract is None:
        raise UsageError("a list by identifiers needs the schema and the extract that was delivered")
    if file_digest(extract) != manifest.statistics.get("extract"):
        raise InputError(f"{extract.name}: not the file that was delivered; row numbers would not fit")
    opened = open_extract(extract, sheet=sheet)
    rows, unknown = objections.matching(opened, found, load_schema(schema), None)
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
        heads=exchange.outgoing(),
    )
    return seal(plain, target, manifest, agreed, key, today=today)
