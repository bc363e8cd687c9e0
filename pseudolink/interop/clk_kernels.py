"""
The compiled loops of CLKs: n-grams to numbers, numbers to bits, filters to records.

All of them work on integers, so that they give the same bits on every machine.

Source: specs/clk-v1.md, sections 4 and 6.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pseudolink.kernels import njit

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Characters = npt.NDArray[np.uint32]

#: Bits of a code point in a gram's key; Unicode ends at 0x10FFFF.
POINT_BITS = 21
EMPTY = -1
# Fibonacci hashing: the odd number nearest to 2**64 over the golden ratio.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True, inline="always")
def _slot(key: np.uint64, keys: Words, slots: Numbers) -> int:
    """Where ``key`` stands in the open-addressed table, or where it would go."""
    mask = np.uint64(len(keys) - 1)
    mixed = key * _SPREAD
    at = (mixed ^ (mixed >> np.uint64(29))) & mask
    while slots[at] != EMPTY and keys[at] != key:
        at = (at + np.uint64(1)) & mask
    return int(at)


@njit(cache=True, nogil=True)
def number_grams(
    characters: Characters,
    offsets: Index,
    first: int,
    n: int,
    positional: bool,
    keys: Words,
    slots: Numbers,
    known: Words,
    count: int,
    starts: Index,
    numbers: Numbers,
) -> tuple[int, int]:
    """
    Number the n-grams of values from ``first`` on; a gram not seen before gets the next number.

    Args:
        characters: code points of all values, one after the other.
        offsets: (values + 1,) where each begins.
        keys, slots: the table from a gram's key to its number, a power of two in length.
        known: key of every number; at least half as long as the table.
        count: numbers given so far.
        starts, numbers: (values + 1,) and (grams,); filled here. Grams of a value are in order.

    Returns:
        (next value, count): the next value is not the last when the table must grow first.
    """
    pad = n - 1
    for value in range(first, len(offsets) - 1):
        begin = offsets[value]
        length = offsets[value + 1] - begin
        at = starts[value]
        if length == 0:
            starts[value + 1] = at
            continue
        grams = length + pad
        if count + grams > len(keys) // 2:
            return value, count
        for gram in range(grams):
            key = np.uint64(gram + 1) if positional else np.uint64(0)
            for place in range(gram - pad, gram + 1):
                inside = 0 <= place < length
                point = np.uint64(characters[begin + place]) if inside else np.uint64(32)
                key = (key << np.uint64(POINT_BITS)) | point
            slot = _slot(key, keys, slots)
            if slots[slot] == EMPTY:
                keys[slot] = key
                slots[slot] = count
                known[count] = key
                count += 1
            numbers[at] = slots[slot]
            at += 1
        starts[value + 1] = at
    return len(offsets) - 1, count


@njit(cache=True, nogil=True)
def fill_table(known: Words, count: int, keys: Words, slots: Numbers) -> None:
    """Put the first ``count`` keys into an empty table."""
    for number in range(count):
        slot = _slot(known[number], keys, slots)
        keys[slot] = known[number]
        slots[slot] = number


@njit(cache=True, nogil=True)
def set_bits(
    starts: Index,
    numbers: Numbers,
    positions: Characters,
    per_token: int,
    per_feature: int,
    out: Bytes,
) -> None:
    """
    Set the bits of values.

    Args:
        starts, numbers: the tokens of each value, by number.
        positions: (tokens, at least the insertions of any) uint32, bit positions of each token.
        per_token: insertions of every token; or 0, and then
        per_feature: over t tokens the first per_feature % t get one more than the rest.
        out: (values, bytes) uint8; bit i is byte i // 8, mask 0x80 >> (i % 8).
    """
    for value in range(len(starts) - 1):
        first = starts[value]
        tokens = starts[value + 1] - first
        if tokens == 0:
            continue
        share = per_token
        extra = 0
        if per_feature > 0:
            share = per_feature // tokens
            extra = per_feature % tokens
        for token in range(tokens):
            number = numbers[first + token]
            for i in range(share + (1 if token < extra else 0)):
                bit = positions[number, i]
                out[value, bit >> np.uint32(3)] |= np.uint8(0x80) >> np.uint8(bit & np.uint32(7))


@njit(cache=True, nogil=True)
def merge(codes: Numbers, filters: Words, out: Words) -> None:
    """OR the filter of each row's value, (values, w) by ``codes``, into the row's, (rows, w)."""
    for row in range(len(codes)):
        code = codes[row]
        for word in range(out.shape[1]):
            out[row, word] |= filters[code, word]
