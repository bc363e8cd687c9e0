"""k-anonymity and l-diversity, against every combination of changes on small tables."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudolink.errors import DisclosureError
from pseudolink.release.microdata.anonymity import Need, choose, failing, suppress

codes_of = st.lists(st.tuples(*(st.integers(0, 3) for _ in range(3))), min_size=4, max_size=30).map(
    lambda rows: np.asarray(rows, dtype=np.int64)
)


@given(codes_of, st.integers(2, 4))
def test_after_suppression_every_class_has_k_people(codes, k):
    after = suppress(codes, Need(k))
    assert not failing(after, Need(k)).any()
    assert ((after == codes) | (after == 0)).all()


@given(codes_of, st.integers(2, 3), st.data())
def test_after_suppression_every_class_is_diverse(codes, least, data):
    values = np.asarray(data.draw(st.lists(st.integers(0, 4), min_size=len(codes), max_size=len(codes))))
    need = Need(2, ((values, least),))
    if failing(np.zeros((len(codes), 1), dtype=np.int64), need).any():
        return  # no suppression can help: choose() refuses it
    after = suppress(codes, need)
    assert not failing(after, need).any()


@given(codes_of)
def test_classes_that_hold_are_left_alone(codes):
    need = Need(2)
    good = codes[~failing(codes, need)]
    if len(good):
        assert (suppress(good, need) == good).all()


def fewest(codes: np.ndarray, k: int) -> int:
    """By trying every set of suppressed values."""
    held = np.argwhere(codes > 0)
    best = len(held)
    for chosen in product((0, 1), repeat=len(held)):
        if sum(chosen) < best:
            tried = codes.copy()
            for (row, column), hide in zip(held, chosen, strict=True):
                if hide:
                    tried[row, column] = 0
            if not failing(tried, Need(k)).any():
                best = sum(chosen)
    return best


def test_suppression_is_near_the_fewest_on_small_tables():
    """Greedy is not the best; on tables small enough to try everything it is near."""
    rng = np.random.default_rng(11)
    ours = best = 0
    for _ in range(40):
        codes = rng.integers(1, 3, size=(6, 2))
        after = suppress(codes, Need(2))
        ours += int(((codes > 0) & (after == 0)).sum())
        best += fewest(codes, 2)
    assert best > 0
    assert ours <= 1.5 * best


def test_coarsening_is_taken_where_it_is_cheaper():
    """Forty birthdays, each of one person: a month for all beats forty missing values."""
    days = np.arange(1, 41)
    months = np.ones(40, dtype=np.int64)
    choice = choose([[days, months], [np.ones(40, dtype=np.int64)]], Need(10))
    assert choice.steps == (1, 0)
    assert not choice.suppressed.any()


def test_one_odd_value_is_suppressed_rather_than_a_column_coarsened():
    values = np.asarray([1] * 39 + [2])
    coarse = np.ones(40, dtype=np.int64)
    choice = choose([[values, coarse], [np.asarray([1] * 20 + [2] * 20)]], Need(10))
    assert choice.steps == (0, 0)
    assert choice.suppressed.sum() <= 20


def test_a_column_that_is_dropped_costs_all_its_values():
    """Rather suppress nine values than drop a column of forty."""
    values = np.asarray([1] * 31 + [2] * 9)
    choice = choose([[values, np.zeros(40, dtype=np.int64)]], Need(9))
    assert choice.steps == (0,)


@pytest.mark.parametrize("n", [0, 3])
def test_fewer_than_k_people_are_refused(n):
    with pytest.raises(DisclosureError):
        choose([[np.ones(n, dtype=np.int64)]], Need(4)) if n else choose(
            [[np.ones(1, dtype=np.int64)]], Need(4)
        )


def test_a_sensitive_column_that_is_one_value_is_refused():
    with pytest.raises(DisclosureError):
        choose([[np.ones(20, dtype=np.int64)]], Need(10, ((np.ones(20, dtype=np.int64), 2),)))


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_the_order_of_people_does_not_change_how_much_is_suppressed(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, size=(60, 3))
    order = rng.permutation(60)
    first, second = suppress(codes, Need(5)), suppress(codes[order], Need(5))
    assert ((codes > 0) & (first == 0)).sum() == ((codes[order] > 0) & (second == 0)).sum()
