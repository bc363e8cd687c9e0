"""
Fitting one class of pairs over a background: the steps of expectation and maximisation.

A step asks which of the pairs that are seen belong to the class, and adds what the class would
show nothing of. Where nothing that is seen can tell how often a field differs (every pass asks for
it), what is likely of fields that differ in part decides.

Source: specs/scoring-v1.md, section 5.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pseudolink.score.arrays import Floats, summed
from pseudolink.score.blind import Blind
from pseudolink.score.evidence import Group
from pseudolink.score.observe import Counted
from pseudolink.score.states import Shares

_MOST_ITERATIONS = 1_000
_CLOSE = 1e-6
#: Pairs that the prior counts for, in every group: enough that no share becomes zero.
PRIOR_PAIRS = 2.0
#: What the prior of a hidden pair weighs, beside a pair that is seen.
_HIDDEN_WEIGHT = 0.01
TINY = 1e-300

#: From the expected pairs of a class and of everything else, by observation (one array a view),
#: to the expected pairs of the class among the candidates of each observation.
Expect = Callable[["Class", list[Floats], list[Floats]], list[Floats]]


@dataclass(frozen=True)
class Class:
    """
    One kind of pair: its shares and how many pairs of it there are.

    total: expected pairs, seen or not. found: share of them that some pass finds. views: (v,) the
    shares of the views (``Blind``) among its pairs, or None before any step.
    """

    shares: Shares
    total: float
    found: float
    iterations: int = 0
    converged: bool = False
    views: Floats | None = None


def independent(counted: list[Counted]) -> Expect:
    """Each pair judged by itself."""

    def expect(_: Class, mine: list[Floats], rest: list[Floats]) -> list[Floats]:
        return [
            view.counts * own / np.maximum(own + other, TINY)
            for view, own, other in zip(counted, mine, rest, strict=True)
        ]

    return expect


def completed(seen: Floats, hidden: Floats, prior: Floats, group: Group | None) -> Floats:
    """
    Pairs by state, with those that show nothing.

    Of a state that is seen one time in ten there are ten times as many pairs as are seen. Of one
    that is never seen there is no telling: the states without full agreement are taken to be as
    frequent beside one another as the prior says, which is worth a hundredth of a pair seen for
    every pair hidden.

    Args:
        seen, hidden: (s,) pairs of the class by state that show something, and nothing.
        prior: (s,) shares. group: None, or without a state of full agreement, leaves the sum.
    """
    everything = seen + hidden
    if group is None or group.whole is None or len(seen) < 3:
        return everything
    share = hidden / np.maximum(everything, TINY)
    rest = np.arange(len(seen)) != group.whole
    likely = prior[rest] / prior[rest].sum()
    visible = max(float((likely * (1 - share[rest])).sum()), _HIDDEN_WEIGHT)
    guess = everything.copy()
    guess[rest] = seen[rest].sum() / visible * likely
    found: Floats = (seen + _HIDDEN_WEIGHT * share * guess) / (1 - (1 - _HIDDEN_WEIGHT) * share)
    return found


def fit(
    blind: Blind,
    counted: list[Counted],
    background: list[Floats],
    begin: Class,
    prior: Shares,
    expect: Expect,
    *,
    most: float,
    matches: bool = True,
    close: float = _CLOSE,
    iterations: int = _MOST_ITERATIONS,
) -> Class:
    """
    Fit one class of pairs over a background.

    Args:
        blind: what nobody sees of the class.
        background: for every view, expected pairs by observation of everything else.
        begin: where the search begins. most: what the number of pairs cannot exceed.
        matches: the class is that of matches, which agree on most things: what is likely of hidden
            states is known, and views are learned.
    """
    states = blind.states
    less = 0.5 if matches else 0.0
    places = blind.places(np.asarray([view.seen.tokens for view in counted], dtype=np.uint64))
    now = begin
    for iteration in range(1, iterations + 1):
        joint = states.probabilities(now.shares)
        kinds = states.by_kind(joint)
        views = blind.share if now.views is None else now.views
        hidden = blind.hidden(views)
        found = max(1.0 - float((kinds * hidden).sum()), 1e-9)
        held = max(found - float((kinds * blind.uncounted).sum()), 1e-9)
        shown = [view.seen.shares(kinds) for view in counted]
        mine = [now.total * s for s in shown]
        expected = expect(replace(now, found=found), mine, background)
        factor = np.zeros(states.kinds)
        for view, s, e in zip(counted, shown, expected, strict=True):
            factor += (e / np.maximum(s, TINY))[view.seen.of_kind]
        unseen_factor = now.total * (hidden + blind.uncounted)
        seen, unseen = (states.totals(joint * f[states.kind_of]) for f in (factor, unseen_factor))
        shares = {}
        for name, values in seen.items():
            group = states.model.groups.get(name) if matches else None
            pairs = completed(values, unseen[name], prior[name], group)
            pairs = pairs + PRIOR_PAIRS * prior[name]
            shares[name] = pairs / pairs.sum()
        sums = np.asarray([float(e.sum()) for e in expected])
        # Half a pair less (Jeffreys' prior of a count): one doubtful pair is no sign of anybody in both.
        total = min(max(float(sums.sum()) - less, 0.0) / held, most)
        if matches:
            views = blind.learned(summed(places, sums, len(blind.tokens)), now.total, kinds, PRIOR_PAIRS)
        moved = max(float(np.abs(shares[name] - now.shares[name]).max()) for name in shares)
        moved = max(moved, abs(total - now.total) / max(total, 1.0))
        now = Class(shares, total, found, begin.iterations + iteration, moved < close, views)
        if now.converged:
            break
    return now
