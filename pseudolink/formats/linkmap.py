"""
The link map: which records belong to one person. Nothing else.

Parquet, one row a record, in random order: ``party``, ``record`` (16 bytes), ``person`` (16 random
bytes, fresh for every linkage but one that extends another), ``family`` (null: the releaser makes
family links),
``band`` (the match weight in steps of five bits, 0 for a record of the cohort itself).

The link map of an extension may have ``before``: other persons that a record comes from.

Source: specs/linkmap-v1.md; specs/extending-v1.md, section 5.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
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


#: Of an extension alone, and there where something merged, split or moved.
BEFORE = pa.field("before", pa.list_(pa.binary(16)))


def save(table: pa.Table, path: Path) -> None:
    """Write a link map to ``path`` (the caller gives a temporary name)."""
    schema = SCHEMA.append(BEFORE) if BEFORE.name in table.column_names else SCHEMA
    pq.write_table(table.cast(schema), path, compression="zstd")


def load(path: Path, *, duplicates: Collection[str] = ()) -> pa.Table:
    """
    Read and check a link map.

    Args:
        duplicates: parties that may have several records of a person.

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
        if name not in (*SCHEMA.names, BEFORE.name)
    ]
    problems += [] if problems else _before(table)
    if not problems:
        single = table.filter(pc.invert(pc.is_in(table.column("party"), pa.array(duplicates, pa.string()))))
        for name, rows, message in (
            ("record", table, "a record of one party stands twice"),
            ("person", single, "a person has two records of one party"),
        ):
            if rows.group_by(["party", name]).aggregate([]).num_rows != rows.num_rows:
                problems.append(Problem(name, message))
    if problems:
        raise ArtefactError(problems, source=source)
    return table.select([name for name in (*SCHEMA.names, BEFORE.name) if name in table.column_names])


def _before(table: pa.Table) -> list[Problem]:
    if BEFORE.name not in table.column_names:
        return []
    if table.schema.field(BEFORE.name).type != BEFORE.type:
        return [Problem(BEFORE.name, f"must be {BEFORE.type}")]
    rows = zip(table.column("person").to_pylist(), table.column(BEFORE.name).to_pylist(), strict=True)
    if any(others is not None and (None in others or person in others) for person, others in rows):
        return [Problem(BEFORE.name, "names nobody, or the row's own person")]
    return []
