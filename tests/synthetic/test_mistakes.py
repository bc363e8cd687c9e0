"""Mistakes: each changes what it says, and what it leaves is still of the same kind."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.synthetic import mistakes

SEEDS = st.integers(0, 2**32)
NAMES = st.text(
    alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzéŁł'- ", min_size=1, max_size=25
)
DATES = st.dates(date(1900, 1, 1), date(2024, 3, 31))


@given(NAMES, SEEDS)
def test_a_slip_of_the_keyboard_changes_the_length_by_one_at_most(name: str, seed: int) -> None:
    made = mistakes.typing(name, np.random.default_rng(seed))
    assert abs(len(made) - len(name)) <= 1
    assert made


@given(DATES, SEEDS)
@pytest.mark.parametrize("mistake", [mistakes.day_month, mistakes.wrong_year, mistakes.wrong_day])
def test_a_wrong_date_is_another_date_that_can_be(mistake: mistakes.Mistake, day: date, seed: int) -> None:
    made = mistake(day.isoformat(), np.random.default_rng(seed))
    assert date.fromisoformat(made) != day


def test_day_and_month_are_exchanged_where_both_can_be() -> None:
    assert mistakes.day_month("1981-03-07", np.random.default_rng(1)) == "1981-07-03"


@given(SEEDS)
def test_a_wrong_digit_is_one_digit(seed: int) -> None:
    made = mistakes.wrong_digit("AB123456C", np.random.default_rng(seed))
    assert sum(a != b for a, b in zip(made, "AB123456C", strict=True)) == 1
    assert made[:2] + made[-1] == "ABC"


@given(SEEDS)
def test_a_wrong_postcode_differs_in_one_place_of_its_inward_part(seed: int) -> None:
    made = mistakes.wrong_postcode("DH1 3LE", np.random.default_rng(seed))
    assert made[:4] == "DH1 "
    assert sum(a != b for a, b in zip(made, "DH1 3LE", strict=True)) == 1


def test_keys_are_neighbours_of_each_other() -> None:
    for key, others in mistakes.NEIGHBOURS.items():
        assert key not in others
        assert all(key in mistakes.NEIGHBOURS[other] for other in others)


def test_elizabeth_is_called_by_a_short_form_and_others_keep_their_name() -> None:
    rng = np.random.default_rng(1)
    assert {mistakes.nickname("Elizabeth", rng) for _ in range(100)} == {"Liz", "Beth", "Lizzie"}
    assert mistakes.nickname("Olive", rng) == "Olive"


def test_a_hyphenated_name_loses_its_hyphen_or_a_part() -> None:
    rng = np.random.default_rng(1)
    assert {mistakes.hyphen("Lily-Mae", rng) for _ in range(100)} == {"Lily Mae", "Lily", "Mae"}


def test_an_old_system_keeps_every_letter_without_its_accent() -> None:
    assert mistakes.plain("Małgorzata Kẹ́hìndé Siân Łukasz") == "Malgorzata Kehinde Sian Lukasz"


def test_missing_values_stay_missing() -> None:
    values = np.array([None, "Anna"], dtype=object)
    mistakes.apply(values, np.array([True, True]), lambda text, rng: text.upper(), np.random.default_rng(1))
    assert values.tolist() == [None, "ANNA"]
