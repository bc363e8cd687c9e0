"""
How far the expected quality could be off: a bootstrap over blocks of candidate pairs.

Pairs that hang together by a record (a block) are drawn together, with replacement. Each draw is
fitted anew from where the estimate stands; which links are right is drawn by their probabilities,
and what nothing shows of a field is drawn from its prior. So an interval holds three kinds of doubt:
of the estimate, of chance, and of what the passes hide. It does not hold the doubt whether the
model is right.

Source: specs/scoring-v1.md, section 7.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pseudolink.formats.candidates import Candidates, Scored
from pseudolink.score.arrays import Floats, Ints
from pseudolink.score.estimate import Estimate
from pseudolink.score.fit import TINY, Class, fit
from pseudolink.score.quality import Curve
from pseudolink.score.states import Shares, priors

#: Draws, and their seed. An experiment: nothing here protects anybody.
DRAWS = 50
SEED = 2011
#: Steps of the search in each draw, from the estimate of all pairs.
_STEPS = 2
_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True)
class Band:
    """
    95 % intervals at the thresholds of a curve, and of the number of matches.

    precision, recall, f1: (c, 2) float64, lower and upper bound. matches: the same of the number.
    """

    precision: Floats
    recall: Floats
    f1: Floats
    matches: tuple[float, float]

    def at(self, threshold: float, curve: Curve) -> tuple[Floats, Floats, Floats]:
        """(2,) bounds of precision, recall and F1 of the links at or above a threshold."""
        reached = np.flatnonzero(curve.threshold >= threshold)
        if not len(reached):
            return np.ones(2), np.zeros(2), np.zeros(2)
        last = reached[-1]
        return self.precision[last], self.recall[last], self.f1[last]


def blocks(pairs: Candidates) -> Ints:
    """(k,) the block of every candidate pair: pairs that hang together by records."""
    if not len(pairs):
        return np.zeros(0, dtype=np.int64)
    lefts = int(pairs.left.max()) + 1
    size = lefts + int(pairs.right.max()) + 1
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_array((ones, (pairs.left, pairs.right + lefts)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    _, of_pair = np.unique(label[pairs.left], return_inverse=True)
    return of_pair.astype(np.int64)


def _drawn_prior(prior: Shares, found: Estimate, rng: np.random.Generator) -> dict[str, Floats]:
    """The prior with the share of no agreement among all but full agreement drawn anew."""
    drawn = dict(prior)
    for name, group in found.states.model.groups.items():
        if group.whole is None or len(group.masks) < 3:
            continue
        none = int(np.argmin(np.bitwise_count(group.masks)))
        rest = np.arange(len(group.masks)) != group.whole
        share = prior[name][none] / prior[name][rest].sum()
        # As spread as a share known from four cases.
        now = rng.beta(4 * share, 4 * (1 - share))
        values = prior[name].copy()
        others = rest & (np.arange(len(values)) != none)
        values[others] *= (1 - now) / (1 - share)
        values[none] *= now / share
        drawn[name] = values
    return drawn


def band(
    found: Estimate, scored: Scored, accepted: Ints, curve: Curve, *, draws: int = DRAWS, seed: int = SEED
) -> Band:
    """
    95 % intervals of expected quality at every threshold of a curve.

    Args:
        accepted: one-to-one links without a threshold, of which ``curve`` is made.
        draws: how often blocks are drawn. seed: decides the draws, so the same input gives the same.
    """
    pairs, layout = scored.candidates, found.layout
    if layout is None or not len(pairs) or not len(curve.threshold):
        empty = np.zeros((len(curve.threshold), 2))
        return Band(empty, empty, empty, (0.0, 0.0))
    rng = np.random.Generator(np.random.PCG64(seed))
    block = blocks(pairs)
    count = int(block.max()) + 1
    prior = priors(found.states.model)
    joint = found.states.probabilities(found.matches.shares)
    kinds = found.states.by_kind(joint)
    base = [found.matches.total * view.seen.shares(kinds) for view in layout.counted]
    accepted = accepted[np.argsort(-scored.probability[accepted], kind="stable")]
    taken = curve.links - 1
    precision, recall, f1 = (np.empty((draws, len(taken))) for _ in range(3))
    matches = np.empty(draws)
    for draw in range(draws):
        weight = np.bincount(rng.integers(0, count, count), minlength=count)[block].astype(np.float64)
        moved = np.empty(0)

        def expect(_: Class, mine: list[Floats], __: list[Floats], weight: Floats = weight) -> list[Floats]:
            nonlocal moved
            ratios = [now / np.maximum(old, TINY) for now, old in zip(mine, base, strict=True)]
            moved = _moved(scored.probability, layout.spread(ratios, 1.0))
            return layout.gathered(weight * moved)

        start = replace(found.matches, iterations=0, converged=False)
        fitted = fit(
            layout.blind,
            layout.counted,
            layout.background,
            start,
            _drawn_prior(prior, found, rng),
            expect,
            most=float(min(layout.rows)),
            iterations=_STEPS,
        )
        right = np.cumsum(rng.random(len(accepted)) < moved[accepted])[taken]
        matches[draw] = max(fitted.total, float(right[-1]))
        precision[draw] = right / curve.links
        recall[draw] = right / max(matches[draw], TINY)
        f1[draw] = 2 * right / (curve.links + matches[draw])
    low, high = np.percentile(matches, [_LOW, _HIGH])
    return Band(_bounds(precision), _bounds(recall), _bounds(f1), (float(low), float(high)))


def _moved(probability: Floats, ratio: Floats) -> Floats:
    """Probabilities whose odds are multiplied by ratios."""
    found: Floats = probability * ratio / np.maximum(1.0 - probability + probability * ratio, TINY)
    return found


def _bounds(drawn: Floats) -> Floats:
    found: Floats = np.percentile(drawn, [_LOW, _HIGH], axis=0).T
    return found
