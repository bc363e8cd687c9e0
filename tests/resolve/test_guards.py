"""resolution-v1 section 4: what must not be linked, however much it has in common."""

from __future__ import annotations

import numpy as np
import pytest
from reference_linkage import schema_of

from pseudolink.formats.candidates import Candidates
from pseudolink.resolve.guards import twins

PASSES = [
    (["dob", "surname", "postcode"], ["forename"]),
    (["forename.initial", "dob", "postcode"], []),
    (["forename.soundex", "dob"], []),
    (["names.sorted_soundex", "dob.sorted"], []),
    (["nino.stem"], []),
    (["upn"], []),
    (["dob", "postcode"], []),
    (["surname.soundex", "dob"], []),
]
SCHEMA = schema_of(PASSES)
SHIFT = 4 * SCHEMA.compared.index("forename")


EVERYTHING = (1 << len(PASSES)) - 1
#: Passes without any part of a forename: all that a record without one has tokens in.
WITHOUT = 1 << 0 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7


def guarded(*shared: int, forename: int = 0, held: int = EVERYTHING) -> bool:
    bits = np.asarray([sum(1 << number for number in shared)], dtype=np.uint64)
    zero = np.zeros(1, dtype=np.int64)
    pairs = Candidates(zero, zero, bits, np.asarray([forename << SHIFT]))
    return bool(twins(pairs, SCHEMA, np.asarray([held], dtype=np.uint64))[0])


def test_twins_with_all_in_common_but_the_forename_are_no_link() -> None:
    assert guarded(0)
    assert guarded(0, forename=4)


def test_the_same_initial_speaks_for_one_person_unless_a_filter_finds_the_forenames_unlike() -> None:
    """A forename with a mistake in its first letters keeps its initial: narrow passes show no more."""
    assert not guarded(0, 1)
    assert guarded(0, 1, forename=4)


def test_a_forename_that_is_missing_is_not_another_one() -> None:
    assert not guarded(0, held=WITHOUT)
    assert guarded(0, held=WITHOUT, forename=4)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_alike_forenames_lift_the_guard(level: int) -> None:
    assert not guarded(0, forename=level)


@pytest.mark.parametrize("also", [2, 3])
def test_a_shared_pass_on_the_forename_lifts_the_guard(also: int) -> None:
    assert not guarded(0, also)


@pytest.mark.parametrize("number", [4, 5])
def test_a_shared_number_lifts_the_guard(number: int) -> None:
    """A nickname, not a twin: the number is the person's."""
    assert not guarded(0, number)


def test_two_fields_in_common_are_not_guarded() -> None:
    """A married daughter and her mother are told apart by other evidence."""
    assert not guarded(6)
    assert not guarded(6, 7)


def test_passes_without_postcodes_have_no_guard() -> None:
    schema = schema_of([(["dob", "surname"], [])])
    zero, ones = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.uint64)
    assert not twins(Candidates(zero, zero, ones, zero), schema, ones).any()
