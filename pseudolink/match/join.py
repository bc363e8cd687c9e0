"""
Candidate pairs: an equi-join on the tokens of every pass.

Source: specs/matching-v1.md, section 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pseudolink.errors import LinkageError
from pseudolink.formats.candidates import Giants, Presence, Rows
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.match import equal

Flags = npt.NDArray[np.uint64]

#: Most pairs that one pass may bring; a pass that brings more is far too broad.
MOST_PAIRS = 100_000_000
#: Most pairs that one block may bring. A larger one is a value that everybody shares.
MOST_BLOCK_PAIRS = 1_000_000
_ANY = 1 << 62


def join_pass(
    left: PassColumns,
    right: PassColumns,
    *,
    name: str = "",
    within: bool = False,
    most: int = _ANY,
) -> tuple[Rows, Rows, Giants]:
    """
    Rows that share a token in one pass.

    Args:
        within: both sides are one party; each pair of different rows comes once, i < j.
        most: pairs that one block may bring; the pairs of a larger one are left out, and counted.

    Returns:
        (left rows, right rows, giants): int64, of equal length, the same for the same encodings.

    Raises:
        LinkageError: the pass brings more than 100 million pairs.
    """
    parts_bits = max(1, (max(len(right.present), 1) // equal.PART_ROWS).bit_length())
    shift = 64 - parts_bits
    dealt = [equal.deal(side.tokens, side.present, shift, 1 << parts_bits) for side in (left, right)]
    giant = np.zeros(4, dtype=np.int64)
    found: list[tuple[Rows, Rows]] = []
    size = 2 * max(len(left.present), 1 << 12)
    total = part = 0
    while part < 1 << parts_bits:
        i, j = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
        count, part, room = equal.find_equal(
            *dealt[0], left.tokens, *dealt[1], right.tokens, within, most, part, i, j, giant
        )
        found.append((i[:count].astype(np.int64), j[:count].astype(np.int64)))
        size = max(size, room)
        total += count
        if total + room > MOST_PAIRS:
            raise LinkageError(
                f"pass {name!r} alone brings more than {MOST_PAIRS:,} pairs, the most that are compared",
                advice="Its blocks are too large: add a component to its `on`.",
            )
    lefts, rights = (np.concatenate([pair[side] for pair in found]) for side in (0, 1))
    return lefts, rights, Giants(name, *giant.tolist())


def together(keys: Sequence[Flags], bits: Sequence[Flags], highest: int) -> tuple[Flags, Flags]:
    """Each key once, ordered, with all its bits; keys are below ``highest``."""
    key = np.concatenate(keys) if keys else np.zeros(0, dtype=np.uint64)
    bit = np.concatenate(bits) if bits else np.zeros(0, dtype=np.uint64)
    other = np.empty_like(key), np.empty_like(bit)
    if equal.sort_pairs(key, bit, *other, max(highest, 1).bit_length()):
        key, bit = other
    count = equal.merge_equal(key, bit)
    return key[:count], bit[:count]


def join_passes(
    left: Mapping[str, PassColumns],
    right: Mapping[str, PassColumns],
    rows: int,
    *,
    within: bool = False,
    giants: list[Giants] | None = None,
    report: Callable[[str, int, int], None] | None = None,
) -> tuple[Rows, Rows, Flags]:
    """
    Pairs that share a token in at least one pass.

    Args:
        rows: number of right rows.
        within: both sides are the same party; each pair of different rows comes once, i < j.
        giants: blocks that would bring more than a million pairs are left out and put in here. Without
            it nothing is left out.

    Returns:
        (left rows, right rows, shared): ordered by left, then right; bit p of ``shared`` is pass p.

    Raises:
        LinkageError: a pass brings more than 100 million pairs.
    """
    keys: list[Flags] = []
    bits: list[Flags] = []
    most = _ANY if giants is None else MOST_BLOCK_PAIRS
    width = np.uint64(max(rows, 1))
    highest = 0
    for number, (name, columns) in enumerate(left.items()):
        i, j, giant = join_pass(columns, right[name], name=name, within=within, most=most)
        highest = max(highest, len(columns.present) * max(rows, 1))
        keys.append(i.astype(np.uint64) * width + j.astype(np.uint64))
        bits.append(np.full(len(i), np.uint64(1) << np.uint64(number), dtype=np.uint64))
        if giants is not None and giant.blocks:
            giants.append(giant)
        if report:
            report("match", number + 1, len(left))
    key, shared = together(keys, bits, highest)
    return (key // width).astype(np.int64), (key % width).astype(np.int64), shared


def token_presence(encodings: Encodings) -> Flags:
    """(n,) uint64; bit p is set when the row has a token in pass number p."""
    flags = np.zeros(encodings.rows, dtype=np.uint64)
    for number, name in enumerate(encodings.passes):
        columns = encodings.passes[name]
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
