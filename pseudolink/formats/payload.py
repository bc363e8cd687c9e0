"""
The payload: the half of an extract that holds attributes and no identifiers.

Parquet, one row a record, in random order: ``record`` (16 bytes), ``programme_id`` and
``family_id`` (text; the cohort's, or a token where another party may carry families, with the
dates ``family_from`` and ``family_to``), ``apart`` (a do-not-link list), ``events.NAME`` (lists of events),
then the attributes that the agreement permits, as text.

Source: specs/payload-v1.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, AttributeNotPermittedError, Problem
from pseudolink.formats import apart, parquet

RECORD = "record"
PROGRAMME_ID = "programme_id"
FAMILY_ID = "family_id"
#: Dates between which a record belonged to its family.
FAMILY_FROM, FAMILY_TO = "family_from", "family_to"
FAMILY = (FAMILY_ID, FAMILY_FROM, FAMILY_TO)
RESERVED = (RECORD, PROGRAMME_ID, *FAMILY, apart.APART)
#: What the column of an event table begins with.
EVENTS = "events."


def attributes(table: pa.Table | ds.Dataset) -> list[str]:
    """The attribute columns of a payload."""
    names = table.schema.names
    return [name for name in names if name not in RESERVED and not name.startswith(EVENTS)]


def event_tables(table: pa.Table | ds.Dataset) -> list[str]:
    """The names of the event tables of a payload."""
    return [name.removeprefix(EVENTS) for name in table.schema.names if name.startswith(EVENTS)]


def event_columns(table: pa.Table | ds.Dataset, name: str) -> list[str]:
    """The columns of an event table."""
    kind = table.schema.field(EVENTS + name).type.value_type
    return [kind.field(n).name for n in range(kind.num_fields)]


def event_type(columns: Collection[str]) -> pa.DataType:
    """The type of the column of an event table."""
    return pa.list_(pa.struct([(name, pa.string()) for name in columns]))


def _event_problems(schema: pa.Schema, permitted: Mapping[str, Collection[str]]) -> list[Problem]:
    problems = []
    for field in schema:
        if not field.name.startswith(EVENTS):
            continue
        agreed = permitted.get(field.name.removeprefix(EVENTS))
        if agreed is None:
            problems.append(Problem(field.name, "the agreement does not name this event table"))
            continue
        kind = field.type
        if not (pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)):
            problems.append(Problem(field.name, "must be a list of structs of text"))
            continue
        inner = [kind.value_type.field(n) for n in range(kind.value_type.num_fields)]
        if not inner or any(one.type != pa.string() for one in inner):
            problems.append(Problem(field.name, "must be a list of structs of text"))
        names = [one.name for one in inner]
        problems += [
            Problem(f"{field.name}, {name}", "the agreement does not permit this column")
            for name in dict.fromkeys(names)
            if name not in agreed
        ]
        problems += [
            Problem(f"{field.name}, {name}", "stands twice")
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
    return problems


def refuse_unpermitted(names: Collection[str], permitted: Collection[str], *, party: str) -> None:
    """
    Raises:
        AttributeNotPermittedError: attributes that the agreement does not permit; names them all.
    """
    extra = [name for name in names if name not in permitted]
    if extra:
        raise AttributeNotPermittedError(
            [Problem(name, "the agreement does not permit this attribute") for name in extra],
            source=f"the payload of {party}",
        )


def blank_as_null(column: pa.Array) -> pa.Array:
    """Text without blanks at its ends, and null where nothing is left."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _is_day(text: str | None) -> bool:
    if text is None:
        return True
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def save(table: pa.Table, path: Path) -> None:
    """Write a payload to ``path`` (the caller gives a temporary name)."""
    # Metadata of other software can name columns that were dropped, or paths.
    pq.write_table(table.replace_schema_metadata(None), path, compression="zstd")


def write(tables: Iterable[pa.Table], path: Path) -> None:
    """The same of a payload that comes in parts; there must be one."""
    writer = None
    try:
        for table in tables:
            bare = table.replace_schema_metadata(None)
            if writer is None:
                writer = pq.ParquetWriter(path, bare.schema, compression="zstd")
            writer.write_table(bare)
    finally:
        if writer is not None:
            writer.close()


def load(
    path: Path,
    *,
    party: str,
    permitted: Collection[str],
    cohort: bool,
    families: bool = False,
    events: Mapping[str, Collection[str]] | None = None,
) -> pa.Table:
    """
    Read and check a payload.

    Args:
        families: the agreement lets this party say which records are of one family.
        events: event tables that it permits, and their columns.

    Raises:
        ArtefactError: not Parquet, or not of this form; lists every problem.
        AttributeNotPermittedError: attributes that the agreement does not permit.
    """
    source = f"the payload of {party}"
    table = parquet.read(path, source=source)
    problems = []
    names = table.column_names
    if RECORD not in names or table.schema.field(RECORD).type != pa.binary(16):
        problems.append(Problem(RECORD, "must be there, as 16 bytes"))
    elif table.column(RECORD).null_count or table.group_by(RECORD).aggregate([]).num_rows != table.num_rows:
        problems.append(Problem(RECORD, "must be there in every row, each once"))
    if PROGRAMME_ID in names and not cohort:
        problems.append(Problem(PROGRAMME_ID, "only the cohort's payload carries it"))
    if not cohort and not families:
        problems += [
            Problem(name, "the agreement does not permit this party to carry families")
            for name in FAMILY
            if name in names
        ]
    if FAMILY_ID not in names:
        problems += [Problem(n, f"needs {FAMILY_ID} beside it") for n in FAMILY[1:] if n in names]
    if cohort and PROGRAMME_ID not in names:
        problems.append(Problem(PROGRAMME_ID, "the cohort's payload needs it"))
    for name in names:
        if name in (RECORD, apart.APART) or name.startswith(EVENTS):
            continue
        if table.schema.field(name).type != pa.string():
            problems.append(Problem(name, "must be text"))
    problems += _event_problems(table.schema, events or {})
    for name in event_tables(table):
        if table.column(EVENTS + name).null_count:
            problems.append(Problem(EVENTS + name, "a record without events has an empty list"))
    for name in FAMILY[1:]:
        if name in names and table.schema.field(name).type == pa.string():
            wrong = sum(not _is_day(v) for v in table.column(name).to_pylist())
            if wrong:
                problems.append(Problem(name, f"{wrong:,} values are no dates, YYYY-MM-DD"))
    if not problems:
        problems += apart.read(table)[1]
    if problems:
        raise ArtefactError(problems, source=source)
    refuse_unpermitted(attributes(table), permitted, party=party)
    return table
