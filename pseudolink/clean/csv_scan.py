"""
Finding rows in the bytes of a CSV file, compiled, and reading them by Arrow.

Only what every reader of CSV takes alike is read here: quotes around whole cells, LF or CR LF,
rows of one length. Anything else is *odd*, and left to the reader that knows what is wrong and
where (``csv_file``).

Source: specs/cleaning-v1.md, sections 12.1 and 12.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv

from pseudolink.clean.columns import TEXT
from pseudolink.kernels import njit

_BLOCK: Final = 1 << 22
#: The other reader takes no cell of more characters; a longer row is odd.
_LONGEST_ROW: Final = 131_072
ANY_WIDTH: Final = -1


class Odd(Exception):
    """Bytes that are not plain CSV."""


class Block(NamedTuple):
    """Whole rows: their bytes, how many they are, whether a cell holds a line break."""

    data: bytes
    rows: int
    breaks: bool


@njit(cache=True, nogil=True, boundscheck=False)
def _scan(
    data: npt.NDArray[np.uint8], at: int, delimiter: int, width: int, limit: int, last: bool
) -> tuple[int, int, bool, bool]:
    """
    Find at most ``limit`` whole rows from ``at`` on.

    Returns:
        where they end, how many they are (blank lines do not count), whether something is odd,
        whether a cell holds a line break.
    """
    n = len(data)
    done = at
    rows = 0
    breaks = False
    while rows < limit and at < n:
        if data[at] == 0x0A:
            at += 1
            done = at
            continue
        if data[at] == 0x0D:
            if at + 1 == n and not last:
                return done, rows, False, breaks
            if at + 1 == n or data[at + 1] != 0x0A:
                return done, rows, True, breaks
            at += 2
            done = at
            continue
        cells = 1
        while True:
            if at < n and data[at] == 0x22:
                at += 1
                while True:
                    if at >= n:
                        return done, rows, last, breaks
                    if data[at] == 0x22:
                        if at + 1 == n and not last:
                            return done, rows, False, breaks
                        if at + 1 == n or data[at + 1] != 0x22:
                            at += 1
                            break
                        at += 1
                    elif data[at] == 0x0A or data[at] == 0x0D:
                        breaks = True
                    elif data[at] == 0:
                        return done, rows, True, breaks
                    at += 1
                if at < n and data[at] != delimiter and data[at] != 0x0A and data[at] != 0x0D:
                    return done, rows, True, breaks
            else:
                while at < n and data[at] != delimiter and data[at] != 0x0A and data[at] != 0x0D:
                    if data[at] == 0x22 or data[at] == 0:
                        return done, rows, True, breaks
                    at += 1
            if at >= n:
                if not last:
                    return done, rows, False, breaks
                break
            if data[at] == delimiter:
                cells += 1
                at += 1
                continue
            if data[at] == 0x0A:
                at += 1
                break
            if at + 1 == n and not last:
                return done, rows, False, breaks
            if at + 1 == n or data[at + 1] != 0x0A:
                return done, rows, True, breaks
            at += 2
            break
        if (width >= 0 and cells != width) or at - done > _LONGEST_ROW:
            return done, rows, True, breaks
        rows += 1
        done = at
    return done, rows, False, breaks


def blocks(path: Path, start: int, delimiter: str, width: int, limit: int) -> Iterator[Block]:
    """
    The rows of a file from byte ``start`` on, ``limit`` at a time.

    Raises:
        Odd: something is not plain; blocks before it were given.
    """
    with path.open("rb") as stream:
        stream.seek(start)
        held = b""
        at = rows = 0
        breaks = last = False
        while True:
            data = np.frombuffer(held, dtype=np.uint8)
            at, more, odd, broken = _scan(data, at, ord(delimiter), width, limit - rows, last)
            rows, breaks = rows + more, breaks or broken
            if odd:
                raise Odd
            if rows == limit:
                yield Block(held[:at], rows, breaks)
                held, at, rows, breaks = held[at:], 0, 0, False
                continue
            if last:
                if rows:
                    yield Block(held[:at], rows, breaks)
                return
            if len(held) - at > 2 * _LONGEST_ROW + _BLOCK:
                raise Odd  # a quote without end
            found = stream.read(_BLOCK)
            held += found
            last = not found


def columns(block: Block, delimiter: str, width: int) -> list[pa.ChunkedArray]:
    """
    The cells of a block, a column of text each.

    Raises:
        Odd: Arrow finds other rows, or bytes that are not UTF-8.
    """
    names = [str(number) for number in range(width)]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(block.data),
            arrow_csv.ReadOptions(
                use_threads=False, block_size=min(len(block.data) + 1, 1 << 30), column_names=names
            ),
            arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=block.breaks),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, TEXT),
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowException:
        raise Odd from None
    if table.num_rows != block.rows:
        raise Odd
    return list(table.columns)
