"""encoding-v1 section 6: company, components and the refusal, against counting by force."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_linkage import encodings_of

from pseudolink.encode import floor
from pseudolink.errors import FloorError
from pseudolink.formats import canonical
from pseudolink.schema import Floor


@st.composite
def extracts(draw: st.DrawFn) -> tuple[dict[str, list[int | None]], list[int]]:
    """Token numbers by pass, and the record of every row (rows may be versions of one record)."""
    rows = draw(st.integers(0, 14))
    token = st.one_of(st.none(), st.integers(0, 9))
    names = [f"p{n}" for n in range(draw(st.integers(1, 3)))]
    cells = {n: draw(st.lists(token, min_size=rows, max_size=rows)) for n in names}
    return cells, draw(st.lists(st.integers(0, 8), min_size=rows, max_size=rows))


def by_force(cells: dict[str, list[int | None]], records: list[int]) -> dict[str, Any]:
    people = sorted(set(records))
    held = {
        name: {
            p: {t for t, r in zip(column, records, strict=True) if r == p and t is not None} for p in people
        }
        for name, column in cells.items()
    }
    edges = {name: {e for e in combinations(people, 2) if h[e[0]] & h[e[1]]} for name, h in held.items()}
    everything = set().union(*edges.values()) if edges else set()
    components = {p: {p} for p in people}
    for a, b in everything:
        joined = components[a] | components[b]
        for one in joined:
            components[one] = joined
    return {
        "records": len(people),
        "company": len({p for e in everything for p in e}),
        "neighbours": 2 * len(everything),
        "largest_component": max((len(c) for c in components.values()), default=0),
        "passes": [
            {
                "name": name,
                "tokens": sum(t is not None for t in cells[name]),
                "company": len({p for e in edges[name] for p in e}),
                "largest_block": max(
                    (sum(t in h for h in held[name].values()) for t in set(cells[name]) - {None}), default=0
                ),
            }
            for name in cells
        ],
    }


def test_kinds_of_pairs_are_counted_without_naming_a_record() -> None:
    """Two pairs share pass a alone, one of them with nobody in b; one pair shares both."""
    found = floor.measure(
        encodings_of({"a": [1, 1, 2, 2, 3, 3, 4], "b": [5, 6, None, 7, 8, 8, 9]}), alike=True
    )
    assert found.alike == ((0b01, 0b01, 1), (0b01, 0b11, 1), (0b11, 0b11, 1))
    assert found.to_json()["alike"][0] == ["0000000000000001", "0000000000000001", 1]
    assert "alike" not in floor.measure(encodings_of({"a": [1, 1]})).to_json()


def test_versions_of_one_record_are_one_end_of_a_kind_of_pair() -> None:
    found = floor.measure(encodings_of({"a": [1, 1, 1], "b": [2, 3, 3]}, [7, 7, 8]), alike=True)
    assert found.alike == ((0b11, 0b11, 1),)


@given(extracts())
def test_company_is_what_counting_all_pairs_gives(extract: tuple[Any, list[int]]) -> None:
    cells, records = extract
    found = floor.measure(encodings_of(cells, records)).to_json()
    for one in found["passes"]:
        del one["neighbours"]
    assert by_force(cells, records) == found


def test_neighbours_of_a_pass_count_both_ends() -> None:
    found = floor.measure(encodings_of({"a": [1, 1, 1, 2], "b": [1, 1, 2, 3]}))
    assert [p.neighbours for p in found.passes] == [6, 2]
    assert found.neighbours == 6, "a pair that shares two tokens counts once for each end"


def test_versions_of_one_record_are_no_company() -> None:
    """A record with a former name must not look as if it had a twin."""
    found = floor.measure(encodings_of({"a": [1, 1], "b": [2, 2]}, [7, 7]))
    assert (found.records, found.company, found.largest_component) == (1, 0, 1)


def test_missing_tokens_are_no_company() -> None:
    assert floor.measure(encodings_of({"a": [None] * 5})).company == 0


def test_components_hang_together_through_different_passes() -> None:
    found = floor.measure(encodings_of({"a": [1, 1, 2, 3], "b": [1, 2, 2, 3]}))
    assert (found.company, found.largest_component) == (3, 3)


def test_an_extract_far_above_the_floor_is_measured_without_holding_its_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One value for everybody would take more memory than the encodings; company stays exact."""
    cells = {"a": [1] * 40, "b": [*range(38), 50, 50], "c": [2] * 40}
    exact = floor.measure(encodings_of(cells))
    monkeypatch.setattr(floor, "_MOST_PAIRS", 100)
    rough = floor.measure(encodings_of(cells))
    assert (rough.company, rough.largest_component, rough.passes) == (
        exact.company,
        exact.largest_component,
        exact.passes,
    )
    assert exact.neighbours == 40 * 39
    assert rough.neighbours >= exact.neighbours


def test_an_empty_extract_has_no_company() -> None:
    found = floor.measure(encodings_of({"a": []}))
    assert (found.records, found.company, found.largest_component, found.share) == (0, 0, 0, 0.0)
    floor.enforce(found, Floor(Decimal(0), 1))


def test_the_manifest_of_company_is_counts_alone() -> None:
    found = floor.measure(encodings_of({"a": [1, 1, 2]})).to_json()
    assert canonical.loads(canonical.dumps(found)) == found
    assert set(found) == {"records", "company", "neighbours", "largest_component", "passes"}


TEN = encodings_of({"wide": [1, 1, 1, 2, 2, *range(10, 15)], "narrow": [*range(9), 8]})


def test_company_exactly_at_the_floor_is_allowed() -> None:
    """7 of 10 records have company; 0.7 is no binary fraction and must not be read as one."""
    found = floor.measure(TEN)
    assert (found.company, found.largest_component) == (7, 3)
    floor.enforce(found, Floor(Decimal("0.7"), 3))


def test_company_above_the_floor_is_refused_with_the_passes_responsible() -> None:
    with pytest.raises(FloorError) as caught:
        floor.enforce(floor.measure(TEN), Floor(Decimal("0.699"), 3), {"wide": "narrower please"})
    places = [p.place for p in caught.value.problems]
    assert places == ["company", "pass 'wide'", "pass 'narrow'"]
    assert "7 of 10 records" in str(caught.value)
    assert "narrower please" in str(caught.value)


def test_a_component_above_the_floor_is_refused() -> None:
    with pytest.raises(FloorError) as caught:
        floor.enforce(floor.measure(TEN), Floor(Decimal(1), 2))
    assert caught.value.problems[0].place == "component"


def test_both_reasons_are_told_at_once() -> None:
    with pytest.raises(FloorError) as caught:
        floor.enforce(floor.measure(TEN), Floor(Decimal(0), 1))
    assert [p.place for p in caught.value.problems][:2] == ["company", "component"]


def test_passes_without_company_are_not_blamed() -> None:
    found = floor.measure(encodings_of({"a": [1, 1], "b": [1, 2]}))
    assert [p.name for p in floor.responsible(found)] == ["a"]


def test_the_five_worst_passes_are_named_worst_first() -> None:
    cells = {f"p{n}": [1] * (n + 2) + list(range(10, 18 - n)) for n in range(8)}
    found = floor.measure(encodings_of(cells))
    assert [p.name for p in floor.responsible(found)] == ["p7", "p6", "p5", "p4", "p3"]


def test_a_refusal_shows_no_token_and_no_record() -> None:
    with pytest.raises(FloorError) as caught:
        floor.enforce(floor.measure(TEN), Floor(Decimal(0), 1))
    said = json.dumps(caught.value.diagnostics())
    for raw in (*TEN.records, *(t.view(np.uint8) for t in TEN.passes["wide"].tokens)):
        assert raw.tobytes().hex() not in said
        assert repr(raw.tobytes()) not in said
