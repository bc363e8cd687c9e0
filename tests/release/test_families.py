"""release-v1 section 5: person links give family links, and nobody is linked because a family is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.formats import apart, linkmap
from pseudolink.release.dataset import families_table
from pseudolink.release.families import Families, family_links


def ident(party: str, number: int) -> bytes:
    return f"{party[:8]:<8}{number:08d}".encode()


def linked(**records: Mapping[int, int]) -> pa.Table:
    """Of each party: number of the record -> number of the person."""
    rows = [
        {"party": p, "record": ident(p, r), "person": ident("person", who), "family": None, "band": 0}
        for p, of in records.items()
        for r, who in of.items()
    ]
    return pa.Table.from_pylist(rows, schema=linkmap.SCHEMA)


def payload(party: str, families: Mapping[int, Any], *, kept_apart: Any = ()) -> pa.Table:
    """Number of the record -> family, or (family, from, to)."""
    spans = {r: f if isinstance(f, tuple) else (f, None, None) for r, f in families.items()}
    columns: dict[str, Any] = {"record": pa.array([ident(party, r) for r in spans], pa.binary(16))}
    for at, name in enumerate(("family_id", "family_from", "family_to")):
        columns[name] = pa.array([span[at] for span in spans.values()], pa.string())
    if kept_apart:
        pairs = apart.ordered((ident(party, a), ident(party, b)) for a, b in kept_apart)
        columns["apart"] = apart.column(columns["record"], pairs)
    return pa.table(columns)


def run(cohort: Mapping[int, Any], schools: Mapping[int, Any], **more: Any) -> Families:
    """Record n of either party is person n, unless a payload lacks it."""
    people = linked(council={n: n for n in cohort}, schools={n: n for n in schools if n < 100})
    tables = {
        "council": payload("council", cohort, kept_apart=more.get("council_apart", ())),
        "schools": payload("schools", schools, kept_apart=more.get("schools_apart", ())),
    }
    return family_links(people, tables, "council")


def told(found: Families) -> list[tuple[str, str, int, str]]:
    return [(one.family, one.party_family, one.shared, one.relation) for one in found.links]


def test_a_household_that_two_parties_know_is_one_family_link() -> None:
    found = run({1: "F", 2: "F", 3: "F"}, {1: "h", 2: "h"})
    assert told(found) == [("F", "h", 2, "same")]
    one = found.links[0]
    assert (one.members, one.linked, one.party_members) == (3, 2, 2)


def test_a_family_in_two_households_is_split() -> None:
    assert told(run({1: "F", 2: "F"}, {1: "h", 2: "k"})) == [("F", "h", 1, "split"), ("F", "k", 1, "split")]


def test_two_families_in_one_household_are_merged() -> None:
    assert told(run({1: "F", 2: "G"}, {1: "h", 2: "h"})) == [("F", "h", 1, "merged"), ("G", "h", 1, "merged")]


def test_a_child_between_two_homes_is_split_and_merged() -> None:
    found = run({1: "F", 2: "F", 3: "G"}, {1: "h", 2: "k", 3: "k"})
    assert ("F", "k", 1, "split and merged") in told(found)


def test_a_family_link_has_the_dates_that_both_sides_bear_out() -> None:
    found = run(
        {1: ("F", "2019-01-01", "2020-06-30"), 2: ("F", "2019-01-01", None)},
        {1: ("h", "2018-01-01", "2021-01-01"), 2: ("h", "2019-03-01", None)},
    )
    assert (found.links[0].start, found.links[0].end) == ("2019-03-01", "2020-06-30")


def test_dates_that_nobody_tells_are_missing() -> None:
    one = run({1: "F"}, {1: "h"}).links[0]
    assert (one.start, one.end) == (None, None)


def test_a_person_without_a_family_gets_that_of_the_household() -> None:
    found = run({1: "F", 2: None}, {1: "h", 2: "h"})
    assert found.of_person[ident("person", 2)] == "F"
    assert found.lent == {ident("person", 2): "schools"}


def test_a_household_of_two_families_lends_neither() -> None:
    found = run({1: "F", 2: "G", 3: None}, {1: "h", 2: "h", 3: "h"})
    assert ident("person", 3) not in found.of_person


def test_parties_that_disagree_lend_no_family() -> None:
    people = linked(council={1: 1, 2: 2, 3: 3}, schools={1: 1, 3: 3}, work={2: 2, 3: 3})
    tables = {
        "council": payload("council", {1: "F", 2: "G", 3: None}),
        "schools": payload("schools", {1: "h", 3: "h"}),
        "work": payload("work", {2: "k", 3: "k"}),
    }
    assert ident("person", 3) not in family_links(people, tables, "council").of_person


def test_a_household_links_nobody_who_is_not_linked_already() -> None:
    """Record 100 lives with person 1 and is nobody's: it stays so."""
    found = run({1: "F", 2: "F"}, {1: "h", 100: "h"})
    assert told(found) == [("F", "h", 1, "same")]
    assert set(found.of_person) == {ident("person", 1), ident("person", 2)}


def test_the_cohorts_own_family_is_never_replaced() -> None:
    found = run({1: "F", 2: "G"}, {1: "h", 2: "h"})
    assert found.of_person[ident("person", 2)] == "G"
    assert found.lent == {}


def test_an_adopted_childs_records_bring_no_families_together() -> None:
    """Record 1 and 2 are one child before and after; neither home is linked by it."""
    records: Any = {1: "before", 2: "after", 3: "after"}
    cohort = {1: "F", 3: "G"}
    assert told(run(cohort, records, schools_apart=[(1, 2)])) == [("G", "after", 1, "same")]
    assert told(run(cohort, {1: "h", 3: "h"}, council_apart=[(1, 3)])) == []


def test_duplicates_in_two_families_are_in_neither() -> None:
    people = linked(council={1: 1, 2: 2}, schools={1: 1, 2: 1, 3: 2})
    tables = {
        "council": payload("council", {1: "F", 2: "F"}),
        "schools": payload("schools", {1: "h", 2: "k", 3: "h"}),
    }
    assert told(family_links(people, tables, "council")) == [("F", "h", 1, "same")]


def test_a_cohort_without_families_has_none() -> None:
    table = payload("council", {1: None}).drop_columns(["family_id"])
    people = linked(council={1: 1}, schools={1: 1})
    found = family_links(people, {"council": table, "schools": payload("schools", {1: "h"})}, "council")
    assert found == Families({}, {}, ())


FOLDER = Path(__file__).parents[2] / "specs" / "vectors" / "release"
VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem} for p in sorted(FOLDER.glob("families_*.json"))
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_any_releaser_links_the_same_families(vector: dict[str, Any]) -> None:
    cohort, party = (
        {one["person"]: (one["family"], one["from"], one["to"]) for one in vector[side]}
        for side in ("cohort", "party")
    )
    found = run(cohort, party, schools_apart=[tuple(pair) for pair in vector["apart"]])
    links = [
        {
            "family": one.family,
            "party_family": one.party_family,
            "shared": one.shared,
            "relation": one.relation,
            "from": one.start,
            "to": one.end,
        }
        for one in found.links
    ]
    assert vector["links"] == links
    lent = {person: found.of_person[person] for person in found.lent}
    assert {ident("person", n): family for n, family in vector["lent"]} == lent


PLACES = st.dictionaries(st.integers(0, 7), st.sampled_from(["a", "b", "c", None]), min_size=1)


@given(PLACES, PLACES)
def test_family_links_are_those_of_the_definition(cohort: Any, schools: Any) -> None:
    both = {n: schools[n] for n in schools if n in cohort}
    found = run(cohort, both)
    shared = {(cohort[n], both[n]) for n in both if cohort[n] is not None and both[n] is not None}
    expected = []
    for family, other in sorted(shared):
        split = sum(f == family for f, _ in shared) > 1
        merged = sum(o == other for _, o in shared) > 1
        relation = {(0, 0): "same", (1, 0): "split", (0, 1): "merged"}.get(
            (split, merged), "split and merged"
        )
        count = sum((cohort[n], both[n]) == (family, other) for n in both)
        expected.append((family, other, count, relation))
    assert expected == told(found)
    for n, own in cohort.items():
        if own is not None:
            assert found.of_person[ident("person", n)] == own


def test_a_table_of_families_holds_pseudonyms_alone() -> None:
    table = families_table(
        run({1: ("F", "2019-01-01", None)}, {1: "h"}), lambda ids: [f"<{len(value)}>" for value in ids]
    )
    assert table.to_pylist()[0]["family_id"] == "<1>"
    assert table.to_pylist()[0]["party_family"] == "<9>"
    assert table.schema.field("from").type == pa.date32()


def test_no_family_links_make_an_empty_table() -> None:
    assert families_table(Families({}, {}, ()), list).num_rows == 0
