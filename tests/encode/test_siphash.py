"""SipHash-2-4 is the published function."""

from __future__ import annotations

import json

import numpy as np
import pytest
import reference_encoding as reference
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.encode.siphash import siphash_two_words

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
