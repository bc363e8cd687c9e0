"""A sheet of a workbook gives what a CSV file of the same cells gives; what Excel lost is told, in counts."""

from __future__ import annotations

import csv
import datetime
import re
import shutil
import sys
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.clean.reader import open_extract, read_extract
from pseudolink.encode.extract import Encoded
from pseudolink.errors import (
    EmptyInputError,
    InputError,
    MissingDependencyError,
    UsageError,
    WorkbookError,
)
from pseudolink.keys.linkage import LinkageKey
from pseudolink.notices import ExtractWarning
from pseudolink.roles.encoding import Options, encode_table
from pseudolink.schema import parse_schema

openpyxl = pytest.importorskip("openpyxl", reason="needs: pip install 'pseudolink[excel]'")
SECRET = "Featherstonehaugh"
Rows = Sequence[Sequence[Any]]


def book(folder: Path, *sheets: Rows, name: str = "extract.xlsx", hidden: Sequence[int] = ()) -> Path:
    """A workbook with these sheets, called as people call theirs."""
    made = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = made.active if number == 0 else made.create_sheet()
        sheet.title = f"{SECRET} {number + 1}"
        for row in rows:
            sheet.append(list(row))
        if number in hidden:
            sheet.sheet_state = "hidden"
    if len(hidden) == len(sheets):
        made.create_sheet("nothing")
    path = folder / name
    made.save(path)
    return path


def formatted(path: Path, column: str, shown: str) -> Path:
    """The workbook with another number format in one column."""
    made = openpyxl.load_workbook(path)
    for cell in made.active[column][1:]:
        cell.number_format = shown
    made.save(path)
    return path


def altered(path: Path, old: str, new: str, part: str = "xl/worksheets/sheet1.xml") -> Path:
    """The workbook as another program might have written it."""
    other = path.with_name(f"altered-{path.name}")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for one in source.namelist():
            data = source.read(one)
            if one == part:
                assert old.encode() in data
                data = data.replace(old.encode(), new.encode())
            target.writestr(one, data)
    return other


def as_excel(path: Path) -> Path:
    """The workbook as Excel writes it: texts apart, one of them in two fonts."""
    other = path.with_name(f"excel-{path.name}")
    texts: list[str] = []

    def shared(found: re.Match[str]) -> str:
        texts.append(found[1])
        return f't="s"><v>{len(texts) - 1}</v>'

    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for one in source.namelist():
            data = source.read(one).decode()
            if one == "xl/worksheets/sheet1.xml":
                data = re.sub(r't="inlineStr"><is><t[^>]*>([^<]*)</t></is>', shared, data)
            elif one == "xl/_rels/workbook.xml.rels":
                link = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
                data = data.replace(
                    "</Relationships>",
                    f'<Relationship Id="rId99" Type="{link}" Target="sharedStrings.xml"/></Relationships>',
                )
            elif one == "[Content_Types].xml":
                kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
                data = data.replace(
                    "</Types>", f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
                )
            target.writestr(one, data)
        first, *rest = texts
        items = f"<si><r><t>{first[:2]}</t></r><r><rPr><b/></rPr><t>{first[2:]}</t></r></si>"
        items += "".join(f'<si><t xml:space="preserve">{one}</t></si>' for one in rest)
        space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        target.writestr("xl/sharedStrings.xml", f'<sst xmlns="{space}">{items}</sst>')
    return other


def told(path: Path) -> tuple[dict[str, list[str | None]], list[str]]:
    """What is read, and what is said of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = read_extract(path)
    assert all(one.category is ExtractWarning for one in caught)
    return table.to_pydict(), [str(one.message) for one in caught]


PEOPLE = [
    ("Zoë", "O’Brien", datetime.date(1957, 3, 2), "AB123456C", "SW1A 1AA", "F"),
    ("Olúwaṣeun", "Adébáyọ̀", datetime.datetime(1988, 12, 31), "AB 12 34 57 D", "m1 1ae", "M"),
    ("Llŷr", "ap Rhys-Williams", datetime.date(2004, 2, 29), None, "CF10 1EP", "M"),
    ("Ann", None, None, "rubbish", None, None),
]
HEADING = ("forename", "surname", "dob", "nino", "postcode", "sex")
DESIGN = parse_schema(
    {
        "format": "pseudolink/linkage-schema/1",
        "name": "test",
        "fields": {
            name: {"kind": {"dob": "date"}.get(name, name), "columns": [name], "optional": True}
            for name in HEADING
        },
        "passes": [
            {"name": "names", "on": ["forename", "surname", "dob"]},
            {"name": "number", "on": ["nino.stem"], "compare": ["surname"]},
            {"name": "place", "on": ["postcode", "sex", "dob.year"]},
            {"name": "born", "on": ["dob"]},
        ],
    }
)


def tokens(encoded: Encoded) -> dict[str, list[bytes]]:
    """By pass, in order."""
    return {
        name: sorted(one.tobytes() for one in columns.tokens[columns.present])
        for name, columns in encoded.encodings.passes.items()
    }


def test_a_sheet_gives_the_tokens_of_a_csv_file_of_the_same_cells(tmp_path: Path) -> None:
    """One council sends a workbook, the other a CSV file: their people must meet."""
    text = tmp_path / "extract.csv"
    with text.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(HEADING)
        for row in PEOPLE:
            writer.writerow(
                [c.strftime("%d/%m/%Y") if isinstance(c, datetime.date) else c or "" for c in row]
            )
    derive = LinkageKey.generate().derive
    made, options = book(tmp_path, [HEADING, *PEOPLE]), Options(enforce_floor=False)
    expected = tokens(encode_table(text, DESIGN, derive, "p", options=options)[0])
    assert sum(map(len, expected.values())) > 12
    for path in (made, as_excel(made)):
        assert tokens(encode_table(path, DESIGN, derive, "p", options=options)[0]) == expected


CELLS: dict[str, tuple[Any, str | None]] = {
    "text": ("007", "007"),
    "whole": (9434765919, "9434765919"),
    "whole, as a fraction": (1957.0, "1957"),
    "fraction": (0.1 + 0.2, "0.3"),
    "truth": (True, "true"),
    "day": (datetime.date(1957, 3, 2), "1957-03-02"),
    "midnight": (datetime.datetime(1957, 3, 2), "1957-03-02"),
    "moment": (datetime.datetime(1957, 3, 2, 10, 30), "1957-03-02 10:30:00"),
    "time": (datetime.time(10, 30), "10:30:00"),
    "negative": (-5, "-5"),
    "empty": (None, None),
    "decimal comma": ("1.234,50", "1.234,50"),
    "blanks": ("  a  b ", "  a  b "),
    "formula's look": ("x=1", "x=1"),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_becomes_the_text_that_it_stands_for(tmp_path: Path, name: str) -> None:
    value, expected = CELLS[name]
    assert told(book(tmp_path, [["id", "x"], ["a", value]])) == ({"id": ["a"], "x": [expected]}, [])


@given(
    rows=st.lists(
        st.lists(
            st.one_of(
                st.none(),
                st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1).filter(
                    lambda one: not one.startswith("=") and one.strip() and "_x" not in one
                ),
                st.integers(-(10**14), 10**14),
                st.dates(datetime.date(1900, 3, 1)),
            ),
            min_size=3,
            max_size=3,
        ).filter(lambda row: any(cell is not None for cell in row)),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_entered_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[Any]]) -> None:
    found, _ = told(book(tmp_path_factory.mktemp("book"), [["a", "b", "c"], *rows]))
    assert [list(row) for row in zip(*found.values(), strict=True)] == [
        [None if cell is None else str(cell) for cell in row] for row in rows
    ]


@pytest.mark.parametrize("shown", ["0000000000", "000 000 0000", "000-000-0000"])
def test_a_number_that_is_shown_with_zeros_in_front_has_them(tmp_path: Path, shown: str) -> None:
    path = formatted(book(tmp_path, [["uln"], [12345678], [1234567890]]), "A", shown)
    assert told(path) == ({"uln": ["0012345678", "1234567890"]}, [])


def test_the_calendar_of_old_macintoshes_gives_the_same_days(tmp_path: Path) -> None:
    path = book(tmp_path, [["dob"], [datetime.date(1957, 3, 2)]])
    made = openpyxl.load_workbook(path)
    made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    made.save(path)
    assert told(path)[0] == {"dob": ["1957-03-02"]}


# ---------------------------------------------------------------- what Excel lost


def test_zeros_that_were_lost_are_told_with_a_count_and_no_value(tmp_path: Path) -> None:
    numbers = [[f"{SECRET}{n}", 1000000000 + n] for n in range(20)] + [["x", 12345678], ["y", 123456789]]
    path = book(tmp_path, [["name", "uln"], *numbers])
    found, said = told(path)
    assert found["uln"][-1] == "123456789"
    assert len(said) == 1
    assert "column B: numbers with fewer figures than most of the column: 2;" in said[0]
    assert not re.search(rf"{SECRET}|12345678|100000", said[0])


def test_text_with_zeros_beside_numbers_without_is_told(tmp_path: Path) -> None:
    """Some cells were entered as text, the others lost their zeros."""
    path = book(tmp_path, [["id"], ["0012"], ["0013"], ["0014"], [15], [16]])
    assert "column A: numbers with fewer figures than most of the column: 2;" in told(path)[1][0]


@pytest.mark.parametrize(
    "numbers",
    [[1, 12, 7, 30, 101], [1957, 1988, 2004, 975], [900, 12_000, 9_999, 110_000, 75_000], [123456, 234567]],
    ids=["counts", "years", "money", "whole numbers"],
)
def test_numbers_that_are_nobodys_are_left_alone(tmp_path: Path, numbers: list[int]) -> None:
    assert told(book(tmp_path, [["n"], *([n] for n in numbers)]))[1] == []


def test_numbers_that_excel_has_rounded_are_refused_with_their_column(tmp_path: Path) -> None:
    """Two people whose numbers differ in the sixteenth figure would become one."""
    rows = [["name", "card"], [SECRET, 1234567890123456], ["b", 1234567890123457], ["c", 5]]
    with pytest.raises(
        WorkbookError, match=r"column B: whole numbers of more than 15 figures.*: 2"
    ) as caught:
        read_extract(book(tmp_path, rows))
    assert not re.search(f"{SECRET}|1234567", str(caught.value))


def test_errors_are_missing_and_counted(tmp_path: Path) -> None:
    """Else N/A would be a surname that many people share."""
    path = book(tmp_path, [["surname", "n"], ["#N/A", 1], ["#REF!", 2], ["Smith", 3]])
    found, said = told(path)
    assert found["surname"] == [None, None, "Smith"]
    assert "column A: cells that are errors (#N/A and others), taken as missing: 2" in said[0]


def test_merged_cells_are_told(tmp_path: Path) -> None:
    """A family's number merged over its members is the first one's alone."""
    path = book(tmp_path, [["family", "name"], ["F1", "a"], [None, "b"]])
    made = openpyxl.load_workbook(path)
    made.active.merge_cells("A2:A3")
    made.save(path)
    found, said = told(path)
    assert found["family"] == ["F1", None]
    assert "merged cells, all but the first cell missing: 1" in said[0]


def test_a_formula_that_nobody_calculated_is_refused(tmp_path: Path) -> None:
    """Its cell would be missing, and nobody would know."""
    path = book(tmp_path, [["a", "b"], ["x", "=A2"], ["y", "=A3"], ["z", "w"]])
    with pytest.raises(WorkbookError, match="formulas without a result: 2"):
        read_extract(path)


def test_the_stored_result_of_a_formula_is_read(tmp_path: Path) -> None:
    path = book(tmp_path, [["a", "b"], ["x", "=A2"], ["y", '=""']])
    path = altered(path, "<f>A2</f><v></v>", "<f>A2</f><v>42</v>")
    path = altered(path, '<c r="B3"><f>""</f><v></v>', '<c r="B3" t="str"><f>""</f><v></v>')
    assert told(path) == ({"a": ["x", "y"], "b": ["42", None]}, [])


# ---------------------------------------------------------------- which sheet, which rows


def test_the_only_visible_sheet_with_a_cell_is_read(tmp_path: Path) -> None:
    """Lists for choosing from are in hidden sheets; a new workbook of old had three."""
    path = book(tmp_path, [], [["a"], ["x"]], [["male"], ["female"]], hidden=[2])
    assert told(path)[0] == {"a": ["x"]}


def test_of_several_sheets_one_must_be_named(tmp_path: Path) -> None:
    """To take the first would leave out people whom nobody misses; a sheet's name may be a person's."""
    path = book(tmp_path, [["a"], ["x"]], [["a"], ["y"]])
    with pytest.raises(InputError, match="cells in 2 sheets: numbers 1, 2") as caught:
        read_extract(path)
    assert "--sheet" in str(caught.value.advice)
    assert SECRET not in f"{caught.value}{caught.value.advice}"
    for sheet, cell in (("1", "x"), ("2", "y"), (f"{SECRET} 2", "y")):
        assert read_extract(path, sheet=sheet).to_pydict() == {"a": [cell]}
    for sheet in ("3", "0", "other", SECRET):
        with pytest.raises(InputError, match="no sheet of that name, and 2 sheets"):
            read_extract(path, sheet=sheet)


def test_a_hidden_sheet_is_read_when_it_is_named(tmp_path: Path) -> None:
    path = book(tmp_path, [["a"], ["x"]], hidden=[0])
    with pytest.raises(EmptyInputError, match="no visible sheet"):
        read_extract(path)
    assert read_extract(path, sheet="1").to_pydict() == {"a": ["x"]}


def test_a_sheet_of_what_has_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\nb\n")
    with pytest.raises(UsageError):
        read_extract(tmp_path / "a.csv", sheet="1")
    with pytest.raises(UsageError):
        read_extract({"a": [1]}, sheet="1")


def test_empty_rows_and_columns_without_a_name_are_left_out(tmp_path: Path) -> None:
    rows = [[], ["a", None, "b"], ["x", "note", 1], [None, None, None], ["y", None, None, "beyond"], []]
    assert told(book(tmp_path, rows))[0] == {"a": ["x", "y"], "b": ["1", None]}


def test_rows_beyond_what_the_file_says_of_itself_are_read(tmp_path: Path) -> None:
    """Some programs write A1 as the extent of every sheet."""
    path = book(tmp_path, [["a", "b"], ["x", "y"], ["z", "w"]])
    assert told(altered(path, 'ref="A1:B3"', 'ref="A1"'))[0] == {"a": ["x", "z"], "b": ["y", "w"]}


def test_hidden_rows_are_read(tmp_path: Path) -> None:
    """A filter that somebody left on must not lose a family from a study."""
    path = book(tmp_path, [["a"], ["x"], ["y"]])
    made = openpyxl.load_workbook(path)
    made.active.row_dimensions[2].hidden = True
    made.active.column_dimensions["A"].hidden = True
    made.save(path)
    assert told(path)[0] == {"a": ["x", "y"]}


def test_more_rows_than_a_block_come_in_order_and_in_chunks(tmp_path: Path) -> None:
    made = openpyxl.Workbook(write_only=True)
    sheet = made.create_sheet()
    for n in range(20_501):
        sheet.append([f"r{n}" if n else "a"])
    made.save(tmp_path / "long.xlsx")
    opened = open_extract(tmp_path / "long.xlsx")
    assert (opened.rows, opened.again) == (20_500, True)
    parts = list(opened.chunks(7_000))
    assert [len(part) for part in parts] == [7_000, 7_000, 6_500]
    assert [x for p in parts for x in p["a"].to_pylist()] == [f"r{n}" for n in range(1, 20_501)]


@pytest.mark.parametrize("rows", [[], [["a", "b"]], [[None], [None]]], ids=["nothing", "heading", "blanks"])
def test_a_workbook_without_rows_is_refused(tmp_path: Path, rows: Rows) -> None:
    with pytest.raises(EmptyInputError):
        read_extract(book(tmp_path, rows))


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than once"):
        read_extract(book(tmp_path, [["DOB", "x", "dob "], [1, 2, 3]]))


# ---------------------------------------------------------------- what is no workbook


def test_without_openpyxl_the_refusal_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book(tmp_path, [["a"], ["x"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingDependencyError, match="openpyxl") as caught:
        read_extract(path)
    assert caught.value.code == "PL-DEP-01"
    assert "pip install 'pseudolink[excel]'" in str(caught.value.advice)


def test_other_archives_and_old_workbooks_are_refused_by_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as archive:
        archive.writestr("content.xml", SECRET)
    (tmp_path / "a.xls").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    (tmp_path / "b.xls").write_text("<table><tr><td>a</td></tr></table>")
    (tmp_path / "c.xlsx").write_text("a,b\n1,2\n")
    for name, said in (
        ("a.ods", "another kind of spreadsheet"),
        ("a.xls", "under a password"),
        ("b.xls", "though its name says so"),
        ("c.xlsx", "though its name says so"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            read_extract(tmp_path / name)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"])
def test_a_damaged_workbook_is_refused_without_a_cell(tmp_path: Path, part: str) -> None:
    path = as_excel(book(tmp_path, [["a"], [SECRET]]))
    other = tmp_path / "damaged.xlsx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for one in source.namelist():
            data = source.read(one)
            target.writestr(one, data[: len(data) // 2] if one == part else data)
    with pytest.raises(InputError, match="damaged") as caught:
        read_extract(other)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError):
        read_extract(cut)


def test_a_workbook_with_macros_is_read_as_any_other(tmp_path: Path) -> None:
    path = book(tmp_path, [["a"], ["x"]])
    shutil.copy(path, tmp_path / "a.xlsm")
    assert told(tmp_path / "a.xlsm")[0] == {"a": ["x"]}
