"""
A reference that is only partly right: values mistyped, out of date or not there.

Seeded: an experiment repeats, and nothing here protects anybody.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pseudolink.formats.cleaned import Cleaned, Column

#: Of the values that are wrong: mistyped, another value of the column, missing.
TYPED, OTHER = 0.5, 0.3

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789"


def with_mistakes(cleaned: Cleaned, rate: float, rng: np.random.Generator) -> Cleaned:
    """
    The rows with a share of their values wrong, each field by itself.

    Args:
        rate: from 0 to 1, of the values that are there. Half of the wrong ones are one character
            away, three in ten are another record's value, and the rest are missing.
    """
    fields = {name: _field(column, rate, rng) for name, column in cleaned.fields.items()}
    return Cleaned(cleaned.rows, cleaned.source, fields, cleaned.counts)


def _field(column: Column, rate: float, rng: np.random.Generator) -> Column:
    codes: npt.NDArray[np.int64] = column.codes.astype(np.int64)
    wrong = np.flatnonzero((rng.random(len(codes)) < rate) & (codes >= 0))
    if not len(wrong):
        return column
    kind = rng.random(len(wrong))
    values = list(column.values)
    number = {value: code for code, value in enumerate(values)}
    there = codes[codes >= 0]
    for row, what in zip(wrong.tolist(), kind.tolist(), strict=True):
        if what < TYPED:
            value = _typed(values[codes[row]], rng)
            codes[row] = number.setdefault(value, len(values))
            if codes[row] == len(values):
                values.append(value)
        elif what < TYPED + OTHER:
            codes[row] = there[rng.integers(len(there))]
        else:
            codes[row] = -1
    return _sorted(values, codes)


def _typed(value: str, rng: np.random.Generator) -> str:
    """The value with one letter or digit exchanged for another; itself when it has none."""
    places = [at for at, character in enumerate(value) if character.isalnum()]
    if not places:
        return value
    at = places[rng.integers(len(places))]
    pool = _DIGITS if value[at].isdigit() else _LETTERS
    return value[:at] + pool[rng.integers(len(pool))] + value[at + 1 :]


def _sorted(values: list[str], codes: npt.NDArray[np.int64]) -> Column:
    used = sorted({values[code] for code in np.unique(codes[codes >= 0]).tolist()})
    rank = {value: code for code, value in enumerate(used)}
    again = np.asarray([*(rank.get(value, -1) for value in values), -1], dtype=np.int32)
    return Column(tuple(used), again[codes])
