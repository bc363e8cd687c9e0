"""scoring-v1 section 6: match weights and probabilities of pairs drawn from a known model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference_linkage import Drawn, draw, schema_of, statistics_of

from pseudolink.formats.candidates import Candidates, Presence, Scored
from pseudolink.resolve.one_to_one import greedy
from pseudolink.score import evidence, quality, weigh
from pseudolink.score.estimate import Class, Estimate, estimate
from pseudolink.score.states import BRANCH, States, chances

AGREE = {"forename": 0.01, "surname": 0.004, "dob": 0.0002, "postcode": 0.003, "sex": 0.5}
SCHEMA = schema_of(
    [
        ["dob", "sex"],
        ["surname", "forename", "dob.year"],
        (["postcode", "sex"], ["forename"]),
        ["names.sorted", "dob.month_day"],
    ]
)
FULL = (1 << len(SCHEMA.passes)) - 1
ROWS = (1500, 1800)
MATCHES = 1000


def model() -> evidence.Model:
    one = statistics_of(SCHEMA, AGREE)
    return evidence.build(SCHEMA, [one, one])


def known(states: States, *, full: float = 0.8) -> dict[str, Any]:
    shares = {}
    for name, group in states.model.groups.items():
        passes = np.bitwise_count(group.masks).astype(np.int64) * 10 - group.level
        share = np.full(len(passes), (0.9 - full) / max(len(passes) - 2, 1))
        share[np.argmax(passes)] = full
        share[np.argmin(passes)] = 0.1
        shares[name] = share / share.sum()
    shares[BRANCH] = np.asarray([0.98, 0.02])
    return shares


def parties(seed: int) -> tuple[Drawn, States, dict[str, Any]]:
    states = States(model())
    shares = known(states)
    chance = states.probabilities(chances(states.model))
    joint = states.probabilities(shares)
    return draw(states, len(SCHEMA.passes), chance, joint, ROWS, MATCHES, seed), states, shares


def weighed(some: Drawn) -> tuple[Estimate, Scored]:
    found = estimate(model(), some.pairs, (some.nobody, some.left), (some.nobody, some.right))
    return found, weigh.weigh(found, some.pairs, some.left, some.right)


def by_hand(states: States, found: Estimate, shared: int, level: int) -> tuple[float, float]:
    """P(evidence | match) and P(evidence | chance) summed over all states, one by one."""
    match = chance = 0.0
    joint = states.probabilities(found.matches.shares)
    for n in range(len(states)):
        shown = int(states.masks[n]) & FULL
        digit = int(states.levels[0][n]) if shown & 0b0100 else 0
        if (shown, digit) == (shared, level):
            match += float(joint[n])
            chance += float(found.chance[n])
    return match, chance


def test_a_weight_is_the_logarithm_of_the_odds_of_what_is_seen() -> None:
    some, states, shares = parties(1)
    joint_class = Class(shares, float(MATCHES), 0.9)
    chance = states.probabilities(chances(states.model))
    found = Estimate(states, chance, joint_class, None, *ROWS, 0.0)
    scored = weigh.weigh(found, some.pairs, some.left, some.right)
    for n in range(0, len(some.pairs), 97):
        match, random = by_hand(states, found, int(some.pairs.shared[n]), int(some.pairs.levels[n]))
        assert scored.weight[n] == pytest.approx(np.log2(match / random), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_expected_quality_is_near_the_truth(seed: int) -> None:
    """Of ten pairs of probability 0.8, eight match: the estimates need no truth and are near it."""
    some, _, _ = parties(seed)
    found, scored = weighed(some)
    links = greedy(scored, 0.0)
    curve = quality.curve(scored, links, found.matches.total)
    for threshold in (quality.choose(curve), 0.3, 0.9):
        chosen = links.accepted[scored.probability[links.accepted] >= threshold]
        right = int(some.same[chosen].sum())
        precision, recall, f1 = curve.at(threshold)
        assert precision == pytest.approx(right / len(chosen), abs=0.02)
        assert recall == pytest.approx(right / MATCHES, abs=0.04)
        assert f1 == pytest.approx(2 * right / (len(chosen) + MATCHES), abs=0.04)


@pytest.mark.parametrize("seed", range(2))
def test_probabilities_are_calibrated(seed: int) -> None:
    some, _, _ = parties(seed)
    _, scored = weighed(some)
    assert scored.probability.sum() == pytest.approx(some.same.sum(), rel=0.04)
    doubtful = (scored.probability > 0.05) & (scored.probability < 0.95)
    assert doubtful.sum() > 30, "else this test says nothing"
    assert scored.probability[doubtful].mean() == pytest.approx(some.same[doubtful].mean(), abs=0.15)


def test_matches_weigh_more_than_chance() -> None:
    some, _, _ = parties(5)
    _, scored = weighed(some)
    assert np.median(scored.weight[some.same]) > np.median(scored.weight[~some.same]) + 5


def test_over_the_pairs_of_a_record_probabilities_sum_to_one_at_most() -> None:
    some, _, _ = parties(6)
    _, scored = weighed(some)
    for side in (some.pairs.left, some.pairs.right):
        assert np.bincount(side, scored.probability).max() <= 1 + 1e-9
    assert ((scored.probability >= 0) & (scored.probability <= 1)).all()


def test_the_order_of_the_rows_changes_no_weight_and_no_link() -> None:
    some, _, _ = parties(7)
    _, scored = weighed(some)
    generator = np.random.default_rng(8)
    a, b = (generator.permutation(n) for n in ROWS)
    left, right = np.argsort(a)[some.pairs.left], np.argsort(b)[some.pairs.right]
    order = np.lexsort((right, left))
    pairs = Candidates(left[order], right[order], some.pairs.shared[order], some.pairs.levels[order])
    sides = [Presence(s.tokens[p], s.fields[p]) for s, p in ((some.left, a), (some.right, b))]
    _, again = weighed(Drawn(pairs, sides[0], sides[1], some.same[order], MATCHES))
    np.testing.assert_allclose(again.weight, scored.weight[order], atol=1e-6)
    np.testing.assert_allclose(again.probability, scored.probability[order], atol=1e-6)

    def links(one: Scored, rows: tuple[Any, Any]) -> set[tuple[int, int]]:
        chosen = greedy(one, 0.5).accepted
        return set(
            zip(
                rows[0][one.candidates.left[chosen]].tolist(),
                rows[1][one.candidates.right[chosen]].tolist(),
                strict=True,
            )
        )

    assert links(again, (a, b)) == links(scored, (np.arange(ROWS[0]), np.arange(ROWS[1])))


def test_equal_evidence_has_the_same_weight_to_the_last_bit() -> None:
    some, _, _ = parties(9)
    _, scored = weighed(some)
    key = some.pairs.shared.astype(np.int64) * 16 + some.pairs.levels
    for one in np.unique(key):
        assert len(np.unique(scored.weight[key == one])) == 1


def test_no_candidate_pairs_are_no_weights() -> None:
    some, _, _ = parties(1)
    nothing = Drawn(some.nobody, some.left, some.right, some.same[:0], 0)
    found, scored = weighed(nothing)
    assert (len(scored.weight), len(scored.probability), found.matches.total) == (0, 0, 0.0)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 0.999, 1.0])
def test_unlinkable_records_are_those_whose_own_copy_would_not_reach_the_threshold(threshold: float) -> None:
    _, states, shares = parties(2)
    generator = np.random.default_rng(3)
    # Every subset of the tokens occurs; each row stands for a record of its own.
    tokens = generator.permutation(np.repeat(np.arange(FULL + 1, dtype=np.uint64), 4))
    here = Presence(tokens, np.ones(len(tokens), dtype=np.int64))
    found = Estimate(
        states,
        states.probabilities(chances(states.model)),
        Class(shares, 40.0, 0.9),
        None,
        len(tokens),
        len(tokens),
        0.0,
    )
    n = np.flatnonzero(tokens)
    levels = np.where(tokens[n] & np.uint64(0b0100), 1, 0).astype(np.int64)
    copies = Candidates(n, n, tokens[n], levels)
    reached = weigh.weigh(found, copies, here, here).probability >= threshold
    expected = len(tokens) - int(reached.sum())
    assert quality.unlinkable(found, here, threshold) == expected
    assert expected >= 4, "the records without any token"


def test_a_record_with_versions_is_unlinkable_when_all_of_them_are() -> None:
    _, states, shares = parties(2)
    tokens = np.asarray([0, FULL, 0, FULL, 0], dtype=np.uint64)
    first = np.asarray([0, 0, 2, 3, 2], dtype=np.int64)
    here = Presence(tokens, np.ones(5, dtype=np.int64), 3, first)
    chance = states.probabilities(chances(states.model))
    found = Estimate(states, chance, Class(shares, 2.0, 0.9), None, 3, 3, 0.0)
    assert quality.unlinkable(found, here, 0.1) == 1
