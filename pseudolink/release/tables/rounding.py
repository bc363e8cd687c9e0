"""
Rounding of counts that are shown, and what a rounded count can stand for.

Source: specs/tables-v1.md, 4.5 and 5.2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Amounts = npt.NDArray[np.float64]


def rounded(value: Amounts, base: int) -> Amounts:
    """To the nearest multiple of the base, halves away from 0; as it stands where the base is 0."""
    return np.asarray(np.floor(value / base + 0.5) * base) if base else value


def stands_for(shown: Amounts, base: int) -> tuple[Amounts, Amounts]:
    """The least and the most whole number that each shown count can have been; 0 is 0."""
    if not base:
        return shown, shown
    low = np.maximum(np.ceil(shown - base / 2), 0.0)
    high = np.ceil(shown + base / 2) - 1.0
    return np.where(shown > 0, low, 0.0), np.where(shown > 0, high, 0.0)
