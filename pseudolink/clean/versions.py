"""
Several values for one field: further columns, and the parts of a hyphenated surname.

A record with further values becomes several *versions*, rows of one record that differ in one
field. Each version has its own tokens, so a pair of records is found when any of them agree.

Source: specs/cleaning-v1.md, section 15.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.formats.cleaned import Cleaned, Codes, Column, Texts

#: Rows of one record, itself included; further values beyond it are left out.
MOST: Final = 8
_SHORTEST_PART: Final = 2


def _united(columns: Sequence[Column]) -> tuple[Texts, list[Codes]]:
    """The values of several columns, each once, and the codes of each column into them."""
    arrays = [Texts.of(column.values).array for column in columns]
    values, number = Texts(pa.concat_arrays(arrays)).distinct()
    codes = []
    at = 0
    for column, array in zip(columns, arrays, strict=True):
        table = np.append(number[at : at + len(array)], np.int32(-1))
        codes.append(table[column.codes])
        at += len(array)
    return values, codes


def hyphen_parts(column: Column) -> list[Column]:
    """The first, second, … part of every hyphenated value, as columns; empty when there is none."""
    texts = Texts.of(column.values)
    hyphenated = np.flatnonzero(pc.match_substring(texts.array, "-").to_numpy(zero_copy_only=False))
    split = [
        [part for part in value.split("-") if len(part) >= _SHORTEST_PART]
        for value in texts.array.take(pa.array(hyphenated)).to_pylist()
    ]
    found = []
    for place in range(max(map(len, split), default=0)):
        parts = {int(at): p[place] for at, p in zip(hyphenated, split, strict=True) if place < len(p)}
        values = sorted(set(parts.values()))
        number = {value: code for code, value in enumerate(values)}
        table = np.full(len(texts) + 1, -1, dtype=np.int32)
        for at, part in parts.items():
            table[at] = number[part]
        found.append(Column(Texts.of(values), table[column.codes]))
    return found


def with_versions(base: Cleaned, further: Mapping[str, Sequence[Column]]) -> Cleaned:
    """
    Add the versions of every record that has further values.

    Args:
        base: n rows, one a record. further: field -> columns of n rows with further values.

    Returns:
        The n rows, a missing value filled from the first further one; below them, for each
        further value that differs from those before it, a row with that value instead.
    """
    fields = dict(base.fields)
    extra_rows: list[tuple[str, np.ndarray[tuple[int], np.dtype[np.int64]], Codes]] = []
    versions = np.ones(base.rows, dtype=np.int64)
    for name, columns in further.items():
        if not columns:
            continue
        values, codes = _united([base.fields[name], *columns])
        own = codes[0].copy()
        seen = [own]
        for more in codes[1:]:
            own[:] = np.where(own < 0, more, own)
            fresh = more >= 0
            for before in seen:
                fresh &= more != before
            fresh &= versions < MOST
            rows = np.flatnonzero(fresh)
            versions[rows] += 1
            extra_rows.append((name, rows, more[rows]))
            seen.append(more)
        fields[name] = Column(values, own)
    if not any(len(rows) for _, rows, _ in extra_rows):
        return Cleaned(base.rows, base.source, fields, base.counts)
    order = np.concatenate([np.arange(base.rows), *(rows for _, rows, _ in extra_rows)]).astype(np.int64)
    columns_out = {}
    for name, column in fields.items():
        codes_out = column.codes[order]
        at = base.rows
        for changed, rows, values_of in extra_rows:
            if changed == name:
                codes_out[at : at + len(rows)] = values_of
            at += len(rows)
        columns_out[name] = Column(column.values, codes_out)
    return Cleaned(len(order), base.source[order], columns_out, base.counts)
