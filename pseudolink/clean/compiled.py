"""
The common case of cleaning, compiled: cells that are clearly right, as nearly all cells are.

A kernel either gives the canonical value that the rules of the kind give, or leaves the cell to
them. It never says that a cell breaks a rule, and what it cannot be sure of it leaves.

Source: specs/cleaning-v1.md, sections 2 to 10; the rules themselves are in the modules of the kinds.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pseudolink.clean import names, surname, upn
from pseudolink.clean.folding import fold
from pseudolink.clean.nino import ADMINISTRATIVE, LETTERS, NEVER_ISSUED
from pseudolink.formats.cleaned import Texts
from pseudolink.kernels import njit

Bytes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

# ---------------------------------------------------------------- names

_LAST_LETTER: Final = 0x1F00  # Latin with diacritics ends before it
_MARKS: Final = (0x300, 0x370)
_MOST_LETTERS: Final = 3
_DELETE: Final = 0xFF


def _folded_letters() -> Bytes:
    """(code points, 4) uint8: number of letters A to Z that a letter folds to, and the letters."""
    table = np.zeros((_LAST_LETTER, _MOST_LETTERS + 1), dtype=np.uint8)
    for code in (*range(0x41, 0x250), *range(0x1E00, _LAST_LETTER)):
        letters = fold(chr(code))
        if letters.isascii() and letters.isalpha() and len(letters) <= _MOST_LETTERS:
            table[code] = [len(letters), *letters.ljust(_MOST_LETTERS).encode()]
    for code in range(*_MARKS):
        if fold("A" + chr(code)) == "A":
            table[code, 0] = _DELETE
    return table


def _packed(word: str) -> int:
    """The first eight letters of a word as one number."""
    return int.from_bytes(word[:8].encode().ljust(8, b"\0"), "big")


def _special(*groups: frozenset[str]) -> Words:
    """Words after which a cell is not a plain name: titles, prefixes, parts of placeholders."""
    found = {word for group in groups for cell in group for word in cell.replace("/", " ").split()}
    return np.asarray(sorted({_packed(word) for word in found}), dtype=np.uint64)


_FOLDED: Final = _folded_letters()
_NOT_PLAIN: Final = _special(
    names.TITLES, names.SUFFIXES, surname.PREFIXES, names.PLACEHOLDERS, names.FORENAME_PLACEHOLDERS
)


@njit(cache=True, nogil=True, boundscheck=False)
def _is_special(word: np.uint64, special: Words) -> bool:
    low, high = 0, len(special)
    while low < high:
        middle = (low + high) // 2
        if special[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low < len(special) and special[low] == word


@njit(cache=True, nogil=True, boundscheck=False)
def _names(
    data: Bytes,
    start: Index,
    hyphens: bool,
    folded: Bytes,
    special: Words,
    most: int,
    out: Bytes,
    out_start: Index,
    done: Flags,
) -> None:
    at = 0
    for cell in range(len(start) - 1):
        out_start[cell] = at
        begin, place, end = at, start[cell], start[cell + 1]
        word = np.uint64(0)
        length = 0  # of the word
        fine = end - place <= most
        dropped = 0
        previous = 0  # 0 at the start, 1 after a letter, 2 after a blank, a hyphen or an apostrophe
        while fine and place < end:
            code = int(data[place])
            if code < 0x80:
                place += 1
            elif code < 0xE0:
                code = (code & 0x1F) << 6 | int(data[place + 1]) & 0x3F
                place += 2
            elif code < 0xF0:
                code = (code & 0x0F) << 12 | (int(data[place + 1]) & 0x3F) << 6 | int(data[place + 2]) & 0x3F
                place += 3
            else:
                fine = False
                break
            if code == 0x20 or code == 0x2D or code == 0x27:
                # Each stands between two letters, else the rules decide.
                fine = previous == 1
                previous = 2
                if code == 0x27:
                    dropped += 1
                    continue
                if _is_special(word, special):
                    fine = False
                out[at] = 0x2D if code == 0x2D and hyphens else 0x20
                at += 1
                word, length = np.uint64(0), 0
                continue
            letters = folded[code, 0] if code < len(folded) else np.uint8(0)
            if letters == 0xFF:
                continue
            if letters == 0:
                fine = False
                break
            previous = 1
            for letter in range(1, letters + 1):
                if length < 8:
                    word |= np.uint64(folded[code, letter]) << np.uint64(56 - 8 * length)
                length += 1
                out[at] = folded[code, letter]
                at += 1
        if not fine or previous != 1 or _is_special(word, special) or at - begin + dropped > most:
            at = begin
        else:
            done[cell] = True
    out_start[len(start) - 1] = at


def _name_cells(texts: Texts, *, hyphens: bool) -> tuple[Texts, Flags]:
    # A letter of two bytes can become three.
    out = np.empty(2 * int(texts.start[-1] - texts.start[0]) + 8, dtype=np.uint8)
    start, done = _room(texts)
    _names(texts.data, texts.start, hyphens, _FOLDED, _NOT_PLAIN, names.MOST_CHARACTERS, out, start, done)
    return Texts.from_parts(out[: start[-1]], start), done


def _room(texts: Texts) -> tuple[Index, Flags]:
    return np.zeros(len(texts) + 1, dtype=np.int64), np.zeros(len(texts), dtype=np.bool_)


# ---------------------------------------------------------------- dates

_DAYS: Final = np.asarray([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


@njit(cache=True, nogil=True, boundscheck=False)
def _number(data: Bytes, at: int, figures: int) -> int:
    value = 0
    for i in range(figures):
        figure = int(data[at + i]) - 0x30
        if figure < 0 or figure > 9:
            return -1
        value = 10 * value + figure
    return value


@njit(cache=True, nogil=True, boundscheck=False)
def _dates(
    data: Bytes, start: Index, today: int, days: Index, out: Bytes, out_start: Index, done: Flags
) -> None:
    at = 0
    for cell in range(len(start) - 1):
        out_start[cell] = at
        p = start[cell]
        if start[cell + 1] - p != 10:
            continue
        first = data[p + 4] == 0x2D or data[p + 4] == 0x2F or data[p + 4] == 0x2E
        if first:
            y, m, d, mark, again = p, p + 5, p + 8, data[p + 4], data[p + 7]
        else:
            d, m, y, mark, again = p, p + 3, p + 6, data[p + 2], data[p + 5]
        if mark != again or (mark != 0x2D and mark != 0x2F and mark != 0x2E):
            continue
        year, month, day = _number(data, y, 4), _number(data, m, 2), _number(data, d, 2)
        if year < 1000 or month < 1 or month > 12 or day < 1 or day > days[month]:
            continue
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if month == 2 and day == 29 and not leap:
            continue
        if 10000 * year + 100 * month + day > today:
            continue
        if month == 1 and day == 1 and (year == 1800 or year == 1900 or year == 1901):
            continue
        for i in range(4):
            out[at + i] = data[y + i]
        out[at + 4] = 0x2D
        out[at + 5], out[at + 6] = data[m], data[m + 1]
        out[at + 7] = 0x2D
        out[at + 8], out[at + 9] = data[d], data[d + 1]
        at += 10
        done[cell] = True
    out_start[len(start) - 1] = at


def date_cells(texts: Texts, today: datetime.date) -> tuple[Texts, Flags]:
    """Year, month, day or day, month, year with two and four figures; where no format is declared."""
    out = np.empty(10 * len(texts), dtype=np.uint8)
    start, done = _room(texts)
    number = 10000 * today.year + 100 * today.month + today.day
    _dates(texts.data, texts.start, number, _DAYS, out, start, done)
    return Texts.from_parts(out[: start[-1]], start), done


# ---------------------------------------------------------------- numbers and postcodes

_MOST_CODE: Final = 16


@njit(cache=True, nogil=True, boundscheck=False)
def _compact(data: Bytes, begin: int, end: int, code: Bytes) -> int:
    """Letters and figures of an ASCII cell, upper case, without blanks; -1 where anything else is in it."""
    length = 0
    for place in range(begin, end):
        byte = data[place]
        if byte == 0x20:
            continue
        if 0x61 <= byte <= 0x7A:
            byte -= np.uint8(0x20)
        if not (0x41 <= byte <= 0x5A or 0x30 <= byte <= 0x39) or length == len(code):
            return -1
        code[length] = byte
        length += 1
    return length


@njit(cache=True, nogil=True, boundscheck=False)
def _figures(code: Bytes, begin: int, end: int) -> bool:
    fine = True
    for i in range(begin, end):
        fine &= code[i] <= 0x39
    return fine


@njit(cache=True, nogil=True, boundscheck=False)
def _ninos(
    data: Bytes, start: Index, prefixes: Flags, unused: Index, out: Bytes, out_start: Index, done: Flags
) -> None:
    code = np.zeros(_MOST_CODE, dtype=np.uint8)
    at = 0
    for cell in range(len(start) - 1):
        out_start[cell] = at
        length = _compact(data, start[cell], start[cell + 1], code)
        if length != 8 and length != 9:
            continue
        if code[0] < 0x41 or code[1] < 0x41 or not _figures(code, 2, 8):
            continue
        if not prefixes[26 * (int(code[0]) - 0x41) + int(code[1]) - 0x41]:
            continue
        if length == 9 and not 0x41 <= code[8] <= 0x44:
            continue
        for i in range(length):
            out[at + i] = code[i]
        at += length
        done[cell] = True
    out_start[len(start) - 1] = at


@njit(cache=True, nogil=True, boundscheck=False)
def _upns(
    data: Bytes, start: Index, known: Flags, value: Index, out: Bytes, out_start: Index, done: Flags
) -> None:
    code = np.zeros(_MOST_CODE, dtype=np.uint8)
    at = 0
    for cell in range(len(start) - 1):
        out_start[cell] = at
        length = _compact(data, start[cell], start[cell + 1], code)
        if length != 13 or value[code[0]] < 0 or code[0] < 0x41 or not _figures(code, 1, 13):
            continue
        total = 0
        for i in range(1, 13):
            total += (int(code[i]) - 0x30) * (i + 1)
        if total % 23 != value[code[0]]:
            continue
        if not known[100 * int(code[1]) + 10 * int(code[2]) + int(code[3]) - 111 * 0x30]:
            continue
        for i in range(13):
            out[at + i] = code[i]
        at += 13
        done[cell] = True
    out_start[len(start) - 1] = at


_FIRST, _SECOND, _INWARD, _THIRD, _FOURTH = 1, 2, 4, 8, 16


@njit(cache=True, nogil=True, boundscheck=False)
def _postcodes(
    data: Bytes, start: Index, letters: Bytes, unused: Index, out: Bytes, out_start: Index, done: Flags
) -> None:
    code = np.zeros(_MOST_CODE, dtype=np.uint8)
    at = 0
    for cell in range(len(start) - 1):
        out_start[cell] = at
        length = _compact(data, start[cell], start[cell + 1], code)
        if length < 5 or length > 7:
            continue
        half = length - 3
        if code[half] > 0x39 or not (letters[code[half + 1]] & 4 and letters[code[half + 2]] & 4):
            continue
        if not letters[code[0]] & 1:
            continue
        if code[1] <= 0x39:
            # A9, A99, A9A
            fine = half == 2 or (half == 3 and (code[2] <= 0x39 or letters[code[2]] & 8 != 0))
        else:
            # AA9, AA99, AA9A
            fine = letters[code[1]] & 2 != 0 and half >= 3 and code[2] <= 0x39
            fine = fine and (half == 3 or code[3] <= 0x39 or letters[code[3]] & 16 != 0)
        if not fine:
            continue
        for i in range(half):
            out[at + i] = code[i]
        out[at + half] = 0x20
        for i in range(half, length):
            out[at + i + 1] = code[i]
        at += length + 1
        done[cell] = True
    out_start[len(start) - 1] = at


def _prefix_table() -> Flags:
    table = np.zeros(26 * 26, dtype=np.bool_)
    for one in range(26):
        for two in range(26):
            prefix = chr(0x41 + one) + chr(0x41 + two)
            refused = prefix in ADMINISTRATIVE or prefix in NEVER_ISSUED
            table[26 * one + two] = not refused and LETTERS.fullmatch(prefix) is not None
    return table


def _authorities() -> Flags:
    return np.asarray([f"{number:03}" in upn.LOCAL_AUTHORITIES for number in range(1000)], dtype=np.bool_)


def _letter_values() -> Index:
    return np.asarray([upn.ALPHABET.find(chr(code)) for code in range(256)], dtype=np.int64)


def _postcode_letters() -> Bytes:
    """Which places of a postcode a letter may stand in, as bits; see ``postcode``."""
    table = np.zeros(256, dtype=np.uint8)
    sets = {
        1: "ABCDEFGHIJKLMNOPRSTUWYZ",
        2: "ABCDEFGHKLMNOPQRSTUVWXY",
        4: "ABDEFGHJLNPQRSTUWXYZ",
        8: "ABCDEFGHJKPSTUW",
        16: "ABEHMNPRVWXY",
    }
    for bit, among in sets.items():
        for letter in among:
            table[ord(letter)] |= bit
    return table


_NOTHING: Final = np.zeros(0, dtype=np.int64)
_TABLES: Final[dict[str, tuple[Any, Any, Any]]] = {
    "nino": (_ninos, _prefix_table(), _NOTHING),
    "upn": (_upns, _authorities(), _letter_values()),
    "postcode": (_postcodes, _postcode_letters(), _NOTHING),
}


def _code_cells(kind: str, texts: Texts) -> tuple[Texts, Flags]:
    kernel, first, second = _TABLES[kind]
    out = np.empty(_MOST_CODE * len(texts), dtype=np.uint8)
    start, done = _room(texts)
    kernel(texts.data, texts.start, first, second, out, start, done)
    return Texts.from_parts(out[: start[-1]], start), done


#: kind -> the values of the cells that are clearly right ("" for others), and which these are.
CELLS: Final[dict[str, Callable[[Texts], tuple[Texts, Flags]]]] = {
    "forename": lambda texts: _name_cells(texts, hyphens=False),
    "surname": lambda texts: _name_cells(texts, hyphens=True),
    "nino": lambda texts: _code_cells("nino", texts),
    "upn": lambda texts: _code_cells("upn", texts),
    "postcode": lambda texts: _code_cells("postcode", texts),
}
