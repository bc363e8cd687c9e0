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

_SWEEPS = 30
_CLOSE = 1e-9
_MOST_ODDS = 1e200


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

    Returns:
        (k,) probabilities; over the pairs of one record they sum to one at most.
    """
    if not len(odds):
        return odds
    odds = np.minimum(odds, _MOST_ODDS)
    to_left = odds / alone.right[right]  # what each pair offers its left record
    to_right = odds / alone.left[left]
    for _ in range(sweeps):
        rest_left = _others(to_left, left, alone.left)
        rest_right = _others(to_right, right, alone.right)
        new_left, new_right = odds / rest_right, odds / rest_left
        moved = max(_moved(new_left, to_left), _moved(new_right, to_right))
        to_left, to_right = new_left, new_right
        if moved < _CLOSE:
            break
    rest = _others(to_left, left, alone.left) * _others(to_right, right, alone.right)
    probability: Floats = odds / (odds + rest)
    return probability


def _others(offer: Floats, record: Ints, alone: Floats) -> Floats:
    """For each pair, what its record has besides: the other pairs' offers, and none at all."""
    # Summed without the pair itself rather than subtracted: a huge offer would swallow the rest.
    order = np.argsort(record, kind="stable")
    sorted_offer, sorted_record = offer[order], record[order]
    starts = np.flatnonzero(np.r_[True, sorted_record[1:] != sorted_record[:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    others = np.zeros(len(order))
    for size in np.unique(sizes):
        if size == 1:
            continue
        at = (starts[sizes == size][:, None] + np.arange(size)).astype(np.int64)
        block = sorted_offer[at]
        before, after = np.zeros_like(block), np.zeros_like(block)
        before[:, 1:] = np.cumsum(block[:, :-1], axis=1)
        after[:, :-1] = np.cumsum(block[:, :0:-1], axis=1)[:, ::-1]
        others[at] = before + after
    found = np.empty(len(order))
    found[order] = others
    result: Floats = found + alone[record]
    return result


def _moved(new: Floats, old: Floats) -> float:
    return float(np.abs(new / (1.0 + new) - old / (1.0 + old)).max())
