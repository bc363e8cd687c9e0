"""A profile counts; it never shows a value."""

from __future__ import annotations

import datetime
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink import components
from pseudolink.clean.date import clean_parts
from pseudolink.clean.extract import clean_table
from pseudolink.clean.profile import gives, profile
from pseudolink.encode.derive import derive
from pseudolink.schema import parse_schema

TODAY = datetime.date(2026, 1, 15)
SCHEMA = parse_schema(
    {
        "format": "pseudolink/linkage-schema/1",
        "name": "test",
        "fields": {
            "forename": {"kind": "forename", "columns": ["forename"]},
            "surname": {"kind": "surname", "columns": ["surname"]},
            "dob": {"kind": "date", "parts": ["y", "m", "d"]},
            "nino": {"kind": "nino", "columns": ["nino"], "optional": True},
        },
        "passes": [
            {"name": "number", "on": ["nino.stem"]},
            {"name": "names", "on": ["names.sorted_soundex", "dob.year"]},
            {"name": "day", "on": ["surname", "dob.month_day"]},
            {"name": "whole", "on": ["dob", "surname"]},
        ],
    }
)
TABLE = pa.table(
    {
        "forename": ["Zoë", "Ann", "", "UNKNOWN", "Featherstonehaugh"],
        "surname": ["Quill", "Quill", "Quill", "Price", "Featherstonehaugh"],
        "y": ["1957", "1957", "", "1957", "1957"],
        "m": ["1", "3", "2", "2", "4"],
        "d": ["1", "1", "31", "", "5"],
    }
)


def made() -> dict[str, object]:
    return profile(clean_table(TABLE, SCHEMA, today=TODAY), SCHEMA)


def test_a_profile_counts_by_field() -> None:
    """Filled, valid, missing, invalid, placeholders, rules, flags, distinct, most common, spikes."""
    assert made()["rows"] == 5
    assert made()["fields"] == {
        "forename": {
            "kind": "forename",
            "filled": 4,
            "valid": 3,
            "missing": 1,
            "invalid": 0,
            "placeholder": 1,
            "usable": 3,
            "rules": {},
            "flags": {"name.placeholder": 1},
            "distinct": 3,
            "most_common": 1,
        },
        "surname": {
            "kind": "surname",
            "filled": 5,
            "valid": 5,
            "missing": 0,
            "invalid": 0,
            "placeholder": 0,
            "usable": 5,
            "rules": {},
            "flags": {},
            "distinct": 3,
            "most_common": 3,
        },
        "dob": {
            "kind": "date",
            "filled": 5,
            "valid": 4,
            "missing": 0,
            "invalid": 1,
            "placeholder": 0,
            "usable": 5,
            "rules": {"date.impossible": 1},
            "flags": {"date.partial": 2},
            "distinct": 5,
            "most_common": 1,
            "spikes": {"dates": 3, "january_first": 1, "month_first": 2},
        },
        "nino": {
            "kind": "nino",
            "filled": 0,
            "valid": 0,
            "missing": 5,
            "invalid": 0,
            "placeholder": 0,
            "usable": 0,
            "rules": {},
            "flags": {},
            "distinct": 0,
            "most_common": 0,
        },
    }


def test_a_profile_counts_the_rows_that_take_part_in_each_pass() -> None:
    """A date without its year still takes part by day and month, if the month has such a day."""
    assert made()["passes"] == [
        {"name": "number", "on": ["nino.stem"], "rows": 0},
        {"name": "names", "on": ["names.sorted_soundex", "dob.year"], "rows": 3},
        {"name": "day", "on": ["surname", "dob.month_day"], "rows": 3},
        {"name": "whole", "on": ["dob", "surname"], "rows": 3},
    ]


def test_a_profile_shows_no_value() -> None:
    """The most common value is a count; a profile can be sent to others."""
    text = json.dumps(made()).upper()
    for value in ("QUILL", "FEATHERSTONEHAUGH", "ZOE", "1957"):
        assert value not in text


@pytest.mark.parametrize("derivation", components.DERIVATIONS["date"])
@given(
    year=st.sampled_from(["", "1900", "1956", "1957", "2000"]),
    month=st.sampled_from(["", *map(str, range(1, 13))]),
    day=st.sampled_from(["", "1", "28", "29", "30", "31"]),
)
def test_coverage_agrees_with_the_encoder(derivation: str, year: str, month: str, day: str) -> None:
    """A row that the profile counts for a pass is one that gets a token, and no other."""
    value = clean_parts(year, month, day, today=TODAY)
    if value is not None:
        assert gives("date", derivation, value) == (derive("date", derivation, value) is not None)
