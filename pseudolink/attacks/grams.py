"""
The pieces of clear values that a CLK holds, as an indicator matrix; and how many a row has.

Source: specs/attacks-v1.md, section 3.1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pseudolink.attacks.likeness import Matrix
from pseudolink.attacks.schemes.clk import fields_of
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.schema import LinkageSchema


def bigrams(value: str) -> list[str]:
    """Padded bigrams of a value without blanks and hyphens; each once."""
    text = f" {value.replace('-', '').replace(' ', '')} "
    return sorted({text[at : at + 2] for at in range(len(text) - 1)}) if len(text) > 2 else []


def _column(column: Column) -> tuple[Matrix, list[str]]:
    """(values + 1, v): which bigrams each distinct value has; the last row is that of missing."""
    found = [bigrams(value) for value in column.values]
    words = sorted({gram for grams in found for gram in grams})
    number = {word: at for at, word in enumerate(words)}
    table = np.zeros((len(found) + 1, len(words)), dtype=np.float32)
    for row, grams in enumerate(found):
        table[row, [number[gram] for gram in grams]] = 1
    return table, words


def indicators(cleaned: Cleaned, schema: LinkageSchema) -> Matrix:
    """(m, v) float32: which bigrams of which field every row has, of the fields of a CLK."""
    parts = []
    for name in fields_of(schema):
        table, _ = _column(cleaned.fields[name])
        parts.append(table[cleaned.fields[name].codes])
    return np.concatenate(parts, axis=1)


def lengths(column: Column) -> npt.NDArray[np.float64]:
    """(n,) how many different bigrams each row's value has; nan where it is missing."""
    counts = [float(len(bigrams(value))) for value in column.values]
    return np.asarray([*counts, np.nan])[column.codes]
