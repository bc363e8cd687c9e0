"""Numbers of the synthetic population obey the public rules, checked by other code than made them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudolink.errors import UsageError
from pseudolink.synthetic import numbers

NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z]\d{6}[A-D]")
NOT_PEOPLE = {"OO", "FY", "PP", "PY", "PZ", "MA", "CR", "MW", "NC"}
POSTCODE = re.compile(r"(DH|DL|TS)\d{1,2} \d[ABD-HJLNP-UW-Z]{2}")
TABLE = dict(zip("ABCDEFGHJKLMNPQRTUVWXYZ", range(23), strict=True))


def check_letter_fits(upn: str) -> bool:
    """The public rule, place by place."""
    values = [int(c) if c in "0123456789" else TABLE[c] for c in upn[1:]]
    return TABLE[upn[0]] == sum(v * p for p, v in enumerate(values, start=2)) % 23


@pytest.mark.parametrize("upn", ["B801200005001", "R840200099001", "N808200099001", "Q84020009901A"])
def test_the_check_letter_of_published_upns_comes_out(upn: str) -> None:
    assert numbers.with_check_letter(upn[1:]) == upn
    assert check_letter_fits(upn)


def test_every_nino_is_one_that_a_person_can_have() -> None:
    made = numbers.ninos(20_000, np.random.default_rng(1))
    assert all(NINO.fullmatch(n) for n in made)
    assert not {n[:2] for n in made} & NOT_PEOPLE
    assert len({n[:8] for n in made}) == len(made)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 400), st.integers(0, 2**32))
def test_upns_are_distinct_and_fit_their_check_letters(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    authority = rng.choice([840, 808], size=count)
    year = rng.integers(2005, 2024, count)
    made = numbers.upns(authority, year, rng.integers(0, max(1, count), count), rng)
    assert len(set(made)) == count
    for upn, la, entry in zip(made, authority, year, strict=True):
        assert re.fullmatch(r"[A-HJ-NP-RT-Z](840|808)2\d{8}", upn)
        assert check_letter_fits(upn)
        assert (int(upn[1:4]), int(upn[8:10])) == (la, entry % 100)


def test_twins_have_upns_in_a_row() -> None:
    rng = np.random.default_rng(5)
    near = np.repeat(np.arange(200), 2)
    made = numbers.upns(np.full(400, 840), np.full(400, 2015), near, rng)
    for first, second in zip(made[::2], made[1::2], strict=True):
        assert first[1:10] == second[1:10]
        assert abs(int(first[10:]) - int(second[10:])) == 1


def test_more_children_than_serials_are_refused() -> None:
    everyone = np.zeros(1000, dtype=np.int64)
    with pytest.raises(UsageError):
        numbers.upns(everyone + 840, everyone + 2015, everyone, np.random.default_rng(1))


def test_a_temporary_upn_ends_in_a_letter_and_fits() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        made = numbers.temporary_upn("R840200099001", rng)
        assert re.fullmatch(r"[A-HJ-NP-RT-Z]8402\d{3}99\d{2}[A-H]", made)
        assert check_letter_fits(made)


@pytest.mark.parametrize("households", [1, 2_000, 300_000])
def test_postcodes_are_distinct_and_in_their_council(households: int) -> None:
    places = numbers.Postcodes(households, np.random.default_rng(3))
    assert len(set(places.units)) == len(places.units)
    for unit, council in zip(places.units, places.councils, strict=True):
        assert POSTCODE.fullmatch(unit)
        assert (council == "E06000004") == unit.startswith("TS")
