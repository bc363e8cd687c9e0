"""scoring-v1 sections 4 and 5: from pairs drawn from a known model back to the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference_linkage import Drawn, draw, schema_of, statistics_of

from pseudolink.formats.candidates import Candidates, Presence
from pseudolink.score import evidence, observe
from pseudolink.score import fit as fitting
from pseudolink.score.estimate import Estimate, alone, estimate, lonely
from pseudolink.score.states import BRANCH, Shares, States, chances, priors

AGREE = {"forename": 0.005, "surname": 0.002, "dob": 0.00005, "postcode": 0.001, "sex": 0.5}
SCHEMA = schema_of(
    [
        ["dob", "sex", "surname.soundex"],
        ["dob", "forename"],
        ["surname", "forename", "dob.year"],
        ["postcode", "dob.year_month"],
        ["postcode", "forename.initial", "surname"],
        ["names.sorted", "dob.month_day"],
        ["postcode", "sex", "dob.day", "surname.soundex"],
    ]
)
ROWS = (2000, 2500)
MATCHES = 1500


def model_of(schema: Any = SCHEMA) -> evidence.Model:
    one = statistics_of(schema, AGREE)
    return evidence.build(schema, [one, one])


def truth(states: States, *, full: float = 0.82, none: float = 0.12) -> Shares:
    """Shares of matching pairs: mostly full agreement, sometimes none, a little of each state between."""
    shares = {}
    for name, group in states.model.groups.items():
        passes = np.bitwise_count(group.masks)
        share = np.full(len(passes), (1 - full - none) / max(len(passes) - 2, 1))
        share[np.argmax(passes)] = 0.99 if name == "sex" else full
        share[np.argmin(passes)] = 0.01 if name == "sex" else none
        shares[name] = share / share.sum()
    shares[BRANCH] = np.asarray([0.985, 0.015])
    return shares


def drawn(seed: int, *, missing: float = 0.0, shares: Shares | None = None) -> tuple[Drawn, States]:
    states = States(model_of())
    joint = states.probabilities(shares or truth(states))
    chance = states.probabilities(chances(states.model))
    return draw(states, len(SCHEMA.passes), chance, joint, ROWS, MATCHES, seed, missing=missing), states


def fitted(some: Drawn) -> Estimate:
    return estimate(model_of(), some.pairs, (some.nobody, some.left), (some.nobody, some.right))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_number_of_matches_includes_those_that_no_pass_found(seed: int, missing: float) -> None:
    some, _ = drawn(seed, missing=missing)
    seen = int(some.same.sum())
    assert seen < 0.96 * MATCHES, "some matches share no token at all"
    found = fitted(some).matches
    assert found.converged
    assert found.total == pytest.approx(MATCHES, rel=0.03)
    assert found.total > seen
    assert found.found == pytest.approx(seen / MATCHES, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_the_shares_of_matching_pairs_are_found(seed: int) -> None:
    """0.03 is four times the sampling error of a share of 0.8 among 1,500 pairs, roughly."""
    some, states = drawn(seed)
    found = fitted(some).matches.shares
    for name, share in truth(states).items():
        np.testing.assert_allclose(found[name], share, atol=0.04, err_msg=name)


def test_worse_data_are_found_to_be_worse() -> None:
    """The m of a field that matching pairs often disagree on must not stay at where the search began."""
    states = States(model_of())
    shares = dict(truth(states))
    dob = states.model.groups["dob"]
    share = np.full(len(dob.masks), 0.04)
    share[np.argmax(np.bitwise_count(dob.masks))] = 0.5
    share[np.argmin(np.bitwise_count(dob.masks))] = 0.3
    shares["dob"] = share / share.sum()
    some, _ = drawn(7, shares=shares)
    found = fitted(some).matches
    np.testing.assert_allclose(found.shares["dob"], shares["dob"], atol=0.06)
    assert found.total == pytest.approx(MATCHES, rel=0.06)


def test_chance_stands_fixed() -> None:
    some, states = drawn(1)
    expected = states.probabilities(chances(states.model))
    np.testing.assert_array_equal(fitted(some).chance, expected)


def test_shares_stay_shares_and_none_becomes_zero() -> None:
    some, _ = drawn(2)
    for share in fitted(some).matches.shares.values():
        assert share.sum() == pytest.approx(1.0)
        assert (share > 0).all()


def test_parties_with_nobody_in_common_have_few_expected_matches() -> None:
    states = States(model_of())
    chance = states.probabilities(chances(states.model))
    some = draw(states, len(SCHEMA.passes), chance, chance, ROWS, 0, 3)
    assert len(some.pairs) > 0, "pairs by chance alone"
    assert fitted(some).matches.total < 0.01 * min(ROWS)


def test_parties_without_any_candidate_pair_have_no_match() -> None:
    some, _ = drawn(1)
    found = estimate(model_of(), some.nobody, (some.nobody, some.left), (some.nobody, some.right))
    assert (found.matches.total, found.matches.converged, found.company) == (0.0, True, None)


def test_the_number_of_matches_cannot_exceed_the_smaller_party() -> None:
    states = States(model_of())
    chance = states.probabilities(chances(states.model))
    joint = states.probabilities(truth(states))
    some = draw(states, len(SCHEMA.passes), chance, joint, (300, 4000), 300, 5)
    assert fitted(some).matches.total <= 300.0


def permuted(some: Drawn, seed: int) -> Drawn:
    """The same parties with their rows in another order."""
    generator = np.random.default_rng(seed)
    a, b = (generator.permutation(n) for n in ROWS)
    left, right = np.argsort(a)[some.pairs.left], np.argsort(b)[some.pairs.right]
    order = np.lexsort((right, left))
    pairs = Candidates(left[order], right[order], some.pairs.shared[order], some.pairs.levels[order])
    sides = [Presence(s.tokens[p], s.fields[p]) for s, p in ((some.left, a), (some.right, b))]
    return Drawn(pairs, sides[0], sides[1], some.same[order], some.matches)


def test_the_order_of_the_rows_changes_nothing() -> None:
    some, _ = drawn(4, missing=0.2)
    first, second = fitted(some).matches, fitted(permuted(some, 9)).matches
    assert second.total == pytest.approx(first.total, rel=1e-9)
    for name, share in first.shares.items():
        np.testing.assert_allclose(second.shares[name], share, atol=1e-9)


def test_views_beyond_the_bound_on_memory_are_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the largest view alone in memory, the matches of the others must still be counted."""
    some, states = drawn(3, missing=0.3)
    assert len(observe.gather(some.pairs, some.left, some.right)) == 4 - 2
    whole = fitted(some).matches.total
    monkeypatch.setattr(observe, "_MOST_KEPT", states.kinds)
    assert fitted(some).matches.total == pytest.approx(whole, rel=0.05)


# ---------------------------------------------------------------- company


def twins(count: int, states: States, rows: int) -> Candidates:
    """Pairs of one party that agree on surname, date of birth, postcode and sex, not on the forename."""
    first = np.arange(0, 2 * count, 2)
    shared = sum(
        1 << n
        for n, p in enumerate(SCHEMA.passes)
        if not any("name" in c.split(".")[0] and c.split(".")[0] != "surname" for c in p.on)
    )
    assert rows >= 2 * count
    return Candidates(
        first, first + 1, np.full(count, shared, dtype=np.uint64), np.zeros(count, dtype=np.int64)
    )


def with_twins(some: Drawn, states: States) -> tuple[Drawn, Candidates, Candidates, Any]:
    """Rows 0 and 1, 2 and 3, … are twins in both parties: each meets the other's twin as well."""
    mine = twins(100, states, ROWS[0])
    a = np.concatenate([mine.left, mine.right])
    b = np.concatenate([mine.right, mine.left])
    key = some.pairs.left * ROWS[1] + some.pairs.right
    fresh = ~np.isin(a * ROWS[1] + b, key)
    a, b = a[fresh], b[fresh]
    shared = np.concatenate([some.pairs.shared, np.full(len(a), mine.shared[0], dtype=np.uint64)])
    left, right = np.concatenate([some.pairs.left, a]), np.concatenate([some.pairs.right, b])
    levels = np.zeros(len(left), dtype=np.int64)
    same = np.concatenate([some.same, np.zeros(len(a), dtype=bool)])
    order = np.lexsort((right, left))
    pairs = Candidates(left[order], right[order], shared[order], levels[order])
    return Drawn(pairs, some.left, some.right, same[order], some.matches), mine, mine, order >= len(key)


def test_company_is_fitted_to_what_families_and_twins_look_like() -> None:
    some, states = drawn(6)
    both, mine, theirs, _ = with_twins(some, states)
    found = estimate(model_of(), both.pairs, (mine, both.left), (theirs, both.right))
    assert found.company is not None
    surname, forename = states.model.groups["surname"], states.model.groups["forename"]
    # Pass 0 asks for the Soundex of the surname; nothing that twins show tells of more.
    alike = found.company.shares["surname"][(surname.masks & np.uint64(1)) != 0].sum()
    other = found.company.shares["forename"][np.argmin(np.bitwise_count(forename.masks))]
    assert alike > 0.8
    assert other > 0.8
    # How many are alike without showing it, nobody can tell; those that show it number 200.
    assert found.company.total * found.company.found == pytest.approx(200, rel=0.05)
    a, b = ROWS
    assert found.alike == pytest.approx(2 * found.company.total * a * b / (a**2 + b**2))


def test_pairs_that_look_like_twins_weigh_less_where_twins_are_known() -> None:
    """Twins share all but the forename; without company every one of them would look like a match."""
    some, states = drawn(6)
    both, mine, theirs, _ = with_twins(some, states)
    knowing = estimate(model_of(), both.pairs, (mine, both.left), (theirs, both.right))
    ignorant = fitted(both)
    seen = states.seen((1 << len(SCHEMA.passes)) - 1, 0)
    at = seen.position(mine.shared[:1], mine.levels[:1])

    def odds(found: Estimate) -> float:
        def share(joint: Any) -> Any:
            return seen.shares(states.by_kind(joint))[at]

        alike = states.probabilities(found.company.shares) if found.company else np.zeros(len(states))
        match = found.matches.total * share(states.probabilities(found.matches.shares))
        return float(match[0] / found.other(share(found.chance), share(alike))[0])

    assert odds(knowing) < odds(ignorant) / 3


def test_a_party_whose_records_stand_alone_has_no_company() -> None:
    some, _ = drawn(1)
    found = fitted(some)
    assert found.company is None
    assert found.alike == 0.0


# ---------------------------------------------------------------- what no pass finds


def test_what_is_hidden_is_what_shows_nothing_under_the_tokens_of_random_pairs() -> None:
    states = States(model_of())
    tokens = [np.asarray(t, dtype=np.uint64) for t in ([127, 127, 1], [127, 6])]
    sides = [Presence(t, np.zeros(len(t), dtype=np.int64)) for t in tokens]
    expected = np.mean(
        [[(states.masks & np.uint64(a & b)) == 0 for b in tokens[1].tolist()] for a in tokens[0].tolist()],
        axis=(0, 1),
    )
    found = observe.blind_of(states, [], 0, *sides)
    np.testing.assert_allclose(found.hidden(found.share)[states.kind_of], expected)


def test_a_record_without_tokens_has_no_match_that_a_pass_finds() -> None:
    some, states = drawn(1)
    tokens = some.left.tokens.copy()
    tokens[0] = 0
    matches = fitted(some).matches
    sides = alone(states, matches, Presence(tokens, some.left.fields), some.right)
    assert sides.left[0] == pytest.approx(1.0)
    assert sides.left[1] == pytest.approx(1 - MATCHES / ROWS[0] * 0.94, abs=0.03)
    assert sides.right[0] == pytest.approx(1 - MATCHES / ROWS[1] * 0.94, abs=0.03)


def test_the_mean_share_without_a_findable_match_fits_the_number_of_matches() -> None:
    some, states = drawn(2, missing=0.3)
    matches = fitted(some).matches
    never = lonely(states, matches, some.left, ROWS[0])
    assert never.mean() == pytest.approx(1 - matches.total * matches.found / ROWS[0], abs=0.02)
    whole = some.left.tokens == some.left.tokens.max()
    assert never[whole].mean() < never[~whole].mean(), "fewer tokens, fewer ways to be found"


def test_views_hold_every_pair_once_the_largest_first() -> None:
    some, _ = drawn(5, missing=0.3)
    views = observe.gather(some.pairs, some.left, some.right)
    at = np.concatenate([v.pairs for v in views])
    assert sorted(at.tolist()) == list(range(len(some.pairs)))
    sizes = [len(v.pairs) for v in views]
    assert sizes == sorted(sizes, reverse=True)
    for view in views:
        held = some.left.tokens[some.pairs.left[view.pairs]] & some.right.tokens[some.pairs.right[view.pairs]]
        assert set(held.tolist()) == {view.tokens}


def test_counts_of_a_view_are_its_pairs_by_what_they_show() -> None:
    some, states = drawn(5)
    views = observe.gather(some.pairs, some.left, some.right)
    for view, counted in zip(views, observe.count(states, some.pairs, views), strict=True):
        assert counted.counts.sum() == len(view.pairs)
        np.testing.assert_array_equal(counted.seen.shared[counted.at], some.pairs.shared[view.pairs])


def test_an_impossible_pair_stops_nothing() -> None:
    """Filters that collide, or a custodian's mistake: the pair counts as the nearest thing possible."""
    some, states = drawn(1)
    full = (1 << len(SCHEMA.passes)) - 1
    shared = some.pairs.shared.copy()
    shared[0] = np.uint64(0b0000100 | 0b0001000)
    seen = states.seen(full, 0)
    assert seen.position(shared[:1], some.pairs.levels[:1]).tolist() == [-1]
    odd = Candidates(some.pairs.left, some.pairs.right, shared, some.pairs.levels)
    found = estimate(model_of(), odd, (some.nobody, some.left), (some.nobody, some.right))
    assert found.matches.total == pytest.approx(fitted(some).matches.total, rel=0.01)


def test_priors_begin_mostly_with_full_agreement() -> None:
    states = States(model_of())
    for name, share in priors(states.model).items():
        if name not in (BRANCH, "crossed"):
            group = states.model.groups[name]
            assert share[np.argmax(np.bitwise_count(group.masks))] >= 0.75


def test_the_search_stops_and_says_so_when_it_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    some, states = drawn(1)
    views = observe.gather(some.pairs, some.left, some.right)
    counted = observe.count(states, some.pairs, views)
    start = priors(states.model)
    begin = fitting.Class(start, 100.0, 1.0)
    blind = observe.blind_of(states, views, len(counted), some.left, some.right)
    background = [np.full(len(v.counts), 1e-3) for v in counted]
    once = fitting.fit(
        blind, counted, background, begin, start, fitting.independent(counted), most=2000.0, iterations=1
    )
    assert (once.iterations, once.converged) == (1, False)
