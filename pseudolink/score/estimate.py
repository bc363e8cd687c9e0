"""
Expectation and maximisation: how many pairs match, and how often their fields agree.

Agreement by chance (u) stands; the shares of matching pairs (m) and their number are found so
that the candidate pairs become as likely as can be. Only pairs that share a token are seen, so
what a matching pair would show nothing of is added from the model itself: that is how the pairs
that no pass found are counted.

Source: specs/scoring-v1.md, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pseudolink.formats.candidates import Candidates, Presence
from pseudolink.score.arrays import Floats, summed
from pseudolink.score.evidence import Model
from pseudolink.score.exclusive import Alone, Rivals
from pseudolink.score.observe import Counted, count, dropped, gather, unseen
from pseudolink.score.states import Shares, States, chances, priors

_MOST_ITERATIONS = 1_000
_CLOSE = 1e-6
#: Pairs that the prior counts for, in every group: enough that no share becomes zero.
_PRIOR_PAIRS = 10.0
_TINY = 1e-300
#: Messages between competing pairs in one step of the search; the weighing takes more.
_SWEEPS = 20

#: From the expected pairs of a class and of everything else, by observation (one array a view),
#: to the expected pairs of the class among the candidates of each observation.
Expect = Callable[["Class", list[Floats], list[Floats]], list[Floats]]


@dataclass(frozen=True)
class Class:
    """
    One kind of pair: its shares and how many pairs of it there are.

    total: expected pairs, seen or not. found: share of them that some pass finds.
    """

    shares: Shares
    total: float
    found: float
    iterations: int = 0
    converged: bool = False


def _independent(counted: list[Counted]) -> Expect:
    """Each pair judged by itself."""

    def expect(_: Class, mine: list[Floats], rest: list[Floats]) -> list[Floats]:
        return [
            view.counts * own / np.maximum(own + other, _TINY)
            for view, own, other in zip(counted, mine, rest, strict=True)
        ]

    return expect


def _fit(
    states: States,
    counted: list[Counted],
    background: list[Floats],
    hidden: Floats,
    begin: Class,
    prior: Shares,
    expect: Expect,
    *,
    most: float,
    uncounted: Floats,
    close: float = _CLOSE,
    iterations: int = _MOST_ITERATIONS,
) -> Class:
    """
    Fit one class of pairs over a background.

    Args:
        background: for every view, expected pairs by observation of everything else.
        hidden: (j,) share of pairs in which each joint state shows nothing.
        begin: where the search begins. most: what the number of pairs cannot exceed.
        uncounted: (j,) share of pairs in which it shows something that ``counted`` does not hold.
    """
    now = begin
    for iteration in range(1, iterations + 1):
        joint = states.probabilities(now.shares)
        found = max(1.0 - float((joint * hidden).sum()), 1e-9)
        held = max(found - float((joint * uncounted).sum()), 1e-9)
        shown = [summed(view.seen.of_state, joint, len(view.counts)) for view in counted]
        mine = [now.total * s for s in shown]
        expected = expect(replace(now, found=found), mine, background)
        factor = now.total * (hidden + uncounted)
        for view, s, e in zip(counted, shown, expected, strict=True):
            factor = factor + (e / np.maximum(s, _TINY))[view.seen.of_state]
        sums = states.totals(joint * factor)
        shares = {name: values + _PRIOR_PAIRS * prior[name] for name, values in sums.items()}
        shares = {name: values / values.sum() for name, values in shares.items()}
        total = min(sum(float(e.sum()) for e in expected) / held, most)
        moved = max(float(np.abs(shares[name] - now.shares[name]).max()) for name in shares)
        moved = max(moved, abs(total - now.total) / max(total, 1.0))
        now = Class(shares, total, found, begin.iterations + iteration, moved < close)
        if now.converged:
            break
    return now


@dataclass(frozen=True)
class Estimate:
    """
    What is known of two parties' pairs.

    chance: (j,) share of random pairs in each joint state. matches: matching pairs. company:
    pairs alike without matching (households, twins), or None. left_rows, right_rows: rows of each
    party. scale: cross pairs of company per matching pair. hidden: (j,) see ``observe.unseen``.
    """

    states: States
    chance: Floats
    matches: Class
    company: Class | None
    left_rows: int
    right_rows: int
    scale: float

    def other(self, by_chance: Floats, by_company: Floats) -> Floats:
        """Expected number of pairs that do not match, by observation."""
        pairs = self.left_rows * self.right_rows * by_chance
        return pairs + self.scale * self.matches.total * by_company


def _company(states: States, chance: Floats, parties: list[tuple[Candidates, Presence]]) -> Class | None:
    """
    Pairs of one party that are alike more than chance makes them: families, twins, neighbours.

    A de-duplicated extract holds no match of itself, so its company shows what records that do
    not match look like when they are not independent.
    """
    counted: list[Counted] = []
    background: list[Floats] = []
    hidden = np.zeros(len(states))
    rows = sum(p.records for _, p in parties)
    uncounted = np.zeros(len(states))
    for pairs, presence in parties:
        n = presence.records
        gathered = gather(pairs, presence, presence)
        views = count(states, pairs, gathered)
        for view in views:
            shown = summed(view.seen.of_state, chance, len(view.counts))
            background.append(n * (n - 1) / 2 * shown)
        counted.extend(views)
        share = n / max(rows, 1)
        hidden += share * unseen(states, presence, presence)
        uncounted += share * dropped(states, gathered, len(views), presence, presence)
    seen = sum(float(view.counts.sum()) for view in counted)
    if not seen:
        return None
    begin, u = priors(states.model), chances(states.model)
    start = {name: 0.5 * begin[name] + 0.5 * u[name] for name in begin}
    expect = _independent(counted)
    first = Class(start, seen, 1.0)
    return _fit(
        states,
        counted,
        background,
        hidden,
        first,
        start,
        expect,
        most=float(rows),
        uncounted=uncounted,
        close=1e-4,
    )


def alone(states: States, matches: Class, left: Presence, right: Presence) -> Alone:
    """For every record, the probability that it has no match that some pass finds."""
    return Alone(*(lonely(states, matches, one, one.records) for one in (left, right)))


def lonely(states: States, matches: Class, presence: Presence, rows: int) -> Floats:
    """
    (n,) the probability that each record has no match that some pass finds.

    Args:
        rows: records of the party, of which ``matches`` match.
    """
    joint = states.probabilities(matches.shares)
    tokens, inverse, counts = np.unique(presence.tokens, return_inverse=True, return_counts=True)
    found = np.asarray([joint[(states.masks & t) != 0].sum() for t in tokens])
    mean = float((found * counts).sum()) / max(len(presence.tokens), 1)
    # Scaled so that the mean is the share found when both sides lack what they lack.
    scaled = np.minimum(found * matches.found / max(mean, 1e-9), 1.0)
    matched = min(matches.total / max(rows, 1), 1.0)
    never: Floats = np.maximum(1.0 - matched * scaled, 1e-3)[inverse]
    return never


def estimate(
    model: Model,
    pairs: Candidates,
    left: tuple[Candidates, Presence],
    right: tuple[Candidates, Presence],
) -> Estimate:
    """
    Fit the model of two parties.

    Args:
        pairs: candidate pairs between them.
        left, right: each party's company (pairs within it) and what its rows hold.
    """
    states = States(model)
    chance = states.probabilities(chances(model))
    a, b = left[1], right[1]
    rows = a.records, b.records
    company = _company(states, chance, [left, right])
    # A record with c others alike in its own extract meets c times the overlap of them in the other.
    scale = 2 * company.total / sum(rows) if company else 0.0
    views = gather(pairs, a, b)
    counted = count(states, pairs, views)
    hidden = unseen(states, a, b)
    alike = states.probabilities(company.shares) if company else np.zeros(len(states))
    most = float(min(rows))
    prior = priors(model)
    fitted = Class(prior, 0.8 * most, 1.0)
    if not counted:
        return Estimate(states, chance, Class(prior, 0.0, 1.0, 0, True), company, *rows, scale)

    def background(matches: float) -> list[Floats]:
        found = []
        for view in counted:
            size = len(view.counts)
            by_chance = summed(view.seen.of_state, chance, size)
            by_company = summed(view.seen.of_state, alike, size)
            found.append(rows[0] * rows[1] * by_chance + scale * matches * by_company)
        return found

    rivals = Rivals(pairs.left, pairs.right)

    def competing(matches: Class, mine: list[Floats], rest: list[Floats]) -> list[Floats]:
        """Pairs that compete for a record judged together."""
        odds = np.zeros(len(pairs))
        for view, counts, own, other in zip(views, counted, mine, rest, strict=False):
            odds[view.pairs] = (own / np.maximum(other, _TINY))[counts.at]
        probability = rivals.probability(odds, alone(states, matches, a, b), sweeps=_SWEEPS)
        return [
            summed(counts.at, probability[view.pairs], len(counts.counts))
            for view, counts in zip(views, counted, strict=False)
        ]

    uncounted = dropped(states, views, len(counted), a, b)
    rest = background(fitted.total)
    fitted = _fit(
        states,
        counted,
        rest,
        hidden,
        fitted,
        prior,
        _independent(counted),
        most=most,
        uncounted=uncounted,
        close=1e-3,
    )
    for _ in range(3):  # the background holds the number of matches, through company
        rest = background(fitted.total)
        fitted = _fit(
            states,
            counted,
            rest,
            hidden,
            fitted,
            prior,
            competing,
            most=most,
            uncounted=uncounted,
            iterations=60,
            close=1e-5,
        )
    return Estimate(states, chance, fitted, company, *rows, scale)
