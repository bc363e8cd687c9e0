"""
The payload: the half of an extract that holds attributes and no identifiers.

Parquet, one row a record, in random order: ``record`` (16 bytes), ``programme_id`` and
``family_id`` (text; in the cohort's payload alone), then the attributes that the agreement
permits, as text.

Source: specs/payload-v1.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, AttributeNotPermittedError, Problem
from pseudolink.formats import parquet

RECORD = "record"
PROGRAMME_ID = "programme_id"
FAMILY_ID = "family_id"


def attributes(table: pa.Table) -> list[str]:
    """The attribute columns of a payload."""
    return [name for name in table.column_names if name not in (RECORD, PROGRAMME_ID, FAMILY_ID)]


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


def load(path: Path, *, party: str, permitted: Collection[str], cohort: bool) -> pa.Table:
    """
    Read and check a payload.

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
    for name in (PROGRAMME_ID, FAMILY_ID):
        if name in names and not cohort:
            problems.append(Problem(name, "only the cohort's payload carries it"))
    if cohort and PROGRAMME_ID not in names:
        problems.append(Problem(PROGRAMME_ID, "the cohort's payload needs it"))
    for name in names:
        if name != RECORD and table.schema.field(name).type != pa.string():
            problems.append(Problem(name, "must be text"))
    if problems:
        raise ArtefactError(problems, source=source)
    refuse_unpermitted(attributes(table), permitted, party=party)
    return table
