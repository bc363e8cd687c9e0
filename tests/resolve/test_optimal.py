"""resolution-v1 section 2: the assignment that is expected to hold most right links, ties left open."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudolink.formats.candidates import Candidates, Scored
from pseudolink.resolve.one_to_one import greedy
from pseudolink.resolve.optimal import optimal

Pair = tuple[int, int, float]
Ends = set[tuple[int, int]]


def scored(pairs: list[Pair]) -> Scored:
    left, right = (np.asarray([p[n] for p in pairs], dtype=np.int64) for n in (0, 1))
    probability = np.asarray([p[2] for p in pairs], dtype=np.float64)
    none = np.zeros(len(pairs), dtype=np.int64)
    return Scored(Candidates(left, right, none.astype(np.uint64), none), 10 * probability, probability)


def resolved(pairs: list[Pair], threshold: float = 0.0, barred: Any = None) -> tuple[Ends, Ends]:
    links = optimal(scored(pairs), threshold, barred=barred)
    ends = [(p[0], p[1]) for p in pairs]
    return {ends[n] for n in links.accepted.tolist()}, {ends[n] for n in links.ambiguous.tolist()}


def by_enumeration(pairs: list[Pair]) -> tuple[Ends, Ends]:
    """Every assignment told, the best kept: pairs in all of them, and pairs in some."""
    best, kept = -1, []
    for size in range(len(pairs) + 1):
        for some in combinations(pairs, size):
            if len({p[0] for p in some}) < size or len({p[1] for p in some}) < size:
                continue
            value = sum(round(p[2] * 10**9) for p in some)
            if value > best:
                best, kept = value, []
            if value == best:
                kept.append({(p[0], p[1]) for p in some})
    always = set.intersection(*kept)
    return always, set.union(*kept) - always


@st.composite
def weighed(draw: st.DrawFn) -> list[Pair]:
    ends = st.tuples(st.integers(0, 4), st.integers(0, 4))
    keys = draw(st.lists(ends, unique=True, min_size=1, max_size=10))
    return [(i, j, draw(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.6, 0.9]))) for i, j in keys]


@settings(max_examples=150, deadline=None)
@given(weighed())
def test_links_are_in_every_best_assignment_and_ambiguous_pairs_in_some(pairs: list[Pair]) -> None:
    assert by_enumeration(pairs) == resolved(pairs)


@settings(max_examples=100, deadline=None)
@given(weighed(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_never_decides(pairs: list[Pair], random: Any) -> None:
    rows = list(range(5))
    random.shuffle(rows)
    again = [(rows[i], 4 - j, p) for i, j, p in pairs]
    random.shuffle(again)
    back = [{(rows.index(i), 4 - j) for i, j in chosen} for chosen in resolved(again)]
    assert resolved(pairs) == tuple(back)


@settings(max_examples=100, deadline=None)
@given(weighed())
def test_no_greedy_linkage_is_expected_to_be_right_more_often(pairs: list[Pair]) -> None:
    whole = scored(pairs)
    chance = dict(zip([(p[0], p[1]) for p in pairs], whole.probability, strict=True))
    accepted, ambiguous = by_enumeration(pairs)
    best = sum(chance[p] for p in accepted)
    if not ambiguous:
        assert whole.probability[greedy(whole, 0.0).accepted].sum() <= best + 1e-9


def test_two_good_pairs_are_taken_where_greedy_takes_one_better() -> None:
    pairs = [(0, 0, 0.5), (0, 1, 0.45), (1, 0, 0.45)]
    assert resolved(pairs) == ({(0, 1), (1, 0)}, set())
    assert greedy(scored(pairs), 0.0).accepted.tolist() == [0]


def test_a_certain_pair_is_not_outweighed_by_two_doubtful_ones() -> None:
    assert resolved([(0, 0, 0.98), (0, 1, 0.01), (1, 0, 0.01)]) == ({(0, 0)}, set())


def test_twins_are_a_tie_and_nobody_is_linked() -> None:
    pairs = [(i, j, 0.5) for i in (0, 1) for j in (0, 1)]
    assert resolved(pairs) == (set(), {(0, 0), (0, 1), (1, 0), (1, 1)})


def test_a_barred_pair_leaves_its_records_to_others() -> None:
    barred = np.asarray([True, False])
    assert resolved([(0, 0, 0.9), (0, 1, 0.2)], barred=barred) == ({(0, 1)}, set())


@pytest.mark.parametrize("pairs", [[], [(0, 0, 0.0)]])
def test_nothing_to_link_is_no_link(pairs: list[Pair]) -> None:
    assert resolved(pairs) == (set(), set())


def test_a_block_of_many_twins_is_solved_and_left_open() -> None:
    size = 40
    pairs = [(i, j, 1 / size) for i in range(size) for j in range(size)] + [(99, 99, 0.7)]
    accepted, ambiguous = resolved(pairs)
    assert accepted == {(99, 99)}
    assert len(ambiguous) == size * size
