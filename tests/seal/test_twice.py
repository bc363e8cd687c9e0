from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import PackageError
from pseudolink.seal.twice import Twice


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def read(twice: Twice, first: bytes, again: bytes, pieces: tuple[int, int]) -> bytes:
    assert b"".join(twice.first(in_pieces(first, pieces[0]))) == first
    return b"".join(twice.again(in_pieces(again, pieces[1])))


sizes = st.tuples(st.integers(1, 99), st.integers(1, 99))


@given(data=st.binary(max_size=300), pieces=sizes)
def test_the_same_bytes_are_the_same_in_pieces_of_any_size(data: bytes, pieces: tuple[int, int]) -> None:
    assert read(Twice(), data, data, pieces) == data


@given(data=st.binary(max_size=300), other=st.binary(max_size=300), pieces=sizes)
def test_other_bytes_are_refused(data: bytes, other: bytes, pieces: tuple[int, int]) -> None:
    if data != other:
        with pytest.raises(PackageError):
            read(Twice(), data, other, pieces)


@given(data=st.binary(min_size=1, max_size=300), at=st.integers(0, 299), bit=st.integers(0, 7))
def test_one_bit_is_noticed(data: bytes, at: int, bit: int) -> None:
    changed = bytearray(data)
    changed[at % len(data)] ^= 1 << bit
    with pytest.raises(PackageError):
        read(Twice(), data, bytes(changed), (64, 64))


def test_a_first_reading_that_did_not_end_vouches_for_nothing() -> None:
    twice = Twice()
    next(itertools.islice(twice.first(in_pieces(b"abcdef", 2)), 1))
    with pytest.raises(PackageError):
        twice.again(in_pieces(b"abcdef", 2))


def test_no_two_openings_share_a_key() -> None:
    """A tag that one opening has made is worth nothing to another."""
    one, other = Twice(), Twice()
    for twice in (one, other):
        list(twice.first(in_pieces(b"the same", 3)))
    assert one._tag != other._tag
