"""
HMAC-SHA-256 of many short messages, compiled.

A library call a message would spend most of its time around the hash. The key never enters the
compiled code: it gets the two states that a key's padded blocks lead to.

Source: FIPS 180-4, sections 4 to 6; RFC 2104. Checked against published vectors and hashlib.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Words = npt.NDArray[np.uint64]
State = npt.NDArray[np.uint32]

BLOCK_BYTES = 64


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


_K = np.asarray(_fractions(64, 3), dtype=np.uint32)
_START = np.asarray(_fractions(8, 2), dtype=np.uint32)


@njit(inline="always", cache=True)
def _right(x: np.uint32, by: int) -> np.uint32:
    return np.uint32((x >> np.uint32(by)) | (x << np.uint32(32 - by)))


@njit(cache=True, nogil=True, boundscheck=False)
def _compress(state: State, block: npt.NDArray[np.uint8], w: State) -> None:
    for t in range(16):
        w[t] = (
            (np.uint32(block[4 * t]) << np.uint32(24))
            | (np.uint32(block[4 * t + 1]) << np.uint32(16))
            | (np.uint32(block[4 * t + 2]) << np.uint32(8))
            | np.uint32(block[4 * t + 3])
        )
    for t in range(16, 64):
        x, y = w[t - 15], w[t - 2]
        s0 = _right(x, 7) ^ _right(x, 18) ^ np.uint32(x >> np.uint32(3))
        s1 = _right(y, 17) ^ _right(y, 19) ^ np.uint32(y >> np.uint32(10))
        w[t] = np.uint32(w[t - 16] + s0 + w[t - 7] + s1)
    a, b, c, d = state[0], state[1], state[2], state[3]
    e, f, g, h = state[4], state[5], state[6], state[7]
    for t in range(64):
        s1 = _right(e, 6) ^ _right(e, 11) ^ _right(e, 25)
        choice = np.uint32((e & f) ^ (~e & g))
        t1 = np.uint32(h + s1 + choice + _K[t] + w[t])
        s0 = _right(a, 2) ^ _right(a, 13) ^ _right(a, 22)
        majority = np.uint32((a & b) ^ (a & c) ^ (b & c))
        t2 = np.uint32(s0 + majority)
        h, g, f, e = g, f, e, np.uint32(d + t1)
        d, c, b, a = c, b, a, np.uint32(t1 + t2)
    state[0] = np.uint32(state[0] + a)
    state[1] = np.uint32(state[1] + b)
    state[2] = np.uint32(state[2] + c)
    state[3] = np.uint32(state[3] + d)
    state[4] = np.uint32(state[4] + e)
    state[5] = np.uint32(state[5] + f)
    state[6] = np.uint32(state[6] + g)
    state[7] = np.uint32(state[7] + h)


@njit(cache=True, nogil=True, boundscheck=False)
def _finish(state: State, block: npt.NDArray[np.uint8], w: State, filled: int, length: int) -> None:
    """Pad and compress the last block or two; ``length`` bytes in all were hashed."""
    block[filled] = 0x80
    filled += 1
    if filled > 56:
        block[filled:64] = 0
        _compress(state, block, w)
        filled = 0
    block[filled:56] = 0
    bits = np.uint64(length) << np.uint64(3)
    for i in range(8):
        block[56 + i] = np.uint8((bits >> np.uint64(56 - 8 * i)) & np.uint64(0xFF))
    _compress(state, block, w)


@njit(inline="always", cache=True)
def _swapped(x: np.uint32) -> np.uint64:
    return np.uint64(
        ((x & np.uint32(0xFF)) << np.uint32(24))
        | ((x & np.uint32(0xFF00)) << np.uint32(8))
        | ((x >> np.uint32(8)) & np.uint32(0xFF00))
        | (x >> np.uint32(24))
    )


@njit(cache=True, nogil=True, boundscheck=False)
def hmac_rows(
    codes: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    inner: State,
    outer: State,
    out: Words,
) -> None:
    """
    The first 16 bytes of the HMAC of every row's message.

    Args:
        codes: (n, c) int64; the pieces that row's message is made of, in order.
        start: (pieces + 1,) int64, where each piece begins in ``data``.
        inner, outer: (8,) uint32, from :func:`key_states`.
        out: (n, 2) uint64, filled with the bytes as two little-endian words.
    """
    block = np.zeros(64, dtype=np.uint8)
    w = np.zeros(64, dtype=np.uint32)
    state = np.zeros(8, dtype=np.uint32)
    digest = np.zeros(8, dtype=np.uint32)
    for row in range(codes.shape[0]):
        state[:] = inner
        filled = 0
        length = 64
        for piece in range(codes.shape[1]):
            code = codes[row, piece]
            for at in range(start[code], start[code + 1]):
                block[filled] = data[at]
                filled += 1
                if filled == 64:
                    _compress(state, block, w)
                    filled = 0
            length += start[code + 1] - start[code]
        _finish(state, block, w, filled, length)
        digest[:] = outer
        for i in range(8):
            block[4 * i] = np.uint8(state[i] >> np.uint32(24))
            block[4 * i + 1] = np.uint8((state[i] >> np.uint32(16)) & np.uint32(0xFF))
            block[4 * i + 2] = np.uint8((state[i] >> np.uint32(8)) & np.uint32(0xFF))
            block[4 * i + 3] = np.uint8(state[i] & np.uint32(0xFF))
        _finish(digest, block, w, 32, 96)
        out[row, 0] = _swapped(digest[0]) | (_swapped(digest[1]) << np.uint64(32))
        out[row, 1] = _swapped(digest[2]) | (_swapped(digest[3]) << np.uint64(32))


def key_states(key: bytes) -> tuple[State, State]:
    """
    What a key of at most 64 bytes leads to: the states after its inner and its outer padded block.

    Raises:
        ValueError: a longer key; HMAC would hash it first, and no derived key is that long.
    """
    if len(key) > BLOCK_BYTES:
        raise ValueError("a key of more than 64 bytes")
    padded = np.frombuffer(key.ljust(BLOCK_BYTES, b"\0"), dtype=np.uint8)
    states = []
    for mask in (0x36, 0x5C):
        state = _START.copy()
        _compress(state, (padded ^ np.uint8(mask)).astype(np.uint8), np.zeros(64, dtype=np.uint32))
        states.append(state)
    return states[0], states[1]
