"""cleaning-v1 section 16: a value that far more records hold than any other is no evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_linkage import cleaned_of, schema_of

from pseudolink.clean.common import SHARE, common_values, without_common
from pseudolink.components import DERIVATIONS
from pseudolink.formats.cleaned import Cleaned, FieldCount

FOLDER = Path(__file__).parents[2] / "specs" / "vectors" / "common"
VECTORS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
SCHEMA = schema_of([["forename", "postcode"]])
PEOPLE = [
    {
        "forename": f"NAME{chr(65 + n % 26)}",
        "surname": f"SURNAME{chr(65 + n % 25)}",
        "dob": f"{1950 + n % 50}-{1 + n % 12:02d}-{1 + n % 28:02d}",
        "postcode": "TS1 1AA" if n % 10 == 0 else f"TS{1 + n % 29} {n % 10}AB",
        "sex": "F" if n % 20 else "M",
    }
    for n in range(1000)
]


def extract_of(rows: list[dict[str, str | None]]) -> Cleaned:
    counts = {name: FieldCount(len(rows), len(rows), {}, {}) for name in SCHEMA.fields}
    return replace(cleaned_of(SCHEMA, rows), counts=counts)


def values(cleaned: Cleaned, name: str) -> list[str | None]:
    column = cleaned.fields[name]
    return [None if code < 0 else column.values[code] for code in column.codes.tolist()]


@pytest.mark.parametrize("name", VECTORS)
def test_what_is_common_is_what_the_specification_says(name: str) -> None:
    one = VECTORS[name]
    share = None if one["share"] is None else Decimal(one["share"])
    counts = np.asarray(one["counts"], dtype=np.int64)
    assert common_values(counts, one["kind"], one["records"], share) == one["common"]


def test_every_kind_but_sex_has_a_share() -> None:
    assert set(SHARE) == set(DERIVATIONS) - {"sex"}


@given(st.lists(st.integers(0, 400), max_size=30), st.sampled_from(sorted(SHARE)), st.randoms())
def test_common_values_stand_out_whatever_the_order(counts: list[int], kind: str, random: object) -> None:
    """Every one of them has five times the records of every value that is not common."""
    held = np.asarray(counts, dtype=np.int64)
    found = common_values(held, kind, sum(counts) + 10)
    rest = [c for i, c in enumerate(counts) if i not in found]
    if found:
        assert min(counts[i] for i in found) >= max(20, 5 * max(rest))
    order = list(range(len(counts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = common_values(held[order], kind, sum(counts) + 10)
    assert sorted(counts[order[i]] for i in again) == sorted(counts[i] for i in found)


def test_a_common_value_is_missing_and_counted_and_nothing_else_is() -> None:
    before = extract_of(PEOPLE)
    after = without_common(before, SCHEMA)
    assert values(after, "postcode") == [None if v == "TS1 1AA" else v for v in values(before, "postcode")]
    for name in ("forename", "surname", "dob", "sex"):
        assert values(after, name) == values(before, name)
    assert after.counts["postcode"].common == {"values": 1, "records": 100}
    assert after.counts["surname"].common == {}


def test_doing_it_again_changes_nothing() -> None:
    once = without_common(extract_of(PEOPLE), SCHEMA)
    again = without_common(once, SCHEMA)
    assert all(values(once, name) == values(again, name) for name in SCHEMA.fields)


def test_every_version_of_a_record_loses_a_common_value() -> None:
    """A hostel as an earlier address is no evidence either; and records are counted, not rows."""
    cleaned = extract_of(PEOPLE)
    rows = np.concatenate([np.arange(1000), np.repeat(np.arange(10, dtype=np.int64), 8)])
    after = without_common(cleaned.take(rows), SCHEMA)
    assert "TS1 1AA" not in values(after, "postcode")
    assert after.counts["postcode"].common["records"] == 100


def test_an_extract_of_one_place_keeps_it() -> None:
    alike = [{**one, "postcode": "TS1 1AA"} for one in PEOPLE]
    after = without_common(extract_of(alike), SCHEMA)
    assert set(values(after, "postcode")) == {"TS1 1AA"}


def test_one_record_and_none_of_the_values_are_no_trouble() -> None:
    for rows in ([PEOPLE[0]], [dict.fromkeys(PEOPLE[0])] * 40):
        after = without_common(extract_of(rows), SCHEMA)
        assert values(after, "postcode") == [one["postcode"] for one in rows]
