"""SipHash-2-4 is the published function."""

from __future__ import annotations

import json

import numpy as np
import pytest
import reference_encoding as reference
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from pseudolink.encode.siphash import SIDE_BY_SIDE, siphash_eight, siphash_two_words

KEY = bytes(range(16))
# Appendix A of the paper: key 00..0f, message 00..0e.
PAPER = 0xA129CA6149BE45E5
# From the same authors' table of vectors (hex of the output as they print it, byte by byte).
TABLE = {
    0: "310e0edd47db6f72",
    1: "fd67dc93c539f874",
    8: "6224939a79f5f593",
    15: "e545be4961ca29a1",
    16: "db9bc2577fcc2a3f",
}


def compiled(key: bytes, message: bytes) -> int:
    words = np.frombuffer(key + message, dtype="<u8")
    return int(siphash_two_words(*words))


def test_the_reference_gives_the_vector_of_the_paper() -> None:
    assert reference.siphash24(KEY, bytes(range(15))) == PAPER


@pytest.mark.parametrize("length", TABLE)
def test_the_reference_gives_the_table_of_the_authors(length: int) -> None:
    assert reference.siphash24(KEY, bytes(range(length))).to_bytes(8, "little").hex() == TABLE[length]


def test_the_compiled_function_gives_the_vector_of_16_bytes() -> None:
    vector = json.loads((reference.VECTORS / "siphash_16_bytes.json").read_text())
    found = compiled(bytes.fromhex(vector["key_hex"]), bytes.fromhex(vector["message_hex"]))
    assert found.to_bytes(8, "little").hex() == vector["output_hex"]


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_the_compiled_function_is_the_reference(key: bytes, message: bytes) -> None:
    assert compiled(key, message) == reference.siphash24(key, message)


@njit
def eight(keys, words, at):
    siphash_eight(keys, words, at)


def side_by_side(key: bytes, messages: list[bytes]) -> list[bytes]:
    """The kernel that fills filters, on up to eight messages in the middle of a longer array."""
    words = np.zeros((3, 3 * SIDE_BY_SIDE), dtype=np.uint64)
    for n, message in enumerate(messages, SIDE_BY_SIDE):
        words[:2, n] = np.frombuffer(message, dtype="<u8")
    eight(np.frombuffer(key, dtype="<u8").astype(np.uint64), words, SIDE_BY_SIDE)
    assert not words[2, :SIDE_BY_SIDE].any()
    assert not words[2, 2 * SIDE_BY_SIDE :].any()
    return [words[2, SIDE_BY_SIDE + n].astype("<u8").tobytes() for n in range(len(messages))]


def test_eight_side_by_side_give_the_table_of_the_authors() -> None:
    assert {one.hex() for one in side_by_side(KEY, [KEY] * SIDE_BY_SIDE)} == {TABLE[16]}


@given(
    st.binary(min_size=16, max_size=16),
    st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=SIDE_BY_SIDE),
)
def test_eight_side_by_side_are_the_reference(key: bytes, messages: list[bytes]) -> None:
    expected = [reference.siphash24(key, message).to_bytes(8, "little") for message in messages]
    assert side_by_side(key, messages) == expected
