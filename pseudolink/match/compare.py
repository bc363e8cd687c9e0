"""
Comparison vectors: how alike the compared fields of a candidate pair look.

Source: specs/matching-v1.md, section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pseudolink.formats.candidates import Candidates, Giants, Presence, Rows
from pseudolink.formats.encodings import Bytes, Encodings, PassColumns
from pseudolink.match.join import join_passes, token_presence
from pseudolink.match.shards import Work, join_in_shards
from pseudolink.schema import LinkageSchema

#: Bits that one field's level takes in ``Candidates.levels``.
LEVEL_BITS = 4
_BATCH = 1_000_000


def segments(schema: LinkageSchema) -> dict[str, list[tuple[int, int, int]]]:
    """Field -> (pass number, first byte, last byte + 1) of every segment that holds it."""
    found: dict[str, list[tuple[int, int, int]]] = {field: [] for field in schema.compared}
    for number, one in enumerate(schema.passes):
        at = 0
        for field in one.compare:
            width = schema.fields[field].bits // 8
            found[field].append((number, at, at + width))
            at += width
    return found


def dice_levels(left: Bytes, right: Bytes) -> npt.NDArray[np.int64]:
    """
    The level of each pair of segments.

    Args:
        left, right: (k, b) uint8.

    Returns:
        (k,) int64: 0 when either is empty (missing, never agreement), 1 equal, 2 Dice at least
        0.85, 3 at least 0.70, 4 lower; compared in integers.
    """
    a = np.bitwise_count(left).sum(axis=1, dtype=np.int64)
    b = np.bitwise_count(right).sum(axis=1, dtype=np.int64)
    both = np.bitwise_count(left & right).sum(axis=1, dtype=np.int64)
    level = np.where(200 * both >= 85 * (a + b), 2, np.where(200 * both >= 70 * (a + b), 3, 4))
    level = np.where((both == a) & (both == b), 1, level)
    return np.where((a == 0) | (b == 0), 0, level).astype(np.int64)


def field_presence(encodings: Encodings, schema: LinkageSchema) -> Rows:
    """(n,) int64; bit f is set when some filter of the row holds compared field number f."""
    found = np.zeros(encodings.rows, dtype=np.int64)
    for number, name in enumerate(encodings.passes):
        places = _places(schema, number)
        if not places:
            continue
        filters = encodings.passes[name].filters
        for bit, start, stop in places:
            if filters is not None:
                found |= filters[:, start:stop].any(axis=1).astype(np.int64) << bit
    return found


def _places(schema: LinkageSchema, number: int) -> list[tuple[int, int, int]]:
    """(number of the compared field, first byte, last byte + 1) of every segment of a pass."""
    return [
        (position, start, stop)
        for position, places in enumerate(segments(schema).values())
        for at, start, stop in places
        if at == number
    ]


def pass_levels(
    schema: LinkageSchema, number: int, left: PassColumns, right: PassColumns, i: Rows, j: Rows
) -> Rows | None:
    """
    What one pass shows of the fields that it compares, of pairs of rows that share it.

    Returns:
        (k,) int64, four bits a compared field; None when the pass compares nothing.
    """
    places = _places(schema, number)
    a, b = left.filters, right.filters
    if not places or a is None or b is None:
        return None
    levels = np.zeros(len(i), dtype=np.int64)
    for position, start, stop in places:
        for begin in range(0, len(i), _BATCH):
            some = slice(begin, begin + _BATCH)
            seen = dice_levels(a[i[some], start:stop], b[j[some], start:stop])
            levels[some] |= seen << (LEVEL_BITS * position)
    return levels


def better_levels(one: Rows, other: Rows) -> Rows:
    """Field by field the better of two levels: the least above 0."""
    found = np.zeros_like(one)
    for shift in range(0, 64, LEVEL_BITS):
        a, b = ((side >> shift) & ((1 << LEVEL_BITS) - 1) for side in (one, other))
        found |= np.where(a == 0, b, np.where(b == 0, a, np.minimum(a, b))) << shift
    return found


def _levels(
    left: Encodings,
    right: Encodings,
    schema: LinkageSchema,
    i: Rows,
    j: Rows,
    shared: npt.NDArray[np.uint64],
) -> Rows:
    levels = np.zeros(len(i), dtype=np.int64)
    for number, name in enumerate(left.passes):
        if not _places(schema, number):
            continue
        at = np.flatnonzero((shared >> np.uint64(number)) & np.uint64(1))
        seen = pass_levels(schema, number, left.passes[name], right.passes[name], i[at], j[at])
        if seen is not None:
            levels[at] = better_levels(levels[at], seen)
    return levels


def first_rows(encodings: Encodings) -> Rows | None:
    """(n,) int64, for every row the first row of its record; None when every row is a record."""
    whole = np.ascontiguousarray(encodings.records).view(np.dtype((np.void, encodings.records.shape[1])))
    _, first, inverse = np.unique(whole.ravel(), return_index=True, return_inverse=True)
    return None if len(first) == encodings.rows else first[inverse].astype(np.int64)


def _records(pairs: Candidates, left: Rows | None, right: Rows | None, *, within: bool) -> Candidates:
    """
    From pairs of rows to pairs of records: of all versions, the two that agree best.

    Best is most shared passes, then the later of them in the schema, then the better levels; so
    it does not depend on the order of the rows.
    """
    if left is None and right is None:
        return pairs
    a = pairs.left if left is None else left[pairs.left]
    b = pairs.right if right is None else right[pairs.right]
    if within:
        a, b = np.minimum(a, b), np.maximum(a, b)
    count = np.bitwise_count(pairs.shared)
    order = np.lexsort((pairs.levels, ~pairs.shared, -count.astype(np.int64), b, a))
    a, b = a[order], b[order]
    fresh = np.ones(len(a), dtype=bool)
    fresh[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    if within:
        fresh &= a != b  # versions of one record are no pair
    kept = order[fresh]
    return Candidates(
        a[fresh],
        b[fresh],
        pairs.shared[kept],
        pairs.levels[kept],
        (pairs.left[kept], pairs.right[kept]),
        pairs.giants,
    )


def candidates(
    left: Encodings,
    right: Encodings,
    schema: LinkageSchema,
    *,
    work: Work | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Candidates:
    """
    Every pair of records of two parties that shares a token, with what it shows.

    Args:
        work: where to keep finished shards and how much memory to take; without it all is done in
            memory. The result is the same.
        report: told how much is done, and of how much.
    """
    if work is not None:
        i, j, shared, levels, left_out = join_in_shards(
            left.passes,
            right.passes,
            (left.rows, right.rows),
            work,
            levels=partial(pass_levels, schema),
            best=better_levels,
            report=report,
        )
        pairs = Candidates(i, j, shared, levels, giants=left_out)
    else:
        giants: list[Giants] = []
        told = None if report is None else lambda _, done, total: report(done, total)
        i, j, shared = join_passes(left.passes, right.passes, right.rows, giants=giants, report=told)
        levels = _levels(left, right, schema, i, j, shared)
        pairs = Candidates(i, j, shared, levels, giants=tuple(giants))
    return of_records(pairs, left, right)


def of_records(pairs: Candidates, left: Encodings, right: Encodings | None) -> Candidates:
    """
    From pairs of rows, ordered, to pairs of records (matching-v1, 1.4).

    Args:
        right: None where the pairs are within one party.
    """
    first = first_rows(left)
    return _records(pairs, first, first if right is None else first_rows(right), within=right is None)


def company(one: Encodings, schema: LinkageSchema) -> Candidates:
    """
    Every pair of different records of one party that shares a token, with what it shows.

    No block is left out here, however large: the floor is judged by these pairs.
    """
    i, j, shared = join_passes(one.passes, one.passes, one.rows, within=True)
    return of_records(Candidates(i, j, shared, _levels(one, one, schema, i, j, shared)), one, None)


def shows(encodings: Encodings, schema: LinkageSchema) -> Presence:
    """What the rows of a party could show in any pair."""
    return presence_of(encodings, token_presence(encodings), field_presence(encodings, schema))


def presence_of(encodings: Encodings, tokens: npt.NDArray[np.uint64], fields: Rows) -> Presence:
    """The same, of tokens and fields that are known already."""
    first = first_rows(encodings)
    return Presence(tokens, fields, None if first is None else len(np.unique(first)), first)


def pass_counts(shared: npt.NDArray[np.uint64], names: Sequence[str]) -> dict[str, int]:
    """Pass name -> candidate pairs that it brings (a pair counts for each pass that shares it)."""
    return {
        name: int(((shared >> np.uint64(number)) & np.uint64(1)).sum()) for number, name in enumerate(names)
    }


def largest_component(pairs: Candidates, rows: int) -> int:
    """Most records of one party that hang together by company; 1 when nothing does, 0 of no rows."""
    if not len(pairs):
        return min(rows, 1)
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_array((ones, (pairs.left, pairs.right)), shape=(rows, rows))
    _, labels = connected_components(graph, directed=False)
    return int(np.bincount(labels).max())
