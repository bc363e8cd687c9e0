"""resolution-v1 section 6: records of several parties that are one person."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudolink.errors import LinkageError
from pseudolink.resolve.clusters import Link, cluster

# Records 0-2 are of party 0, 3-5 of party 1, 6-8 of party 2.
PARTY = [n // 3 for n in range(9)]
Found = tuple[list[tuple[int, ...]], int, int]


def run(
    links: Iterable[tuple[int, int, float]],
    *,
    least: float = 0.5,
    party: list[int] = PARTY,
    known: Iterable[tuple[int, int]] = (),
    **rules: Any,
) -> Found:
    listed = [Link(a, b, p, 10 * p) for a, b, p in links]
    listed += [Link(a, b, 0.0, 0.0, known=True) for a, b in known]
    found = cluster(party, listed, least=lambda *_: least, **rules)
    return found.members, len(found.ambiguous), len(found.contradicted)


def by_the_letter(
    links: list[tuple[int, int, float]], least: float, against: set[tuple[int, int]], apart: set[Any]
) -> Found:
    """Section 6 in sets, without any cleverness: paths are told one by one."""
    clusters: list[set[int]] = [{n} for n in range(9)]
    closed: dict[int, set[int]] = {n: set() for n in range(9)}
    used: list[tuple[int, int, float]] = []
    ambiguous = contradicted = 0

    def home(record: int) -> set[int]:
        return next(c for c in clusters if record in c)

    def bond(a: int, b: int, edges: list[tuple[int, int, float]]) -> float:
        best = 0.0

        def walk(at: int, seen: frozenset[int], value: float) -> None:
            nonlocal best
            if at == b:
                best = max(best, value)
                return
            for x, y, p in edges:
                for here, there in ((x, y), (y, x)):
                    if here == at and there not in seen:
                        walk(there, seen | {there}, value * p)

        walk(a, frozenset({a}), 1.0)
        return best

    def shut(cluster_: set[int]) -> set[int]:
        return set().union(*(closed[r] for r in cluster_))

    for level in sorted({p for _, _, p in links}, reverse=True):
        group = [one for one in links if one[2] == level and home(one[0]) is not home(one[1])]
        bundles: list[tuple[list[set[int]], list[tuple[int, int, float]]]] = []
        for one in group:
            here = [home(one[0]), home(one[1])]
            lines = [one]
            rest = []
            for homes, listed in bundles:
                if any(h is k for h in homes for k in here):
                    here += [h for h in homes if not any(h is k for k in here)]
                    lines += listed
                else:
                    rest.append((homes, listed))
            bundles = [*rest, (here, lines)]
        for homes, lines in bundles:
            ok = True
            edges = used + lines
            for one, other in combinations(homes, 2):
                for a in one:
                    for b in other:
                        pair = (min(a, b), max(a, b))
                        ok &= PARTY[a] != PARTY[b] and pair not in apart and pair not in against
                        inside = [e for e in edges if any(e[0] in h for h in homes)]
                        if 0 in (PARTY[a], PARTY[b]) or not any(PARTY[r] == 0 for h in homes for r in h):
                            ok &= bond(a, b, inside) >= least - 1e-9
                        ok &= PARTY[b] not in shut(one) and PARTY[a] not in shut(other)
            if ok:
                used += lines
                clusters = [c for c in clusters if not any(c is h for h in homes)] + [set().union(*homes)]
            elif len(lines) == 1:
                contradicted += 1
            else:
                ambiguous += len(lines)
                for a, b, _ in lines:
                    closed[a].add(PARTY[b])
                    closed[b].add(PARTY[a])
    members = sorted(tuple(sorted(c)) for c in clusters if len(c) > 1)
    return members, ambiguous, contradicted


@st.composite
def linked(draw: st.DrawFn) -> list[tuple[int, int, float]]:
    """Links that are one to one between each two parties, as sections 1 and 2 leave them."""
    found = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        order = draw(st.permutations(range(3)))
        for left, right in zip(range(3), order, strict=True):
            if draw(st.booleans()):
                chance = draw(st.sampled_from([0.55, 0.7, 0.8, 0.9, 1.0]))
                found.append((3 * a + left, 3 * b + right, chance))
    return found


PAIRS = st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda p: p[0] < p[1]), max_size=3)


@settings(max_examples=300, deadline=None)
@given(linked(), st.sampled_from([0.5, 0.6, 0.75]), PAIRS, PAIRS)
def test_clusters_are_those_of_the_rule(links: Any, least: float, against: Any, apart: Any) -> None:
    links = [one for one in links if one[2] >= least]
    expected = by_the_letter(links, least, against, apart)
    assert expected == run(links, least=least, against=against, apart=apart)


@settings(max_examples=150, deadline=None)
@given(linked(), st.randoms(use_true_random=False))
def test_the_order_of_rows_links_and_parties_never_decides(links: Any, random: Any) -> None:
    expected = run(links)
    names = list(range(9))
    random.shuffle(names)
    party = [0] * 9
    for old, new in enumerate(names):
        party[new] = 2 - PARTY[old]
    again = [(names[b], names[a], p) for a, b, p in links]
    random.shuffle(again)
    members, *counts = run(again, party=party, cohort=2)
    back = sorted(tuple(sorted(names.index(r) for r in one)) for one in members)
    assert (expected[0], list(expected[1:])) == (back, counts)


@settings(max_examples=150, deadline=None)
@given(linked(), PAIRS)
def test_no_person_has_two_records_of_a_party_or_two_that_are_kept_apart(links: Any, apart: Any) -> None:
    for one in run(links, apart=apart)[0]:
        assert len({PARTY[r] for r in one}) == len(one)
        assert not any(pair in apart for pair in combinations(one, 2))


def test_a_third_party_carries_a_link_that_two_parties_do_not_see() -> None:
    assert run([(0, 3, 0.99), (3, 6, 0.98)]) == ([(0, 3, 6)], 0, 0)


def test_a_chain_of_doubtful_links_makes_no_person() -> None:
    """0.65 and 0.6 are links; what they say of the two ends together is 0.39."""
    assert run([(0, 3, 0.65), (3, 6, 0.6)]) == ([(0, 3)], 0, 1)


def test_two_links_of_a_person_of_the_cohort_stand_each_on_its_own() -> None:
    assert run([(0, 3, 0.65), (0, 6, 0.6)]) == ([(0, 3, 6)], 0, 0)


def test_direct_evidence_against_a_pair_outweighs_a_chain() -> None:
    assert run([(0, 3, 0.99), (3, 6, 0.98)], against=[(6, 0)]) == ([(0, 3)], 0, 1)


def test_the_stronger_of_two_claims_on_a_record_stands() -> None:
    assert run([(0, 6, 0.6), (3, 6, 0.9), (1, 3, 0.95)]) == ([(1, 3, 6)], 0, 1)


def test_equal_claims_are_ambiguous_and_nothing_slips_in_below() -> None:
    links = [(0, 3, 1.0), (1, 4, 1.0), (3, 6, 0.9), (4, 6, 0.9), (0, 6, 0.7)]
    assert run(links) == ([(0, 3), (1, 4)], 2, 1)


def test_an_adopted_childs_records_are_joined_by_nothing() -> None:
    """Neither directly nor over a third party's record."""
    links = [(0, 3, 1.0), (3, 6, 0.9), (1, 6, 0.8)]
    assert run(links, apart=[(0, 6)]) == ([(0, 3), (1, 6)], 0, 1)
    assert run([(0, 3, 1.0), (0, 6, 1.0), (3, 6, 1.0)], apart=[(3, 6)])[0] == []


def test_what_reviewers_know_comes_first() -> None:
    assert run([(0, 3, 0.9), (1, 3, 0.0)], known=[(1, 3)])[0] == [(1, 3)]


def test_labels_that_contradict_a_do_not_link_list_are_refused() -> None:
    with pytest.raises(LinkageError, match="contradict"):
        run([], known=[(0, 3), (3, 6)], apart=[(0, 6)])
    with pytest.raises(LinkageError, match="2 pairs"):
        run([], known=[(0, 3), (1, 3)])


def test_duplicates_are_grouped_up_to_the_cap() -> None:
    party = [0] * 5
    links = [(0, 1, 0.99), (1, 2, 0.98), (3, 4, 0.97)]
    assert run(links, party=party, repeated=True, cohort=None)[0] == [(0, 1, 2), (3, 4)]
    found = cluster(
        party, [Link(a, b, p, p) for a, b, p in links], least=lambda *_: 0.5, repeated=True, cap=2
    )
    assert (found.members, len(found.capped)) == ([(0, 1), (3, 4)], 1)


def test_nothing_linked_is_nobody() -> None:
    assert run([]) == ([], 0, 0)
