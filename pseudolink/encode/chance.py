"""
Agreement by chance, measured on an extract: the u of Fellegi and Sunter.

Which components two random records agree on is counted exactly, over all pairs, from how often
each distinct value occurs. How similar two different values look is sampled. Both depend on the
values alone, not on the order of the rows.

Source: specs/scoring-v1.md, section 2.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from pseudolink.components import NAMES, SORTED, WHOLE, agreement_states
from pseudolink.encode.derive import derive
from pseudolink.encode.filters import fill_segment, gram_table
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.formats.statistics import FieldStatistics, Statistics, coarsened
from pseudolink.schema import LinkageSchema, SchemaField

Index = npt.NDArray[np.int64]

#: Pairs sampled a compared field.
SAMPLE = 250_000
_SEED = 2011
# Protects nothing: the sample is of lookalikes, and the filters are thrown away at once.
_KEY = bytes(32)


def _codes(kind: str, derivation: str, values: tuple[str, ...]) -> Index:
    """The component of every distinct value as a number; below 0 where there is none."""
    if derivation == WHOLE and kind != "date":
        return np.arange(len(values), dtype=np.int64)
    number: dict[str, int] = {}
    made = (derive(kind, derivation, value) for value in values)
    codes = [-1 if m is None else number.setdefault(m, len(number)) for m in made]
    return np.asarray(codes, dtype=np.int64)


def _pairs(counts: Index) -> int:
    """Unordered pairs within groups of these sizes."""
    return int((counts * (counts - 1)).sum()) // 2


def _grouped(columns: list[Index], weight: Index) -> Index:
    """Total weight of every group of values that are equal in all the columns."""
    key = np.zeros(len(weight), dtype=np.int64)
    for column in columns:
        _, key = np.unique(key * (int(column.max(initial=0)) + 2) + column, return_inverse=True)
    return np.bincount(key, weights=weight).astype(np.int64) if len(key) else np.zeros(0, dtype=np.int64)


def _exactly(columns: dict[str, Index], weight: Index, states: list[frozenset[str]]) -> tuple[int, list[int]]:
    """Pairs in each state: agreeing on every component of the state and on no other."""
    names = list(columns)
    at_least = {
        frozenset(chosen): _pairs(_grouped([columns[c] for c in chosen], weight))
        for size in range(len(names) + 1)
        for chosen in combinations(names, size)
    }
    counts = []
    for state in states:
        rest = [name for name in names if name not in state]
        total = 0
        for size in range(len(rest) + 1):
            for more in combinations(rest, size):
                total += (-1) ** size * at_least[state | frozenset(more)]
        counts.append(total)
    return at_least[frozenset()], counts


def _field(field: SchemaField, tracked: tuple[str, ...], column: Column, compared: bool) -> FieldStatistics:
    states = agreement_states(field.kind, tracked)
    derivations = sorted(states[0])
    columns = {d: _codes(field.kind, d, column.values) for d in derivations}
    used = column.codes[column.codes >= 0]
    weight = np.bincount(used, minlength=len(column.values)).astype(np.int64)
    whole = np.ones(len(weight), dtype=bool)
    for codes in columns.values():
        whole &= codes >= 0  # a date without its day says nothing of agreement of the whole
    columns = {d: codes[whole] for d, codes in columns.items()}
    pairs, counts = _exactly(columns, weight[whole], states)
    sampled: tuple[tuple[int | None, ...], ...] = ()
    if compared:
        values = tuple(v for v, keep in zip(column.values, whole, strict=True) if keep)
        sampled = _sampled(field, values, weight[whole], columns, states)
    return FieldStatistics(pairs, tuple(coarsened(c) for c in counts), sampled)


def _sampled(
    field: SchemaField,
    values: tuple[str, ...],
    weight: Index,
    columns: dict[str, Index],
    states: list[frozenset[str]],
) -> tuple[tuple[int | None, ...], ...]:
    """Pairs by state and level, from random pairs whose values differ."""
    table = np.zeros((len(states), 4), dtype=np.int64)
    if weight.sum() > 1 and len(values) > 1:
        rng = np.random.Generator(np.random.PCG64(_SEED))
        share = weight / weight.sum()
        left = rng.choice(len(values), SAMPLE, p=share)
        right = rng.choice(len(values), SAMPLE, p=share)
        differ = left != right
        left, right = left[differ].astype(np.int32), right[differ].astype(np.int32)
        # Every pair in a block of its own: how alike two values look depends on no key.
        keys = rng.integers(0, 2**63, size=(len(left), 2), dtype=np.int64).astype(np.uint64)
        grams = gram_table(field.kind, values, _KEY)
        shape = {"bits": field.bits, "budget": field.budget}
        a = fill_segment(keys, left, grams, **shape)
        b = fill_segment(keys, right, grams, **shape)
        both = np.bitwise_count(a & b).sum(axis=1, dtype=np.int64)
        total = np.bitwise_count(a).sum(axis=1, dtype=np.int64) + np.bitwise_count(b).sum(
            axis=1, dtype=np.int64
        )
        level = np.where(200 * both >= 85 * total, 1, np.where(200 * both >= 70 * total, 2, 3))
        state = _state_of(columns, states, left, right)
        np.add.at(table, (state, level), 1)
    return tuple(tuple(coarsened(int(c)) for c in row) for row in table)


def _state_of(
    columns: dict[str, Index],
    states: list[frozenset[str]],
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
) -> Index:
    names = list(columns)
    bits = np.zeros(len(left), dtype=np.int64)
    for position, name in enumerate(names):
        bits |= (columns[name][left] == columns[name][right]).astype(np.int64) << position
    number = np.full(1 << len(names), len(states) - 1, dtype=np.int64)
    for index, state in enumerate(states):
        number[sum(1 << i for i, name in enumerate(names) if name in state)] = index
    return number[bits]


def _swapped(cleaned: Cleaned, schema: LinkageSchema) -> tuple[dict[str, int], int]:
    """Pairs whose names agree crosswise, by exact set of the order-free derivations in use."""
    derivations = schema.used.get(NAMES, ())
    if not derivations:
        return {}, 0
    first, last = (cleaned.fields[name] for name in schema.named)
    both = (first.codes >= 0) & (last.codes >= 0)
    f, s = first.codes[both].astype(np.int64), last.codes[both].astype(np.int64)
    chosen = sorted(derivations)
    at_least = {}
    for size in range(1, len(chosen) + 1):
        for subset in combinations(chosen, size):
            at_least[frozenset(subset)] = _crosswise(subset, first.values, last.values, f, s)
    counts = {}
    for wanted in at_least:
        rest = [d for d in chosen if d not in wanted]
        total = 0
        for size in range(len(rest) + 1):
            for more in combinations(rest, size):
                total += (-1) ** size * at_least[wanted | frozenset(more)]
        counts[",".join(sorted(wanted))] = total
    n = len(f)
    return counts, n * (n - 1) // 2


def _crosswise(
    derivations: tuple[str, ...], first: tuple[str, ...], last: tuple[str, ...], f: Index, s: Index
) -> int:
    """Pairs where each one's forename is, in all these derivations, the other's surname and not its own."""
    a, b = np.zeros(len(f), dtype=np.int64), np.zeros(len(s), dtype=np.int64)
    apart = np.ones(len(f), dtype=bool)
    for derivation in derivations:
        inner = SORTED[derivation]
        of_first = [derive("forename", inner, value) for value in first]
        of_last = [derive("surname", inner, value) for value in last]
        number = {c: i for i, c in enumerate(sorted({*of_first, *of_last} - {None}, key=str))}
        x = np.asarray([number[v] for v in of_first], dtype=np.int64)[f]
        y = np.asarray([number[v] for v in of_last], dtype=np.int64)[s]
        apart &= x != y  # the same name twice agrees straight as well: it is no exchange
        _, joint = np.unique(
            np.concatenate([a, b]) * (len(number) + 1) + np.concatenate([x, y]), return_inverse=True
        )
        a, b = joint[: len(f)].astype(np.int64), joint[len(f) :].astype(np.int64)
    a, b = a[apart], b[apart]
    if not len(a):
        return 0
    width = int(max(a.max(), b.max())) + 1
    keys, counts = np.unique(a * width + b, return_counts=True)
    mirror = (keys % width) * width + keys // width
    at = np.minimum(np.searchsorted(keys, mirror), len(keys) - 1)
    found = keys[at] == mirror
    return int((counts[found] * counts[at[found]]).sum()) // 2


def measure(cleaned: Cleaned, schema: LinkageSchema) -> Statistics:
    """Level frequencies of random pairs of this extract, for the manifest."""
    fields = {
        name: _field(
            schema.fields[name],
            schema.tracked.get(name, ()) or (WHOLE,),
            cleaned.fields[name],
            name in schema.compared,
        )
        for name in schema.evidence
    }
    swapped, pairs = _swapped(cleaned, schema)
    return Statistics(fields, {key: coarsened(count) for key, count in swapped.items()}, pairs)
