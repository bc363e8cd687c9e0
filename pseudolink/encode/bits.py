"""
Compiled loops of the planner and the floor: sets of records as bits, records that share a key.

Source: specs/planning-v1.md, sections 3 and 4; specs/encoding-v1.md, section 6.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pseudolink.kernels import njit

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


@njit(nogil=True, cache=True)
def _count(x: np.uint64) -> np.uint64:  # pragma: no cover
    x = x - ((x >> _ONE) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def _slot(
    key: np.uint64, slots: Words, stamp: npt.NDArray[np.int32], now: int
) -> np.uint64:  # pragma: no cover
    """Where a key is in a table, or the empty place where it belongs."""
    mask = np.uint64(len(slots) - 1)
    at = ((key * _SPREAD) >> np.uint64(24)) & mask
    while stamp[at] == now and slots[at] != key:
        at = (at + _ONE) & mask
    return at


@njit(nogil=True, cache=True)
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
    total = 0
    largest = 0
    for row in range(len(keys)):
        found[row] = False
        if not present[row]:
            continue
        key = keys[row]
        at = _slot(key, slots, stamp, now)
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


@njit(nogil=True, cache=True)
def pairs(
    keys: Words,
    present: Flags,
    slots: Words,
    size: npt.NDArray[np.int32],
    stamp: npt.NDArray[np.int32],
    now: int,
) -> int:  # pragma: no cover
    """How many pairs of rows share their key; the table is as for :func:`alike`."""
    total = 0
    for row in range(len(keys)):
        if present[row]:
            key = keys[row]
            at = _slot(key, slots, stamp, now)
            if stamp[at] != now:
                stamp[at] = now
                slots[at] = key
                size[at] = 0
            total += size[at]
            size[at] += 1
    return total


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

    def pairs(self, keys: Words, present: Flags) -> int:
        """As :func:`pairs`; at most as many rows as the table is for."""
        self._now += 1
        return pairs(keys, present, self._slots, self._size, self._stamp, self._now)


@njit(nogil=True, cache=True)
def _suspects(words: Words, present: Flags, slots: int, found: Flags) -> int:  # pragma: no cover
    seen = np.zeros(slots >> 6, dtype=np.uint64)
    twice = np.zeros(slots >> 6, dtype=np.uint64)
    mask = np.uint64(slots - 1)
    for row in range(len(words)):
        if present[row]:
            at = (words[row] * _SPREAD >> np.uint64(20)) & mask
            bit = _ONE << (at & np.uint64(63))
            word = at >> np.uint64(6)
            if seen[word] & bit:
                twice[word] |= bit
            seen[word] |= bit
    count = 0
    for row in range(len(words)):
        found[row] = False
        if present[row]:
            at = (words[row] * _SPREAD >> np.uint64(20)) & mask
            if twice[at >> np.uint64(6)] & (_ONE << (at & np.uint64(63))):
                found[row] = True
                count += 1
    return count


def suspects(words: Words, present: Flags) -> Index:
    """
    Rows whose word may stand twice, in two runs over the rows: every row whose word does, and a few
    of the others. Needs 32 to 64 bits a row and no sorting of all of them.
    """
    found = np.zeros(len(words), dtype=np.bool_)
    _suspects(words, present, 1 << max(6, (16 * len(words)).bit_length()), found)
    return np.flatnonzero(found)


@njit(nogil=True, cache=True)
def _root(parent: npt.NDArray[np.int32], one: int) -> int:  # pragma: no cover
    while parent[one] != one:
        parent[one] = parent[parent[one]]
        one = parent[one]
    return one


@njit(nogil=True, cache=True)
def tie(
    parent: npt.NDArray[np.int32], size: npt.NDArray[np.int32], a: Index, b: Index
) -> None:  # pragma: no cover
    """
    Join the components of a[i] and b[i] for every i.

    Args:
        parent, size: (n,) int32, a forest that begins as 0, 1, …, n - 1 and ones; a root's size is
            the number of its component.
    """
    for i in range(len(a)):
        left, right = _root(parent, a[i]), _root(parent, b[i])
        if left != right:
            if size[left] < size[right]:
                left, right = right, left
            parent[right] = left
            size[left] += size[right]
