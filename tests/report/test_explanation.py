"""scoring-v1, section 9: the model in words that a person understands."""

from __future__ import annotations

import pytest

from pseudolink.formats.model import FieldShares, StateShare
from pseudolink.report.explanation import shares_of


def field(*states: tuple[str, int, float, float], whole: int | None) -> FieldShares:
    return FieldShares(
        "forename", whole, tuple(StateShare(a, level, u, m, None) for a, level, u, m in states)
    )


def test_random_pairs_differ_and_matches_are_equal_whatever_filters_compare() -> None:
    compared = field(
        ("0000000000000001", 2, 0.0, 0.02),
        ("0000000000000001", 3, 0.01, 0.01),
        ("0000000000000001", 4, 0.94, 0.01),
        ("0000000000000003", 4, 0.04, 0.01),
        ("0000000000000007", 1, 0.01, 0.95),
        whole=4,
    )
    found = {name: (chance, matches) for name, chance, matches, _ in shares_of(compared)}
    assert found["equal"] == (0.01, 0.95)
    assert found["different"] == (0.94, 0.01)
    assert found["equal in part"] == pytest.approx((0.05, 0.04))


def test_a_field_that_no_filter_compares_is_equal_or_different() -> None:
    number = field(("0000000000000002", 0, 0.99, 0.06), ("0000000000000003", 0, 0.01, 0.94), whole=1)
    assert [(name, chance) for name, chance, _, _ in shares_of(number)] == [
        ("equal", 0.01),
        ("different", 0.99),
    ]


def test_exchanged_names_have_no_full_agreement() -> None:
    assert shares_of(field(("0000000000000001", 0, 1.0, 1.0), whole=None)) == []
