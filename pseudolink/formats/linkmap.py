"""
The link map: which records belong to one person. Nothing else.

Parquet, one row a record, in random order: ``party``, ``record`` (16 bytes), ``person`` (16 random
bytes, fresh for every linkage), ``family`` (16 bytes, or null where no family links were made),
``band`` (the match weight in steps of five bits, 0 for a record of the cohort itself).

Source: specs/linkmap-v1.md.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, Problem
from pseudolink.formats import parquet

BAND_BITS = 5
SCHEMA = pa.schema(
    [
        pa.field("party", pa.string(), nullable=False),
        pa.field("record", pa.binary(16), nullable=False),
        pa.field("person", pa.binary(16), nullable=False),
        pa.field("family", pa.binary(16)),
        pa.field("band", pa.int16(), nullable=False),
    ]
)


def save(table: pa.Table, path: Path) -> None:
    """Write a link map to ``path`` (the caller gives a temporary name)."""
    pq.write_table(table.cast(SCHEMA), path, compression="zstd")


def load(path: Path) -> pa.Table:
    """
    Read and check a link map.

    Raises:
        ArtefactError: not Parquet, other columns, a record that stands twice, or a person with two
            records of one party.
    """
    source = "the link map"
    table = parquet.read(path, source=source)
    problems = []
    for field in SCHEMA:
        if field.name not in table.column_names:
            problems.append(Problem(field.name, "column is missing"))
        elif table.schema.field(field.name).type != field.type:
            problems.append(Problem(field.name, f"must be {field.type}"))
        elif not field.nullable and table.column(field.name).null_count:
            problems.append(Problem(field.name, "has nulls"))
    problems += [
        Problem(name, "column is not in the format")
        for name in table.column_names
        if name not in SCHEMA.names
    ]
    if not problems:
        for name, message in (
            ("record", "a record of one party stands twice"),
            ("person", "a person has two records of one party"),
        ):
            if table.group_by(["party", name]).aggregate([]).num_rows != table.num_rows:
                problems.append(Problem(name, message))
    if problems:
        raise ArtefactError(problems, source=source)
    return table.select(SCHEMA.names)
