"""
All pairs in numpy, every one compared: what the compiled loop must agree with, to the bit.

Source: specs/matching-v1.md, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]

_CELLS = 1 << 22


def chunks(left: Words, right: Words, threshold: Fraction) -> Iterator[tuple[int, Pairs]]:
    """
    Pairs of (n, w) and (m, w) filters: (left rows done, pairs), ordered over all chunks.

    The same arguments and results as ``dice.pair_chunks``; memory is bounded, time is not spared.
    """
    a = np.bitwise_count(left).sum(axis=1, dtype=np.int64)
    b = np.bitwise_count(right).sum(axis=1, dtype=np.int64)
    n, d = threshold.numerator, threshold.denominator
    # By sum of bits; of Python's integers, because a threshold may have any number of digits.
    need = np.asarray([-(-n * total // (2 * d)) for total in range(128 * left.shape[1] + 1)], dtype=np.int64)
    step = max(1, _CELLS // max(len(right), 1))
    for begin in range(0, len(left), step):
        some = slice(begin, begin + step)
        common = np.zeros((len(left[some]), len(right)), dtype=np.int64)
        for word in range(left.shape[1]):
            common += np.bitwise_count(left[some, None, word] & right[None, :, word])
        total = a[some, None] + b[None, :]
        both = (a[some, None] > 0) & (b[None, :] > 0)
        i, j = np.nonzero(both & (common >= need[total]))
        yield min(begin + step, len(left)), (i + begin, j, 2 * common[i, j] / total[i, j])
