"""
Rows from wherever they are, in chunks of columns of text: sequences, tables and CSV files.

No message holds a cell: the readers' own messages quote rows, so they are never passed on.

Source: specs/clk-v1.md, section 7.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from pseudolink.errors import EncodingOfTextError, FieldRuleError, InputError, MissingColumnsError, Problem
from pseudolink.interop.clk_schema import ClkSchema

MOST_PROBLEMS: Final = 50
_BLOCK: Final = 1 << 22
_TEXT: Final = pa.large_string()


class Chunk(NamedTuple):
    """
    Some rows.

    first: number of the first row, from 0.
    columns: those that the schema encodes, in its order; (rows,) large_string without nulls.
    """

    first: int
    rows: int
    columns: list[pa.LargeStringArray]


class Problems:
    """Gathers what is wrong with rows: all of it is counted, the first of it is listed."""

    def __init__(self) -> None:
        self.total = 0
        self._listed: list[tuple[int, Problem]] = []

    def add(self, first: int, rows: npt.ArrayLike, field: str | None, message: str) -> None:
        """Note rows of the chunk that begins at row ``first``; rows are shown from 1."""
        found = np.asarray(rows, dtype=np.int64).ravel()
        self.total += len(found)
        for row in (found[:MOST_PROBLEMS] + first + 1).tolist():
            place = f"row {row}" if field is None else f"row {row}, field {field!r}"
            self._listed.append((row, Problem(place, message)))
        self._listed = sorted(self._listed, key=lambda pair: pair[0])[:MOST_PROBLEMS]

    def refuse(self, source: str | None) -> None:
        """
        Raise when there is a problem.

        Raises:
            FieldRuleError: the first 50 problems and the number of the rest.
        """
        if not self.total:
            return
        problems = [problem for _, problem in self._listed]
        if self.total > len(problems):
            problems.append(Problem("", f"and {self.total - len(problems)} more"))
        raise FieldRuleError(problems, source=source)


def chunks_of(
    rows: Any, schema: ClkSchema, problems: Problems, *, size: int, header: bool | str
) -> Iterator[Chunk]:
    """
    The rows in order, ``size`` at a time.

    Args:
        rows: path of a CSV file, anything with ``__arrow_c_stream__``, or rows of cells.
        problems: gathers rows of another length and cells that are not text; such rows are left
            out of the chunks, so the chunks are of no use once there is a problem.
        header: of a CSV file; see ``clkhash.encode_chunks``.

    Raises:
        InputError, EncodingOfTextError, MissingColumnsError: the file or table cannot be used.
    """
    if isinstance(rows, (str, Path)):
        yield from _csv(Path(rows), schema, problems, size, header)
    elif hasattr(rows, "__arrow_c_stream__"):
        yield from _table(rows, schema, size)
    else:
        yield from _rows(rows, schema, problems, size)


# ---------------------------------------------------------------- rows in memory


def _rows(rows: Iterable[Sequence[str]], schema: ClkSchema, problems: Problems, size: int) -> Iterator[Chunk]:
    first = 0
    columns = len(schema.identifiers)
    remaining = iter(rows)
    while block := list(islice(remaining, size)):
        lengths = {len(row) for row in block}
        if lengths != {columns}:
            _ragged(block, first, columns, problems)
            block = [row for row in block if len(row) == columns]
        found = []
        for feature in schema.features:
            cells = [row[feature.index] for row in block]
            found.append(_texts(cells, first, feature.identifier, problems))
        yield Chunk(first, len(block), found)
        first += len(block)


def _ragged(block: Sequence[Sequence[str]], first: int, columns: int, problems: Problems) -> None:
    for row, cells in enumerate(block):
        if len(cells) != columns:
            problems.add(first, row, None, f"has {len(cells)} cells, the schema has {columns} features")


def _texts(cells: list[Any], first: int, field: str, problems: Problems) -> pa.LargeStringArray:
    try:
        # Without a type, so that bytes are not taken for text.
        found = pa.array(cells)
    except (pa.ArrowException, UnicodeError, TypeError, ValueError, OverflowError):
        found = None
    if isinstance(found, pa.StringArray) and not found.null_count:
        return found.cast(_TEXT)
    good = []
    for row, cell in enumerate(cells):
        if not isinstance(cell, str):
            problems.add(first, row, field, "is not text")
        elif not _unicode(cell):
            problems.add(first, row, field, "is not Unicode text")
        else:
            good.append(cell)
            continue
        good.append("")
    return pa.array(good, _TEXT)


def _unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# ---------------------------------------------------------------- tables


def _table(rows: Any, schema: ClkSchema, size: int) -> Iterator[Chunk]:
    try:
        reader = pa.RecordBatchReader.from_stream(rows)
    except pa.ArrowException:
        raise InputError("the table is not one that can be read") from None
    _check_names(reader.schema.names, schema, "the table")
    wrong = [
        Problem(f"column {reader.schema.names[f.index]!r}", "is not text")
        for f in schema.features
        if not _is_text(reader.schema.types[f.index])
    ]
    if wrong:
        raise MissingColumnsError(wrong, source="the table", advice="Every column that is encoded is text.")
    first = 0
    for batch in reader:
        for at in range(0, batch.num_rows, size):
            part = batch.slice(at, size)
            columns = [_column(part.column(f.index)) for f in schema.features]
            yield Chunk(first, part.num_rows, columns)
            first += part.num_rows


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def _column(column: pa.Array) -> pa.LargeStringArray:
    return pc.fill_null(column.cast(_TEXT), "")


def _check_names(names: Sequence[str], schema: ClkSchema, source: str) -> None:
    problems = []
    if len(names) != len(schema.identifiers):
        problems.append(
            Problem("", f"{len(names)} columns, the schema has {len(schema.identifiers)} features")
        )
    for position, (name, identifier) in enumerate(zip(names, schema.identifiers, strict=False), 1):
        if name != identifier:
            problems.append(Problem(f"column {position}", f"must be called {identifier!r}"))
    if problems:
        raise MissingColumnsError(
            problems, source=source, advice="The columns must be the features of the schema, in its order."
        )


# ---------------------------------------------------------------- CSV files


def _csv(path: Path, schema: ClkSchema, problems: Problems, size: int, header: bool | str) -> Iterator[Chunk]:
    if header not in (True, False, "ignore"):
        raise ValueError("header is True, False or 'ignore'")
    try:
        if _is_plain(path) and len(schema.identifiers) > 1:
            yield from _plain_csv(path, schema, size, header)
            return
    except OSError as error:
        raise InputError(f"{path.name}: {error.strerror or type(error).__name__}") from None
    except _NotPlainError as error:
        seen = error.rows
    else:
        seen = 0
    for chunk in _rows_of_csv(path, schema, problems, size, header):
        # What the quick reader gave before it met something else is not given again.
        cut = min(max(seen - chunk.first, 0), chunk.rows)
        if cut < chunk.rows:
            yield Chunk(chunk.first + cut, chunk.rows - cut, [one.slice(cut) for one in chunk.columns])


class _NotPlainError(Exception):
    """Something that the quick reader leaves to the careful one; ``rows`` were given before it."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows


def _is_plain(path: Path) -> bool:
    """
    Whether a line is cells between commas and no more: no quotation mark, NUL, lone carriage
    return or empty line.
    """
    before = b"\n"
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            if block.endswith(b"\r"):
                block += stream.read(1)
            if b'"' in block or b"\0" in block:
                return False
            if b"\r" in block:
                if block.count(b"\r") != block.count(b"\r\n"):
                    return False
                block = block.replace(b"\r\n", b"\n")
            if b"\n\n" in before + block:
                return False
            before = block[-1:]
    return True


def _plain_csv(path: Path, schema: ClkSchema, size: int, header: bool | str) -> Iterator[Chunk]:
    columns = len(schema.identifiers)
    if header:
        with path.open("rb") as stream:
            line = stream.readline(_BLOCK)
        if header is True:
            _check_names(_names(line, path), schema, path.name)
    names = [str(i) for i in range(columns)]
    wanted: Collection[str] = list(dict.fromkeys(str(f.index) for f in schema.features)) or names[:1]
    first = 0
    try:
        reader = arrow_csv.open_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=_BLOCK, skip_rows=1 if header else 0, column_names=names
            ),
            parse_options=arrow_csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=wanted, column_types=dict.fromkeys(names, _TEXT), strings_can_be_null=False
            ),
        )
        for batch in reader:
            for at in range(0, batch.num_rows, size):
                part = batch.slice(at, size)
                found = [part.column(str(f.index)) for f in schema.features]
                yield Chunk(first, part.num_rows, found)
                first += part.num_rows
    except pa.ArrowException:
        # A row of another length or bytes that are not UTF-8: the careful reader says where.
        raise _NotPlainError(first) from None


def _names(line: bytes, path: Path) -> list[str]:
    try:
        return line.decode("utf-8-sig").rstrip("\r\n").split(",")
    except UnicodeDecodeError:
        raise EncodingOfTextError(f"{path.name}: the header is not UTF-8 text") from None


def _rows_of_csv(
    path: Path, schema: ClkSchema, problems: Problems, size: int, header: bool | str
) -> Iterator[Chunk]:
    try:
        # As clkhash's own client opens it: line ends inside quotation marks become "\n".
        with path.open(encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            if header:
                names = next(reader, None)
                if header is True:
                    _check_names(names or [], schema, path.name)
            yield from _rows(reader, schema, problems, size)
    except UnicodeDecodeError:
        raise EncodingOfTextError(f"{path.name}: not UTF-8 text") from None
    except csv.Error:
        raise InputError(f"{path.name}: line {reader.line_num}: not CSV that can be read") from None
    except OSError as error:
        raise InputError(f"{path.name}: {error.strerror or type(error).__name__}") from None
