"""
Compiled loops of the planner: sets of records as bits, and records that share a key.

Source: specs/planning-v1.md, sections 3 and 4.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_ONE = np.uint64(1)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def packed(flags: Flags) -> Words:
    """(n,) truth values as ceil(n / 64) words; the order of bits within a word is the machine's."""
    data = np.packbits(flags)
    return np.concatenate([data, np.zeros(-len(data) % 8, dtype=np.uint8)]).view(np.uint64)


def ones(words: Words) -> int:
    """How many bits are set."""
    return int(np.bitwise_count(words).sum())


@numba.njit(nogil=True, cache=True)
def _count(x: np.uint64) -> np.uint64:  # pragma: no cover
    x = x - ((x >> _ONE) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@numba.njit(nogil=True, cache=True)
def fresh(sets: Words, covered: Words, asked: Flags, found: Index) -> None:  # pragma: no cover
    """
    For every set that is asked for, how many of its bits are not covered yet.

    Args:
        sets: (m, w). covered: (w,). asked: (m,). found: (m,) int64, written where asked.
    """
    for i in range(sets.shape[0]):
        if asked[i]:
            total = np.uint64(0)
            for j in range(sets.shape[1]):
                total += _count(sets[i, j] & ~covered[j])
            found[i] = np.int64(total)


@numba.njit(nogil=True, cache=True)
def alike(
    keys: Words,
    present: Flags,
    most: int,
    slots: Words,
    owner: npt.NDArray[np.int32],
    size: npt.NDArray[np.int32],
    stamp: npt.NDArray[np.int32],
    now: int,
    found: Flags,
) -> tuple[int, int]:  # pragma: no cover
    """
    Which rows share their key with another row.

    Args:
        keys, present: (n,); rows that are not present have no key.
        most: stop where more than so many rows share theirs.
        slots, owner, size, stamp: a hash table, a power of two of at least 2n slots, that is taken for
            empty where ``stamp`` is not ``now``. found: (n,), written; not to be used where it stopped.

    Returns:
        how many rows share their key, and how many the most common key has.
    """
    mask = np.uint64(len(slots) - 1)
    total = 0
    largest = 0
    for row in range(len(keys)):
        found[row] = False
        if not present[row]:
            continue
        key = keys[row]
        at = ((key * _SPREAD) >> np.uint64(24)) & mask
        while stamp[at] == now and slots[at] != key:
            at = (at + _ONE) & mask
        if stamp[at] != now:
            stamp[at] = now
            slots[at] = key
            owner[at] = row
            size[at] = 1
            largest = max(largest, 1)
            continue
        if size[at] == 1:
            found[owner[at]] = True
            total += 1
        found[row] = True
        total += 1
        size[at] += 1
        largest = max(largest, size[at])
        if total > most:
            break
    return total, largest


class Table:
    """A hash table for n rows that is used again and again; one a thread."""

    def __init__(self, rows: int) -> None:
        slots = 1 << max(4, (2 * rows).bit_length())
        self._slots = np.zeros(slots, dtype=np.uint64)
        self._owner = np.zeros(slots, dtype=np.int32)
        self._size = np.zeros(slots, dtype=np.int32)
        self._stamp = np.zeros(slots, dtype=np.int32)
        self._now = 0
        self.found = np.zeros(rows, dtype=np.bool_)

    def alike(self, keys: Words, present: Flags, most: int) -> tuple[int, int]:
        """As :func:`alike`; the rows are in ``found``."""
        self._now += 1
        return alike(
            keys, present, most, self._slots, self._owner, self._size, self._stamp, self._now, self.found
        )  # fmt: skip
