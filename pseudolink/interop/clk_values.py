"""
Cells to the text that is encoded: the rules of a feature's format, and one spelling of a value.

A cell that breaks a rule is named by its row and the rule, never by what it says.

Source: specs/clk-v1.md, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.interop.clk_schema import Feature

Flags = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

MOST_CHARACTERS: Final = 1 << 20
_MOST_DATES: Final = 1 << 17


@dataclass
class Judged:
    """
    The values of a column.

    texts: (n,) large_string, what is encoded; of no meaning where a rule is broken.
    broken: rule -> (n,) bool, the cells that break it. A cell is in the first that it breaks.
    """

    texts: pa.LargeStringArray
    broken: dict[str, Flags]

    def mark(self, rule: str, which: Flags) -> None:
        """Note the cells of ``which`` that broke no rule before."""
        which = which & ~self.bad
        if which.any():
            self.broken[rule] = which

    @property
    def bad(self) -> Flags:
        """(n,) bool, the cells that break a rule."""
        bad: Flags = np.zeros(len(self.texts), dtype=np.bool_)
        for one in self.broken.values():
            bad |= one
        return bad


def plain_buffers(texts: pa.LargeStringArray) -> tuple[Index, npt.NDArray[np.uint8]]:
    """The (n + 1,) offsets from 0 and the UTF-8 bytes of an array without nulls."""
    _, offsets, data = texts.buffers()
    if not len(texts):
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    at = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    raw = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    return at - at[0], raw[at[0] : at[-1]]


def _flags(array: pa.Array) -> Flags:
    found: Flags = array.to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


class Values:
    """Judges and formats the cells of one feature, chunk after chunk."""

    def __init__(self, feature: Feature, *, validate: bool) -> None:
        self._feature = feature
        self._validate = validate
        self._dates = Dates(feature.format.date) if feature.format.kind == "date" else None

    def judge(self, cells: pa.LargeStringArray) -> Judged:
        """
        The values of cells; a missing value is neither checked nor formatted.

        Args:
            cells: (n,) large_string without nulls.
        """
        missing = self._feature.missing
        absent: Flags = np.zeros(len(cells), dtype=np.bool_)
        if missing is not None:
            absent = _flags(pc.equal(cells, pa.scalar(missing.sentinel, pa.large_string())))
        kind = self._feature.format.kind
        if kind == "integer":
            judged = self._integers(cells, absent)
        elif self._dates is not None:
            judged = self._dates.judge(cells, absent)
        else:
            judged = Judged(cells, {})
            if self._validate:
                (self._members if kind == "enum" else self._strings)(judged, cells, ~absent)
        if missing is not None and absent.any():
            instead = pa.scalar(missing.instead, pa.large_string())
            judged.texts = pc.if_else(pa.array(absent), instead, judged.texts)
        if self._feature.format.encoding == "ascii":
            judged.mark("is not ASCII", ~_flags(pc.string_is_ascii(judged.texts)))
        offsets, _ = plain_buffers(judged.texts)
        if len(cells) and np.diff(offsets).max() > MOST_CHARACTERS:
            judged.mark(f"is longer than {MOST_CHARACTERS:,} characters", np.diff(offsets) > MOST_CHARACTERS)
        return judged

    def _strings(self, judged: Judged, cells: pa.LargeStringArray, there: Flags) -> None:
        form = self._feature.format
        if form.pattern is not None:
            judged.mark("does not match the pattern", there & _failing(cells, form.pattern.fullmatch))
            return
        if form.shortest is not None or form.longest is not None:
            lengths = pc.utf8_length(cells).to_numpy(zero_copy_only=False)
            if form.shortest is not None:
                judged.mark("is shorter than minLength", there & (lengths < form.shortest))
            if form.longest is not None:
                judged.mark("is longer than maxLength", there & (lengths > form.longest))
        if form.case == "upper":
            judged.mark("is not in upper case", there & _failing(cells, lambda text: text.upper() == text))
        elif form.case == "lower":
            judged.mark("is not in lower case", there & _failing(cells, lambda text: text.lower() == text))

    def _members(self, judged: Judged, cells: pa.LargeStringArray, there: Flags) -> None:
        values = self._feature.format.values
        judged.mark("is not one of the values", there & _failing(cells, values.__contains__))

    def _integers(self, cells: pa.LargeStringArray, absent: Flags) -> Judged:
        form = self._feature.format
        texts = cells.to_pylist()
        wrong, low, high = (np.zeros(len(texts), dtype=np.bool_) for _ in range(3))
        for row, (text, skip) in enumerate(zip(texts, absent.tolist(), strict=True)):
            if skip:
                continue
            try:
                value = int(text, base=10)
            except ValueError:
                wrong[row], texts[row] = True, ""
                continue
            texts[row] = str(value)
            if self._validate:
                low[row] = form.minimum is not None and value < form.minimum
                high[row] = form.maximum is not None and value > form.maximum
        judged = Judged(pa.array(texts, pa.large_string()), {})
        judged.mark("is not a whole number", wrong)
        judged.mark("is below the minimum", low)
        judged.mark("is above the maximum", high)
        return judged


def _failing(cells: pa.LargeStringArray, test: Callable[[str], object]) -> Flags:
    return np.fromiter((not test(text) for text in cells.to_pylist()), dtype=np.bool_, count=len(cells))


# ---------------------------------------------------------------- dates

_DIRECTIVES: Final = {"Y": 4, "m": 2, "d": 2}
_PLAIN: Final = re.compile(r"(?:%[Ymd]|[-/.,:_])*")
_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
# Before this, C libraries disagree whether a year has leading zeros; see clk-v1 §4.4.
_FIRST_PLAIN_YEAR: Final = 1000


class Dates:
    """
    Dates of one ``strptime`` format as ``%Y%m%d``.

    A format of ``%Y``, ``%m``, ``%d`` and punctuation is read by position, many at a time; what
    does not fit there, and every other format, goes through Python's ``strptime``.
    """

    def __init__(self, layout: str) -> None:
        self._layout = layout
        self._seen: dict[str, str | None] = {}
        self._plain = _positions(layout)

    def judge(self, cells: pa.LargeStringArray, absent: Flags) -> Judged:
        """See :meth:`Values.judge`."""
        digits, done = self._by_position(cells)
        rest = np.flatnonzero(~done & ~absent)
        wrong: Flags = np.zeros(len(cells), dtype=np.bool_)
        if not len(rest):
            texts = _joined(digits, done)
        else:
            plain = digits.tobytes().decode("ascii")
            listed = [plain[at : at + 8] for at in range(0, 8 * len(cells), 8)]
            for row in np.flatnonzero(absent).tolist():
                listed[row] = ""
            for row, text in zip(rest.tolist(), cells.take(pa.array(rest)).to_pylist(), strict=True):
                found = self._parse(text)
                wrong[row] = found is None
                listed[row] = found or ""
            texts = pa.array(listed, pa.large_string())
        judged = Judged(texts, {})
        judged.mark("is not a date of the declared format", wrong)
        return judged

    def _parse(self, text: str) -> str | None:
        if text in self._seen:
            return self._seen[text]
        try:
            found = datetime.strptime(text, self._layout)
            value = f"{found.year}{found.month:02}{found.day:02}"
        except (ValueError, OverflowError, re.error):
            value = None
        if len(self._seen) >= _MOST_DATES:
            self._seen.clear()
        self._seen[text] = value
        return value

    def _by_position(self, cells: pa.LargeStringArray) -> tuple[npt.NDArray[np.uint8], Flags]:
        """(n, 8) digits ``YYYYMMDD`` and (n,) bool, where they hold."""
        digits = np.full((len(cells), 8), ord("0"), dtype=np.uint8)
        done: Flags = np.zeros(len(cells), dtype=np.bool_)
        if self._plain is None or not len(cells):
            return digits, done
        width, at, literals = self._plain
        offsets, data = plain_buffers(cells)
        fits = np.flatnonzero(np.diff(offsets) == width)
        if not len(fits):
            return digits, done
        text = data[offsets[fits][:, None] + np.arange(width)]
        ymd = text[:, at]
        good = ((ymd >= ord("0")) & (ymd <= ord("9"))).all(axis=1)
        for place, literal in literals:
            good &= text[:, place] == literal
        n = (ymd & 0x0F).astype(np.int64)
        year = n[:, 0] * 1000 + n[:, 1] * 100 + n[:, 2] * 10 + n[:, 3]
        month, day = n[:, 4] * 10 + n[:, 5], n[:, 6] * 10 + n[:, 7]
        leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
        days = _DAYS[np.where(month <= 12, month, 0)] + (leap & (month == 2))
        good &= (year >= _FIRST_PLAIN_YEAR) & (day >= 1) & (day <= days)
        digits[fits[good]] = ymd[good]
        done[fits] = good
        return digits, done


def _positions(layout: str) -> tuple[int, list[int], list[tuple[int, int]]] | None:
    """
    Of a plain format: its width, the places of YYYYMMDD, and its literals with their places.

    None where ``strptime`` has to decide.
    """
    if not _PLAIN.fullmatch(layout) or sorted(re.findall("%(.)", layout)) != ["Y", "d", "m"]:
        return None
    at: dict[str, int] = {}
    literals: list[tuple[int, int]] = []
    width = 0
    for directive, literal in re.findall(r"%(.)|(.)", layout):
        if directive:
            at[directive] = width
            width += _DIRECTIVES[directive]
        else:
            literals.append((width, ord(literal)))
            width += 1
    places = [at[d] + i for d in "Ymd" for i in range(_DIRECTIVES[d])]
    return width, places, literals


def _joined(digits: npt.NDArray[np.uint8], done: Flags) -> pa.LargeStringArray:
    """(n,) large_string: the eight digits where they hold, empty text elsewhere."""
    offsets = np.zeros(len(digits) + 1, dtype=np.int64)
    np.cumsum(8 * done, out=offsets[1:])
    return pa.LargeStringArray.from_buffers(
        len(digits), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(digits[done]))
    )
