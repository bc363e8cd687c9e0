"""Scoring, attacks-v1 section 4: what counts, the interval, and luck that stays luck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_people import laboratory

from pseudolink.attacks import scoring
from pseudolink.attacks.attack import Guesses, Setting, Target
from pseudolink.attacks.laboratory import Laboratory

RNG = np.random.default_rng


def target(count: int = 40, scheme: str = "clk", **setting: object) -> Target:
    lab: Laboratory = laboratory(count, scheme)
    return lab.target(Setting(**setting), RNG(3))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)]
)
def test_the_interval_is_wilsons(hits: int, tries: int, low: float, high: float) -> None:
    """Newcombe 1998, and Wilson's formula by hand."""
    assert scoring.wilson(hits, tries) == pytest.approx((low, high), abs=2e-4)


def test_500_attempts_without_a_hit_bound_the_rate_at_0_76_per_cent() -> None:
    assert scoring.wilson(0, 500)[1] == pytest.approx(0.0076, abs=5e-5)


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_interval_holds_the_rate(a: int, b: int) -> None:
    hits, tries = min(a, b), max(a, b)
    low, high = scoring.wilson(hits, tries)
    assert 0 <= low <= (hits / tries if tries else 0.5) <= high <= 1


def test_right_guesses_count_and_missing_ones_do_not() -> None:
    one = target()
    assert one.truth is not None
    best = one.truth.copy()
    best[:10] = -1
    best[10:20] = (best[10:20] + 1) % 40
    found = scoring.score(one, Guesses(best, np.ones(40)), RNG(1))
    assert (found.records, found.attempts, found.correct) == (40, 30, 20)
    assert found.figures["rate"] == 0.5
    assert found.figures["precision"] == pytest.approx(2 / 3)


def test_the_most_confident_tenth_is_the_most_confident() -> None:
    one = target()
    assert one.truth is not None
    best = (one.truth + 1) % 40
    best[7:11] = one.truth[7:11]
    sure = np.zeros(40)
    sure[7:11] = 1
    assert scoring.score(one, Guesses(best, sure), RNG(1)).figures["precision_tenth"] == 1


def test_leaked_pairs_are_not_scored() -> None:
    one = target(known=15)
    assert one.truth is not None
    assert one.material.known is not None
    best = np.full(40, -1)
    best[one.material.known.rows] = one.truth[one.material.known.rows]
    found = scoring.score(one, Guesses(best, np.ones(40)), RNG(1))
    assert (found.records, found.attempts, found.correct) == (25, 0, 0)


def test_a_person_who_is_not_in_the_reference_cannot_be_found() -> None:
    one = target(overlap=0.5)
    assert one.truth is not None
    assert 0 < (one.truth >= 0).sum() < len(one.truth)
    found = scoring.score(one, Guesses(np.maximum(one.truth, 0), np.ones(len(one.truth))), RNG(1))
    assert found.records == (one.truth >= 0).sum()
    assert found.figures["rate"] == 1
    assert found.figures["precision"] == found.records / len(one.truth)


def test_ranks_count_ties_by_half() -> None:
    one = target()
    flat = scoring.score(
        one, Guesses(np.zeros(40, dtype=int), np.ones(40), lambda rows: np.zeros((len(rows), 40))), RNG(1)
    )
    assert flat.figures["median_rank"] == 1 + 39 / 2


def test_an_experiment_that_leaks_the_truth_is_noticed() -> None:
    """Guesses that fit any truth at all, shuffled or not, are no re-identification."""
    one = target()
    assert one.truth is not None
    assert scoring.score(one, Guesses(one.truth, np.ones(40)), RNG(1)).lucky

    class Same:
        """A generator whose shuffle changes nothing: the shuffled truth is the truth."""

        def permutation(self, values: np.ndarray) -> np.ndarray:
            return values

    assert not scoring.score(one, Guesses(one.truth, np.ones(40)), Same()).lucky  # type: ignore[arg-type]


def test_versions_of_a_record_count_once_with_the_most_confident_guess() -> None:
    lab = laboratory(30, "keyed")
    rows = np.concatenate([np.arange(30), np.arange(30)])
    one = Laboratory(lab.population.take(rows), lab.schema, lab.scheme, lab.secret).target(Setting(), RNG(2))
    assert one.truth is not None
    person = one.material.reference.person
    wrong = (np.searchsorted(np.arange(30), person[one.truth]) + 1) % 30
    first = np.asarray([np.flatnonzero(person == p)[0] for p in wrong])
    _, record = np.unique(one.material.view.encodings.records, axis=0, return_inverse=True)  # type: ignore[union-attr]
    late = np.zeros(60, dtype=bool)
    late[[np.flatnonzero(record == r)[1] for r in range(30)]] = True
    best, sure = np.where(late, one.truth, first), np.where(late, 2.0, 1.0)
    found = scoring.score(one, Guesses(best, sure), RNG(1))
    assert (found.records, found.attempts, found.correct) == (30, 30, 30)


def test_records_without_company_are_counted_apart() -> None:
    lab = laboratory(300, "broad")
    one = lab.target(Setting(), RNG(2))
    company = scoring.company_of(one.material.view)
    assert company is not None
    assert one.truth is not None
    assert company.any()
    best = np.where(company, one.truth, -1)
    found = scoring.score(one, Guesses(best, np.ones(300)), RNG(1))
    assert found.correct == company.sum()
    assert found.figures["correct_without_company"] == 0


def test_guesses_of_other_rows_and_unknown_truth_are_refused() -> None:
    one = target()
    with pytest.raises(ValueError, match="one a row"):
        scoring.score(one, Guesses(np.zeros(3, dtype=int), np.zeros(3)), RNG(1))
    with pytest.raises(ValueError, match="nobody knows"):
        scoring.score(replace(one, truth=None), Guesses(np.zeros(40, dtype=int), np.zeros(40)), RNG(1))
