"""The compiled loops of planner and floor, against counting by force."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.encode.bits import Table, fresh, ones, packed, suspects, tie

KEYS = st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=60)


def arrays(drawn: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    # Spread over the whole word, and some that differ in the highest bits alone.
    keys = [(key << 60 | key) & (2**64 - 1) for key, _ in drawn]
    return np.asarray(keys, dtype=np.uint64), np.asarray([there for _, there in drawn], dtype=np.bool_)


@given(st.lists(KEYS.filter(bool), min_size=1, max_size=3))
def test_rows_that_share_a_key_are_found_by_a_table_that_is_used_again(
    many: list[list[tuple[int, bool]]],
) -> None:
    table = Table(60)
    for drawn in many:
        keys, present = arrays(drawn)
        counts = Counter(keys[present].tolist())
        alike = [there and counts[key] > 1 for key, there in zip(keys.tolist(), present, strict=True)]
        table.found = np.zeros(len(keys), dtype=np.bool_)
        total, largest = table.alike(keys, present, 10**6)
        assert table.found.tolist() == alike
        assert (total, largest) == (sum(alike), max(counts.values(), default=0))
        assert table.pairs(keys, present) == sum(n * (n - 1) // 2 for n in counts.values())


def test_a_count_that_is_too_large_is_not_finished() -> None:
    table = Table(100)
    total, _ = table.alike(np.zeros(100, dtype=np.uint64), np.ones(100, dtype=np.bool_), 10)
    assert 10 < total < 100


@given(KEYS)
def test_no_word_that_stands_twice_escapes_suspicion(drawn: list[tuple[int, bool]]) -> None:
    keys, present = arrays(drawn)
    counts = Counter(keys[present].tolist())
    twice = {row for row, key in enumerate(keys.tolist()) if present[row] and counts[key] > 1}
    found = suspects(keys, present).tolist()
    assert twice <= set(found)
    assert all(present[row] for row in found)
    assert found == sorted(found)


def test_few_words_are_suspected_without_reason() -> None:
    words = np.random.default_rng(3).integers(0, 2**64, size=100_000, dtype=np.uint64)
    assert len(suspects(words, np.ones(100_000, dtype=np.bool_))) < 10_000


@given(st.lists(st.lists(st.booleans(), min_size=130, max_size=130), min_size=1, max_size=4), st.data())
def test_bits_that_are_not_covered_are_counted(sets: list[list[bool]], data: st.DataObject) -> None:
    flags = np.asarray(sets, dtype=np.bool_)
    covered = np.asarray(data.draw(st.lists(st.booleans(), min_size=130, max_size=130)), dtype=np.bool_)
    asked = np.asarray([data.draw(st.booleans()) for _ in sets], dtype=np.bool_)
    found = np.full(len(sets), -1, dtype=np.int64)
    fresh(np.stack([packed(one) for one in flags]), packed(covered), asked, found)
    wanted = (flags & ~covered).sum(axis=1)
    assert found.tolist() == [int(n) if ask else -1 for n, ask in zip(wanted, asked, strict=True)]
    assert ones(packed(flags[0])) == int(flags[0].sum())


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_components_are_those_of_the_graph(edges: list[tuple[int, int]]) -> None:
    groups = {n: {n} for n in range(20)}
    for a, b in edges:
        joined = groups[a] | groups[b]
        for one in joined:
            groups[one] = joined
    parent, size = np.arange(20, dtype=np.int32), np.ones(20, dtype=np.int32)
    a, b = (np.asarray([edge[i] for edge in edges], dtype=np.int64) for i in (0, 1))
    half = len(edges) // 2
    tie(parent, size, a[:half], b[:half])
    tie(parent, size, a[half:], b[half:])
    assert int(size.max()) == max(len(group) for group in groups.values())
