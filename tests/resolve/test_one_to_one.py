"""resolution-v1 section 1: one link a record, and a tie decides nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.formats.candidates import Candidates, Scored
from pseudolink.resolve.clusters import Link, cluster
from pseudolink.resolve.one_to_one import greedy
from pseudolink.resolve.optimal import optimal

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem}
    for p in sorted((Path(__file__).parents[2] / "specs" / "vectors" / "resolution").glob("*.json"))
]
Pair = tuple[int, int, float, float]


def scored(pairs: list[Pair]) -> Scored:
    left, right = (np.asarray([p[n] for p in pairs], dtype=np.int64) for n in (0, 1))
    weight, probability = (np.asarray([p[n] for p in pairs], dtype=np.float64) for n in (2, 3))
    none = np.zeros(len(pairs), dtype=np.int64)
    return Scored(Candidates(left, right, none.astype(np.uint64), none), weight, probability)


def resolved(
    pairs: list[Pair], threshold: float = 0.0, resolve: Any = greedy
) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    links = resolve(scored(pairs), threshold)

    def ends(chosen: Any) -> set[tuple[int, int]]:
        found = [(pairs[n][0], pairs[n][1]) for n in chosen.tolist()]
        assert len(set(found)) == len(found)
        return set(found)

    return ends(links.accepted), ends(links.ambiguous)


def by_rounds(pairs: list[Pair], threshold: float) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """The rule as the specification words it: weight by weight, from the highest."""
    rest = [p for p in pairs if p[3] >= threshold]
    accepted: set[tuple[int, int]] = set()
    ambiguous: set[tuple[int, int]] = set()
    spent: set[tuple[str, int]] = set()
    for weight in sorted({p[2] for p in rest}, reverse=True):
        free = [p for p in rest if p[2] == weight and not {("l", p[0]), ("r", p[1])} & spent]
        for p in free:
            rivals = [q for q in free if q is not p and (q[0] == p[0] or q[1] == p[1])]
            (ambiguous if rivals else accepted).add((p[0], p[1]))
        spent |= {("l", p[0]) for p in free} | {("r", p[1]) for p in free}
    return accepted, ambiguous


@st.composite
def weighed(draw: st.DrawFn) -> list[Pair]:
    ends = st.tuples(st.integers(0, 6), st.integers(0, 6))
    keys = draw(st.lists(ends, unique=True, max_size=20))
    return [(i, j, float(draw(st.integers(0, 4))), draw(st.sampled_from([0.2, 0.5, 0.9]))) for i, j in keys]


@given(weighed(), st.sampled_from([0.0, 0.5, 0.8]))
def test_links_are_those_of_the_rule(pairs: list[Pair], threshold: float) -> None:
    assert by_rounds(pairs, threshold) == resolved(pairs, threshold)


@given(weighed(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_never_decides(pairs: list[Pair], random: Any) -> None:
    expected = resolved(pairs)
    rows = list(range(7))
    random.shuffle(rows)
    again = [(rows[i], 6 - j, w, p) for i, j, w, p in pairs]
    random.shuffle(again)
    back = [{(rows.index(i), 6 - j) for i, j in chosen} for chosen in resolved(again)]
    assert expected == tuple(back)


@given(weighed())
def test_no_record_is_linked_twice_or_beside_a_tie(pairs: list[Pair]) -> None:
    accepted, ambiguous = resolved(pairs)
    lefts, rights = [i for i, _ in accepted], [j for _, j in accepted]
    assert len(set(lefts)) == len(lefts)
    assert len(set(rights)) == len(rights)
    assert not {i for i, _ in ambiguous} & set(lefts)
    assert not {j for _, j in ambiguous} & set(rights)


@given(weighed())
def test_every_pair_that_is_left_out_has_a_better_or_an_equal_rival(pairs: list[Pair]) -> None:
    accepted, ambiguous = resolved(pairs)
    decided = {(p[0], p[1]): p[2] for p in pairs if (p[0], p[1]) in accepted | ambiguous}
    for i, j, weight, _ in pairs:
        if (i, j) not in decided:
            assert any((a == i or b == j) and w > weight for (a, b), w in decided.items())


@pytest.mark.parametrize("vector", [v for v in VECTORS if "pairs" in v], ids=lambda v: v["id"])
def test_any_operator_links_the_same_records(vector: dict[str, Any]) -> None:
    pairs = [(p["left"], p["right"], p["weight"], p["probability"]) for p in vector["pairs"]]
    resolve = optimal if vector.get("case") == "optimal" else greedy
    accepted, ambiguous = resolved(pairs, vector["threshold"], resolve)
    assert vector["accepted"] == sorted([list(p) for p in accepted])
    assert vector["ambiguous"] == sorted([list(p) for p in ambiguous])


@pytest.mark.parametrize("vector", [v for v in VECTORS if "records" in v], ids=lambda v: v["id"])
def test_any_operator_finds_the_same_people(vector: dict[str, Any]) -> None:
    links = [Link(p["left"], p["right"], p["probability"], p["weight"]) for p in vector["links"]]
    against, apart = ([(a, b) for a, b in vector[key]] for key in ("against", "apart"))
    least = vector["threshold"]
    found = cluster(vector["records"], links, least=lambda *_: least, against=against, apart=apart)
    assert vector["clusters"] == [list(one) for one in found.members]
    assert vector["ambiguous"] == len(found.ambiguous)
    assert vector["contradicted"] == len(found.contradicted)


def test_there_are_vectors_of_every_case() -> None:
    cases = [vector.get("case", "greedy") for vector in VECTORS]
    assert {case: cases.count(case) >= 4 for case in ("greedy", "optimal", "clusters")} == {
        "greedy": True,
        "optimal": True,
        "clusters": True,
    }


def test_the_last_digit_of_a_weight_breaks_no_tie() -> None:
    """Equal evidence summed in another order differs by rounding; that must link nobody."""
    tie = 0.1 + 0.2
    assert tie != 0.3
    assert resolved([(0, 0, tie, 0.9), (0, 1, 0.3, 0.9)]) == (set(), {(0, 0), (0, 1)})


def test_a_pair_below_a_tie_does_not_slip_in() -> None:
    accepted, ambiguous = resolved([(0, 0, 9.0, 0.9), (0, 1, 9.0, 0.9), (0, 2, 1.0, 0.9), (1, 1, 1.0, 0.9)])
    assert (accepted, ambiguous) == (set(), {(0, 0), (0, 1)})


def test_links_come_in_the_order_of_decision() -> None:
    links = greedy(scored([(0, 0, 1.0, 0.9), (1, 1, 3.0, 0.9), (2, 2, 2.0, 0.9)]), 0.5)
    assert links.accepted.tolist() == [1, 2, 0]


def test_no_pairs_are_no_links() -> None:
    links = greedy(scored([]), 0.5)
    assert (links.accepted.tolist(), links.ambiguous.tolist()) == ([], [])
