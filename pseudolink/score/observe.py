"""
Candidate pairs gathered by what both sides hold (a view) and what they show (an observation).

Source: specs/scoring-v1.md, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pseudolink.formats.candidates import Candidates, Presence
from pseudolink.score.arrays import Floats, Ints
from pseudolink.score.blind import Blind, blind, random_views
from pseudolink.score.states import Seen, States

#: Largest product of views and kinds of joint states that the search keeps in memory.
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
    kept = views[: max(1, _MOST_KEPT // states.kinds)]
    found = []
    for view in kept:
        seen = states.seen(view.tokens, view.fields)
        at = positions(seen, candidates, view)
        found.append(Counted(seen, at, np.bincount(at, minlength=len(seen.shared)).astype(np.float64)))
    return found


def blind_of(states: States, views: list[View], kept: int, left: Presence, right: Presence) -> Blind:
    """
    What nobody sees of the pairs of two parties, where the first ``kept`` of the views are counted.

    Args:
        views: as :func:`gather` gives them.
    """
    total = np.zeros(states.kinds)
    lost = {(view.tokens, view.fields) for view in views[kept:]}
    if lost:
        keys, weight = random_views(left, right, _MOST_WORK // states.kinds, fields=True)
        for (tokens, fields), share in zip(keys.tolist(), weight, strict=True):
            if (tokens, fields) in lost:
                total += share * ((states.kind_masks & np.uint64(tokens)) != 0)
    tokens = np.asarray(sorted({tokens for tokens, _ in lost}), dtype=np.uint64)
    return blind(states, left, right, total, tokens)
