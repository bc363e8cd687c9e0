"""
Agreement by chance, measured on an extract: the u of Fellegi and Sunter.

Which components two random records agree on is counted exactly, over all pairs, from how often
each distinct value occurs. How similar two different values look is sampled. Both depend on the
values alone, not on the order of the rows or on the chunks that they come in.

An extract is never held whole. Distinct values are told apart by 64-bit numbers under a key that
this process draws for itself; among ten million values the chance that any two have one number
is below three in a million (specs/scoring-v1.md, 2.3). Text is kept of compared fields alone, and
each distinct value once.

Source: specs/scoring-v1.md, section 2.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.components import NAMES, SORTED, WHOLE, agreement_states
from pseudolink.encode.filters import fill_segment, gram_table
from pseudolink.encode.parts import Component, Components
from pseudolink.encode.siphash import number_pieces
from pseudolink.formats.cleaned import Cleaned, Texts
from pseudolink.formats.statistics import FieldStatistics, Statistics, coarsened
from pseudolink.schema import LinkageSchema, SchemaField

Index = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint64]

#: Pairs sampled a compared field.
SAMPLE = 250_000
_SEED = 2011
# Protects nothing: the sample is of lookalikes, and the filters are thrown away at once.
_KEY = bytes(32)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
#: Distinct values of new chunks that are gathered before they are merged.
_PENDING = 500_000

# ---------------------------------------------------------------- exact counts


def _pairs(counts: Index) -> int:
    """Unordered pairs within groups of these sizes."""
    return int((counts * (counts - 1)).sum()) // 2


def _summed(keys: npt.NDArray[np.generic], weight: Index) -> tuple[Index, Index, Index]:
    """Groups of equal keys: which group each is in, one member of each, and its weight."""
    order = np.argsort(keys)
    ordered = keys[order]
    begins = np.append(True, ordered[1:] != ordered[:-1])[: len(keys)]
    group = np.empty(len(keys), dtype=np.int64)
    group[order] = np.cumsum(begins) - 1
    at = np.flatnonzero(begins)
    total = np.add.reduceat(weight[order], at) if len(at) else np.zeros(0, dtype=np.int64)
    return group, order[at], total


def _exactly(
    columns: dict[str, Numbers], weight: Index, states: list[frozenset[str]]
) -> tuple[int, list[int]]:
    """Pairs in each state: agreeing on every component of the state and on no other."""
    whole = WHOLE if WHOLE in columns else next(iter(columns))
    rest = [name for name in columns if name != whole]
    # What agrees on the whole value agrees on all that is derived of it.
    entirely = _pairs(_summed(columns[whole], weight)[2])
    codes: dict[frozenset[str], Index] = {}
    table, sums = _reduced([columns[name] for name in rest], weight)
    at_least: dict[frozenset[str], int] = {frozenset(): _pairs(np.asarray([weight.sum()]))}
    for size in range(1, len(rest) + 1):
        for chosen in combinations(range(len(rest)), size):
            names = frozenset(rest[i] for i in chosen)
            key = table[chosen[-1]]
            if size > 1:
                before = codes[frozenset(rest[i] for i in chosen[:-1])]
                key = before * (int(key.max(initial=0)) + 1) + key
            group, _, total = _summed(key, sums)
            codes[names] = group
            at_least[names] = _pairs(total)
    counts = []
    for state in states:
        further = [name for name in (whole, *rest) if name not in state]
        total_pairs = 0
        for size in range(len(further) + 1):
            for more in combinations(further, size):
                named = state | frozenset(more)
                total_pairs += (-1) ** size * (entirely if whole in named else at_least[named])
        counts.append(total_pairs)
    return at_least[frozenset()], counts


def _reduced(columns: Sequence[Numbers], weight: Index) -> tuple[list[Index], Index]:
    """Columns as small numbers, rows that are equal in all of them taken together."""
    if not columns:
        return [], weight
    small = [np.unique(column, return_inverse=True)[1].astype(np.int64) for column in columns]
    group = np.zeros(len(weight), dtype=np.int64)
    for column in small:
        group = np.unique(group * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1]
    _, first, total = _summed(group, weight)
    return [column[first] for column in small], total


# ---------------------------------------------------------------- tables of distinct values


@dataclass(frozen=True)
class _Table:
    """
    Distinct values of one field.

    keys: (n,) a number a value. weight: (n,) records that have it. derived: (d, n) numbers of its
    derivations. texts: (n,) the values, where the field is compared.
    """

    keys: Numbers
    weight: Index
    derived: Numbers
    texts: pa.LargeStringArray | None

    @staticmethod
    def merged(parts: Sequence[_Table]) -> _Table:
        """Several tables as one, in the order of the keys."""
        if len(parts) == 1:
            return parts[0]
        keys = np.concatenate([part.keys for part in parts])
        _, first, weight = _summed(keys, np.concatenate([part.weight for part in parts]))
        derived = np.concatenate([part.derived for part in parts], axis=1)[:, first]
        texts = None
        if parts[0].texts is not None:
            texts = pa.concat_arrays([part.texts for part in parts]).take(pa.array(first))
        return _Table(keys[first], weight, derived, texts)


class _Field:
    """The distinct values of one field, gathered from chunk to chunk."""

    def __init__(self) -> None:
        self._parts: list[_Table] = []

    def add(self, table: _Table) -> None:
        self._parts.append(table)
        pending = sum(len(part.keys) for part in self._parts[1:])
        # Merging when the new ones are as many as the old ones costs little in all.
        if pending > max(_PENDING, len(self._parts[0].keys)):
            self._parts = [_Table.merged(self._parts)]

    def table(self) -> _Table | None:
        self._parts = [_Table.merged(self._parts)] if self._parts else []
        return self._parts[0] if self._parts else None


@dataclass(frozen=True)
class Chunk:
    """What one chunk adds: distinct values by field, and the exchangeable names by set of derivations."""

    fields: dict[str, _Table]
    swapped: dict[frozenset[str], Numbers]
    named: int


class Tally:
    """
    Counts of an extract, chunk by chunk.

    ``of`` may run on several threads, ``add`` on one.
    """

    def __init__(self, schema: LinkageSchema) -> None:
        self._schema = schema
        low, high = (np.uint64(secrets.randbits(64)) for _ in range(2))
        self._key = (low, high)
        self._states = {
            name: agreement_states(schema.fields[name].kind, schema.tracked.get(name, ()) or (WHOLE,))
            for name in schema.evidence
        }
        self._fields = {name: _Field() for name in schema.evidence}
        self._subsets = [
            frozenset(chosen)
            for size in range(1, len(schema.used.get(NAMES, ())) + 1)
            for chosen in combinations(sorted(schema.used.get(NAMES, ())), size)
        ]
        self._swapped: dict[frozenset[str], list[Numbers]] = {subset: [] for subset in self._subsets}
        self._named = 0

    def _numbers(self, data: npt.NDArray[np.uint8], start: Index) -> Numbers:
        out = np.empty(len(start) - 1, dtype=np.uint64)
        number_pieces(data, start, *self._key, out)
        return out

    def numbers(self, component: Component) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """For every row a number that is equal where the component is, and whether the row has it."""
        found = np.append(self._numbers(component.data, component.start), np.uint64(0))
        return found[component.codes], component.codes >= 0

    def of(self, parts: Components) -> Chunk:
        """The counts of some records: of the first version of each."""
        first = parts.cleaned.first_rows()
        fields = {name: self._table(name, parts, first) for name in self._schema.evidence}
        swapped, named = self._exchangeable(parts, first)
        return Chunk(fields, swapped, named)

    def _table(self, name: str, parts: Components, first: Index) -> _Table:
        column = parts.cleaned.fields[name]
        texts = Texts.of(column.values)
        codes = column.codes[first]
        weight = np.bincount(codes[codes >= 0], minlength=len(texts)).astype(np.int64)
        kept = weight > 0
        derived = []
        for derivation in sorted(self._states[name][0]):
            data, start, place = parts.of_values(name, derivation)
            kept &= place >= 0  # a date without its day says nothing of agreement of the whole
            derived.append(np.append(self._numbers(data, start), np.uint64(0))[place])
        keys = self._numbers(texts.data, texts.start)
        compared = texts.array.filter(pa.array(kept)) if name in self._schema.compared else None
        return _Table(keys[kept], weight[kept], np.stack(derived)[:, kept], compared)

    def _exchangeable(self, parts: Components, first: Index) -> tuple[dict[frozenset[str], Numbers], int]:
        """
        Records whose two names differ, by set of derivations: what the names give, in order of
        size, as one number, and in its lowest bit which of them came first.
        """
        if not self._subsets:
            return {}, 0
        codes = [parts.cleaned.fields[name].codes[first] for name in self._schema.named]
        both = (codes[0] >= 0) & (codes[1] >= 0)
        given: dict[str, list[Numbers]] = {}
        for derivation in sorted(self._schema.used[NAMES]):
            sides = []
            for name, code in zip(self._schema.named, codes, strict=True):
                data, start, place = parts.of_values(name, SORTED[derivation])
                sides.append(self._numbers(data, start)[place[code[both]]])
            given[derivation] = sides
        found = {}
        for subset in self._subsets:
            a = b = np.zeros(int(both.sum()), dtype=np.uint64)
            apart = np.ones(len(a), dtype=np.bool_)
            for derivation in sorted(subset):
                x, y = given[derivation]
                apart &= x != y  # the same name twice agrees straight as well: it is no exchange
                a, b = a * _MIX + x, b * _MIX + y
            pair = np.minimum(a, b) * _MIX + np.maximum(a, b)
            found[subset] = (pair << _ONE | (a < b).astype(np.uint64))[apart]
        return found, int(both.sum())

    def add(self, chunk: Chunk) -> None:
        """Add what :meth:`of` counted."""
        for name, table in chunk.fields.items():
            self._fields[name].add(table)
        for subset, numbers in chunk.swapped.items():
            self._swapped[subset].append(numbers)
        self._named += chunk.named

    def tasks(self) -> list[Callable[[], Any]]:
        """What is left to do when all is added, to be done in any order; :meth:`measured` takes it."""
        return [self._exchanged, *(partial(self._field, name) for name in self._schema.evidence)]

    def measured(self, done: Sequence[Any]) -> Statistics:
        """
        Level frequencies of random pairs of the records added, for the manifest.

        Args:
            done: what :meth:`tasks` gave, in their order.
        """
        exchanged, *fields = done
        swapped = {",".join(sorted(subset)): coarsened(count) for subset, count in exchanged.items()}
        pairs = self._named * (self._named - 1) // 2
        return Statistics(dict(zip(self._schema.evidence, fields, strict=True)), swapped, pairs)

    def _field(self, name: str) -> FieldStatistics:
        states = self._states[name]
        compared = name in self._schema.compared
        table = self._fields[name].table()
        if table is None:
            nothing = np.zeros(0, dtype=np.uint64)
            none = np.zeros((len(states[0]), 0), dtype=np.uint64)
            table = _Table(nothing, nothing.astype(np.int64), none, pa.array([], pa.large_string()))
        del self._fields[name]  # it may be large, and is of no more use
        columns = dict(zip(sorted(states[0]), table.derived, strict=True))
        pairs, counts = _exactly(columns, table.weight, states)
        sampled = _sampled(self._schema.fields[name], table, columns, states) if compared else ()
        return FieldStatistics(pairs, tuple(coarsened(c) for c in counts), sampled)

    def _exchanged(self) -> dict[frozenset[str], int]:
        """Pairs whose names agree crosswise, by exact set of the order-free derivations in use."""
        at_least = {}
        for subset, parts in self._swapped.items():
            numbers = np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *parts]))
            at_least[subset] = _mirrored(numbers)
        counts = {}
        for wanted in self._subsets:
            further = [more for more in self._subsets if more >= wanted]
            counts[wanted] = sum((-1) ** len(more - wanted) * at_least[more] for more in further)
        return counts


def _mirrored(numbers: Numbers) -> int:
    """Pairs of numbers that differ in the lowest bit alone; ``numbers`` are sorted."""
    key = numbers >> _ONE
    begins = np.flatnonzero(np.append(True, key[1:] != key[:-1])) if len(key) else np.zeros(0, np.int64)
    sizes = np.diff(np.append(begins, len(key)))
    several = sizes > 1
    begins, sizes = begins[several], sizes[several]
    first = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum((numbers & _ONE).astype(np.int64))])
    ones = first[begins + sizes] - first[begins]
    return int((ones * (sizes - ones)).sum())


# ---------------------------------------------------------------- a sample of lookalikes


def _sampled(
    field: SchemaField, table: _Table, columns: dict[str, Numbers], states: list[frozenset[str]]
) -> tuple[tuple[int | None, ...], ...]:
    """Pairs by state and level, from random pairs whose values differ."""
    counts = np.zeros((len(states), 4), dtype=np.int64)
    if table.texts is not None and table.weight.sum() > 1 and len(table.weight) > 1:
        # In the order of the values, so that the sample depends on nothing else.
        order = pc.sort_indices(table.texts).to_numpy().astype(np.int64)
        weight = table.weight[order]
        rng = np.random.Generator(np.random.PCG64(_SEED))
        share = weight / weight.sum()
        left = rng.choice(len(order), SAMPLE, p=share)
        right = rng.choice(len(order), SAMPLE, p=share)
        differ = left != right
        left, right = order[left[differ]], order[right[differ]]
        # Every pair in a block of its own: how alike two values look depends on no key.
        keys = rng.integers(0, 2**63, size=(len(left), 2), dtype=np.int64).astype(np.uint64)
        used = np.zeros(len(order), dtype=np.bool_)
        used[left] = used[right] = True
        drawn = np.flatnonzero(used)
        place = np.cumsum(used, dtype=np.int32) - np.int32(1)
        a, b = place[left], place[right]
        grams = gram_table(field.kind, Texts(table.texts.take(pa.array(drawn))), _KEY)
        one, two = (
            fill_segment(keys, side, grams, bits=field.bits, budget=field.budget).view(np.uint64)
            for side in (a, b)
        )
        both = np.bitwise_count(one & two).sum(axis=1, dtype=np.int64)
        total = np.bitwise_count(one).sum(axis=1, dtype=np.int64) + np.bitwise_count(two).sum(
            axis=1, dtype=np.int64
        )
        level = np.where(200 * both >= 85 * total, 1, np.where(200 * both >= 70 * total, 2, 3))
        np.add.at(counts, (_state_of(columns, states, left, right), level), 1)
    return tuple(tuple(coarsened(int(c)) for c in row) for row in counts)


def _state_of(columns: dict[str, Numbers], states: list[frozenset[str]], left: Index, right: Index) -> Index:
    names = list(columns)
    bits = np.zeros(len(left), dtype=np.int64)
    for position, name in enumerate(names):
        bits |= (columns[name][left] == columns[name][right]).astype(np.int64) << position
    number = np.full(1 << len(names), len(states) - 1, dtype=np.int64)
    for index, state in enumerate(states):
        number[sum(1 << i for i, name in enumerate(names) if name in state)] = index
    return number[bits]


def measure(cleaned: Cleaned, schema: LinkageSchema) -> Statistics:
    """The same of an extract that is in memory."""
    tally = Tally(schema)
    tally.add(tally.of(Components(cleaned, schema)))
    return tally.measured([task() for task in tally.tasks()])
