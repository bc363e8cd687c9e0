"""
Common derivations, compiled: the bytes of components from the bytes of values.

A kernel goes through distinct values, writes each one's component with its length before it, and
says of each whether it is done, has none, or is left to ``derive`` because it is not plain.

Source: specs/encoding-v1.md, sections 2 and 3.2; ``derive`` is the same rules in full.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from pseudolink.components import WHOLE
from pseudolink.kernels import njit

Bytes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]

#: Bytes of the length before a value.
PREFIX: Final = 4
DONE, MISSING, LEFT = 0, 1, 2

_INITIAL, _FIRST3, _LAST3, _SOUNDEX = range(4)
OF_NAMES: Final = {"initial": _INITIAL, "first3": _FIRST3, "last3": _LAST3, "soundex": _SOUNDEX}
#: Parts of a date as bits: year, month, day; and the first two in order of size where it is ``sorted``.
_YEAR, _MONTH, _DAY, _IN_ORDER = 1, 2, 4, 8
OF_DATES: Final = {
    WHOLE: _YEAR | _MONTH | _DAY,
    "sorted": _YEAR | _MONTH | _DAY | _IN_ORDER,
    "year": _YEAR,
    "month": _MONTH,
    "day": _DAY,
    "year_month": _YEAR | _MONTH,
    "year_day": _YEAR | _DAY,
    "month_day": _MONTH | _DAY,
}
_SECTOR, _DISTRICT, _AREA = range(3)
OF_POSTCODES: Final = {"sector": _SECTOR, "district": _DISTRICT, "area": _AREA}

DIGITS: Final = np.frombuffer(b"0123012-02245501262301-202", dtype=np.uint8).copy()


@njit(cache=True, nogil=True, boundscheck=False)
def _prefix(out: Bytes, at: int, length: int) -> None:
    # encoding-v1 §3.2: the length precedes the value, so no value can imitate a boundary.
    for i in range(4):
        out[at + i] = (length >> (24 - 8 * i)) & 0xFF


@njit(cache=True, nogil=True, boundscheck=False)
def names(
    data: Bytes, start: Index, what: int, digits: Bytes, out: Bytes, out_start: Index, state: Bytes
) -> None:
    at = 0
    letters = np.zeros(4, dtype=np.uint8)
    for value in range(len(start) - 1):
        out_start[value] = at
        first, last = start[value], start[value + 1]
        length = 0  # of the letters wanted, at most four
        count = 0
        previous = np.uint8(0)
        fine = True
        for place in range(first, last):
            byte = data[place]
            if not 0x41 <= byte <= 0x5A:
                # A blank or hyphen is no letter; anything but these is left to the slow road.
                if byte == 0x20 or byte == 0x2D:
                    continue
                fine = False
                break
            count += 1
            if what == 3:  # soundex
                digit = digits[byte - 0x41]
                if length == 0:
                    letters[0] = byte
                    length = 1
                    previous = digit
                elif digit != 0x2D:  # H and W are passed over
                    if digit != 0x30 and digit != previous and length < 4:
                        letters[length] = digit
                        length += 1
                    previous = digit
            elif what == 2:  # last three
                if length == 3:
                    letters[0], letters[1], letters[2] = letters[1], letters[2], byte
                else:
                    letters[length] = byte
                    length += 1
            elif length < (1 if what == 0 else 3):
                letters[length] = byte
                length += 1
        if not fine or count == 0:
            state[value] = 2
            continue
        while what == 3 and length < 4:
            letters[length] = 0x30
            length += 1
        _prefix(out, at, length)
        for i in range(length):
            out[at + 4 + i] = letters[i]
        at += 4 + length
    out_start[len(start) - 1] = at


@njit(cache=True, nogil=True, boundscheck=False)
def dates(data: Bytes, start: Index, parts: int, out: Bytes, out_start: Index, state: Bytes) -> None:
    at = 0
    for value in range(len(start) - 1):
        out_start[value] = at
        p = start[value]
        if start[value + 1] - p != 10:
            state[value] = 2
            continue
        if (
            (parts & 1 and data[p] == 0x58)
            or (parts & 2 and data[p + 5] == 0x58)
            or (parts & 4 and data[p + 8] == 0x58)
        ):
            state[value] = 1
            continue
        month = 10 * (int(data[p + 5]) - 0x30) + int(data[p + 6]) - 0x30
        day = 10 * (int(data[p + 8]) - 0x30) + int(data[p + 9]) - 0x30
        if parts & 2 and parts & 4:
            # encoding-v1 §2.6: a month and day that cannot stand together are no component.
            most = 31
            if month == 4 or month == 6 or month == 9 or month == 11:
                most = 30
            if month == 2:
                most = 29
                if parts & 1:
                    year = 0
                    for i in range(4):
                        year = 10 * year + int(data[p + i]) - 0x30
                    if not (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)):
                        most = 28
            if day > most:
                state[value] = 1
                continue
        first, second = p + 5, p + 8
        if parts & 8 and day < month:
            first, second = second, first
        begin = at
        at += 4
        if parts & 1:
            for i in range(4):
                out[at + i] = data[p + i]
            at += 4
        for bit, place in ((2, first), (4, second)):
            if parts & bit:
                if at > begin + 4:
                    out[at] = 0x2D
                    at += 1
                out[at], out[at + 1] = data[place], data[place + 1]
                at += 2
        _prefix(out, begin, at - begin - 4)
    out_start[len(start) - 1] = at


@njit(cache=True, nogil=True, boundscheck=False)
def postcodes(data: Bytes, start: Index, what: int, out: Bytes, out_start: Index, state: Bytes) -> None:
    at = 0
    for value in range(len(start) - 1):
        out_start[value] = at
        first, last = start[value], start[value + 1]
        n = last - first
        # encoding-v1 §2.7, where the inward half is a figure and two letters; a BFPO number is not.
        fine = 6 <= n <= 8 and data[last - 4] == 0x20 and 0x30 <= data[last - 3] <= 0x39
        for place in range(first, last):
            byte = data[place]
            plain = 0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x5A
            if not plain and place != last - 4:
                fine = False
        if not fine or not (data[last - 2] >= 0x41 and data[last - 1] >= 0x41):
            state[value] = 2
            continue
        length = n - 4
        if what == 0:
            length = n - 2
        elif what == 2:
            length = 2 if data[first + 1] >= 0x41 else 1
        _prefix(out, at, length)
        for i in range(length):
            out[at + 4 + i] = data[first + i]
        at += 4 + length
    out_start[len(start) - 1] = at


@njit(cache=True, nogil=True, boundscheck=False)
def whole(data: Bytes, start: Index, most: int, out: Bytes, out_start: Index) -> None:
    at = 0
    for value in range(len(start) - 1):
        out_start[value] = at
        length = min(start[value + 1] - start[value], most)
        _prefix(out, at, length)
        for i in range(length):
            out[at + 4 + i] = data[start[value] + i]
        at += 4 + length
    out_start[len(start) - 1] = at


@njit(cache=True, nogil=True, boundscheck=False)
def pairs(
    one: Bytes,
    one_start: Index,
    one_codes: Index,
    two: Bytes,
    two_start: Index,
    two_codes: Index,
    out: Bytes,
    out_start: Index,
) -> None:
    """Two values of a row in order of code points, joined with a line feed."""
    at = 0
    for row in range(len(one_codes)):
        out_start[row] = at
        a, b = one_codes[row], two_codes[row]
        if a < 0 or b < 0:
            continue
        p, p_end = one_start[a] + 4, one_start[a + 1]
        q, q_end = two_start[b] + 4, two_start[b + 1]
        # Bytes of UTF-8 are in the order of the code points.
        i = 0
        while p + i < p_end and q + i < q_end and one[p + i] == two[q + i]:
            i += 1
        straight = p + i == p_end or (q + i < q_end and one[p + i] < two[q + i])
        begin = at
        at += 4
        for turn in range(2):
            if (turn == 0) == straight:
                for place in range(p, p_end):
                    out[at] = one[place]
                    at += 1
            else:
                for place in range(q, q_end):
                    out[at] = two[place]
                    at += 1
            if turn == 0:
                out[at] = 0x0A
                at += 1
        _prefix(out, begin, at - begin - 4)
    out_start[len(one_codes)] = at
