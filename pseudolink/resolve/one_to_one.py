"""
One-to-one resolution: each record gets one link at most.

Greedy by weight. Pairs that tie for a record are left out and marked ambiguous: the order of the
rows never decides who is linked.

Source: specs/resolution-v1.md, section 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pseudolink.formats.candidates import Links, Scored


def greedy(scored: Scored, threshold: float, *, barred: npt.NDArray[np.bool_] | None = None) -> Links:
    """
    Link greedily, highest weight first, among pairs whose probability reaches the threshold.

    Args:
        threshold: match probability, from 0 to 1.
        barred: (k,) pairs that may not be linked.

    Returns:
        Links, the same whatever the order of the rows.
    """
    pairs = scored.candidates
    usable = scored.probability >= threshold
    chosen = np.flatnonzero(usable if barred is None else usable & ~barred)
    # Weights are equal only when the evidence is; rounding keeps the last digit from deciding.
    weight = np.round(scored.weight[chosen], 9)
    order = np.argsort(-weight, kind="stable")
    chosen, weight = chosen[order], weight[order]
    taken_left: set[int] = set()
    taken_right: set[int] = set()
    accepted: list[int] = []
    ambiguous: list[int] = []
    fresh = np.ones(len(weight), dtype=bool)
    fresh[1:] = weight[1:] != weight[:-1]
    starts = np.flatnonzero(fresh)
    ends = np.append(starts[1:], len(weight))[: len(starts)]
    left, right = pairs.left[chosen].tolist(), pairs.right[chosen].tolist()
    for start, end in zip(starts, ends, strict=True):
        tied = [n for n in range(start, end) if left[n] not in taken_left and right[n] not in taken_right]
        lefts = _counts([left[n] for n in tied])
        rights = _counts([right[n] for n in tied])
        for n in tied:
            single = lefts[left[n]] == 1 and rights[right[n]] == 1
            (accepted if single else ambiguous).append(int(chosen[n]))
        # Ambiguous records are spent as well: a lower pair must not slip in below a tie.
        taken_left.update(lefts)
        taken_right.update(rights)
    return Links(np.asarray(accepted, dtype=np.int64), np.asarray(sorted(ambiguous), dtype=np.int64))


def _counts(values: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found
