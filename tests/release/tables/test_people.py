"""What is no table of people is refused, everything at once and without a value."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pseudolink.errors import AreaTableError, TableInputError, UsageError
from pseudolink.release.tables.definition import Definition, require_sound
from pseudolink.release.tables.people import read_people, refuse_areas

TABLE = pa.table(
    {
        "id": ["a", "b", "c", "d"],
        "family": ["f", None, "f", ""],
        "n": [10, 9, None, 9],
        "amount": [1.5, None, 0.0, 2.0],
        "wrong": [1.0, -1.0, 2.0, float("inf")],
        "text": ["1", "x", "", "2.5"],
        "council": ["E06000047"] * 4,
        "coded": ["E06000047", "E06000004", None, "E06000004"],
    }
)


def test_categories_are_in_order_and_missing_is_the_last():
    people = read_people(TABLE, ["n"], person="id", family="family")
    assert people.variables["n"].categories == ("9", "10", None)
    assert people.variables["n"].codes.tolist() == [1, 0, 2, 0]


def test_a_person_without_a_family_is_one():
    people = read_people(TABLE, [], person="id", family="family")
    assert len(set(people.family.tolist())) == 3
    assert people.family[0] == people.family[2]


def test_amounts_that_are_missing_are_not_zero():
    people = read_people(TABLE, [], person="id", family=None, amount="amount")
    assert [a if a == a else None for a in people.amount.tolist()] == [1.5, None, 0.0, 2.0]


@pytest.mark.parametrize(("column", "count"), [("wrong", 2), ("text", 1), ("council", 4)])
def test_a_sum_of_what_are_no_amounts_is_refused_without_a_value(column, count):
    with pytest.raises(TableInputError) as refused:
        read_people(TABLE, [], person="id", family=None, amount=column)
    assert f"{count} values" in refused.value.message
    assert "E06000047" not in refused.value.message


def test_rows_that_are_no_people_are_counted_and_refused_at_once():
    table = pa.table({"id": ["a", "a", None], "many": ["1", "2", "3"]})
    with pytest.raises(TableInputError) as refused:
        read_people(table, ["many"], person="id", family=None)
    assert len(refused.value.problems) == 2


def test_missing_columns_are_all_named():
    with pytest.raises(TableInputError) as refused:
        read_people(TABLE, ["here", "there"], person="nobody", family="none")
    assert [p.place for p in refused.value.problems] == [
        "column 'here'", "column 'there'", "column 'nobody'", "column 'none'",
    ]  # fmt: skip


def test_an_empty_file_is_refused():
    with pytest.raises(TableInputError, match="no row"):
        read_people(TABLE.slice(0, 0), [], person="id", family=None)


@pytest.mark.parametrize("column", ["council", "coded"])
def test_tables_by_council_are_off(column):
    people = read_people(TABLE, [column], person="id", family=None)
    with pytest.raises(AreaTableError):
        refuse_areas(people, [column])


@pytest.mark.parametrize(
    ("definition", "places"),
    [
        (Definition.parse(""), ["rows"]),
        (Definition.parse("a,a"), ["column 'a'"]),
        (Definition.parse("a", "a/b", where=("b=1",)), ["column 'a'", "column 'b'"]),
        (Definition.parse("a", where=("b=1", "b=2")), ["column 'b'"]),
    ],
)
def test_definitions_that_no_file_can_meet_are_refused(definition, places):
    with pytest.raises(TableInputError) as refused:
        require_sound((definition,))
    assert [p.place for p in refused.value.problems] == places


def test_tables_of_different_kinds_are_not_made_together():
    with pytest.raises(TableInputError, match="same column"):
        require_sound((Definition.parse("a"), Definition.parse("a", sum_="x")))


def test_a_condition_needs_a_category():
    with pytest.raises(UsageError):
        Definition.parse("a", where=("b",))


def test_a_definition_survives_the_ledger():
    definition = Definition.parse("a/b", "c", ("d=1", "e="), "x", "f,g")
    assert Definition.from_json(definition.to_json()) == definition
