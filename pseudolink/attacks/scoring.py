"""
Scoring: guesses against the truth, by record, with intervals and a check that luck stays luck.

Source: specs/attacks-v1.md, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, exp, lgamma, log, sqrt
from typing import Any, Final

import numpy as np

from pseudolink.attacks.attack import Flags, Guesses, Index, Material, Target, View

#: Of the two-sided 95 % interval.
Z: Final = 1.959963984540054
#: Hits with shuffled truth that are rarer than this mean that the experiment leaks the truth.
LUCK: Final = 1e-6
_RANKED: Final = 2_000
_CHUNK: Final = 256


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """The Wilson 95 % interval of a rate; (0, 1) where nothing was tried."""
    if not tries:
        return 0.0, 1.0
    rate = hits / tries
    middle = (rate + Z * Z / (2 * tries)) / (1 + Z * Z / tries)
    half = Z * sqrt(rate * (1 - rate) / tries + Z * Z / (4 * tries * tries)) / (1 + Z * Z / tries)
    low = 0.0 if not hits else max(0.0, middle - half)
    return low, 1.0 if hits == tries else min(1.0, middle + half)


@dataclass(frozen=True)
class Score:
    """
    What an attack achieved.

    records: people scored whose person is in the reference: what could be found. attempts: guesses
    made, over all scored records. correct: right ones.
    figures: everything that bounds and canaries name:

    - ``correct``; ``rate`` = correct / records, with ``rate_lower`` and ``rate_upper`` (Wilson, 95 %);
    - ``precision`` = correct / attempts; ``precision_tenth``, of the most confident tenth of them;
    - ``chance``, what guessing at random reaches; ``shuffled``, the rate with shuffled truth;
    - ``median_rank`` and ``top_1_percent``, where the attack ranks the reference;
    - ``rate_without_company`` and ``correct_without_company`` where records have company or not.

    lucky: shuffled truth stayed at chance.
    """

    records: int
    attempts: int
    correct: int
    figures: Mapping[str, float]
    notes: Mapping[str, float] = field(default_factory=dict)
    lucky: bool = True

    def to_json(self) -> dict[str, Any]:
        """The score as data."""
        return {
            "records": self.records,
            "attempts": self.attempts,
            "correct": self.correct,
            "figures": dict(self.figures),
            "notes": dict(self.notes),
            "shuffled_truth_at_chance": self.lucky,
        }


@dataclass(frozen=True)
class _ByRecord:
    """One entry a record: its guess, confidence, truth (persons, -1 for none) and company."""

    rows: Index
    guess: Index
    confidence: np.typing.NDArray[np.float64]
    truth: Index


def score(target: Target, guesses: Guesses, rng: np.random.Generator) -> Score:
    """
    Score guesses; the truth is looked at here and nowhere else.

    A record that stands in several rows counts once, with its most confident row.

    Raises:
        ValueError: the truth is not known, or the guesses are not of these rows.
    """
    material = target.material
    if target.truth is None:
        raise ValueError("nobody knows the truth")
    if len(guesses.best) != material.view.rows or len(guesses.confidence) != material.view.rows:
        raise ValueError("guesses are not one a row")
    found = _by_record(target, guesses)
    there = found.truth >= 0
    tried = found.guess >= 0
    right = tried & there & (found.guess == found.truth)
    records, attempts, correct = int(there.sum()), int(tried.sum()), int(right.sum())
    people = len(np.unique(material.reference.person))
    low, high = wilson(correct, records)
    figures = {
        "correct": float(correct),
        "rate": correct / records if records else 0.0,
        "rate_lower": low,
        "rate_upper": high,
        "precision": correct / attempts if attempts else 0.0,
        "precision_tenth": _tenth(found, tried, right),
        "chance": attempts / max(people, 1) / max(records, 1),
    }
    shuffled = np.where(there)[0]
    mixed = found.truth.copy()
    mixed[shuffled] = found.truth[rng.permutation(shuffled)]
    lucky = int((tried & there & (found.guess == mixed)).sum())
    figures["shuffled"] = lucky / records if records else 0.0
    if guesses.scores is not None and records:
        figures |= _ranks(guesses, found, material, rng)
    company = company_of(material.view)
    if company is not None:
        alone = ~company[found.rows] & there
        figures["correct_without_company"] = float((right & alone).sum())
        figures["rate_without_company"] = float((right & alone).sum() / max(int(alone.sum()), 1))
    expected = _expected_luck(found, tried, there)
    return Score(
        records, attempts, correct, figures, dict(guesses.notes), _poisson_tail(lucky, expected) >= LUCK
    )


def _by_record(target: Target, guesses: Guesses) -> _ByRecord:
    material = target.material
    person = np.append(material.reference.person, -1)
    truth = target.truth
    assert truth is not None  # noqa: S101 (the caller has looked)
    guess = np.where(guesses.best >= 0, person[guesses.best], -1)
    actual = np.where(truth >= 0, person[truth], -1)
    rows = np.flatnonzero(target.scored)
    if material.view.encodings is not None:
        records = material.view.encodings.records[rows]
        _, record = np.unique(records, axis=0, return_inverse=True)
        record = record.ravel()
        sure = np.where(guess[rows] >= 0, guesses.confidence[rows], -np.inf)
        order = np.lexsort((rows, -sure, record))
        first = np.ones(len(order), dtype=bool)
        first[1:] = record[order][1:] != record[order][:-1]
        rows = rows[order[first]]
    return _ByRecord(rows, guess[rows], guesses.confidence[rows].astype(np.float64), actual[rows])


def _tenth(found: _ByRecord, tried: Flags, right: Flags) -> float:
    at = np.flatnonzero(tried)
    if not len(at):
        return 0.0
    # Ties are broken by position, which is random: by correctness they would flatter.
    order = at[np.argsort(-found.confidence[at], kind="stable")]
    return float(right[order[: ceil(len(order) / 10)]].mean())


def _ranks(
    guesses: Guesses, found: _ByRecord, material: Material, rng: np.random.Generator
) -> dict[str, float]:
    """Ranks of the true person among the reference's rows; ties count half; at most 2,000 records."""
    assert guesses.scores is not None  # noqa: S101
    at = np.flatnonzero(found.truth >= 0)
    at = np.sort(rng.permutation(at)[:_RANKED])
    person = material.reference.person
    ranks = []
    for begin in range(0, len(at), _CHUNK):
        part = at[begin : begin + _CHUNK]
        scores = np.asarray(guesses.scores(found.rows[part]))
        own = person[None, :] == found.truth[part][:, None]
        best = np.where(own, scores, -np.inf).max(axis=1)
        higher = ((scores > best[:, None]) & ~own).sum(axis=1)
        level = ((scores == best[:, None]) & ~own).sum(axis=1)
        ranks.append(1 + higher + level / 2)
    rank = np.concatenate(ranks)
    return {
        "median_rank": float(np.median(rank)),
        "top_1_percent": float((rank <= max(1.0, len(person) / 100)).mean()),
    }


def _expected_luck(found: _ByRecord, tried: Flags, there: Flags) -> float:
    """Hits to expect when the truth is shuffled among the records that have one."""
    actual, counts = np.unique(found.truth[there], return_counts=True)
    if not len(actual):
        return 0.0
    guess = found.guess[tried & there]
    at = np.minimum(np.searchsorted(actual, guess), len(actual) - 1)
    same = actual[at] == guess
    return float(counts[at][same].sum() / counts.sum())


def _poisson_tail(hits: int, mean: float) -> float:
    """P(X >= hits) for a Poisson of this mean."""
    if hits == 0:
        return 1.0
    if mean <= 0:
        return 0.0
    below = sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(hits))
    return max(0.0, 1.0 - below)


def company_of(view: View) -> Flags | None:
    """(n,) bool: whether the record of each row shares a token with another record; None for bits."""
    if view.encodings is None:
        return None
    _, record = np.unique(view.encodings.records, axis=0, return_inverse=True)
    record = record.ravel()
    has = np.zeros(int(record.max(initial=-1)) + 1, dtype=bool)
    for one in view.encodings.passes.values():
        rows = np.flatnonzero(one.present)
        if not len(rows):
            continue
        _, block = np.unique(one.tokens[rows], axis=0, return_inverse=True)
        block = block.ravel()
        pairs = np.unique(np.column_stack([block, record[rows]]), axis=0)
        sizes = np.bincount(pairs[:, 0])
        has[pairs[sizes[pairs[:, 0]] > 1, 1]] = True
    return has[record]
