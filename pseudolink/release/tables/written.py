"""
Tables as files: CSV and a workbook. In both every suppressed cell is ``[c]``.

Which cell was suppressed for which reason is told nowhere: that a cell was too small is a fact
about it.

Source: specs/tables-v1.md, section 6.2.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pseudolink.errors import MissingDependencyError
from pseudolink.release.tables.definition import Definition, Dimension
from pseudolink.release.tables.safe import Cell, Safe, SafeTable

SUPPRESSED: Final = "[c]"
TOTAL: Final = "Total"
MISSING: Final = "(missing)"


def label(category: str | None) -> str:
    return MISSING if category is None else category


def shown(value: float | int | None) -> str | float | int:
    return SUPPRESSED if value is None else value


def text_of(value: float | int | None) -> str:
    """A value as people read it."""
    return SUPPRESSED if value is None else f"{value:,.2f}".removesuffix(".00")


def notes(safe: Safe, *, source: str, created: str) -> list[str]:
    """What was done, as sentences for whoever reads the table."""
    profile = safe.profile
    every = [cell for table in safe.tables for cell in table.cells]
    hidden = sum(cell.value is None for cell in every)
    found = [
        f"Made from {source} on {created} under the profile {profile.name!r}.",
        f"{SUPPRESSED} marks a suppressed cell: {hidden:,} of {len(every):,} cells, margins included.",
        f"At least {profile.people} people and {profile.families} families stand behind every cell shown; "
        "0 is shown where it reveals nothing.",
    ]
    found += [f"Suppressed for what they are, {reason}: {count:,}." for reason, count in safe.reasons.items()]
    found.append("Others are suppressed so that these cannot be worked out; which are which is not told.")
    if profile.rounding and safe.tables[0].definition.sum is None:
        found.append(
            f"Counts are rounded to multiples of {profile.rounding} one by one, so they may not add up."
        )
    found.append(
        f"The interval of every suppressed cell ({safe.audited:,}) was solved for, given all that is shown"
        + (f" and {safe.earlier:,} tables published before." if safe.earlier else ".")
    )
    if not safe.complete:
        found.append(
            "Earlier tables were too many to be taken into account whole; see specs/tables-v1.md, 5.5."
        )
    found.append("The data are pseudonymised. Nobody may try to identify a person or a family in this table.")
    return found


def as_csv(table: SafeTable) -> str:
    """One line a cell: its category in every dimension's columns, and its value."""
    names = [name for one in table.definition.dimensions for name in one.columns]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, table.definition.sum or "people"])
    for cell in table.cells:
        place = dict([*cell.rows, *cell.columns])
        writer.writerow([*(label(place[n]) if n in place else TOTAL for n in names), shown(cell.value)])
    return out.getvalue()


def grid(table: SafeTable) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]], list[list[Cell | None]]]:
    """
    Cells as people read them: heads of rows, heads of columns, and the cell where they cross.

    Returns:
        (rows, columns, cells): a head has a text a column of the dimensions on its side.
    """
    rows = _heads(table.definition.rows, [cell.rows for cell in table.cells])
    columns = _heads(table.definition.columns, [cell.columns for cell in table.cells])
    at = {(cell.rows, cell.columns): cell for cell in table.cells}
    cells = [[at.get((row, column)) for column in columns] for row in rows]
    return (
        [_texts(table.definition.rows, row) for row in rows],
        [_texts(table.definition.columns, column) for column in columns],
        cells,
    )


Half = tuple[tuple[str, str | None], ...]


def _heads(dimensions: Sequence[Dimension], found: Sequence[Half]) -> list[Half]:
    """Each head once; inner categories first, the total of each dimension below them."""
    order: dict[str | None, int] = {}
    for half in found:
        for _, category in half:
            order.setdefault(category, len(order))

    def key(half: Half) -> list[tuple[int, int]]:
        place = dict(half)
        return [
            (0, order[place[name]]) if name in place else (1, 0) for one in dimensions for name in one.columns
        ]

    return sorted(dict.fromkeys(found), key=key)


def _texts(dimensions: Sequence[Dimension], half: Half) -> tuple[str, ...]:
    place = dict(half)
    names = [name for one in dimensions for name in one.columns]
    return tuple(label(place[name]) if name in place else TOTAL for name in names)


def title(definition: Definition) -> str:
    """``people by a and b, of those with arm = participant``."""
    by = " and ".join(" within ".join(reversed(one.columns)) for one in definition.dimensions)
    where = ", ".join(f"{name} = {label(category)}" for name, category in definition.where)
    what = f"sum of {definition.sum}" if definition.sum else "people"
    return f"{what} by {by}" + (f", of those with {where}" if where else "")


def write_workbook(path: Path, safe: Safe, said: Sequence[str]) -> None:
    """
    A sheet a table and one of notes.

    Raises:
        MissingDependencyError: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Font
    except ImportError:
        raise MissingDependencyError(
            "a workbook needs the package openpyxl", advice="pip install 'pseudolink[excel]'"
        ) from None
    book = Workbook()
    book.remove(book.active)
    for number, table in enumerate(safe.tables, 1):
        sheet = book.create_sheet(f"Table {number}")
        sheet.append([_plain(title(table.definition))])
        sheet["A1"].font = Font(bold=True)
        rows, columns, cells = grid(table)
        side = len(rows[0])
        names = [name for one in table.definition.rows for name in one.columns]
        for level in range(len(columns[0])):
            sheet.append([*([""] * side), *(_plain(head[level]) for head in columns)])
        sheet.append([*map(_plain, names), *([""] * len(columns))])
        for head, line in zip(rows, cells, strict=True):
            sheet.append([*map(_plain, head), *("" if cell is None else shown(cell.value) for cell in line)])
    sheet = book.create_sheet("Notes")
    for sentence in said:
        sheet.append([_plain(sentence)])
    sheet.column_dimensions["A"].width = 110
    book.save(path)


def _plain(text: str) -> str:
    """A category that begins like a formula must not become one."""
    return f"'{text}" if text[:1] in "=+-@" else text
