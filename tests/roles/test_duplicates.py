"""resolution-v1 3.3 and 5: records of one party that are one person, and what reviewers know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import LinkageError, UsageError
from pseudolink.formats.candidates import Candidates, Scored
from pseudolink.roles.duplicates import chances, merge
from pseudolink.roles.resolving import Rules, prepare, resolve, rules_of


@given(st.lists(st.floats(-30, 60), max_size=40), st.integers(100, 5000))
def test_chances_are_chances_and_grow_with_weight(weights: list[float], records: int) -> None:
    weight = np.asarray(weights)
    found = chances(weight, records)
    assert ((found >= 0) & (found <= 1)).all()
    order = np.argsort(weight)
    assert (np.diff(found[order]) >= 0).all()


def test_a_party_without_duplicates_has_none() -> None:
    """Pairs that weigh no more than chance makes them are not taken for people."""
    assert chances(np.full(200, -2.0), 1000).max() < 0.01
    assert chances(np.zeros(0), 0).tolist() == []


class _Party:
    def __init__(self, party: str) -> None:
        self.party = party


@pytest.mark.parametrize(("party", "words"), [("council", "cohort"), ("nobody", "no party")])
def test_only_a_party_beside_the_cohort_has_duplicates(party: str, words: str) -> None:
    deliveries: Any = [_Party("council"), _Party("work")]
    with pytest.raises(UsageError, match=words):
        merge(deliveries, Rules(duplicates=frozenset({party})))


def test_an_assignment_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError):
        rules_of("best", False, ())


# ---------------------------------------------------------------- what reviewers know


class _Encodings:
    def __init__(self, side: int, rows: int) -> None:
        self.records = np.asarray([[side] * 8 + [n] * 8 for n in range(rows)], dtype=np.uint8)


class _Schema:
    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.passes: tuple[Any, ...] = ()
        self.compared: tuple[str, ...] = ()


PAIRS = [(0, 0, 0.9), (0, 1, 0.3), (1, 1, 0.6), (2, 2, 0.8)]


def linked(labels: dict[tuple[int, int], bool], assignment: Any = "greedy") -> set[tuple[int, int]]:
    left, right = (np.asarray([p[n] for p in PAIRS], dtype=np.int64) for n in (0, 1))
    chance = np.asarray([p[2] for p in PAIRS])
    none = np.zeros(len(PAIRS), dtype=np.int64)
    scored = Scored(Candidates(left, right, none.astype(np.uint64), none), 10 * chance, chance)
    here, there, schema = _Encodings(0, 3), _Encodings(1, 3), _Schema()
    ids = {(bytes(here.records[a]), bytes(there.records[b])): said for (a, b), said in labels.items()}
    rules = Rules(assignment=assignment, labels=ids)
    known, decided = prepare(scored, here, there, schema, rules, none.astype(np.uint64))  # type: ignore[arg-type]
    links = resolve(known, decided, rules)
    return {PAIRS[n][:2] for n in links.accepted.tolist()}


@pytest.mark.parametrize("assignment", ["greedy", "optimal"])
def test_a_pair_labelled_a_match_comes_before_stronger_ones(assignment: str) -> None:
    assert linked({}, assignment) == {(0, 0), (1, 1), (2, 2)}
    assert linked({(0, 1): True}, assignment) == {(0, 1), (2, 2)}


@pytest.mark.parametrize("assignment", ["greedy", "optimal"])
def test_a_pair_labelled_a_non_match_is_barred_and_frees_its_records(assignment: str) -> None:
    assert linked({(0, 0): False}, assignment) >= {(2, 2)}
    assert (0, 0) not in linked({(0, 0): False}, assignment)


def test_a_record_with_two_matches_is_a_contradiction() -> None:
    with pytest.raises(LinkageError, match="matches two records"):
        linked({(0, 0): True, (0, 1): True})


def test_labels_of_other_records_change_nothing() -> None:
    assert linked({}) == {(0, 0), (1, 1), (2, 2)}
