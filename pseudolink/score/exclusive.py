"""
A record has one match at most: what that says about the pairs that compete for it.

If a pair does not match, then each of its records either has its match among the other pairs, or
has none that any pass found. Both are known: the first from the competing pairs, the second from
the number of matches and the share of them that passes find.

Where pairs compete around a small circle (twins, brothers), all their matchings are told one by
one. Elsewhere sums and products are passed along the graph of candidate pairs until they settle
(belief propagation), which is exact without a circle.

Source: specs/scoring-v1.md, section 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pseudolink.score.arrays import Floats, Ints

_SWEEPS = 200
_CLOSE = 1e-9
_MOST_ODDS = 1e100
_LEAST_ODDS = 1e-300
#: Most pairs of a component with a circle whose matchings are told one by one.
_MOST_TOLD = 16
#: Numbers held at once where components of one shape are told together.
_BATCH = 10_000_000

#: (left, right) of every pair of a component, both numbered from 0 as they first occur.
Shape = tuple[tuple[int, int], ...]


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
        left, right: (k,) its records; every pair is there once.
        sweeps: most messages that pass along each pair.

    Returns:
        (k,) probabilities; over the pairs of one record they sum to one at most.
    """
    return Rivals(left, right).probability(odds, alone, sweeps=sweeps)


class Rivals:
    """Candidate pairs by whom they compete with, laid out once for any odds."""

    def __init__(self, left: Ints, right: Ints) -> None:
        self.left, self.right = left, right
        self._told: dict[Shape, Ints] = {}
        some = np.flatnonzero((np.bincount(left)[left] > 1) | (np.bincount(right)[right] > 1))
        told, self._told = _circles(some, left, right) if len(some) else (some, {})
        self._passed = np.setdiff1d(some, told)
        self._of_left = _Record(left[self._passed])
        self._of_right = _Record(right[self._passed])

    def probability(self, odds: Floats, alone: Alone, *, sweeps: int = _SWEEPS) -> Floats:
        """(k,) see :func:`exclusive`."""
        if not len(odds):
            return odds
        odds = np.clip(odds, _LEAST_ODDS, _MOST_ODDS)
        lonely_left, lonely_right = alone.left[self.left], alone.right[self.right]
        # A pair without a rival needs no more than its own odds.
        probability: Floats = odds / (odds + lonely_left * lonely_right)
        gain = np.log(odds) - np.log(lonely_left) - np.log(lonely_right)
        for shape, pairs in self._told.items():
            probability[pairs] = _enumerated(shape, gain[pairs])
        at = self._passed
        if len(at):
            probability[at] = self._settled(odds[at], lonely_left[at], lonely_right[at], sweeps)
        return probability

    def _settled(self, odds: Floats, lonely_left: Floats, lonely_right: Floats, sweeps: int) -> Floats:
        to_left = odds / lonely_right  # what each pair offers its left record
        to_right = odds / lonely_left
        probability = np.full(len(odds), np.inf)
        for _ in range(sweeps):
            rest_left = lonely_left + self._of_left.others(to_left)
            rest_right = lonely_right + self._of_right.others(to_right)
            now = odds / (odds + rest_left * rest_right)
            moved = float(np.abs(now - probability).max())
            probability = now
            if moved < _CLOSE:
                break
            # Geometric means: undamped, the messages of equal rivals swing between all and nothing
            # for as many sweeps as the root of their odds.
            to_left = np.sqrt(to_left) * np.sqrt(odds / rest_right)
            to_right = np.sqrt(to_right) * np.sqrt(odds / rest_left)
        # Not settled yet, one side's sums could still exceed one.
        to_left, to_right = odds / rest_right, odds / rest_left
        of_left = to_left / (to_left + lonely_left + self._of_left.others(to_left))
        of_right = to_right / (to_right + lonely_right + self._of_right.others(to_right))
        settled: Floats = np.minimum(of_left, of_right)
        return settled


class _Record:
    """The pairs of every record of one side."""

    def __init__(self, record: Ints) -> None:
        order = np.argsort(record, kind="stable")
        ordered = record[order]
        starts = np.flatnonzero(np.r_[np.ones(min(len(order), 1), dtype=bool), ordered[1:] != ordered[:-1]])
        sizes = np.diff(np.r_[starts, len(order)])
        #: (records, pairs of each) for every number of pairs above one.
        self.blocks = [
            order[starts[sizes == size][:, None] + np.arange(size)]
            for size in np.unique(sizes).tolist()
            if size > 1
        ]

    def others(self, offer: Floats) -> Floats:
        """(k,) for each pair, the offers of its record's other pairs."""
        found = np.zeros(len(offer))
        # Summed without the pair itself rather than subtracted: a huge offer would swallow the rest.
        for at in self.blocks:
            block = offer[at]
            before, after = np.zeros_like(block), np.zeros_like(block)
            before[:, 1:] = np.cumsum(block[:, :-1], axis=1)
            after[:, :-1] = np.cumsum(block[:, :0:-1], axis=1)[:, ::-1]
            found[at] = before + after
        return found


def _circles(some: Ints, left: Ints, right: Ints) -> tuple[Ints, dict[Shape, Ints]]:
    """
    Components of competing pairs that hold a circle and are small enough to tell.

    Returns:
        their pairs, and by shape the (components, pairs of each) that have it.
    """
    _, a = np.unique(left[some], return_inverse=True)
    _, b = np.unique(right[some], return_inverse=True)
    lefts, records = int(a.max()) + 1, int(a.max() + b.max()) + 2
    graph = coo_array((np.ones(len(some), dtype=np.int8), (a, b + lefts)), shape=(records, records))
    count, label = connected_components(graph, directed=False)
    of_pair = label[a]
    pairs, members = np.bincount(of_pair, minlength=count), np.bincount(label, minlength=count)
    chosen = (pairs >= members) & (pairs <= _MOST_TOLD)
    at = np.flatnonzero(chosen[of_pair])
    at = at[np.lexsort((right[some[at]], left[some[at]], of_pair[at]))]
    ends = np.flatnonzero(np.diff(of_pair[at])) + 1
    found: dict[Shape, list[Ints]] = {}
    for one in np.split(some[at], ends) if len(at) else ():
        first: dict[int, int] = {}
        second: dict[int, int] = {}
        shape = tuple(
            (first.setdefault(i, len(first)), second.setdefault(j, len(second)))
            for i, j in zip(left[one].tolist(), right[one].tolist(), strict=True)
        )
        found.setdefault(shape, []).append(one)
    return some[at], {shape: np.asarray(each) for shape, each in found.items()}


@lru_cache(maxsize=4096)
def _matchings(shape: Shape) -> Floats:
    """(matchings, pairs): 1 where a matching holds a pair; no record twice."""
    found: list[list[int]] = [[]]
    for number, (i, j) in enumerate(shape):
        found += [
            [*chosen, number]
            for chosen in found
            if all(shape[n][0] != i and shape[n][1] != j for n in chosen)
        ]
    held = np.zeros((len(found), len(shape)))
    for row, chosen in enumerate(found):
        held[row, chosen] = 1.0
    return held


def _enumerated(shape: Shape, gain: Floats) -> Floats:
    """
    Exact probabilities of components of one shape.

    Args:
        gain: (c, k) logarithm of what a pair multiplies a matching by.
    """
    held = _matchings(shape)
    found = np.empty_like(gain)
    step = max(1, _BATCH // len(held))
    for begin in range(0, len(gain), step):
        weight = gain[begin : begin + step] @ held.T
        weight = np.exp(weight - weight.max(axis=1, keepdims=True))
        found[begin : begin + step] = (weight @ held) / weight.sum(axis=1, keepdims=True)
    return found
