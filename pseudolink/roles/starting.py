"""
A schema to start from: the fields that the heading of an extract speaks of, or the example.

Only names of columns are looked at, no cell. What is guessed from them stands in the file for a
person to look over; passes come from ``schema plan``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Final

from pseudolink import files
from pseudolink.clean.headings import COMMON, columns_told, letters, plainly_a_heading
from pseudolink.clean.reader import open_extract
from pseudolink.errors import InputError

#: Name of the field -> kind; the order of the file.
FIELDS: Final = {
    "forename": "forename",
    "surname": "surname",
    "dob": "date",
    "sex": "sex",
    "postcode": "postcode",
    "nino": "nino",
    "upn": "upn",
    "nhs": "nhs",
    "uln": "uln",
}


@dataclass(frozen=True)
class Started:
    """
    text: of the schema file. fields: field -> column of the extract. rest: columns without a field.
    """

    text: str
    fields: dict[str, str]
    rest: tuple[str, ...]


def example() -> str:
    """The schema of the demo: fields, passes and floor."""
    place = package_files("pseudolink").joinpath("synthetic", "uk-programme.toml")
    return place.read_text(encoding="utf-8")


def start(
    extract: Any,
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    sheet: str | None = None,
    name: str | None = None,
) -> Started:
    """
    Fields for the columns of an extract whose names are common ones.

    Raises:
        InputError: no heading, or no column with a common name.
    """
    opened = open_extract(extract, encoding=encoding, delimiter=delimiter, sheet=sheet)
    names = opened.columns
    found = _fields(names) if plainly_a_heading(names) else {}
    if not found:
        raise InputError(
            f"{opened.name}: no column has a common name of an identifier",
            advice=f"{columns_told(opened.name, names)} Without EXTRACT you get an example to edit.",
        )
    rest = tuple(one for one in names if one not in found.values())
    called = name or re.sub(r"[^a-z0-9-]+", "-", Path(opened.name).stem.lower()).strip("-")[:32] or "schema"
    lines = [
        "# Fields of a linkage schema, begun from the names of the columns alone: look each over.",
        "# Add what other parties call a column to `columns`; what some do not hold gets optional = true.",
        '# Dates in another order than day, month, year need formats, such as formats = ["%m/%d/%Y"].',
        "# Passes: pseudolink schema plan EXTRACT... --schema THIS-FILE --population N -o schema.toml",
        *([f"# Columns without a field: {', '.join(rest)}"] if rest else []),
        'format = "pseudolink/linkage-schema/1"',
        f"name = {json.dumps(called)}",
    ]
    for field, column in found.items():
        columns = list(dict.fromkeys([column, field] if letters(column) != letters(field) else [column]))
        lines += [
            "",
            f"[fields.{field}]",
            f"kind = {json.dumps(FIELDS[field])}",
            f"columns = {json.dumps(columns, ensure_ascii=False)}",
        ]
    return Started("\n".join(lines) + "\n", found, rest)


def _fields(names: list[str]) -> dict[str, str]:
    """Field -> the first column with a common name of its kind."""
    found = {}
    for field, kind in FIELDS.items():
        known = COMMON[kind]
        column = next((one for one in names if letters(one) in known), None)
        if column is not None:
            found[field] = column
    return found


def write(text: str, output: Path) -> None:
    """
    Write a new schema file.

    Raises:
        OutputExistsError, OutputError: it is there already, or cannot be written.
    """
    files.write_bytes(output, text.encode())
