"""
The states of a pair, and which evidence each state would show.

A pair of records has, for every field, a *state*: which of the components that passes use agree,
and for a field that a filter compares, how similar it is. The states of all fields together
decide exactly which passes share a token. So the probability of what a pair shows is a sum over
the states that would show it, and no field has to be guessed from what the passes happen to hide.

Source: specs/scoring-v1.md, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np

from pseudolink.components import NAMES, SORTED, WHOLE, agreement_states, split
from pseudolink.errors import ScoringError
from pseudolink.formats.statistics import LEVELS, FieldStatistics, Statistics, read
from pseudolink.schema import LinkageSchema
from pseudolink.score.arrays import Flags, Floats, Ints, summed

STRAIGHT = "straight"
CROSSED = "crossed"
#: Most joint states of all fields; a schema beyond it uses too many components and filters at once.
MOST_STATES = 4_000_000

_EVERY_PASS = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class Group:
    """
    The s states of one field (or of crosswise names).

    masks: (s,) uint64; bit p is set when pass p asks nothing of this field that the state denies.
    level: (s,) int64, the similarity level (1 to 4); 0 where no filter compares the field.
    chance: (s,) float64, u: the share of random pairs in each state.
    prior: (s,) float64, where the search for m begins.
    whole: the state of full agreement; None where the group has none (crosswise names).
    """

    name: str
    masks: Flags
    level: Ints
    chance: Floats
    prior: Floats
    whole: int | None = None


@dataclass(frozen=True)
class Branch:
    """One way in which two records can lie: names straight, or crosswise."""

    name: str
    groups: tuple[str, ...]
    chance: float
    prior: float


@dataclass(frozen=True)
class Model:
    """Groups by name, branches, and for each compared field the passes that compare it."""

    groups: Mapping[str, Group]
    branches: tuple[Branch, ...]
    comparing: tuple[np.uint64, ...]
    compared: tuple[str, ...]


def _rates(counts: Sequence[Sequence[int | None]], totals: Sequence[int]) -> Floats:
    """
    The share of cross pairs in each state: geometric mean of the parties' own.

    Two records of different parties have a value in common with probability Σ aᵥbᵥ, which is at
    most the root of Σ aᵥ² Σ bᵥ² (Cauchy and Schwarz). The arithmetic mean is above that: a value
    that one party writes into a tenth of its records agrees with hardly anything of the other's.
    """
    shares = []
    for row, total in zip(counts, totals, strict=True):
        if total:
            values = np.asarray([read(c) for c in row], dtype=np.float64)
            shares.append(values / values.sum())
    if not shares:
        return np.full(len(counts[0]), 1.0 / len(counts[0]))
    mean: Floats = np.exp(np.mean(np.log(shares), axis=0))
    normal: Floats = mean / mean.sum()
    return normal


#: Names with the same code begin with the same letter; the state of the one without the other is
#: counted (nobody can tell what a script without letters does) but does not occur.
_IMPLIED = {"soundex": "initial", "first3": "initial"}


def _prior(states: Sequence[frozenset[str]]) -> Floats:
    """Where m begins: mostly full agreement, sometimes none, a little of each state between."""
    whole = states[0]
    possible = np.asarray(
        [all(d not in s or i in s or i not in whole for d, i in _IMPLIED.items()) for s in states],
        dtype=float,
    )
    prior = 0.15 * np.maximum(possible, 1e-3) / max(float(possible[1:-1].sum()), 1.0)
    prior[0] = 0.80
    prior[-1] = 0.05
    normal: Floats = prior / prior.sum()
    return normal


#: How similar the names of a person are where they differ: most often rather alike.
_LEVEL_PRIOR = np.asarray([0.45, 0.35, 0.20])


def _levels_by_chance(found: Sequence[FieldStatistics], states: int) -> Floats:
    """(states, 3): shares of the levels below equal, by state, from the parties' samples."""
    total = np.zeros((states, len(LEVELS)))
    for one in found:
        for index, row in enumerate(one.sampled):
            total[index] += [read(c) if c is not None else 0 for c in row]
    below = total[:, 1:]
    overall = below.sum(axis=0) + 1.0
    # A state that no sampled pair showed is taken to look like all the others together.
    mixed = below + 5.0 * overall / overall.sum()
    shares: Floats = mixed / mixed.sum(axis=1, keepdims=True)
    return shares


def _masks(schema: LinkageSchema, field: str, states: Sequence[frozenset[str]]) -> Flags:
    """Which passes each state of a field allows; ``names.…`` asks the same of both names."""
    masks = np.full(len(states), _EVERY_PASS, dtype=np.uint64)
    for number, one in enumerate(schema.passes):
        wanted = set()
        for component in one.on:
            name, derivation = split(component)
            if name == field:
                wanted.add(derivation)
            elif name == NAMES and field in schema.named:
                wanted.add(SORTED[derivation])
        for index, state in enumerate(states):
            if not wanted <= state:
                masks[index] &= ~(np.uint64(1) << np.uint64(number))
    return masks


def _merged(
    name: str, masks: Flags, level: Ints, chance: Floats, prior: Floats, *, whole: bool = True
) -> Group:
    """States that no pass tells apart are one. The first is full agreement where there is ``whole``."""
    key = np.column_stack([masks, level.astype(np.uint64)])
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    size = len(first)
    return Group(
        name,
        masks[first],
        level[first],
        summed(inverse, chance, size),
        summed(inverse, prior, size),
        int(inverse[0]) if whole else None,
    )


def _group(schema: LinkageSchema, field: str, parties: Sequence[Statistics]) -> Group:
    kind = schema.fields[field].kind
    states = agreement_states(kind, schema.tracked.get(field, ()) or (WHOLE,))
    found = [p.fields[field] for p in parties]
    if any(len(f.states) != len(states) for f in found):
        raise ScoringError(f"a manifest's statistics of field {field!r} do not fit the schema")
    masks = _masks(schema, field, states)
    chance = _rates([f.states for f in found], [f.pairs for f in found])
    prior = _prior(states)
    level = np.zeros(len(states), dtype=np.int64)
    if field in schema.compared:
        below = _levels_by_chance(found, len(states))[1:]
        level = np.concatenate([[1], np.tile([2, 3, 4], len(states) - 1)])
        masks = np.concatenate([masks[:1], np.repeat(masks[1:], 3)])
        chance = np.concatenate([chance[:1], (chance[1:, None] * below).ravel()])
        prior = np.concatenate([prior[:1], (prior[1:, None] * _LEVEL_PRIOR).ravel()])
    return _merged(field, masks, level, chance, prior)


def _crossed(schema: LinkageSchema, parties: Sequence[Statistics]) -> tuple[Group, float]:
    """The states of crosswise names: which order-free components agree."""
    used = sorted(schema.used[NAMES])
    states = [frozenset(c) for size in range(len(used), 0, -1) for c in combinations(used, size)]
    names = set(schema.named)
    masks = np.full(len(states), _EVERY_PASS, dtype=np.uint64)
    for number, one in enumerate(schema.passes):
        wanted = {split(c) for c in one.on}
        order_free = {d for name, d in wanted if name == NAMES}
        straight = any(name in names for name, _ in wanted)
        for index, state in enumerate(states):
            if straight or not order_free <= state:
                masks[index] &= ~(np.uint64(1) << np.uint64(number))
    keys = [",".join(sorted(state)) for state in states]
    rates = []
    for party in parties:
        if set(party.swapped) != set(keys):
            raise ScoringError("a manifest's statistics of exchanged names do not fit the schema")
        if party.swapped_pairs:
            counts = [read(party.swapped[key]) for key in keys]
            rates.append(np.asarray(counts, dtype=np.float64) / party.swapped_pairs)
    chance: Floats = np.mean(rates, axis=0) if rates else np.full(len(states), 1e-6)
    prior = _prior([*states, frozenset()])[:-1]
    level = np.zeros(len(states), dtype=np.int64)
    total = float(chance.sum())
    group = _merged(CROSSED, masks, level, chance / total, prior / prior.sum(), whole=False)
    return group, min(total, 0.5)


def build(schema: LinkageSchema, parties: Sequence[Statistics]) -> Model:
    """
    The states of every field of a schema, with their chances from the parties' manifests.

    Raises:
        ScoringError: statistics that do not fit the schema, or far too many states.
    """
    missing = [f for f in schema.evidence if any(f not in p.fields for p in parties)]
    if missing:
        listed = ", ".join(repr(f) for f in missing)
        raise ScoringError(f"a manifest has no statistics of {listed}")
    groups = {field: _group(schema, field, parties) for field in schema.evidence}
    branches = [Branch(STRAIGHT, tuple(groups), 1.0, 1.0)]
    if NAMES in schema.used:
        crossed, chance = _crossed(schema, parties)
        rest = tuple(name for name in groups if name not in schema.named)
        groups[CROSSED] = crossed
        branches = [
            Branch(STRAIGHT, branches[0].groups, 1.0 - chance, 0.99),
            Branch(CROSSED, (CROSSED, *rest), chance, 0.01),
        ]
    comparing = []
    for field in schema.compared:
        bits = [np.uint64(1) << np.uint64(n) for n, one in enumerate(schema.passes) if field in one.compare]
        comparing.append(np.bitwise_or.reduce(np.asarray(bits, dtype=np.uint64)))
    states = sum(prod(len(groups[g].masks) for g in b.groups) for b in branches)
    if states > MOST_STATES:
        raise ScoringError(
            f"the schema has {states:,} states of a pair; at most {MOST_STATES:,} can be weighed",
            advice="Use fewer derivations of one field, or compare fewer fields by filter.",
        )
    return Model(groups, tuple(branches), tuple(comparing), schema.compared)
