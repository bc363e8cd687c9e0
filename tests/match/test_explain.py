"""matching-v1 section 3: what a reviewer reads of a pair, field by field."""

from __future__ import annotations

import numpy as np
from reference_linkage import schema_of

from pseudolink.formats.candidates import Candidates, Presence
from pseudolink.match.explain import LEVELS, field_levels

SCHEMA = schema_of(
    [
        ["dob", "sex"],  # 0
        ["names.sorted", "dob.year"],  # 1
        ["nino.stem"],  # 2
        (["surname.soundex", "sex"], ["postcode"]),  # 3
        ["postcode"],  # 4
    ]
)
EVERY = 0b11111


def words(shared: int, *, left: int = EVERY, right: int = EVERY, level: int = 0) -> dict[str, str]:
    one = np.zeros(1, dtype=np.int64)
    pairs = Candidates(one, one, np.asarray([shared], dtype=np.uint64), np.asarray([level], dtype=np.int64))
    sides = [Presence(np.asarray([held], dtype=np.uint64), one) for held in (left, right)]
    found = field_levels(pairs, SCHEMA, *sides)
    return {field: LEVELS[int(values[0])] for field, values in found.items()}


def test_every_field_of_the_evidence_has_a_level() -> None:
    assert tuple(words(1)) == SCHEMA.evidence == ("forename", "surname", "dob", "postcode", "sex", "nino")


def test_a_shared_token_that_holds_the_whole_field_is_equality() -> None:
    found = words(0b00001)
    assert (found["dob"], found["sex"]) == ("equal", "equal")


def test_a_shared_token_that_holds_a_part_is_equality_in_part() -> None:
    found = words(0b00010)
    assert found["dob"] == "equal in part"
    assert (found["forename"], found["surname"]) == ("equal in part", "equal in part")


def test_the_stem_of_a_nino_is_all_of_it() -> None:
    assert words(0b00100)["nino"] == "equal"


def test_tokens_of_a_field_alone_that_differ_are_a_difference() -> None:
    assert words(0b00001)["nino"] == "different"


def test_a_missing_value_is_never_a_difference() -> None:
    """A reviewer must not read "different" where one side has nothing."""
    assert words(0b00001, left=0b00001)["nino"] == "not shown"
    assert words(0b00001, right=0b11011)["nino"] == "not shown"


def test_a_pass_of_several_components_that_differs_shows_no_field() -> None:
    """Something in it differs; nobody knows what."""
    assert words(0b00100)["dob"] == "not shown"


def test_similarity_is_said_in_words() -> None:
    said = [words(0b01000, level=level, right=0b01111)["postcode"] for level in (1, 2, 3, 4, 0)]
    assert said == ["equal", "similar 0.85", "similar 0.70", "dissimilar", "not shown"]


def test_a_token_of_the_whole_field_outweighs_its_similarity() -> None:
    assert words(0b11000, level=2)["postcode"] == "equal"


def test_the_whole_outweighs_a_part() -> None:
    assert words(0b00011)["dob"] == "equal"
