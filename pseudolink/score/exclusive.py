"""
A record has one match at most: what that says about the pairs that compete for it.

If a pair does not match, then each of its records either has its match among the other pairs, or
has none that any pass found. Both are known: the first from the competing pairs, the second from
the number of matches and the share of them that passes find. Sums and products are passed along
the graph of candidate pairs until they settle (belief propagation on a bipartite matching).

Source: specs/scoring-v1.md, section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pseudolink.score.arrays import Floats, Ints

_SWEEPS = 200
_CLOSE = 1e-9
_MOST_ODDS = 1e100


@dataclass(frozen=True)
class Alone:
    """(n,) for every left and every right record, the probability that no pass finds its match."""

    left: Floats
    right: Floats


def exclusive(odds: Floats, left: Ints, right: Ints, alone: Alone, *, sweeps: int = _SWEEPS) -> Floats:
    """
    Match probability of each pair.

    Args:
        odds: (k,) odds of each pair on its own.
        left, right: (k,) its records.
        sweeps: most messages that pass along each pair.

    Returns:
        (k,) probabilities; over the pairs of one record they sum to one at most.
    """
    if not len(odds):
        return odds
    odds = np.minimum(odds, _MOST_ODDS)
    lonely_left, lonely_right = alone.left[left], alone.right[right]
    probability: Floats = odds / (odds + lonely_left * lonely_right)
    some = np.flatnonzero((np.bincount(left)[left] > 1) | (np.bincount(right)[right] > 1))
    if len(some):
        probability[some] = _settled(
            odds[some],
            _Record(left[some], lonely_left[some]),
            _Record(right[some], lonely_right[some]),
            sweeps,
        )
    return probability


class _Record:
    """The records of one side: for each pair, what its record has besides that pair."""

    def __init__(self, record: Ints, alone: Floats) -> None:
        self.alone = alone
        order = np.argsort(record, kind="stable")
        ordered = record[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        sizes = np.diff(np.r_[starts, len(order)])
        #: (records, pairs of each) for every number of pairs above one.
        self.blocks = [
            order[starts[sizes == size][:, None] + np.arange(size)]
            for size in np.unique(sizes).tolist()
            if size > 1
        ]

    def besides(self, offer: Floats) -> Floats:
        """(k,) the offers of the record's other pairs, and none at all."""
        rest = self.alone.copy()
        # Summed without the pair itself rather than subtracted: a huge offer would swallow the rest.
        for at in self.blocks:
            block = offer[at]
            before, after = np.zeros_like(block), np.zeros_like(block)
            before[:, 1:] = np.cumsum(block[:, :-1], axis=1)
            after[:, :-1] = np.cumsum(block[:, :0:-1], axis=1)[:, ::-1]
            rest[at] += before + after
        return rest


def _settled(odds: Floats, left: _Record, right: _Record, sweeps: int) -> Floats:
    to_left = odds / right.alone  # what each pair offers its left record
    to_right = odds / left.alone
    probability = np.zeros(len(odds))
    for _ in range(sweeps):
        rest_left, rest_right = left.besides(to_left), right.besides(to_right)
        now = odds / (odds + rest_left * rest_right)
        moved = float(np.abs(now - probability).max())
        probability = now
        if moved < _CLOSE:
            break
        # Geometric means: undamped, the messages of two equal rivals swing between all and nothing
        # for as many sweeps as the root of their odds.
        to_left = np.sqrt(to_left) * np.sqrt(odds / rest_right)
        to_right = np.sqrt(to_right) * np.sqrt(odds / rest_left)
    return probability
