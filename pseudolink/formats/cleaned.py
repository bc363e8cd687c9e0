"""
A cleaned extract: every field as distinct canonical values and codes into them.

In memory only: clear identifiers are never written by pseudolink.

Source: specs/cleaning-v1.md, section 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """
    One field of n rows.

    values: distinct canonical strings, sorted by code point.
    codes: (n,) int32 into ``values``; -1 where the field is missing.
    """

    values: tuple[str, ...]
    codes: Codes


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

    def one_a_record(self) -> Cleaned:
        """The first version of every record, in the order of the extract."""
        _, first = np.unique(self.source, return_index=True)
        return self if len(first) == self.rows else self.take(first.astype(np.int64))
