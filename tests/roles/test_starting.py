"""A schema is begun from the names of columns, and never from a cell."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pseudolink.clean.extract import clean_table
from pseudolink.clean.headings import COMMON
from pseudolink.clean.reader import read_extract
from pseudolink.errors import InputError
from pseudolink.roles import starting
from pseudolink.schema import load_schema
from pseudolink.synthetic.population import generate

NAMES = {
    "forename": "First Name",
    "surname": 'Family-"Name"',
    "dob": "D.O.B.",
    "nino": "NI Number",
    "sex": "Gender",
}


def loaded(text: str, folder: Path) -> object:
    path = folder / "schema.toml"
    path.write_text(text, encoding="utf-8")
    return load_schema(path, passes_needed=False)


def test_the_fields_of_a_heading_are_found_and_fit_the_extract(tmp_path: Path) -> None:
    table = generate(500, 5).extracts["council"].rename(columns=NAMES)
    table.to_csv(tmp_path / "Extract 2026.csv", index=False, sep=";")
    found = starting.start(tmp_path / "Extract 2026.csv")
    design = loaded(found.text, tmp_path)
    assert {name: found.fields[name] for name in NAMES} == NAMES
    assert {"postcode", "upn"} <= set(found.fields)
    assert set(found.rest) == set(table.columns) - set(found.fields.values())
    assert design.name == "extract-2026"  # type: ignore[attr-defined]
    read = read_extract(tmp_path / "Extract 2026.csv")
    cleaned = clean_table(read, design)  # type: ignore[arg-type]
    assert all(cleaned.counts[name].valid > 0 for name in found.fields)


def test_every_kind_that_can_be_started_has_common_names() -> None:
    assert set(starting.FIELDS.values()) == set(COMMON) - {"other"}


def test_the_example_is_a_whole_schema(tmp_path: Path) -> None:
    (tmp_path / "schema.toml").write_text(starting.example(), encoding="utf-8")
    assert load_schema(tmp_path / "schema.toml").passes


@pytest.mark.parametrize(
    "names", [["Ann", "Morgan", "2001-02-03"], ["ward", "school"], ["surname", "1957-03-02"]]
)
def test_an_extract_without_a_heading_starts_nothing_and_shows_nobody(names: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        starting.start(pd.DataFrame([names], columns=names))
    said = f"{caught.value} {caught.value.advice}"
    assert [one for one in names if one in said] == []
    assert "Without EXTRACT" in said
