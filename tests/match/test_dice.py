"""matching-v1 section 4: all pairs, exactly; the compiled loop against the reference."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudolink.engines import threads
from pseudolink.errors import FilterWidthError, TooManyPairsError, UsageError
from pseudolink.match import dice
from pseudolink.match.counting import COLUMNS
from pseudolink.match.dice import dice_of, dice_pairs, exact, pair_chunks

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem}
    for p in sorted((Path(__file__).parents[2] / "specs" / "vectors" / "matching").glob("all_pairs_*.json"))
]

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def filters(listed: list[str]) -> np.ndarray:
    return np.asarray([[int(t[k : k + 16], 16) for k in range(0, len(t), 16)] for t in listed], np.uint64)


def random_filters(rng: np.random.Generator, n: int, words: int, fill: float, spread: float) -> np.ndarray:
    """Filters of uneven fill whose bits are not equally frequent."""
    often = np.clip(rng.beta(2, 2, 64 * words) * 2 * fill, 0, 1)
    own = np.clip(rng.normal(1, spread, (n, 1)), 0, 2)
    bits = rng.random((n, 64 * words)) < often * own
    return np.packbits(bits, axis=1).view(np.uint64)


def related(rng: np.random.Generator, of: np.ndarray, n: int) -> np.ndarray:
    """Copies of some filters with some of their bits turned over, so that every coefficient occurs."""
    out = of[rng.integers(0, len(of), n)].copy()
    turned = rng.random((n, 1)) * 0.25 > rng.random((n, 64 * of.shape[1]))
    out ^= np.packbits(turned, axis=1).view(np.uint64)
    return out


def slowly(left: np.ndarray, right: np.ndarray, threshold: Fraction) -> list[tuple[int, int, float]]:
    """One pair after the other, with Python's integers and fractions."""
    sets = [[sum(int(w) << 64 * k for k, w in enumerate(row)) for row in side] for side in (left, right)]
    found = []
    for i, a in enumerate(sets[0]):
        for j, b in enumerate(sets[1]):
            if a and b:
                share = Fraction(2 * (a & b).bit_count(), a.bit_count() + b.bit_count())
                if share >= threshold:
                    found.append((i, j, float(share)))
    return found


def listed(pairs: Pairs) -> list[tuple[int, int, float]]:
    return list(zip(*(column.tolist() for column in pairs), strict=True))


def same(one: Pairs, other: Pairs) -> bool:
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("engine", dice.ENGINES)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_every_engine_gives_the_pairs_of_the_vectors(vector: dict[str, Any], engine: str) -> None:
    left, right = filters(vector["left"]), filters(vector["right"])
    more = {"engine": engine, "best": vector.get("best")}
    if vector["expect"] == "refused":
        with pytest.raises(UsageError) as caught:
            dice_pairs(left, right, vector["threshold"], **more)
        assert vector["code"] == caught.value.code
    else:
        expected = [(i, j, float(Fraction(share))) for i, j, share in vector["pairs"]]
        assert expected == listed(dice_pairs(left, right, vector["threshold"], **more))


thresholds = st.fractions(min_value=Fraction(1, 1000), max_value=1, max_denominator=1000)
small = st.integers(1, 3).flatmap(
    lambda words: st.tuples(
        *[
            st.lists(
                st.lists(
                    st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 3, 7]), min_size=words, max_size=words
                ),
                min_size=1,
                max_size=8,
            )
            for _ in range(2)
        ]
    )
)


@given(small, thresholds)
def test_pairs_are_those_of_exact_fractions(given: Any, threshold: Fraction) -> None:
    left, right = (np.asarray(side, dtype=np.uint64) for side in given)
    expected = slowly(left, right, threshold)
    assert expected == listed(dice_pairs(left, right, threshold))
    assert expected == listed(dice_pairs(left, right, threshold, engine="numpy"))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    words=st.sampled_from([1, 2, 3, 7, 8, 9, 16, 17, 32]),
    rows=st.tuples(st.integers(1, 90), st.integers(1, 3 * COLUMNS)),
    fill=st.floats(0.02, 0.7),
    spread=st.sampled_from([0.0, 0.1, 0.5]),
    threshold=st.sampled_from(["0.3", "0.5", "0.7", "0.8", "0.85", "0.9", "2/3", "1"]),
)
def test_the_compiled_loop_agrees_with_the_reference(
    seed: int, words: int, rows: tuple[int, int], fill: float, spread: float, threshold: str
) -> None:
    rng = np.random.default_rng(seed)
    left = random_filters(rng, rows[0], words, fill, spread)
    right = np.concatenate([related(rng, left, rows[1]), random_filters(rng, 20, words, fill, spread)])
    assert same(dice_pairs(left, right, threshold, engine="numpy"), dice_pairs(left, right, threshold))


@pytest.mark.parametrize("words", [16, 40, 129])
@pytest.mark.parametrize("threshold", ["0.05", "0.5", "0.8", "0.99"])
def test_long_filters_do_not_overflow_a_counter(words: int, threshold: str) -> None:
    """From almost empty to completely full: every number of bits that may be lacking."""
    rng = np.random.default_rng(words)
    bits = rng.random((300, 64 * words)) < np.linspace(0, 1.01, 300)[:, None]
    some = np.packbits(bits, axis=1).view(np.uint64)
    assert same(dice_pairs(some, some, threshold, engine="numpy"), dice_pairs(some, some, threshold))


def test_equal_filters_in_every_tile_are_all_found() -> None:
    one = random_filters(np.random.default_rng(1), 1, 16, 0.3, 0.0)
    many = np.repeat(one, 2 * COLUMNS + 1, axis=0)
    i, j, found = dice_pairs(one, many, 1)
    assert j.tolist() == list(range(len(many)))
    assert set(found) == {1.0}
    assert set(i) == {0}


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_and_chunks_change_nothing(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    left = random_filters(rng, 700, 16, 0.3, 0.1)
    right = related(rng, left, 900)
    expected = dice_pairs(left, right, 0.6)
    run = partial(threads.run, threads=workers)
    monkeypatch.setattr(dice, "_CHUNK", 64)
    monkeypatch.setattr(dice, "_CHUNK_PAIRS", 100)
    monkeypatch.setattr(dice, "_BUFFER", COLUMNS + 3)
    assert same(expected, dice_pairs(left, right, 0.6, run=run, threads=workers))
    done = [rows for rows, _ in pair_chunks(left, right, 0.6, run=run, threads=workers)]
    assert done == sorted(done)
    assert done[-1] == len(left)
    assert len(done) > 700 // 64


@pytest.mark.parametrize("best", [1, 2, 5])
def test_the_best_of_a_record_do_not_depend_on_order(best: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(best)
    left = random_filters(rng, 40, 2, 0.2, 0.2)
    right = related(rng, left, 400)
    i, j, found = dice_pairs(left, right, 0.4)
    expected = [
        (a, b, c)
        for a, b, c in zip(i.tolist(), j.tolist(), found.tolist(), strict=True)
        if (found[i == a] > c).sum() < best
    ]
    assert expected == listed(dice_pairs(left, right, 0.4, best=best))
    monkeypatch.setattr(dice, "_CHUNK_PAIRS", 10)
    monkeypatch.setattr(dice, "_BUFFER", COLUMNS + 1)
    assert expected == listed(dice_pairs(left, right, 0.4, best=best))
    order = rng.permutation(len(right))
    i, j, found = dice_pairs(left, right[order], 0.4, best=best)
    assert set(expected) == set(zip(i.tolist(), order[j].tolist(), found.tolist(), strict=True))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.7, Fraction(7, 10)),
        (np.float32(0.7), Fraction(7, 10)),
        (np.float64(0.85), Fraction(17, 20)),
        ("0.85", Fraction(17, 20)),
        ("17/20", Fraction(17, 20)),
        (Decimal("0.85"), Fraction(17, 20)),
        (Fraction(2, 3), Fraction(2, 3)),
        (1e-05, Fraction(1, 100000)),
        (1, Fraction(1)),
    ],
)
def test_a_threshold_is_the_decimal_that_is_written(given: Any, expected: Fraction) -> None:
    assert expected == exact(given)


@pytest.mark.parametrize("given", [0, -0.5, 1.01, float("nan"), float("inf"), "", "x", "1/0", None, True, []])
def test_what_is_no_threshold_is_refused(given: Any) -> None:
    with pytest.raises(UsageError):
        exact(given)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(4, np.uint64),
        np.zeros((2, 2), np.int64),
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2)),
        np.zeros((2, 3), np.uint64),
        [["text", "more"]],
    ],
)
def test_what_is_no_filter_is_refused_on_either_side(wrong: Any) -> None:
    good = np.zeros((3, 2), np.uint64)
    for sides in ((wrong, good), (good, wrong)):
        with pytest.raises(FilterWidthError):
            dice_pairs(*sides, 0.5)


@pytest.mark.parametrize("engine", dice.ENGINES)
@pytest.mark.parametrize(("rows", "words"), [((0, 3), 2), ((3, 0), 2), ((0, 0), 2), ((3, 3), 0)])
def test_nothing_to_compare_gives_no_pairs(rows: tuple[int, int], words: int, engine: str) -> None:
    left, right = (np.ones((n, words), np.uint64) for n in rows)
    found = dice_pairs(left, right, 0.5, engine=engine)
    assert [len(column) for column in found] == [0, 0, 0]
    assert [np.int64, np.int64, np.float64] == [column.dtype for column in found]


def test_arrays_of_any_layout_are_taken() -> None:
    rng = np.random.default_rng(3)
    left, right = random_filters(rng, 9, 4, 0.5, 0.1), random_filters(rng, 12, 4, 0.5, 0.1)
    expected = dice_pairs(left, right, 0.4)
    assert len(expected[0])
    assert same(expected, dice_pairs(np.asfortranarray(left), right.astype(">u8"), 0.4))
    doubled = np.repeat(right, 2, axis=0)
    assert same(expected, dice_pairs(left, doubled[::2], 0.4))


def test_an_explosion_is_refused_with_a_threshold_that_works() -> None:
    rng = np.random.default_rng(5)
    left = random_filters(rng, 600, 4, 0.4, 0.1)
    right = related(rng, left, 600)
    with pytest.raises(TooManyPairsError) as caught:
        dice_pairs(left, right, 0.1, most=20_000)
    suggested = caught.value.suggested
    assert suggested is not None
    assert 0.1 < suggested < 1
    assert len(dice_pairs(left, right, suggested, most=20_000)[0]) > 1_000


def test_an_explosion_of_equal_filters_has_no_threshold() -> None:
    same_ones = np.full((300, 2), 7, np.uint64)
    with pytest.raises(TooManyPairsError) as caught:
        dice_pairs(same_ones, same_ones, 0.5, most=1_000)
    assert caught.value.suggested is None
    assert "blocks" in (caught.value.advice or "")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 16, 20]), st.sampled_from(["0.3", "0.6", "1"]))
def test_listed_pairs_are_judged_as_all_pairs_are(seed: int, words: int, threshold: str) -> None:
    rng = np.random.default_rng(seed)
    left = random_filters(rng, 30, words, 0.3, 0.5)
    left[0] = 0
    right = related(rng, left, 40)
    right[0] = 0
    i, j = (np.ravel(side) for side in np.mgrid[:30, :40])
    assert same(dice_pairs(left, right, threshold), dice_of(left, right, i, j, threshold))


def test_progress_counts_left_filters() -> None:
    seen: list[tuple[str, int, int]] = []
    some = random_filters(np.random.default_rng(1), 300, 2, 0.3, 0.1)
    dice_pairs(some, some, 0.9, report=lambda *said: seen.append(said))
    assert seen[-1] == ("compare", 300, 300)


@pytest.mark.parametrize("more", [{"best": 0}, {"engine": "gpu"}])
def test_options_out_of_range_are_refused(more: dict[str, Any]) -> None:
    some = np.ones((1, 1), np.uint64)
    with pytest.raises(UsageError):
        dice_pairs(some, some, 0.5, **more)
