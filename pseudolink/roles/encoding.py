"""
From an extract to encodings and a payload, in memory: clean, encode, split.

The custodian's role calls it and seals the result; a rehearsal calls it with a key of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.clean.common import without_common
from pseudolink.clean.extract import clean_table
from pseudolink.clean.reader import column_key
from pseudolink.encode import extract as encoding
from pseudolink.encode.extract import Encoded, Written
from pseudolink.encode.tokens import KeyRing
from pseudolink.engines import threads
from pseudolink.errors import EmptyInputError, MissingColumnsError, Problem, UsageError
from pseudolink.formats import payload as payloads
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import fixed_column
from pseudolink.schema import LinkageSchema, SchemaField

#: ``derive(label, *context) -> 32 bytes``; the linkage key's ``derive``.
Derive = Callable[..., bytes]

#: ``away(schema, project, cleaned, chunks)``: as ``extract.Away``, for any schema and project.
Away = Callable[[LinkageSchema, str, Cleaned, Sequence[encoding.Index]], Iterable[encoding.Passes]]


@dataclass(frozen=True)
class Options:
    """
    How to read and encode an extract.

    workers: threads that encode; as many as there are processors when None.
    strict: refuse cells that break a rule, instead of counting them as missing.
    enforce_floor: refuse an extract above the security floor.
    audit: the report of an audit (`pseudolink attack`), for schemas that require one.
    away: another engine that encodes chunks; None for the threads of this machine.
    """

    strict: bool = False
    workers: int | None = None
    chunk_rows: int = encoding.CHUNK_ROWS
    enforce_floor: bool = True
    today: date | None = None
    away: Away | None = None
    audit: Path | None = None


def encode_table(
    table: pa.Table,
    schema: LinkageSchema,
    derive: Derive,
    project: str,
    *,
    party: str = "",
    options: Options,
    needed: Collection[str] | None = None,
    source: str = "",
) -> tuple[Encoded, Cleaned]:
    """
    Clean and encode a table of text columns.

    Args:
        party: whose extract it is. Decoys are drawn for it: each extract of a linkage has its own.

    Raises:
        MissingColumnsError, FieldRuleError, UnusableFieldError: the table does not fit the schema.
        FloorError: too many records would have company.
    """
    cleaned, ring, run = _prepared(table, schema, derive, project, party, options, needed, source)
    encoded = encoding.encode(
        cleaned,
        schema,
        ring,
        run=run,
        chunk_rows=options.chunk_rows,
        enforce_floor=options.enforce_floor,
    )
    return encoded, cleaned


def encode_table_to(
    path: Path,
    table: pa.Table,
    schema: LinkageSchema,
    derive: Derive,
    project: str,
    *,
    party: str = "",
    options: Options,
    needed: Collection[str] | None = None,
    source: str = "",
) -> tuple[Written, Cleaned]:
    """
    Clean and encode a table of text columns into a file, chunk by chunk.

    Args and raises:
        As :func:`encode_table`; the floor is always enforced.
    """
    cleaned, ring, run = _prepared(table, schema, derive, project, party, options, needed, source)
    away = partial(options.away, schema, project) if options.away else None
    written = encoding.encode_to(
        path, cleaned, schema, ring, run=run, chunk_rows=options.chunk_rows, away=away
    )
    return written, cleaned


def _prepared(
    table: pa.Table,
    schema: LinkageSchema,
    derive: Derive,
    project: str,
    party: str,
    options: Options,
    needed: Collection[str] | None,
    source: str,
) -> tuple[Cleaned, KeyRing, encoding.Run]:
    if options.chunk_rows < 1 or (options.workers is not None and options.workers < 1):
        raise UsageError("chunks and workers are counted from 1")
    cleaned = clean_table(
        table, schema, strict=options.strict, today=options.today, needed=needed, source=source
    )
    cleaned = without_common(cleaned, schema)
    workers = options.workers or os.cpu_count() or 1
    return cleaned, KeyRing.derived(derive, schema, project, party), partial(threads.run, threads=workers)


def columns_of(fields: Iterable[SchemaField]) -> set[str]:
    """Every column that fields may be read from, as column names are compared."""
    names = (name for one in fields for name in (*one.columns, *(one.parts or ()), *one.also))
    return {column_key(name) for name in names}


def coverage(cleaned: Cleaned) -> dict[str, int]:
    """Field -> records that have a value."""
    records = cleaned.one_a_record()
    return {name: int((column.codes >= 0).sum()) for name, column in records.fields.items()}


def columns_by_name(table: pa.Table, wanted: Iterable[str], *, source: str) -> dict[str, str]:
    """
    Find columns whatever their case and outer blanks.

    Raises:
        MissingColumnsError: lists every one that is not there.
    """
    there = {column_key(name): name for name in table.column_names}
    wanted = list(wanted)
    problems = [Problem(name, "no such column") for name in wanted if column_key(name) not in there]
    if problems:
        listed = ", ".join(table.column_names)
        raise MissingColumnsError(problems, source=source, advice=f"Columns that are there: {listed}.")
    return {name: there[column_key(name)] for name in wanted}


def payload_table(
    records: npt.NDArray[np.uint8], source: npt.NDArray[np.int64], table: pa.Table, columns: dict[str, str]
) -> pa.Table:
    """
    The payload of an encoded extract, shuffled again: its order is not that of the encodings.

    Args:
        records, source: (n, 16) uint8 and (n,) int64, the record ID of each row of the extract; the
            versions of a record repeat both, and it gets one row all the same.
        table: the extract. columns: name in the payload -> column of the extract.
    """
    _, first = np.unique(source, return_index=True)
    order = first[encoding.shuffled(len(first))]
    data: dict[str, Any] = {payloads.RECORD: fixed_column(records[order])}
    rows = pa.array(source[order])
    for name, column in columns.items():
        text = table.column(column).take(rows).cast(pa.string())
        data[name] = pa.chunked_array([_blank_as_null(chunk) for chunk in text.chunks], type=pa.string())
    return pa.table(data)


def _blank_as_null(column: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def without_objections(table: pa.Table, column: str, objecting: Collection[str]) -> tuple[pa.Table, int, int]:
    """
    The table without the records of people who object.

    Returns:
        the table, how many records were left out, and how many of the IDs listed are nobody's.

    Raises:
        EmptyInputError: nobody is left.
    """
    objecting = {item.strip() for item in objecting}
    ids = [(v or "").strip() for v in table.column(column).to_pylist()]
    keep = np.asarray([one not in objecting for one in ids], dtype=bool)
    if not keep.any():
        raise EmptyInputError("everybody in the extract objects; nothing is encoded")
    return table.filter(pa.array(keep)), int((~keep).sum()), len(objecting - set(ids))
