"""``pseudolink tables`` as a researcher runs it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from pseudolink.cli.main import cli

SEED = 7


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["tables", *map(str, words)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """600 people; few of the third area did it."""
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame(
        {
            "programme_id": [f"p{n}" for n in range(600)],
            "family_id": [f"f{n // 2}" for n in range(600)],
            "area": rng.choice(["=north", "south", "<b>east</b>"], 600, p=[0.6, 0.37, 0.03]),
            "did": rng.choice(["yes", "no"], 600, p=[0.3, 0.7]),
            "amount": rng.integers(1, 9, 600),
            "council": "E06000047",
        }
    )
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_json_has_every_cell_with_margins(file: Path) -> None:
    result = run(file, "--rows", "area", "--columns", "did", "--no-rounding", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["cells"]) == 4 * 3
    assert {"rows": {}, "columns": {}, "value": 600, "status": "published"} in found["cells"]
    assert {cell["status"] for cell in found["cells"]} == {"published", "primary", "complementary"}
    assert all((cell["value"] is None) == (cell["status"] != "published") for cell in found["cells"])
    assert found["rounding"] == 0
    assert found["audit"]["narrowest"] >= 1
    assert found["audit"]["complete"]
    assert names(file.parent) == {"people.csv"}  # nothing was published


def test_what_is_published_does_not_tell_why_a_cell_is_hidden(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(file, "--rows", "area", "--columns", "did", "-o", out, "--xlsx")
    assert result.exit_code == 0, result.output
    assert names(out) == {"table-1.csv", "tables.html", "notes.txt", "tables.xlsx"}
    rows = list(csv.reader((out / "table-1.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["area", "did", "people"]
    assert {row[2] for row in rows[1:]} >= {"[c]", "600"}
    for path in out.glob("*.[cht]*"):
        text = path.read_text(encoding="utf-8", errors="ignore").lower()
        assert "complementary" not in text
        assert "primary" not in text
    assert (tmp_path / "tables.jsonl").exists()


def test_the_page_holds_no_markup_of_the_data_and_no_script(file: Path, tmp_path: Path) -> None:
    run(file, "--rows", "area", "-o", tmp_path / "out")
    page = (tmp_path / "out" / "tables.html").read_text(encoding="utf-8")
    assert "<b>east" not in page
    assert "&lt;b&gt;east" in page
    assert "<script" not in page
    assert "default-src &#39;none&#39;" in page


def test_a_category_never_becomes_a_formula(file: Path, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="needs: pip install openpyxl")
    run(file, "--rows", "area", "-o", tmp_path / "out", "--xlsx")
    book = openpyxl.load_workbook(tmp_path / "out" / "tables.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert "'=north" in [cell.value for cell in cells]


def test_a_second_table_is_made_with_the_first_in_mind(file: Path, tmp_path: Path) -> None:
    assert run(file, "--rows", "area", "--columns", "did", "-o", tmp_path / "one").exit_code == 0
    result = run(file, "--rows", "did", "--where", "area=<b>east</b>", "--json")
    assert result.exit_code in (0, 1), result.output
    if result.exit_code == 0:
        assert json.loads(result.stdout)["audit"]["earlier"] == 1
    else:
        assert "PL-TABLE-04" in result.stderr


@pytest.mark.parametrize("damage", ["value", "gone", "order", "noise"])
def test_a_ledger_that_was_changed_is_refused(file: Path, tmp_path: Path, damage: str) -> None:
    for number, column in enumerate(("area", "did", "area,did")):
        assert run(file, "--rows", column, "-o", tmp_path / str(number)).exit_code == 0
    ledger = tmp_path / "tables.jsonl"
    lines = ledger.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    changed = {
        "value": [lines[0].replace('"value": 600', '"value": 605'), *lines[1:]],
        "gone": lines[1:],
        "order": [lines[1], lines[0], lines[2]],
        "noise": [*lines, "{}"],
    }[damage]
    ledger.write_text("\n".join(changed) + "\n", encoding="utf-8")
    result = run(file, "--rows", "did", "-o", tmp_path / "last")
    assert result.exit_code == 1
    assert "PL-TABLE-05" in result.stderr
    assert not (tmp_path / "last").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--rows", "council"), "PL-TABLE-02"),
        (("--rows", "nothing"), "PL-TABLE-01"),
        (("--rows", "area", "--sum", "did"), "PL-TABLE-01"),
        (("--rows", "area", "--person", "family_id"), "PL-TABLE-01"),
        (("--rows", "area", "--profile", "loose"), "PL-USE-01"),
        (("--rows", "area", "--where", "did"), "PL-USE-01"),
        ((), "PL-TABLE-01"),
    ],
)
def test_refusals_have_codes_and_leave_nothing(file: Path, tmp_path: Path, words, code) -> None:
    result = run(file, *words, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith(code)
    assert names(tmp_path) == {"people.csv"}


def test_several_tables_are_protected_together(file: Path, tmp_path: Path) -> None:
    definitions = tmp_path / "definitions.toml"
    definitions.write_text(
        'format = "pseudolink/tables/1"\n[[tables]]\nrows = ["area"]\ncolumns = ["did"]\n'
        '[[tables]]\nrows = ["area"]\nwhere = ["did=yes"]\n'
    )
    result = run(file, "--definitions", definitions, "--json", "--no-rounding")
    assert result.exit_code == 0, result.output
    first, second = json.loads(result.stdout)["tables"]
    shared = {cell["rows"].get("area"): cell["value"] for cell in second["cells"]}
    for cell in first["cells"]:
        if cell["columns"].get("did") == "yes":
            assert shared[cell["rows"].get("area")] == cell["value"]


def test_definitions_with_three_mistakes_are_told_at_once(file: Path, tmp_path: Path) -> None:
    definitions = tmp_path / "definitions.toml"
    definitions.write_text('[[tables]]\nrows = "area"\n[[tables]]\nrows = ["area"]\ncolour = "red"\n')
    result = run(file, "--definitions", definitions)
    assert result.exit_code == 1
    for place in ("format", "tables[1]", "tables[2].colour"):
        assert place in result.stderr


def test_sums_are_not_rounded_and_not_dominated(file: Path) -> None:
    result = run(file, "--rows", "did", "--sum", "amount", "--json")
    assert result.exit_code == 0, result.output
    total = pd.read_csv(file)["amount"].sum()
    cells = {cell["rows"].get("did"): cell["value"] for cell in json.loads(result.stdout)["cells"]}
    assert cells[None] == total
