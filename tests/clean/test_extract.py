"""A table becomes fields: columns found, cells judged, faults counted or refused."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.clean.extract import clean_table
from pseudolink.errors import (
    EmptyInputError,
    FieldRuleError,
    InputError,
    MissingColumnsError,
    SchemaError,
    UnusableFieldError,
)
from pseudolink.formats.cleaned import Cleaned
from pseudolink.schema import LinkageSchema, parse_schema

TODAY = datetime.date(2026, 1, 15)
SECRET = "Featherstonehaugh"


def schema(**fields: dict[str, Any]) -> LinkageSchema:
    first = next(iter(fields))
    on = f"{first}.stem" if fields[first]["kind"] == "nino" else first
    return parse_schema(
        {
            "format": "pseudolink/linkage-schema/1",
            "name": "test",
            "fields": fields,
            "passes": [{"name": "only", "on": [on]}],
        }
    )


SURNAME = {"kind": "surname", "columns": ["surname", "last_name"]}
NINO = {"kind": "nino", "columns": ["nino"]}
DOB = {"kind": "date", "columns": ["dob"]}
PARTS = {"kind": "date", "parts": ["y", "m", "d"]}


def values(cleaned: Cleaned, field: str) -> list[str | None]:
    column = cleaned.fields[field]
    return [None if code < 0 else column.values[code] for code in column.codes]


def test_each_field_has_sorted_values_and_a_code_a_row() -> None:
    """The same name in two spellings is one value; a missing cell has code -1."""
    table = pa.table({"surname": ["Zoë", "ADAM", None, "zoe", "", "-"]})
    cleaned = clean_table(table, schema(surname=SURNAME))
    column = cleaned.fields["surname"]
    assert column.values == ("ADAM", "ZOE")
    assert column.codes.dtype == np.int32
    assert column.codes.tolist() == [1, 0, -1, 1, -1, -1]
    assert cleaned.rows == 6
    assert cleaned.source.tolist() == [0, 1, 2, 3, 4, 5]


def test_counts_add_up() -> None:
    """Filled cells are valid, broken or placeholders; flags are counted apart."""
    table = pa.table(
        {"nino": ["AB123456C", "AB123456C", "QQ123456C", "TN020357F", "", None, "OO123456A", "rubbish"]}
    )
    count = clean_table(table, schema(nino=NINO)).counts["nino"]
    assert (count.filled, count.valid) == (6, 2)
    assert count.rules == {"nino.administrative": 1, "nino.format": 1, "nino.prefix": 1}
    assert count.flags == {"nino.temporary": 1}


def test_the_first_alias_that_is_there_wins() -> None:
    """In the order of the schema, not of the file; case and blanks do not count."""
    table = pa.table({"last_name": ["B"], " SURNAME ": ["A"]})
    assert values(clean_table(table, schema(surname=SURNAME)), "surname") == ["A"]


def test_every_missing_column_is_listed_with_what_was_looked_for() -> None:
    """One correction is enough."""
    both = schema(surname=SURNAME, nino=NINO, dob=PARTS)
    with pytest.raises(MissingColumnsError) as caught:
        clean_table(pa.table({"First Name": [SECRET], "y": ["1957"]}), both, source="a.csv")
    message = str(caught.value)
    assert [p.place for p in caught.value.problems] == ["field 'surname'", "field 'nino'", "field 'dob'"]
    assert "surname, last_name" in message
    assert "y, m, d" in message
    assert "a.csv" in message
    assert "First Name, y" in str(caught.value.advice)
    assert SECRET not in message + str(caught.value.advice)


def test_a_field_that_is_optional_or_not_needed_may_be_absent() -> None:
    """Its column is then all missing."""
    table = pa.table({"surname": ["A", "B"]})
    for design, needed in [
        (schema(surname=SURNAME, nino={**NINO, "optional": True}), None),
        (schema(surname=SURNAME, nino=NINO), ["surname"]),
    ]:
        cleaned = clean_table(table, design, needed=needed)
        assert list(cleaned.fields) == ["surname", "nino"]
        assert cleaned.fields["nino"].values == ()
        assert cleaned.fields["nino"].codes.tolist() == [-1, -1]
        assert cleaned.counts["nino"].filled == 0


def test_some_of_three_parts_without_the_others_are_refused() -> None:
    """Even of an optional field: a misspelt column would otherwise pass unseen."""
    design = schema(surname=SURNAME, dob={**PARTS, "optional": True})
    with pytest.raises(MissingColumnsError):
        clean_table(pa.table({"surname": ["A"], "y": ["1957"], "m": ["1"]}), design)


def test_a_date_in_parts_keeps_what_is_known() -> None:
    """Parts in any column order, numbers with points, an impossible day kept and counted."""
    table = pa.table(
        {
            "d": ["2.0", "", "31", "1", None],
            "m": ["Mar", "12", "2", "13", None],
            "y": ["1957", "1957", "1957", "1957", None],
        }
    )
    cleaned = clean_table(table, schema(dob=PARTS), today=TODAY)
    assert values(cleaned, "dob") == ["1957-03-02", "1957-12-XX", "1957-02-31", "1957-XX-01", None]
    count = cleaned.counts["dob"]
    assert (count.filled, count.valid) == (4, 2)
    assert count.rules == {"date.impossible": 1, "date.month": 1}
    assert count.flags == {"date.partial": 2}


@given(
    st.lists(
        st.tuples(*[st.sampled_from(["", "1", "2", "1957", "1958", "13", "Dec", "x"])] * 3),
        min_size=1,
        max_size=30,
    )
)
def test_parts_are_judged_row_by_row(rows: list[tuple[str, str, str]]) -> None:
    """Numbering the distinct triples never mixes two rows."""
    from pseudolink.clean.date import clean_parts

    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate("ymd")})
    cleaned = clean_table(table, schema(dob=PARTS), today=TODAY, needed=[])
    assert values(cleaned, "dob") == [clean_parts(*row, today=TODAY) for row in rows]


def test_declared_formats_are_used() -> None:
    """And only they make a month come first."""
    table = pa.table({"dob": ["03/25/1957"]})
    declared = schema(dob={**DOB, "formats": ["%m/%d/%Y"]})
    assert values(clean_table(table, declared, today=TODAY), "dob") == ["1957-03-25"]


def test_formats_that_cannot_be_read_are_all_refused_before_a_cell_is_read() -> None:
    """Each with its place in the schema."""
    formats = ["%d/%m/%y", "%d/%m/%Y", "%Y", "%Q", "%d %d %m %Y"]
    with pytest.raises(SchemaError) as caught:
        clean_table(pa.table({"dob": ["1957-03-02"]}), schema(dob={**DOB, "formats": formats}))
    assert [p.place for p in caught.value.problems] == [f"fields.dob.formats[{i}]" for i in (0, 2, 3, 4)]


def test_the_future_begins_after_the_day_that_is_given() -> None:
    """The judgement does not depend on the clock when a day is given."""
    table = pa.table({"dob": ["2020-05-05", "2001-01-01"]})
    cleaned = clean_table(table, schema(dob=DOB), today=datetime.date(2020, 5, 4))
    assert values(cleaned, "dob") == [None, "2001-01-01"]
    assert cleaned.counts["dob"].rules == {"date.future": 1}


def test_strict_refuses_with_rows_and_rules_and_without_values() -> None:
    """Rows count from 1, in order, across fields."""
    table = pa.table(
        {"nino": ["AB123456C", f"{SECRET}1", "QQ123456A"], "dob": ["31/02/1957", "1957-01-02", "NK"]}
    )
    with pytest.raises(FieldRuleError) as caught:
        clean_table(table, schema(nino=NINO, dob=DOB), strict=True, today=TODAY)
    assert caught.value.problems == (
        ("row 1, field 'dob'", "breaks date.impossible"),
        ("row 2, field 'nino'", "breaks nino.format"),
        ("row 3, field 'nino'", "breaks nino.prefix"),
    )
    assert SECRET not in str(caught.value)


def test_strict_lists_fifty_cells_and_counts_the_rest() -> None:
    """A file of another kind does not fill the screen."""
    table = pa.table({"nino": ["QQ123456A"] * 120 + ["AB123456C"], "dob": ["1957-02-30"] * 121})
    with pytest.raises(FieldRuleError) as caught:
        clean_table(table, schema(nino=NINO, dob=DOB), strict=True, today=TODAY)
    assert len(caught.value.problems) == 51
    assert caught.value.problems[49].place == "row 25, field 'dob'"
    assert caught.value.problems[50].message == "and 191 more"


def test_strict_accepts_flags() -> None:
    """A placeholder is not a broken rule."""
    table = pa.table({"surname": ["UNKNOWN", "Smith", ""]})
    assert clean_table(table, schema(surname=SURNAME), strict=True).counts["surname"].valid == 1


def test_a_needed_field_without_one_usable_value_is_refused() -> None:
    """The likely cause is a wrong column or a date format; every such field is named."""
    table = pa.table({"nino": [f"{SECRET}"] * 2, "dob": ["02/03/57"] * 2, "surname": ["", ""]})
    design = schema(surname=SURNAME, nino=NINO, dob=DOB)
    with pytest.raises(UnusableFieldError) as caught:
        clean_table(table, design, today=TODAY)
    assert [p.place for p in caught.value.problems] == ["field 'nino'", "field 'dob'"]
    assert "date.century (2)" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert clean_table(table, design, today=TODAY, needed=["surname"]).rows == 2


def test_an_empty_table_and_doubled_columns_are_refused() -> None:
    """Tables that did not come through the reader are held to the same."""
    with pytest.raises(EmptyInputError):
        clean_table(pa.table({"surname": pa.array([], pa.string())}), schema(surname=SURNAME))
    with pytest.raises(InputError, match="surname"):
        clean_table(pa.table([["A"], ["B"]], names=["surname", "Surname "]), schema(surname=SURNAME))


def test_taken_rows_keep_their_values_and_their_place_in_the_extract() -> None:
    """What a role shuffles or leaves out stays traceable to its row."""
    cleaned = clean_table(pa.table({"surname": ["A", "B", "C"]}), schema(surname=SURNAME))
    taken = cleaned.take(np.array([2, 0], dtype=np.int64))
    assert values(taken, "surname") == ["C", "A"]
    assert taken.source.tolist() == [2, 0]
    assert taken.counts == cleaned.counts


def test_chunked_columns_give_the_same_as_whole_ones() -> None:
    """A large file comes in many chunks."""
    cells = ["B", "A", None, "C", "A"]
    whole = pa.table({"surname": cells})
    chunked = pa.table({"surname": pa.chunked_array([cells[:2], cells[2:3], cells[3:]], pa.string())})
    left, right = (clean_table(table, schema(surname=SURNAME)) for table in (whole, chunked))
    assert values(left, "surname") == values(right, "surname") == cells
