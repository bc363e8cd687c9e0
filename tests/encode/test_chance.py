"""scoring-v1 section 2: agreement by chance, against counting all pairs by force."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_linkage import FIELDS, cleaned_of, schema_of

from pseudolink.components import DERIVATIONS, SORTED, agreement_states, join
from pseudolink.encode import chance
from pseudolink.encode.derive import derive
from pseudolink.formats import canonical
from pseudolink.formats.statistics import FieldStatistics, Statistics, coarsened
from pseudolink.schema import LinkageSchema

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem}
    for p in sorted((Path(__file__).parents[2] / "specs" / "vectors" / "scoring").glob("chance_*.json"))
]

NAMES = ["ANN", "ANNE", "HANNAH", "O'NEIL", "ONEIL", "JO", "JON", "JOHN", "SMITH", "SMYTHE", "ŁUKASZ", "-"]
VALUES: dict[str, list[str]] = {
    "forename": NAMES,
    "surname": NAMES,
    "dob": [
        "1990-01-02", "1990-02-01", "1990-01-03", "1990-03-03", "1991-01-02", "1990-02-30", "1990-XX-02",
        "XXXX-01-02", "1990-01-XX", "1991-02-01", "1992-02-29", "1991-02-29",
    ],
    "postcode": ["DH1 1AA", "DH1 1AB", "DH1 2AA", "DH2 1AA", "D1 1AA", "BF1 1AA", "BFPO 12", "BFPO 13"],
    "sex": ["F", "M"],
    "nino": ["AB123456A", "AB123456B", "AB123457A", "CD123456"],
    "upn": ["A", "B"],
    "nhs": ["A", "B"],
    "uln": ["A", "B"],
    "street": ["HIGH STREET", "HIGH ST", "LOW ROAD"],
}  # fmt: skip


def by_force(field: str, derivations: tuple[str, ...], cells: list[str | None]) -> tuple[int, list[int]]:
    """Pairs by agreement state, by comparing each record with each other."""
    kind = FIELDS[field]["kind"]
    assert isinstance(kind, str)
    states = agreement_states(kind, derivations)
    rows = []
    for cell in cells:
        made = {d: None if cell is None else derive(kind, d, cell) for d in states[0]}
        if None not in made.values():
            rows.append(made)
    counts = [0] * len(states)
    for a, b in combinations(rows, 2):
        counts[states.index(frozenset(d for d in states[0] if a[d] == b[d]))] += 1
    return len(rows) * (len(rows) - 1) // 2, counts


@st.composite
def columns(draw: st.DrawFn) -> tuple[str, tuple[str, ...], list[str | None]]:
    field = draw(st.sampled_from(sorted(FIELDS)))
    known = DERIVATIONS[str(FIELDS[field]["kind"])]
    used = draw(st.lists(st.sampled_from(known), min_size=1, max_size=5, unique=True))
    cell = st.none() | st.sampled_from(VALUES[field])
    return field, tuple(used), draw(st.lists(cell, max_size=25))


def measured(field: str, used: tuple[str, ...], cells: list[str | None]) -> FieldStatistics:
    schema = schema_of([[join(field, d)] for d in used])
    rows = [{field: c} for c in cells]
    return chance.measure(cleaned_of(schema, rows), schema).fields[field]


@given(columns())
@settings(max_examples=150)
def test_counts_are_those_of_all_pairs(column: tuple[str, tuple[str, ...], list[str | None]]) -> None:
    """For every kind and any set of its derivations; each pair is in exactly one state."""
    field, used, cells = column
    pairs, counts = by_force(field, used, cells)
    found = measured(field, used, cells)
    assert (pairs, [coarsened(c) for c in counts]) == (found.pairs, list(found.states))
    assert sum(counts) == pairs


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_counts_above_ten_are_exact_for_every_kind(field: str) -> None:
    """Enough records that most states are told."""
    generator = np.random.default_rng(3)
    cells: list[str | None] = list(generator.choice(VALUES[field], 120))
    used = DERIVATIONS[str(FIELDS[field]["kind"])]
    pairs, counts = by_force(field, used, cells)
    found = measured(field, used, cells)
    assert (found.pairs, list(found.states)) == (pairs, [coarsened(c) for c in counts])
    assert sum(c is not None for c in found.states) >= 2


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_any_two_custodians_count_alike(vector: dict[str, Any]) -> None:
    cells = [value for value, times in vector["values"] for _ in range(times)]
    found = measured(vector["field"], tuple(vector["derivations"]), cells)
    assert vector["states"] == [sorted(s) for s in agreement_states(vector["kind"], vector["derivations"])]
    assert (vector["pairs"], vector["counts"]) == (found.pairs, list(found.states))


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 4


def names_schema(*used: str) -> LinkageSchema:
    return schema_of([[f"names.{d}"] for d in used])


def exchanged_by_force(rows: list[tuple[str | None, str | None]], used: tuple[str, ...]) -> dict[str, int]:
    """Pairs by the derivations on which each forename is the other's surname and not its own."""
    found: Counter[str] = Counter()
    for (f1, s1), (f2, s2) in combinations([r for r in rows if None not in r], 2):
        agree = set()
        for d in used:
            inner = SORTED[d]
            a, b = derive("forename", inner, f1 or ""), derive("surname", inner, s1 or "")
            c, e = derive("forename", inner, f2 or ""), derive("surname", inner, s2 or "")
            if a == e and b == c and a != b:
                agree.add(d)
        if agree:
            found[",".join(sorted(agree))] += 1
    keys = [",".join(sorted(c)) for n in range(1, len(used) + 1) for c in combinations(used, n)]
    return {key: found[key] for key in keys}


name = st.one_of(st.none(), st.sampled_from(["ANN", "ANNE", "JOHN", "JON", "SMITH", "SMYTHE", "JONES"]))


@given(
    st.lists(st.tuples(name, name), max_size=30),
    st.lists(st.sampled_from(sorted(SORTED)), min_size=1, max_size=4, unique=True),
    st.integers(1, 6),
)
def test_exchanged_names_are_those_of_all_pairs(
    rows: list[tuple[str | None, str | None]], used: list[str], times: int
) -> None:
    rows = rows * times
    schema = names_schema(*used)
    found = chance.measure(cleaned_of(schema, [{"forename": f, "surname": s} for f, s in rows]), schema)
    complete = sum(None not in r for r in rows)
    expected = exchanged_by_force(rows, tuple(used))
    assert {key: coarsened(count) for key, count in expected.items()} == dict(found.swapped)
    assert found.swapped_pairs == complete * (complete - 1) // 2


def test_a_person_called_twice_the_same_is_not_exchanged() -> None:
    """MORGAN MORGAN agrees with another one straight; counted crosswise it would count twice."""
    rows = [{"forename": "MORGAN", "surname": "MORGAN"}] * 20
    found = chance.measure(cleaned_of(names_schema("sorted"), rows), names_schema("sorted"))
    assert dict(found.swapped) == {"sorted": None}


SCHEMA = schema_of([(["dob"], ["forename", "surname"]), ["forename.soundex", "names.sorted", "dob.year"]])


def people(count: int, seed: int) -> list[dict[str, str | None]]:
    generator = np.random.default_rng(seed)
    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")

    def made() -> str:
        return "".join(generator.choice(letters, generator.integers(3, 8)))

    pool = [made() for _ in range(count // 4)]
    return [
        {
            "forename": str(generator.choice(pool)),
            "surname": str(generator.choice(pool)),
            "dob": "-".join(f"{generator.integers(a, b):02}" for a, b in ((1950, 2000), (1, 13), (1, 29))),
        }
        for _ in range(count)
    ]


def test_the_same_extract_in_any_order_gives_the_same_manifest() -> None:
    rows = people(300, 5)
    first = chance.measure(cleaned_of(SCHEMA, rows), SCHEMA)
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    assert first == chance.measure(cleaned_of(SCHEMA, shuffled), SCHEMA)


def test_similarity_is_sampled_from_pairs_whose_values_differ() -> None:
    found = chance.measure(cleaned_of(SCHEMA, people(300, 5)), SCHEMA).fields["forename"]
    table = np.asarray([[c or 0 for c in row] for row in found.sampled])
    assert table.shape == (len(found.states), 4)
    assert not table[:, 0].any(), "different values are not equal"
    assert not table[0].any(), "and never in full agreement"
    assert 0.9 * chance.SAMPLE < table.sum() <= chance.SAMPLE
    assert table[:, 3].sum() > 0.95 * table.sum(), "random names are unlike each other"


def test_values_that_sound_alike_look_alike_more_often() -> None:
    """The table is by state, so similarity is not taken to be independent of Soundex."""
    rows = [{"forename": n, "surname": "X", "dob": "1990-01-01"} for n in NAMES[:10] for _ in range(10)]
    found = chance.measure(cleaned_of(SCHEMA, rows), SCHEMA).fields["forename"]
    states = agreement_states("forename", SCHEMA.tracked["forename"])
    table = np.asarray([[c or 0 for c in row] for row in found.sampled])
    alike = table[states.index(frozenset({"soundex"}))]
    none = table[-1]
    assert alike[1:3].sum() / alike.sum() > none[1:3].sum() / none.sum()


def test_a_field_that_no_pass_compares_is_not_sampled() -> None:
    found = chance.measure(cleaned_of(SCHEMA, people(50, 1)), SCHEMA)
    assert found.fields["dob"].sampled == ()
    assert set(found.fields) == {"forename", "surname", "dob"}


def test_singling_out_attack_finds_no_count_below_ten() -> None:
    """A manifest must not show that exactly two people share a name."""
    rows = [{"forename": "RARE", "surname": f"S{n}", "dob": "1990-01-01"} for n in range(2)]
    rows += [{"forename": f"F{n}", "surname": f"T{n}", "dob": f"19{n + 10}-01-01"} for n in range(30)]
    found = chance.measure(cleaned_of(SCHEMA, rows), SCHEMA)
    told = [c for f in found.fields.values() for c in (*f.states, *(x for r in f.sampled for x in r))]
    told += found.swapped.values()
    assert all(c is None or c >= 10 for c in told)
    assert found.fields["forename"].states[0] is None


def test_the_statistics_are_a_manifest_and_are_read_back() -> None:
    found = chance.measure(cleaned_of(SCHEMA, people(100, 2)), SCHEMA)
    assert Statistics.from_json(canonical.loads(canonical.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    "rows", [[], [{}], [{"forename": "ANN"}], [{"forename": "ANN"}, {"dob": "1990-02-30"}]]
)
def test_an_extract_without_pairs_has_none(rows: list[dict[str, str | None]]) -> None:
    found = chance.measure(cleaned_of(SCHEMA, rows), SCHEMA)
    assert {f.pairs for f in found.fields.values()} == {0}
    assert found.swapped_pairs == 0
    assert Statistics.from_json(found.to_json()) == found


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300).filter(any), st.integers(0, 2**32))
def test_values_are_drawn_by_weight_as_numpy_draws_them(weights: list[int], seed: int) -> None:
    """So the sample, and every manifest, is that of the plain search."""
    weight = np.asarray(weights, dtype=np.int64)
    share = weight / weight.sum()
    expected = np.random.default_rng(seed).choice(len(weight), 500, p=share)
    found = chance.drawn_by_weight(share, np.random.default_rng(seed).random(500))
    np.testing.assert_array_equal(found, expected)
