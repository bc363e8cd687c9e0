"""
Why a pair weighs what it weighs: the contribution of each field, in bits.

A pair does not show its fields, so there is no weight a field to be read off: which passes it
shares depends on all of them together. What a field contributes is its Shapley value: how much
more the pair weighs when it is known how matches agree on this field, instead of taking it to
agree as in random pairs, averaged over all orders in which the fields could be made known. The
contributions add up to the match weight exactly.

Source: specs/scoring-v1.md, section 6.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from pseudolink.score.arrays import Floats
from pseudolink.score.evidence import CROSSED
from pseudolink.score.states import BRANCH, Shares, States

#: What the crosswise reading of the two names contributes.
EXCHANGED = "names exchanged"
_TINY = 1e-300


@dataclass(frozen=True)
class Weights:
    """
    A fitted model, as far as weights need it.

    matches, chance, company: shares of each class of pairs; company is None where there is none.
    pairs: all pairs of records of the two parties. alike: those of company. total: matches.
    """

    states: States
    matches: Shares
    chance: Shares
    company: Shares | None
    pairs: float
    alike: float
    total: float


@dataclass(frozen=True)
class Explanation:
    """
    The weight of one pair in bits, and where it comes from.

    base: what is there before any field (company makes every pair a little less likely).
    fields: name and contribution, in the order of the schema. weight: base and all contributions.
    prior: how rare matches are among all pairs, the other part of the odds.
    """

    base: float
    fields: tuple[tuple[str, float], ...]
    weight: float
    prior: float


def explain(found: Weights, *, tokens: int, fields: int, shared: int, levels: int) -> Explanation:
    """
    Explain the match weight of one pair.

    Args:
        tokens, fields: what both of its rows hold (the view). shared, levels: what it shows.
    """
    states = found.states
    seen = states.seen(tokens, fields)
    at = int(seen.position(np.asarray([shared], dtype=np.uint64), np.asarray([levels]))[0])
    at = seen.nearest(shared, levels) if at < 0 else at
    places = np.flatnonzero(seen.of_kind[states.kind_of] == at)
    names, factors = _factors(found, places)
    values = _values(found, factors)
    count = len(names)
    shares = [factorial(k) * factorial(count - k - 1) / factorial(count) for k in range(count)]
    size = np.bitwise_count(np.arange(1 << count, dtype=np.uint64)).astype(np.int64)
    fields_found = []
    for number, name in enumerate(names):
        without = np.flatnonzero((np.arange(1 << count) >> number & 1) == 0)
        gain = values[without | (1 << number)] - values[without]
        fields_found.append((name, float((np.asarray(shares)[size[without]] * gain).sum())))
    prior = float(np.log2(max(found.total, _TINY) / found.pairs))
    return Explanation(float(values[0]), tuple(fields_found), float(values[-1]), prior)


def _factors(found: Weights, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[list[str], Floats]:
    """
    Players, and (players, 3, k) what each multiplies the probability of each joint state by, among
    matches, random pairs and company.
    """
    states, model = found.states, found.states.model
    classes = (found.matches, found.chance, found.company or found.chance)
    names = [name for name in model.groups if name != CROSSED]
    if CROSSED in model.groups:
        names.append(EXCHANGED)
    factors = np.ones((len(names), 3, len(places)))
    begin = 0
    for index, branch in enumerate(model.branches):
        inside = (places >= begin) & (places < begin + states.sizes[index])
        local = places[inside] - begin
        begin += states.sizes[index]
        shape = [len(model.groups[name].masks) for name in branch.groups]
        for name, state in zip(branch.groups, np.unravel_index(local, shape), strict=True):
            row = names.index(EXCHANGED if name == CROSSED else name)
            for number, shares in enumerate(classes):
                factors[row, number, inside] *= shares[name][state]
        if EXCHANGED in names:
            for number, shares in enumerate(classes):
                factors[names.index(EXCHANGED), number, inside] *= shares[BRANCH][index]
    return names, factors


def _values(found: Weights, factors: Floats) -> Floats:
    """(2^players,) the weight when the players whose bits are set are known, the others as by chance."""
    count = len(factors)
    values = np.empty(1 << count)
    rest = found.alike / found.pairs

    def go(player: int, known: int, match: Floats, company: Floats) -> None:
        if player == count:
            other = chance + rest * float(company.sum())
            values[known] = np.log2(max(float(match.sum()), _TINY)) - np.log2(max(other, _TINY))
            return
        own = factors[player]
        go(player + 1, known, match * own[1], company * own[1])
        go(player + 1, known | 1 << player, match * own[0], company * own[2])

    chance = float(np.prod(factors[:, 1], axis=0).sum())
    ones = np.ones(factors.shape[2])
    go(0, 0, ones, ones)
    return values
