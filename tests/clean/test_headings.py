"""Wrong names of columns are answered with the line that helps; what may be somebody's cell is not told."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.clean.extract import clean_table
from pseudolink.clean.headings import COMMON, expected_columns, letters, plainly_a_heading
from pseudolink.clean.reader import open_extract, read_extract
from pseudolink.errors import InputError, MissingColumnsError
from pseudolink.roles.payload import columns_by_name
from pseudolink.schema import load_schema
from pseudolink.synthetic.population import generate

DESIGN = load_schema(Path(__file__).parents[2] / "examples" / "schemas" / "uk-programme.toml")
COUNCIL = generate(600, 11).extracts["council"].fillna("")
NAMES = sorted({*COUNCIL["forename"], *COUNCIL["surname"]} - {""})


def refused(names: Sequence[str]) -> MissingColumnsError:
    with pytest.raises(MissingColumnsError) as caught:
        clean_table(pa.table({name: ["x"] for name in names}), DESIGN, source="a.csv")
    return caught.value


def everything(error: InputError) -> str:
    return f"{error} {error.advice} {error.diagnostics()}"


def test_what_was_found_what_was_expected_and_the_line_to_add_are_told() -> None:
    error = refused(["First Name", "Family Name", "Birth Date", "PostCode", "NI Number", "UPN", "Ward"])
    said = str(error)
    assert (
        "field 'forename': needs a column, one of forename, first_name, given_name; perhaps 'First Name'"
        in said
    )
    assert "field 'dob': needs a column, one of dob, date_of_birth; perhaps 'Birth Date'" in said
    advice = str(error.advice)
    assert (
        "Columns that are there: First Name, Family Name, Birth Date, PostCode, NI Number, UPN, Ward."
        in advice
    )
    lines = "\n".join(line for line in advice.splitlines() if line.startswith("    "))
    added = tomllib.loads(lines)["fields"]
    assert added == {
        "forename": {"columns": ["forename", "first_name", "given_name", "First Name"]},
        "surname": {"columns": ["surname", "last_name", "family_name", "Family Name"]},
        "dob": {"columns": ["dob", "date_of_birth", "Birth Date"]},
        "nino": {"columns": ["nino", "ni_number", "national_insurance_number", "NI Number"]},
    }


def test_the_lines_that_are_told_make_the_schema_fit(tmp_path: Path) -> None:
    """Copied into the schema file in place of its own, they are all that is needed."""
    names = ["Christian name", 'Sur"name', "D.O.B.", "Post code", "N.I. number", "U.P.N."]
    advice = str(refused(names).advice)
    told = tomllib.loads("\n".join(line for line in advice.splitlines() if line.startswith("    ")))["fields"]
    assert set(told) == set(DESIGN.fields)
    text = (Path(__file__).parents[2] / "examples" / "schemas" / "uk-programme.toml").read_text()
    for line in advice.splitlines():
        if line.startswith("    [fields."):
            head = line.strip()
        elif line.startswith("    columns"):
            begin = text.index("columns = ", text.index(head))
            text = text[:begin] + line.strip() + text[text.index("\n", begin) :]
    (tmp_path / "schema.toml").write_text(text)
    table = pa.table({name: ["Lee"] for name in names})
    assert clean_table(table, load_schema(tmp_path / "schema.toml"), needed=()).rows == 1
    clean_table(table, load_schema(tmp_path / "schema.toml"), needed=["surname"])


def test_each_name_is_suggested_once() -> None:
    said = str(refused(["Name", "gender"]))
    assert said.count("perhaps 'Name'") == 1


def test_a_name_like_nothing_is_not_suggested() -> None:
    assert "perhaps" not in str(refused(["gender", "Ward", "School"]))


def test_a_file_without_a_heading_shows_nobody(tmp_path: Path) -> None:
    """The first row of people would be in a message, a log, a ticket."""
    for row in COUNCIL.head(200).itertuples(index=False):
        cells = [str(cell) for cell in row if str(cell)]
        path = tmp_path / "extract.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([row, row])
        try:
            error: InputError = refused(open_extract(path).columns)
        except InputError as other:  # two cells of the row are alike
            error = other
        said = everything(error)
        assert [cell for cell in cells if len(cell) > 2 and cell in said] == []


@pytest.mark.parametrize(
    "row",
    [
        ["Ann", "Smith", "Leeds"],
        ["Forman", "Nino", "Day"],
        ["Ann", "Smith", "2 September 1957"],
        ["Gender", "Smith", "SW1A 1AA"],
        ["Surname", "Smith", "1957-03-02"],
        ["Surname", "FSP_2021_0012"],
        ["Surname", "ann@example.org"],
        ["0", "1", "2"],
    ],
)
def test_a_row_that_may_be_cells_is_not_told(row: list[str]) -> None:
    """Nor when a name in it is by chance, or by a slip in the middle of a file, that of a column."""
    if row[1:2] == ["Nino"]:
        row[1] = "Nina"
    said = everything(refused(row))
    expected = " ".join(expected_columns(DESIGN)).casefold()
    assert [cell for cell in row if len(cell) > 1 and cell.casefold() not in expected and cell in said] == []
    assert f"There are {len(row)} columns" in said


def test_columns_of_one_name_are_told_by_number_where_they_may_be_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Morgan,Morgan,1957-03-02\nAnn,Lee,1957-03-02\n")
    with pytest.raises(InputError, match="more than once: in columns 1, 2") as caught:
        read_extract(tmp_path / "a.csv")
    assert "morgan" not in everything(caught.value).casefold()


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6))
def test_names_of_people_are_no_heading(row: list[str]) -> None:
    assert not plainly_a_heading(row, expected_columns(DESIGN))


def test_common_names_of_columns_are_written_as_they_are_compared() -> None:
    every = [name for names in COMMON.values() for name in names]
    assert [name for name in every if letters(name) != name] == []
    assert len(every) == len(set(every))


def test_columns_that_an_option_names_are_told_alike() -> None:
    with pytest.raises(MissingColumnsError) as caught:
        columns_by_name(["Person ID", "surname"], ["person_id"], source="a.csv")
    assert "perhaps 'Person ID'" in str(caught.value)
    assert "Columns that are there: Person ID, surname." in str(caught.value.advice)
    with pytest.raises(MissingColumnsError) as caught:
        columns_by_name(["surname", "forename"], ["id"], source="a.csv")
    assert "perhaps" not in str(caught.value)
    with pytest.raises(MissingColumnsError) as caught:
        columns_by_name(["Ann", "Lee"], ["person_id"], source="a.csv")
    assert "Ann" not in everything(caught.value)
