"""
Rows of words put in a random order, also when they are more than memory should hold.

Every row is thrown into one of many buckets, and every bucket is shuffled when it is taken out:
the same as sorting all rows by random keys, so every order is as likely as any other. Both draws
come from the operating system.

Source: specs/encoding-v1.md, section 7.3.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from pseudolink.kernels import njit

Words = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]

BUCKETS: Final = 128
#: Bytes of rows that stay in memory where there is somewhere else for them.
MEMORY: Final = 128 << 20


class Spill(Protocol):
    """Somewhere for what memory should not hold; ``engines.spill`` is one."""

    def append(self, bucket: int, data: bytes | memoryview) -> None:
        """Add bytes to a bucket."""

    def read(self, bucket: int) -> Iterator[bytes]:
        """What was added, in order; the bucket is empty afterwards."""


@dataclass(frozen=True)
class Thrown:
    """
    Rows sorted by bucket.

    rows: (n, width) uint64. order: (n,) int64, which row each was. ends: (BUCKETS + 1,) int64.
    """

    rows: Words
    order: Index
    ends: Index


def throw(rows: int) -> tuple[Index, Index]:
    """
    Give every row a bucket by chance.

    Returns:
        (rows,) which row stands where when they are sorted by bucket; (BUCKETS + 1,) where the
        buckets end.
    """
    drawn = np.frombuffer(secrets.token_bytes(rows), dtype=np.uint8) % np.uint8(BUCKETS)
    order = np.argsort(drawn, kind="stable").astype(np.int64)
    return order, np.concatenate([[0], np.cumsum(np.bincount(drawn, minlength=BUCKETS))]).astype(np.int64)


def shuffled(rows: int) -> Index:
    """A random order from the operating system's generator, so that position tells nothing."""
    keys = np.frombuffer(secrets.token_bytes(16 * rows), dtype=np.uint64).reshape(rows, 2)
    return np.lexsort((keys[:, 1], keys[:, 0])).astype(np.int64)


@njit(cache=True, nogil=True, boundscheck=False)
def move(columns: Words, order: Index, rows: Words, at: int) -> None:
    """Copy (n, w) words into (n, width) rows from word ``at`` on; row i is number ``order[i]``."""
    for row in range(len(order)):
        number = order[row]
        for word in range(columns.shape[1]):
            rows[row, at + word] = columns[number, word]


@njit(cache=True, nogil=True, boundscheck=False)
def _fetch(rows: Words, order: Index, at: int, out: Words) -> None:
    for row in range(len(order)):
        number = order[row]
        for word in range(out.shape[1]):
            out[row, word] = rows[number, at + word]


def fetch(rows: Words, order: Index, at: int, width: int) -> Words:
    """The inverse of :func:`move`: (n, width) words from ``at`` on of rows, in the given order."""
    out = np.empty((len(order), width), dtype=np.uint64)
    _fetch(rows, order, at, out)
    return out


class Shuffle:
    """
    Rows on their way to a random order.

    Args:
        width: words of a row.
        spill: makes a place for rows when they are more than ``memory`` bytes; None keeps all of
            them in memory.
    """

    def __init__(self, width: int, spill: Callable[[], Spill] | None = None, *, memory: int = MEMORY) -> None:
        self._width, self._make, self._memory = width, spill, memory
        self._spill: Spill | None = None
        self._rows: list[list[Words]] = [[] for _ in range(BUCKETS)]
        self._order: list[list[npt.NDArray[np.uint32]]] = [[] for _ in range(BUCKETS)]
        self._held = 0

    def add(self, thrown: Thrown, first: int) -> None:
        """Add rows sorted as :func:`throw` said; ``first`` is the number of the first of them."""
        for bucket in range(BUCKETS):
            begin, end = thrown.ends[bucket], thrown.ends[bucket + 1]
            if begin < end:
                self._rows[bucket].append(thrown.rows[begin:end])
                self._order[bucket].append((thrown.order[begin:end] + first).astype(np.uint32))
        self._held += thrown.rows.nbytes
        if self._make is not None and self._held > self._memory:
            self._put_away(self._make)

    def _put_away(self, make: Callable[[], Spill]) -> None:
        if self._spill is None:
            self._spill = make()
        for bucket, parts in enumerate(self._rows):
            if parts:
                self._spill.append(bucket, np.concatenate(parts).data.cast("B"))
        self._rows = [[] for _ in range(BUCKETS)]
        self._held = 0

    def batches(self, least: int) -> Iterator[tuple[list[Words], Index]]:
        """
        The rows, bucket after bucket, at least so many at a time but for the last.

        Yields:
            parts of (m, width) rows, and (m,) which row each is; still to be shuffled.
        """
        rows: list[Words] = []
        order: list[npt.NDArray[np.uint32]] = []
        count = 0
        for bucket in range(BUCKETS):
            away = [] if self._spill is None else list(self._spill.read(bucket))
            rows += [np.frombuffer(data, dtype=np.uint64).reshape(-1, self._width) for data in away]
            rows += self._rows[bucket]
            order += self._order[bucket]
            count += sum(len(part) for part in self._order[bucket])
            self._rows[bucket], self._order[bucket] = [], []
            if count >= least:
                yield rows, np.concatenate(order).astype(np.int64)
                rows, order, count = [], [], 0
        if count:
            yield rows, np.concatenate(order).astype(np.int64)
