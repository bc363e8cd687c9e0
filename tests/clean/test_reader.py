"""Extracts are read whole and as text, or refused with the place and without a cell."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.clean.columns import text_of
from pseudolink.clean.reader import read_extract
from pseudolink.errors import EmptyInputError, EncodingOfTextError, InputError, UsageError

SECRET = "Featherstonehaugh"


def saved(folder: Path, content: bytes, name: str = "extract.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "pipe"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_common_csv_files_are_read_alike(tmp_path: Path, delimiter: str, end: str, mark: bytes) -> None:
    """Delimiter, line end and byte-order mark make no difference."""
    rows = [["forename", " DOB "], ["Zoë", "02/03/1957"], ["Ann", ""]]
    path = saved(tmp_path, mark + "".join(delimiter.join(row) + end for row in rows).encode())
    table = read_extract(path)
    assert table.to_pydict() == {"forename": ["Zoë", "Ann"], "DOB": ["02/03/1957", ""]}


def test_a_number_stays_as_it_is_written(tmp_path: Path) -> None:
    """Leading zeros, points and dates are text."""
    table = read_extract(saved(tmp_path, b"a,b,c\n007,1.0,2020-01-01\n"))
    assert table.to_pydict() == {"a": ["007"], "b": ["1.0"], "c": ["2020-01-01"]}


def test_quoted_delimiters_quotes_and_line_breaks_are_part_of_the_cell(tmp_path: Path) -> None:
    """As RFC 4180 has it."""
    table = read_extract(saved(tmp_path, b'a,b\n"x, y","two\nlines"\n"say ""no""",z\n'))
    assert table.to_pydict() == {"a": ["x, y", 'say "no"'], "b": ["two\nlines", "z"]}


def test_a_delimiter_inside_names_does_not_mislead(tmp_path: Path) -> None:
    """The delimiter is the one that gives every row as many columns."""
    table = read_extract(saved(tmp_path, b"name, first;born\nA, B;1957\nC;1958\n"))
    assert table.column_names == ["name, first", "born"]


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "^"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("cell", ["1,50", '"two\nlines"'], ids=["compiled", "row by row"])
def test_the_line_that_tells_excel_the_delimiter_is_no_row(
    tmp_path: Path, delimiter: str, mark: bytes, cell: str
) -> None:
    """Some programs write it at the head of what they call CSV for Excel."""
    quoted = f'"{cell}"' if delimiter == "," and not cell.startswith('"') else cell
    text = f"sep={delimiter}\r\nname{delimiter}sum\r\nAnn{delimiter}{quoted}\r\nZoë{delimiter}\r\n"
    table = read_extract(saved(tmp_path, mark + text.encode()))
    assert table.to_pydict() == {"name": ["Ann", "Zoë"], "sum": [cell.strip('"'), ""]}


def test_decimal_commas_stay_as_they_are_written(tmp_path: Path) -> None:
    """A semicolon file from a spreadsheet whose decimal sign is a comma, however many commas it has."""
    rows = ["name;wage;share;born", "Ann;1.234,50;0,5;02.03.1957", "Zoë;7,25;1,0;", ";;;", "A,B;0,1;0,2;1957"]
    for end in ("\n", "\r\n"):
        table = read_extract(saved(tmp_path, end.join(rows).encode()))
        assert table.to_pydict() == {
            "name": ["Ann", "Zoë", "", "A,B"],
            "wage": ["1.234,50", "7,25", "", "0,1"],
            "share": ["0,5", "1,0", "", "0,2"],
            "born": ["02.03.1957", "", "", "1957"],
        }


def test_a_file_of_that_line_alone_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EmptyInputError):
        read_extract(saved(tmp_path, b"sep=;\r\n"))


def test_lines_are_counted_with_the_one_that_tells_the_delimiter(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 4"):
        read_extract(saved(tmp_path, b"sep=;\na;b\n1;2\n3\n"))


def test_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    """A list of numbers is a table of one column."""
    assert read_extract(saved(tmp_path, b"nino\nAB123456C\n")).to_pydict() == {"nino": ["AB123456C"]}


def test_a_declared_delimiter_is_used(tmp_path: Path) -> None:
    """Any one character can be declared."""
    table = read_extract(saved(tmp_path, b"a~b,c\n1~2\n"), delimiter="~")
    assert table.to_pydict() == {"a": ["1"], "b,c": ["2"]}


def test_windows_1252_is_read_when_it_is_declared(tmp_path: Path) -> None:
    """The usual encoding of an older export."""
    path = saved(tmp_path, "surname\nO’Brien\nNuñez\n".encode("windows-1252"))
    assert read_extract(path, encoding="windows-1252").to_pydict() == {"surname": ["O’Brien", "Nuñez"]}


def test_utf_16_is_read_when_it_is_declared(tmp_path: Path) -> None:
    """What a spreadsheet calls Unicode text."""
    path = saved(tmp_path, "surname\tdob\nNuñez\t1957\n".encode("utf-16"))
    assert read_extract(path, encoding="utf-16").to_pydict() == {"surname": ["Nuñez"], "dob": ["1957"]}


def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path: Path) -> None:
    """The message names the first line, counts the rest and says what to try."""
    content = b"surname\nSmith\n" + f"{SECRET}-Nu\xf1ez\n".encode("latin-1") * 3
    with pytest.raises(EncodingOfTextError, match=r"first in line 3 \(3 lines in all\)") as caught:
        read_extract(saved(tmp_path, content))
    assert "windows-1252" in str(caught.value.advice)
    assert SECRET not in str(caught.value)


def test_a_late_bad_byte_is_found(tmp_path: Path) -> None:
    """The whole file is checked, not a sample."""
    content = b"surname\n" + b"Smith\n" * 100_000 + b"Nu\xf1ez\n"
    with pytest.raises(EncodingOfTextError, match="line 100002"):
        read_extract(saved(tmp_path, content))


def test_a_file_of_another_encoding_than_declared_is_refused(tmp_path: Path) -> None:
    """The mark of UTF-8 cannot begin a Windows-1252 file; zero bytes are not UTF-8 text."""
    with pytest.raises(EncodingOfTextError):
        read_extract(saved(tmp_path, b"\xef\xbb\xbfa\nb\n"), encoding="windows-1252")
    with pytest.raises(EncodingOfTextError):
        read_extract(saved(tmp_path, "a\nb\n".encode("utf-16-le")))
    with pytest.raises(UsageError):
        read_extract(saved(tmp_path, b"a\nb\n"), encoding="no-such-code")


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"forename,dob\n", b"\xef\xbb\xbf", b"\xef\xbb\xbfa,b\r\n\r\n"]
)
def test_a_file_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, a mark alone, or a header alone."""
    with pytest.raises(EmptyInputError):
        read_extract(saved(tmp_path, content))


def test_ragged_rows_are_refused_with_their_lines(tmp_path: Path) -> None:
    """Lines are those of the file: blank lines and line breaks in quotes count."""
    content = f'a,b\n1,2\n\n"x\ny",2\n{SECRET}\n1,2,{SECRET}\n'.encode()
    with pytest.raises(
        InputError, match="2 rows do not have the 2 columns of the header: lines 6, 7"
    ) as caught:
        read_extract(saved(tmp_path, content))
    assert SECRET not in str(caught.value)


def test_many_ragged_rows_are_counted(tmp_path: Path) -> None:
    """The list of lines ends; the count does not."""
    with pytest.raises(InputError, match=r"1000 rows .* and 980 more"):
        read_extract(saved(tmp_path, b"a,b\n" + b"1\n" * 1000), delimiter=",")


@pytest.mark.parametrize("cell", [f'"{SECRET}', f'"{SECRET}"x', f'"{SECRET}\n\n\n'])
def test_a_broken_quote_is_refused_with_its_line(tmp_path: Path, cell: str) -> None:
    """The rest of the file is not swallowed into one cell."""
    with pytest.raises(InputError, match="begins in line 3 ") as caught:
        read_extract(saved(tmp_path, f"a,b\n1,2\n3,{cell},4\n".encode()), delimiter=",")
    assert SECRET not in str(caught.value)


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """Whichever were taken, the other could be meant; case and blanks do not tell them apart."""
    with pytest.raises(InputError, match="more than once: dob"):
        read_extract(saved(tmp_path, b"DOB,name,dob \n1,2,3\n"))
    with pytest.raises(InputError, match="more than once: dob"):
        read_extract(pd.DataFrame([[1, 2]], columns=["dob", "dob"]))


def test_a_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    """A trailing delimiter on every line, or the index of a data frame."""
    assert read_extract(saved(tmp_path, b",a,\n0,x,\n")).to_pydict() == {"a": ["x"]}


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04rest", b"\x1f\x8brest", b"PAR1rest", b"\xd0\xcf\x11\xe0rest"]
)
def test_another_kind_of_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    """A spreadsheet, an archive or a damaged Parquet file is not read as CSV."""
    with pytest.raises(InputError):
        read_extract(saved(tmp_path, content))


def test_what_is_no_file_or_no_table_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder, a text with the name of Parquet, a list, a wrong delimiter."""
    for source in (tmp_path / "no.csv", tmp_path, saved(tmp_path, b"a\nb\n", "x.parquet"), [1, 2]):
        with pytest.raises(InputError):
            read_extract(source)
    with pytest.raises(UsageError):
        read_extract(saved(tmp_path, b"a\nb\n"), delimiter="::")


COLUMNS: dict[str, tuple[pa.Array, list[str | None]]] = {
    "text": (pa.array(["007", None]), ["007", None]),
    "integer": (pa.array([9434765919, None]), ["9434765919", None]),
    "float": (pa.array([1957.0, None]), ["1957", None]),
    "large float": (pa.array([9434765919.0, float("nan")]), ["9434765919", None]),
    "single float": (pa.array([0.5, 12.0], pa.float32()), ["0.5", "12"]),
    "decimal": (pa.array([decimal.Decimal("12.00"), decimal.Decimal("1.50")]), ["12", "1.50"]),
    "truth": (pa.array([True, None]), ["true", None]),
    "date": (pa.array([datetime.date(1957, 3, 2), None]), ["1957-03-02", None]),
    "category": (pa.array(["x", None]).dictionary_encode(), ["x", None]),
    "number category": (pa.array([3.0, None]).dictionary_encode(), ["3", None]),
    "null": (pa.nulls(2), [None, None]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_parquet_columns_become_text(tmp_path: Path, name: str) -> None:
    """Whole numbers without a point, days as ISO dates, categories as what they name."""
    column, expected = COLUMNS[name]
    path = tmp_path / "extract.parquet"
    pq.write_table(pa.table({"x": column}), path)
    table = read_extract(path)
    assert table.schema.field("x").type == pa.large_string()
    assert table.column("x").to_pylist() == expected


def test_nested_columns_are_refused_by_name() -> None:
    """A list in a cell has no text."""
    table = pa.table({"good": [1], "tags": [["a"]], "pair": [{"a": 1}]})
    with pytest.raises(InputError, match=r"tags \(.*\), pair \("):
        read_extract(table)


def test_a_data_frame_becomes_text() -> None:
    """Numbers with empty cells, timestamps, categories, mixed objects, nullable types."""
    frame = pd.DataFrame(
        {
            "year": [1957.0, float("nan")],
            "born": pd.to_datetime(["1957-03-02", None]),
            "sex": pd.Categorical(["M", None]),
            "mixed": pd.Series([1957.0, "x"], dtype=object),
            "things": pd.Series([datetime.date(1957, 3, 2), None], dtype=object),
            "nullable": pd.array([3, None], dtype="Int64"),
            "name": ["Zoë", None],
        }
    )
    frame.index = pd.Index(["b", "a"])
    table = read_extract(frame).to_pydict()
    assert table["year"] == ["1957", None]
    assert table["born"][0].startswith("1957-03-02 00:00:00")
    assert table["born"][1] is None
    assert table["sex"] == ["M", None]
    assert table["mixed"] == ["1957", "x"]
    assert table["things"] == ["1957-03-02", None]
    assert table["nullable"] == ["3", None]
    assert table["name"] == ["Zoë", None]


def test_anything_that_streams_arrow_is_read() -> None:
    """The Arrow PyCapsule protocol, whatever class speaks it."""

    class Stream:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return pa.table({"nino": ["AB123456C"]}).__arrow_c_stream__(requested_schema)

    assert read_extract(Stream()).to_pydict() == {"nino": ["AB123456C"]}


def test_a_table_without_rows_is_refused() -> None:
    """In memory as on disk."""
    for source in (pa.table({"a": pa.array([], pa.string())}), pd.DataFrame({"a": []})):
        with pytest.raises(EmptyInputError):
            read_extract(source)


@given(
    st.one_of(st.none(), st.floats(), st.integers(), st.decimals(), st.booleans(), st.datetimes(), st.text())
)
def test_any_cell_of_mixed_objects_has_a_text(value: object) -> None:
    """No value of a mixed column raises, and no whole number ends in a point and zeros."""
    text = text_of(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        assert text == str(int(value))
    assert text is None or isinstance(text, str)


@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_cell_that_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    """With every cell in quotes, any text comes back as it was."""
    content = "".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in [["a", "b"], *rows]
    )
    path = saved(tmp_path_factory.mktemp("csv"), content.encode())
    table = read_extract(path, delimiter=",").to_pydict()
    assert [list(row) for row in zip(table["a"], table["b"], strict=True)] == rows
