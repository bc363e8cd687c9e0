"""
Matching two populations by the shape of their similarities alone, with landmarks that grow.

First every record is described by what no names are needed for: its largest similarities, the
quantiles of all of them, and the same of its neighbours and theirs. The most certain matches
become landmarks; every record is then described by its similarities to those, and matched again,
with more landmarks each round.

Source: specs/attacks-v1.md, section 3.3; Culnane, Rubinstein, Teague 2017; Vidanage et al. 2020;
Heng et al. 2022; Schäfer, Armknecht, Heng 2024 (graph matching attacks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from pseudolink.attacks.attack import Index
from pseudolink.attacks.likeness import Likeness, Matrix

ROUNDS: Final = 25
FIRST_SHARE: Final = 0.1
GROWTH: Final = 0.04
STARTS: Final = (3, 2, 1)
GOOD_FIT: Final = 0.75
STEADY: Final = 0.999
#: Up to here several starts are tried.
FEW: Final = 1_000
LARGEST: Final = 20
QUANTILES: Final = 64
#: Up to here one-to-one assignment is solved exactly; above it, best choices that are mutual.
EXACT: Final = 2_500
MOST_LANDMARKS: Final = 1_000
_TILE: Final = 1_024

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Matched:
    """
    best: (n,) int64, the right row of each left one, or -1. confidence: (n,) float64.
    left, right: (n, l) and (m, l) float32, the last description; products are scores.
    rounds: how many it took. fit: mean product of the matched; near 1 when nearly all are right.
    """

    best: Index
    confidence: Numbers
    left: Matrix
    right: Matrix
    rounds: int
    fit: float


def match(
    left: Likeness, right: Likeness, *, rounds: int = ROUNDS, starts: Sequence[int] = STARTS
) -> Matched:
    """
    Match the rows of two populations, (n) and (m), by their similarities.

    Args:
        rounds: most rounds with landmarks; 0 stops at the first description.
        starts: how far the first description looks at neighbours; of several, tried for small
            populations only, the one whose matches fit best is kept. Nothing but similarities
            decides it.
    """
    if max(left.rows, right.rows) > FEW:
        starts = starts[:1]
    found: Matched | None = None
    for hops in starts:
        one = _match(left, right, rounds, hops)
        if found is None or one.fit > found.fit:
            found = one
        if found.fit >= GOOD_FIT:
            break
    assert found is not None  # noqa: S101 (there is a start)
    return found


def _match(left: Likeness, right: Likeness, rounds: int, hops: int) -> Matched:
    a, b = _profiles(left, right, hops)
    best, sure = assign(a, b)
    done, before = 0, best
    for done in range(1, rounds + 1):
        certain = _landmarks(best, sure, min(1.0, FIRST_SHARE + GROWTH * (done - 1)))
        if not len(certain):
            break
        a, b = landmark_vectors(left, right, certain, best[certain])
        best, sure = assign(a, b)
        if done > 3 and (best == before).mean() > STEADY:
            break
        before = best
    there = np.flatnonzero(best >= 0)
    fit = float((a[there] * b[best[there]]).sum(axis=1).mean()) if len(there) and done else 0.0
    return Matched(best, sure, a, b, done, fit)


def landmark_vectors(left: Likeness, right: Likeness, rows: Index, others: Index) -> tuple[Matrix, Matrix]:
    """
    Every row described by its similarities to landmarks, centred and of length 1.

    Args:
        rows, others: (l,) and (l,) int64, landmarks on the left and who they are on the right.

    Returns:
        (n, l) and (m, l) float32; a row that resembles no landmark is all zero.
    """
    return _unit(left.block(np.arange(left.rows), rows)), _unit(right.block(np.arange(right.rows), others))


def _unit(vectors: Matrix) -> Matrix:
    some = np.abs(vectors).max(axis=1, initial=0) > 0
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Matrix = np.where(some[:, None] & (norm > 1e-12), vectors / np.maximum(norm, 1e-12), 0)
    return found.astype(np.float32)


def _profiles(left: Likeness, right: Likeness, hops: int) -> tuple[Matrix, Matrix]:
    """The first description of every row of both sides; the larger the product, the more alike."""
    a, b = _described(left, hops), _described(right, hops)
    # The squared distance as one product; what only the left row decides changes no choice.
    width = np.float32(a.shape[1] ** 0.5)
    ones = np.ones((len(a), 1), dtype=np.float32)
    squares = -0.5 * (b * b).sum(axis=1, keepdims=True) / width
    return np.concatenate([a / width, ones], axis=1), np.concatenate([b, squares], axis=1)


def _standard(values: Matrix) -> Matrix:
    spread = values.std(axis=0)
    found: Matrix = (values - values.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
    return found.astype(np.float32)


def _described(side: Likeness, hops: int) -> Matrix:
    everyone = np.arange(side.rows)
    largest = min(LARGEST, max(side.rows - 1, 1))
    at = np.linspace(0, 1, QUANTILES)
    parts = []
    for begin in range(0, side.rows, _TILE):
        rows = everyone[begin : begin + _TILE]
        block = np.sort(side.block(rows, everyone), axis=1)
        top = np.zeros((len(rows), LARGEST), dtype=np.float32)
        top[:, :largest] = block[:, -largest:][:, ::-1]
        places = np.round(at * (side.rows - 1)).astype(np.int64)
        parts.append(np.concatenate([top, block[:, places]], axis=1))
    found = np.concatenate(parts) if parts else np.zeros((0, LARGEST + QUANTILES), dtype=np.float32)
    found = _standard(np.concatenate([found, side.traits()], axis=1))
    seen = [found]
    for _ in range(hops):
        seen.append(_standard(side.smooth(seen[-1])))
    return np.concatenate(seen, axis=1)


def _landmarks(best: Index, sure: Numbers, share: float) -> Index:
    """The most certain matches, at most a share of the rows; where there are many, spread over it."""
    found = np.flatnonzero((best >= 0) & (sure > 0))
    count = min(len(found), max(int(share * len(best)), 1))
    chosen = found[np.argsort(-sure[found], kind="stable")[:count]]
    if len(chosen) > MOST_LANDMARKS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_LANDMARKS).astype(np.int64)]
    return np.sort(chosen)


def assign(a: Matrix, b: Matrix) -> tuple[Index, Numbers]:
    """
    Who is whom, one to one, by the largest products; and how well it fits.

    A row of zeros is nobody. Above ``EXACT`` rows several may choose one; only mutual choices are
    then certain at all.
    """
    if not len(a) or not len(b):
        return np.full(len(a), -1, dtype=np.int64), np.zeros(len(a))
    if max(len(a), len(b)) <= EXACT:
        return _exact(a @ b.T)
    return _mutual(a, b)


def _exact(score: Matrix) -> tuple[Index, Numbers]:
    rows, columns = linear_sum_assignment(score, maximize=True)
    best = np.full(len(score), -1, dtype=np.int64)
    best[rows] = columns
    sure = np.zeros(len(score))
    sure[rows] = score[rows, columns] - score.min()
    alive = score.max(axis=1) > score.min(axis=1)
    best[~alive] = -1
    return best, np.where(best >= 0, sure, 0)


def _mutual(a: Matrix, b: Matrix) -> tuple[Index, Numbers]:
    n, m = len(a), len(b)
    best, first = np.zeros(n, dtype=np.int64), np.zeros(n)
    suitor, top = np.zeros(m, dtype=np.int64), np.full(m, -np.inf)
    low = np.inf
    for begin in range(0, n, _TILE):
        score = a[begin : begin + _TILE] @ b.T
        low = min(low, float(score.min()))
        choice = score.argmax(axis=1)
        best[begin : begin + _TILE] = choice
        first[begin : begin + _TILE] = score[np.arange(len(score)), choice]
        here = score.argmax(axis=0)
        peak = score[here, np.arange(m)]
        better = peak > top
        suitor[better] = here[better] + begin
        top[better] = peak[better]
    alive = np.abs(a).max(axis=1) > 0
    mutual = alive & (suitor[best] == np.arange(n))
    return np.where(alive, best, -1), np.where(mutual, first - low, 0)
