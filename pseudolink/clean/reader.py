"""
Reading an extract in chunks: CSV, Parquet, Excel, Arrow or a data frame, all columns as text.

Nothing is guessed from values: no column is a number or a date here, so ``007`` stays ``007``.
No message contains a cell: the readers' own messages quote rows, so they are never passed on.

Source: specs/cleaning-v1.md, section 12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.clean.columns import TEXT, text_of, texts
from pseudolink.clean.csv_file import CsvFile, refuse_duplicates
from pseudolink.clean.headings import column_key
from pseudolink.clean.workbook import is_workbook, read_workbook
from pseudolink.errors import EmptyInputError, InputError, UsageError

CHUNK_ROWS: Final = 50_000
_ZIP: Final = b"PK\x03\x04"
_KINDS: Final = {
    b"PAR1": "parquet",
    _ZIP: "a zip archive or another kind of spreadsheet",
    b"\x1f\x8b": "a gzip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls) or one under a password",
}
_SUFFIXES: Final = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".xls": "an Excel workbook",
    ".xlsx": "an Excel workbook",
    ".xlsm": "an Excel workbook",
}

#: ``chunks(size)``: tables of at most that many rows, columns as they come.
Chunks = Callable[[int], Iterator[pa.Table]]

__all__ = ["CHUNK_ROWS", "Extract", "column_key", "open_extract", "read_extract", "sheet_of"]


class Extract:
    """
    An extract that is read in chunks; no more than a chunk of it is in memory.

    name: for messages. columns: names without blanks at their ends; columns without a name are
        left out. rows: how many, where that is known before reading.
    again: whether it can be read more than once (a stream cannot).
    """

    def __init__(
        self, name: str, columns: list[str], chunks: Chunks, *, rows: int | None = None, again: bool = True
    ) -> None:
        written = [column.strip() for column in columns]
        refuse_duplicates(written, name)
        self._kept = [index for index, column in enumerate(written) if column]
        self.name, self.rows, self.again = name, rows, again
        self.columns = [written[index] for index in self._kept]
        self._chunks = chunks

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[pa.Table]:
        """
        Tables of at most ``size`` rows, in order; every column is ``large_string``.

        Raises:
            InputError, EncodingOfTextError: what is found to be wrong on the way.
            EmptyInputError: no rows.
        """
        empty = True
        for table in self._chunks(size):
            if table.num_rows:
                empty = False
                yield table.select(self._kept).rename_columns(self.columns)
        if empty:
            raise EmptyInputError(f"{self.name} has no rows")

    def table(self) -> pa.Table:
        """All of it."""
        return pa.concat_tables(self.chunks())


def open_extract(
    source: Any, *, encoding: str = "utf-8", delimiter: str | None = None, sheet: str | None = None
) -> Extract:
    """
    Look at an extract; every column will be ``large_string``, an empty CSV cell is empty text.

    Args:
        source: path of a CSV, Parquet or Excel file, pyarrow.Table, pandas.DataFrame, or anything
            with ``__arrow_c_stream__``.
        encoding: character encoding of a CSV file; a UTF-8 byte-order mark is removed.
        delimiter: one character; found among ``, ; tab |`` when None.
        sheet: of a workbook, name or number from 1; needed where several have cells.

    Raises:
        InputError: not a table that can be read: duplicate column names, columns of nested values.
        EmptyInputError: nothing in it.
        EncodingOfTextError: bytes that are not text in ``encoding``; names the line.
        UsageError: an encoding that does not exist, a delimiter of more than one character, a sheet
            of what is no workbook.
        WorkbookError: a workbook that no longer holds what was entered.
        MissingDependencyError: a workbook, and openpyxl is not installed.

    Warns:
        ExtractWarning: what may be wrong with a workbook, in counts.

    Source: specs/cleaning-v1.md, section 12.
    """
    if isinstance(source, (str, Path)):
        return _file(Path(source), encoding, delimiter, sheet)
    if sheet is not None:
        raise UsageError("only a workbook has sheets")
    return _from_memory(source)


def read_extract(
    source: Any, *, encoding: str = "utf-8", delimiter: str | None = None, sheet: str | None = None
) -> pa.Table:
    """
    Read a whole extract.

    Raises:
        As :func:`open_extract`; also ragged rows, a quote without end; no rows.
    """
    return open_extract(source, encoding=encoding, delimiter=delimiter, sheet=sheet).table()


# ---------------------------------------------------------------- memory

_HERE: Final = "the table"


def _from_memory(source: Any) -> Extract:
    if isinstance(source, pa.Table):
        return _arrow(source)
    import pandas as pd

    try:
        if isinstance(source, pd.DataFrame):
            return _from_pandas(source)
        if hasattr(source, "__arrow_c_stream__"):
            reader = pa.RecordBatchReader.from_stream(source)
            texts(reader.schema.empty_table())
            return Extract(_HERE, reader.schema.names, lambda size: _stream(reader, size), again=False)
        if hasattr(source, "__arrow_c_array__"):
            return _arrow(pa.table(source))
    except (pa.ArrowException, ValueError, TypeError):
        raise InputError(f"a {type(source).__name__} that Arrow cannot take over") from None
    raise InputError(f"a {type(source).__name__} is not a table", advice="Give a path or a data frame.")


def _slices(rows: int, size: int) -> Iterator[tuple[int, int]]:
    return ((at, min(size, rows - at)) for at in range(0, rows, size))


def _arrow(table: pa.Table) -> Extract:
    texts(table.schema.empty_table())  # what cannot be text is refused before any row is read

    def chunks(size: int) -> Iterator[pa.Table]:
        return (texts(table.slice(at, rows)) for at, rows in _slices(table.num_rows, size))

    return Extract(_HERE, table.column_names, chunks, rows=table.num_rows)


def _stream(reader: pa.RecordBatchReader, size: int) -> Iterator[pa.Table]:
    try:
        for batch in reader:
            table = pa.Table.from_batches([batch])
            for at, rows in _slices(table.num_rows, size):
                yield texts(table.slice(at, rows))
    except pa.ArrowException:
        raise InputError(f"{_HERE}: the stream broke off") from None


def _from_pandas(frame: Any) -> Extract:
    names = [str(name) for name in frame.columns]
    refuse_duplicates(names, "the data frame")

    def part(at: int, rows: int) -> pa.Table:
        columns = []
        for index in range(len(names)):
            series = frame.iloc[at : at + rows, index]
            if series.dtype == object:  # may hold text, numbers and dates side by side
                columns.append(pa.array([text_of(value) for value in series], TEXT))
            else:
                columns.append(pa.array(series, from_pandas=True))
        return texts(pa.table(columns, names=names))

    part(0, 0)
    return Extract(
        _HERE,
        names,
        lambda size: (part(at, rows) for at, rows in _slices(len(frame), size)),
        rows=len(frame),
    )


# ---------------------------------------------------------------- files


def sheet_of(source: Any, sheet: str | None) -> str | None:
    """The sheet, of a source that is a workbook: one name for several sources, of which some have sheets."""
    return sheet if isinstance(source, (str, Path)) and is_workbook(Path(source)) else None


def _file(path: Path, encoding: str, delimiter: str | None, sheet: str | None) -> Extract:
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or type(error).__name__}") from None
    if not head:
        raise EmptyInputError(f"{path.name} is empty")
    kind = next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "csv")
    if head == _ZIP and is_workbook(path):
        return _workbook(path, sheet)
    if sheet is not None:
        raise UsageError(f"{path.name} is no Excel workbook and has no sheets")
    if kind == "parquet":
        return _parquet(path)
    if kind != "csv":
        raise InputError(
            f"{path.name} is {kind}; CSV, Parquet and .xlsx are read", advice="Save it as CSV (UTF-8)."
        )
    if path.suffix.lower() in _SUFFIXES:
        raise InputError(
            f"{path.name} is not {_SUFFIXES[path.suffix.lower()]}, though its name says so",
            advice="If it is CSV, call it .csv.",
        )
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise UsageError("the delimiter must be one character, and no quote or line break")
    found = CsvFile(path, encoding, delimiter)
    return Extract(
        path.name,
        found.columns,
        lambda size: (_table(columns) for columns in found.chunks(size)),
        rows=found.rows,
    )


def _table(columns: list[pa.ChunkedArray]) -> pa.Table:
    return pa.Table.from_arrays(columns, names=[str(number) for number in range(len(columns))])


def _workbook(path: Path, sheet: str | None) -> Extract:
    names, table = read_workbook(path, sheet)

    def chunks(size: int) -> Iterator[pa.Table]:
        return (table.slice(at, rows) for at, rows in _slices(table.num_rows, size))

    return Extract(path.name, names, chunks, rows=table.num_rows)


def _parquet(path: Path) -> Extract:
    damaged = InputError(f"{path.name} is damaged: it begins like Parquet and cannot be read")
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError):
        raise damaged from None
    texts(schema.empty_table())

    def chunks(size: int) -> Iterator[pa.Table]:
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(size):
                    yield texts(pa.Table.from_batches([batch]))
        except (pa.ArrowException, OSError):
            raise damaged from None

    return Extract(path.name, schema.names, chunks, rows=rows)
