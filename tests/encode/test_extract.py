"""encoding-v1 sections 6 and 7: a whole extract encoded."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from reference_linkage import cleaned_of, schema_of

from pseudolink.encode import advice, extract
from pseudolink.encode.extract import Encoded
from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.errors import FloorError
from pseudolink.keys.linkage import LinkageKey
from pseudolink.schema import LinkageSchema

KEY = LinkageKey(bytes(range(32)))
SCHEMA = schema_of(
    [(["surname", "dob"], ["forename"]), ["forename", "postcode"]], floor={"company": 0.05, "component": 3}
)


def ring(schema: LinkageSchema = SCHEMA) -> KeyRing:
    return KeyRing.derived(KEY.derive, schema, "test")


def people(count: int) -> list[dict[str, str | None]]:
    return [
        {
            "forename": f"F{n}",
            "surname": f"S{n}",
            "dob": f"19{50 + n % 40}-0{1 + n % 9}-1{n % 10}" if n % 5 else None,
            "postcode": f"TS{n % 20 + 1} {n % 10}AA",
            "sex": "FM"[n % 2],
        }
        for n in range(count)
    ]


def encoded(rows: list[dict[str, str | None]], schema: LinkageSchema = SCHEMA, **more: Any) -> Encoded:
    return extract.encode(cleaned_of(schema, rows), schema, ring(schema), **more)


@pytest.mark.parametrize("chunk_rows", [1, 7, 60, 1000])
def test_rows_are_those_of_the_extract_whatever_the_chunks(chunk_rows: int) -> None:
    rows = people(60)
    found = encoded(rows, chunk_rows=chunk_rows)
    assert sorted(found.source.tolist()) == list(range(60))
    expected = encode_chunk(cleaned_of(SCHEMA, rows), SCHEMA, ring())
    for name, columns in found.encodings.passes.items():
        np.testing.assert_array_equal(columns.tokens, expected[name].tokens[found.source])
        np.testing.assert_array_equal(columns.present, expected[name].present[found.source])
        if columns.filters is None:
            assert expected[name].filters is None
        else:
            np.testing.assert_array_equal(columns.filters, expected[name].filters[found.source])  # type: ignore[index]


def test_position_attack_learns_nothing_from_the_order_of_rows() -> None:
    """Sorted by name as extracts are, position alone would give names away."""
    rows = people(200)
    orders = [encoded(rows).source for _ in range(2)]
    assert orders[0].tolist() != list(range(200))
    assert orders[0].tolist() != orders[1].tolist()
    for order in orders:
        assert abs(np.corrcoef(order, np.arange(200))[0, 1]) < 0.4


def test_every_order_of_three_rows_occurs() -> None:
    seen = {tuple(extract.shuffled(3).tolist()) for _ in range(400)}
    assert len(seen) == 6


def test_record_ids_are_fresh_for_every_extract() -> None:
    """Equal IDs in two deliveries would join what must not be joined."""
    first, second = (encoded(people(60)).encodings.records for _ in range(2))
    ids = [bytes(r) for r in (*first, *second)]
    assert len(set(ids)) == 120
    assert {len(i) for i in ids} == {16}


def test_an_extract_without_rows_is_encoded() -> None:
    found = encoded([])
    assert found.encodings.rows == 0
    assert (found.company.records, list(found.encodings.passes)) == (0, ["p0", "p1"])


def twins() -> list[dict[str, str | None]]:
    """Forty people, ten of whom share forename and postcode in fives; their sexes and births differ."""
    rows = people(40)
    for n in range(10):
        rows[n] |= {"forename": f"TWIN{n % 2}", "postcode": "DH1 1AA", "dob": f"1990-01-{10 + n}"}
    return rows


def test_an_extract_above_the_floor_is_refused_with_advice_that_holds() -> None:
    """The component that is suggested leaves as many records with company as the message says."""
    with pytest.raises(FloorError) as caught:
        encoded(twins())
    text = str(caught.value)
    assert caught.value.problems[0].place == "company"
    advice = re.search(r"with '([a-z_.0-9]+)' as well, (\d+) would", text)
    assert advice is not None
    wider = schema_of(
        [(["surname", "dob"], ["forename"]), ["forename", "postcode", advice[1]]], floor={"company": 0.05}
    )
    after = {p.name: p for p in encoded(twins(), wider).company.passes}
    assert after["p1"].company == int(advice[2])
    assert int(advice[2]) < 10


def test_advice_never_names_a_field_that_the_pass_has() -> None:
    one = schema_of([["names.sorted", "dob.year"]]).passes[0]
    fields = {c.split(".")[0] for c in advice.additions(one, SCHEMA)}
    assert fields == {"postcode", "sex", "nino", "upn", "nhs", "uln", "street"}


def test_a_rehearsal_measures_company_without_refusing() -> None:
    found = encoded(twins(), enforce_floor=False)
    assert found.company.company == 10


def test_a_refusal_shows_no_value() -> None:
    with pytest.raises(FloorError) as caught:
        encoded(twins())
    said = str(caught.value.diagnostics())
    assert not [v for row in twins() for v in row.values() if v and len(v) > 2 and v in said]


def test_a_chunk_of_rows_needs_nothing_of_the_others() -> None:
    cleaned = cleaned_of(SCHEMA, people(20))
    whole = encode_chunk(cleaned, SCHEMA, ring())
    part = encode_chunk(cleaned.take(np.arange(5, 9)), SCHEMA, ring())
    np.testing.assert_array_equal(part["p0"].tokens, whole["p0"].tokens[5:9])
