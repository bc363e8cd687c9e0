"""
Encodings: what a custodian sends to the operator, a table of records, tokens and filters.

Parquet, one row a version of a record, in random order: ``record`` (16 random bytes), then for
each pass of the schema ``<pass>.token`` (16 bytes, null where a value is missing) and, when the
pass compares, ``<pass>.filter`` (fixed size, null together with the token).

Source: specs/encoding-v1.md, section 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, Problem
from pseudolink.formats import apart

RECORD_BYTES = 16
TOKEN_BYTES = 16
TOKEN_WORDS = TOKEN_BYTES // 8

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Listed = apart.Pairs


#: pass name -> bytes of its filter (0 when the pass compares nothing), in the order of the schema.
Layout = Mapping[str, int]


@dataclass(frozen=True)
class PassColumns:
    """
    One pass of n rows.

    tokens: (n, 2) uint64, the 16 bytes of each token read as two little-endian words.
    present: (n,) bool, whether the row has a token.
    filters: (n, b) uint8, or None for a pass that compares nothing.
    """

    tokens: Words
    present: Flags
    filters: Bytes | None

    def take(self, rows: npt.NDArray[np.int64]) -> PassColumns:
        """The given rows, in the given order."""
        filters = None if self.filters is None else self.filters[rows]
        return PassColumns(self.tokens[rows], self.present[rows], filters)


class TakenPasses(Mapping[str, PassColumns]):
    """Some rows of passes, each taken when it is asked for."""

    def __init__(self, passes: Mapping[str, PassColumns], rows: npt.NDArray[np.int64]) -> None:
        self._passes, self._rows = passes, rows

    def __getitem__(self, name: str) -> PassColumns:
        return self._passes[name].take(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._passes)

    def __len__(self) -> int:
        return len(self._passes)

    def __repr__(self) -> str:
        return f"<TakenPasses {list(self._passes)}>"


@dataclass(frozen=True)
class Encodings:
    """
    The encodings of one party.

    records: (n, 16) uint8; a record ID may stand in several rows (versions of one record).
    passes: pass name -> columns, in the order of the schema.
    apart: pairs of record IDs that must never be joined (the custodian's do-not-link list).
    together: pairs of record IDs that are one person (the custodian's known links).
    """

    records: Bytes
    passes: Mapping[str, PassColumns]
    apart: Listed = frozenset()
    together: Listed = frozenset()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.records)

    def take(self, rows: npt.NDArray[np.int64]) -> Encodings:
        """The given rows, in the given order; passes that stay on disk do."""
        records = self.records[rows]
        listed = {bytes(record) for pair in self.apart | self.together for record in pair}
        there = listed & {bytes(record) for record in records} if listed else listed
        apart, together = (
            frozenset(pair for pair in pairs if there.issuperset(pair))
            for pairs in (self.apart, self.together)
        )
        return Encodings(records, TakenPasses(self.passes, rows), apart, together)

    @staticmethod
    def join(parts: list[Encodings]) -> Encodings:
        """Rows of several encodings under one another."""
        first = parts[0]
        passes = {}
        for name, p in first.passes.items():
            same = [part.passes[name] for part in parts]
            shown = [s.filters for s in same if s.filters is not None]
            filters = None if p.filters is None else np.concatenate(shown)
            passes[name] = PassColumns(
                np.concatenate([s.tokens for s in same]), np.concatenate([s.present for s in same]), filters
            )
        return Encodings(np.concatenate([part.records for part in parts]), passes)


def fixed_column(values: Bytes, present: Flags | None = None) -> pa.FixedSizeBinaryArray:
    """(n, b) uint8 as an Arrow column of fixed-size binary; null where ``present`` is false."""
    contiguous = np.ascontiguousarray(values, dtype=np.uint8)
    validity = None
    if present is not None and not present.all():
        validity = pa.py_buffer(np.packbits(present, bitorder="little").tobytes())
    buffers = [validity, pa.py_buffer(contiguous)]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(contiguous.shape[1]), len(contiguous), buffers)


def fixed_values(column: pa.ChunkedArray | pa.Array) -> tuple[Bytes, Flags]:
    """The inverse of :func:`fixed_column`: ((n, b) uint8, present); absent rows are zero bytes."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    width = array.type.byte_width
    present = np.asarray(array.is_valid())
    data = np.frombuffer(array.buffers()[1] or b"", dtype=np.uint8)
    data = data[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)
    return np.where(present[:, None], data, np.uint8(0)), present


def to_table(encodings: Encodings) -> pa.Table:
    """The Arrow table that is written; filters are null together with their token."""
    columns: dict[str, pa.Array] = {"record": fixed_column(encodings.records)}
    for name, p in encodings.passes.items():
        tokens = np.ascontiguousarray(p.tokens, dtype="<u8").view(np.uint8)
        columns[f"{name}.token"] = fixed_column(tokens.reshape(len(p.tokens), TOKEN_BYTES), p.present)
        if p.filters is not None:
            columns[f"{name}.filter"] = fixed_column(p.filters, p.present)
    return pa.table(columns)


def expected_columns(layout: Layout) -> dict[str, int]:
    """Column -> width in bytes, in order, as the layout wants them."""
    columns = {"record": RECORD_BYTES}
    for name, width in layout.items():
        columns[f"{name}.token"] = TOKEN_BYTES
        if width:
            columns[f"{name}.filter"] = width
    return columns


def from_table(table: pa.Table, layout: Layout, *, source: str | None = None) -> Encodings:
    """
    Check a table against a schema's layout and take it apart.

    Raises:
        ArtefactError: columns, types or nulls are not those of the schema; lists every problem.
    """
    problems = []
    wanted = expected_columns(layout)
    names = table.column_names
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            problems.append(Problem(name, "column stands more than once"))
        if name not in wanted and name not in (apart.APART, apart.TOGETHER):
            problems.append(Problem(name, "column is not in the schema"))
    for name, width in wanted.items():
        if name not in names:
            problems.append(Problem(name, "column is missing"))
        elif names.count(name) == 1 and table.schema.field(name).type != pa.binary(width):
            problems.append(Problem(name, f"must be fixed-size binary of {width} bytes"))
    if not problems and table.column("record").null_count:
        problems.append(Problem("record", "has nulls"))
    listed: apart.Pairs = frozenset()
    known: apart.Pairs = frozenset()
    if not problems:
        listed, problems = apart.read(table)
        known, more = apart.read(table, apart.TOGETHER)
        problems += more
    if problems:
        raise ArtefactError(problems, source=source)
    records, _ = fixed_values(table.column("record"))
    passes = {}
    for name, width in layout.items():
        raw, present = fixed_values(table.column(f"{name}.token"))
        filters = None
        if width:
            filters, shown = fixed_values(table.column(f"{name}.filter"))
            if (shown != present).any():
                raise ArtefactError(
                    [Problem(f"{name}.filter", "must be null exactly where the token is")], source=source
                )
        tokens = raw.view("<u8").astype(np.uint64).reshape(len(raw), TOKEN_WORDS)
        passes[name] = PassColumns(tokens, present, filters)
    return Encodings(records, passes, listed, known)


def save(encodings: Encodings, path: Path) -> None:
    """Write Parquet to ``path`` (the caller gives a temporary name)."""
    # Tokens are random bytes: compression would cost time and give nothing.
    table = to_table(encodings)
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)


class Writer:
    """
    Encodings written chunk by chunk, so that they need not fit in memory.

    The file is the same as :func:`save` writes of all chunks together, but for its row groups.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: pq.ParquetWriter | None = None

    def __enter__(self) -> Writer:
        return self

    def write(self, encodings: Encodings) -> None:
        """Add the rows of a chunk."""
        table = to_table(encodings)
        if self._file is None:
            options = {"compression": "none", "use_dictionary": False, "write_statistics": False}
            self._file = pq.ParquetWriter(self._path, table.schema, **options)
        self._file.write_table(table)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def read_tokens(path: Path, names: Iterable[str]) -> Iterator[tuple[str, PassColumns]]:
    """
    Tokens of one pass after another from a file of this software's own writing; no filters.

    Memory holds one pass at a time.
    """
    with pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
        for name in names:
            tokens = np.empty((rows, TOKEN_WORDS), dtype=np.uint64)
            present = np.empty(rows, dtype=np.bool_)
            at = 0
            for batch in file.iter_batches(columns=[f"{name}.token"]):
                raw, there = fixed_values(batch.column(0))
                tokens[at : at + len(raw)] = raw.view("<u8").reshape(len(raw), TOKEN_WORDS)
                present[at : at + len(raw)] = there
                at += len(raw)
            yield name, PassColumns(tokens, present, None)


def load(path: Path, layout: Layout) -> Encodings:
    """
    Read and check encodings.

    Raises:
        ArtefactError: not Parquet, or not encodings of this layout.
    """
    try:
        # One file and no data set: a folder called "party=x" on the way must not become a column.
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, OSError):
        raise ArtefactError([Problem("", "not a readable Parquet file")], source=path.name) from None
    return from_table(table, layout, source=path.name)
