"""
Diffused CLKs: every bit that leaves is the XOR of eight bits of the CLK, chosen by a secret.

Bits of a CLK belong to pieces of names; a bit of the diffused CLK belongs to none. An attack that
learns bits from known pairs has nothing linear left to learn from, as long as the inner bits are
about as often set as not: the XOR of t bits that are set with probability f leans by |1 - 2f|**t.
Recall is lost for pairs with two or more errors, and every record still has company.

Source: specs/clk-v1.md, section 9.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pseudolink.errors import EmptyInputError, FloorError, Problem, UsageError
from pseudolink.kernels import njit

Filters = npt.NDArray[np.uint8]

INNER_BITS: Final = 1024
OUTER_BITS: Final = 2048
PARTS: Final = 8
KEY_BYTES: Final = 32
#: The most that an output bit of the median record may lean.
MOST_LEAN: Final = 1e-3
#: Labels and context of the key, in the words of specs/keys-v1.md, section 3.
LABEL: Final = "diffusion"
VERSION: Final = "pseudolink/clk/1"

_ROWS: Final = 1 << 14


@dataclass(frozen=True)
class Fill:
    """
    How full the inner CLKs of n records are.

    median: share of bits set in the median record; of the two middle ones that which leans more.
    lean: |1 - 2 * median| ** 8.
    leaning: records that lean more than the bound, of ``rows``.
    """

    rows: int
    median: float
    lean: float
    leaning: int


def index_sets(key: bytes) -> npt.NDArray[np.uint16]:
    """
    The inner bits of every output bit.

    Args:
        key: 32 bytes, ``LinkageKey.derive("diffusion", …)``; never public.

    Returns:
        (2048, 8) uint16 below 1024; the eight of a row are distinct, in the order drawn.

    Raises:
        UsageError: the key has another length.

    Source: specs/clk-v1.md, section 9.2.
    """
    if len(key) != KEY_BYTES:
        raise UsageError(f"a diffusion key has {KEY_BYTES} bytes")
    sets = np.zeros((OUTER_BITS, PARTS), dtype=np.uint16)
    for bit in range(OUTER_BITS):
        chosen: dict[int, None] = {}
        counter = 0
        while len(chosen) < PARTS:
            message = bit.to_bytes(4, "big") + counter.to_bytes(4, "big")
            drawn = np.frombuffer(hashlib.blake2b(message, key=key).digest(), dtype="<u2") % INNER_BITS
            chosen |= dict.fromkeys(drawn.tolist())
            counter += 1
        sets[bit] = list(chosen)[:PARTS]
    return sets


def _counts(clks: Filters) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = np.bitwise_count(clks).sum(axis=1, dtype=np.int64)
    return counts


def _leans_too_much(count: int) -> bool:
    # In integers: |1024 - 2c|**8 / 1024**8 > 1/1000.
    return 1000 * int(abs(INNER_BITS - 2 * count)) ** PARTS > INNER_BITS**PARTS


def measure_fill(clks: Filters) -> Fill:
    """
    Measure the fill of inner CLKs, (n, 128) uint8.

    Raises:
        UsageError: CLKs of another length.
        EmptyInputError: no records.

    Source: specs/clk-v1.md, section 9.3.
    """
    if clks.ndim != 2 or clks.shape[1] * 8 != INNER_BITS:
        raise UsageError(f"a CLK that is diffused has {INNER_BITS} bits")
    if not len(clks):
        raise EmptyInputError("there are no CLKs")
    counts = np.sort(_counts(clks))
    middle = (int(counts[(len(counts) - 1) // 2]), int(counts[len(counts) // 2]))
    median = max(middle, key=lambda count: abs(INNER_BITS - 2 * count))
    over = [count for count in range(INNER_BITS + 1) if _leans_too_much(count)]
    return Fill(
        rows=len(counts),
        median=median / INNER_BITS,
        lean=(abs(INNER_BITS - 2 * median) / INNER_BITS) ** PARTS,
        leaning=int(np.isin(counts, over).sum()),
    )


@njit(cache=True, nogil=True)
def _mix(bits: Filters, sets: npt.NDArray[np.uint16], out: Filters) -> None:
    for row in range(len(bits)):
        for bit in range(len(sets)):
            value = np.uint8(0)
            for part in range(sets.shape[1]):
                value ^= bits[row, sets[bit, part]]
            out[row, bit >> 3] |= value << np.uint8(7 - (bit & 7))


def diffuse(clks: Filters, key: bytes) -> tuple[Filters, Fill]:
    """
    Diffuse CLKs.

    Args:
        clks: (n, 128) uint8, 1024 bits each; near half of them set.
        key: 32 bytes; see :func:`index_sets`.

    Returns:
        ((n, 256) uint8, the fill of the inner CLKs). Bit i is byte i // 8, mask 0x80 >> (i % 8).

    Raises:
        FloorError: the output bits of the median record would lean by more than 1 in 1,000.
        UsageError: CLKs or a key of another length.
        EmptyInputError: no records.

    Source: specs/clk-v1.md, section 9.
    """
    fill = measure_fill(clks)
    if _leans_too_much(round(fill.median * INNER_BITS)):
        raise FloorError(
            [
                Problem(
                    "fill",
                    f"{fill.median:.1%} of the bits of the median record are set; "
                    f"diffused bits would lean by {fill.lean:.4f}, more than {MOST_LEAN}",
                )
            ],
            advice="Change the bits of the features in the schema until the median is 45 % to 50 %.",
        )
    sets = index_sets(key)
    out = np.zeros((len(clks), OUTER_BITS // 8), dtype=np.uint8)
    for at in range(0, len(clks), _ROWS):
        _mix(np.unpackbits(clks[at : at + _ROWS], axis=1), sets, out[at : at + _ROWS])
    return out, fill
