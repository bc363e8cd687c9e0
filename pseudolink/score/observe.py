"""
Candidate pairs gathered by what both sides hold (a view) and what they show (an observation).

Source: specs/scoring-v1.md, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pseudolink.formats.candidates import Candidates, Presence
from pseudolink.score.arrays import Flags, Floats, Ints
from pseudolink.score.states import Seen, States

#: Largest product of views and joint states that the search keeps in memory.
_MOST_KEPT = 60_000_000
_MOST_WORK = 400_000_000


@dataclass(frozen=True)
class View:
    """Pairs whose sides both hold the same tokens and fields: their indices, and the counts."""

    tokens: int
    fields: int
    pairs: Ints


@dataclass(frozen=True)
class Counted:
    """
    A view as the search for m wants it.

    seen: what the states show. at: the observation of each of its pairs. counts: pairs by observation.
    """

    seen: Seen
    at: Ints
    counts: Floats


def gather(candidates: Candidates, left: Presence, right: Presence) -> list[View]:
    """Candidate pairs by view, the view with the most pairs first."""
    if not len(candidates):
        return []
    rows = candidates.rows
    tokens = left.tokens[rows[0]] & right.tokens[rows[1]]
    fields = left.fields[rows[0]] & right.fields[rows[1]]
    key = np.column_stack([tokens, fields.astype(np.uint64)])
    distinct, inverse, counts = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    starts = np.cumsum(counts) - counts
    views = [
        View(int(distinct[n, 0]), int(distinct[n, 1]), order[starts[n] : starts[n] + counts[n]])
        for n in range(len(distinct))
    ]
    return sorted(views, key=lambda v: (-len(v.pairs), v.tokens, v.fields))


def positions(seen: Seen, candidates: Candidates, view: View) -> Ints:
    """
    The observation of every pair of a view.

    What no state can show (two values whose filters are equal though their tokens differ) counts
    as the nearest that one can.
    """
    shared, levels = candidates.shared[view.pairs], candidates.levels[view.pairs]
    at = seen.position(shared, levels)
    for odd in np.flatnonzero(at < 0):
        at[odd] = seen.nearest(int(shared[odd]), int(levels[odd]))
    return at


def count(states: States, candidates: Candidates, views: list[View]) -> list[Counted]:
    """Counts by observation for the views with the most pairs, within a bound on memory."""
    kept = views[: max(1, _MOST_KEPT // len(states))]
    found = []
    for view in kept:
        seen = states.seen(view.tokens, view.fields)
        at = positions(seen, candidates, view)
        found.append(Counted(seen, at, np.bincount(at, minlength=len(seen.shared)).astype(np.float64)))
    return found


def unseen(states: States, left: Presence, right: Presence) -> Floats:
    """
    (j,) for every joint state, the share of random pairs of rows in which it shows nothing.

    Which tokens the two sides hold is taken to be independent of one another.
    """
    keys, weight = _random_views(left, right, len(states))
    total = np.zeros(len(states))
    for tokens, share in zip(keys[:, 0], weight, strict=True):
        total += share * ((states.masks & tokens) == 0)
    return total


def dropped(states: States, views: list[View], kept: int, left: Presence, right: Presence) -> Floats:
    """
    (j,) for every joint state, the share of random pairs in which it shows something that is not counted.

    Args:
        views: as :func:`gather` gives them; :func:`count` keeps the first ``kept`` of them.
    """
    total = np.zeros(len(states))
    lost = {(view.tokens, view.fields) for view in views[kept:]}
    if not lost:
        return total
    keys, weight = _random_views(left, right, len(states), fields=True)
    for (tokens, fields), share in zip(keys, weight, strict=True):
        if (int(tokens), int(fields)) in lost:
            total += share * ((states.masks & tokens) != 0)
    return total


def _random_views(
    left: Presence, right: Presence, size: int, *, fields: bool = False
) -> tuple[Flags, Floats]:
    """(v, 2) tokens and fields (0 unless asked for) of random pairs of rows, and their shares."""
    a, share_a = _distinct(left, fields=fields)
    b, share_b = _distinct(right, fields=fields)
    both = (a[:, None, :] & b[None, :, :]).reshape(-1, 2)
    keys, inverse = np.unique(both, axis=0, return_inverse=True)
    weight = np.bincount(inverse, weights=np.multiply.outer(share_a, share_b).ravel())
    order = np.argsort(-weight, kind="stable")[: max(1, _MOST_WORK // size)]
    shares: Floats = weight[order] / weight[order].sum()
    return keys[order], shares


def _distinct(presence: Presence, *, fields: bool) -> tuple[Flags, Floats]:
    held = presence.fields.astype(np.uint64) if fields else np.zeros_like(presence.tokens)
    keys, counts = np.unique(np.column_stack([presence.tokens, held]), axis=0, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:500]
    share: Floats = counts[most] / counts[most].sum()
    return keys[most], share
