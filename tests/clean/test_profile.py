"""A profile counts; it never shows a value."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.clean.extract import clean_table
from pseudolink.clean.profile import CROWDED, FieldValues, profile, values_of
from pseudolink.schema import LinkageSchema, parse_schema

TODAY = datetime.date(2026, 1, 15)


def schema_of(**fields: dict[str, Any]) -> LinkageSchema:
    return parse_schema(
        {"format": "pseudolink/linkage-schema/1", "name": "test", "fields": fields}, passes_needed=False
    )


SCHEMA = schema_of(
    forename={"kind": "forename", "columns": ["forename"]},
    surname={"kind": "surname", "columns": ["last_name", "surname"]},
    dob={"kind": "date", "parts": ["y", "m", "d"]},
    nino={"kind": "nino", "columns": ["nino"], "optional": True},
)
TABLE = pa.table(
    {
        "forename": ["Zoë", "Ann", "", "UNKNOWN", "Featherstonehaugh"],
        " Surname ": ["Quill", "Quill", "Quill", "Price", "Featherstonehaugh"],
        "y": ["1957", "1957", "", "1957", "1957"],
        "m": ["1", "3", "2", "2", "4"],
        "d": ["1", "1", "31", "", "5"],
        "notes": ["é", None, "", "", ""],
    }
)


def made(table: pa.Table = TABLE, schema: LinkageSchema = SCHEMA) -> dict[str, Any]:
    cleaned = clean_table(table, schema, needed=(), today=TODAY)
    return profile(cleaned, schema, table, today=TODAY)


def column(values: list[str | None], kind: str, **more: Any) -> dict[str, Any]:
    """The profile of one column of one kind."""
    field: dict[str, Any] = made(
        pa.table({"c": pa.array(values, pa.string())}), schema_of(f={"kind": kind, "columns": ["c"], **more})
    )["fields"]["f"]
    return field


def test_a_profile_counts_by_field() -> None:
    """Filled, valid, missing, invalid, placeholders, rules, flags, distinct, most common, spikes."""
    assert made()["fields"] == {
        "forename": {
            "kind": "forename",
            "columns": ["forename"],
            "filled": 4,
            "valid": 3,
            "missing": 1,
            "invalid": 0,
            "placeholder": 1,
            "usable": 3,
            "non_ascii": 1,
            "rules": {},
            "flags": {"name.placeholder": 1},
            "distinct": 3,
            "most_common": [1, 1, 1],
            "common": {"values": 0, "records": 0},
        },
        "surname": {
            "kind": "surname",
            "columns": ["surname"],
            "filled": 5,
            "valid": 5,
            "missing": 0,
            "invalid": 0,
            "placeholder": 0,
            "usable": 5,
            "non_ascii": 0,
            "rules": {},
            "flags": {},
            "distinct": 3,
            "most_common": [3, 1, 1],
            "common": {"values": 0, "records": 0},
        },
        "dob": {
            "kind": "date",
            "columns": ["y", "m", "d"],
            "filled": 5,
            "valid": 4,
            "missing": 0,
            "invalid": 1,
            "placeholder": 0,
            "usable": 5,
            "non_ascii": 0,
            "rules": {"date.impossible": 1},
            "flags": {"date.partial": 2},
            "distinct": 5,
            "most_common": [1, 1, 1, 1, 1],
            "common": {"values": 0, "records": 0},
            "spikes": {"dates": 3, "january_first": 1, "month_first": 2},
        },
        "nino": {
            "kind": "nino",
            "columns": [],
            "filled": 0,
            "valid": 0,
            "missing": 5,
            "invalid": 0,
            "placeholder": 0,
            "usable": 0,
            "non_ascii": 0,
            "rules": {},
            "flags": {},
            "distinct": 0,
            "most_common": [],
            "common": {"values": 0, "records": 0},
            "number": {
                "shared_rows": 0,
                "shared_values": 0,
                "most": 0,
                "temporary": 0,
                "administrative": 0,
            },
        },
    }


def test_a_profile_counts_the_extract() -> None:
    found = {key: value for key, value in made().items() if key != "fields"}
    assert found == {
        "format": "pseudolink/profile/1",
        "schema": {"name": "test", "digest": SCHEMA.digest},
        "today": "2026-01-15",
        "rows": 5,
        "versions": 5,
        "columns_unread": 1,
        "empty": 0,
        "equal": {"rows": 0, "groups": 0, "most": 0},
    }


def test_characters_outside_ascii_are_counted_before_cleaning_folds_them() -> None:
    assert (
        column(["Zoë", "Zoe", "ZOË", None, "", "O’Hara", "\N{NO-BREAK SPACE}"], "forename")["non_ascii"] == 4
    )


def test_three_cells_of_a_date_are_one() -> None:
    table = pa.table({"y": ["１９５７", "1957"], "m": ["１", "1"], "d": ["1", "1"]})
    schema = schema_of(dob={"kind": "date", "parts": ["y", "m", "d"]})
    assert made(table, schema)["fields"]["dob"]["non_ascii"] == 1


@pytest.mark.parametrize(("people", "crowded"), [(CROWDED - 1, (0, 0)), (CROWDED, (1, CROWDED))])
def test_a_postcode_of_a_hundred_records_is_crowded(people: int, crowded: tuple[int, int]) -> None:
    found = column(["DH1 1AA"] * people + ["dh11ab"] * 3 + ["ZZ99 3VZ"] * 200, "postcode")
    assert found["crowded"] == {"least": CROWDED, "values": crowded[0], "rows": crowded[1]}
    assert found["most_common"] == [people, 3]
    assert found["placeholder"] == found["flags"]["postcode.pseudo"] == 200


def test_a_number_is_shared_whatever_its_suffix() -> None:
    """A NINO with and without its last letter is one number."""
    found = column(["AB123456C", "ab 12 34 56", "AB123456D", "CE123456A", "CE123456A", "AA000001A"], "nino")
    assert found["number"] == {
        "shared_rows": 5,
        "shared_values": 2,
        "most": 3,
        "temporary": 0,
        "administrative": 0,
    }


def test_temporary_and_administrative_numbers_are_counted_and_not_shared() -> None:
    found = column(["TN010180F", "TN010180F", "OO123456A", "OO123456A", "PZ123456", "AA000001A"], "nino")
    assert found["number"] == {
        "shared_rows": 0,
        "shared_values": 0,
        "most": 1,
        "temporary": 2,
        "administrative": 3,
    }


def test_a_kind_without_administrative_numbers_says_so() -> None:
    found = column(["9434765919", "9434765919"], "nhs")["number"]
    assert found == {
        "shared_rows": 2,
        "shared_values": 1,
        "most": 2,
        "temporary": None,
        "administrative": None,
    }


def test_records_that_are_equal_in_every_field_are_counted_and_empty_ones_apart() -> None:
    table = pa.table(
        {
            "forename": ["Ann", "ANN ", "Ann", "", "NK", "Bo", "Bo", "Ann"],
            "surname": ["Lee", "lee", "Lee", "", "", "", "", "Day"],
        }
    )
    found = made(table)
    assert found["equal"] == {"rows": 5, "groups": 2, "most": 3}
    assert found["empty"] == 2


def test_versions_of_a_record_are_not_counted_twice() -> None:
    """A hyphenated surname or an alias makes rows to encode, not people."""
    table = pa.table({"surname": ["Ray-Moss", "Ray-Moss", ""], "alias": ["", "Day", "Fox"]})
    schema = schema_of(surname={"kind": "surname", "columns": ["surname"], "also": ["alias"]})
    found = made(table, schema)
    assert (found["rows"], found["versions"], found["columns_unread"]) == (3, 8, 0)
    field = found["fields"]["surname"]
    assert (field["filled"], field["missing"], field["usable"]) == (2, 1, 3)
    assert field["most_common"] == [2, 1]
    assert found["equal"] == {"rows": 2, "groups": 1, "most": 2}


TEXT = st.sampled_from(
    [
        "",
        "Ann",
        "Zoë",
        "UNKNOWN",
        "12",
        "1957-01-01",
        "1900-01-01",
        "ZZ99 3VZ",
        "DH1 1AA",
        "AB123456C",
        "\ufffd",
    ]
)


@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=12))
def test_counts_of_any_extract_add_up(rows: list[tuple[str, str, str]]) -> None:
    """Filled is valid, invalid and placeholder together; with the missing it is every record."""
    schema = schema_of(
        a={"kind": "forename", "columns": ["a"]},
        b={"kind": "date", "columns": ["b"]},
        c={"kind": "nino", "columns": ["c"]},
    )
    names = ("a", "b", "c")
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    found = made(table, schema)
    for one in found["fields"].values():
        assert one["filled"] == one["valid"] + one["invalid"] + one["placeholder"]
        assert len(rows) == one["filled"] + one["missing"]
        assert one["distinct"] <= one["usable"]
        assert sum(one["most_common"]) <= one["usable"]
        assert one["most_common"] == sorted(one["most_common"], reverse=True)
    cleaned = clean_table(table, schema, needed=(), today=TODAY)
    records: Counter[tuple[str | None, ...]] = Counter(
        tuple(
            cleaned.fields[name].values[code] if (code := cleaned.fields[name].codes[row]) >= 0 else None
            for name in names
        )
        for row in range(len(rows))
    )
    assert found["empty"] == records.pop((None,) * 3, 0)
    assert found["equal"]["rows"] == sum(n for n in records.values() if n > 1)
    assert found["equal"]["groups"] == sum(n > 1 for n in records.values())


def test_a_profile_shows_no_value() -> None:
    """The most common value is a count."""
    text = json.dumps(made()).upper()
    for value in ("QUILL", "FEATHERSTONEHAUGH", "ZOE", "1957"):
        assert value not in text


# ---------------------------------------------------------------- values


def shown(table: pa.Table, schema: LinkageSchema) -> dict[str, FieldValues]:
    return values_of(clean_table(table, schema, needed=(), today=TODAY), schema, table, today=TODAY)


def test_values_are_those_that_the_profile_counts() -> None:
    """Common values, and the cells that each rule and flag was counted for, as they were written."""
    found = shown(TABLE, SCHEMA)
    assert found["surname"].common == (("QUILL", 3),)
    assert found["forename"].remarked == {"name.placeholder": (("UNKNOWN", 1),)}
    assert found["dob"].remarked == {
        "date.impossible": ((" / 2 / 31", 1),),
        "date.partial": ((" / 2 / 31", 1), ("1957 / 2 / ", 1)),
    }
    assert found["nino"] == FieldValues((), {})


def test_a_value_of_one_person_alone_is_not_shown_as_common() -> None:
    assert shown(TABLE, SCHEMA)["forename"].common == ()


def test_values_are_judged_by_the_declared_formats() -> None:
    table = pa.table({"c": ["03/25/1957", "25/03/1957", None]})
    schema = schema_of(f={"kind": "date", "columns": ["c"], "formats": ["%m/%d/%Y"]})
    assert shown(table, schema)["f"].remarked == {"date.impossible": (("25/03/1957", 1),)}


def test_values_do_not_print_by_accident() -> None:
    assert "QUILL" not in repr(shown(TABLE, SCHEMA))
