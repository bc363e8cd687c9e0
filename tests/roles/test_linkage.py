"""The linkage in memory: match, score and resolve on encodings of two parties with known truth."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from made_people import SCHEMA, Party, Row, correct, delivered, people, spoiled

from pseudolink.errors import ScoringError
from pseudolink.formats.candidates import Candidates, Scored
from pseudolink.formats.encodings import Encodings
from pseudolink.formats.summary import LinkageSummary, from_json
from pseudolink.resolve.one_to_one import greedy
from pseudolink.roles import linkage
from pseudolink.roles.linkage import (
    PairLinkage,
    link_all,
    link_pair,
    pair_summary,
    party_summary,
)


@cache
def parties() -> tuple[Party, Party]:
    everybody = people(1100, 1)
    generator = np.random.default_rng(2)
    left = list(range(800))
    right = [*range(200, 800), *range(800, 1100)]
    return (
        delivered("council", [everybody[n] for n in left], left),
        delivered("schools", [spoiled(everybody[n], generator) for n in right], right),
    )


SHARED = 600


@cache
def linked() -> PairLinkage:
    left, right = parties()
    return link_pair(left.delivery, right.delivery)


def test_links_are_right_and_nearly_complete() -> None:
    left, right = parties()
    one = linked()
    right_links = correct(one, left, right)
    assert right_links / len(one.accepted) > 0.98
    assert right_links / SHARED > 0.93


def test_expected_quality_is_near_the_truth() -> None:
    left, right = parties()
    one = linked()
    precision, recall, f1 = one.expected
    right_links = correct(one, left, right)
    assert precision == pytest.approx(right_links / len(one.accepted), abs=0.02)
    assert recall == pytest.approx(right_links / SHARED, abs=0.04)
    assert f1 == pytest.approx(2 * right_links / (len(one.accepted) + SHARED), abs=0.03)
    assert one.estimate.matches.total == pytest.approx(SHARED, rel=0.06)
    assert one.estimate.matches.converged


def test_twins_are_not_taken_for_each_other() -> None:
    """Twins share name, birth and address; only the forename tells, and a linkage must use it."""
    left, right = parties()
    one = linked()
    assert one.estimate.company is not None
    pairs = one.scored.candidates
    a, b = left.who[pairs.left], right.who[pairs.right]
    everybody = people(1100, 1)
    twin = {n for n, m in pairwise(range(1100)) if everybody[n]["dob"] == everybody[m]["dob"]}
    wrong = [n for n in one.accepted.tolist() if a[n] != b[n] and min(a[n], b[n]) in twin]
    assert len(twin) > 30
    assert len(wrong) <= 1


def links(one: PairLinkage) -> set[tuple[bytes, bytes]]:
    pairs = one.scored.candidates
    left, right = one.left.encodings.records, one.right.encodings.records
    return {
        (left[i].tobytes(), right[j].tobytes())
        for i, j in zip(pairs.left[one.accepted].tolist(), pairs.right[one.accepted].tolist(), strict=True)
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_rows_changes_no_link(seed: int) -> None:
    """Rows come in random order: the same deliveries must give the same links every time."""
    generator = np.random.default_rng(seed)
    sides = []
    for party in parties():
        one = party.delivery
        order = generator.permutation(one.encodings.rows)
        sides.append(replace(one, encodings=one.encodings.take(order)))
    again = link_pair(sides[0], sides[1])
    assert links(again) == links(linked())
    assert again.threshold == pytest.approx(linked().threshold, abs=1e-6)
    assert again.expected == pytest.approx(linked().expected, abs=1e-6)


def test_which_party_is_called_left_changes_next_to_nothing() -> None:
    left, right = parties()
    swapped = {(b, a) for a, b in links(link_pair(right.delivery, left.delivery))}
    assert len(swapped ^ links(linked())) <= 0.01 * len(swapped)


def test_no_record_is_linked_twice() -> None:
    one = linked()
    pairs = one.scored.candidates
    for side in (pairs.left, pairs.right):
        assert len(set(side[one.accepted].tolist())) == len(one.accepted)


def test_links_reach_the_threshold_and_are_not_ambiguous() -> None:
    one = linked()
    assert (one.scored.probability[one.accepted] >= one.threshold).all()
    assert not set(one.accepted.tolist()) & set(one.links.ambiguous.tolist())


def test_a_higher_precision_costs_links() -> None:
    left, right = parties()
    strict = link_pair(left.delivery, right.delivery, min_precision=0.9999)
    loose = link_pair(left.delivery, right.delivery, min_precision=0.9)
    assert strict.expected[0] >= 0.9999
    assert links(strict) < links(loose)
    assert strict.threshold > loose.threshold


def test_a_precision_out_of_reach_is_refused() -> None:
    left, right = parties()
    with pytest.raises(ScoringError):
        link_pair(left.delivery, right.delivery, min_precision=1.0000001)


def test_two_equal_records_are_left_open() -> None:
    """The right party holds one person twice; a linkage that picked one would pick by row order."""
    rows = [dict(row) for row in people(400, 5)]
    left = delivered("council", rows[:300], list(range(300)))
    right = delivered("work", [*rows[:300], rows[0]], [*range(300), 0])
    one = link_pair(left.delivery, right.delivery)
    pairs = one.scored.candidates
    assert 0 not in pairs.left[one.accepted].tolist()
    tied = greedy(one.scored, 0.0).ambiguous.tolist()
    assert {(0, 0), (0, 300)} <= {(int(pairs.left[n]), int(pairs.right[n])) for n in tied}
    assert one.scored.probability[tied].max() <= 0.5, "one of the two at most is the person"
    assert correct(one, left, right) == len(one.accepted) >= 290


def test_parties_with_nobody_in_common_are_not_linked() -> None:
    left = delivered("council", people(200, 6), list(range(200)))
    right = delivered("work", people(200, 7), list(range(200, 400)))
    one = link_pair(left.delivery, right.delivery)
    assert len(one.accepted) <= 2
    assert one.estimate.matches.total < 10


def test_parties_without_any_shared_token_are_linked_to_nobody() -> None:
    """One encoded with another key: no error, no link, and the report says so."""
    left, right = (p.delivery for p in parties())
    other = {n: replace(c, tokens=c.tokens ^ np.uint64(12345)) for n, c in right.encodings.passes.items()}
    one = link_pair(left, replace(right, encodings=Encodings(right.encodings.records, other)))
    assert (len(one.scored.candidates), len(one.accepted)) == (0, 0)
    assert one.expected == (1.0, 0.0, 0.0)
    summary = pair_summary(one)
    assert (summary.links, summary.histogram, summary.curve) == (0, (), ())


def test_an_empty_extract_links_nobody() -> None:
    left = parties()[0].delivery
    empty = delivered("work", [], []).delivery
    one = link_pair(left, empty)
    assert len(one.accepted) == 0
    assert party_summary(empty, [one]).rows == 0


def test_every_party_is_linked_with_the_cohort() -> None:
    left, right = (p.delivery for p in parties())
    found = link_all([left, right, replace(right, party="work")])
    assert [(one.left.party, one.right.party) for one in found] == [
        ("council", "schools"),
        ("council", "work"),
    ]
    assert links(found[0]) == links(found[1])


def test_the_summary_is_one_that_its_reader_accepts() -> None:
    left, right = (p.delivery for p in parties())
    one = linked()
    summary = LinkageSummary(
        project="test",
        purpose="a test",
        agreement="0" * 64,
        schema=SCHEMA.digest,
        software="pseudolink",
        created="2026-01-01",
        engine="local",
        parties=(party_summary(left, [one]), party_summary(right, [one])),
        pairs=(pair_summary(one),),
    )
    assert from_json(summary.to_json()) == summary
    pair = summary.pairs[0]
    assert pair.links == len(one.accepted)
    assert sum(b.pairs for b in pair.histogram) == pair.candidates
    assert sum(b.accepted for b in pair.histogram) == pair.links
    assert [p.threshold for p in pair.curve] == sorted((p.threshold for p in pair.curve), reverse=True)
    assert summary.parties[0].rows == 800


def test_whoever_has_too_few_values_is_counted_as_unlinkable() -> None:
    left, right = parties()
    bare: list[Row] = [{"sex": "F"}] * 7
    rows = [*people(1100, 1)[:800], *bare]
    more = delivered("council", rows, list(range(807)))
    one = link_pair(more.delivery, right.delivery)
    before = party_summary(left.delivery, [linked()]).unlinkable
    assert party_summary(more.delivery, [one]).unlinkable == before + 7


def test_progress_is_told_from_none_to_all() -> None:
    left, right = (p.delivery for p in parties())
    seen: list[tuple[str, int, int]] = []
    link_pair(left, right, report=lambda *step: seen.append(step))
    steps = [(done, total) for title, done, total in seen if title == "link council and schools"]
    assert steps == [(done, 4) for done in range(5)]
    joined = [(done, total) for title, done, total in seen if title == "match council and schools"]
    assert joined == [(done, len(joined)) for done in range(1, len(joined) + 1)]
    assert len(steps) + len(joined) == len(seen)


def test_equal_pairs_of_one_record_are_counted_as_ambiguous() -> None:
    """Two records that fit one equally well: a match for sure, and nobody knows which."""
    none = np.zeros(4, dtype=np.int64)
    pairs = Candidates(np.asarray([0, 1, 1, 2]), np.asarray([0, 1, 2, 3]), none.astype(np.uint64), none)
    scored = Scored(pairs, np.asarray([9.0, 8.0, 8.0, 1.0]), np.asarray([0.99, 0.495, 0.495, 0.1]))
    found = linkage._tied(scored, np.asarray([1, 2, 3]), 0.9)
    assert found.tolist() == [1, 2]
