"""
What labels say of a linkage: precision, recall and threshold, with intervals.

Source: specs/review-v1.md, section 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pseudolink.errors import ReviewError
from pseudolink.formats.reviews import MATCH, UNSURE, Candidates, Expected, Pair
from pseudolink.roles.review import Stratum, edges_of, strata

DRAWS = 4000
_SEED = 20260101
_PERCENTILES = (2.5, 97.5)
_WEIGHT, _TINY = 2.0, 1e-6

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """
    Two parties' links at or above a threshold, by the labels.

    precision, recall, f1: estimates; each with the ends of its 95 % interval.
    model_precision: what the model expected. links: how many there are.
    """

    threshold: float
    links: int
    precision: float
    precision_low: float
    precision_high: float
    recall: float
    recall_low: float
    recall_high: float
    f1: float
    model_precision: float


@dataclass(frozen=True)
class Revised:
    """
    What labels make of two parties' linkage.

    labelled, unsure: pairs. points: thresholds falling. current: at the linkage's own threshold.
    best: at the threshold that the labels advise.
    """

    left: str
    right: str
    labelled: int
    unsure: int
    points: tuple[Point, ...]
    current: Point
    best: Point


@dataclass(frozen=True)
class _Counted:
    """A stratum with its labels."""

    stratum: Stratum
    size: int
    matches: int
    others: int
    unsure: int
    mean: float

    @property
    def rate(self) -> float:
        judged = self.matches + self.others
        return self.matches / judged if judged else self.mean

    def draws(self, rng: np.random.Generator, unsure_match: bool) -> Floats:
        y = self.matches + (self.unsure if unsure_match else 0)
        n = self.matches + self.others + self.unsure
        if n == self.size:
            return np.full(DRAWS, y / n)
        if n:
            return rng.beta(y + 0.5, n - y + 0.5, DRAWS)
        return rng.beta(_WEIGHT * self.mean + _TINY, _WEIGHT * (1 - self.mean) + _TINY, DRAWS)


def revise(
    candidates: Candidates, labels: Mapping[Pair, str], min_precision: float | None = None
) -> list[Revised]:
    """
    Estimate every two parties' linkage anew from labels.

    Args:
        labels: as ``roles.review.together`` gives them, all of these candidates.

    Raises:
        ReviewError: labels of pairs that are not there, or no threshold reaches the precision.
    """
    lefts, rights = (candidates.table.column(n).to_pylist() for n in ("left", "right"))
    row_of = {pair: row for row, pair in enumerate(zip(lefts, rights, strict=True))}
    strangers = sum(pair not in row_of for pair in labels)
    if strangers:
        raise ReviewError(f"{strangers:,} labelled pairs are not among these candidates")
    said = {row_of[pair]: label for pair, label in labels.items()}
    probability = candidates.table.column("probability").to_numpy()
    counted = [_count(one, said, probability) for one in strata(candidates)]
    return [
        _of_parties(one, [c for c in counted if c.stratum.parties == number], probability, min_precision)
        for number, one in enumerate(candidates.expected)
    ]


def _count(one: Stratum, said: Mapping[int, str], probability: Floats) -> _Counted:
    given = [said[row] for row in one.rows.tolist() if row in said]
    matches, unsure = given.count(MATCH), given.count(UNSURE)
    mean = float(probability[one.rows].mean())
    return _Counted(one, len(one.rows), matches, len(given) - matches - unsure, unsure, mean)


def _of_parties(
    one: Expected, counted: list[_Counted], probability: Floats, min_precision: float | None
) -> Revised:
    seen = sum(c.size * c.mean for c in counted)
    hidden = max(one.matches - seen, 0.0)
    low, high = (
        [c.draws(np.random.default_rng([_SEED, n]), end) for n, c in enumerate(counted)]
        for end in (False, True)
    )
    points = [
        _point(edge, counted, hidden, low, high) for edge in sorted(edges_of(one.threshold), reverse=True)
    ]
    points = [p for p in points if p.links]
    nothing = Point(one.threshold, 0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0)
    current = next((p for p in points if p.threshold == one.threshold), nothing)
    labelled = sum(c.matches + c.others + c.unsure for c in counted)
    unsure = sum(c.unsure for c in counted)
    best = _best(points, min_precision, one) if points else nothing
    return Revised(one.left, one.right, labelled, unsure, tuple(points), current, best)


def _point(
    edge: float, counted: list[_Counted], hidden: float, low: list[Floats], high: list[Floats]
) -> Point:
    inside = [c.stratum.resolved and c.stratum.edge >= edge for c in counted]
    links = sum(c.size for c, held in zip(counted, inside, strict=True) if held)
    right = sum(c.size * c.rate for c, held in zip(counted, inside, strict=True) if held)
    expected = sum(c.size * c.mean for c, held in zip(counted, inside, strict=True) if held)
    matches = hidden + sum(c.size * c.rate for c in counted)
    precision = right / links if links else 1.0
    recall = right / matches if matches else 0.0
    total = precision + recall
    ends = [_quality(counted, inside, draws, links, hidden) for draws in (low, high)]
    return Point(
        edge,
        links,
        precision,
        float(np.percentile(ends[0][0], _PERCENTILES[0])),
        float(np.percentile(ends[1][0], _PERCENTILES[1])),
        recall,
        min(float(np.percentile(end[1], _PERCENTILES[0])) for end in ends),
        max(float(np.percentile(end[1], _PERCENTILES[1])) for end in ends),
        2 * precision * recall / total if total else 0.0,
        expected / links if links else 1.0,
    )


def _quality(
    counted: list[_Counted], inside: list[bool], draws: list[Floats], links: int, hidden: float
) -> tuple[Floats, Floats]:
    """(precision, recall) of every draw."""
    right, matches = np.zeros(DRAWS), np.full(DRAWS, hidden)
    for c, held, drawn in zip(counted, inside, draws, strict=True):
        matches += c.size * drawn
        if held:
            right += c.size * drawn
    return right / max(links, 1), right / np.maximum(matches, _TINY)


def _best(points: list[Point], min_precision: float | None, one: Expected) -> Point:
    if min_precision is None:
        return max(points, key=lambda p: (p.f1, p.threshold))
    enough = [p for p in points if p.precision >= min_precision]
    if not enough:
        raise ReviewError(
            f"{one.left} and {one.right}: by these labels no threshold reaches a precision of "
            f"{min_precision:g}",
            advice=f"The highest is {max(p.precision for p in points):.4f}.",
        )
    return min(enough, key=lambda p: p.threshold)
