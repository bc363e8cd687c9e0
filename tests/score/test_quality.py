"""scoring-v1 section 7: what to expect of the links at every threshold, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import ScoringError
from pseudolink.formats.candidates import Candidates, Links, Scored
from pseudolink.score.quality import Curve, choose, curve, nobody

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem}
    for p in sorted((Path(__file__).parents[2] / "specs" / "vectors" / "scoring").glob("curve_*.json"))
]


def curve_of(probabilities: list[float], matches: float) -> Curve:
    n = np.arange(len(probabilities))
    probability = np.asarray(probabilities, dtype=np.float64)
    pairs = Candidates(n, n, n.astype(np.uint64), n)
    return curve(Scored(pairs, np.zeros(len(n)), probability), Links(n, n[:0]), matches)


def points(found: Curve) -> list[list[float]]:
    columns = (found.threshold, found.links, found.precision, found.recall, found.f1)
    return [list(row) for row in zip(*(c.tolist() for c in columns), strict=True)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_any_operator_expects_the_same(vector: dict[str, Any]) -> None:
    found = curve_of(vector["probabilities"], vector["matches"])
    if vector["expect"] == "failure":
        with pytest.raises(ScoringError, match="no threshold is expected to reach") as caught:
            choose(found, vector["min_precision"])
        assert caught.value.advice is not None
        return
    np.testing.assert_allclose(points(found), vector["points"], atol=1e-9)
    assert choose(found, vector["min_precision"]) == pytest.approx(vector["threshold"])


def test_there_are_vectors_of_both_kinds() -> None:
    assert {v["expect"] for v in VECTORS} == {"success", "failure"}


shares = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=30)


@given(shares, st.floats(0.1, 60))
def test_every_point_is_the_mean_of_the_links_that_reach_it(
    probabilities: list[float], matches: float
) -> None:
    found = curve_of(probabilities, matches)
    expected_matches = max(matches, sum(probabilities))
    assert (np.diff(found.threshold) < 0).all()
    assert found.threshold.tolist() == sorted(set(probabilities), reverse=True)
    for threshold, links, precision, recall, f1 in points(found):
        reached = [p for p in probabilities if p >= threshold]
        assert links == len(reached)
        assert precision == pytest.approx(sum(reached) / len(reached))
        assert recall == pytest.approx(sum(reached) / expected_matches)
        assert f1 == pytest.approx(2 * sum(reached) / (len(reached) + expected_matches))


@given(shares, st.floats(0.1, 60))
def test_precision_falls_and_recall_rises_as_the_threshold_falls(
    probabilities: list[float], matches: float
) -> None:
    found = curve_of(probabilities, matches)
    assert (np.diff(found.precision) <= 1e-12).all()
    assert (np.diff(found.recall) >= -1e-12).all()
    assert found.recall.max() <= 1.0


@given(shares, st.floats(0.1, 60))
def test_the_default_threshold_has_the_best_expected_f1(probabilities: list[float], matches: float) -> None:
    found = curve_of(probabilities, matches)
    likely = found.f1[found.precision >= 0.5]
    if sum(probabilities) >= 0.5 and len(likely):
        assert found.at(choose(found))[2] == pytest.approx(likely.max())
    else:
        assert choose(found) == 0.5


@given(shares, st.floats(0.1, 60), st.floats(0.0, 1.0))
def test_a_precision_that_is_asked_for_is_expected_at_the_lowest_threshold(
    probabilities: list[float], matches: float, wanted: float
) -> None:
    found = curve_of(probabilities, matches)
    reach = [t for t, _, p, _, _ in points(found) if p >= wanted]
    if sum(probabilities) < 0.5:
        assert choose(found, wanted) == 0.5
    elif reach:
        assert choose(found, wanted) == min(reach)
    else:
        with pytest.raises(ScoringError):
            choose(found, wanted)


def test_missed_matches_count_against_recall() -> None:
    """Two sure links of four expected matches: the other two were never seen."""
    assert curve_of([1.0, 1.0], 4.0).at(0.5) == (1.0, 0.5, pytest.approx(2 / 3))


def test_above_every_probability_there_are_no_links() -> None:
    assert curve_of([0.4], 1.0).at(0.5) == (1.0, 0.0, 0.0)


def test_no_links_have_no_curve_and_a_threshold_of_a_half() -> None:
    found = curve_of([], 10.0)
    assert len(found.threshold) == 0
    assert choose(found) == choose(found, 0.99) == 0.5
    assert found.at(0.5) == (1.0, 0.0, 0.0)


def test_links_that_were_left_out_as_ambiguous_do_not_count() -> None:
    n = np.arange(3)
    scored = Scored(Candidates(n, n, n.astype(np.uint64), n), np.zeros(3), np.asarray([0.9, 0.8, 0.7]))
    found = curve(scored, Links(np.asarray([0, 2]), np.asarray([1])), 3.0)
    assert found.threshold.tolist() == [0.9, 0.7]


def test_a_precision_out_of_reach_is_told_with_the_highest() -> None:
    with pytest.raises(ScoringError) as caught:
        choose(curve_of([0.5, 0.25], 1.0), 0.9)
    assert caught.value.code == "PL-SCORE-01"
    assert "0.5000" in str(caught.value.advice)


def test_where_not_half_a_link_is_expected_to_be_right_there_is_none() -> None:
    """Two parties that share no one: by chance some pair is the best of all, and is no link."""
    found = curve_of([0.2, 0.1, 0.1], 0.4)
    assert nobody(found)
    assert choose(found) == choose(found, 0.99) == 0.5


def test_links_that_are_rather_wrong_than_right_are_not_chosen_by_default() -> None:
    """Expected F1 alone would take all of them: there is nothing better to have."""
    found = curve_of([0.3] * 20, 6.0)
    assert not nobody(found)
    assert found.at(choose(found)) == (1.0, 0.0, 0.0)
