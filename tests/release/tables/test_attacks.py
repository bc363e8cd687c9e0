"""Readers who subtract, compare and reverse: none of them gets at a person or a family."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pseudolink.errors import UnsafeTableError
from pseudolink.release.tables.definition import STRICT, Definition
from pseudolink.release.tables.history import Earlier
from pseudolink.release.tables.people import People, read_people
from pseudolink.release.tables.primary import DIFFERS, DOMINATED, REVEALS
from pseudolink.release.tables.safe import COMPLEMENTARY, PRIMARY, PUBLISHED, Safe, make_safe

EXACT = replace(STRICT, rounding=0)


def people(rows: list[tuple], names: tuple[str, ...], **options) -> People:
    """From (count, family or None, categories…): so many people of each kind."""
    spread = [row[1:] for row in rows for _ in range(row[0])]
    columns = {name: [row[n + 1] for row in spread] for n, name in enumerate(names)}
    family = [row[0] if row[0] is not None else f"own {n}" for n, row in enumerate(spread)]
    table = pa.table({"id": np.arange(len(spread)), "family": family, **columns})
    return read_people(table, names, person="id", family="family", **options)


def cells(safe: Safe, table: int = 0) -> dict[frozenset, tuple[float | None, str]]:
    return {
        frozenset([*cell.rows, *cell.columns]): (cell.value, cell.status) for cell in safe.tables[table].cells
    }


def at(**place: str) -> frozenset:
    return frozenset(place.items())


def published(safe: Safe, definition: Definition, *, rounding: int = 0, same: bool = True) -> Earlier:
    found = {
        key | frozenset(definition.where): value
        for key, (value, _) in cells(safe).items()
        if value is not None
    }
    return Earlier(definition, same, rounding, found)


AREAS = [
    (40, None, "north", "yes"),
    (60, None, "north", "no"),
    (4, None, "south", "yes"),
    (70, None, "south", "no"),
]


def test_subtracting_margins_finds_no_small_cell():
    """4 of the south: their row and their column each need a second hidden cell."""
    definition = Definition.parse("area", "answer")
    found = cells(make_safe(people(AREAS, ("area", "answer")), [definition], EXACT))
    assert found[at(area="south", answer="yes")] == (None, PRIMARY)
    hidden = {key for key, (value, _) in found.items() if value is None}
    row = {at(area="south"), at(area="south", answer="no")}
    column = {at(answer="yes"), at(area="north", answer="yes")}
    assert hidden & row
    assert hidden & column
    assert found[at()] == (174, PUBLISHED)


def test_differencing_two_subpopulations_isolates_nobody():
    """Everybody, then everybody but the few: the second table would give the few away."""
    everyone = people(
        [(50, None, "x", "old"), (3, None, "x", "young"), (80, None, "y", "old")], ("area", "age")
    )
    whole = Definition.parse("area")
    first = make_safe(everyone, [whole], EXACT)
    assert all(value is not None for value, _ in cells(first).values())
    part = Definition.parse("area", where=("age=old",))
    alone = make_safe(everyone, [part], EXACT)
    assert cells(alone)[at(area="x")][0] == 50
    with pytest.raises(UnsafeTableError):
        # 53 of area x are published; 50 old ones would say that 3 are young. Hiding the 50 is not
        # enough: the total of the old, and 80 of area y, give them away as long as either is shown.
        make_safe(everyone, [Definition.parse("area", "age")], EXACT, earlier=[_giving_away()])
    after = make_safe(everyone, [part], EXACT, earlier=[published(first, whole), _young(everyone)])
    assert cells(after)[at(area="x")][0] is None


def _giving_away() -> Earlier:
    """A careless table that somebody published of the same data."""
    definition = Definition.parse("area", "age")
    counts = {at(area="x", age="young"): 3.0}
    return Earlier(definition, True, 0, counts)


def _young(everyone: People) -> Earlier:
    """By age and area, with the few young ones hidden."""
    definition = Definition.parse("age", "area")
    safe = make_safe(everyone, [definition], EXACT)
    assert cells(safe)[at(area="x", age="young")][0] is None
    return published(safe, definition)


def test_what_one_table_hid_another_does_not_give_away():
    """A cell hidden to protect the few may not come out later, when only its margin is asked for."""
    kinds = [
        (30, None, "n", "a"), (30, None, "n", "b"), (3, None, "s", "a"), (40, None, "s", "b"),
        (25, None, "w", "a"), (35, None, "w", "b"),
    ]  # fmt: skip
    everyone = people(kinds, ("area", "kind"))
    cross = Definition.parse("area", "kind")
    first = make_safe(everyone, [cross], EXACT)
    before = published(first, cross)
    hidden = {key for key, (value, _) in cells(first).items() if value is None}
    assert at(area="s", kind="a") in hidden
    for where, margin in (("area=s", "kind"), ("kind=a", "area"), ("kind=b", "area"), ("area=n", "kind")):
        part = Definition.parse(margin, where=(where,))
        try:
            later = make_safe(everyone, [part], EXACT, earlier=[before])
        except UnsafeTableError:
            continue
        known = dict(before.cells)
        known.update(published(later, part).cells)
        assert _widest(everyone, known, at(area="s", kind="a")) >= EXACT.people


def _widest(everyone: People, known: dict[frozenset, float], wanted: frozenset) -> float:
    """The interval of a cell by a program of its own, written from the published cells alone."""
    from scipy.optimize import linprog

    areas, kinds = everyone.variables["area"].categories, everyone.variables["kind"].categories
    atoms = [frozenset({("area", a), ("kind", k)}) for a in areas for k in kinds]
    left = np.asarray([[float(key <= atom) for atom in atoms] for key in known])
    goal = np.asarray([float(wanted <= atom) for atom in atoms])
    ends = [linprog(s * goal, A_eq=left, b_eq=list(known.values())).fun * s for s in (1, -1)]
    return ends[1] - ends[0]


def test_rounding_cannot_be_reversed_through_margins():
    """Rounded cells are known within two; the hidden ones stay as wide as the rule."""
    safe = make_safe(people(AREAS, ("area", "answer")), [Definition.parse("area", "answer")], STRICT)
    found = cells(safe)
    assert all(value is None or value % 5 == 0 for value, _ in found.values())
    assert safe.narrowest is not None
    assert safe.narrowest >= 1
    assert found[at(area="south", answer="yes")][0] is None


def test_a_family_of_twelve_in_a_small_council_is_not_shown():
    """Twelve people are enough; one family is not."""
    rows = [(12, "one family", "small"), (50, None, "large"), (60, None, "larger")]
    found = cells(make_safe(people(rows, ("place",)), [Definition.parse("place")], EXACT))
    assert found[at(place="small")] == (None, PRIMARY)
    assert COMPLEMENTARY in {status for _, status in found.values()}


def test_an_objection_does_not_show_as_a_gap():
    """The same table of a later state: a cell that lost two people is hidden."""
    definition = Definition.parse("area")
    before = make_safe(
        people([(30, None, "x"), (40, None, "y"), (50, None, "z")], ("area",)), [definition], EXACT
    )
    earlier = published(before, definition, same=False)
    after = make_safe(
        people([(28, None, "x"), (40, None, "y"), (50, None, "z")], ("area",)),
        [definition],
        EXACT,
        earlier=[earlier],
    )
    found = cells(after)
    assert found[at(area="x")] == (None, PRIMARY)
    assert found[at()] == (None, PRIMARY)
    assert after.reasons[DIFFERS] == 2


def test_zero_is_hidden_where_it_reveals():
    """Everybody of a group alike: the zeros beside them say so."""
    rows = [(30, None, "x", "yes"), (40, None, "y", "yes"), (50, None, "y", "no")]
    safe = make_safe(people(rows, ("area", "answer")), [Definition.parse("area", "answer")], EXACT)
    found = cells(safe)
    assert found[at(area="x", answer="no")] == (None, PRIMARY)
    assert found[at(area="x", answer="yes")] == (None, PRIMARY)
    assert safe.reasons[REVEALS] == 3  # and whoever said no is of area y


def test_zero_that_reveals_nothing_is_published():
    rows = [
        (30, None, "x", "a"), (30, None, "x", "b"), (30, None, "y", "b"), (30, None, "y", "c"),
        (30, None, "z", "a"), (30, None, "z", "c"),
    ]  # fmt: skip
    found = cells(make_safe(people(rows, ("area", "kind")), [Definition.parse("area", "kind")], EXACT))
    assert found[at(area="x", kind="c")] == (0, PUBLISHED)


def test_a_dominated_sum_is_hidden():
    """One contribution is nearly all of it: the sum would be that person's amount."""
    rows = [(20, None, "x", 1.0), (1, None, "x", 500.0), (20, None, "y", 5.0), (25, None, "z", 4.0)]
    everyone = people(rows, ("area", "amount"), amount="amount")
    safe = make_safe(everyone, [Definition.parse("area", sum_="amount")], EXACT)
    found = cells(safe)
    assert found[at(area="x")] == (None, PRIMARY)
    assert safe.reasons[DOMINATED] >= 1
    assert sum(value is None for value, _ in found.values()) >= 2


def test_nested_categories_are_protected_at_every_level():
    rows = [
        (3, None, "north", "n1"), (40, None, "north", "n2"), (30, None, "north", "n3"),
        (50, None, "south", "s1"), (45, None, "south", "s2"),
    ]  # fmt: skip
    everyone = people(rows, ("region", "district"))
    found = cells(make_safe(everyone, [Definition.parse("region/district")], EXACT))
    assert found[at(region="north", district="n1")] == (None, PRIMARY)
    inner = [found[at(region="north", district=d)][0] for d in ("n2", "n3")]
    assert None in inner or found[at(region="north")][0] is None
    assert at(region="south", district="n1") not in found
    assert found[at()] == (168, PUBLISHED)


def test_two_bandings_of_the_same_age_are_protected_together():
    """Under 10 and under 12 differ by a few: whoever subtracts one table from the other has them."""
    rows = [
        (
            2 if age in (10, 11) else 15,
            None,
            str(age),
            "<10" if age < 10 else "10+",
            "<12" if age < 12 else "12+",
        )
        for age in range(20)
    ]
    everyone = people(rows, ("age", "tens", "twelves"))
    tens, twelves = Definition.parse("tens", also="age"), Definition.parse("twelves", also="age")
    first = make_safe(everyone, [tens], EXACT)
    assert [cells(first)[at(tens=band)][0] for band in ("<10", "10+")] == [150, 124]
    cross = Definition.parse("tens", "twelves", also="age")
    few = make_safe(everyone, [cross], EXACT)
    assert cells(few)[at(tens="<10", twelves="12+")] == (0, PUBLISHED)  # nobody can be both
    assert cells(few)[at(tens="10+", twelves="<12")] == (None, PRIMARY)
    with pytest.raises(UnsafeTableError):
        make_safe(everyone, [cross], EXACT, earlier=[published(first, tens), _careless(everyone, twelves)])
    later = make_safe(everyone, [twelves], EXACT, earlier=[published(first, tens), published(few, cross)])
    assert cells(later)[at(twelves="<12")][0] is None


def _careless(everyone: People, definition: Definition) -> Earlier:
    return published(make_safe(everyone, [definition], EXACT), definition)
