"""scoring-v1 section 6.3: a record has one match at most, against enumerating all matchings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_linkage import matchings

from pseudolink.score.exclusive import _MOST_TOLD, Alone, Rivals, exclusive

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem}
    for p in sorted((Path(__file__).parents[2] / "specs" / "vectors" / "scoring").glob("exclusive_*.json"))
]
odds_of = st.floats(-6, 8).map(lambda x: float(10**x))
share = st.floats(0.001, 1.0)


def solved(odds: Any, left: Any, right: Any, alone: Alone, **more: Any) -> Any:
    return exclusive(
        np.asarray(odds, dtype=np.float64),
        np.asarray(left, dtype=np.int64),
        np.asarray(right, dtype=np.int64),
        alone,
        **more,
    )


def everybody(value: float, lefts: int = 8, rights: int = 8) -> Alone:
    return Alone(np.full(lefts, value), np.full(rights, value))


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[float], list[int], list[int], Alone]:
    """Candidate pairs without a cycle: each new pair has one record that is there and one that is new."""
    count = draw(st.integers(1, 9))
    left, right = [0], [0]
    for _ in range(count - 1):
        if draw(st.booleans()):
            left.append(draw(st.sampled_from(left)))
            right.append(max(right) + 1)
        else:
            right.append(draw(st.sampled_from(right)))
            left.append(max(left) + 1)
    odds = draw(st.lists(odds_of, min_size=count, max_size=count))
    alone = [
        np.asarray(draw(st.lists(share, min_size=max(side) + 1, max_size=max(side) + 1)))
        for side in (left, right)
    ]
    return odds, left, right, Alone(*alone)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[float], list[int], list[int], Alone]:
    ends = st.tuples(st.integers(0, 3), st.integers(0, 3))
    pairs = draw(st.lists(ends, min_size=1, max_size=10, unique=True))
    odds = draw(st.lists(odds_of, min_size=len(pairs), max_size=len(pairs)))
    alone = [np.asarray(draw(st.lists(share, min_size=4, max_size=4))) for _ in range(2)]
    return odds, [i for i, _ in pairs], [j for _, j in pairs], Alone(*alone)


@given(trees())
@settings(max_examples=200, deadline=None)
def test_without_a_cycle_the_probabilities_are_exact(tree: Any) -> None:
    odds, left, right, alone = tree
    exact, _ = matchings(odds, left, right, alone)
    np.testing.assert_allclose(solved(*tree), exact, atol=1e-6)


@given(graphs())
@settings(max_examples=200, deadline=None)
def test_over_the_pairs_of_a_record_they_sum_to_one_at_most(graph: Any) -> None:
    _, left, right, _ = graph
    found = solved(*graph)
    assert ((found >= 0) & (found <= 1)).all()
    for side in (left, right):
        assert np.bincount(side, found).max() <= 1 + 1e-6


@given(graphs())
@settings(max_examples=200, deadline=None)
def test_around_a_small_circle_they_are_exact_too(graph: Any) -> None:
    """Twins and brothers compete in a circle, where messages alone are far too sure."""
    exact, _ = matchings(*graph)
    np.testing.assert_allclose(solved(*graph), exact, atol=1e-6)


def large_block(seed: int) -> tuple[Any, Any, Any, Alone]:
    """More pairs than are told one by one, among five records of each side."""
    generator = np.random.default_rng(seed)
    count = int(generator.integers(_MOST_TOLD + 1, 22))
    left, right = np.divmod(generator.choice(25, count, replace=False), 5)
    alone = Alone(generator.uniform(0.1, 1.0, 5), generator.uniform(0.1, 1.0, 5))
    return 10.0 ** generator.uniform(-2, 2, count), left, right, alone


def test_around_large_circles_they_are_near_on_average() -> None:
    """Messages are not exact here: single pairs are off by up to 0.3, the mean by 0.01."""
    apart = []
    for seed in range(100):
        odds, left, right, alone = large_block(seed)
        exact, _ = matchings(odds.tolist(), left.tolist(), right.tolist(), alone)
        apart.append(np.abs(solved(odds, left, right, alone) - exact).mean())
    assert np.mean(apart) < 0.015


@given(st.integers(0, 10**6), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_settled_or_not_a_record_has_one_match_at_most(seed: int, sweeps: int) -> None:
    odds, left, right, alone = large_block(seed)
    found = solved(odds, left, right, alone, sweeps=sweeps)
    assert np.isfinite(found).all()
    for side in (left, right):
        assert np.bincount(side, found).max() <= 1 + 1e-9


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_neither_order_nor_side_matters(graph: Any, random: Any) -> None:
    odds, left, right, alone = graph
    found = solved(*graph)
    np.testing.assert_allclose(solved(odds, right, left, Alone(alone.right, alone.left)), found, atol=1e-7)
    order = list(range(len(odds)))
    random.shuffle(order)
    again = solved([odds[n] for n in order], [left[n] for n in order], [right[n] for n in order], alone)
    np.testing.assert_allclose(again, found[order], atol=1e-7)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_any_operator_finds_the_same_probabilities(vector: dict[str, Any]) -> None:
    alone = Alone(*(np.asarray(vector[side], dtype=np.float64) for side in ("alone_left", "alone_right")))
    found = solved(vector["odds"], vector["left"], vector["right"], alone)
    np.testing.assert_allclose(found, vector["probability"], atol=1e-6)


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 4


def test_a_pair_without_rivals_is_judged_by_its_odds_alone() -> None:
    found = solved([3.0], [0], [0], Alone(np.asarray([0.5]), np.asarray([0.2])))
    assert found == pytest.approx([3.0 / 3.1])


def test_a_rival_that_is_much_better_leaves_little() -> None:
    found = solved([1e6, 1e3], [0, 0], [0, 1], everybody(0.5))
    assert found[0] > 0.998
    assert found[1] < 0.002


@pytest.mark.parametrize("odds", [1e2, 1e6, 1e12, 1e40])
def test_two_pairs_of_twins_share_what_there_is(odds: float) -> None:
    found = solved([odds] * 4, [0, 0, 1, 1], [0, 1, 0, 1], everybody(0.3))
    np.testing.assert_allclose(found, 0.5, atol=0.05)


@pytest.mark.parametrize("sweeps", [19, 20])
@pytest.mark.parametrize("odds", [1e2, 1e6, 1e12])
def test_equal_rivals_in_a_large_block_share_what_there_is(odds: float, sweeps: int) -> None:
    """Undamped messages swing here: each pair would be near certain, and one sweep later none."""
    left, right = np.divmod(np.arange(25), 5)
    found = solved(np.full(25, odds), left, right, everybody(0.3), sweeps=sweeps)
    np.testing.assert_allclose(found, 0.2, atol=0.02)


def test_one_layout_serves_any_odds() -> None:
    left, right = np.asarray([0, 0, 1, 1, 2, 3, 3]), np.asarray([0, 1, 0, 1, 2, 3, 4])
    rivals = Rivals(left, right)
    for seed in range(3):
        odds = 10.0 ** np.random.default_rng(seed).uniform(-3, 3, 7)
        np.testing.assert_array_equal(
            rivals.probability(odds, everybody(0.4)), solved(odds, left, right, everybody(0.4))
        )


def test_better_evidence_for_one_of_two_twins_decides_for_both() -> None:
    found = solved([1e9, 1e3, 1e3, 1e3], [0, 0, 1, 1], [0, 1, 0, 1], everybody(0.5))
    assert found[0] > 0.99
    assert found[3] > 0.99
    assert max(found[1], found[2]) < 0.01


def test_whoever_has_no_findable_match_makes_a_weak_pair_weaker() -> None:
    unlikely = solved([0.5], [0], [0], everybody(1.0))[0]
    likely = solved([0.5], [0], [0], everybody(0.1))[0]
    assert unlikely == pytest.approx(1 / 3)
    assert likely == pytest.approx(0.5 / 0.51)


def test_huge_odds_leave_numbers() -> None:
    found = solved([1e300, 1e300, 0.0, 1e-300], [0, 0, 1, 2], [0, 1, 1, 2], everybody(1e-3))
    assert np.isfinite(found).all()
    assert found[2] < 1e-200


def test_a_large_block_is_judged_like_a_small_one() -> None:
    n = 300
    left, right = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    found = solved(np.full(n * n, 1e6), left, right, everybody(0.5, n, n))
    np.testing.assert_allclose(found, 1 / n, rtol=0.05)


def test_no_pairs_have_no_probabilities() -> None:
    assert len(solved([], [], [], everybody(0.5))) == 0
