"""
The compiled loop of all pairs: counts, for 512 filters at once, which bits they lack.

A tile holds 512 filters, turned on their side: for each bit of a filter one *plane*, 512 bits that
say which filters of the tile lack it. A left filter walks the planes of its own bits, rarest first,
and adds them up in vertical counters, a carry-save tree whose sums are planes themselves. A filter
that lacks more of them than a pair can afford is out; when none of the 512 is left, the walk ends.
The few that stay are compared word by word. So no pair is missed, and most are never looked at.

The vector code is written out in LLVM's terms, because no loop of Python is recognised as a
carry-save adder. It is the same on every machine; where the processor has AVX-512, an adder is
two instructions.

Source: specs/matching-v1.md, section 4; specs/adr/0035 has the reasons and what was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic

from pseudolink.kernels import njit

Words = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Walk = npt.NDArray[np.unsignedinteger[Any]]

cgutils: Any = _cgutils

#: 64-bit words of a vector; a tile has 64 times as many filters.
LANES = 8
COLUMNS = 64 * LANES
#: Planes that one turn of the loop adds; their carry-save tree is four levels deep.
BLOCK = 16
_LEVELS = 4

_WORD = ir.IntType(64)
_INDEX = ir.IntType(32)
_FLAG = ir.IntType(1)
_VECTOR = ir.VectorType(_WORD, LANES)
_NONE = ir.Constant(_VECTOR, [0] * LANES)
# Truth tables of the two outputs of a full adder, as AVX-512 takes them.
_SUM, _CARRY = 0x96, 0xE8
_TERNARY = bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))


def _vector_code(form: Callable[..., Any]) -> Any:
    """``intrinsic``, without its type: it says that what it returns takes another argument."""
    return intrinsic(form)


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _load(builder: Any, pointer: Any) -> Any:
    return builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()), align=8)


def _spread(builder: Any, word: Any) -> Any:
    """A vector with the same word in every lane."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, word, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))


def _call(builder: Any, name: str, result: Any, *given: Any) -> Any:
    form = ir.FunctionType(result, [one.type for one in given])
    return builder.call(cgutils.get_or_insert_function(builder.module, form, name), given)


def _count(builder: Any, vector: Any) -> Any:
    return _call(builder, f"llvm.ctpop.v{LANES}i64", _VECTOR, vector)


def _add_up(builder: Any, vector: Any) -> Any:
    return _call(builder, f"llvm.vector.reduce.add.v{LANES}i64", _WORD, vector)


def _all(builder: Any, flags: Any) -> Any:
    """Whether all flags of a vector are set."""
    byte = builder.bitcast(flags, ir.IntType(LANES))
    return builder.icmp_unsigned("==", byte, ir.Constant(ir.IntType(LANES), -1))


def _full_adder(builder: Any, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
    """Sum and carry of three planes."""
    if _TERNARY:
        name = f"llvm.x86.avx512.pternlog.q.{64 * LANES}"
        tables = [ir.Constant(_INDEX, table) for table in (_SUM, _CARRY)]
        one, two = (_call(builder, name, _VECTOR, x, y, z, table) for table in tables)
        return one, two
    odd = builder.xor(x, y)
    carry = builder.or_(builder.and_(odd, z), builder.and_(builder.not_(odd), x))
    return builder.xor(odd, z), carry


@_vector_code
def _left_over(
    _: Any,
    planes: Any,
    tile: Any,
    walk: Any,
    begin: Any,
    blocks: Any,
    spare: Any,
    first: Any,
    high: Any,
    out: Any,
) -> Any:
    """
    Walk planes until no filter of a tile is left, or to the end; write which are left.

    Args:
        planes: all planes; tile: word at which this tile's begin.
        walk, begin, blocks: first words of the planes to add, from ``begin`` on, ``blocks`` times 16.
        spare: bits that a filter may lack; more than that, and it is out.
        first: the block behind which to look for the first time.
        high: a tuple, as long as there are counter planes above the four of the tree.
        out: (8,) uint64; bit k of word w is filter 64 w + k of the tile.
    """
    whole = types.int64
    signature = types.boolean(planes, whole, walk, whole, whole, whole, whole, high, out)
    width = _LEVELS + len(high)

    def emit(context: Any, builder: Any, _: Any, given: Any) -> Any:
        table = builder.gep(_data(context, builder, planes, given[0]), [given[1]])
        steps = builder.gep(_data(context, builder, walk, given[2]), [given[3]])
        # The counter begins so high that bit number `spare + 1` makes it overflow.
        start = builder.sub(ir.Constant(_WORD, (1 << width) - 1), given[5])
        counter = []
        for level in range(width):
            bit = builder.and_(builder.lshr(start, ir.Constant(_WORD, level)), ir.Constant(_WORD, 1))
            counter.append(cgutils.alloca_once(builder, _VECTOR))
            builder.store(_spread(builder, builder.neg(bit)), counter[-1])
        lost = cgutils.alloca_once(builder, _VECTOR)
        builder.store(_NONE, lost)
        some = cgutils.alloca_once(builder, _FLAG)
        builder.store(ir.Constant(_FLAG, 1), some)
        with cgutils.for_range(builder, given[4]) as loop:
            at = builder.mul(loop.index, ir.Constant(loop.index.type, BLOCK))
            carried = []
            for step in range(BLOCK):
                place = builder.gep(steps, [builder.add(at, ir.Constant(at.type, step))])
                plane = builder.zext(builder.load(place), _WORD)
                carried.append(_load(builder, builder.gep(table, [plane])))
            for level in range(_LEVELS):
                total = builder.load(counter[level])
                following = []
                for x, y in zip(carried[::2], carried[1::2], strict=True):
                    total, carry = _full_adder(builder, total, x, y)
                    following.append(carry)
                builder.store(total, counter[level])
                carried = following
            carry = carried[0]
            for slot in counter[_LEVELS:]:
                old = builder.load(slot)
                builder.store(builder.xor(old, carry), slot)
                carry = builder.and_(old, carry)
            out_now = builder.or_(builder.load(lost), carry)
            builder.store(out_now, lost)
            with builder.if_then(builder.icmp_signed(">=", loop.index, given[6])):
                full = builder.icmp_unsigned("==", out_now, ir.Constant(_VECTOR, [-1] * LANES))
                with builder.if_then(_all(builder, full)):
                    builder.store(ir.Constant(_FLAG, 0), some)
                    loop.do_break()
        mask = builder.bitcast(_data(context, builder, out, given[8]), _VECTOR.as_pointer())
        builder.store(builder.not_(builder.load(lost)), mask, align=8)
        return builder.load(some)

    return signature, emit


@_vector_code
def _common(_: Any, left: Any, i: Any, right: Any, j: Any, vectors: Any) -> Any:
    """Bits set in both row i and row j; a row has ``vectors`` times 8 words."""
    whole = types.int64
    signature = whole(left, whole, right, whole, whole)

    def emit(context: Any, builder: Any, _: Any, given: Any) -> Any:
        size = builder.mul(given[4], ir.Constant(_WORD, LANES))
        one = builder.gep(_data(context, builder, left, given[0]), [builder.mul(given[1], size)])
        other = builder.gep(_data(context, builder, right, given[2]), [builder.mul(given[3], size)])
        total = cgutils.alloca_once(builder, _VECTOR)
        builder.store(_NONE, total)
        with cgutils.for_range(builder, given[4]) as loop:
            at = builder.mul(loop.index, ir.Constant(loop.index.type, LANES))
            both = builder.and_(
                _load(builder, builder.gep(one, [at])), _load(builder, builder.gep(other, [at]))
            )
            builder.store(builder.add(builder.load(total), _count(builder, both)), total)
        return _add_up(builder, builder.load(total))

    return signature, emit


@_vector_code
def lowest_bit(_: Any, word: Any) -> Any:
    """Number of the lowest bit set in a word that is not 0."""

    def emit(_: Any, builder: Any, __: Any, given: Any) -> Any:
        return builder.cttz(given[0], ir.Constant(_FLAG, 1))

    return types.int64(types.uint64), emit


@njit(cache=True, nogil=True)
def scan(
    planes: Words,
    tile_words: int,
    least: Counts,
    most: Counts,
    right: Words,
    right_bits: Counts,
    left: Words,
    left_bits: Counts,
    starts: Counts,
    walk: Walk,
    need: Counts,
    lowest: Counts,
    high: tuple[int, ...],
    tile: int,
    row: int,
    out_i: Numbers,
    out_j: Numbers,
    out_c: Numbers,
) -> tuple[int, int, int]:
    """
    Pairs of some left filters with all right ones, from (tile, row) on, until ``out`` is full.

    Args:
        planes, tile_words, least, most, right, right_bits: see :class:`pseudolink.match.tiles.Tiles`.
        left: (r, w) uint64, w as in ``right``. left_bits: (r,) bits set.
        starts, walk: see :func:`pseudolink.match.tiles.walks`.
        need: by sum of the bits of two filters, the bits in common that make them a pair.
        lowest: by bits of the left filter, the fewest bits that a right one can have.

    Returns:
        (pairs found, tile, row): where to go on; behind the last tile when it is done.
    """
    found = 0
    room = len(out_i) - COLUMNS
    mask = np.zeros(LANES, np.uint64)
    vectors = left.shape[1] // LANES
    while tile < len(least):
        while row < len(left_bits):
            a = left_bits[row]
            b = max(least[tile], lowest[a])
            spare = a - need[a + b]
            if b > most[tile] or spare < 0:
                row += 1
                continue
            if found > room:
                return found, tile, row
            blocks = (starts[row + 1] - starts[row]) // BLOCK
            first = spare // BLOCK
            if _left_over(planes, tile * tile_words, walk, starts[row], blocks, spare, first, high, mask):
                for lane in range(LANES):
                    word = mask[lane]
                    while word:
                        j = tile * COLUMNS + lane * 64 + lowest_bit(word)
                        word &= word - np.uint64(1)
                        common = _common(left, row, right, j, vectors)
                        if common >= need[a + right_bits[j]]:
                            out_i[found] = row
                            out_j[found] = j
                            out_c[found] = common
                            found += 1
            row += 1
        row = 0
        tile += 1
    return found, tile, row


@njit(cache=True, nogil=True)
def lay_planes(
    rows: Words, place: npt.NDArray[np.int64], planes: Words, tile_words: int, first: int, last: int
) -> None:
    """Strike the bits of rows ``first`` to ``last`` from the planes of what filters lack."""
    for j in range(first, last):
        keep = ~(np.uint64(1) << np.uint64(j % 64))
        base = (j // COLUMNS) * tile_words + (j // 64) % LANES
        for w in range(rows.shape[1]):
            word = rows[j, w]
            while word:
                planes[base + place[w * 64 + lowest_bit(word)] * LANES] &= keep
                word &= word - np.uint64(1)


@njit(cache=True, nogil=True)
def lay_walks(rows: Words, place: npt.NDArray[np.int64], starts: Counts, walk: Walk) -> None:
    """
    First words of the planes of each row's bits, in order of the planes.

    What is left of a row's last block is the plane that no filter lacks.
    """
    bits = len(place)
    seen = np.zeros((bits + 63) // 64, np.uint64)
    for i in range(len(rows)):
        seen[:] = 0
        for w in range(rows.shape[1]):
            word = rows[i, w]
            while word:
                at = place[w * 64 + lowest_bit(word)]
                seen[at >> 6] |= np.uint64(1) << np.uint64(at & 63)
                word &= word - np.uint64(1)
        to = starts[i]
        for w in range(len(seen)):
            word = seen[w]
            while word:
                walk[to] = (w * 64 + lowest_bit(word)) * LANES
                to += 1
                word &= word - np.uint64(1)
        walk[to : starts[i + 1]] = bits * LANES


@njit(cache=True, nogil=True)
def compare_listed(
    left: Words,
    left_bits: Counts,
    right: Words,
    right_bits: Counts,
    need: Counts,
    i: Counts,
    j: Counts,
    out: Counts,
) -> None:
    """Bits in common of each listed pair of rows of whole vectors; -1 where they are no pair."""
    for k in range(len(i)):
        a, b = left_bits[i[k]], right_bits[j[k]]
        common = _common(left, i[k], right, j[k], left.shape[1] // LANES)
        out[k] = common if a and b and common >= need[a + b] else -1
