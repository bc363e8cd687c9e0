"""scoring-v1 section 6.5: contributions of fields, against averaging over all orders by force."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_linkage import Drawn, draw, schema_of, statistics_of

from pseudolink.formats.candidates import Candidates, Scored
from pseudolink.score import evidence, explain, weigh
from pseudolink.score.estimate import Estimate, estimate
from pseudolink.score.explain import EXCHANGED, Weights
from pseudolink.score.states import BRANCH, States, chances, priors

AGREE = {"forename": 0.01, "surname": 0.004, "dob": 0.0002, "postcode": 0.003, "sex": 0.5}
SCHEMA = schema_of(
    [
        ["dob", "sex"],
        ["surname", "forename", "dob.year"],
        (["postcode", "sex"], ["forename"]),
        ["names.sorted", "dob.month_day"],
        ["surname.soundex", "postcode"],
    ]
)
FULL = (1 << len(SCHEMA.passes)) - 1
FIELDS = 1


@cache
def linked() -> tuple[Drawn, Estimate, Scored, Weights]:
    one = statistics_of(SCHEMA, AGREE)
    model = evidence.build(SCHEMA, [one, one])
    states = States(model)
    shares = priors(model)
    chance = states.probabilities(chances(model))
    joint = states.probabilities(shares)
    some = draw(states, len(SCHEMA.passes), chance, joint, (900, 1100), 600, 3, missing=0.2)
    first = np.arange(0, 200, 2)
    # Twins in both parties: all but the forename.
    shared = np.full(len(first), np.uint64(0b10001), dtype=np.uint64)
    alike = Candidates(first, first + 1, shared, np.zeros(len(first), dtype=np.int64))
    found = estimate(model, some.pairs, (alike, some.left), (alike, some.right))
    assert found.company is not None
    scored = weigh.weigh(found, some.pairs, some.left, some.right)
    weights = Weights(
        found.states,
        found.matches.shares,
        chances(model),
        found.company.shares,
        float(found.left_rows * found.right_rows),
        found.alike,
        found.matches.total,
    )
    return some, found, scored, weights


def explained(number: int) -> explain.Explanation:
    some, _, _, weights = linked()
    i, j = some.pairs.left[number], some.pairs.right[number]
    return explain.explain(
        weights,
        tokens=int(some.left.tokens[i] & some.right.tokens[j]),
        fields=int(some.left.fields[i] & some.right.fields[j]),
        shared=int(some.pairs.shared[number]),
        levels=int(some.pairs.levels[number]),
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_contributions_add_up_to_the_match_weight(data: st.DataObject) -> None:
    _, found, scored, _ = linked()
    number = data.draw(st.integers(0, len(scored.weight) - 1))
    shown = explained(number)
    assert shown.base + sum(bits for _, bits in shown.fields) == pytest.approx(shown.weight, abs=1e-9)
    assert shown.weight == pytest.approx(scored.weight[number], abs=1e-6)
    assert shown.prior == pytest.approx(np.log2(found.matches.total / (900 * 1100)))


def test_every_field_has_one_contribution_and_exchanged_names_have_theirs() -> None:
    names = [name for name, _ in explained(0).fields]
    assert sorted(names) == sorted([*SCHEMA.evidence, EXCHANGED])


def weight_of(weights: Weights, known: set[str], at: tuple[int, int, int, int]) -> float:
    """The weight when only the ``known`` fields agree as in matches, told over all joint states."""
    tokens, fields, shared, levels = at

    def mixed(shares: Any) -> Any:
        return {
            name: shares[name]
            if (EXCHANGED if name in ("crossed", BRANCH) else name) in known
            else weights.chance[name]
            for name in weights.chance
        }

    seen = weights.states.seen(tokens, fields)
    observation = int(seen.position(np.asarray([shared], dtype=np.uint64), np.asarray([levels]))[0])
    held = seen.of_kind[weights.states.kind_of] == observation
    match, company, chance = (
        float(weights.states.probabilities(one)[held].sum())
        for one in (mixed(weights.matches), mixed(weights.company), weights.chance)
    )
    return float(np.log2(match) - np.log2(chance + weights.alike / weights.pairs * company))


@pytest.mark.parametrize("number", [0, 5, 77])
def test_a_contribution_is_the_mean_over_all_orders(number: int) -> None:
    some, _, _, weights = linked()
    i, j = some.pairs.left[number], some.pairs.right[number]
    at = (
        int(some.left.tokens[i] & some.right.tokens[j]),
        int(some.left.fields[i] & some.right.fields[j]),
        int(some.pairs.shared[number]),
        int(some.pairs.levels[number]),
    )
    names = [name for name, _ in explained(number).fields]
    orders = list(permutations(names))
    value = {}
    for order in orders:
        for size in range(len(order) + 1):
            chosen = frozenset(order[:size])
            if chosen not in value:
                value[chosen] = weight_of(weights, set(chosen), at)
    for name, bits in explained(number).fields:
        gains = [
            value[frozenset(o[: o.index(name) + 1])] - value[frozenset(o[: o.index(name)])] for o in orders
        ]
        assert bits == pytest.approx(float(np.mean(gains)), abs=1e-9)


def test_a_field_that_no_pass_of_the_view_asks_for_contributes_nothing() -> None:
    weights = linked()[3]
    shown = dict(explain.explain(weights, tokens=0b1, fields=0, shared=0b1, levels=0).fields)
    assert shown["postcode"] == pytest.approx(0.0, abs=1e-12)
    assert shown["surname"] == pytest.approx(0.0, abs=1e-12)
    assert shown["dob"] > 8, "one date in five thousand agrees by chance"
    assert 0 < shown["sex"] < 1.1, "one bit at most: half of all pairs agree"


def test_a_pass_that_is_not_shared_speaks_against() -> None:
    weights = linked()[3]
    both = explain.explain(weights, tokens=0b11, fields=0, shared=0b11, levels=0)
    one = explain.explain(weights, tokens=0b11, fields=0, shared=0b01, levels=0)
    assert dict(one.fields)["surname"] < 0 < dict(both.fields)["surname"]
