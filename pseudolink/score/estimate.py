"""
Expectation and maximisation: how many pairs match, and how often their fields agree.

Agreement by chance (u) stands; the shares of matching pairs (m) and their number are found so
that the candidate pairs become as likely as can be. Only pairs that share a token are seen, so
what a matching pair would show nothing of is added from the model itself: that is how the pairs
that no pass found are counted.

Source: specs/scoring-v1.md, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pseudolink.formats.candidates import Candidates, Presence
from pseudolink.score.arrays import Floats, summed
from pseudolink.score.blind import Blind, Findable, mixed
from pseudolink.score.evidence import Model
from pseudolink.score.exclusive import Alone, Rivals
from pseudolink.score.fit import TINY, Class, fit, independent
from pseudolink.score.observe import Counted, View, blind_of, count, gather
from pseudolink.score.states import States, chances, priors

#: Messages between competing pairs in one step of the search; the weighing takes more.
_SWEEPS = 20


@dataclass(frozen=True)
class Estimate:
    """
    What is known of two parties' pairs.

    chance: (j,) share of random pairs in each joint state. matches: matching pairs. company:
    pairs alike without matching (households, twins), or None. left_rows, right_rows: rows of each
    party. alike: cross pairs of company. layout: the pairs as the search had them.
    """

    states: States
    chance: Floats
    matches: Class
    company: Class | None
    left_rows: int
    right_rows: int
    alike: float
    layout: Fitting | None = field(default=None, repr=False, compare=False)

    def other(self, by_chance: Floats, by_company: Floats) -> Floats:
        """Expected number of pairs that do not match, by observation."""
        pairs = self.left_rows * self.right_rows * by_chance
        return pairs + self.alike * by_company


def _company(
    states: States,
    chance: Floats,
    parties: list[tuple[Candidates, Presence]],
    seen_in: Sequence[Presence],
) -> Class | None:
    """
    Pairs of one party that are alike more than chance makes them: families, twins, neighbours.

    A de-duplicated extract holds no match of itself, so its company shows what records that do
    not match look like when they are not independent.

    Args:
        parties: pairs of each, and what its rows hold. seen_in: what the rows of those pairs hold.
    """
    counted: list[Counted] = []
    background: list[Floats] = []
    parts: list[tuple[float, Blind]] = []
    rows = sum(p.records for _, p in parties)
    for (pairs, presence), rows_of_pairs in zip(parties, seen_in, strict=True):
        n = presence.records
        gathered = gather(pairs, rows_of_pairs, rows_of_pairs)
        views = count(states, pairs, gathered)
        for view in views:
            background.append(n * (n - 1) / 2 * view.seen.shares(states.by_kind(chance)))
        counted.extend(views)
        parts.append((n / max(rows, 1), blind_of(states, gathered, len(views), presence, presence)))
    seen = sum(float(view.counts.sum()) for view in counted)
    if not seen:
        return None
    begin, u = priors(states.model), chances(states.model)
    start = {name: 0.5 * begin[name] + 0.5 * u[name] for name in begin}
    first = Class(start, seen, 1.0)
    return fit(
        mixed(parts),
        counted,
        background,
        first,
        start,
        independent(counted),
        most=float(rows),
        matches=False,
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
    return Findable(states, presence).never(joint, matches.found, matches.total / max(rows, 1))


class Fitting:
    """Two parties laid out for the search: views, what they show, who competes with whom."""

    def __init__(
        self, states: States, pairs: Candidates, left: Presence, right: Presence, other: Floats
    ) -> None:
        self.states, self.pairs = states, pairs
        self.rows = left.records, right.records
        self.views: list[View] = gather(pairs, left, right)
        self.counted = count(states, pairs, self.views)
        self.blind = blind_of(states, self.views, len(self.counted), left, right)
        self._rivals = Rivals(pairs.left, pairs.right)
        self._findable = Findable(states, left), Findable(states, right)
        #: Pairs that do not match, by view and observation.
        self.background = [view.seen.shares(states.by_kind(other)) for view in self.counted]

    def spread(self, by_observation: list[Floats], missing: float = 0.0) -> Floats:
        """(k,) what each candidate pair has by its view and observation."""
        found = np.full(len(self.pairs), missing)
        for view, counts, values in zip(self.views, self.counted, by_observation, strict=False):
            found[view.pairs] = values[counts.at]
        return found

    def gathered(self, by_pair: Floats) -> list[Floats]:
        """The sums of what pairs have, by view and observation: the inverse direction."""
        return [
            summed(counts.at, by_pair[view.pairs], len(counts.counts))
            for view, counts in zip(self.views, self.counted, strict=False)
        ]

    def competing(self, matches: Class, mine: list[Floats], rest: list[Floats]) -> list[Floats]:
        """Pairs that compete for a record judged together."""
        odds = self.spread([own / np.maximum(other, TINY) for own, other in zip(mine, rest, strict=True)])
        joint = self.states.probabilities(matches.shares)
        never = Alone(
            *(
                one.never(joint, matches.found, matches.total / max(rows, 1))
                for one, rows in zip(self._findable, self.rows, strict=True)
            )
        )
        return self.gathered(self._rivals.probability(odds, never, sweeps=_SWEEPS))


def estimate(
    model: Model,
    pairs: Candidates,
    left: tuple[Candidates, Presence],
    right: tuple[Candidates, Presence],
    alike: Sequence[tuple[Candidates, Presence]] | None = None,
) -> Estimate:
    """
    Fit the model of two parties.

    Args:
        pairs: candidate pairs between them.
        left, right: each party's company (pairs within it) and what its rows hold.
        alike: company of each, and what the rows of it hold, where these are not rows of the party.
    """
    states = States(model)
    chance = states.probabilities(chances(model))
    rows = left[1].records, right[1].records
    seen_in = [held for _, held in alike or (left, right)]
    company = _company(states, chance, [left, right], seen_in)
    # Two samples of one population: pairs alike within each, with n²/2 pairs, and across, with n₁n₂.
    across = 2 * company.total * rows[0] * rows[1] / (rows[0] ** 2 + rows[1] ** 2) if company else 0.0
    other = rows[0] * rows[1] * chance
    if company:
        other = other + across * states.probabilities(company.shares)
    layout = Fitting(states, pairs, left[1], right[1], other)
    most = float(min(rows))
    prior = priors(model)
    if not layout.counted:
        return Estimate(states, chance, Class(prior, 0.0, 1.0, 0, True), company, *rows, across)
    fitted = Class(prior, 0.8 * most, 1.0)
    steps = [(independent(layout.counted), 1e-3, 1000), (layout.competing, 1e-5, 180)]
    for expect, close, iterations in steps:
        fitted = fit(
            layout.blind,
            layout.counted,
            layout.background,
            fitted,
            prior,
            expect,
            most=most,
            close=close,
            iterations=iterations,
        )
    return Estimate(states, chance, fitted, company, *rows, across, layout)
