"""
The researcher: tables of a release that may leave the secure place.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from pseudolink import files
from pseudolink.agreement import today_utc
from pseudolink.clean.reader import read_extract
from pseudolink.errors import InputError, Problem, TableInputError
from pseudolink.formats import payload as payloads
from pseudolink.formats.released import DESCRIPTION
from pseudolink.release.tables import history, written
from pseudolink.release.tables.cells import key_of
from pseudolink.release.tables.definition import Definition, Profile, require_sound
from pseudolink.release.tables.people import read_people, refuse_areas
from pseudolink.release.tables.safe import Safe, make_safe
from pseudolink.report.tables import Sheet, render
from pseudolink.seal.package import file_digest

DEFINITIONS: Final = "pseudolink/tables/1"
LEDGER: Final = "tables.jsonl"


@dataclass(frozen=True)
class Source:
    """A file with a row a person, and which of its columns say who is who."""

    path: Path
    person: str = payloads.PROGRAMME_ID
    family: str | None = None


def tables(
    source: Source,
    definitions: Sequence[Definition],
    profile: Profile,
    *,
    rounding: bool = True,
    areas: bool = False,
    output: Path | None = None,
    workbook: bool = False,
    ledger: Path | None = None,
    seconds: float = 120.0,
    today: date | None = None,
) -> Safe:
    """
    Make tables in which nobody can be identified, given what was published of the data before.

    Args:
        output: new folder for CSV, HTML and JSON (and XLSX); the tables then count as published and
            are added to the ledger. None makes them without publishing.
        ledger: default ``tables.jsonl`` beside the file.

    Raises:
        PseudolinkError: whatever does not fit, or no safe table; no output is left then.
    """
    require_sound(tuple(definitions))
    profile = profile if rounding else replace(profile, rounding=0)
    if output is not None:
        files.refuse_existing(output)
    table = read_extract(source.path)
    family = source.family
    if family is None and payloads.FAMILY_ID in table.column_names:
        family = payloads.FAMILY_ID
    ledger = ledger or source.path.parent / LEDGER
    data, project = file_digest(source.path), _project(source.path)
    text = ledger.read_text(encoding="utf-8") if ledger.exists() else ""
    before = history.read(text, data=data, project=project, source=ledger.name)
    mine = [name for one in definitions for name in one.variables]
    others = [name for one in before if one.same_data for name in one.definition.variables]
    people = read_people(
        table,
        [*mine, *others],
        person=source.person,
        family=family,
        amount=definitions[0].sum,
        source=source.path.name,
    )
    if not areas:
        refuse_areas(people, dict.fromkeys(mine))
    safe = make_safe(people, definitions, profile, earlier=before, seconds=seconds)
    if output is not None:
        created = (today or today_utc()).isoformat()
        entries = [
            history.entry(
                one.definition,
                [
                    (key_of((cell.rows, cell.columns), one.definition), float(cell.value))
                    for cell in one.cells
                    if cell.value is not None
                ],
                profile,
                data=data,
                project=project,
                created=created,
            )
            for one in safe.tables
        ]
        with files.new_folder(output) as folder:
            _write(safe, folder, written.notes(safe, source=source.path.name, created=created), workbook)
            # Before the folder gets its name: a line too many in the ledger harms nobody.
            files.write_bytes(ledger, history.appended(text, entries).encode(), overwrite=True)
    return safe


def _project(path: Path) -> str:
    """The project of a release, from the description beside it; empty for any other file."""
    description = path.parent / DESCRIPTION
    if not description.exists():
        return ""
    try:
        return str(json.loads(description.read_text(encoding="utf-8"))["project"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{description} is not the description of a release") from None


def _write(safe: Safe, folder: Path, said: Sequence[str], workbook: bool) -> None:
    for number, table in enumerate(safe.tables, 1):
        (folder / f"table-{number}.csv").write_text(written.as_csv(table), encoding="utf-8", newline="\n")
    (folder / "tables.html").write_text(
        render([_sheet(one) for one in safe.tables], said), encoding="utf-8", newline="\n"
    )
    (folder / "notes.txt").write_text("\n".join(said) + "\n", encoding="utf-8", newline="\n")
    if workbook:
        written.write_workbook(folder / "tables.xlsx", safe, said)


def _sheet(table: Any) -> Sheet:
    rows, columns, cells = written.grid(table)
    texts = [["" if cell is None else written.text_of(cell.value) for cell in line] for line in cells]
    names = [name for one in table.definition.rows for name in one.columns]
    return Sheet(written.title(table.definition), names, columns, list(zip(rows, texts, strict=True)))


def read_definitions(path: Path) -> list[Definition]:
    """
    Definitions of tables that are made together, from a TOML file with ``[[tables]]``.

    Raises:
        TableInputError: every problem with its place.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError):
        raise InputError(f"{path.name} is not a TOML file") from None
    problems, found = [], []
    if data.get("format") != DEFINITIONS:
        problems.append(Problem("format", f"must be {DEFINITIONS!r}"))
    listed = data.get("tables")
    if not isinstance(listed, list) or not listed:
        problems.append(Problem("tables", "there is none"))
        listed = []
    for number, one in enumerate(listed, 1):
        place = f"tables[{number}]"
        unknown = (
            sorted(set(one) - {"rows", "columns", "where", "sum", "also"}) if isinstance(one, dict) else []
        )
        problems += [Problem(f"{place}.{name}", "is not known") for name in unknown]
        if not isinstance(one, dict) or not _texts_only(one):
            problems.append(Problem(place, "rows, columns, where and also are lists of texts, sum is a text"))
            continue
        found.append(
            Definition.parse(
                ",".join(one.get("rows", ())),
                ",".join(one.get("columns", ())),
                tuple(one.get("where", ())),
                one.get("sum"),
                ",".join(one.get("also", ())),
            )
        )
    if problems:
        raise TableInputError(problems, source=path.name)
    return found


def _texts_only(one: dict[str, Any]) -> bool:
    lists = [one.get(name, []) for name in ("rows", "columns", "where", "also")]
    plain = all(isinstance(part, list) and all(isinstance(t, str) for t in part) for part in lists)
    return plain and isinstance(one.get("sum", ""), str)
