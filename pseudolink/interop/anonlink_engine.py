"""
Pairs of CLKs by anonlink's own code, where it is installed (``pip install pseudolink[anonlink]``).

For those who must show that nothing changes when they leave it: it gives the pairs and the
coefficients of the other engines, more slowly.

Source: specs/clk-v1.md, section 11.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from pseudolink.errors import MissingDependencyError
from pseudolink.interop.files import Block

Words = npt.NDArray[np.uint64]
Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]


def _anonlink() -> tuple[Any, Any, Any]:
    try:
        from anonlink.candidate_generation import find_candidate_pairs
        from anonlink.similarities import dice_coefficient_accelerated
        from bitarray import bitarray
    except ImportError:
        raise MissingDependencyError(
            "anonlink is not installed",
            advice="pip install 'pseudolink[anonlink]' (it has wheels for Python 3.11 and older), "
            "or leave out --engine: the result is the same.",
        ) from None
    return find_candidate_pairs, dice_coefficient_accelerated, bitarray


def _keys(blocks: tuple[Sequence[Sequence[Block]], ...] | None) -> Callable[[int, int, Any], set[Any]] | None:
    if blocks is None:
        return None

    def keys(side: int, row: int, _: Any) -> set[Any]:
        return set(blocks[side][row])

    return keys


def dice_pairs(
    left: Words,
    right: Words,
    threshold: Fraction,
    blocks: tuple[Sequence[Sequence[Block]], Sequence[Sequence[Block]]] | None = None,
) -> Pairs:
    """
    Pairs that reach the threshold, ordered by left, then by right.

    Args:
        left, right: (n, w) and (m, w) uint64.
        blocks: of each left and of each right filter; then only filters of one block are compared.

    Raises:
        MissingDependencyError: anonlink is not installed.
    """
    find, similarity, bitarray = _anonlink()
    if not len(left) or not len(right):
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, np.zeros(0)
    sides = []
    for side in (left, right):
        filters = []
        for row in np.ascontiguousarray(side):
            one = bitarray(endian="big")
            one.frombytes(row.tobytes())
            filters.append(one)
        sides.append(filters)
    scores, _, (i, j) = find(sides, similarity, float(threshold), blocking_f=_keys(blocks))
    rows = np.asarray(i, dtype=np.int64), np.asarray(j, dtype=np.int64)
    dice = np.asarray(scores, dtype=np.float64)
    # Its comparison is of binary64 numbers, and it pairs empty filters; ours is exact.
    a, b = (
        np.bitwise_count(side[one]).sum(axis=1, dtype=np.int64)
        for side, one in zip((left, right), rows, strict=True)
    )
    common = np.bitwise_count(left[rows[0]] & right[rows[1]]).sum(axis=1, dtype=np.int64)
    n, d = threshold.numerator, threshold.denominator
    need = {int(total): -(-n * int(total) // (2 * d)) for total in np.unique(a + b)}
    least = np.asarray([need[int(total)] for total in a + b], dtype=np.int64)
    kept = np.flatnonzero((a > 0) & (b > 0) & (common >= least))
    kept = kept[np.lexsort((rows[1][kept], rows[0][kept]))]
    return rows[0][kept], rows[1][kept], dice[kept]
