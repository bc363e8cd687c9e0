"""
HMAC-SHA-256 of many short messages, compiled: sixteen messages at a time.

The standard library takes more than a microsecond a message, most of it for setting up. Here the
two padded key blocks are compressed once, a message costs two compressions, and a compression
works on sixteen messages side by side in vectors, which the compiler maps to whatever the machine
has. Messages that several keys share, as the token and the block key of a pass do, have their
message schedule worked out once.

Source: FIPS 180-4 (SHA-256), FIPS 198-1 (HMAC); specs/encoding-v1.md, section 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pseudolink.kernels import njit

Words = npt.NDArray[np.uint64]
State = npt.NDArray[np.uint32]

BLOCK_BYTES = 64
#: Messages side by side in one vector.
LANES = 16


def _fractions(count: int, root: int) -> list[int]:
    """First 32 bits of the fractional parts of roots of the first primes (FIPS 180-4 §4.2.2, §5.3.3)."""
    primes = [n for n in range(2, 312) if all(n % d for d in range(2, int(n**0.5) + 1))][:count]
    found = []
    for prime in primes:
        # floor(prime ** (1/root) * 2**32), exactly, by bisection on integers.
        low, high = 0, prime << 32
        while low < high:
            middle = (low + high + 1) // 2
            if middle**root <= prime << (32 * root):
                low = middle
            else:
                high = middle - 1
        found.append(low & 0xFFFFFFFF)
    return found


_K = _fractions(64, 3)
_START = np.asarray(_fractions(8, 2), dtype=np.uint32)

# ---------------------------------------------------------------- sixteen compressions at a time

_VECTOR = ir.VectorType(ir.IntType(32), LANES)


class _Vectors:
    """Vector instructions on a (words, LANES) uint32 array, while a kernel is being compiled."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any) -> None:
        self.builder = builder
        data = context.make_array(kind)(context, builder, array).data
        self._pointer = builder.bitcast(data, _VECTOR.as_pointer())
        name = f"llvm.fshl.v{LANES}i32"
        form = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        self._rotate = builder.module.globals.get(name) or ir.Function(builder.module, form, name)

    def _at(self, row: int) -> Any:
        return self.builder.gep(self._pointer, [ir.Constant(ir.IntType(64), row)])

    def load(self, row: int) -> Any:
        value = self.builder.load(self._at(row))
        value.align = 4
        return value

    def store(self, row: int, value: Any) -> None:
        self.builder.store(value, self._at(row), align=4)

    def same(self, value: int) -> Any:
        return ir.Constant(_VECTOR, [value] * LANES)

    def right(self, x: Any, by: int) -> Any:
        return self.builder.call(self._rotate, [x, x, self.same(32 - by)])

    def shifted(self, x: Any, by: int) -> Any:
        return self.builder.lshr(x, self.same(by))

    def add(self, first: Any, *more: Any) -> Any:
        for one in more:
            first = self.builder.add(first, one)
        return first

    def xor(self, first: Any, *more: Any) -> Any:
        for one in more:
            first = self.builder.xor(first, one)
        return first

    def both(self, x: Any, y: Any) -> Any:
        return self.builder.and_(x, y)


def _compiled(function: Any) -> Any:
    """Numba's decorator without its type, which is that of the call while it is compiled."""
    return intrinsic(function)


@_compiled
def _expand(typing: Any, w: Any) -> Any:
    """FIPS 180-4 §6.2.2, step 1: rows 16 to 63 of ``w``, (64, LANES) uint32, from its first 16."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, signature.args[0], arguments[0])
        row = [v.load(t) for t in range(16)]
        for t in range(16, 64):
            x, y = row[t - 15], row[t - 2]
            s0 = v.xor(v.right(x, 7), v.right(x, 18), v.shifted(x, 3))
            s1 = v.xor(v.right(y, 17), v.right(y, 19), v.shifted(y, 10))
            row.append(v.add(row[t - 16], s0, row[t - 7], s1))
            v.store(t, row[t])
        return context.get_dummy_value()

    return types.void(w), code


@_compiled
def _rounds(typing: Any, state: Any, w: Any) -> Any:
    """FIPS 180-4 §6.2.2, steps 2 to 4, on ``state``, (8, LANES) uint32, with an expanded ``w``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        s = _Vectors(context, builder, signature.args[0], arguments[0])
        words = _Vectors(context, builder, signature.args[1], arguments[1])
        before = [s.load(i) for i in range(8)]
        a, b, c, d, e, f, g, h = before
        for t in range(64):
            s1 = s.xor(s.right(e, 6), s.right(e, 11), s.right(e, 25))
            choice = s.xor(g, s.both(e, s.xor(f, g)))
            t1 = s.add(h, s1, choice, s.same(_K[t]), words.load(t))
            s0 = s.xor(s.right(a, 2), s.right(a, 13), s.right(a, 22))
            majority = s.xor(s.both(a, s.xor(b, c)), s.both(b, c))
            h, g, f, e, d, c, b, a = g, f, e, s.add(d, t1), c, b, a, s.add(t1, s0, majority)
        for i, (old, new) in enumerate(zip(before, (a, b, c, d, e, f, g, h), strict=True)):
            s.store(i, s.add(old, new))
        return context.get_dummy_value()

    return types.void(state, w), code


# ---------------------------------------------------------------- messages


@njit(cache=True, nogil=True, boundscheck=False)
def _lay(
    codes: npt.NDArray[np.int64],
    row: int,
    start: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    blocks: npt.NDArray[np.uint32],
    lane: int,
) -> int:
    """Write a padded message into its lane, big-endian words; the number of its blocks."""
    word = np.uint32(0)
    at = 0
    for piece in range(codes.shape[0]):
        code = codes[piece, row]
        for place in range(start[code], start[code + 1]):
            word = np.uint32((word << np.uint32(8)) | np.uint32(data[place]))
            if at & 3 == 3:
                blocks[at >> 6, (at >> 2) & 15, lane] = word
            at += 1
    # FIPS 180-4 §5.1.1: one bit, zeros, and the length, of which the key's block is a part.
    left = np.uint32(8 * (3 - (at & 3)))
    word = np.uint32((word << np.uint32(8)) | np.uint32(0x80)) << left
    blocks[at >> 6, (at >> 2) & 15, lane] = word
    count = (at + 72) >> 6
    bits = np.uint64(at + BLOCK_BYTES) << np.uint64(3)
    blocks[count - 1, 14, lane] = np.uint32(bits >> np.uint64(32))
    blocks[count - 1, 15, lane] = np.uint32(bits & np.uint64(0xFFFFFFFF))
    return count


@njit(inline="always", cache=True)
def _swapped(x: np.uint32) -> np.uint64:
    return np.uint64(
        ((x & np.uint32(0xFF)) << np.uint32(24))
        | ((x & np.uint32(0xFF00)) << np.uint32(8))
        | ((x >> np.uint32(8)) & np.uint32(0xFF00))
        | (x >> np.uint32(24))
    )


@njit(cache=True, nogil=True, boundscheck=False)
def _digest(
    blocks: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    filled: int,
    states: State,
    state: State,
    kept: State,
    last: State,
    out: Words,
) -> None:
    """The codes of the messages in the lanes under every key; then the lanes are empty again."""
    most = 0
    for lane in range(filled):
        most = max(most, counts[lane])
    for block in range(most):
        _expand(blocks[block])
    for key in range(states.shape[0]):
        for i in range(8):
            state[i, :] = states[key, 0, i]
        for block in range(most):
            if block:
                kept[:] = state
            _rounds(state, blocks[block])
            if block:
                for lane in range(filled):
                    if counts[lane] <= block:  # ended before this block
                        for i in range(8):
                            state[i, lane] = kept[i, lane]
        last[:8] = state
        last[8, :] = np.uint32(0x80000000)
        last[9:15] = np.uint32(0)
        last[15, :] = np.uint32(8 * (BLOCK_BYTES + 32))
        _expand(last)
        for i in range(8):
            state[i, :] = states[key, 1, i]
        _rounds(state, last)
        for lane in range(filled):
            row = rows[lane]
            out[key, row, 0] = _swapped(state[0, lane]) | (_swapped(state[1, lane]) << np.uint64(32))
            out[key, row, 1] = _swapped(state[2, lane]) | (_swapped(state[3, lane]) << np.uint64(32))
    blocks[:most, :16] = np.uint32(0)


@njit(cache=True, nogil=True, boundscheck=False)
def hmac_rows(
    codes: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    states: State,
    out: Words,
    present: npt.NDArray[np.bool_],
) -> None:
    """
    The first 16 bytes of the HMAC of every row's message, under each of k keys.

    Args:
        codes: (c, n) int64; the pieces that a row's message is made of, in order. A row with one
            below 0 has no message: its place in ``out`` is left as it is.
        start: (pieces + 1,) int64, where each piece begins in ``data``.
        states: (k, 2, 8) uint32, :func:`key_states` of each key.
        out: (k, n, 2) uint64, filled with the bytes as two little-endian words.
        present: (n,) bool, filled with whether the row has a message.
    """
    n = codes.shape[1]
    longest = 0
    for row in range(n):
        length = 0
        present[row] = True
        for piece in range(codes.shape[0]):
            code = codes[piece, row]
            if code < 0:
                present[row] = False
                break
            length += start[code + 1] - start[code]
        if present[row]:
            longest = max(longest, length)
    blocks = np.zeros(((longest + 72) >> 6, 64, LANES), dtype=np.uint32)
    state = np.zeros((8, LANES), dtype=np.uint32)
    kept = np.zeros((8, LANES), dtype=np.uint32)
    last = np.zeros((64, LANES), dtype=np.uint32)
    rows = np.zeros(LANES, dtype=np.int64)
    counts = np.zeros(LANES, dtype=np.int64)
    filled = 0
    for row in range(n):
        if not present[row]:
            continue
        rows[filled] = row
        counts[filled] = _lay(codes, row, start, data, blocks, filled)
        filled += 1
        if filled == LANES:
            _digest(blocks, counts, rows, filled, states, state, kept, last, out)
            filled = 0
    if filled:
        _digest(blocks, counts, rows, filled, states, state, kept, last, out)


@njit(cache=True, nogil=True, boundscheck=False)
def _compressed(state: State, w: State) -> None:
    _expand(w)
    _rounds(state, w)


def key_states(key: bytes) -> State:
    """
    What a key of at most 64 bytes leads to: (2, 8) uint32, the states after its inner and its outer block.

    Raises:
        ValueError: a longer key; HMAC would hash it first, and no derived key is that long.
    """
    if len(key) > BLOCK_BYTES:
        raise ValueError("a key of more than 64 bytes")
    padded = np.frombuffer(key.ljust(BLOCK_BYTES, b"\0"), dtype=np.uint8)
    state = np.repeat(_START[:, None], LANES, axis=1)
    w = np.zeros((64, LANES), dtype=np.uint32)
    for lane, mask in enumerate((0x36, 0x5C)):
        block = np.ascontiguousarray(padded ^ np.uint8(mask))
        w[:16, lane] = block.view(">u4").astype(np.uint32)
    _compressed(state, w)
    return np.ascontiguousarray(state[:, :2].T)
