"""
Values to tokens, and the table of the tokens of one feature with their bit positions.

Source: specs/clk-v1.md, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.interop.clk_hash import Draw, Positions
from pseudolink.interop.clk_kernels import EMPTY, POINT_BITS, fill_table, number_grams
from pseudolink.interop.clk_schema import Comparison, Feature
from pseudolink.interop.clk_values import Judged, plain_buffers

Index = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]

_SMALLEST_TABLE: Final = 1 << 12
_MOST_BYTES: Final = 1 << 26
# clkhash writes utf-16 and utf-32 with a byte order mark before each token, in the order of the
# machine; every machine that clkhash is used on is little-endian.
_MARKED: Final = {"utf-16": ("utf-16-le", b"\xff\xfe"), "utf-32": ("utf-32-le", b"\xff\xfe\x00\x00")}


def tokens(comparison: Comparison, text: str) -> list[str]:
    """
    The tokens of a value, in order and with repetitions; none of empty text.

    Raises:
        ValueError, OverflowError: a numeric comparison of what is not a number.

    Source: specs/clk-v1.md, section 4.6.
    """
    if not text:
        return []
    if comparison.kind == "exact":
        return [text]
    if comparison.kind == "numeric":
        return _neighbourhood(comparison, text)
    pad = " " * (comparison.n - 1)
    padded = f"{pad}{text}{pad}"
    grams = [padded[i : i + comparison.n] for i in range(len(padded) - comparison.n + 1)]
    return [f"{i} {gram}" for i, gram in enumerate(grams, 1)] if comparison.positional else grams


def _neighbourhood(comparison: Comparison, text: str) -> list[str]:
    scale = 10**comparison.precision
    try:
        value = int(text, base=10) * scale
    except ValueError:
        # A fraction beyond the declared precision is rounded, half to even; without one it is cut off.
        real = float(text)
        value = round(real * scale) if comparison.precision else int(real)
    interval, reach = comparison.interval, comparison.resolution
    value *= 2 * reach
    beyond = value % interval
    if beyond:
        value += -beyond if beyond < interval / 2 else interval - beyond
    return [str(value + i * interval) for i in range(-reach, reach + 1)]


def encoder(encoding: str) -> Callable[[str], bytes]:
    """Text to bytes, the same bytes on every machine."""
    name, mark = _MARKED.get(encoding, (encoding, b""))
    return lambda token: mark + token.encode(name)


class Tokens(NamedTuple):
    """
    The tokens of n values, by number.

    starts: (n + 1,) int64 into ``numbers``.
    """

    starts: Index
    numbers: Numbers


class TokenTable:
    """
    Every token of one feature that has been seen, with its bit positions.

    Tokens are pieces of people's identifiers: they stay in memory, and go when the table does.
    """

    __slots__ = (
        "_by_text",
        "_comparison",
        "_draw",
        "_drawn",
        "_feature",
        "_keys",
        "_known",
        "_slots",
        "_texts",
        "_write",
        "positions",
    )

    #: (at least the tokens, at least the insertions of any) uint32, one row a token number.
    positions: Positions

    def __init__(self, feature: Feature, draw: Draw) -> None:
        self._feature = feature
        self._comparison = feature.comparison
        self._draw = draw
        self._write = encoder(feature.format.encoding)
        self._clear()

    def __repr__(self) -> str:
        return f"<TokenTable of {len(self._texts)} tokens>"

    def _clear(self) -> None:
        self._texts: list[str] = []
        self._by_text: dict[str, int] = {}
        self._keys = np.zeros(_SMALLEST_TABLE, dtype=np.uint64)
        self._slots = np.full(_SMALLEST_TABLE, EMPTY, dtype=np.int32)
        self._known = np.zeros(_SMALLEST_TABLE // 2, dtype=np.uint64)
        self.positions = np.zeros((0, 0), dtype=np.uint32)
        self._drawn = 0

    def tokens(self, judged: Judged) -> Tokens:
        """
        The tokens of values; ``positions`` then holds a row for each number.

        A value that is not a number where one is needed is marked in ``judged``.
        """
        if self.positions.nbytes > _MOST_BYTES:
            self._clear()  # exact values do not repeat: a table of them would only grow
        compiled = self._comparison.kind == "ngram" and self._comparison.n <= (
            2 if self._comparison.positional else 3
        )
        found = self._compiled(judged.texts) if compiled else self._listed(judged)
        self._draw_positions(self._most_insertions(found))
        return found

    def _most_insertions(self, found: Tokens) -> int:
        if self._feature.per_token:
            return self._feature.per_token
        counts = np.diff(found.starts)
        counts = counts[counts > 0]
        return -(-self._feature.per_feature // int(counts.min())) if len(counts) else 0

    # ------------------------------------------------------------ tokens to numbers

    def _listed(self, judged: Judged) -> Tokens:
        by_text = self._by_text
        numbers: list[int] = []
        starts = np.zeros(len(judged.texts) + 1, dtype=np.int64)
        wrong = np.zeros(len(judged.texts), dtype=np.bool_)
        bad = judged.bad.tolist()
        for row, text in enumerate(judged.texts.to_pylist()):
            if not bad[row]:
                try:
                    numbers += [by_text.setdefault(t, len(by_text)) for t in tokens(self._comparison, text)]
                except (ValueError, OverflowError):
                    wrong[row] = True
            starts[row + 1] = len(numbers)
        judged.mark("is not a number", wrong)
        self._texts += list(by_text)[len(self._texts) :]
        return Tokens(starts, np.asarray(numbers, dtype=np.int32))

    def _compiled(self, texts: pa.LargeStringArray) -> Tokens:
        n, positional = self._comparison.n, self._comparison.positional
        offsets, data = plain_buffers(texts)
        if (data < 0x80).all():
            characters = data.astype(np.uint32)
        else:
            characters = np.frombuffer(data.tobytes().decode("utf-8").encode("utf-32-le"), dtype="<u4")
            lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
            offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        lengths = np.diff(offsets)
        starts = np.zeros(len(texts) + 1, dtype=np.int64)
        numbers = np.zeros(int(lengths.sum()) + (n - 1) * int((lengths > 0).sum()), dtype=np.int32)
        at, before = 0, len(self._texts)
        count = before
        while True:
            at, count = number_grams(
                characters,
                offsets,
                at,
                n,
                positional,
                self._keys,
                self._slots,
                self._known,
                count,
                starts,
                numbers,
            )
            if at == len(texts):
                break
            self._grow(count, int(lengths[at]) + n)
        self._texts += map(self._text_of, self._known[before:count].tolist())
        return Tokens(starts, numbers)

    def _grow(self, count: int, more: int) -> None:
        size = 2 * len(self._keys)
        while count + more > size // 2:
            size *= 2
        self._keys = np.zeros(size, dtype=np.uint64)
        self._slots = np.full(size, EMPTY, dtype=np.int32)
        fill_table(self._known, count, self._keys, self._slots)
        self._known = np.concatenate([self._known, np.zeros(size // 2 - len(self._known), dtype=np.uint64)])

    def _text_of(self, key: int) -> str:
        points = []
        for _ in range(self._comparison.n):
            points.append(chr(key & ((1 << POINT_BITS) - 1)))
            key >>= POINT_BITS
        gram = "".join(reversed(points))
        return f"{key} {gram}" if self._comparison.positional else gram

    # ------------------------------------------------------------ numbers to positions

    def _draw_positions(self, insertions: int) -> None:
        """Draw for the tokens that have no positions yet, or too few."""
        needed = len(self._texts)
        rows, width = self.positions.shape
        if insertions > width:
            self._drawn, rows, width = 0, 0, insertions
        if needed > rows:
            room = np.empty((max(needed, 2 * rows), width), dtype=np.uint32)
            if self._drawn:
                room[: self._drawn] = self.positions[: self._drawn]
            self.positions = room
        for number in range(self._drawn, needed):
            self.positions[number] = self._draw(self._write(self._texts[number]), width)
        self._drawn = needed
