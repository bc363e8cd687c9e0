"""What real data bring: little in common, nobody, one record, a field that is missing everywhere."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from made_people import SCHEMA, Party, Row, correct, delivered, people, spoiled

from pseudolink.encode import decoys, floor
from pseudolink.encode.tokens import KeyRing
from pseudolink.errors import UsageError
from pseudolink.keys.linkage import LinkageKey
from pseudolink.roles.linkage import PairLinkage, link_pair, pair_summary


@cache
def crowd() -> tuple[Row, ...]:
    return tuple(people(4000, 11))


def two(rows: int, shared: int, *, seed: int = 3, without: str = "") -> tuple[Party, Party]:
    """Two parties of so many records, of which ``shared`` people are in both."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(crowd())).tolist()
    left = order[:rows]
    right = order[rows - shared : 2 * rows - shared]
    sides = [
        [dict(crowd()[n]) for n in left],
        [spoiled(dict(crowd()[n]), generator) for n in right],
    ]
    for side in sides:
        for row in side:
            if without:
                row[without] = None
    return delivered("council", sides[0], left), delivered("schools", sides[1], right)


def linked(one: Party, other: Party, **wanted: float) -> tuple[PairLinkage, int]:
    found = link_pair(one.delivery, other.delivery, **wanted)
    return found, correct(found, one, other)


@pytest.mark.parametrize(("rows", "shared"), [(1500, 15), (1500, 150), (1000, 500), (800, 800)])
def test_any_overlap_is_linked_precisely_and_expected_as_it_is(rows: int, shared: int) -> None:
    """From one in a hundred to all: precision, and what is expected of both, must hold."""
    found, right = linked(*two(rows, shared))
    precision, recall = right / len(found.accepted), right / shared
    assert precision >= (0.98 if shared > 15 else 0.8)
    assert recall > 0.85
    assert found.expected[0] == pytest.approx(precision, abs=0.01 if shared > 150 else 0.15)
    assert found.expected[1] == pytest.approx(recall, abs=0.03 if shared > 150 else 0.15)
    low, high = found.band.at(found.threshold, found.curve)[1]
    assert low - 0.05 <= recall <= high + 0.05


@pytest.mark.parametrize("seed", range(3))
def test_parties_that_share_no_one_are_not_linked_and_it_is_said(seed: int) -> None:
    """Twins and families stand on both sides; none of them is anybody else's match."""
    found, _ = linked(*two(1500, 0, seed=seed))
    assert len(found.scored.candidates) > 0, "something to be wrong about"
    assert len(found.accepted) == 0
    assert found.nobody
    summary = pair_summary(found)
    assert (summary.links, summary.nobody) == (0, True)
    assert summary.expected_matches < 1


def test_a_party_of_one_record_is_linked_with_its_person_or_with_nobody() -> None:
    rows = [dict(row) for row in crowd()[:900]]
    cohort = delivered("council", rows[:600], list(range(600)))
    here, _ = linked(cohort, delivered("one", [rows[17]], [17]))
    assert here.scored.candidates.left[here.accepted].tolist() == [17]
    assert here.expected[0] > 0.99
    gone, _ = linked(cohort, delivered("one", [rows[700]], [700]))
    assert len(gone.accepted) == 0
    assert gone.nobody


@pytest.mark.parametrize("field", ["postcode", "nino"])
def test_a_field_that_nobody_has_neither_rewards_nor_penalises(field: str) -> None:
    found, right = linked(*two(800, 400, without=field))
    assert right / len(found.accepted) >= 0.98
    assert found.expected[0] == pytest.approx(right / len(found.accepted), abs=0.02)
    others, _ = linked(*two(800, 400))
    assert found.estimate.matches.total == pytest.approx(others.estimate.matches.total, rel=0.12)


def test_a_threshold_that_is_given_is_used() -> None:
    sides = two(800, 400)
    free, _ = linked(*sides)
    high, _ = linked(*sides, threshold=0.9999)
    all_, _ = linked(*sides, threshold=0.0)
    assert high.threshold == 0.9999
    assert len(high.accepted) < len(free.accepted) <= len(all_.accepted)
    assert (high.scored.probability[high.accepted] >= 0.9999).all()


def test_a_threshold_and_a_least_precision_cannot_both_be_had() -> None:
    with pytest.raises(UsageError):
        linked(*two(800, 400), threshold=0.5, min_precision=0.9)


# ---------------------------------------------------------------- under decoys


def hidden(party: Party) -> Party:
    """The same delivery under decoys, with what its manifest then tells of company."""
    limits = {**SCHEMA.canonical["floor"], "decoys": True}
    schema = replace(
        SCHEMA, floor=replace(SCHEMA.floor, decoys=True), canonical={**SCHEMA.canonical, "floor": limits}
    )
    ring = KeyRing.derived(LinkageKey(bytes(range(32))).derive, schema, "test", party.delivery.party)
    told = floor.measure(party.delivery.encodings, alike=True).to_json()
    shown = decoys.with_decoys(party.delivery.encodings, schema, ring)
    return replace(party, delivery=replace(party.delivery, encodings=shown, schema=schema, company=told))


@pytest.mark.parametrize(("rows", "shared"), [(1500, 0), (1500, 15), (1000, 500)])
def test_decoys_do_not_make_strangers_who_are_alike_into_links(rows: int, shared: int) -> None:
    """Twins and families are told of by kind of pair; without that 23 links are made where 15 are right."""
    plain = two(rows, shared)
    open_, right = linked(*plain)
    found, still_right = linked(*(hidden(one) for one in plain))
    assert len(hidden(plain[0]).delivery.alike) == 0, "nothing of it shows in the encodings"
    assert abs(len(found.accepted) - len(open_.accepted)) <= 2
    assert abs(still_right - right) <= 2
    if shared:
        assert found.expected[0] == pytest.approx(open_.expected[0], abs=0.02)
        assert found.expected[1] == pytest.approx(open_.expected[1], abs=0.05)


def test_without_what_is_told_of_company_the_links_are_worse() -> None:
    """So that the test above can fail."""
    sides = [hidden(one) for one in two(1500, 15)]
    silent = [
        replace(one, delivery=replace(one.delivery, company={**one.delivery.company, "alike": []}))
        for one in sides
    ]
    found, right = linked(*silent)
    assert len(found.accepted) - right > 4
