"""
What a custodian knows of pairs of its records: columns ``apart`` and ``together`` of record IDs.

Of each record on its do-not-link list, the IDs of the records of the same extract that must never
be joined with it; of each in its known links, those that are the same person. Null for all others.
A column is absent where nothing is listed.

Source: specs/encoding-v1.md, 7.6 and 7.7; specs/payload-v1.md, 2.6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.errors import Problem

APART = "apart"
TOGETHER = "together"
TYPE = pa.list_(pa.binary(16))

Pairs = frozenset[tuple[bytes, bytes]]


def ordered(pairs: Iterable[tuple[bytes, bytes]]) -> Pairs:
    """Pairs with the smaller ID first."""
    return frozenset((min(pair), max(pair)) for pair in pairs)


def column(records: pa.Array | pa.ChunkedArray, pairs: Pairs) -> pa.Array:
    """The column for rows with these record IDs."""
    others: dict[bytes, list[bytes]] = {}
    for a, b in sorted(pairs):
        others.setdefault(a, []).append(b)
        others.setdefault(b, []).append(a)
    return pa.array([sorted(others[r]) if r in others else None for r in records.to_pylist()], TYPE)


def read(table: pa.Table, name: str = APART) -> tuple[Pairs, list[Problem]]:
    """The pairs of a column of encodings or of a payload, and what is wrong with it."""
    if name not in table.column_names:
        return frozenset(), []
    if table.schema.field(name).type != TYPE:
        return frozenset(), [Problem(name, "must be a list of 16 bytes")]
    records = table.column("record").to_pylist()
    known = set(records)
    said: set[tuple[bytes, bytes]] = set()
    wrong = 0
    for record, others in zip(records, table.column(name).to_pylist(), strict=True):
        for other in others or ():
            wrong += other is None or other == record or other not in known
            said.add((record, other))
    wrong += sum((other, record) not in said for record, other in said)
    if wrong:
        return frozenset(), [Problem(name, f"{wrong:,} entries name no other record, or on one side alone")]
    return ordered(said), []


def add(path: Path, pairs: Pairs, target: Path, name: str = APART) -> None:
    """Copy a file of encodings, row group by row group, with the column added."""
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow.append(pa.field(name, TYPE))
        options = {"compression": "none", "use_dictionary": False, "write_statistics": False}
        with pq.ParquetWriter(target, schema, **options) as writer:
            for table in _groups(file):
                writer.write_table(table.append_column(name, column(table.column("record"), pairs)))


def _groups(file: pq.ParquetFile) -> Iterator[pa.Table]:
    for number in range(file.num_row_groups):
        yield file.read_row_group(number)
