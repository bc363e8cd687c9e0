"""
Columns of any type as text, written the same wherever they come from.

An integral float loses its ``.0``: a number column with one empty cell must not change every
number in it.

Source: specs/cleaning-v1.md, section 12.4.
"""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import InputError

TEXT: Final = pa.large_string()
# Beyond it a double no longer tells one whole number from the next.
_EXACT: Final = 2**53


def text_of(value: Any) -> str | None:
    """One cell of a column of mixed Python values as text; None where nothing is there."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if hasattr(value, "item") and not isinstance(value, datetime.datetime):
        value = value.item()  # a numpy scalar
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    if isinstance(value, decimal.Decimal):
        if value.is_nan():
            return None
        whole = value.is_finite() and value == value.to_integral_value()
        return str(int(value)) if whole else str(value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        text = value.isoformat(*((" ",) if isinstance(value, datetime.datetime) else ()))
        return None if text == "NaT" else text
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return str(value)


def _by_distinct(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text of each distinct value, made once."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    texts = pa.array([text_of(value) for value in encoded.dictionary.to_pylist()], TEXT)
    return pa.chunked_array([texts.take(encoded.indices)], TEXT)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.cast(kind.value_type))
    if isinstance(kind, pa.BaseExtensionType):
        return _as_text(pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type))
    if pa.types.is_null(kind):
        return pa.chunked_array([pa.nulls(len(column), TEXT)], TEXT)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        wide = column.cast(pa.float64()) if pa.types.is_float16(kind) else column
        return _by_distinct(wide)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pc.local_timestamp(column).cast(TEXT)  # the wall clock where it was written
    if pa.types.is_nested(kind):
        raise pa.ArrowNotImplementedError("nested")
    return column.cast(TEXT)


def texts(table: pa.Table) -> pa.Table:
    """
    Every column as ``large_string``; null stays null.

    Raises:
        InputError: columns that are not single values of text, number, date or truth; all named.
    """
    columns = []
    unreadable = []
    for name in table.column_names:
        try:
            columns.append(_as_text(table.column(name)))
        except (pa.ArrowException, ValueError, TypeError):
            unreadable.append(f"{name} ({table.column(name).type})")
    if unreadable:
        raise InputError(f"columns that cannot be written as text: {', '.join(unreadable)}")
    return pa.Table.from_arrays(columns, names=table.column_names)
