"""
Classes of people who are alike in what others may know, and the fewest changes that make them large.

Columns are arrays of codes here, 0 for missing: coarsening chooses among them, suppression writes 0.

Source: specs/microdata-v1.md, 2.3 to 2.6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from pseudolink.errors import DisclosureError

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_COMBINATIONS = 2_000
_MOST_PLACES = 2**62
#: Keys so many times as many as rows are counted in a table rather than sorted.
_SPREAD = 8


@dataclass(frozen=True)
class Need:
    """
    What a class must have.

    k: people, and families. sensitive: (codes, least number of distinct values) of each sensitive
    column. people, families: (n,) whose each row is, and of which family; each row is a person and
    each person a family where they are None.
    """

    k: int
    sensitive: tuple[tuple[Index, int], ...] = ()
    people: Index | None = None
    families: Index | None = None


@dataclass(frozen=True)
class Choice:
    """
    What was done.

    steps: the step of each column, 0 for none. codes: (n, q) after coarsening and suppression.
    suppressed: (n, q) bool, values that were there and are missing now.
    """

    steps: tuple[int, ...]
    codes: Index
    suppressed: Flags


def classes(codes: Index) -> Index:
    """(n,) the class of each row."""
    key = np.zeros(len(codes), dtype=np.int64)
    most = 1
    for column in codes.T:
        width = int(column.max(initial=0)) + 1
        if most > _MOST_PLACES // width:
            key, most = _close(key, most)
        key = key * width + column
        most *= width
    return _close(key, most)[0]


def _close(key: Index, most: int) -> tuple[Index, int]:
    """Keys below ``most`` as numbers from 0 on, without gaps; and how many there are."""
    if most <= _SPREAD * len(key):
        there = np.zeros(most, dtype=bool)
        there[key] = True
        number = np.cumsum(there) - 1
        return number[key], int(there.sum())
    found, key = np.unique(key, return_inverse=True)
    return key.astype(np.int64), len(found)


def failing(codes: Index, need: Need) -> Flags:
    """(n,) rows whose class has too few people, families or values of a sensitive column."""
    key = classes(codes)
    count = np.bincount(key)
    bad = count < need.k
    for units in (need.people, need.families):
        if units is not None:
            bad |= few(key, count, units, need.k)
    for values, least in need.sensitive:
        held = values > 0
        width = int(values.max(initial=0)) + 1
        pairs = distinct(key[held] * width + values[held])
        different = np.bincount(pairs // width, minlength=len(count))
        bad |= (different > 0) & (different < least)
    return np.asarray(bad[key], dtype=np.bool_)


def few(key: Index, count: Index, units: Index, k: int) -> Flags:
    """Classes with fewer than k different units; count: the rows of each."""
    # A class of k times as many rows as any unit has is made of k units at least.
    doubtful = (count >= k) & (count < k * int(np.bincount(units).max(initial=0)))
    rows = np.flatnonzero(doubtful[key])
    width = int(units.max(initial=0)) + 1
    pairs = distinct(key[rows] * width + units[rows])
    different = np.bincount(pairs // width, minlength=len(count))
    return np.asarray(doubtful & (different < k), dtype=np.bool_)


def distinct(numbers: Index) -> Index:
    """Each number once, in order: by sorting, for numpy's own way hashes and takes ten times as long."""
    ordered = np.sort(numbers)
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


def choose(levels: Sequence[Sequence[Index]], need: Need) -> Choice:
    """
    The combination of steps and suppression with the least cost.

    Args:
        levels: for each quasi-identifier the codes at each step, (n,) int64, the finest first; all
            0 for a step that drops the column.

    Raises:
        DisclosureError: fewer than k people or families, or too few values of a sensitive column in all.
    """
    n = len(levels[0][0]) if levels else 0
    if levels and failing(np.zeros((n, 1), dtype=np.int64), need).any():
        raise DisclosureError(
            f"with every quasi-identifier suppressed the release still breaks the rules: {n:,} rows, "
            f"k is {need.k} for people and for families",
            advice="Release more people together, or leave out sensitive columns with few values.",
        )
    if not levels:
        empty = np.zeros((n, 0), dtype=np.int64)
        return Choice((), empty, np.zeros((n, 0), dtype=bool))
    bounds = []
    for steps in _combinations([len(one) for one in levels]):
        codes = np.column_stack([one[step] for one, step in zip(levels, steps, strict=True)])
        cost = _coarsening_cost(levels, steps, n)
        bounds.append((cost + int(failing(codes, need).sum()), cost, steps))
    best: tuple[float, Choice] | None = None
    for bound, cost, steps in sorted(bounds):
        if best is not None and bound >= best[0]:
            break
        codes = np.column_stack([one[step] for one, step in zip(levels, steps, strict=True)])
        after = suppress(codes, need)
        suppressed = (codes > 0) & (after == 0)
        total = cost + int(suppressed.sum())
        if best is None or total < best[0]:
            best = total, Choice(steps, after, suppressed)
    if best is None:  # there is always the combination without a step
        raise AssertionError("no combination of steps")
    return best[1]


def _combinations(counts: list[int]) -> Iterator[tuple[int, ...]]:
    """Every combination of steps; where those are too many, all columns step by step together."""
    if int(np.prod(counts)) <= MOST_COMBINATIONS:
        yield from product(*(range(count) for count in counts))
        return
    for level in range(max(counts)):
        yield tuple(min(level, count - 1) for count in counts)
        for place in range(len(counts)):
            yield tuple(min(level + (n == place), count - 1) for n, count in enumerate(counts))


def _coarsening_cost(levels: Sequence[Sequence[Index]], steps: tuple[int, ...], n: int) -> float:
    cost = 0.0
    for one, step in zip(levels, steps, strict=True):
        held = int((one[0] > 0).sum())
        cost += held * (step / len(one) if one[step].any() else 1.0)
    return cost


def suppress(codes: Index, need: Need) -> Index:
    """
    Suppress single values until no class fails (2.4, 2.5).

    Args:
        codes: (n, q), 0 for missing.
    """
    codes = codes.copy()
    columns = codes.shape[1]
    while True:
        bad = failing(codes, need)
        if not bad.any():
            return codes
        if not _merged(codes, bad, need, columns):
            _gathered(codes, bad, need)


def _merged(codes: Index, bad: Flags, need: Need, columns: int) -> bool:
    """Suppress the fewest columns that bring some failing people into a class that holds."""
    for size in range(1, columns + 1):
        best: tuple[Index, Index] | None = None
        for chosen in combinations(range(columns), size):
            hidden = np.asarray(chosen, dtype=np.int64)
            tried = codes.copy()
            tried[np.ix_(np.flatnonzero(bad), hidden)] = 0
            moved = bad & (tried != codes).any(axis=1)
            saved = np.flatnonzero(moved & ~failing(tried, need))
            if len(saved) and (best is None or len(saved) > len(best[0])):
                best = saved, hidden
        if best is not None:
            saved, hidden = best
            kept = codes[np.ix_(saved, hidden)]
            codes[np.ix_(saved, hidden)] = 0
            # Whoever moves must not leave a class that held too small.
            if (failing(codes, need) & ~bad).any():
                codes[np.ix_(saved, hidden)] = kept
                continue
            return True
    return False


def _gathered(codes: Index, bad: Flags, need: Need) -> None:
    """Everything of those left is suppressed; people of the largest class join them until k holds."""
    codes[bad] = 0
    while True:
        alone = failing(codes, need) & (codes == 0).all(axis=1)
        if not alone.any():
            return
        key = classes(codes)
        full = (codes > 0).any(axis=1)
        if not full.any():
            return
        sizes = np.bincount(key[full], minlength=int(key.max()) + 1)
        largest = int(np.argmax(sizes))
        members = np.flatnonzero((key == largest) & full)
        lacking = max(need.k - int((~full).sum()), 1)
        spare = len(members) - need.k
        codes[members[:lacking] if spare >= lacking else members] = 0
