"""
All pairs of filters whose Dice coefficient reaches a threshold, exactly.

Source: specs/matching-v1.md, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from pseudolink.errors import FilterWidthError, TooManyPairsError, UsageError
from pseudolink.match import counting, reference
from pseudolink.match.tiles import Limits, Tiles, bits_set, limits, tiles, walks, whole_vectors

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Pairs = tuple[Rows, Rows, Scores]
Threshold = Fraction | Decimal | float | int | str
#: Applies a function to each of some chunks, in order; ``map``, or ``engines.threads.run``.
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]

#: Pairs that are handed out in memory unless another number is asked for: 1.2 GB of results.
MOST_PAIRS = 50_000_000
ENGINES = ("numba", "numpy")

_CHUNK = 2048
_CHUNK_PAIRS = 4_000_000
_BUFFER = 1 << 18
# Counter planes above the lowest four, for 128, 1,024, 65,536 and 2**32 bits that may be lacking.
_HIGH = (3, 6, 12, 28)


def exact(threshold: Threshold) -> Fraction:
    """
    The threshold as a fraction; a float as the shortest decimal that reads back as the same float.

    Raises:
        UsageError: no number, or not above 0 and at most 1.

    Source: specs/matching-v1.md, section 4.2.
    """
    try:
        if isinstance(threshold, bool):
            raise ValueError
        # str of a float, numpy's included, is its shortest decimal.
        given = str(threshold) if isinstance(threshold, (float, np.floating)) else threshold
        found = Fraction(given)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        raise UsageError("a threshold is a number, such as 0.8 or 4/5") from None
    if not 0 < found <= 1:
        raise UsageError("a threshold is above 0, and at most 1")
    return found


def _checked(left: Any, right: Any) -> tuple[Words, Words]:
    sides = []
    for name, side in (("left", left), ("right", right)):
        array = np.asarray(side)
        if array.ndim != 2 or array.dtype.kind != "u" or array.dtype.itemsize != 8:
            raise FilterWidthError(f"the {name} filters are not an (n, w) array of uint64")
        sides.append(np.ascontiguousarray(array, dtype=np.uint64))
    if sides[0].shape[1] != sides[1].shape[1]:
        raise FilterWidthError(
            f"left filters have {sides[0].shape[1]} words, right filters {sides[1].shape[1]}",
            advice="Compare filters of one schema: those of another mean nothing here.",
        )
    return sides[0], sides[1]


@dataclass(frozen=True)
class _Work:
    """What every chunk shares."""

    left: Words
    tiles: Tiles
    limits: Limits
    best: int | None

    def chunk(self, rows: tuple[int, int]) -> Pairs:
        """Pairs of left rows from the first to before the second, ordered."""
        some = self.left[rows[0] : rows[1]]
        bits = bits_set(some)
        starts, walk = walks(some, bits, self.tiles.place)
        spare = self.limits.spare(bits)
        high = next((0,) * planes for planes in _HIGH if spare < 16 << planes)
        wide = whole_vectors(some)
        out = [np.empty(_BUFFER, dtype=np.int32) for _ in range(3)]
        parts: list[Pairs] = []
        held = tile = row = 0
        while tile < len(self.tiles.least):
            found, tile, row = counting.scan(
                self.tiles.planes, self.tiles.tile_words, self.tiles.least, self.tiles.most,
                self.tiles.rows, self.tiles.bits, wide, bits, starts, walk,
                self.limits.need, self.limits.lowest, high, tile, row, *out,
            )  # fmt: skip
            i, j, common = (one[:found].astype(np.int64) for one in out)
            dice = 2 * common / (bits[i] + self.tiles.bits[j])
            parts.append((i + rows[0], self.tiles.order[j], dice))
            held += found
            if self.best and held > 2 * _CHUNK_PAIRS:
                parts = [best_of(_joined(parts), self.best)]
                held = len(parts[0][0])
        pairs = _ordered(_joined(parts))
        return pairs if self.best is None else best_of(pairs, self.best)


def _joined(parts: Sequence[Pairs]) -> Pairs:
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    i, j, dice = (np.concatenate(some) for some in zip(*parts, strict=True))
    return i, j, dice


def _ordered(pairs: Pairs) -> Pairs:
    order = np.lexsort((pairs[1], pairs[0]))
    return pairs[0][order], pairs[1][order], pairs[2][order]


def best_of(pairs: Pairs, best: int) -> Pairs:
    """
    The best of every left filter's pairs, and whatever ties with the last of them.

    Source: specs/matching-v1.md, section 4.6.
    """
    i, j, dice = pairs
    order = np.lexsort((-dice, i))
    sorted_i = i[order]
    first = np.searchsorted(sorted_i, sorted_i)
    last = np.minimum(first + best - 1, np.searchsorted(sorted_i, sorted_i, side="right") - 1)
    stays = np.zeros(len(i), dtype=bool)
    stays[order] = dice[order] >= dice[order][last]
    return i[stays], j[stays], dice[stays]


def _spans(work: _Work, threads: int) -> list[tuple[int, int]]:
    """Chunks of left rows: few enough pairs in each, by a sample, and enough chunks for all threads."""
    rows = len(work.left)
    size = min(_CHUNK, max(64, -(-rows // (4 * threads))))
    if rows > size:
        sample = np.linspace(0, rows - 1, 32).astype(np.int64)
        pairs = len(_Work(work.left[sample], work.tiles, work.limits, work.best).chunk((0, len(sample)))[0])
        size = min(size, max(1, _CHUNK_PAIRS * len(sample) // max(pairs, 1)))
    return [(begin, min(begin + size, rows)) for begin in range(0, rows, size)]


def pair_chunks(
    left: Any,
    right: Any,
    threshold: Threshold,
    *,
    best: int | None = None,
    engine: str = "numba",
    run: Run = map,
    threads: int = 1,
) -> Iterator[tuple[int, Pairs]]:
    """
    Pairs in chunks: (left rows done, pairs), the pairs ordered over all chunks. Memory does not
    grow with the number of pairs.

    Args and errors: see :func:`dice_pairs`.
    """
    share = exact(threshold)
    a, b = _checked(left, right)
    if best is not None and best < 1:
        raise UsageError("the best of a record are at least one")
    if engine not in ENGINES:
        raise UsageError(f"an engine is one of {', '.join(ENGINES)}")
    if max(len(a), len(b)) >= 1 << 31 or 64 * a.shape[1] >= 1 << 30:
        raise UsageError("more filters, or longer ones, than can be numbered here")
    return _chunks(a, b, share, best, engine, run, threads)


def _chunks(
    left: Words, right: Words, share: Fraction, best: int | None, engine: str, run: Run, threads: int
) -> Iterator[tuple[int, Pairs]]:
    if not len(left) or not len(right) or not left.shape[1]:
        return
    if engine == "numpy":
        for done, pairs in reference.chunks(left, right, share):
            yield done, pairs if best is None else best_of(pairs, best)
        return
    work = _Work(left, tiles(right), limits(share, 64 * left.shape[1]), best)
    spans = _spans(work, threads)
    for (_, done), pairs in zip(spans, run(work.chunk, spans), strict=True):
        yield done, pairs


def dice_pairs(
    left: Any,
    right: Any,
    threshold: Threshold,
    *,
    best: int | None = None,
    most: int = MOST_PAIRS,
    engine: str = "numba",
    run: Run = map,
    threads: int = 1,
    report: Callable[[str, int, int], None] | None = None,
) -> Pairs:
    """
    Find every pair whose Dice coefficient reaches the threshold.

    Args:
        left: (n, w) uint64; n filters of 64 w bits.
        right: (m, w) uint64; same w.
        threshold: above 0, at most 1; a fraction, a text such as "4/5", or a number taken as the
            decimal it is written as. Compared exactly, in integers.
        best: of each left filter keep only so many best pairs, and what ties with the last of them.
        most: stop beyond this number of pairs.
        engine: numba, or numpy (the reference; slow).
        run, threads: how chunks of left filters are run, and on how many threads.
        report: told the left filters done.

    Returns:
        (i, j, dice): int64, int64, float64 of equal length, ordered by i, then j.
        Two empty filters are not a pair: absent evidence is not agreement.

    Raises:
        FilterWidthError: not (n, w) uint64, or left and right differ in w.
        UsageError: a threshold, engine or number out of range.
        TooManyPairsError: more pairs than ``most``; carries a suggested threshold.

    Source: specs/matching-v1.md, section 4.
    """
    chunks = pair_chunks(left, right, threshold, best=best, engine=engine, run=run, threads=threads)
    return held(chunks, len(left), threshold, most=most, report=report)


def held(
    chunks: Iterable[tuple[int, Pairs]],
    total: int,
    threshold: Threshold,
    *,
    most: int = MOST_PAIRS,
    report: Callable[[str, int, int], None] | None = None,
) -> Pairs:
    """
    What :func:`pair_chunks` gives, in memory.

    Args:
        total: number of left filters.

    Raises:
        TooManyPairsError: more pairs than ``most``.
    """
    parts: list[Pairs] = []
    count = 0
    for done, pairs in chunks:
        parts.append(pairs)
        count += len(pairs[0])
        if report:
            report("compare", done, total)
        if count > most:
            raise _too_many(parts, exact(threshold), most, Fraction(done, total))
    return _joined(parts)


def _too_many(parts: Sequence[Pairs], threshold: Fraction, most: int, seen: Fraction) -> TooManyPairsError:
    """With the lowest whole hundredth that is expected to bring nine tenths of the cap."""
    dice = np.concatenate([part[2] for part in parts])
    suggested = None
    for hundredths in range(int(threshold * 100) + 1, 101):
        if (dice >= hundredths / 100).sum() <= Fraction(9, 10) * most * seen:
            suggested = Fraction(hundredths, 100)
            break
    advice = (
        f"A threshold of about {float(suggested):.2f} is expected to bring fewer; or write them to a file."
        if suggested
        else "Too many filters are equal for any threshold: compare inside blocks."
    )
    return TooManyPairsError(
        f"more than {most:,} pairs reach the threshold", suggested=suggested, advice=advice
    )


def dice_of(left: Any, right: Any, i: Rows, j: Rows, threshold: Threshold) -> Pairs:
    """
    Of listed pairs of filters, those that reach the threshold, in the order given.

    Args:
        i, j: (k,) int64, rows of ``left`` and of ``right``.

    Source: specs/matching-v1.md, section 4.3.
    """
    a, b = _checked(left, right)
    if not len(i) or not a.shape[1]:
        return _joined([])
    bits = bits_set(a), bits_set(b)
    need = limits(exact(threshold), 64 * a.shape[1]).need
    common = np.empty(len(i), dtype=np.int64)
    counting.compare_listed(whole_vectors(a), bits[0], whole_vectors(b), bits[1], need, i, j, common)
    kept = np.flatnonzero(common >= 0)
    i, j = i[kept], j[kept]
    return i, j, 2 * common[kept] / (bits[0][i] + bits[1][j])
