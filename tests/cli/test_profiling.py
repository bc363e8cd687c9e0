"""``pseudolink profile``: counts for everyone, values on a terminal alone, and a floor that is told truly."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudolink.clean.profile import FieldValues
from pseudolink.cli import profiling
from pseudolink.cli.main import cli
from pseudolink.roles import custodian
from pseudolink.roles.encoding import Options, encode_table
from pseudolink.schema import LinkageSchema, load_schema, parse_schema

FIELDS = """
format = "pseudolink/linkage-schema/1"
name = "small"
[fields.forename]
kind = "forename"
columns = ["forename"]
[fields.surname]
kind = "surname"
columns = ["surname"]
[fields.dob]
kind = "date"
columns = ["dob"]
[fields.postcode]
kind = "postcode"
columns = ["postcode"]
[fields.nino]
kind = "nino"
columns = ["nino"]
"""
PASSES = """
[[passes]]
name = "number"
on = ["nino.stem"]
compare = ["surname"]
[[passes]]
name = "names"
on = ["names.sorted_soundex", "dob.year"]
[[passes]]
name = "day"
on = ["surname", "dob.month_day"]
[floor]
company = 0.5
component = 2
"""
EXTRACT = """forename,surname,dob,postcode,nino
Zoë,Quillfeather,1957-01-01,DH1 1AA,AB123456C
Ann,Quillfeather,1957-01-01,DH1 1AA,TN010157F
UNKNOWN,Price,31/02/1980,ZZ99 3VZ,
Bea,Price,1981-05-06,nowhere,OO123456A
"""
VALUES = (
    "Quillfeather",
    "Zo",
    "1957",
    "DH1 1AA",
    "AB123456",
    "TN010157F",
    "nowhere",
    "31/02/1980",
    "OO123456",
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    extract, schema = tmp_path / "extract.csv", tmp_path / "schema.toml"
    extract.write_text(EXTRACT, encoding="utf-8")
    schema.write_text(FIELDS + PASSES, encoding="utf-8")
    return extract, schema


def run(*args: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["profile", *(str(arg) for arg in args)])
    assert code == result.exit_code, result.output
    return result


def no_value_in(text: str) -> None:
    assert [value for value in VALUES if value.upper() in text.upper()] == []


def test_the_text_tells_what_stands_out_and_no_value(files: tuple[Path, Path]) -> None:
    text = run(files[0], "--schema", files[1]).stdout
    no_value_in(text)
    assert "What to look at first" in text
    assert "nino.administrative" in text
    assert "a prefix that stands for no person's record" in text
    assert (
        "Over all passes 2 of 4 records (50.00%) have company, and at most 2 hang together."
        in text.replace("\n ", "")
    )
    assert "the floor will hold" in text


def test_the_columns_of_a_table_are_aligned(files: tuple[Path, Path]) -> None:
    lines = run(files[0], "--schema", files[1]).stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.lstrip().startswith("field     filled"))
    table = lines[start : start + 6]
    assert len({len(line) for line in table}) == 1
    assert table[1].split() == ["forename", "4", "3", "0", "1", "0", "3", "3", "1"]


def test_the_json_has_what_the_specification_names(files: tuple[Path, Path]) -> None:
    """cleaning-v1, 14.8: every name of the object, of a field and of a pass, and no other."""
    text = run(files[0], "--schema", files[1], "--json").stdout
    no_value_in(text)
    found = json.loads(text)
    spec = (Path(__file__).parents[2] / "specs/cleaning-v1.md").read_text(encoding="utf-8")
    lists = spec.split("14.8 *JSON.*")[1].split("14.9 ")[0].split("In the object of a field:")
    named = [
        {
            name
            for line in re.findall(r"^- ([^:]+):", some, re.MULTILINE)
            for name in re.findall(r"`(\w+)`", line)
        }
        for some in lists
    ]
    assert set(found) == named[0]
    assert {key for one in found["fields"].values() for key in one} == named[1]
    assert found["source"] == "extract.csv"
    assert all(
        set(one) == {"name", "on", "compare", "rows", "company", "largest_block"} for one in found["passes"]
    )
    told = [
        (p["name"], "+".join(p["on"]), p["compare"], p["rows"], p["company"], p["largest_block"])
        for p in found["passes"]
    ]
    assert told == [
        ("number", "nino.stem", ["surname"], 1, 0, 1),
        ("names", "names.sorted_soundex+dob.year", [], 3, 0, 1),
        ("day", "surname+dob.month_day", [], 3, 2, 2),
    ]
    assert found["company"] == {
        "records": 2,
        "share": 0.5,
        "largest_component": 2,
        "floor": {"company": 0.5, "component": 2},
        "holds": True,
    }


def test_a_page_is_written_and_holds_no_value(files: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run(files[0], "--schema", files[1], "--html", page, "--json")
    assert json.loads(result.stdout)["rows"] == 4
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    no_value_in(text)


def test_an_existing_page_is_never_replaced(files: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    assert "PL-OUT-01" in run(files[0], "--schema", files[1], "--html", page, code=1).stderr
    assert page.read_text() == "mine"


def test_no_page_is_left_when_the_extract_cannot_be_read(files: tuple[Path, Path], tmp_path: Path) -> None:
    files[0].write_text("forename,surname\nZoë\n", encoding="utf-8")
    result = run(files[0], "--schema", files[1], "--html", tmp_path / "page.html", code=1)
    assert "PL-INPUT-01" in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["extract.csv", "schema.toml"]


def test_strict_lists_rows_and_rules_and_leaves_no_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    extract, schema = files
    page = tmp_path / "page.html"
    result = run(extract, "--schema", schema, "--strict", "--html", page, code=1)
    assert result.stderr.startswith("PL-CLEAN-02")
    assert "row " in result.stderr
    assert "breaks dob." in result.stderr or "breaks date." in result.stderr
    no_value_in(result.stderr)
    assert not page.exists()
    assert result.stdout == ""


def test_fields_without_passes_can_be_profiled(files: tuple[Path, Path]) -> None:
    """A data team looks at its extract before passes are planned."""
    files[1].write_text(FIELDS, encoding="utf-8")
    assert "The schema has no passes yet" in run(files[0], "--schema", files[1]).stdout
    found = json.loads(run(files[0], "--schema", files[1], "--json").stdout)
    assert found["passes"] == []
    assert found["company"]["records"] == 0


def test_a_field_without_its_column_is_a_finding(files: tuple[Path, Path]) -> None:
    files[0].write_text("forename,surname\nAnn,Day\n", encoding="utf-8")
    text = run(files[0], "--schema", files[1]).stdout
    assert "dob: no column of the extract" in text


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("more", [[], ["--json"], ["--html", "page.html"]], ids=["pipe", "json", "html"])
def test_values_leaked_through_a_pipe_are_refused(
    more: list[str], files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(files[0], "--schema", files[1], "--show-values", *more, code=1)
    assert "PL-USE-01" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "page.html").exists()


def on_a_terminal(*args: str | Path) -> tuple[int, str]:
    """Exit status and what a terminal shows of the command."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pseudolink.cli.main", "profile", *map(str, args)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.STDOUT) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # how Linux says that the other end is closed
            pass
        status = process.wait(60)
    os.close(ours)
    return status, shown.decode()


TERMINAL = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are another system's business")


@TERMINAL
def test_values_are_shown_on_a_terminal_and_stay_out_of_the_page(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    status, shown = on_a_terminal(files[0], "--schema", files[1], "--show-values", "--html", page)
    assert status == 0, shown
    values = shown.split("VALUES")[1]
    for value in ("QUILLFEATHER", "1957-01-01", "nowhere", "31/02/1980", "OO123456A", "TN010157F"):
        assert value in values
    no_value_in(shown.split("VALUES")[0])
    no_value_in(page.read_text(encoding="utf-8"))


@TERMINAL
def test_values_in_json_are_refused_on_a_terminal_too(files: tuple[Path, Path]) -> None:
    status, shown = on_a_terminal(files[0], "--schema", files[1], "--show-values", "--json")
    assert status == 1
    assert "PL-USE-01" in shown
    no_value_in(shown)


@TERMINAL
def test_a_terminal_without_show_values_shows_none(files: tuple[Path, Path]) -> None:
    status, shown = on_a_terminal(files[0], "--schema", files[1])
    assert status == 0
    no_value_in(shown)


@given(st.text(max_size=60))
def test_terminal_escapes_in_a_cell_are_not_obeyed(cell: str) -> None:
    values = {"f": FieldValues((), {"name.letters": ((f"\x1b]0;title\x07\u202e{cell}", 1),)})}
    for line in profiling._values(values):
        assert line.isprintable()


# ---------------------------------------------------------------- the floor


def derive(*context: str) -> bytes:
    return hashlib.sha256(repr(context).encode()).digest()


SCHEMA = parse_schema(
    {
        "format": "pseudolink/linkage-schema/1",
        "name": "test",
        "fields": {
            "forename": {"kind": "forename", "columns": ["f"], "also": ["known_as"]},
            "surname": {"kind": "surname", "columns": ["s"]},
            "dob": {"kind": "date", "columns": ["d"]},
            "postcode": {"kind": "postcode", "columns": ["p"]},
            "nino": {"kind": "nino", "columns": ["n"], "optional": True},
        },
        "passes": [
            {"name": "number", "on": ["nino.stem"], "compare": ["surname"]},
            {"name": "names", "on": ["names.sorted_soundex", "dob.year"]},
            {"name": "swapped", "on": ["names.sorted", "postcode.district"]},
            {"name": "day", "on": ["surname", "dob.month_day"]},
            {"name": "four", "on": ["forename.initial", "surname.first3", "dob.sorted", "postcode"]},
        ],
        "floor": {"company": 0.5, "component": 3},
    }
)
CELLS = {
    "f": ["Ann", "Anne", "Lee", "Zoë", "UNKNOWN", ""],
    "known_as": ["", "", "", "Ann", "Zoe"],
    "s": ["Lee", "Ann", "Ray-Moss", "Moss", ""],
    "d": ["1957-02-01", "1957-01-02", "1958-02-01", "XXXX-02-01", "1957-02-XX", "31/02/1957", ""],
    "p": ["DH1 1AA", "dh1 1ab", "TS1 1AA", "ZZ99 3VZ", ""],
    "n": ["AB123456C", "AB123456D", "AB123456", "CE123456A", "", "", ""],
}
ROW = st.tuples(*(st.sampled_from(cells) for cells in CELLS.values()))


def profiled(table: pa.Table, schema: LinkageSchema = SCHEMA) -> dict[str, Any]:
    return custodian.profile(table, schema, today=datetime.date(2026, 1, 15)).counts


@settings(max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=14))
def test_the_company_that_a_profile_tells_is_what_encoding_measures(rows: list[tuple[str, ...]]) -> None:
    """By pass and over all of them, with dates in parts, swapped names and several values."""
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(CELLS)})
    found = profiled(table)
    options = Options(workers=1, enforce_floor=False, today=datetime.date(2026, 1, 15))
    encoded, _ = encode_table(table, SCHEMA, derive, "test", options=options, needed=())
    measured = encoded.company
    assert found["rows"] == measured.records
    assert found["company"]["records"] == measured.company
    assert found["company"]["share"] == measured.share
    assert found["company"]["largest_component"] == measured.largest_component
    assert [(p["name"], p["company"], p["largest_block"]) for p in found["passes"]] == [
        (p.name, p.company, p.largest_block) for p in measured.passes
    ]
    for one in found["passes"]:
        present = encoded.encodings.passes[one["name"]].present
        assert one["rows"] == len(set(encoded.source[present].tolist()))
    within = measured.company <= 0.5 * measured.records and measured.largest_component <= 3
    assert found["company"]["holds"] == within


def test_many_wide_components_do_not_run_together() -> None:
    """Numbers of combinations beyond 64 bits are told apart all the same."""
    n = 1_500
    fields = {f"t{i}": {"kind": "text", "columns": [f"t{i}"]} for i in range(7)}
    schema = parse_schema(
        {
            "format": "pseudolink/linkage-schema/1",
            "name": "wide",
            "fields": fields,
            "passes": [{"name": "all", "on": list(fields)}],
        }
    )
    assert n**7 > 2**64
    columns = {name: [f"v{(row * (i + 1)) % n}" for row in range(n)] for i, name in enumerate(fields)}
    columns["t6"][0] = columns["t6"][1]
    columns = {name: [*cells, cells[-1]] for name, cells in columns.items()}
    found = profiled(pa.table(columns), schema)
    assert found["passes"][0] == {
        "name": "all", "on": list(fields), "compare": [], "rows": n + 1, "company": 2, "largest_block": 2,
    }  # fmt: skip


def test_the_schema_that_comes_with_the_demo_can_be_profiled(files: tuple[Path, Path]) -> None:
    schema = Path(custodian.__file__).parents[1] / "synthetic/uk-programme.toml"
    found = json.loads(run(files[0], "--schema", schema, "--json").stdout)
    assert len(found["passes"]) == len(load_schema(schema).passes)
