"""
P4: impossible to identify a person or a family in published reports.

The rules themselves are tried in tests/release/ (attacks on suppressed tables among them); here is
that a table of a release goes through them, and that the strict profile is at least ten people.
"""

from __future__ import annotations

import pytest

from pseudolink.errors import DisclosureRulesError
from pseudolink.release.microdata.rules import PROFILES, parse_rules


def test_the_strict_profile_hides_fewer_than_ten() -> None:
    assert PROFILES["strict"] >= 10
    assert parse_rules({"profile": "strict"}).k >= 10


@pytest.mark.parametrize("least", [0, 1, 9, 2.5, "10"])
def test_no_agreement_loosens_it(least: object) -> None:
    with pytest.raises(DisclosureRulesError):
        parse_rules({"profile": "strict", "k": least})
