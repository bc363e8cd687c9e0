"""clk-v1 section 11: files of CLKs matched, blocks honoured, links one to one."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pseudolink.errors import ArtefactError, FilterWidthError, OutputExistsError, UsageError
from pseudolink.interop import files
from pseudolink.match.dice import dice_pairs
from pseudolink.roles import clk

BITS = 128


def clks(seed: int, n: int, of: np.ndarray | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if of is None:
        return np.packbits(rng.random((n, BITS)) < 0.4, axis=1)
    out = of[rng.integers(0, len(of), n)]
    return out ^ np.packbits(rng.random((n, BITS)) < 0.03, axis=1)


LEFT = clks(1, 40)
RIGHT = clks(2, 60, LEFT)


def write(path: Path, some: np.ndarray, blocks: Any = None) -> Path:
    files.write_json(path, [some], blocks=blocks)
    return path


def rows(path: Path) -> list[tuple[int, int, float]]:
    with path.open(encoding="ascii", newline="") as stream:
        return [(int(r["left"]), int(r["right"]), float(r["dice"])) for r in csv.DictReader(stream)]


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "left.json", LEFT), write(tmp_path / "right.json", RIGHT)


def expected_pairs(left: np.ndarray, right: np.ndarray, threshold: float) -> list[tuple[int, int, float]]:
    i, j, found = dice_pairs(left.view(np.uint64), right.view(np.uint64), threshold)
    return list(zip(i.tolist(), j.tolist(), found.tolist(), strict=True))


def test_every_pair_is_written_when_asked_for(sides: tuple[Path, Path], tmp_path: Path) -> None:
    done = clk.match(*sides, 0.7, tmp_path / "out.csv", everything=True)
    expected = expected_pairs(LEFT, RIGHT, 0.7)
    assert expected == rows(tmp_path / "out.csv")
    assert (done.left, done.right, done.bits, done.blocks) == (40, 60, BITS, False)
    assert (done.candidates, done.links, done.ambiguous) == (len(expected), len(expected), 0)


def test_links_are_one_to_one_highest_first(sides: tuple[Path, Path], tmp_path: Path) -> None:
    done = clk.match(*sides, 0.7, tmp_path / "out.csv")
    found = rows(tmp_path / "out.csv")
    assert done.links == len(found) > 10
    assert len({i for i, _, _ in found}) == len({j for _, j, _ in found}) == len(found)
    pairs = expected_pairs(LEFT, RIGHT, 0.7)
    assert set(found) <= set(pairs)
    for i, j, share in found:
        assert share == max(s for a, b, s in pairs if a == i or b == j)


def test_pairs_that_tie_are_left_out_and_counted(tmp_path: Path) -> None:
    left = write(tmp_path / "a.json", LEFT[:2])
    right = write(tmp_path / "b.json", LEFT[[0, 0, 1]])
    done = clk.match(left, right, 0.9, tmp_path / "out.csv")
    assert rows(tmp_path / "out.csv") == [(1, 2, 1.0)]
    assert done.ambiguous == 2


@pytest.mark.parametrize("engine", clk.ENGINES)
@pytest.mark.parametrize("everything", [True, False])
def test_every_engine_writes_the_same_bytes(
    engine: str, everything: bool, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    if engine == "anonlink":
        if sys.version_info >= (3, 12):
            pytest.skip("anonlink has no wheels for this Python")
        pytest.importorskip("anonlink", reason="needs: pip install --group dev (anonlink)")
    for name, more in (("plain", {}), ("best", {"best": 1})):
        clk.match(*sides, "0.65", tmp_path / f"{name}.csv", engine=engine, everything=everything, **more)
        clk.match(*sides, "0.65", tmp_path / f"{name}_own.csv", everything=everything, **more)
        assert (tmp_path / f"{name}.csv").read_bytes() == (tmp_path / f"{name}_own.csv").read_bytes()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_only_filters_of_one_block_are_compared(tmp_path: Path, data: st.DataObject) -> None:
    blocks = st.lists(st.sampled_from(["a", "b", "1", 1, 2]), max_size=3)
    sides = [data.draw(st.lists(blocks, min_size=len(some), max_size=len(some))) for some in (LEFT, RIGHT)]
    for name in ("a.json", "b.json", "out.csv", "other.csv", "numpy.csv"):
        (tmp_path / name).unlink(missing_ok=True)
    a, b = write(tmp_path / "a.json", LEFT, sides[0]), write(tmp_path / "b.json", RIGHT, sides[1])
    done = clk.match(a, b, 0.6, tmp_path / "out.csv", everything=True)
    expected = [
        (i, j, share)
        for i, j, share in expected_pairs(LEFT, RIGHT, 0.6)
        if {(type(x), x) for x in sides[0][i]} & {(type(x), x) for x in sides[1][j]}
    ]
    assert expected == rows(tmp_path / "out.csv")
    assert done.blocks
    clk.match(a, b, 0.6, tmp_path / "numpy.csv", everything=True, engine="numpy")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "numpy.csv").read_bytes()
    if sys.version_info < (3, 12):
        pytest.importorskip("anonlink", reason="needs: pip install --group dev (anonlink)")
        clk.match(a, b, 0.6, tmp_path / "other.csv", everything=True, engine="anonlink")
        assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()


def test_large_and_small_blocks_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [[[k % 3, f"x{k % 7}"] for k in range(len(some))] for some in (LEFT, RIGHT)]
    a, b = write(tmp_path / "a.json", LEFT, blocks[0]), write(tmp_path / "b.json", RIGHT, blocks[1])
    clk.match(a, b, 0.6, tmp_path / "small.csv", everything=True)
    monkeypatch.setattr(clk, "_SMALL", 60)
    monkeypatch.setattr(clk, "_LISTED", 10)
    clk.match(a, b, 0.6, tmp_path / "large.csv", everything=True)
    assert (tmp_path / "small.csv").read_bytes() == (tmp_path / "large.csv").read_bytes()
    assert len(rows(tmp_path / "small.csv"))


def test_numbers_of_an_indexed_file_are_kept(tmp_path: Path) -> None:
    numbers = np.asarray([7, 3, 900])
    raw = b"".join(int(n).to_bytes(4, "big") + LEFT[k].tobytes() for k, n in enumerate(numbers))
    (tmp_path / "a.bin").write_bytes(raw)
    files.write_binary(tmp_path / "b.bin", [LEFT[:3]], form="indexed")
    clk.match(tmp_path / "a.bin", tmp_path / "b.bin", 1, tmp_path / "out.csv", form="indexed", size=BITS // 8)
    assert rows(tmp_path / "out.csv") == [(3, 1, 1.0), (7, 0, 1.0), (900, 2, 1.0)]


def test_lengths_that_are_no_whole_words_are_compared(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.json", LEFT[:, :5]), write(tmp_path / "b.json", RIGHT[:, :5])
    clk.match(a, b, 0.7, tmp_path / "out.csv", everything=True)
    padded = [np.pad(side[:, :5], ((0, 0), (0, 3))).view(np.uint64) for side in (LEFT, RIGHT)]
    i, j, _ = dice_pairs(*padded, 0.7)
    assert [(x, y) for x, y, _ in rows(tmp_path / "out.csv")] == list(
        zip(i.tolist(), j.tolist(), strict=True)
    )


def test_parquet_has_the_same_pairs_as_csv(sides: tuple[Path, Path], tmp_path: Path) -> None:
    clk.match(*sides, 0.7, tmp_path / "out.csv", everything=True)
    clk.match(*sides, 0.7, tmp_path / "out.parquet", everything=True)
    table = pq.read_table(tmp_path / "out.parquet")
    assert [str(t) for t in table.schema.types] == ["int64", "int64", "double"]
    columns = (table[name].to_pylist() for name in ("left", "right", "dice"))
    assert rows(tmp_path / "out.csv") == list(zip(*columns, strict=True))


def test_a_result_without_pairs_is_a_file_with_a_header(sides: tuple[Path, Path], tmp_path: Path) -> None:
    clk.match(*sides, 1, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes().startswith(b"left,right,dice\n")
    clk.match(*sides, 1, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["left", "right", "dice"]


@pytest.mark.parametrize(
    ("error", "more"),
    [
        (UsageError, {"threshold": 0}),
        (UsageError, {"output": "out.txt"}),
        (UsageError, {"engine": "gpu"}),
        (UsageError, {"form": "bare"}),
        (UsageError, {"size": 16}),
        (UsageError, {"best": 0}),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    error: type[Exception], more: dict[str, Any], sides: tuple[Path, Path], tmp_path: Path
) -> None:
    given: dict[str, Any] = {"threshold": 0.7, **more}
    output = tmp_path / given.pop("output", "out.csv")
    before = set(tmp_path.iterdir())
    with pytest.raises(error):
        clk.match(*sides, given.pop("threshold"), output, **given)
    assert before == set(tmp_path.iterdir())


def test_files_of_other_schemas_or_with_blocks_on_one_side_are_refused(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    short = write(tmp_path / "short.json", RIGHT[:, :8])
    with pytest.raises(FilterWidthError):
        clk.match(sides[0], short, 0.7, tmp_path / "out.csv")
    blocked = write(tmp_path / "blocked.json", RIGHT, [["a"]] * len(RIGHT))
    for pair in ((sides[0], blocked), (blocked, sides[0])):
        with pytest.raises(ArtefactError):
            clk.match(*pair, 0.7, tmp_path / "out.csv")
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(OutputExistsError):
        clk.match(*sides, 0.7, tmp_path / "there.csv")
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not (tmp_path / "out.csv").exists()
