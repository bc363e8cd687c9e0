"""
A cleaned extract: every field as distinct canonical values and codes into them.

In memory only: clear identifiers are never written by pseudolink.

Source: specs/cleaning-v1.md, section 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]


class Texts(Sequence[str]):
    """
    Many strings as one piece of memory, so that compiled code can read them.

    data: (bytes,) uint8, the UTF-8 of one string after another.
    start: (strings + 1,) int64, where each begins in ``data``.
    """

    __slots__ = ("array", "data", "start")

    def __init__(self, array: pa.LargeStringArray) -> None:
        self.array = array
        _, offsets, data = array.buffers()
        first, count = array.offset, len(array)
        start = np.frombuffer(offsets or bytes(8), dtype=np.int64)[first : first + count + 1]
        self.start = start if len(start) else np.zeros(1, dtype=np.int64)
        self.data = np.frombuffer(data or b"", dtype=np.uint8)

    @classmethod
    def of(cls, values: Sequence[str]) -> Texts:
        """The same strings in this form."""
        return values if isinstance(values, Texts) else cls(pa.array(list(values), pa.large_string()))

    @classmethod
    def from_parts(cls, data: npt.NDArray[np.uint8], start: Rows) -> Texts:
        """Strings from their bytes, which must be UTF-8."""
        buffers = [None, pa.py_buffer(np.ascontiguousarray(start)), pa.py_buffer(np.ascontiguousarray(data))]
        return cls(pa.LargeStringArray.from_buffers(len(start) - 1, buffers[1], buffers[2]))

    def distinct(self) -> tuple[Texts, Codes]:
        """Each string once, and for every string which one it is."""
        encoded = pc.dictionary_encode(self.array)
        return Texts(encoded.dictionary), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[str]:
        return iter(self.array.to_pylist())

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self.array[i].as_py() for i in range(*index.indices(len(self)))]
        text: str = self.array[index].as_py()
        return text

    def __repr__(self) -> str:
        return f"<{len(self)} texts>"


@dataclass(frozen=True)
class Column:
    """
    One field of n rows.

    values: distinct canonical strings; of a whole extract sorted by code point, of a chunk of one
        in any order and as :class:`Texts`.
    codes: (n,) int32 into ``values``; -1 where the field is missing.
    """

    values: Sequence[str]
    codes: Codes

    def in_order(self) -> Column:
        """The same with sorted values in a tuple."""
        values = list(self.values)
        order = sorted(range(len(values)), key=values.__getitem__)
        place = np.full(len(values) + 1, -1, dtype=np.int32)
        place[order] = np.arange(len(values), dtype=np.int32)
        return Column(tuple(values[i] for i in order), place[self.codes])


@dataclass(frozen=True)
class FieldCount:
    """
    How the cells of one field fared: counts of cells, by rule broken and by remark.

    common: empty, or ``values`` that were taken as missing because far more records hold them than
    any other, and ``records`` that held one.
    """

    filled: int
    valid: int
    rules: Mapping[str, int]
    flags: Mapping[str, int]
    common: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Cleaned:
    """
    The cleaned rows of one extract.

    rows: number of rows, n.
    source: (n,) int64, the row of the extract (from 0) that each cleaned row comes from. A record
        with several values for a field stands in several rows, its versions.
    fields: field name -> column, in the order of the schema.
    counts: field name -> how its cells fared.
    """

    rows: int
    source: Rows
    fields: Mapping[str, Column]
    counts: Mapping[str, FieldCount]

    def take(self, rows: Rows) -> Cleaned:
        """The given rows, in the given order; the counts are those of the whole extract."""
        fields = {name: Column(column.values, column.codes[rows]) for name, column in self.fields.items()}
        return Cleaned(len(rows), self.source[rows], fields, self.counts)

    def first_rows(self) -> Rows:
        """The first version of every record, in the order of the extract."""
        if (self.source[1:] > self.source[:-1]).all():  # no record has a second version
            return np.arange(self.rows, dtype=np.int64)
        return np.unique(self.source, return_index=True)[1].astype(np.int64)

    def one_a_record(self) -> Cleaned:
        """The same as rows of their own."""
        first = self.first_rows()
        return self if len(first) == self.rows else self.take(first)
