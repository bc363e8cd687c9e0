"""encoding-v1 section 5: grams and segments, by vectors and against the reference."""

from __future__ import annotations

import json

import numpy as np
import pytest
import reference_encoding as reference
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.encode.filters import fill_segment, gram_table, grams

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem} for p in reference.VECTORS.glob("*.json")
]
BITS = (64, 128, 256, 512, 1024)
KEY = bytes(range(32))

VALUES = st.one_of(
    st.tuples(
        st.sampled_from(["forename", "surname", "text"]), st.text(max_size=20).filter(lambda s: "\n" not in s)
    ),
    st.tuples(st.just("date"), st.sampled_from(["1990-04-11", "1957-12-XX", "XXXX-02-28", "1990-04-31"])),
    st.tuples(st.just("postcode"), st.sampled_from(["DH1 3AB", "EC1A 1BB", "BFPO 57"])),
).filter(lambda pair: pair[1].isprintable())


def cases(case: str) -> list[dict[str, object]]:
    found = [v for v in VECTORS if v["case"] == case]
    assert found
    return found


def block_words(block_key: bytes) -> np.ndarray:
    return np.frombuffer(block_key, dtype="<u8").astype(np.uint64).reshape(1, 2)


def one_segment(
    block_key: bytes, component_key: bytes, kind: str, value: str, bits: int, budget: int
) -> bytes:
    table = gram_table(kind, [value], component_key)
    codes = np.zeros(1, dtype=np.int32)
    return fill_segment(block_words(block_key), codes, table, bits=bits, budget=budget).tobytes()


@pytest.mark.parametrize("vector", cases("grams"), ids=lambda v: v["id"])
def test_any_two_sites_find_the_same_grams(vector: dict[str, str]) -> None:
    assert vector["grams"] == grams(vector["kind"], vector["value"])


@pytest.mark.parametrize("vector", cases("gram_word"), ids=lambda v: v["id"])
def test_any_two_sites_key_a_gram_alike(vector: dict[str, str]) -> None:
    # The second gram of this value is that of the vector.
    table = gram_table("surname", ["ЬГ"], bytes.fromhex(vector["key_hex"]))
    assert table.words[table.index[1]].astype("<u8").tobytes().hex() == vector["word_hex"]


@pytest.mark.parametrize("vector", cases("segment"), ids=lambda v: v["id"])
def test_any_two_sites_set_the_same_bits(vector: dict[str, object]) -> None:
    found = one_segment(
        bytes.fromhex(str(vector["block_key_hex"])),
        bytes.fromhex(str(vector["component_key_hex"])),
        str(vector["kind"]),
        str(vector["value"]),
        int(str(vector["bits"])),
        int(str(vector["budget"])),
    )
    assert vector["segment_hex"] == found.hex()


@given(VALUES)
def test_grams_are_those_of_the_reference_and_none_is_lost(pair: tuple[str, str]) -> None:
    found = grams(*pair)
    assert found == reference.grams(*pair)
    assert len(set(found)) == len(found)


@given(
    VALUES,
    st.sampled_from(BITS),
    st.integers(1, 64),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=32, max_size=32),
)
def test_a_segment_is_that_of_the_reference(
    pair: tuple[str, str], bits: int, budget: int, block_key: bytes, component_key: bytes
) -> None:
    expected = reference.segment(block_key, component_key, reference.grams(*pair), bits, budget)
    assert expected == one_segment(block_key, component_key, *pair, bits, budget)


@given(st.text("ABCDEFGHIJ", min_size=1, max_size=40), st.sampled_from(BITS), st.integers(1, 1024))
def test_a_segment_never_has_more_bits_than_its_budget(value: str, bits: int, budget: int) -> None:
    set_bits = int.from_bytes(one_segment(KEY[:16], KEY, "text", value, bits, budget)).bit_count()
    assert 0 < set_bits <= budget


def test_a_missing_value_leaves_its_segment_empty() -> None:
    table = gram_table("surname", ["SMITH"], KEY)
    codes = np.array([0, -1, 0], dtype=np.int32)
    blocks = np.arange(6, dtype=np.uint64).reshape(3, 2)
    found = fill_segment(blocks, codes, table, bits=256, budget=100)
    assert found.shape == (3, 32)
    assert found.any(axis=1).tolist() == [True, False, True]


def test_a_field_without_any_value_is_possible() -> None:
    table = gram_table("surname", [], KEY)
    codes = np.full(2, -1, dtype=np.int32)
    assert not fill_segment(np.zeros((2, 2), dtype=np.uint64), codes, table, bits=64, budget=10).any()


def test_no_rows_is_possible() -> None:
    table = gram_table("surname", ["SMITH"], KEY)
    found = fill_segment(
        np.zeros((0, 2), dtype=np.uint64), np.zeros(0, dtype=np.int32), table, bits=64, budget=10
    )
    assert found.shape == (0, 8)


def test_cross_block_comparison_finds_nothing_in_common() -> None:
    """The attack that reads similarity between blocks: equal names in two blocks look unrelated."""
    generator = np.random.default_rng(5)
    blocks = generator.integers(0, 2**64, (2000, 2), dtype=np.uint64)
    table = gram_table("surname", ["SMITH"], KEY)
    found = np.unpackbits(
        fill_segment(blocks, np.zeros(2000, dtype=np.int32), table, bits=256, budget=100), axis=1
    )
    left, right = found[:1000].astype(int), found[1000:].astype(int)
    dice = 2 * (left * right).sum(axis=1) / (left.sum(axis=1) + right.sum(axis=1))
    assert abs(dice.mean() - found.mean()) < 0.01  # what two random segments of this fill have
    assert dice.max() < 0.6


def test_length_attack_reads_no_length_from_fill() -> None:
    """Fill follows the budget, not the number of letters."""
    generator = np.random.default_rng(6)
    blocks = generator.integers(0, 2**64, (1000, 2), dtype=np.uint64)
    means = []
    for value in ("NG", "SMITH", "FEATHERSTONEHAUGH"):
        table = gram_table("surname", [value], KEY)
        found = fill_segment(blocks, np.zeros(1000, dtype=np.int32), table, bits=256, budget=100)
        means.append(np.unpackbits(found, axis=1).sum(axis=1).mean())
    assert max(means) - min(means) < 1.0
    # Expected: 256 positions, 100 draws with replacement.
    assert all(abs(mean - 256 * (1 - (255 / 256) ** 100)) < 1.0 for mean in means)


def test_similar_values_in_one_block_look_similar() -> None:
    same = [one_segment(KEY[:16], KEY, "surname", name, 256, 100) for name in ("SMITH", "SMYTH", "PATEL")]
    smith, smyth, patel = (int.from_bytes(s) for s in same)

    def dice(a: int, b: int) -> float:
        return 2 * (a & b).bit_count() / (a.bit_count() + b.bit_count())

    assert dice(smith, smith) == 1.0
    assert dice(smith, smyth) > dice(smith, patel) + 0.2
