"""scoring-v1 section 7.4: intervals from blocks drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_linkage import draw, schema_of, statistics_of

from pseudolink.formats.candidates import Candidates
from pseudolink.resolve.one_to_one import greedy
from pseudolink.score import bootstrap, evidence, quality, weigh
from pseudolink.score.estimate import estimate
from pseudolink.score.states import States, chances, priors

AGREE = {"forename": 0.01, "surname": 0.004, "dob": 0.0005, "postcode": 0.003, "sex": 0.5}
SCHEMA = schema_of(
    [
        ["dob", "sex"],
        ["surname", "forename", "dob.year"],
        ["postcode", "surname"],
        ["postcode", "forename"],
        ["names.sorted", "dob.month_day"],
    ]
)


def linked(seed: int, matches: int = 500):
    one = statistics_of(SCHEMA, AGREE)
    model = evidence.build(SCHEMA, [one, one])
    states = States(model)
    chance = states.probabilities(chances(model))
    some = draw(
        states, len(SCHEMA.passes), chance, states.probabilities(priors(model)), (900, 1100), matches, seed
    )
    found = estimate(model, some.pairs, (some.nobody, some.left), (some.nobody, some.right))
    scored = weigh.weigh(found, some.pairs, some.left, some.right)
    links = greedy(scored, 0.0)
    curve = quality.curve(scored, links, found.matches.total)
    return some, found, scored, links, curve


def test_intervals_hold_what_they_are_about_and_the_truth() -> None:
    held = []
    for seed in range(6):
        some, found, scored, links, curve = linked(seed)
        band = bootstrap.band(found, scored, links.accepted, curve)
        threshold = quality.choose(curve)
        (p_low, p_high), (r_low, r_high), (f_low, f_high) = band.at(threshold, curve)
        precision, recall, f1 = curve.at(threshold)
        assert p_low - 0.01 <= precision <= p_high + 0.01
        assert r_low - 0.01 <= recall <= r_high + 0.01
        assert f_low - 0.01 <= f1 <= f_high + 0.01
        reached = links.accepted[scored.probability[links.accepted] >= threshold]
        right = int(some.same[reached].sum())
        held += [p_low <= right / len(reached) <= p_high, r_low <= right / some.matches <= r_high]
        held.append(band.matches[0] <= some.matches <= band.matches[1])
    assert sum(held) >= len(held) - 3, "nineteen in twenty, and a little luck"


def test_the_same_pairs_give_the_same_intervals() -> None:
    _, found, scored, links, curve = linked(1)
    one, two = (bootstrap.band(found, scored, links.accepted, curve, draws=10) for _ in range(2))
    np.testing.assert_array_equal(one.recall, two.recall)
    other = bootstrap.band(found, scored, links.accepted, curve, draws=10, seed=1)
    assert one.matches == two.matches != other.matches


def test_fewer_people_in_both_make_wider_intervals() -> None:
    widths = []
    for matches in (40, 600):
        _, found, scored, links, curve = linked(2, matches)
        band = bootstrap.band(found, scored, links.accepted, curve)
        low, high = band.at(quality.choose(curve), curve)[1]
        widths.append(high - low)
    assert widths[0] > 2 * widths[1]


def test_no_links_have_no_interval() -> None:
    _, found, scored, links, curve = linked(1)
    empty = quality.curve(scored, type(links)(links.accepted[:0], links.ambiguous), 0.0)
    band = bootstrap.band(found, scored, links.accepted[:0], empty)
    assert band.matches == (0.0, 0.0)
    assert [b.tolist() for b in band.at(0.5, empty)] == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    assert curve.links[-1] > 0


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20, unique=True))
def test_a_block_is_what_hangs_together_by_records(edges: list[tuple[int, int]]) -> None:
    left, right = (np.asarray([e[n] for e in edges], dtype=np.int64) for n in (0, 1))
    found = bootstrap.blocks(Candidates(left, right, left.astype(np.uint64), left))
    assert sorted(set(found.tolist())) == list(range(len(set(found.tolist()))))
    together = {frozenset({n}) for n in range(len(edges))}
    for n, (a, b) in enumerate(edges):
        for m, (c, d) in enumerate(edges):
            if a == c or b == d:
                one = next(s for s in together if n in s)
                two = next(s for s in together if m in s)
                together = (together - {one, two}) | {one | two}
    assert {frozenset(np.flatnonzero(found == n).tolist()) for n in set(found.tolist())} == together


@pytest.mark.parametrize("ratio", [0.0, 1.0, 50.0])
def test_moved_odds_keep_a_probability_between_nothing_and_one(ratio: float) -> None:
    moved = bootstrap._moved(np.asarray([0.0, 0.2, 1.0]), np.full(3, ratio))
    assert ((moved >= 0) & (moved <= 1)).all()
    assert moved[1] == pytest.approx(0.2 * ratio / (0.8 + 0.2 * ratio))
