"""
A custodian's own index of a delivery: which row of its extract each record ID stands for.

Parquet, one row a record: ``record`` (16 bytes), ``row`` (int64, from 0), ``programme_id`` and
``family_id`` (text or null). It is sealed to the custodian itself and never leaves it; without it
nobody could withdraw after transfer, because record IDs are random.

Source: specs/objections-v1.md, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, Problem
from pseudolink.formats import parquet

SCHEMA = pa.schema(
    [
        pa.field("record", pa.binary(16), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("programme_id", pa.string()),
        pa.field("family_id", pa.string()),
    ]
)


def write(tables: Iterable[pa.Table], path: Path) -> None:
    """Write an index that comes in parts to ``path`` (the caller gives a temporary name)."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.cast(SCHEMA))


def load(path: Path) -> pa.Table:
    """
    Read an index.

    Raises:
        ArtefactError: not Parquet, or not of this form.
    """
    table = parquet.read(path, source="the record index")
    if table.schema.names != SCHEMA.names or table.schema.types != SCHEMA.types:
        raise ArtefactError([Problem("", "other columns")], source="the record index")
    return table
