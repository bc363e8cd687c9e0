"""
Duplicates: records of one party that are one person, found and linked from then on as one.

Source: specs/resolution-v1.md, 3.3 and 5.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pseudolink.errors import LinkageError, UsageError
from pseudolink.formats.candidates import Candidates, held
from pseudolink.resolve.clusters import MOST_DUPLICATES, Link, cluster
from pseudolink.resolve.guards import twins
from pseudolink.roles.linkage import Delivery
from pseudolink.roles.resolving import Rules
from pseudolink.score import evidence, weigh
from pseudolink.score.arrays import Floats
from pseudolink.score.estimate import estimate

LEAST = 0.5
_MOST_STEPS = 1000
_CLOSE = 1e-6
_NONE = np.zeros(0, dtype=np.int64)
NO_PAIRS = Candidates(_NONE, _NONE, _NONE.astype(np.uint64), _NONE)


@dataclass(frozen=True)
class Found:
    """Duplicates of one party: groups, records in them, and links that the cap left out."""

    party: str
    groups: int
    records: int
    capped: int


def merge(deliveries: Sequence[Delivery], rules: Rules) -> tuple[list[Delivery], list[Found]]:
    """
    Deliveries in which duplicates of the parties that may have them are one record each.

    Args:
        deliveries: the cohort's first.

    Raises:
        UsageError: a party that is not there, or the cohort; or decoys hide duplicates.
        LinkageError: known links of the cohort, or that labels or a do-not-link list contradict.
    """
    strangers = rules.duplicates - {one.party for one in deliveries}
    if strangers:
        raise UsageError(f"no party sent encodings under the name {', '.join(sorted(strangers))}")
    if deliveries[0].party in rules.duplicates:
        raise UsageError(
            f"{deliveries[0].party!r} holds the cohort: each of its records is a person of the release",
            advice="Its custodian has to find its duplicates before encoding.",
        )
    if rules.duplicates and deliveries[0].schema.floor.decoys:
        raise UsageError(
            "under this schema's decoys no two records of one party share a token, so its duplicates "
            "cannot be found",
            advice="Their custodian removes them before encoding, in clear text; or agree on a schema "
            "without decoys.",
        )
    if deliveries[0].encodings.together:
        raise LinkageError(
            f"{deliveries[0].party!r} holds the cohort and says of its records that they are one person: "
            "each is a person of the release",
            advice="Its custodian has to join them before encoding.",
        )
    merged, told = [], []
    for one in deliveries:
        if one.party in rules.duplicates or one.encodings.together:
            one, found = _merged(one, deliveries[0], rules)
            told.append(found)
        merged.append(one)
    return merged, told


def _merged(one: Delivery, beside: Delivery, rules: Rules) -> tuple[Delivery, Found]:
    # Of a party that is not said to have duplicates, none are looked for beside those it knows.
    pairs = one.alike if one.party in rules.duplicates else NO_PAIRS
    weight = _weight(one, beside) if len(pairs) else np.zeros(0)
    chance = chances(weight, one.records)
    guarded = (
        twins(pairs, one.schema, held(pairs, one.shows, one.shows))
        if rules.guard
        else np.zeros(len(pairs), dtype=bool)
    )
    records = [bytes(record) for record in one.encodings.records]
    ends = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    named = [(min(records[a], records[b]), max(records[a], records[b])) for a, b in ends]
    said = [rules.labels.get(pair) for pair in named]
    denied = {pair for pair, known in zip(ends, said, strict=True) if known is False}
    against = {ends[n] for n in np.flatnonzero((weight < 0) | guarded).tolist()} | denied
    links = [
        Link(*ends[n], float(chance[n]), float(weight[n]), known=said[n] is True)
        for n in range(len(pairs))
        if said[n] is True or (chance[n] >= LEAST and not guarded[n])
    ]
    row_of = {record: row for row, record in reversed(list(enumerate(records)))}
    links += [Link(row_of[a], row_of[b], 1.0, 0.0, known=True) for a, b in sorted(one.encodings.together)]
    # A label may speak against what the custodian knows; that is a contradiction, not a choice.
    denied |= {
        (row_of[a], row_of[b])
        for (a, b), same in rules.labels.items()
        if not same and a in row_of and b in row_of
    }
    apart = {(row_of[a], row_of[b]) for a, b in one.encodings.apart} | denied
    found = cluster(
        np.zeros(one.encodings.rows, dtype=np.int64).tolist(),
        links,
        least=lambda *_: LEAST,
        against=against,
        apart=apart,
        repeated=True,
        cohort=None,
        cap=MOST_DUPLICATES,
    )
    new = one.encodings.records.copy()
    together = {}
    for rows in found.members:
        ids = sorted(records[row] for row in rows)
        together[ids[0]] = tuple(ids)
    of = {other: name for name, ids in together.items() for other in ids}
    for row, record in enumerate(records):
        if record in of:
            new[row] = np.frombuffer(of[record], dtype=np.uint8)
    kept = frozenset(
        (min(pair), max(pair)) for a, b in one.encodings.apart for pair in [(of.get(a, a), of.get(b, b))]
    )
    encodings = replace(one.encodings, records=new, apart=kept, together=frozenset())
    told = Found(one.party, len(together), sum(len(ids) for ids in together.values()), len(found.capped))
    return replace(one, encodings=encodings, merged=together), told


def _weight(one: Delivery, beside: Delivery) -> Floats:
    """Match weight of each pair of the party's own records, by the model of it and a party beside it."""
    schema = one.schema
    pairs = one.joins.candidates(beside.encodings, one.encodings, schema)
    model = evidence.build(schema, [beside.chance, one.chance])
    fitted = estimate(model, pairs, (beside.alike, beside.shows), (NO_PAIRS, one.shows))
    return weigh.weigh(fitted, one.alike, one.shows, one.shows).weight


def chances(weight: Floats, records: int) -> Floats:
    """Probability of each pair being one person, with the number of such pairs estimated from them."""
    pairs = records * (records - 1) / 2
    if not len(weight) or pairs <= len(weight):
        return np.zeros(len(weight))
    ratio = np.exp2(np.clip(weight, -300, 300))
    total = float(len(weight))
    for _ in range(_MOST_STEPS):
        odds = ratio * total / max(pairs - total, 1.0)
        probability = odds / (1 + odds)
        new = float(probability.sum())
        if abs(new - total) <= _CLOSE * total:
            break
        total = new
    found: Floats = np.round(probability, 12)
    return found
