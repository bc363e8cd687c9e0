"""
A withdrawal: record IDs that whoever holds them drops, and others that are nobody's.

Parquet, one column ``record`` (16 bytes), each once, in random order; a multiple of 64 rows, so that
neither size nor count shows how many people withdrew.

Source: specs/objections-v1.md, section 4.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, Problem
from pseudolink.formats import parquet

STEP = 64
ID_BYTES = 16
SCHEMA = pa.schema([pa.field("record", pa.binary(ID_BYTES), nullable=False)])


def save(records: Collection[bytes], path: Path) -> int:
    """
    Write record IDs among random ones; the caller gives a temporary name.

    Returns:
        rows written.
    """
    padded = set(records)
    while len(padded) % STEP or not padded:
        padded.add(secrets.token_bytes(ID_BYTES))
    # Sorted: random IDs in the order of their bytes tell nothing of who is among them.
    pq.write_table(pa.table([pa.array(sorted(padded), pa.binary(ID_BYTES))], schema=SCHEMA), path)
    return len(padded)


def load(path: Path) -> frozenset[bytes]:
    """
    Read a withdrawal.

    Raises:
        ArtefactError: not Parquet, or not of this form.
    """
    source = "the withdrawal"
    table = parquet.read(path, source=source)
    problems = []
    if table.column_names != ["record"] or table.schema.field("record").type != pa.binary(ID_BYTES):
        problems.append(Problem("record", "must be the only column, of 16 bytes"))
    elif table.column("record").null_count or not table.num_rows or table.num_rows % STEP:
        problems.append(Problem("record", f"must be there in a multiple of {STEP} rows"))
    elif table.group_by("record").aggregate([]).num_rows != table.num_rows:
        problems.append(Problem("record", "a record stands twice"))
    if problems:
        raise ArtefactError(problems, source=source)
    return frozenset(table.column("record").to_pylist())
