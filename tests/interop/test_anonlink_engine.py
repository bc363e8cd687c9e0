"""clk-v1 section 11.5: anonlink's own code gives the pairs and the coefficients of our engines."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudolink.errors import MissingDependencyError
from pseudolink.interop import anonlink_engine, clkhash
from pseudolink.match.dice import dice_pairs


@pytest.fixture(scope="module")
def _installed() -> None:
    if sys.version_info >= (3, 12):
        pytest.skip("anonlink has no wheels for this Python")
    pytest.importorskip("anonlink", reason="needs: pip install --group dev (anonlink)")


@pytest.mark.usefixtures("_installed")
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    words=st.sampled_from([1, 2, 16, 17]),
    rows=st.tuples(st.integers(1, 60), st.integers(1, 600)),
    fill=st.floats(0.05, 0.7),
    threshold=st.sampled_from(["0.5", "0.7", "0.8", "0.9", "2/3", "1"]),
)
def test_anonlink_gives_identical_pairs_and_scores(
    seed: int, words: int, rows: tuple[int, int], fill: float, threshold: str
) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.random((rows[0], 64 * words)) < fill
    copied = bits[rng.integers(0, rows[0], rows[1])] ^ (rng.random((rows[1], 64 * words)) < 0.08)
    copied[0] = False  # an empty filter is in no pair
    left, right = (np.packbits(side, axis=1).view(np.uint64) for side in (bits, copied))
    expected = dice_pairs(left, right, threshold)
    found = anonlink_engine.dice_pairs(left, right, Fraction(threshold))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def feature(name: str, n: int, positional: bool) -> dict[str, Any]:
    comparison = {"type": "ngram", "n": n, "positional": positional}
    return {
        "identifier": name,
        "format": {"type": "string", "encoding": "utf-8"},
        "hashing": {
            "comparison": comparison,
            "strategy": {"bitsPerFeature": 120},
            "hash": {"type": "doubleHash"},
        },
    }


CLK_SCHEMA: dict[str, Any] = {
    "version": 3,
    "clkConfig": {
        "l": 1024,
        "kdf": {"type": "HKDF", "hash": "SHA256", "info": "", "salt": "", "keySize": 64},
    },
    "features": [
        feature("forename", 2, False),
        feature("surname", 2, False),
        feature("dob", 1, True),
        feature("postcode", 1, True),
    ],
}


def clks(path: Path, rows: int) -> np.ndarray:
    """CLKs of the first rows of a public file of invented people."""
    columns = pq.read_table(path).slice(0, rows).to_pydict()

    def cell(name: str, row: int) -> str:
        value = columns[name][row]
        return "" if value is None else str(value).upper()

    cells = [
        [
            cell("forename", row),
            cell("surname", row),
            "".join(cell(part, row).rjust(2, "0") for part in ("dob_day", "dob_mon", "dob_year")),
            cell("postcode", row).replace(" ", ""),
        ]
        for row in range(rows)
    ]
    return clkhash.encode(cells, CLK_SCHEMA, "invented for a test").view(np.uint64)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("threshold", ["0.7", "0.8", "0.9"])
def test_on_a_census_and_a_customer_file_every_engine_gives_identical_pairs_and_scores(
    threshold: str,
) -> None:
    data = os.environ.get("PSEUDOLINK_BENCHMARK_DATA")
    folder = Path(data or "") / "essnet_di"
    if not data or not folder.is_dir():
        pytest.skip(
            "the data of benchmarks/README.md is not here: PSEUDOLINK_BENCHMARK_DATA names its folder"
        )
    left, right = (clks(folder / f"{name}.parquet", 3000) for name in ("census", "cis"))
    expected = dice_pairs(left, right, threshold, engine="numpy")
    assert len(expected[0]) > 100
    for found in (
        dice_pairs(left, right, threshold),
        anonlink_engine.dice_pairs(left, right, Fraction(threshold)),
    ):
        assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.usefixtures("_installed")
def test_two_empty_filters_are_no_pair_of_anonlink_either() -> None:
    nothing = np.zeros((2, 1), np.uint64)
    assert [len(column) for column in anonlink_engine.dice_pairs(nothing, nothing, Fraction(1, 2))] == [
        0,
        0,
        0,
    ]


@pytest.mark.usefixtures("_installed")
def test_no_filters_give_no_pairs() -> None:
    nothing, one = np.zeros((0, 1), np.uint64), np.ones((1, 1), np.uint64)
    assert len(anonlink_engine.dice_pairs(nothing, one, Fraction(1, 2))[0]) == 0


def test_where_anonlink_is_missing_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anonlink.candidate_generation", None)
    one = np.ones((1, 1), np.uint64)
    with pytest.raises(MissingDependencyError) as caught:
        anonlink_engine.dice_pairs(one, one, Fraction(1, 2))
    assert "--engine" in (caught.value.advice or "")
