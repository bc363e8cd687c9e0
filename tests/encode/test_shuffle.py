"""encoding-v1 section 7.3: rows in an order drawn from the system's generator, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pseudolink.encode.shuffle import BUCKETS, Shuffle, Thrown, shuffled, throw
from pseudolink.engines.spill import Spill


def put(shuffle: Shuffle, rows: np.ndarray, first: int) -> None:
    order, ends = throw(len(rows))
    shuffle.add(Thrown(rows[order], order, ends), first)


@pytest.mark.parametrize("memory", [0, 1000, 1 << 30], ids=["all on disk", "some on disk", "in memory"])
@pytest.mark.parametrize("least", [1, 100, 10_000])
def test_every_row_comes_out_once_with_its_number(tmp_path: Path, memory: int, least: int) -> None:
    rows = np.arange(3000, dtype=np.uint64).reshape(1000, 3)
    shuffle = Shuffle(3, lambda: Spill(tmp_path), memory=memory)
    for at in range(0, 1000, 170):
        put(shuffle, rows[at : at + 170], at)
    assert bool(list(tmp_path.iterdir())) == (memory < 1 << 30)
    seen = []
    batches = list(shuffle.batches(least))
    for parts, order in batches:
        found = np.concatenate(parts)
        np.testing.assert_array_equal(found, rows[order])
        seen += order.tolist()
    assert sorted(seen) == list(range(1000))
    assert seen != list(range(1000))
    assert all(len(order) >= least for _, order in batches[:-1])
    assert list(tmp_path.iterdir()) == []


def test_position_attack_learns_nothing_from_a_bucket() -> None:
    """Which bucket a row is thrown into depends on neither the row nor its place."""
    counts = np.zeros(BUCKETS)
    for _ in range(40):
        order, ends = throw(1000)
        assert sorted(order.tolist()) == list(range(1000))
        counts += np.diff(ends)
        assert np.argsort(order)[0] not in (-1,)
    expected = 40 * 1000 / BUCKETS
    assert ((counts - expected) ** 2 / expected).sum() < 250  # 127 degrees of freedom: 1 in 10^9 beyond


def test_every_order_of_three_rows_occurs_through_the_buckets() -> None:
    seen = set()
    for _ in range(400):
        shuffle = Shuffle(1)
        put(shuffle, np.arange(3, dtype=np.uint64).reshape(3, 1), 0)
        ((_, order),) = shuffle.batches(10)
        seen.add(tuple(order[shuffled(3)].tolist()))
    assert len(seen) == 6


def test_no_rows_give_no_batch() -> None:
    assert list(Shuffle(2).batches(1)) == []
