"""
Filters laid out for the compiled loop: planes of the right side, walks of the left one.

Source: specs/matching-v1.md, section 4; specs/adr/0035 has the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pseudolink.match.counting import BLOCK, COLUMNS, LANES, Counts, Walk, Words, lay_planes, lay_walks

_SAMPLE = 4096
_ALIGNMENT = 64


def bits_set(filters: Words) -> Counts:
    """(n,) int64, the bits set in each of n filters."""
    out = np.empty(len(filters), dtype=np.int64)
    for begin in range(0, len(filters), 1 << 16):
        part = filters[begin : begin + (1 << 16)]
        out[begin : begin + len(part)] = np.bitwise_count(part).sum(axis=1, dtype=np.int64)
    return out


def whole_vectors(filters: Words, rows: int | None = None) -> Words:
    """The filters with zeros behind: rows of whole vectors, and ``rows`` rows."""
    n, words = filters.shape
    out = np.zeros((n if rows is None else rows, -(-words // LANES) * LANES), dtype=np.uint64)
    out[:n, :words] = filters
    return out


@dataclass(frozen=True)
class Limits:
    """
    A threshold, in integers, for filters of some number of bits.

    need: (2 bits + 1,), by the sum a + b of the bits of two filters: the bits in common, at least.
    lowest: (bits + 1,), by the bits a of one filter: the bits of the other, at least.
    """

    need: Counts
    lowest: Counts

    def spare(self, bits: Counts) -> int:
        """The most bits that any of the left filters may miss in a right one."""
        found = bits - self.need[bits + self.lowest[bits]]
        return max(int(found.max(initial=0)), 0)


def limits(threshold: Fraction, bits: int) -> Limits:
    """What a threshold asks for; see matching-v1, 4.3."""
    n, d = threshold.numerator, threshold.denominator
    # Of Python's integers: a threshold may have any number of digits.
    need = [-(-n * total // (2 * d)) for total in range(2 * bits + 1)]
    # c <= b, so 2bd >= n(a + b). An empty filter is in no pair.
    lowest = [max(-(-n * a // (2 * d - n)), 1) for a in range(bits + 1)]
    return Limits(np.asarray(need, dtype=np.int64), np.asarray(lowest, dtype=np.int64))


@dataclass(frozen=True)
class Tiles:
    """
    The right side: m filters in order of their bits set, in tiles of 512.

    order: (m,) int64, the number that each filter came with.
    place: (bits,) int64, the plane of each bit; rare bits have the first planes.
    planes: uint64, flat; for each tile and plane 8 words, a bit set where a filter lacks the bit;
        behind the planes of all bits one that no filter lacks. tile_words: words of a tile.
    least, most: by tile, the bits set of its first and of its last filter.
    rows: (512 t, w) uint64, the filters themselves, whole vectors; bits: (512 t,) bits set. The last
        tile is filled up with empty filters.
    """

    order: Counts
    place: Counts
    planes: Words
    tile_words: int
    least: Counts
    most: Counts
    rows: Words
    bits: Counts


def _rarest_first(filters: Words) -> Counts:
    step = max(1, len(filters) // _SAMPLE)
    some = np.ascontiguousarray(filters[::step][:_SAMPLE].astype("<u8"))
    often = np.unpackbits(some.view(np.uint8), axis=1, bitorder="little").sum(axis=0, dtype=np.int64)
    place = np.empty(len(often), dtype=np.int64)
    place[np.argsort(often, kind="stable")] = np.arange(len(often))
    return place


def tiles(filters: Words) -> Tiles:
    """Lay out (m, w) filters, m at least 1. Needs about twice their memory."""
    m, words = filters.shape
    set_bits = bits_set(filters)
    order = np.argsort(set_bits, kind="stable")
    count = -(-m // COLUMNS)
    rows = whole_vectors(filters[order], count * COLUMNS)
    bits = np.zeros(count * COLUMNS, dtype=np.int64)
    bits[:m] = set_bits[order]
    place = _rarest_first(filters)
    tile_words = (64 * words + 1) * LANES
    room = np.empty(count * tile_words + _ALIGNMENT // 8, dtype=np.uint64)
    skip = -room.ctypes.data % _ALIGNMENT // 8
    planes = room[skip : skip + count * tile_words]
    shaped = planes.reshape(count, -1, LANES)
    shaped[:, :-1] = ~np.uint64(0)
    shaped[:, -1] = 0
    lay_planes(rows, place, planes, tile_words, 0, m)
    last = np.minimum(np.arange(1, count + 1) * COLUMNS, m) - 1
    return Tiles(order, place, planes, tile_words, bits[::COLUMNS].copy(), bits[last], rows, bits)


def walks(filters: Words, bits: Counts, place: Counts) -> tuple[Counts, Walk]:
    """
    The planes that each left filter walks, as their first words: those of its bits, rarest first.

    Returns:
        (starts, walk): row i has walk[starts[i] : starts[i + 1]], whole blocks of 16.
    """
    starts = np.zeros(len(bits) + 1, dtype=np.int64)
    np.cumsum(-(-bits // BLOCK) * BLOCK, out=starts[1:])
    # The place of a plane takes two bytes for filters of up to 8,128 bits, and four beyond.
    wide = len(place) * LANES >= 1 << 16
    walk: Walk = np.empty(int(starts[-1]), dtype=np.uint32 if wide else np.uint16)
    lay_walks(filters, place, starts, walk)
    return starts, walk
