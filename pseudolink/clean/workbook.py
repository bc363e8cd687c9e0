"""
An Excel workbook (.xlsx, .xlsm) as an extract: one sheet of it, every cell as the text it stands for.

A workbook holds numbers and days where a CSV file holds text. They are written as they are from
Parquet, so that the same cells give the same tokens; what a workbook has lost before it came to us
(zeros in front, figures beyond the fifteenth) is refused or told in counts, never guessed.

The sheet is read whole: Excel's own limit is 1,048,576 rows.

Source: specs/cleaning-v1.md, section 12.8.
"""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pseudolink.clean.columns import TEXT, text_of
from pseudolink.errors import (
    EmptyInputError,
    InputError,
    MissingDependencyError,
    Problem,
    WorkbookError,
)
from pseudolink.notices import ExtractWarning

_BLOCK: Final = 20_000
#: From here on Excel no longer tells one whole number from the next.
_ROUNDED: Final = 10**15
#: A number with fewer figures is a count, an age or a year rather than somebody's number.
_LEAST_FIGURES: Final = 6
_PADDED: Final = re.compile(r"[0 \-]*0")
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[ />]")
_MERGED: Final = re.compile(rb"<(?:\w+:)?mergeCell [^>]*ref=\"[A-Z]+[0-9]+:[A-Z]+([0-9]+)\"")
_FIGURES: Final = re.compile("[0-9]+")


def is_workbook(path: Path) -> bool:
    """Whether a zip archive is a workbook that can be read here."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


@dataclass
class _Seen:
    """What was noticed in one column, in counts."""

    errors: int = 0
    rounded: int = 0
    figures: Counter[int] = field(default_factory=Counter)  # of whole numbers that are not padded
    led: Counter[int] = field(default_factory=Counter)  # of text of figures that begins with a zero


@dataclass
class _Sheet:
    """
    names: of all columns, "" where there is none. blocks: columns of at most ``_BLOCK`` rows.
    merged: ranges of merged cells under the heading. unknown: formulas without a result.
    """

    names: list[str]
    blocks: list[list[pa.Array]]
    seen: list[_Seen]
    merged: int = 0
    unknown: int = 0


def read_workbook(path: Path, sheet: str | None) -> tuple[list[str], pa.Table]:
    """
    One sheet of a workbook.

    Args:
        sheet: its name, or its number from 1; without it the only visible sheet that has a cell.

    Returns:
        The names, from the first row that is not empty, "" for a column without one; and the columns
        in the order of the sheet. Rows without a cell are left out, as blank lines are.

    Raises:
        MissingDependencyError: openpyxl is not installed.
        InputError: damaged, or no such sheet, or several and none named.
        EmptyInputError: no row under the heading.
        WorkbookError: cells that do not hold what they show; all columns listed.

    Warns:
        ExtractWarning: cells that are errors, merged cells, numbers that may have lost zeros in
            front; in counts.
    """
    load = _openpyxl()
    broken = InputError(
        f"{path.name} is damaged: it begins like a workbook and cannot be read",
        advice="Open it in Excel and save it anew, or save it as CSV (UTF-8).",
    )
    with path.open("rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl's, which may quote a cell
        try:
            with closing(load(stream, read_only=True, data_only=True)) as book:
                found = _read(book, _chosen(book, sheet, path.name))
        except InputError:
            raise
        except Exception:  # whatever it stumbles over, its message may quote a cell
            raise broken from None
    if not any(found.names):
        raise EmptyInputError(f"{path.name} is empty")
    _refuse(path.name, found)
    if not found.blocks:
        raise EmptyInputError(f"{path.name} has no rows")
    _tell(path.name, found)
    labels = [str(number) for number in range(len(found.names))]
    whole = pa.concat_tables([pa.Table.from_arrays(block, names=labels) for block in found.blocks])
    return found.names, whole


def _openpyxl() -> Any:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise MissingDependencyError(
            "reading a workbook needs the package openpyxl",
            advice="pip install 'pseudolink[excel]', or save the sheet as CSV (UTF-8).",
        ) from None
    return load_workbook


# ---------------------------------------------------------------- which sheet


def _chosen(book: Any, wanted: str | None, name: str) -> Any:
    sheets = list(book.worksheets)
    if wanted is not None:
        by_name = [one for one in sheets if one.title == wanted]
        if by_name:
            return by_name[0]
        if _FIGURES.fullmatch(wanted) and 1 <= int(wanted) <= len(sheets):
            return sheets[int(wanted) - 1]
        raise InputError(
            f"{name} has no sheet of that name, and {len(sheets)} sheet{'s' if len(sheets) != 1 else ''}",
            advice="--sheet takes the name as it is written on its tab, or its number from 1.",
        )
    # Hidden sheets are mostly lists for choosing from. Names of sheets are not told: they may be people's.
    there = [n for n, one in enumerate(sheets, 1) if one.sheet_state == "visible" and _has_cell(one)]
    if not there:
        raise EmptyInputError(f"{name} has no visible sheet with a cell")
    if len(there) > 1:
        raise InputError(
            f"{name} has cells in {len(there)} sheets: numbers {', '.join(map(str, there))}",
            advice="Say which: --sheet with its name or number. Or keep one sheet in the file.",
        )
    return sheets[there[0] - 1]


def _has_cell(sheet: Any) -> bool:
    sheet.reset_dimensions()
    return any(cell.value is not None for row in sheet.iter_rows() for cell in row)


# ---------------------------------------------------------------- cells


def _read(book: Any, sheet: Any) -> _Sheet:
    sheet.reset_dimensions()  # some programs write a wrong one, and rows beyond it would be lost
    rows = enumerate(sheet.iter_rows(), 1)
    heading: list[str] = []
    stands_in = 0
    for number, row in rows:
        heading = [(text_of(_plain(cell.value)) or "").strip() for cell in row]
        if any(heading):
            stands_in = number
            break
    found = _Sheet(heading, [], [_Seen() for _ in heading])
    kept: list[list[str | None]] = []
    for _, row in rows:
        if all(cell.value is None for cell in row):
            continue
        cells = [_text(cell, one) for cell, one in zip(row, found.seen, strict=False)]
        kept.append(cells + [None] * (len(heading) - len(cells)))
        if len(kept) == _BLOCK:
            found.blocks.append(_arrays(kept))
            kept = []
    if kept:
        found.blocks.append(_arrays(kept))
    _look_behind(book, sheet, stands_in, found)
    return found


def _arrays(rows: list[list[str | None]]) -> list[pa.Array]:
    return [pa.array(column, TEXT) for column in zip(*rows, strict=True)]


def _plain(value: Any) -> Any:
    """A day without a time of day as a day, a fraction with the figures that Excel keeps."""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date()
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.15g}"
    return value


def _text(cell: Any, seen: _Seen) -> str | None:
    value, kind = cell.value, cell.data_type
    if value is None:
        return None
    if kind == "e":  # the name of an error is no value: N/A would be somebody's surname
        seen.errors += 1
        return None
    if isinstance(value, str):
        bare = value.strip()
        if bare.startswith("0") and _FIGURES.fullmatch(bare):
            seen.led[len(bare)] += 1
        return value
    text = text_of(_plain(value))
    if text is None or kind != "n" or isinstance(value, bool):
        return text
    if abs(value) >= _ROUNDED:
        seen.rounded += 1
    elif _FIGURES.fullmatch(text):
        shown = cell.number_format or ""
        width = shown.count("0") if _PADDED.fullmatch(shown) else 0
        if width > 1:  # a number that is shown with zeros in front has them
            return text.zfill(width)
        seen.figures[len(text)] += 1
    return text


# ---------------------------------------------------------------- what openpyxl does not tell


def _look_behind(book: Any, sheet: Any, heading: int, found: _Sheet) -> None:
    """
    Merged cells under the heading: all but the first are empty. Formulas whose result is not in the
    file: written by a program, and never opened in Excel; they would be missing.
    """
    formulas, tail = False, b""
    with book._archive.open(sheet._worksheet_path) as stream:
        while data := stream.read(1 << 20):
            formulas = formulas or _FORMULA.search(tail + data) is not None
            ends = [int(end) for end in _MERGED.findall(tail + data)]
            found.merged += sum(end > heading for end in ends)
            tail = data[data.rfind(b"<") :]
    if formulas:
        with book._archive.open(sheet._worksheet_path) as stream:
            found.unknown = _without_result(stream)


def _without_result(stream: Any) -> int:
    from openpyxl.xml.functions import iterparse

    count = 0
    for _, element in iterparse(stream):
        tag = str(element.tag).rpartition("}")[2]
        if tag == "c":
            parts = {str(one.tag).rpartition("}")[2]: one.text for one in element}
            # A formula that gives empty text has an empty value, and says that it is text.
            count += "f" in parts and not parts.get("v") and element.get("t") != "str"
        elif tag == "row":
            element.clear()
    return count


# ---------------------------------------------------------------- what is told


def _letters(number: int) -> str:
    """Name of a column in Excel: without a heading, its own name would be somebody's cell."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _refuse(name: str, found: _Sheet) -> None:
    problems = [
        Problem(
            f"column {_letters(at)}",
            f"whole numbers of more than 15 figures, of which Excel keeps 15: {one.rounded:,}",
        )
        for at, one in enumerate(found.seen, 1)
        if one.rounded
    ]
    if found.unknown:
        problems.append(Problem("", f"formulas without a result: {found.unknown:,}"))
    if problems:
        raise WorkbookError(
            problems,
            source=name,
            advice="Long numbers must be text before they are entered or pasted. Formulas are calculated "
            "when the file is opened in Excel and saved.",
        )


def _tell(name: str, found: _Sheet) -> None:
    told = []
    for at, one in enumerate(found.seen, 1):
        place = f"{name}, column {_letters(at)}"
        short = _short(one)
        if one.errors:
            told.append(f"{place}: cells that are errors (#N/A and others), taken as missing: {one.errors:,}")
        if short:
            told.append(
                f"{place}: numbers with fewer figures than most of the column: {short:,}; if they name "
                "people, zeros in front were lost: make the column text and put them back"
            )
    if found.merged:
        told.append(f"{name}: ranges of merged cells, all but the first cell missing: {found.merged:,}")
    for message in told:
        warnings.warn(message, ExtractWarning, stacklevel=3)


def _short(seen: _Seen) -> int:
    """Whole numbers with fewer figures than most of their column has."""
    if not seen.figures:
        return 0
    lengths = seen.figures + seen.led
    longest = max(lengths)
    if lengths.most_common(1)[0][0] != longest or (longest < _LEAST_FIGURES and not seen.led):
        return 0
    return sum(count for length, count in seen.figures.items() if length < longest)
