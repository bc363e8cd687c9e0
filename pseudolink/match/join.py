"""
Candidate pairs: an equi-join on the tokens of every pass.

Source: specs/matching-v1.md, section 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from pseudolink.errors import LinkageError
from pseudolink.formats.candidates import Presence, Rows
from pseudolink.formats.encodings import Encodings, PassColumns

Flags = npt.NDArray[np.uint64]

#: Most pairs that one pass may bring; a pass that brings more is far too broad.
MOST_PAIRS = 100_000_000


def join_pass(left: PassColumns, right: PassColumns, *, name: str = "") -> tuple[Rows, Rows]:
    """
    Rows that share a token in one pass.

    Returns:
        (left rows, right rows): int64, of equal length, in no order that matters.

    Raises:
        LinkageError: the pass brings more than 100 million pairs.
    """
    a = np.flatnonzero(left.present)
    b = np.flatnonzero(right.present)
    # Half a token orders and finds; all 16 bytes decide.
    order = np.argsort(right.tokens[b, 0], kind="stable")
    b = b[order]
    first = right.tokens[b, 0]
    wanted = left.tokens[a, 0]
    begin = np.searchsorted(first, wanted, side="left")
    count = np.searchsorted(first, wanted, side="right") - begin
    total = int(count.sum())
    if total > MOST_PAIRS:
        raise LinkageError(
            f"pass {name!r} alone brings {total:,} pairs; at most {MOST_PAIRS:,} are compared",
            advice="Its blocks are too large: add a component to its `on`.",
        )
    i = np.repeat(a, count)
    offset = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    j = b[np.repeat(begin, count) + offset]
    same = left.tokens[i, 1] == right.tokens[j, 1]
    return i[same], j[same]


def join_passes(
    left: Mapping[str, PassColumns],
    right: Mapping[str, PassColumns],
    rows: int,
    *,
    within: bool = False,
    report: Callable[[str, int, int], None] | None = None,
) -> tuple[Rows, Rows, Flags]:
    """
    Pairs that share a token in at least one pass.

    Args:
        rows: number of right rows.
        within: both sides are the same party; each pair of different rows comes once, i < j.

    Returns:
        (left rows, right rows, shared): ordered by left, then right; bit p of ``shared`` is pass p.
    """
    keys: list[Rows] = []
    bits: list[Flags] = []
    for number, (name, columns) in enumerate(left.items()):
        i, j = join_pass(columns, right[name], name=name)
        if within:
            i, j = i[i < j], j[i < j]
        keys.append(i * rows + j)
        bits.append(np.full(len(i), np.uint64(1) << np.uint64(number), dtype=np.uint64))
        if report:
            report("match", number + 1, len(left))
    key = np.concatenate(keys) if keys else np.zeros(0, dtype=np.int64)
    bit = np.concatenate(bits) if bits else np.zeros(0, dtype=np.uint64)
    order = np.argsort(key, kind="stable")
    key, bit = key[order], bit[order]
    fresh = np.ones(len(key), dtype=bool)
    fresh[1:] = key[1:] != key[:-1]
    starts = np.flatnonzero(fresh)
    shared = np.bitwise_or.reduceat(bit, starts) if len(starts) else bit
    key = key[starts]
    width = max(rows, 1)
    return key // width, key % width, shared


def token_presence(encodings: Encodings) -> Flags:
    """(n,) uint64; bit p is set when the row has a token in pass number p."""
    flags = np.zeros(encodings.rows, dtype=np.uint64)
    for number, columns in enumerate(encodings.passes.values()):
        flags |= columns.present.astype(np.uint64) << np.uint64(number)
    return flags


def presence(encodings: Encodings, fields: Rows, first: Rows | None = None) -> Presence:
    """
    Tokens and compared fields that each row of a party holds.

    Args:
        first: (n,) for every row the first row of its record; None where every row is a record.
    """
    people = None if first is None else len(np.unique(first))
    return Presence(token_presence(encodings), fields, people, first)
