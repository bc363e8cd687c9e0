"""
Expected precision, recall and F1 at every threshold; records that could not match themselves.

All of it comes from the match probabilities and the estimated number of matches: no truth.

Source: specs/scoring-v1.md, section 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pseudolink.errors import ScoringError
from pseudolink.formats.candidates import Links, Presence, Scored
from pseudolink.score.arrays import Floats, Ints
from pseudolink.score.estimate import Estimate, lonely

_TINY = 1e-300


@dataclass(frozen=True)
class Curve:
    """
    What to expect of the links at or above each threshold, thresholds falling.

    threshold, precision, recall, f1: (c,) float64. links: (c,) int64.
    """

    threshold: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    links: Ints

    def at(self, threshold: float) -> tuple[float, float, float]:
        """Expected (precision, recall, F1) of the links at or above a threshold."""
        reached = np.flatnonzero(self.threshold >= threshold)
        if not len(reached):
            return 1.0, 0.0, 0.0
        last = reached[-1]
        return float(self.precision[last]), float(self.recall[last]), float(self.f1[last])


def curve(scored: Scored, links: Links, matches: float) -> Curve:
    """
    Expected quality over thresholds.

    Args:
        links: one-to-one links without a threshold.
        matches: expected number of matching pairs, seen or not.
    """
    probability = np.sort(scored.probability[links.accepted])[::-1]
    counts = np.arange(1, len(probability) + 1)
    right = np.cumsum(probability)
    final = np.ones(len(probability), dtype=bool)
    final[:-1] = probability[1:] != probability[:-1]
    last = np.flatnonzero(final)
    threshold, counts, right = probability[last], counts[last], right[last]
    precision = right / np.maximum(counts, 1)
    recall = np.minimum(right / max(matches, float(right[-1]) if len(right) else 0.0, _TINY), 1.0)
    f1 = 2 * precision * recall / np.maximum(precision + recall, _TINY)
    return Curve(threshold, precision, recall, f1, counts.astype(np.int64))


def nobody(found: Curve) -> bool:
    """Whether not even half a link is expected to be right, of all that could be made."""
    return not len(found.links) or float(found.precision[-1] * found.links[-1]) < 0.5


def choose(found: Curve, min_precision: float | None = None) -> float:
    """
    The threshold: best expected F1, or the lowest that reaches ``min_precision``.

    Links of which fewer than half are expected to be right are never chosen by default. Where
    nobody is expected to be in both parties it is 0.5, which no pair reaches then.

    Raises:
        ScoringError: no threshold is expected to reach that precision.
    """
    if nobody(found):
        return 0.5
    if min_precision is None:
        some = np.flatnonzero(found.precision >= 0.5)
        return float(found.threshold[some[np.argmax(found.f1[some])]]) if len(some) else 0.5
    enough = np.flatnonzero(found.precision >= min_precision)
    if not len(enough):
        raise ScoringError(
            f"no threshold is expected to reach a precision of {min_precision:g}",
            advice=f"The highest to be expected is {found.precision.max():.4f}.",
        )
    return float(found.threshold[enough[-1]])


def unlinkable(found: Estimate, presence: Presence, threshold: float) -> int:
    """Records with too little evidence to be linked even to an exact copy of themselves without a rival."""
    return int((at_most(found, presence) < threshold).sum())


def at_most(found: Estimate, presence: Presence) -> Floats:
    """
    The match probability of each record with an exact copy of itself that has no rival.

    Returns:
        (records,) float64; -1 for a record without a token, which nothing can find.
    """
    states = found.states
    joint = states.probabilities(found.matches.shares)
    alike = states.probabilities(found.company.shares) if found.company else np.zeros(len(states))
    kinds = [states.by_kind(one) for one in (joint, found.chance, alike)]
    own = presence.records
    here = lonely(states, found.matches, presence, own)
    there = lonely(states, found.matches, presence, found.left_rows + found.right_rows - own)
    key = np.column_stack([presence.tokens, presence.fields.astype(np.uint64)])
    distinct, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    probability = np.full(len(distinct), -1.0)
    for number, ((tokens, fields), row) in enumerate(zip(distinct.tolist(), first.tolist(), strict=True)):
        if not tokens:
            continue
        seen = states.seen(tokens, fields)
        # An exact copy shares every token there is and is equal wherever a filter looks.
        same = np.flatnonzero(seen.shared == np.uint64(tokens))
        best = same[int(np.argmin(seen.levels[same]))]
        match = seen.shares(kinds[0])[best]
        chance, company = (seen.shares(one)[best : best + 1] for one in kinds[1:])
        odds = found.matches.total * match / max(float(found.other(chance, company)[0]), _TINY)
        probability[number] = odds / (odds + here[row] * there[row])
    of_row = probability[inverse]
    if presence.first is None:
        return of_row
    _, record = np.unique(presence.first, return_inverse=True)
    best = np.full(own, -1.0)
    np.maximum.at(best, record, of_row)
    return best
