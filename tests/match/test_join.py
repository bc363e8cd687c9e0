"""matching-v1 section 1: candidate pairs, against nested loops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_linkage import encodings_of, tokens_of

from pseudolink.errors import LinkageError
from pseudolink.formats.candidates import Giants
from pseudolink.formats.encodings import PassColumns
from pseudolink.match import join

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem}
    for p in sorted((Path(__file__).parents[2] / "specs" / "vectors" / "matching").glob("join_*.json"))
]
cells = st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=12)


def nested(left: dict[str, Any], right: dict[str, Any]) -> dict[tuple[int, int], int]:
    """Every pair of rows with the passes it shares as bits, by comparing all with all."""
    found: dict[tuple[int, int], int] = {}
    for number, name in enumerate(left):
        for i, a in enumerate(left[name]):
            for j, b in enumerate(right[name]):
                if a is not None and a == b:
                    found[i, j] = found.get((i, j), 0) | 1 << number
    return found


def passes(columns: dict[str, Any]) -> dict[str, PassColumns]:
    return {name: tokens_of(one) for name, one in columns.items()}


def joined(left: dict[str, Any], right: dict[str, Any], **more: Any) -> dict[tuple[int, int], int]:
    rows = len(next(iter(right.values())))
    i, j, shared = join.join_passes(passes(left), passes(right), rows, **more)
    keys = list(zip(i.tolist(), j.tolist(), strict=True))
    assert keys == sorted(set(keys)), "ordered by left, then right, each pair once"
    return dict(zip(keys, shared.tolist(), strict=True))


@st.composite
def parties(draw: st.DrawFn, sides: int = 2) -> list[dict[str, list[int | None]]]:
    names = [f"p{n}" for n in range(draw(st.integers(1, 4)))]
    found = []
    for _ in range(sides):
        rows = draw(st.integers(0, 12))
        found.append(
            {n: draw(st.lists(st.none() | st.integers(0, 6), min_size=rows, max_size=rows)) for n in names}
        )
    return found


@given(parties())
def test_the_join_finds_what_nested_loops_find(sides: list[dict[str, Any]]) -> None:
    left, right = sides
    assert joined(left, right) == nested(left, right)


@given(parties(sides=1))
def test_within_a_party_each_pair_of_different_rows_comes_once(sides: list[dict[str, Any]]) -> None:
    one = sides[0]
    expected = {(i, j): bits for (i, j), bits in nested(one, one).items() if i < j}
    assert joined(one, one, within=True) == expected


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_any_operator_finds_the_same_candidate_pairs(vector: dict[str, Any]) -> None:
    def columns(side: dict[str, Any]) -> dict[str, PassColumns]:
        found = {}
        for name, tokens in side.items():
            raw = b"".join(bytes(16) if t is None else bytes.fromhex(t) for t in tokens)
            words = np.frombuffer(raw, dtype="<u8").astype(np.uint64).reshape(len(tokens), 2)
            found[name] = PassColumns(words, np.asarray([t is not None for t in tokens], dtype=bool), None)
        return found

    rows = len(next(iter(vector["right"].values())))
    i, j, shared = join.join_passes(columns(vector["left"]), columns(vector["right"]), rows)
    found = [
        [a, b, [name for p, name in enumerate(vector["left"]) if s >> p & 1]]
        for a, b, s in zip(i.tolist(), j.tolist(), shared.tolist(), strict=True)
    ]
    assert vector["pairs"] == found


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 4


def test_half_a_token_is_not_a_token() -> None:
    """Tokens that agree in their first eight bytes alone, as a forger might make them, never pair."""
    present = np.ones(2, dtype=bool)
    left = PassColumns(np.asarray([[5, 1], [5, 2]], dtype=np.uint64), present, None)
    right = PassColumns(np.asarray([[5, 2], [6, 1]], dtype=np.uint64), present, None)
    i, j, _ = join.join_pass(left, right)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(1, 0)]


def test_two_missing_tokens_are_not_equal() -> None:
    """A missing token is stored as zeros; zeros must not bring every such pair."""
    assert joined({"p": [None, None]}, {"p": [None, None, None]}) == {}


def test_a_token_of_zeros_that_is_there_is_a_token() -> None:
    zeros = PassColumns(np.zeros((1, 2), dtype=np.uint64), np.ones(1, dtype=bool), None)
    i, j, _ = join.join_pass(zeros, zeros)
    assert (i.tolist(), j.tolist()) == ([0], [0])


def test_the_last_of_64_passes_has_a_bit() -> None:
    columns = {f"p{n}": [n] for n in range(64)}
    assert joined(columns, columns) == {(0, 0): 2**64 - 1}


def test_a_pass_that_is_far_too_broad_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """One value for everybody would fill the memory before anything is compared."""
    monkeypatch.setattr(join, "MOST_PAIRS", 99)
    narrow, broad = tokens_of(list(range(10))), tokens_of([1] * 10)
    with pytest.raises(LinkageError, match=r"pass 'broad' alone brings more than 99 pairs") as caught:
        join.join_passes({"narrow": narrow, "broad": broad}, {"narrow": narrow, "broad": broad}, 10)
    assert caught.value.code == "PL-LINK-01"
    monkeypatch.setattr(join, "MOST_PAIRS", 100)
    i, _, _ = join.join_passes({"broad": broad}, {"broad": broad}, 10)
    assert len(i) == 100


def test_parties_without_rows_have_no_pairs() -> None:
    for left, right in (([], []), ([1], []), ([], [1])):
        assert joined({"p": left}, {"p": right}) == {}


def test_presence_is_a_bit_for_every_token_there_is() -> None:
    one = encodings_of({"a": [1, None, 2], "b": [None, None, 3]})
    assert join.token_presence(one).tolist() == [1, 0, 3]


def test_progress_counts_the_passes() -> None:
    seen: list[tuple[str, int, int]] = []
    columns = passes({"a": [1], "b": [2]})
    join.join_passes(columns, columns, 1, report=lambda *step: seen.append(step))
    assert seen == [("match", 1, 2), ("match", 2, 2)]


@given(parties(), st.integers(0, 12))
def test_giant_blocks_are_left_out_and_counted(sides: list[dict[str, list[int | None]]], most: int) -> None:
    """Exactly the pairs of blocks that bring too many are missing, and the counts say so."""
    left, right = sides
    for name in left:
        expected, giant = set(), [0, 0, 0, 0]
        for token in {t for t in left[name] if t is not None}:
            rows = [[r for r, t in enumerate(side[name]) if t == token] for side in (left, right)]
            pairs = len(rows[0]) * len(rows[1])
            if pairs > most:
                giant = [a + b for a, b in zip(giant, (1, *map(len, rows), pairs), strict=True)]
            else:
                expected |= {(i, j) for i in rows[0] for j in rows[1]}
        i, j, found = join.join_pass(tokens_of(left[name]), tokens_of(right[name]), name=name, most=most)
        assert expected == set(zip(i.tolist(), j.tolist(), strict=True))
        assert len(i) == len(expected)
        assert (name, *giant) == tuple(found)


def test_a_giant_block_in_one_pass_leaves_the_pairs_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "MOST_BLOCK_PAIRS", 8)
    blank, number = tokens_of([1, 1, 1]), tokens_of([1, 2, 3])
    giants: list[Giants] = []
    i, j, shared = join.join_passes(
        {"blank": blank, "number": number}, {"blank": blank, "number": number}, 3, giants=giants
    )
    assert (i.tolist(), j.tolist(), shared.tolist()) == ([0, 1, 2], [0, 1, 2], [2, 2, 2])
    assert giants == [Giants("blank", 1, 3, 3, 9)]


def test_a_party_with_itself_leaves_no_block_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Company hidden in a giant block would be company that the floor does not see."""
    monkeypatch.setattr(join, "MOST_BLOCK_PAIRS", 1)
    i, j, _ = join.join_passes({"p": tokens_of([1] * 30)}, {"p": tokens_of([1] * 30)}, 30, within=True)
    assert len(i) == 30 * 29 // 2
    assert (i < j).all()


@pytest.mark.parametrize("rows", [1, 2047, 2048, 2049, 9000])
def test_many_parts_give_what_one_gives(rows: int) -> None:
    rng = np.random.default_rng(rows)
    sides = []
    for _ in range(2):
        numbers = rng.integers(0, 2 * rows, rows).astype(np.uint64)
        spread = np.stack([numbers * np.uint64(0x9E3779B97F4A7C15), numbers % np.uint64(3)], axis=1)
        sides.append(PassColumns(spread, rng.random(rows) < 0.9, None))
    left, right = sides
    wanted: dict[tuple[int, int], list[int]] = {}
    for j in np.flatnonzero(right.present).tolist():
        wanted.setdefault((int(right.tokens[j, 0]), int(right.tokens[j, 1])), []).append(j)
    expected = {
        (i, j)
        for i in np.flatnonzero(left.present).tolist()
        for j in wanted.get((int(left.tokens[i, 0]), int(left.tokens[i, 1])), [])
    }
    i, j, _ = join.join_pass(left, right)
    assert expected == set(zip(i.tolist(), j.tolist(), strict=True))
    assert len(i) == len(expected)
