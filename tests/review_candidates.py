"""Candidates with known truth, for the tests of clerical review."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from pseudolink.formats import reviews
from pseudolink.formats.reviews import LEVELS, Candidates, Expected, Pair

LEFT, RIGHT = "council", "schools"


def ident(number: int, side: str) -> bytes:
    return hashlib.sha256(f"{side} {number}".encode()).digest()[:16]


def made(
    probability: np.ndarray,
    truth: np.ndarray,
    path: Path,
    *,
    threshold: float = 0.5,
    matches: float | None = None,
) -> tuple[Candidates, dict[Pair, bool]]:
    """A file of candidates with these probabilities, all resolved, and which pairs are one person."""
    count = len(probability)
    left = [ident(n, "left") for n in range(count)]
    right = [ident(n, "right") for n in range(count)]
    words = pa.array([LEVELS[n % len(LEVELS)] for n in range(count)], pa.string())
    table = pa.table(
        {
            "left_party": pa.array([LEFT] * count, pa.string()),
            "left": pa.array(left, pa.binary(16)),
            "right_party": pa.array([RIGHT] * count, pa.string()),
            "right": pa.array(right, pa.binary(16)),
            "level.forename": words,
            "level.dob": words,
            "passes": pa.array([3] * count, pa.int16()),
            "weight": pa.array(probability * 20),
            "probability": pa.array(probability),
            "resolved": pa.array([True] * count, pa.bool_()),
            "link": pa.array(probability >= threshold),
            "ambiguous": pa.array([False] * count, pa.bool_()),
            "guarded": pa.array([False] * count, pa.bool_()),
        }
    )
    total = float(probability.sum()) if matches is None else matches
    reviews.save_candidates(table, [Expected(LEFT, RIGHT, threshold, total)], path)
    pairs = list(zip(left, right, strict=True))
    return reviews.load_candidates(path), dict(zip(pairs, truth.tolist(), strict=True))


def simulated(
    count: int, seed: int, path: Path, *, shift: float = 1.0
) -> tuple[Candidates, dict[Pair, bool]]:
    """
    Candidates as a linkage has them: most are sure, some are not.

    shift: true odds over the odds that the model believes in; 1 is a model that is right.
    """
    rng = np.random.default_rng(seed)
    sure = rng.beta(40, 0.4, int(count * 0.8))
    unsure = rng.beta(0.7, 0.7, count - len(sure))
    probability = np.round(np.clip(np.concatenate([sure, unsure]), 1e-6, 1 - 1e-9), 12)
    odds = shift * probability / (1 - probability)
    return made(probability, rng.random(count) < odds / (1 + odds), path)


def reviewer(
    candidates: Candidates,
    rows: list[int],
    truth: dict[Pair, bool],
    *,
    wrong: float,
    unsure: float,
    seed: int,
) -> dict[Pair, str]:
    """Labels of somebody who errs at a known rate."""
    rng = np.random.default_rng(seed)
    found = {}
    for row in rows:
        left, right = (candidates.table.column(n)[row].as_py() for n in ("left", "right"))
        right_label = truth[left, right] != (rng.random() < wrong)
        label = reviews.MATCH if right_label else reviews.NON_MATCH
        found[left, right] = reviews.UNSURE if rng.random() < unsure else label
    return found
