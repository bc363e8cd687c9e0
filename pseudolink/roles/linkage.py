"""
The linkage itself, in memory: match, score, resolve. No key, no identifier, no file.

The operator's role calls it on opened packages; a rehearsal calls it on encodings with known truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from pseudolink.errors import UsageError
from pseudolink.formats.candidates import Candidates, Links, Presence, Scored, held
from pseudolink.formats.encodings import Encodings
from pseudolink.formats.statistics import Statistics
from pseudolink.formats.summary import (
    Bin,
    CurvePoint,
    GiantCount,
    Interval,
    PairDetail,
    PairSummary,
    PartySummary,
    PassCount,
)
from pseudolink.match import compare
from pseudolink.match.shards import Work
from pseudolink.roles import detail
from pseudolink.roles.joins import LOCAL, Joins
from pseudolink.roles.resolving import NOTHING_BARRED, Decided, Rules, prepare, resolve
from pseudolink.schema import LinkageSchema
from pseudolink.score import bootstrap, checks, evidence, quality, weigh
from pseudolink.score.estimate import Estimate, estimate

Report = Callable[[str, int, int], None]

_CURVE_POINTS = 200


def quiet(stage: str, done: int, total: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True)
class Delivery:
    """
    One party's encodings as the operator holds them.

    company: the floor as its manifest states it (``floor.Company.to_json``).
    coverage: field -> rows that have a value, as its manifest states it.
    merged: record ID -> the IDs of all its duplicates and itself, where duplicates became one.
    joins: where pairs are found.
    """

    party: str
    name: str
    encodings: Encodings
    chance: Statistics
    company: dict[str, Any]
    coverage: dict[str, int]
    schema: LinkageSchema
    merged: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    joins: Joins = field(default=LOCAL, repr=False, compare=False)

    @property
    def records(self) -> int:
        """Number of records; rows may be more, where records have versions."""
        return self.shows.records

    @cached_property
    def alike(self) -> Candidates:
        """Pairs of this party's own rows that share a token."""
        return self.joins.company(self.encodings, self.schema)

    @cached_property
    def company_seen(self) -> tuple[Candidates, Presence]:
        """
        Pairs of its records that are alike, and what the rows of these pairs could show.

        Where decoys hide them the manifest tells what kinds of pairs there are (encoding-v1, 6.6),
        and these stand for them: no row of the encodings is behind one.
        """
        if not self.schema.floor.decoys:
            return self.alike, self.shows
        stated = self.company.get("alike", [])
        shared = np.asarray([int(one[0], 16) for one in stated], dtype=np.uint64)
        both = np.asarray([int(one[1], 16) for one in stated], dtype=np.uint64)
        kind = np.repeat(np.arange(len(stated)), np.asarray([one[2] for one in stated], dtype=np.int64))
        nothing = np.zeros(len(kind), dtype=np.int64)
        seen = Presence(both, np.zeros(len(both), dtype=np.int64), self.records)
        return Candidates(kind, kind, shared[kind], nothing), seen

    @cached_property
    def shows(self) -> Presence:
        """What its rows could show."""
        return self.joins.shows(self.encodings, self.schema)


@dataclass(frozen=True)
class PairLinkage:
    """
    Two parties linked: candidates weighed, links decided, quality expected.

    everything: indices of the one-to-one links without a threshold.
    """

    left: Delivery
    right: Delivery
    scored: Scored
    links: Links
    estimate: Estimate
    curve: quality.Curve
    threshold: float
    decided: Decided = NOTHING_BARRED

    @property
    def accepted(self) -> npt.NDArray[np.int64]:
        """(l,) indices of the links among the candidates."""
        return self.links.accepted

    @property
    def guarded(self) -> int:
        """Pairs at or above the threshold that the guard of twins keeps from being links."""
        if not len(self.decided.guarded):
            return 0
        return int((self.decided.guarded & (self.scored.probability >= self.threshold)).sum())

    @property
    def expected(self) -> tuple[float, float, float]:
        """Expected precision, recall and F1 of the links."""
        return self.curve.at(self.threshold)

    @cached_property
    def band(self) -> bootstrap.Band:
        """95 % intervals of what is expected, at every threshold."""
        return bootstrap.band(self.estimate, self.scored, self.decided.everything, self.curve)

    @property
    def nobody(self) -> bool:
        """Whether nothing tells that anybody is in both parties."""
        return quality.nobody(self.curve)


def link_pair(
    left: Delivery,
    right: Delivery,
    *,
    min_precision: float | None = None,
    threshold: float | None = None,
    rules: Rules | None = None,
    work: Work | None = None,
    report: Report = quiet,
) -> PairLinkage:
    """
    Link two parties one to one.

    Args:
        work: where the join keeps finished shards, and the memory it may take; else all in memory.
        min_precision: take the lowest threshold that is expected to reach it; without it, the
            threshold with the best expected F1.
        threshold: take this one, a match probability, instead.
        rules: how to resolve; greedily, without labels, unless it says otherwise.

    Raises:
        UsageError: a threshold and a least precision.
        WrongClassError: what looks like matches are relatives.
        ScoringError: manifests that do not fit the schema, or a precision out of reach.
        LinkageError: a pass so broad that its pairs cannot be compared.
    """
    if threshold is not None and min_precision is not None:
        raise UsageError("give a threshold or a least precision, not both")
    schema = left.schema
    title = f"link {left.party} and {right.party}"
    report(title, 0, 4)
    joining = f"match {left.party} and {right.party}"
    pairs = left.joins.candidates(
        left.encodings, right.encodings, schema, work=work, report=partial(report, joining)
    )
    report(title, 1, 4)
    model = evidence.build(schema, [left.chance, right.chance])
    alike = (left.company_seen, right.company_seen)
    fitted = estimate(model, pairs, (alike[0][0], left.shows), (alike[1][0], right.shows), alike)
    kinds = {name: one.kind for name, one in schema.fields.items()}
    checks.require_matches(fitted, kinds, pair=f"{left.party} and {right.party}")
    report(title, 2, 4)
    rules = rules or Rules()
    scored = weigh.weigh(fitted, pairs, left.shows, right.shows)
    report(title, 3, 4)
    both = held(pairs, left.shows, right.shows)
    scored, decided = prepare(scored, left.encodings, right.encodings, schema, rules, both)
    everything = resolve(scored, decided, rules)
    curve = quality.curve(scored, everything, fitted.matches.total)
    if threshold is None:
        threshold = quality.choose(curve, min_precision)
    reached = everything.accepted[scored.probability[everything.accepted] >= threshold]
    tied = _tied(scored, everything.ambiguous, threshold)
    report(title, 4, 4)
    decided = replace(decided, everything=everything.accepted)
    return PairLinkage(left, right, scored, Links(reached, tied), fitted, curve, threshold, decided)


def _tied(scored: Scored, ambiguous: npt.NDArray[np.int64], threshold: float) -> npt.NDArray[np.int64]:
    """
    Ambiguous pairs of records that have a match, though nobody can tell which.

    Each of two equal pairs has half the probability at most; together they reach the threshold.
    """
    probability = scored.probability[ambiguous]
    together = np.zeros(len(ambiguous))
    for side in (scored.candidates.left, scored.candidates.right):
        _, record = np.unique(side[ambiguous], return_inverse=True)
        if len(record):
            together = np.maximum(together, np.bincount(record, weights=probability)[record])
    return ambiguous[together >= threshold - 1e-9]


def ends(deliveries: Sequence[Delivery], *, every_pair: bool) -> list[tuple[Delivery, Delivery]]:
    """Which two parties are linked: each with the first, the cohort, and then, if asked, the others."""
    found = [(deliveries[0], other) for other in deliveries[1:]]
    return [*found, *combinations(deliveries[1:], 2)] if every_pair else found


def link_all(
    deliveries: Sequence[Delivery],
    *,
    min_precision: float | None = None,
    threshold: float | None = None,
    rules: Rules | None = None,
    work: Work | None = None,
    report: Report = quiet,
) -> list[PairLinkage]:
    """
    Link every further party with the first, the cohort; where the rules say so, with one another too.

    Linkages with the cohort come first, in the order of the deliveries.
    """
    return [
        link_pair(
            left,
            right,
            min_precision=min_precision,
            threshold=threshold,
            rules=rules,
            work=None if work is None else work.inside(left.party).inside(right.party),
            report=report,
        )
        for left, right in ends(deliveries, every_pair=rules is not None and rules.every_pair)
    ]


# ---------------------------------------------------------------- summaries: counts alone


def party_summary(delivery: Delivery, linkages: Sequence[PairLinkage]) -> PartySummary:
    """Counts of one party, for the report."""
    mine = [one for one in linkages if delivery.party in (one.left.party, one.right.party)]
    names = [one.name for one in delivery.schema.passes]
    brought = dict.fromkeys(names, 0)
    for one in mine:
        for name, pairs in compare.pass_counts(one.scored.candidates.shared, names).items():
            brought[name] += pairs
    # What the manifest states of company is of all records; some may have been withdrawn since.
    stated = {p["name"]: p for p in delivery.company["passes"]}
    tokens = [delivery.shows.with_token(number) for number in range(len(names))]
    possible = [quality.at_most(one.estimate, delivery.shows) for one in mine]
    lost = [int((best < one.threshold).sum()) for one, best in zip(mine, possible, strict=True)]
    return PartySummary(
        party=delivery.party,
        name=delivery.name,
        rows=delivery.records,
        company=min(int(delivery.company["company"]), delivery.records),
        largest_component=min(int(delivery.company["largest_component"]), delivery.records),
        unlinkable=min(lost) if lost else 0,
        coverage=tuple((name, min(n, delivery.records)) for name, n in delivery.coverage.items()),
        passes=tuple(
            PassCount(
                name,
                there,
                min(int(stated[name]["company"]), there),
                min(int(stated[name]["largest_block"]), there),
                brought[name],
            )
            for name, there in zip(names, tokens, strict=True)
        ),
        detail=detail.party(delivery.encodings, possible),
    )


def pair_summary(one: PairLinkage) -> PairSummary:
    """Counts and estimates of one pair of parties, for the report."""
    precision, recall, f1 = one.expected
    bounds = [_interval(b) for b in one.band.at(one.threshold, one.curve)]
    names = [p.name for p in one.left.schema.passes]
    weights = one.scored.weight[one.accepted]
    return PairSummary(
        left=one.left.party,
        right=one.right.party,
        candidates=len(one.scored.candidates),
        links=len(one.accepted),
        ambiguous=len(one.links.ambiguous),
        threshold=one.threshold,
        threshold_weight=float(weights.min()) if len(weights) else 0.0,
        expected_precision=precision,
        expected_recall=recall,
        expected_f1=f1,
        expected_matches=one.estimate.matches.total,
        precision_interval=bounds[0],
        recall_interval=bounds[1],
        f1_interval=bounds[2],
        matches_interval=(max(one.band.matches[0], 0.0), max(one.band.matches[1], 0.0)),
        nobody=one.nobody,
        iterations=one.estimate.matches.iterations,
        converged=one.estimate.matches.converged,
        passes=tuple(compare.pass_counts(one.scored.candidates.shared, names).items()),
        histogram=_histogram(one),
        curve=_curve(one),
        giants=tuple(GiantCount(*giant) for giant in one.scored.candidates.giants),
        detail=_detail(one, names),
    )


def _interval(bounds: npt.NDArray[np.float64]) -> Interval:
    low, high = np.clip(bounds, 0.0, 1.0).tolist()
    return low, high


def _histogram(one: PairLinkage) -> tuple[Bin, ...]:
    weight = one.scored.weight
    if not len(weight):
        return ()
    edges = detail.edges_of(weight)
    pairs, _ = np.histogram(weight, edges)
    accepted, _ = np.histogram(weight[one.accepted], edges)
    return tuple(
        Bin(float(a), float(b), int(p), int(k))
        for a, b, p, k in zip(edges[:-1], edges[1:], pairs, accepted, strict=True)
    )


def _detail(one: PairLinkage, names: Sequence[str]) -> PairDetail | None:
    scored, everything = one.scored, one.decided.everything
    if not len(scored.weight):
        return None
    return PairDetail(
        detail.passes(scored.candidates.shared, one.accepted, names),
        detail.steps(
            scored.probability[everything],
            scored.weight[everything],
            one.curve.threshold[_kept(one)],
            detail.edges_of(scored.weight),
        ),
    )


def _kept(one: PairLinkage) -> npt.NDArray[np.int64]:
    """Points of the curve that a page shows, the one in use among them."""
    threshold = one.curve.threshold
    spread = np.linspace(0, max(len(threshold) - 1, 0), min(len(threshold), _CURVE_POINTS)).astype(np.int64)
    return np.unique(np.append(spread, np.flatnonzero(threshold >= one.threshold)[-1:]))


def _curve(one: PairLinkage) -> tuple[CurvePoint, ...]:
    curve, band = one.curve, one.band
    return tuple(
        CurvePoint(
            min(float(curve.threshold[n]), 1.0),
            min(float(curve.precision[n]), 1.0),
            min(float(curve.recall[n]), 1.0),
            min(float(curve.f1[n]), 1.0),
            int(curve.links[n]),
            _interval(band.precision[n]),
            _interval(band.recall[n]),
            _interval(band.f1[n]),
        )
        for n in _kept(one)
    )
