"""What a join is expected to bring, from a sample."""

from __future__ import annotations

import numpy as np
import pytest
from reference_linkage import encodings_of

from pseudolink.formats.encodings import Encodings
from pseudolink.match.expect import expect
from pseudolink.match.join import join_pass, join_passes


def party(seed: int, rows: int) -> Encodings:
    rng = np.random.default_rng(seed)
    return encodings_of(
        {f"p{n}": rng.integers(0, size, rows).tolist() for n, size in enumerate((900, 5_000))}
    )


def test_a_sample_of_everything_is_exact() -> None:
    left, right = party(1, 1_000), party(2, 1_500)
    found = expect(left, right, 1 << 30)
    assert found.passes == {n: len(join_pass(left.passes[n], right.passes[n])[0]) for n in left.passes}
    assert found.pairs == len(join_passes(left.passes, right.passes, right.rows)[0])
    assert (found.sampled, found.shards) == (1_000, 2)


def test_a_sample_of_a_tenth_is_near() -> None:
    left, right = party(3, 20_000), party(4, 20_000)
    found = expect(left, right, 1 << 30, sample=2_000)
    assert found.sampled == 2_000
    for name in left.passes:
        true = len(join_pass(left.passes[name], right.passes[name])[0])
        assert found.passes[name] == pytest.approx(true, rel=0.1)
    true = len(join_passes(left.passes, right.passes, right.rows)[0])
    assert found.pairs == pytest.approx(true, rel=0.1)


def test_less_memory_means_more_shards_and_is_kept_to() -> None:
    left, right = party(5, 20_000), party(6, 20_000)
    shards = [expect(left, right, memory, sample=500) for memory in (1 << 30, 1 << 20)]
    assert shards[0].shards < shards[1].shards
    assert shards[0].memory > shards[1].memory


def test_a_giant_block_counts_in_full() -> None:
    everybody = encodings_of({"p": [1] * 3_000})
    assert expect(everybody, everybody, 1 << 30, sample=100).passes == {"p": 9_000_000}


def test_nobody_brings_nothing() -> None:
    nobody, somebody = encodings_of({"p": []}), encodings_of({"p": [1, 2]})
    for sides in ((nobody, somebody), (somebody, nobody), (nobody, nobody)):
        found = expect(*sides, 1 << 20)
        assert (found.passes, found.pairs) == ({"p": 0}, 0)
