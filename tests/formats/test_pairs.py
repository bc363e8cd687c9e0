"""matching-v1 section 4: pairs written as they come, in either form, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import pseudolink
from pseudolink.errors import OutputExistsError, UsageError
from pseudolink.formats import pairs


def filters(seed: int, rows: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.packbits(rng.random((rows, 128)) < 0.5, axis=1).view(np.uint64)


@pytest.mark.parametrize("suffix", pairs.SUFFIXES)
@pytest.mark.parametrize("best", [None, 1])
def test_what_is_written_is_what_is_handed_out(suffix: str, best: int | None, tmp_path: Path) -> None:
    left, right = filters(1, 300), filters(2, 200)
    path = tmp_path / f"pairs{suffix}"
    seen: list[tuple[str, int, int]] = []
    count = pseudolink.write_dice_pairs(
        path, left, right, 0.5, best=best, report=lambda *said: seen.append(said)
    )
    i, j, dice = pseudolink.dice_pairs(left, right, 0.5, best=best)
    assert count == len(i) > 100
    assert seen[-1] == ("compare", 300, 300)
    if suffix == ".parquet":
        columns = [pq.read_table(path)[name].to_numpy() for name in pairs.SCHEMA.names]
    else:
        columns = list(np.loadtxt(path, delimiter=",", skiprows=1, unpack=True))
    assert all(np.array_equal(a, b) for a, b in zip((i, j, dice), columns, strict=True))


def test_many_chunks_are_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_GROUP", 4)
    rows = np.arange(3)
    assert pairs.save(tmp_path / "p.parquet", iter([(rows, rows, rows / 3)] * 5)) == 15
    assert pq.read_table(tmp_path / "p.parquet")["left"].to_pylist() == [0, 1, 2] * 5


@pytest.mark.parametrize("suffix", pairs.SUFFIXES)
def test_an_error_on_the_way_leaves_no_file(suffix: str, tmp_path: Path) -> None:
    def failing() -> Iterator[pairs.Pairs]:
        yield np.arange(1), np.arange(1), np.ones(1)
        raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        pairs.save(tmp_path / f"p{suffix}", failing())
    assert list(tmp_path.iterdir()) == []


def test_another_ending_or_a_file_that_is_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("mine")
    with pytest.raises(OutputExistsError):
        pairs.save(tmp_path / "p.csv", [])
    with pytest.raises(UsageError):
        pairs.save(tmp_path / "p.json", [])
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]
