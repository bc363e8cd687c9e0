"""Rules of an agreement: what is no rule is refused, everything at once."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from pseudolink.errors import DisclosureRulesError
from pseudolink.release.microdata.rules import parse_rules, require_fit


def test_the_profile_gives_k():
    assert parse_rules({"profile": "strict"}).k == 10
    assert parse_rules({"k": 15}).k == 15


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"profile": "loose"}, "disclosure.profile"),
        ({"k": 9}, "disclosure.k"),
        ({"k": True}, "disclosure.k"),
        ({"quasi": "sex"}, "disclosure.quasi"),
        ({"quasi": ["sex", "sex"]}, "disclosure.quasi"),
        ({"sensitive": {"x": 1}}, "disclosure.sensitive.x"),
        ({"top": {"x": "5"}}, "disclosure.top.x"),
        ({"steps": {"x": []}}, "disclosure.steps.x"),
        ({"steps": {"x": ["week"]}}, "disclosure.steps.x"),
        ({"steps": {"x": ["year", "month"]}}, "disclosure.steps.x"),
        ({"steps": {"x": ["band-4", "band-6"]}}, "disclosure.steps.x"),
        ({"steps": {"x": ["band-4", "month"]}}, "disclosure.steps.x"),
        ({"steps": {"x": ["drop", "month"]}}, "disclosure.steps.x"),
        ({"steps": {"x": ["band-1"]}}, "disclosure.steps.x"),
        ({"l": 3}, "disclosure.l"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(data, place):
    with pytest.raises(DisclosureRulesError) as refused:
        parse_rules(data)
    assert [p.place for p in refused.value.problems] == [place]


def test_every_problem_is_told_at_once():
    with pytest.raises(DisclosureRulesError) as refused:
        parse_rules({"k": 1, "quasi": 3, "colour": "red"})
    assert len(refused.value.problems) == 3


TABLE = pa.table({"born": [date(2010, 2, 3)] * 2, "size": [3, 4], "where": ["DL1 5QW", None]})


@pytest.mark.parametrize(
    ("data", "count"),
    [
        ({"quasi": ["nobody", "nothing"]}, 2),
        ({"steps": {"size": ["month"]}}, 1),
        ({"steps": {"born": ["band-2"]}}, 1),
        ({"steps": {"born": ["drop"]}}, 1),
        ({"top": {"born": 3}}, 1),
    ],
)
def test_rules_that_do_not_fit_a_release_are_refused(data, count):
    with pytest.raises(DisclosureRulesError) as refused:
        require_fit(parse_rules(data), TABLE.drop_columns(["where"]))
    assert len(refused.value.problems) == count


def test_postcodes_never_go_into_a_release():
    with pytest.raises(DisclosureRulesError) as refused:
        require_fit(parse_rules({}), TABLE)
    assert [p.place for p in refused.value.problems] == ["column 'where'"]
    assert "DL1" not in refused.value.message
