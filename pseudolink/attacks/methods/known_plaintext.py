"""
A2: known plaintext. Some pairs of record and person have leaked; what do they say of the others?

For a CLK: a ridge regression from the pieces of names to bits, W = X'(XX' + 3I)^-1 Y, predicts every
person's bits. For keyed passes there is nothing linear to learn; what a leaked pair gives away is
who shares its tokens. So records and people are described by what they share with the leaked ones.

Source: specs/attacks-v1.md, section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from pseudolink.attacks import likeness
from pseudolink.attacks.attack import (
    Attack,
    Bits,
    Bound,
    Canary,
    Guesses,
    Index,
    Known,
    Material,
    Setting,
    View,
    Wanted,
)
from pseudolink.attacks.grams import indicators
from pseudolink.attacks.landmarks import EXACT
from pseudolink.attacks.likeness import Matrix

LAMBDA = 3.0
SIZES = (20, 50, 200, 1_000, 8_000)
QUICK = (50, 1_000, 8_000)
_CHUNK = 512


def guess(material: Material, rng: np.random.Generator) -> Guesses:
    """
    Guess from leaked pairs.

    Raises:
        ValueError: no pair leaked.
    """
    if material.known is None or not len(material.known.rows):
        raise ValueError("known plaintext needs known pairs")
    if material.view.bits is not None:
        return _by_ridge(material, material.view.bits, material.known)
    return _by_sharing(material, material.known)


def _by_ridge(material: Material, bits: Bits, known: Known) -> Guesses:
    cleaned, schema = material.reference.cleaned, material.schema
    tokens = indicators(cleaned, schema)
    classes = material.scheme.classes
    groups = np.zeros(len(tokens), dtype=np.int64) if classes is None else classes(cleaned, schema)
    predicted = unit(ridge(tokens, groups, known.reference, np.unpackbits(bits[known.rows], axis=1)))
    actual = np.unpackbits(bits, axis=1).astype(np.float32)
    actual = unit(actual - actual[known.rows].mean(axis=0))
    return _ranked(actual, predicted, known)


def ridge(tokens: Matrix, groups: Index, known: Index, bits: npt.NDArray[np.uint8]) -> Matrix:
    """
    Predict the bits of every person, as deviations from the mean of the known ones.

    Args:
        tokens: (m, v) 0 or 1, the pieces of every person's values. groups: (m,) int64; pieces of
            different groups have nothing to do with each other.
        known: (k,) int64, the people whose bits are known. bits: (k, b) 0 or 1, theirs.

    Returns:
        (m, b) float32.
    """
    x = tokens[known]
    middle = x.mean(axis=0)
    y = bits.astype(np.float32)
    y -= y.mean(axis=0)
    if len(known) <= x.shape[1] or len(np.unique(groups)) > 1:
        # The dual form: as large as the pairs, not the vocabulary.
        same = groups[known][:, None] == groups[known][None, :]
        inner = ((x - middle) @ (x - middle).T) * same + LAMBDA * np.eye(len(x), dtype=np.float32)
        weights = np.linalg.solve(inner, y)
        across = ((tokens - middle) @ (x - middle).T) * (groups[:, None] == groups[known][None, :])
        found: Matrix = (across @ weights).astype(np.float32)
        return found
    inner = (x - middle).T @ (x - middle) + LAMBDA * np.eye(x.shape[1], dtype=np.float32)
    weights = np.linalg.solve(inner, (x - middle).T @ y)
    return np.asarray((tokens - middle) @ weights, dtype=np.float32)


def unit(vectors: Matrix) -> Matrix:
    """Rows scaled to length 1; rows of zeros stay."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Matrix = (vectors / np.where(norm > 1e-9, norm, 1)).astype(np.float32)
    return found


def _by_sharing(material: Material, known: Known) -> Guesses:
    """Rows by the similarity, token for token, that they have with the leaked rows."""
    actual = _sharing(likeness.of_view(material.view), known.rows)
    people = _sharing(likeness.of_reference(material), known.reference)

    def scores(rows: Index) -> Matrix:
        found: Matrix = (actual[rows] @ people.T).toarray()
        # Whoever is known already is nobody else.
        found[:, known.reference] = -1
        return found

    alive = np.flatnonzero(np.asarray(abs(actual).sum(axis=1)).ravel() > 0)
    alive = np.setdiff1d(alive, known.rows)
    return _chosen(scores, material.view.rows, alive)


def _sharing(alike: likeness.Likeness, columns: Index) -> Any:
    """(n, k) sparse: similarities to the given rows, every row of length 1."""
    parts = []
    for at in range(0, alike.rows, _CHUNK):
        rows = np.arange(at, min(at + _CHUNK, alike.rows))
        parts.append(sparse.csr_array(unit(alike.block(rows, columns))))
    return sparse.vstack(parts, format="csr")


def _ranked(actual: Matrix, predicted: Matrix, known: Known) -> Guesses:
    def scores(rows: Index) -> Matrix:
        found: Matrix = actual[rows] @ predicted.T
        found[:, known.reference] = -1
        return found

    return _chosen(scores, len(actual), np.setdiff1d(np.arange(len(actual)), known.rows))


def _chosen(scores: Callable[[Index], Matrix], rows: int, alive: Index) -> Guesses:
    """
    The best person of every row of ``alive``, and how far ahead of the next.

    Where few enough are left, nobody is two people: the whole is assigned one to one.
    """
    best, sure = np.full(rows, -1, dtype=np.int64), np.zeros(rows)
    if 0 < len(alive) <= EXACT:
        score = scores(alive)
        rows_found, people = linear_sum_assignment(score, maximize=True)
        fits = score[rows_found, people]
        best[alive[rows_found]] = np.where(fits > 0, people, -1)
        sure[alive[rows_found]] = np.where(fits > 0, fits, 0.0)
        return Guesses(best, sure, scores)
    for at in range(0, len(alive), _CHUNK):
        part = alive[at : at + _CHUNK]
        score = scores(part)
        choice = score.argmax(axis=1)
        first = score[np.arange(len(part)), choice]
        second = np.partition(score, -2, axis=1)[:, -2] if score.shape[1] > 1 else np.zeros(len(part))
        best[part] = np.where(first > 0, choice, -1)
        sure[part] = np.where(first > 0, first - second, 0.0)
    return Guesses(best, sure, scores)


def _settings(wanted: Wanted) -> Sequence[Setting]:
    sizes = SIZES if wanted.full else QUICK
    return [Setting(None, wanted.overlap, wanted.errors, known) for known in sizes]


def _applies(view: View) -> bool:
    return view.rows > SIZES[0]


ATTACK = Attack(
    number="A2",
    name="known plaintext",
    sentence="Someone who already knows who some records are works out who the others are.",
    knows="a population file and a number of true pairs of record and person; not the key",
    guess=guess,
    settings=_settings,
    applies=_applies,
    bounds=(Bound("rate_upper", 0.01, "at most 1 % recognised, at the upper end of the interval"),),
    canaries=(
        Canary("clk", Setting(2_000, known=20), "rate", 0.90, needs=2_000),
        Canary("clk", Setting(2_000, known=50), "rate", 0.99, needs=2_000),
        Canary("salted", Setting(2_000, known=1_000), "rate", 0.90, needs=2_000),
    ),
    assumes=("The known people are a random part of the extract, and the population file is right.",),
)
