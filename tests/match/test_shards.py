"""matching-v1 section 1.8: the join in shards gives what the join in memory gives, killed or not."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_linkage import encodings_of, schema_of

from pseudolink.formats import encodings as encoding_files
from pseudolink.formats.candidates import Candidates
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.formats.stored import open_stored
from pseudolink.match import compare, join, shards
from pseudolink.match.shards import Work

SCHEMA = schema_of(
    [["dob"], (["postcode"], ["forename"]), ["surname"], (["sex"], ["forename", "surname"])],
    filters={name: {"bits": 64, "budget": 20} for name in ("forename", "surname")},
)


def party(rng: np.random.Generator, rows: int, values: int, versions: bool = False) -> Encodings:
    """Random tokens over the whole range, random filters, some of each missing."""
    names = rng.integers(0, max(1, rows // 2), rows)
    records = np.zeros((rows, 16), dtype=np.uint8)
    records[:, :8] = (names if versions else np.arange(rows)).astype("<u8").view(np.uint8).reshape(rows, 8)
    passes = {}
    for number, one in enumerate(SCHEMA.passes):
        value = rng.integers(0, values, rows).astype(np.uint64) + np.uint64(1_000 * (number + 1))
        tokens = np.stack([value * np.uint64(0x9E3779B97F4A7C15), value], axis=1)
        present = rng.random(rows) < 0.9
        tokens[~present] = 0
        width = SCHEMA.layout[one.name]
        filters = None
        if width:
            filters = rng.integers(0, 256, (rows, width), dtype=np.uint8) & rng.integers(
                0, 256, (rows, width), dtype=np.uint8
            )
            filters[rng.random(rows) < 0.3] = 0
            filters[~present] = 0
        passes[one.name] = PassColumns(tokens, present, filters)
    return Encodings(records, passes)


def same(one: Candidates, other: Candidates) -> bool:
    columns = [
        (getattr(side, name) for name in ("left", "right", "shared", "levels")) for side in (one, other)
    ]
    versions = [side.versions or () for side in (one, other)]
    return (
        all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(*columns, strict=True))
        and all(np.array_equal(a, b) for a, b in zip(*versions, strict=True))
        and one.giants == other.giants
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    rows=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    memory=st.sampled_from([1_000, 5_000, 10**9]),
    versions=st.booleans(),
    on_disk=st.booleans(),
)
def test_shards_give_what_memory_gives(
    tmp_path: Path, seed: int, rows: tuple[int, int], memory: int, versions: bool, on_disk: bool
) -> None:
    rng = np.random.default_rng(seed)
    left, right = (party(rng, n, 20, versions) for n in rows)
    expected = compare.candidates(left, right, SCHEMA)
    if on_disk:
        sides = []
        for number, side in enumerate((left, right)):
            path = tmp_path / f"{seed}-{number}.parquet"
            encoding_files.save(side, path)
            sides.append(open_stored(path, SCHEMA.layout))
        left, right = sides
        assert same(expected, compare.candidates(left, right, SCHEMA))
    folder = tmp_path / f"{seed}-{rows}-{memory}-{versions}-{on_disk}"
    folder.mkdir(exist_ok=True)
    for _ in range(2):  # the second time from finished shards
        assert same(expected, compare.candidates(left, right, SCHEMA, work=Work(folder, memory)))


def test_memory_decides_how_many_shards_there_are(tmp_path: Path) -> None:
    assert [Work(tmp_path, memory).ranges(1_000_000) for memory in (1, 16 << 20, 256 << 20)] == [256, 8, 1]


def test_a_work_folder_holds_numbers_of_rows_and_no_token(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    left, right = party(rng, 200, 50), party(rng, 200, 50)
    assert len(compare.candidates(left, right, SCHEMA, work=Work(tmp_path, 4_000)))
    written = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    for side in (left, right):
        for columns in side.passes.values():
            for token in columns.tokens[columns.present, 0]:
                assert token.astype("<u8").tobytes() not in written


def test_a_finished_shard_is_not_joined_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    left, right = party(rng, 100, 30), party(rng, 100, 30)
    expected = compare.candidates(left, right, SCHEMA)
    done: list[str] = []

    def counted(*given: Any, **more: Any) -> Any:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(more["name"])
        return join.join_pass(*given, **more)

    monkeypatch.setattr(shards, "join_pass", counted)
    work = Work(tmp_path, 10_000)
    with pytest.raises(KeyboardInterrupt):
        compare.candidates(left, right, SCHEMA, work=work)
    total = len(SCHEMA.passes) * work.ranges(200)
    assert total > 4
    assert len(list(tmp_path.iterdir())) == 3
    monkeypatch.setattr(
        shards, "join_pass", lambda *given, **more: done.append("") or join.join_pass(*given, **more)
    )
    assert same(expected, compare.candidates(left, right, SCHEMA, work=work))
    assert len(done) == total


def test_giant_blocks_are_counted_over_all_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (join, shards):
        monkeypatch.setattr(module, "MOST_BLOCK_PAIRS", 20)
    rng = np.random.default_rng(3)
    left, right = party(rng, 90, 12), party(rng, 90, 12)
    expected = compare.candidates(left, right, SCHEMA)
    assert len(expected.giants) > 2
    assert same(expected, compare.candidates(left, right, SCHEMA, work=Work(tmp_path, 2_000)))


def test_progress_counts_shards(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    seen: list[tuple[int, int]] = []
    work = Work(tmp_path, 5_000)
    compare.candidates(
        party(rng, 50, 9), party(rng, 50, 9), SCHEMA, work=work, report=lambda *said: seen.append(said)
    )
    total = len(SCHEMA.passes) * work.ranges(100)
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_match_keys_alone_have_no_levels(tmp_path: Path) -> None:
    schema = schema_of([["dob"], ["surname"]])
    left, right = (encodings_of({"p0": [1, 2, None], "p1": [4, 4, 5]}) for _ in range(2))
    found = compare.candidates(left, right, schema, work=Work(tmp_path, 1))
    assert same(compare.candidates(left, right, schema), found)
    assert set(found.levels.tolist()) == {0}


CHILD = """
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = sys.argv[4:]
from test_shards import SCHEMA, party
from pseudolink.match import compare
from pseudolink.match.shards import Work

rng = np.random.default_rng(9)
left, right = party(rng, 20_000, 30_000), party(rng, 20_000, 30_000)
found = compare.candidates(left, right, SCHEMA, work=Work(Path(sys.argv[1]), int(sys.argv[3])))
with open(sys.argv[2], "wb") as stream:
    for column in (found.left, found.right, found.shared, found.levels):
        stream.write(column.tobytes())
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="processes are killed by a signal")
def test_killed_at_ten_random_moments_and_resumed_it_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    here = Path(__file__).parent

    def start(folder: Path, output: Path) -> subprocess.Popen[bytes]:
        folder.mkdir(exist_ok=True)
        given = [folder, output, 20_000, here, here.parent]
        return subprocess.Popen([sys.executable, str(tmp_path / "child.py"), *map(str, given)])

    begin = time.monotonic()
    assert start(tmp_path / "whole", tmp_path / "whole.bin").wait() == 0
    taken = time.monotonic() - begin
    expected = hashlib.sha256((tmp_path / "whole.bin").read_bytes()).hexdigest()
    moments = random.Random(2026)
    killed = 0
    for attempt in range(10):
        folder, output = tmp_path / f"work{attempt}", tmp_path / f"{attempt}.bin"
        running = start(folder, output)
        time.sleep(taken * moments.uniform(0.4, 1.0))
        running.send_signal(signal.SIGKILL)
        killed += running.wait() == -signal.SIGKILL
        finished = len(list(folder.glob("*.shard")))
        assert start(folder, output).wait() == 0
        assert expected == hashlib.sha256(output.read_bytes()).hexdigest(), f"{finished} shards were done"
    assert killed >= 5
