"""
Filters: one keyed Bloom filter segment a compared field, its mapping keyed by the block.

A gram becomes a 64-bit word by keyed BLAKE2b under the key of the component (once a distinct
gram). SipHash-2-4 of that word under the key of the block gives the bit positions, so two records
of different blocks share no mapping at all.

Source: specs/encoding-v1.md, section 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from pseudolink.encode.siphash import siphash_two_words

Words = npt.NDArray[np.uint64]


def _numbered(grams: Sequence[str]) -> list[str]:
    """A gram that occurs again is another gram: ANAN has AN and AN for the second time."""
    if len(set(grams)) == len(grams):
        return [f"{gram}\n1" for gram in grams]
    seen: dict[str, int] = {}
    out = []
    for gram in grams:
        seen[gram] = count = seen.get(gram, 0) + 1
        out.append(f"{gram}\n{count}")
    return out


def grams(kind: str, value: str) -> list[str]:
    """
    The grams of a cleaned value, in order.

    Names and text: bigrams with one pad on each side. Dates: each digit with its position, then
    the year, the month and the day whole (a part that is not known has none). Postcodes: each
    character with its position from the left of its half, then the outward code whole.
    """
    if kind == "date":
        year, month, day = value.split("-")
        parts = [("y", year), ("m", month), ("d", day)]
        found = [f"{tag}{i}{c}" for tag, part in parts for i, c in enumerate(part) if c != "X"]
        return _numbered(found + [f"{tag}={part}" for tag, part in parts if "X" not in part])
    if kind == "postcode":
        outward, _, inward = value.partition(" ")
        found = [f"o{i}{c}" for i, c in enumerate(outward)] + [f"i{i}{c}" for i, c in enumerate(inward)]
        return _numbered([*found, f"o={outward}"])
    padded = f" {value} "
    return _numbered([padded[i : i + 2] for i in range(len(padded) - 1)])


@dataclass(frozen=True)
class GramTable:
    """
    Keyed grams of every distinct value of a field.

    start: (values + 1,) int64, where the grams of a value begin in ``words``.
    words: (total grams,) uint64.
    """

    start: npt.NDArray[np.int64]
    words: Words


@dataclass(frozen=True)
class GramIndex:
    """
    The grams of every distinct value of a field, before any key.

    start: (values + 1,) int64. index: (total grams,) int64 into ``distinct``.
    """

    start: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]
    distinct: tuple[bytes, ...]

    def keyed(self, component_key: bytes) -> GramTable:
        """The same grams under a component's key (32 bytes), each distinct gram keyed once."""
        words = np.asarray(
            [
                int.from_bytes(hashlib.blake2b(gram, digest_size=8, key=component_key).digest(), "little")
                for gram in self.distinct
            ],
            dtype=np.uint64,
        )
        return GramTable(self.start, words[self.index])


def gram_index(kind: str, values: Sequence[str]) -> GramIndex:
    """Take every distinct value apart; the same for every pass that compares the field."""
    number: dict[str, int] = {}
    index: list[int] = []
    start = [0]
    for value in values:
        for gram in grams(kind, value):
            index.append(number.setdefault(gram, len(number)))
        start.append(len(index))
    return GramIndex(
        np.asarray(start, dtype=np.int64),
        np.asarray(index, dtype=np.int64),
        tuple(gram.encode() for gram in number),
    )


def gram_table(kind: str, values: Sequence[str], component_key: bytes) -> GramTable:
    """Key the grams of every distinct value under the component's key (32 bytes)."""
    return gram_index(kind, values).keyed(component_key)


@njit(cache=True, nogil=True)
def _fill(
    block_keys: Words,
    codes: npt.NDArray[np.int32],
    start: npt.NDArray[np.int64],
    words: Words,
    log2_bits: int,
    budget: int,
    out: npt.NDArray[np.uint8],
) -> None:
    mask = np.uint64((1 << log2_bits) - 1)
    step = np.uint64(log2_bits)
    each = 64 // log2_bits
    for row in range(len(codes)):
        code = codes[row]
        if code < 0:
            continue
        first = start[code]
        count = start[code + 1] - first
        if count == 0:
            continue
        k0 = block_keys[row, 0]
        k1 = block_keys[row, 1]
        share = budget // count
        extra = budget % count
        for g in range(count):
            wanted = share + (1 if g < extra else 0)
            counter = np.uint64(0)
            done = 0
            while done < wanted:
                positions = siphash_two_words(k0, k1, words[first + g], counter)
                counter += np.uint64(1)
                for _ in range(min(each, wanted - done)):
                    bit = positions & mask
                    out[row, bit >> np.uint64(3)] |= np.uint8(0x80 >> (bit & np.uint64(7)))
                    positions >>= step
                    done += 1


def fill_segment(
    block_keys: Words, codes: npt.NDArray[np.int32], table: GramTable, *, bits: int, budget: int
) -> npt.NDArray[np.uint8]:
    """
    Fill one segment for n rows.

    Args:
        block_keys: (n, 2) uint64, the 128-bit key of each row's block.
        codes: (n,) int32 into the table; below 0 leaves the segment empty, which reads as missing.
        bits: size of the segment, a power of two from 64 to 1024.
        budget: bits set over all grams, before collisions.

    Returns:
        (n, bits // 8) uint8; bit i is byte i // 8, mask 0x80 >> (i % 8).

    Source: specs/encoding-v1.md, section 5.3.
    """
    out = np.zeros((len(codes), bits // 8), dtype=np.uint8)
    _fill(block_keys, codes, table.start, table.words, bits.bit_length() - 1, budget, out)
    return out
