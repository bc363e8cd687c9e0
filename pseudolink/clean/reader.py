"""
Reading an extract: CSV, Parquet, an Arrow table or a data frame, all columns as text.

Nothing is guessed from values: no column is a number or a date here, so ``007`` stays ``007``.
No message contains a cell: the readers' own messages quote rows, so they are never passed on.

Source: specs/cleaning-v1.md, section 12.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.clean.columns import TEXT, text_of, texts
from pseudolink.errors import EmptyInputError, EncodingOfTextError, InputError, UsageError

DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 1 << 16
_CHUNK_ROWS: Final = 50_000
_MOST_LINES: Final = 20
_KINDS: Final = {
    b"PAR1": "parquet",
    b"PK\x03\x04": "a spreadsheet or zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}


def read_extract(source: Any, *, encoding: str = "utf-8", delimiter: str | None = None) -> pa.Table:
    """
    Read an extract; every column is ``large_string``, an empty CSV cell is empty text.

    Args:
        source: path of a CSV or Parquet file, pyarrow.Table, pandas.DataFrame, or anything with
            ``__arrow_c_stream__``.
        encoding: character encoding of a CSV file; a UTF-8 byte-order mark is removed.
        delimiter: one character; found among ``, ; tab |`` when None.

    Raises:
        InputError: not a table that can be read: ragged rows, a quote without end, duplicate
            column names, columns of nested values.
        EmptyInputError: no rows.
        EncodingOfTextError: bytes that are not text in ``encoding``; names the line.
        UsageError: an encoding that does not exist, a delimiter of more than one character.

    Source: specs/cleaning-v1.md, section 12.
    """
    if isinstance(source, (str, Path)):
        table = _read_file(Path(source), encoding, delimiter)
        name = Path(source).name
    else:
        table = texts(_from_memory(source))
        name = "the table"
    table = _named(table, name)
    if table.num_rows == 0:
        raise EmptyInputError(f"{name} has no rows")
    return table


def column_key(name: str) -> str:
    """How column names are compared: blanks at the ends and upper or lower case do not count."""
    return name.strip().casefold()


def _refuse_duplicates(names: list[str], source: str) -> None:
    counts = Counter(column_key(name) for name in names)
    twice = [name for name in dict.fromkeys(column_key(n) for n in names) if name and counts[name] > 1]
    if twice:
        raise InputError(
            f"{source}: column names that stand more than once: {', '.join(twice)}",
            advice="Upper and lower case do not tell columns apart; rename or remove all but one.",
        )


def _named(table: pa.Table, source: str) -> pa.Table:
    """Names without blanks at the ends; columns without a name are left out: nothing can ask for them."""
    names = [str(name).strip() for name in table.column_names]
    _refuse_duplicates(names, source)
    table = table.rename_columns(names)
    return table.select([index for index, name in enumerate(names) if name])


# ---------------------------------------------------------------- memory


def _from_memory(source: Any) -> pa.Table:
    if isinstance(source, pa.Table):
        return source
    import pandas as pd

    try:
        if isinstance(source, pd.DataFrame):
            return _from_pandas(source)
        if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
            return pa.table(source)
    except (pa.ArrowException, ValueError, TypeError):
        raise InputError(f"a {type(source).__name__} that Arrow cannot take over") from None
    raise InputError(f"a {type(source).__name__} is not a table", advice="Give a path or a data frame.")


def _from_pandas(frame: Any) -> pa.Table:
    names = [str(name) for name in frame.columns]
    _refuse_duplicates(names, "the data frame")
    columns = []
    for index in range(len(names)):
        series = frame.iloc[:, index]
        if series.dtype == object:  # may hold text, numbers and dates side by side
            columns.append(pa.array([text_of(value) for value in series], TEXT))
        else:
            columns.append(pa.array(series, from_pandas=True))
    return pa.table(columns, names=names)


# ---------------------------------------------------------------- files


def _read_file(path: Path, encoding: str, delimiter: str | None) -> pa.Table:
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or type(error).__name__}") from None
    if not head:
        raise EmptyInputError(f"{path.name} is empty")
    kind = next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "csv")
    if kind == "parquet":
        try:
            return texts(pq.ParquetFile(path).read())
        except (pa.ArrowException, OSError):
            raise InputError(f"{path.name} is damaged: it begins like Parquet and cannot be read") from None
    if kind != "csv":
        raise InputError(f"{path.name} is {kind}, not CSV or Parquet", advice="Save it as CSV (UTF-8).")
    if path.suffix.lower() in (".parquet", ".pq"):
        raise InputError(f"{path.name} is not Parquet, though its name says so")
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise UsageError("the delimiter must be one character, and no quote or line break")
    return _read_csv(path, encoding, delimiter)


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
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
        self.count = 0

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

    def chunks(self, width: int, rows: Iterator[tuple[int, list[str]]]) -> Iterator[list[pa.Array]]:
        kept: list[list[str]] = []
        for line, row in rows:
            if len(row) != width:
                self.ragged.append(line)
                continue
            kept.append(row)
            if len(kept) == _CHUNK_ROWS:
                yield self.arrays(kept)
                kept = []
        if kept:
            yield self.arrays(kept)

    def arrays(self, rows: list[list[str]]) -> list[pa.Array]:
        self.count += len(rows)
        return [pa.array(column, TEXT) for column in zip(*rows, strict=True)]


def _read_csv(path: Path, encoding: str, delimiter: str | None) -> pa.Table:
    with _opened(path, encoding) as text:
        sample = text.read(_SAMPLE)
        if "\0" in sample:
            raise EncodingOfTextError(
                f"{path.name} is not {encoding} text: it has zero bytes",
                advice="It may be UTF-16; declare the encoding utf-16, or save it as CSV UTF-8.",
            )
        chosen = delimiter or _find_delimiter(sample, whole=len(sample) < _SAMPLE)
    # Opened anew: after a byte-order mark, going back to the start is not the same for every encoding.
    with _opened(path, encoding) as text:
        rows = _Rows(path, text, chosen)
        every = iter(rows)
        _, header = next(every, (0, []))
        if not header:
            raise EmptyInputError(f"{path.name} is empty")
        names = [name.strip() for name in header]
        _refuse_duplicates(names, path.name)
        chunks: list[list[pa.Array]] = [[] for _ in names]
        for arrays in rows.chunks(len(names), every):
            for column, array in zip(chunks, arrays, strict=True):
                column.append(array)
    if rows.ragged:
        raise _ragged(path, rows.ragged, len(names))
    columns = [pa.chunked_array(column, TEXT) for column in chunks]
    return pa.Table.from_arrays(columns, names=names)


def _ragged(path: Path, lines: list[int], width: int) -> InputError:
    shown = ", ".join(str(line) for line in lines[:_MOST_LINES])
    more = f" and {len(lines) - _MOST_LINES} more" if len(lines) > _MOST_LINES else ""
    return InputError(
        f"{path.name}: {len(lines)} row{'s do' if len(lines) > 1 else ' does'} not have the {width} "
        f"column{'s' if width != 1 else ''} of the header: line{'s' if len(lines) > 1 else ''} {shown}{more}",
        advice="A cell with the delimiter in it must be in quotes.",
    )
