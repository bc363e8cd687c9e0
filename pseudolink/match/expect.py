"""
What a join will bring and take, from a sample, before it is done.

Source: specs/matching-v1.md, section 1; specs/adr/0036.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.match.join import join_pass, together
from pseudolink.match.shards import PAIR_BYTES, ROW_BYTES, Work

#: Left rows of a sample, at least where there are as many.
SAMPLE = 20_000
#: Bytes of a candidate pair in memory while it is weighed and resolved, about.
CANDIDATE_BYTES = 160
_RECORD_BYTES = 40


@dataclass(frozen=True)
class Expected:
    """
    What a join of two parties is expected to bring.

    passes: pass name -> pairs. pairs: candidate pairs, each once. sampled: left rows looked at.
    shards: parts of the join. memory: bytes, at the most that it takes at a time. seconds: of the join.
    """

    passes: dict[str, int]
    pairs: int
    sampled: int
    shards: int
    memory: int
    seconds: float


def expect(left: Encodings, right: Encodings, memory: int, *, sample: int = SAMPLE) -> Expected:
    """
    Join a sample of the left rows with all right ones, and scale.

    Rows stand in random order (encoding-v1, section 7), so the first ones are a fair sample. A block
    that is giant for the sample counts in full: this is about what may come.

    Args:
        memory: bytes that the join may take.
    """
    some = min(sample, left.rows)
    scale = left.rows / some if some else 0.0
    passes: dict[str, int] = {}
    keys, bits = [], []
    begin = time.perf_counter()
    for number, name in enumerate(left.passes):
        columns = left.passes[name]
        few = PassColumns(columns.tokens[:some], columns.present[:some], None)
        i, j, giant = join_pass(few, right.passes[name], name=name, most=10 * max(some, 1))
        passes[name] = round((len(i) + giant.pairs) * scale)
        keys.append(i.astype(np.uint64) * np.uint64(max(right.rows, 1)) + j.astype(np.uint64))
        bits.append(np.full(len(i), np.uint64(1) << np.uint64(number), dtype=np.uint64))
    distinct, _ = together(keys, bits, max(some, 1) * max(right.rows, 1))
    taken = time.perf_counter() - begin
    rows = left.rows + right.rows
    ranges = Work.ranges_of(rows, memory)
    pairs = round(len(distinct) * scale)
    merging = min(2 * PAIR_BYTES * sum(passes.values()), memory)
    joining = max(rows * ROW_BYTES // ranges, merging)
    return Expected(
        passes,
        pairs,
        some,
        ranges * len(passes),
        joining + rows * _RECORD_BYTES + pairs * CANDIDATE_BYTES,
        taken * (rows / (some + right.rows) if right.rows else 1.0) * (1 + (ranges - 1) / 4),
    )
