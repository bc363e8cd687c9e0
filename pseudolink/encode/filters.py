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
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from pseudolink.encode.siphash import SIDE_BY_SIDE, siphash_eight
from pseudolink.formats.cleaned import Texts
from pseudolink.kernels import njit

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]

#: Grams whose words are kept from chunk to chunk, a component key.
_MOST_KEPT: Final = 200_000


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

    start: (values + 1,) int64, where the grams of a value begin in ``index``.
    index: (total grams,) int64 into ``words``.
    words: (distinct grams,) uint64.
    """

    start: Index
    index: Index
    words: Words


class GramWords:
    """
    The words of grams under one component key, each made once; it does not print or pickle.

    Args:
        key: the component key, 32 bytes.
    """

    __slots__ = ("_key", "_words")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._words: dict[bytes, int] = {}

    def __repr__(self) -> str:
        return f"<GramWords of {len(self._words)} grams>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("GramWords does not pickle; see specs/adr/0003")

    def of(self, distinct: Sequence[bytes]) -> Words:
        """encoding-v1 §5.2: the word of every gram."""
        if len(self._words) > _MOST_KEPT:
            self._words = {}
        known = self._words
        for gram in distinct:
            if gram not in known:
                digest = hashlib.blake2b(gram, digest_size=8, key=self._key).digest()
                known[gram] = int.from_bytes(digest, "little")
        return np.asarray([known[gram] for gram in distinct], dtype=np.uint64)


@dataclass(frozen=True)
class GramIndex:
    """
    The grams of every distinct value of a field, before any key.

    start: (values + 1,) int64. index: (total grams,) int64 into ``distinct``.
    """

    start: Index
    index: Index
    distinct: tuple[bytes, ...]

    def keyed(self, words: GramWords) -> GramTable:
        """The same grams under a component's key, each distinct gram keyed once."""
        return GramTable(self.start, self.index, words.of(self.distinct))


_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
#: Places for different grams to begin with, a power of two; an eighth of them.
_ROOM: Final = 1 << 11

# A gram as a number, before it is written out: two code points and how often the pair has
# occurred; or where a character of a date or postcode stands.
_POINT, _COUNT = 21, 22


@njit(cache=True, nogil=True, boundscheck=False)
def _bigrams(data: Bytes, start: Index, out: Words, out_start: Index) -> None:
    at = 0
    for value in range(len(start) - 1):
        out_start[value] = begin = at
        place = start[value]
        before = 0x20
        going = True
        while going:
            going = place < start[value + 1]
            if not going:
                code = 0x20
            else:
                code = int(data[place])
                more = 0
                if code >= 0xF0:
                    code, more = code & 0x07, 3
                elif code >= 0xE0:
                    code, more = code & 0x0F, 2
                elif code >= 0xC0:
                    code, more = code & 0x1F, 1
                for i in range(more):
                    code = code << 6 | int(data[place + 1 + i]) & 0x3F
                place += 1 + more
            pair = np.uint64(before) << np.uint64(43) | np.uint64(code) << np.uint64(22)
            count = np.uint64(1)
            for other in range(begin, at):
                if out[other] >> np.uint64(22) == pair >> np.uint64(22):
                    count += np.uint64(1)
            out[at] = pair | count
            at += 1
            before = code
    out_start[len(start) - 1] = at


@njit(cache=True, nogil=True, boundscheck=False)
def _placed(data: Bytes, start: Index, date: bool, out: Words, out_start: Index) -> bool:
    """Grams of dates and postcodes as (part, place from 1, or 0 and all characters); False if unsure."""
    at = 0
    for value in range(len(start) - 1):
        out_start[value] = at
        first, last = start[value], start[value + 1]
        if date:
            if last - first != 10:
                return False
        elif last - first > 8 or last - first < 5:
            return False
        part, place, whole = 0, 0, np.uint64(0)
        wholes = np.zeros(3, dtype=np.uint64)
        for p in range(first, last):
            byte = data[p]
            if byte >= 0x80:
                return False
            if byte == (0x2D if date else 0x20):
                if part == (2 if date else 1):
                    return False
                wholes[part] = whole
                part, place, whole = part + 1, 0, np.uint64(0)
                continue
            whole = whole << np.uint64(8) | np.uint64(byte)
            place += 1
            if place > 4:
                return False
            if byte != 0x58 or not date:
                out[at] = (
                    np.uint64(part) << np.uint64(40) | np.uint64(place) << np.uint64(32) | np.uint64(byte)
                )
                at += 1
        wholes[part] = whole
        if part != (2 if date else 1):
            return False
        for i in range(3 if date else 1):
            if not date or wholes[i] & np.uint64(0xFF) != 0x58:
                out[at] = np.uint64(i) << np.uint64(40) | wholes[i]
                at += 1
    out_start[len(start) - 1] = at
    return True


@njit(cache=True, nogil=True, boundscheck=False)
def _number(found: Words, room: int, distinct: Words, index: Index) -> int:
    """Number the different grams in the order in which they come; how many, or -1 for too many."""
    place = np.full(room, -1, dtype=np.int64)
    mask = np.uint64(room - 1)
    count = 0
    for at in range(len(found)):
        gram = found[at]
        slot = (gram * _MIX >> np.uint64(32)) & mask
        while place[slot] >= 0 and distinct[place[slot]] != gram:
            slot = (slot + np.uint64(1)) & mask
        if place[slot] < 0:
            if count == len(distinct):
                return -1
            distinct[count] = gram
            place[slot] = count
            count += 1
        index[at] = place[slot]
    return count


def _written(kind: str, gram: int) -> bytes:
    """A gram that a kernel found, as it is keyed."""
    if kind in ("date", "postcode"):
        tag = ("ymd" if kind == "date" else "oi")[gram >> 40]
        place = gram >> 32 & 0xFF
        characters = (gram & 0xFFFFFFFF).to_bytes(4, "big").lstrip(b"\0").decode()
        return (f"{tag}{place - 1}{characters}" if place else f"{tag}={characters}").encode() + b"\n1"
    points = (gram >> _POINT + _COUNT, gram >> _COUNT & (1 << _POINT) - 1)
    return f"{chr(points[0])}{chr(points[1])}\n{gram & (1 << _COUNT) - 1}".encode()


def gram_index(kind: str, values: Sequence[str]) -> GramIndex:
    """Take every distinct value apart; the same for every pass that compares the field."""
    texts = Texts.of(values)
    size = int(texts.start[-1] - texts.start[0])
    start = np.zeros(len(texts) + 1, dtype=np.int64)
    if kind in ("date", "postcode"):
        found = np.empty(size + 3 * len(texts), dtype=np.uint64)
        if not _placed(texts.data, texts.start, kind == "date", found, start):
            return _one_by_one(kind, texts)
    else:
        found = np.empty(size + len(texts), dtype=np.uint64)
        _bigrams(texts.data, texts.start, found, start)
    found = found[: start[-1]]
    room, count = _ROOM, -1
    index = np.empty(len(found), dtype=np.int64)
    while count < 0:  # until there is room for as many different ones as there are
        room *= 8
        distinct = np.empty(room // 2, dtype=np.uint64)
        count = _number(found, room, distinct, index)
    return GramIndex(start, index, tuple(_written(kind, gram) for gram in distinct[:count].tolist()))


def _one_by_one(kind: str, values: Sequence[str]) -> GramIndex:
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
    return gram_index(kind, values).keyed(GramWords(component_key))


_GATHER: Final = np.uint64(0x8040201008040201)


@njit(cache=True, nogil=True, boundscheck=False)
def _fill(
    block_keys: Words,
    codes: npt.NDArray[np.int32],
    start: Index,
    index: Index,
    words: Words,
    log2_bits: int,
    budget: int,
    out: Bytes,
) -> None:
    mask = np.uint64((1 << log2_bits) - 1)
    step = np.uint64(log2_bits)
    each = 64 // log2_bits
    bits = 1 << log2_bits
    # Gram word, counter and output of every call; eight are worked on side by side.
    calls = np.zeros((3, budget + SIDE_BY_SIDE), dtype=np.uint64)
    wanted_of = np.zeros(budget, dtype=np.int64)
    # A byte a bit, and one for positions that are drawn and not wanted, so that nothing branches.
    flags = np.zeros(bits + 8, dtype=np.uint8)
    eights = flags.view(np.uint64)
    for row in range(len(codes)):
        code = codes[row]
        if code < 0:
            continue
        first = start[code]
        count = start[code + 1] - first
        if count == 0:
            continue
        share = budget // count
        extra = budget - share * count
        made = 0
        for g in range(min(count, budget)):
            word = words[index[first + g]]
            wanted = share + (1 if g < extra else 0)
            counter = np.uint64(0)
            while wanted > 0:
                calls[0, made] = word
                calls[1, made] = counter
                wanted_of[made] = wanted
                counter += np.uint64(1)
                made += 1
                wanted -= each
        for at in range(0, made, SIDE_BY_SIDE):
            siphash_eight(block_keys[row], calls, at)
        flags[:bits] = np.uint8(0)
        for call in range(made):
            positions = calls[2, call]
            wanted = wanted_of[call]
            for n in range(each):
                flags[np.int64(positions & mask) if n < wanted else bits] = np.uint8(1)
                positions >>= step
        # Eight bytes of flags, read as one little-endian word, become a byte: the first its highest bit.
        for byte in range(bits >> 3):
            out[row, byte] = np.uint8(eights[byte] * _GATHER >> np.uint64(56))


def fill_segment(
    block_keys: Words,
    codes: npt.NDArray[np.int32],
    table: GramTable,
    *,
    bits: int,
    budget: int,
    out: Bytes | None = None,
) -> Bytes:
    """
    Fill one segment for n rows.

    Args:
        block_keys: (n, 2) uint64, the 128-bit key of each row's block.
        codes: (n,) int32 into the table; below 0 leaves the segment empty, which reads as missing.
        bits: size of the segment, a power of two from 64 to 1024.
        budget: bits set over all grams, before collisions.
        out: (n, bits // 8) uint8 of zeros to fill; a new array when None.

    Returns:
        (n, bits // 8) uint8; bit i is byte i // 8, mask 0x80 >> (i % 8).

    Source: specs/encoding-v1.md, section 5.3.
    """
    if out is None:
        out = np.zeros((len(codes), bits // 8), dtype=np.uint8)
    log2_bits = bits.bit_length() - 1
    _fill(block_keys, codes, table.start, table.index, table.words, log2_bits, budget, out)
    return out
