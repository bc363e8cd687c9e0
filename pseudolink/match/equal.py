"""
The compiled loops of the join: rows with equal tokens, and pairs brought together.

Tokens are random bytes, so their leading bits deal rows into parts of even size. A part of both sides
fits in the nearest caches; inside it a small chained table finds equal first halves, and the second
half decides.

Source: specs/matching-v1.md, section 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pseudolink.kernels import njit

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]

#: Rows of the right side that a part holds, about.
PART_ROWS = 2048
_DIGIT = 11


@njit(cache=True, nogil=True)
def deal(
    tokens: Words, present: npt.NDArray[np.bool_], shift: int, parts: int
) -> tuple[Rows, Words, Numbers]:
    """
    Rows that have a token, by the leading bits of it.

    Returns:
        (starts, first halves, rows): part p is starts[p] to before starts[p + 1]; inside a part rows
        stand in their order.
    """
    starts = np.zeros(parts + 1, np.int64)
    for row in range(len(present)):
        if present[row]:
            starts[(tokens[row, 0] >> np.uint64(shift)) + np.uint64(1)] += 1
    for part in range(parts):
        starts[part + 1] += starts[part]
    next_at = starts[:parts].copy()
    first = np.empty(starts[parts], np.uint64)
    rows = np.empty(starts[parts], np.int32)
    for row in range(len(present)):
        if present[row]:
            word = tokens[row, 0]
            at = next_at[word >> np.uint64(shift)]
            next_at[word >> np.uint64(shift)] = at + 1
            first[at] = word
            rows[at] = row
    return starts, first, rows


@njit(cache=True, nogil=True)
def find_equal(
    left_starts: Rows,
    left_first: Words,
    left_rows: Numbers,
    left_tokens: Words,
    right_starts: Rows,
    right_first: Words,
    right_rows: Numbers,
    right_tokens: Words,
    within: bool,
    most: int,
    part: int,
    out_i: Numbers,
    out_j: Numbers,
    giant: Rows,
) -> tuple[int, int, int]:
    """
    Pairs of rows with equal tokens, part by part from ``part`` on, while they surely fit.

    Args:
        within: both sides are one party; each pair comes once, the earlier row left.
        most: pairs that one block may bring. A larger one brings none, and is counted in ``giant``.
        giant: (4,) added to: blocks, their left rows, their right rows, their pairs.

    Returns:
        (pairs found, part to go on with, room that this part needs).
    """
    found = 0
    widest = 1
    for p in range(len(right_starts) - 1):
        widest = max(widest, right_starts[p + 1] - right_starts[p])
    # Of each block its first row stands in a table of slots; the others follow it in their order. So
    # a token that everybody shares is met once, however many rows have it.
    chain = np.empty(widest, np.int32)
    follow = np.empty(widest, np.int32)
    size = np.empty(widest, np.int64)
    hits = np.empty(widest, np.int64)
    while part < len(left_starts) - 1:
        base, rights = right_starts[part], right_starts[part + 1] - right_starts[part]
        slots = 16
        while slots < rights:
            slots *= 2
        mask = np.uint64(slots - 1)
        head = np.full(slots, -1, np.int32)
        for other in range(rights - 1, -1, -1):
            word = right_first[base + other]
            second = right_tokens[right_rows[base + other], 1]
            slot = word & mask
            before, known = -1, head[slot]
            while known >= 0 and not (
                right_first[base + known] == word and right_tokens[right_rows[base + known], 1] == second
            ):
                before, known = known, chain[known]
            follow[other] = known
            size[other] = 1 if known < 0 else size[known] + 1
            hits[other] = 0
            # The earlier row takes the place of the one that stood for the block until now.
            chain[other] = head[slot] if known < 0 else chain[known]
            if known < 0 or before < 0:
                head[slot] = other
            else:
                chain[before] = other
        lefts = left_starts[part + 1] - left_starts[part]
        block = np.full(lefts, -1, np.int32)
        for k in range(lefts):
            at = left_starts[part] + k
            word = left_first[at]
            other = head[word & mask]
            while other >= 0:
                if (
                    right_first[base + other] == word
                    and right_tokens[right_rows[base + other], 1] == left_tokens[left_rows[at], 1]
                ):
                    block[k] = other
                    hits[other] += 1
                    break
                other = chain[other]
        room = 0
        for other in range(rights):
            pairs = _pairs(hits[other], size[other], within)
            if pairs <= most:
                room += pairs
        if found + room > len(out_i):
            return found, part, room
        for k in range(lefts):
            other = block[k]
            if other < 0:
                continue
            pairs = _pairs(abs(hits[other]), size[other], within)
            if pairs > most:
                if hits[other] > 0:
                    giant[0] += 1
                    giant[1] += hits[other]
                    giant[2] += size[other]
                    giant[3] += pairs
                    hits[other] = -hits[other]  # counted
                continue
            row = left_rows[left_starts[part] + k]
            while other >= 0:
                j = right_rows[base + other]
                if j > row or not within:
                    out_i[found] = row
                    out_j[found] = j
                    found += 1
                other = follow[other]
        part += 1
    return found, part, 0


@njit(cache=True, nogil=True, inline="always")
def _pairs(lefts: int, rights: int, within: bool) -> int:
    return lefts * (lefts - 1) // 2 if within else lefts * rights


@njit(cache=True, nogil=True)
def sort_pairs(key: Words, bit: Words, other_key: Words, other_bit: Words, width: int) -> bool:
    """
    Order (key, bit) by key, of ``width`` bits, in place or into the other arrays; stable.

    Returns:
        whether the result stands in the other arrays.
    """
    turned = False
    counts = np.empty(1 << _DIGIT, np.int64)
    for shift in range(0, width, _DIGIT):
        counts[:] = 0
        mask = np.uint64((1 << _DIGIT) - 1)
        for k in range(len(key)):
            counts[(key[k] >> np.uint64(shift)) & mask] += 1
        total = 0
        for digit in range(1 << _DIGIT):
            counts[digit], total = total, total + counts[digit]
        for k in range(len(key)):
            digit = (key[k] >> np.uint64(shift)) & mask
            at = counts[digit]
            counts[digit] = at + 1
            other_key[at] = key[k]
            other_bit[at] = bit[k]
        key, other_key = other_key, key
        bit, other_bit = other_bit, bit
        turned = not turned
    return turned


@njit(cache=True, nogil=True)
def merge_equal(key: Words, bit: Words) -> int:
    """Bring the bits of equal neighbouring keys together, at the front; return how many are left."""
    count = 0
    for k in range(len(key)):
        if count and key[count - 1] == key[k]:
            bit[count - 1] |= bit[k]
        else:
            key[count] = key[k]
            bit[count] = bit[k]
            count += 1
    return count
