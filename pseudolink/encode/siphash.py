"""
SipHash-2-4 over 64-bit words, compiled.

Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), sections 2 and 2.1;
checked against the vectors of the reference implementation in specs/vectors/encoding/.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pseudolink.kernels import njit

_V0 = np.uint64(0x736F6D6570736575)
_V1 = np.uint64(0x646F72616E646F6D)
_V2 = np.uint64(0x6C7967656E657261)
_V3 = np.uint64(0x7465646279746573)
_FINAL = np.uint64(0xFF)


@njit(inline="always", cache=True)
def _rotate(x: np.uint64, by: int) -> np.uint64:
    return (x << np.uint64(by)) | (x >> np.uint64(64 - by))


@njit(inline="always", cache=True)
def _round(
    v0: np.uint64, v1: np.uint64, v2: np.uint64, v3: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    v0 += v1
    v1 = _rotate(v1, 13)
    v1 ^= v0
    v0 = _rotate(v0, 32)
    v2 += v3
    v3 = _rotate(v3, 16)
    v3 ^= v2
    v0 += v3
    v3 = _rotate(v3, 21)
    v3 ^= v0
    v2 += v1
    v1 = _rotate(v1, 17)
    v1 ^= v2
    v2 = _rotate(v2, 32)
    return v0, v1, v2, v3


@njit(cache=True, nogil=True)
def siphash_two_words(k0: np.uint64, k1: np.uint64, first: np.uint64, second: np.uint64) -> np.uint64:
    """
    SipHash-2-4 of the 16 bytes ``first`` then ``second`` (little-endian words).

    Args:
        k0, k1: the 128-bit key as two little-endian words.

    Returns:
        The 64-bit output.
    """
    v0 = k0 ^ _V0
    v1 = k1 ^ _V1
    v2 = k0 ^ _V2
    v3 = k1 ^ _V3
    length = np.uint64(16) << np.uint64(56)
    for word in (first, second, length):
        v3 ^= word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
    v2 ^= _FINAL
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


#: Messages side by side in one vector.
SIDE_BY_SIDE = 8
_VECTOR = ir.VectorType(ir.IntType(64), SIDE_BY_SIDE)


def _compiled(function: Any) -> Any:
    """Numba's decorator without its type, which is that of the call while it is compiled."""
    return intrinsic(function)


@_compiled
def siphash_eight(typing: Any, keys: Any, words: Any, at: Any) -> Any:
    """
    SipHash-2-4 of eight messages of two words under one key.

    Args:
        keys: (2,) uint64, the key.
        words: (3, n) uint64; rows 0 and 1 the words of messages, row 2 takes the outputs.
        at: the first of the eight, in ``words``.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def same(value: int) -> Any:
            return ir.Constant(_VECTOR, [value] * SIDE_BY_SIDE)

        name = f"llvm.fshl.v{SIDE_BY_SIDE}i64"
        form = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        rotate = builder.module.globals.get(name) or ir.Function(builder.module, form, name)
        word, index = ir.IntType(64), ir.IntType(32)

        def turned(x: Any, by: int) -> Any:
            return builder.call(rotate, [x, x, same(by)])

        def key(place: int) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            one = builder.load(builder.gep(array.data, [ir.Constant(word, place)]))
            first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), one, ir.Constant(index, 0))
            mask = ir.Constant(ir.VectorType(index, SIDE_BY_SIDE), [0] * SIDE_BY_SIDE)
            return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), mask)

        rows = context.make_array(signature.args[1])(context, builder, arguments[1])
        width = builder.extract_value(rows.shape, 1)

        def row(number: int) -> Any:
            begin = builder.add(builder.mul(width, ir.Constant(word, number)), arguments[2])
            return builder.bitcast(builder.gep(rows.data, [begin]), _VECTOR.as_pointer())

        def loaded(number: int) -> Any:
            value = builder.load(row(number))
            value.align = 8
            return value

        def rounds(state: list[Any], times: int) -> list[Any]:
            v0, v1, v2, v3 = state
            for _ in range(times):
                v0, v2 = builder.add(v0, v1), builder.add(v2, v3)
                v1, v3 = builder.xor(turned(v1, 13), v0), builder.xor(turned(v3, 16), v2)
                v0 = builder.add(turned(v0, 32), v3)
                v2 = builder.add(v2, v1)
                v3, v1 = builder.xor(turned(v3, 21), v0), builder.xor(turned(v1, 17), v2)
                v2 = turned(v2, 32)
            return [v0, v1, v2, v3]

        k0, k1 = key(0), key(1)
        state = [
            builder.xor(k, same(int(constant)))
            for k, constant in zip((k0, k1, k0, k1), (_V0, _V1, _V2, _V3), strict=True)
        ]
        for message in (loaded(0), loaded(1), same(16 << 56)):
            state[3] = builder.xor(state[3], message)
            state = rounds(state, 2)
            state[0] = builder.xor(state[0], message)
        state[2] = builder.xor(state[2], same(int(_FINAL)))
        state = rounds(state, 4)
        found = builder.xor(builder.xor(state[0], state[1]), builder.xor(state[2], state[3]))
        builder.store(found, row(2), align=8)
        return context.get_dummy_value()

    return types.void(keys, words, at), code


@njit(cache=True, nogil=True, boundscheck=False)
def number_pieces(
    data: npt.NDArray[np.uint8],
    start: npt.NDArray[np.int64],
    k0: np.uint64,
    k1: np.uint64,
    out: npt.NDArray[np.uint64],
) -> None:
    """
    A 64-bit number for every piece of ``data``, equal for equal pieces: SipHash-2-4, word by word.

    Args:
        start: (n + 1,) int64, where each piece begins. out: (n,) uint64, filled.
    """
    for piece in range(len(start) - 1):
        at, end = start[piece], start[piece + 1]
        found = np.uint64(end - at)
        while at < end:
            word = np.uint64(0)
            for i in range(min(8, end - at)):
                word |= np.uint64(data[at + i]) << np.uint64(8 * i)
            found = siphash_two_words(k0, k1, word, found)
            at += 8
        out[piece] = found


#: SipHash-2-4 of the bytes 00..0f under the key 00..0f, from the reference implementation's vectors.
KNOWN_ANSWER = 0x3F2ACC7F57C29BDB


def known_answer() -> int:
    """What the compiled kernel gives for the input of :data:`KNOWN_ANSWER`."""
    low, high = np.uint64(0x0706050403020100), np.uint64(0x0F0E0D0C0B0A0908)
    return int(siphash_two_words(low, high, low, high))
