"""HMAC-SHA-256 in compiled loops, against published vectors and the standard library."""

from __future__ import annotations

import hmac

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.encode.sha256 import hmac_rows, key_states

# RFC 4231, test cases 1, 2, 3 and 4: key, message, HMAC-SHA-256.
RFC_4231 = [
    ("0b" * 20, b"Hi There".hex(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe".hex(),
        b"what do ya want for nothing?".hex(),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    ("aa" * 20, "dd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (
        "0102030405060708090a0b0c0d0e0f10111213141516171819",
        "cd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
]


def first_half(key: bytes, *pieces: bytes) -> bytes:
    data = np.frombuffer(b"".join(pieces), dtype=np.uint8)
    start = np.cumsum([0, *map(len, pieces)]).astype(np.int64)
    out = np.zeros((1, 1, 2), dtype=np.uint64)
    codes = np.arange(len(pieces), dtype=np.int64)[:, None]
    hmac_rows(codes, start, data, key_states(key)[None], out, np.zeros(1, dtype=bool))
    return out.astype("<u8").tobytes()


@pytest.mark.parametrize(("key", "message", "digest"), RFC_4231)
def test_published_vectors_of_rfc_4231(key, message, digest):
    """The first 16 bytes of each."""
    assert first_half(bytes.fromhex(key), bytes.fromhex(message)) == bytes.fromhex(digest)[:16]


@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 63, 64, 65, 118, 119, 120, 128, 1000])
def test_every_way_of_padding(length):
    """Lengths around the ends of blocks, where padding takes another one."""
    key, message = bytes(range(32)), bytes(n % 251 for n in range(length))
    assert first_half(key, message) == hmac.digest(key, message, "sha256")[:16]


@given(st.binary(max_size=64), st.lists(st.binary(max_size=90), min_size=1, max_size=5))
def test_pieces_hash_as_their_concatenation(key, pieces):
    """How a message is cut into pieces makes no difference."""
    assert first_half(key, *pieces) == hmac.digest(key, b"".join(pieces), "sha256")[:16]


def test_a_key_longer_than_a_block_is_refused():
    """HMAC would hash it first; no derived key is that long."""
    with pytest.raises(ValueError, match="64"):
        key_states(bytes(65))


MESSAGES = st.one_of(st.binary(max_size=60), st.binary(min_size=50, max_size=70), st.binary(max_size=200))


@given(
    st.lists(st.none() | MESSAGES, max_size=50),
    st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=3),
)
def test_messages_side_by_side_do_not_touch_one_another(messages, keys):
    """Sixteen are worked on at a time, of any lengths, under several keys, some of them absent."""
    pieces = [m for m in messages if m is not None]
    start = np.cumsum([0, *map(len, pieces)]).astype(np.int64)
    data = np.frombuffer(b"".join(pieces), dtype=np.uint8)
    numbers = iter(range(len(pieces)))
    codes = np.asarray([[-1 if m is None else next(numbers) for m in messages]], dtype=np.int64)
    out = np.zeros((len(keys), len(messages), 2), dtype=np.uint64)
    present = np.zeros(len(messages), dtype=bool)
    hmac_rows(codes, start, data, np.stack([key_states(k) for k in keys]), out, present)
    assert present.tolist() == [m is not None for m in messages]
    for key, found in zip(keys, out, strict=True):
        for message, words in zip(messages, found, strict=True):
            expected = bytes(16) if message is None else hmac.digest(key, message, "sha256")[:16]
            assert words.astype("<u8").tobytes() == expected
