"""
A CSV file, read in chunks: by compiled code where the file is plain, else row by row.

Both roads give the same cells. Which one it is is found out by a first look at the whole file, so
that what is wrong with it is told before any work is done.

Source: specs/cleaning-v1.md, section 12.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

import pyarrow as pa

from pseudolink.clean import csv_scan
from pseudolink.clean.columns import TEXT
from pseudolink.clean.headings import column_key, plainly_a_heading
from pseudolink.errors import EmptyInputError, EncodingOfTextError, InputError, UsageError

DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 1 << 16
_LOOK_ROWS: Final = 100_000
_MOST_LINES: Final = 20
_MARK: Final = codecs.BOM_UTF8
#: A line by which Excel is told the delimiter; no row of the table.
_TOLD: Final = re.compile(r"sep=([^\r\n\"])(?:\r\n|\r|\n)", re.IGNORECASE)


def refuse_duplicates(names: list[str], source: str) -> None:
    """
    Raises:
        InputError: columns that nothing tells apart; their names only where they are no cells.
    """
    counts = Counter(column_key(name) for name in names)
    twice = [name for name in dict.fromkeys(column_key(n) for n in names) if name and counts[name] > 1]
    if twice:
        numbers = [str(at) for at, name in enumerate(names, 1) if column_key(name) in twice]
        told = ", ".join(twice) if plainly_a_heading(names) else f"in columns {', '.join(numbers)}"
        raise InputError(
            f"{source}: column names that stand more than once: {told}",
            advice="Upper and lower case do not tell columns apart; rename or remove all but one.",
        )


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """The text of a file; what is not text is refused with the line that it is in."""
    plain_utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    with path.open("rb") as handle:
        marked = handle.read(3) == b"\xef\xbb\xbf"
    if marked and not encoding.lower().startswith("utf"):
        raise EncodingOfTextError(
            f"{path.name} begins with the mark of UTF-8, and was declared as {encoding}",
            advice="Read it as utf-8.",
        )
    try:
        with path.open(encoding="utf-8-sig" if plain_utf8 else encoding, newline="") as text:
            yield text
    except LookupError:
        raise UsageError(
            f"{encoding!r} is no character encoding", advice="Use utf-8 or windows-1252."
        ) from None
    except UnicodeError:
        raise _not_text(path, encoding) from None


def _not_text(path: Path, encoding: str) -> EncodingOfTextError:
    lines = []
    with path.open("rb") as handle:
        for number, line in enumerate(handle, 1):
            try:
                line.decode(encoding)
            except UnicodeError:
                lines.append(number)
    wide = encoding.lower().startswith(("utf-16", "utf16", "utf-32", "utf32"))
    where = "" if wide or not lines else f", first in line {lines[0]}"
    more = f" ({len(lines)} lines in all)" if len(lines) > 1 and where else ""
    return EncodingOfTextError(
        f"{path.name} is not {encoding} text{where}{more}",
        advice="If it was saved on Windows, declare windows-1252; in Excel, save as CSV UTF-8.",
    )


def _find_delimiter(sample: str, *, whole: bool) -> str:
    """The delimiter that gives the first rows the same number of columns, the more the better."""
    lines = sample.splitlines(keepends=True)
    lines = lines if whole or len(lines) < 2 else lines[:-1]
    best, chosen = (False, 1), DELIMITERS[0]
    for candidate in DELIMITERS:
        try:
            rows = [row for row in csv.reader(lines[:50], delimiter=candidate) if row]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 1
        score = (all(len(row) == width for row in rows) and width > 1, width)
        if score > best:
            best, chosen = score, candidate
    return chosen


class _Rows:
    """Rows of a CSV file in chunks of columns; collects what is wrong with their lengths."""

    def __init__(self, path: Path, text: TextIO, delimiter: str) -> None:
        self.path = path
        self.reader = csv.reader(text, delimiter=delimiter, strict=True)
        self.ragged: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Each row that is not blank, with the line on which it begins."""
        begins = 1
        try:
            for row in self.reader:
                if row:
                    yield begins, row
                begins = self.reader.line_num + 1
        except csv.Error:
            raise InputError(
                f"{self.path.name}: the row that begins in line {begins} cannot be read as CSV",
                advice="A quote may be without its partner; inside quotes, a quote is written twice.",
            ) from None

    def chunks(
        self, width: int, rows: Iterator[tuple[int, list[str]]], size: int
    ) -> Iterator[list[pa.Array]]:
        """Columns of at most ``size`` rows at a time; rows of another length are only noted."""
        kept: list[list[str]] = []
        for line, row in rows:
            if len(row) != width:
                self.ragged.append(line)
                continue
            kept.append(row)
            if len(kept) == size:
                yield self.arrays(kept)
                kept = []
        if kept:
            yield self.arrays(kept)

    def arrays(self, rows: list[list[str]]) -> list[pa.Array]:
        return [pa.array(column, TEXT) for column in zip(*rows, strict=True)]


class CsvFile:
    """
    One CSV file, after a first look.

    columns: its names, as they are written but for blanks at the ends.
    rows: how many it has; None where only reading it row by row will tell.

    Raises:
        EmptyInputError: nothing in it, not even a header.
        InputError: two columns have one name.
        EncodingOfTextError: zero bytes; or not text of the encoding, where the first look is enough.
    """

    def __init__(self, path: Path, encoding: str, delimiter: str | None) -> None:
        self._path, self._encoding = path, encoding
        with opened(path, encoding) as text:
            sample = text.read(_SAMPLE)
            if "\0" in sample:
                raise EncodingOfTextError(
                    f"{path.name} is not {encoding} text: it has zero bytes",
                    advice="It may be UTF-16; declare the encoding utf-16, or save it as CSV UTF-8.",
                )
            told = _TOLD.match(sample)
            self._told = told[0] if told else ""
            self._delimiter = (
                delimiter
                or (told[1] if told else None)
                or _find_delimiter(sample, whole=len(sample) < _SAMPLE)
            )
        # Opened anew: after a byte-order mark, going back to the start is not the same for every encoding.
        with opened(path, encoding) as text:
            _, header = next(self._rows(_Rows(path, text, self._delimiter)), (0, []))
        if not header:
            raise EmptyInputError(f"{path.name} is empty")
        self.columns = [name.strip() for name in header]
        refuse_duplicates(self.columns, path.name)
        self.rows: int | None = None
        self._start = self._look()

    def _rows(self, rows: _Rows) -> Iterator[tuple[int, list[str]]]:
        """Rows from the header on."""
        return islice(iter(rows), 1 if self._told else 0, None)

    def _look(self) -> int | None:
        """The byte at which the rows begin where the whole file is plain, else None; counts them."""
        if self._encoding.lower().replace("_", "-") not in ("utf-8", "utf8") or not self._delimiter.isascii():
            return None
        with self._path.open("rb") as stream:
            mark = len(_MARK) if stream.read(len(_MARK)) == _MARK else 0
            mark += len(self._told.encode())
            stream.seek(mark)
            decoder = codecs.getincrementaldecoder("utf-8")()
            try:
                while data := stream.read(_SAMPLE << 6):
                    decoder.decode(data)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                raise _not_text(self._path, self._encoding) from None
        try:
            first = next(csv_scan.blocks(self._path, mark, self._delimiter, csv_scan.ANY_WIDTH, 1))
            start = mark + len(first.data)
            found = csv_scan.blocks(self._path, start, self._delimiter, len(self.columns), _LOOK_ROWS)
            self.rows = sum(block.rows for block in found)
        except (csv_scan.Odd, StopIteration):
            return None
        return start

    def chunks(self, size: int) -> Iterator[list[pa.ChunkedArray]]:
        """
        Columns of at most ``size`` rows at a time.

        Raises:
            InputError: ragged rows, all of them; a quote without end.
            EncodingOfTextError: bytes that are not text in the encoding.
        """
        if self._start is None:
            yield from self._row_by_row(size)
            return
        width = len(self.columns)
        try:
            for block in csv_scan.blocks(self._path, self._start, self._delimiter, width, size):
                yield csv_scan.columns(block, self._delimiter, width)
        except csv_scan.Odd:
            raise InputError(
                f"{self._path.name} changed while it was read", advice="Read a copy that nobody writes to."
            ) from None

    def _row_by_row(self, size: int) -> Iterator[list[pa.ChunkedArray]]:
        with opened(self._path, self._encoding) as text:
            rows = _Rows(self._path, text, self._delimiter)
            every = self._rows(rows)
            next(every)  # the header
            for arrays in rows.chunks(len(self.columns), every, size):
                yield [pa.chunked_array([array], TEXT) for array in arrays]
        if rows.ragged:
            raise _ragged(self._path, rows.ragged, len(self.columns))


def _ragged(path: Path, lines: list[int], width: int) -> InputError:
    shown = ", ".join(str(line) for line in lines[:_MOST_LINES])
    more = f" and {len(lines) - _MOST_LINES} more" if len(lines) > _MOST_LINES else ""
    return InputError(
        f"{path.name}: {len(lines)} row{'s do' if len(lines) > 1 else ' does'} not have the {width} "
        f"column{'s' if width != 1 else ''} of the header: line{'s' if len(lines) > 1 else ''} {shown}{more}",
        advice="A cell with the delimiter in it must be in quotes.",
    )
