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
from pseudolink.encode.counts import Distinct, Index, Numbers, Table, exactly, pairs_within, sizes
from pseudolink.encode.filters import fill_segment, gram_table
from pseudolink.encode.parts import Component, Components
from pseudolink.encode.siphash import number_pieces
from pseudolink.formats.cleaned import Cleaned, Texts
from pseudolink.formats.statistics import FieldStatistics, Statistics, coarsened
from pseudolink.kernels import njit
from pseudolink.schema import LinkageSchema, SchemaField

#: Pairs sampled a compared field.
SAMPLE = 250_000
_SEED = 2011
# Protects nothing: the sample is of lookalikes, and the filters are thrown away at once.
_KEY = bytes(32)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
#: Records that are looked at together.
_BLOCK = 500_000


@dataclass(frozen=True)
class Chunk:
    """
    What one chunk adds: distinct values by field; of fields in which nearly every value is another
    one, numbers of the values of all records and of their one derivation; and the two names of
    every record that has both.
    """

    fields: dict[str, Table]
    single: dict[str, tuple[Numbers, Numbers]]
    names: Numbers


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
        self._subsets = [
            frozenset(chosen)
            for size in range(1, len(schema.used.get(NAMES, ())) + 1)
            for chosen in combinations(sorted(schema.used.get(NAMES, ())), size)
        ]
        # Numbers of people and the like: no table of them would be smaller than they are.
        self._single: dict[str, list[tuple[Numbers, Numbers]]] = {
            name: []
            for name in schema.fields
            if name not in schema.compared
            and not (self._subsets and name in schema.named)
            and self._derivations(name) in ([], [WHOLE], ["stem"])
            and schema.fields[name].kind != "date"
        }
        self._fields = {name: Distinct() for name in schema.fields if name not in self._single}
        self._names: list[Numbers] = []

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
        fields, single, keys = {}, {}, {}
        for name in self._schema.fields:
            texts = Texts.of(parts.cleaned.fields[name].values)
            keys[name] = self._numbers(texts.data, texts.start)
            if name in self._single:
                single[name] = self._numbered(name, parts, first, keys[name])
            else:
                fields[name] = self._table(name, parts, first, texts, keys[name])
        names = np.empty((2, 0), dtype=np.uint64)
        if self._subsets:
            codes = [parts.cleaned.fields[name].codes[first] for name in self._schema.named]
            both = (codes[0] >= 0) & (codes[1] >= 0)
            names = np.stack(
                [keys[name][code[both]] for name, code in zip(self._schema.named, codes, strict=True)]
            )
        return Chunk(fields, single, names)

    def _numbered(self, name: str, parts: Components, first: Index, keys: Numbers) -> tuple[Numbers, Numbers]:
        codes = parts.cleaned.fields[name].codes[first]
        codes = codes[codes >= 0]
        own = keys[codes]
        if self._derivations(name) != ["stem"]:
            return own, own
        data, start, place = parts.of_values(name, "stem")
        return own, self._numbers(data, start)[place[codes]]

    def _table(self, name: str, parts: Components, first: Index, texts: Texts, keys: Numbers) -> Table:
        codes = parts.cleaned.fields[name].codes[first]
        weight = np.bincount(codes[codes >= 0], minlength=len(texts)).astype(np.int64)
        kept = weight > 0
        whole = np.ones(len(texts), dtype=np.bool_)
        derived: list[Numbers] = []
        for derivation in self._derivations(name):
            data, start, place = parts.of_values(name, derivation)
            whole &= place >= 0  # a date without its day says nothing of agreement of the whole
            if derivation != WHOLE:  # whole values are equal where their keys are
                derived.append(np.append(self._numbers(data, start), np.uint64(0))[place][kept])
        compared = texts.array.filter(pa.array(kept)) if name in self._schema.compared else None
        rows = np.stack(derived) if derived else np.empty((0, int(kept.sum())), dtype=np.uint64)
        return Table(keys[kept], weight[kept], whole[kept], rows, compared)

    def _derivations(self, name: str) -> list[str]:
        """Of the field's first state; none where no pass uses the field."""
        return sorted(self._states[name][0]) if name in self._states else []

    def _columns(self, name: str, table: Table) -> dict[str, Numbers]:
        """Derivation -> its numbers."""
        rows = iter(table.derived)
        return {d: table.keys if d == WHOLE else next(rows) for d in self._derivations(name)}

    def add(self, chunk: Chunk) -> None:
        """Add what :meth:`of` counted."""
        for name, table in chunk.fields.items():
            self._fields[name].add(table)
        for name, numbers in chunk.single.items():
            self._single[name].append(numbers)
        self._names.append(chunk.names)

    def held(self, name: str) -> Index:
        """How many records have each value of a field, over all that was added; in no order."""
        if name in self._single:
            own = np.concatenate([np.zeros(0, dtype=np.uint64), *(own for own, _ in self._single[name])])
            return sizes(own)
        table = self._fields[name].table()
        return np.zeros(0, dtype=np.int64) if table is None else table.weight

    def tasks(self) -> list[Callable[[], Any]]:
        """
        What is left to do when all is added, to be done in any order; :meth:`measured` takes it.

        The tables are the tasks' then, so that each is gone when its own is done.
        """
        tables = {
            name: self._fields[name].table() or self._nothing(name)
            for name in self._schema.evidence
            if name in self._fields
        }
        single = {name: self._single[name] for name in self._schema.evidence if name in self._single}
        self._fields, self._single = {}, {}
        names, self._names = self._names, []
        pairs = [tables[name] for name in self._schema.named] if self._subsets else []
        return [
            partial(self._exchanged, names, pairs),
            *(
                partial(self._alone, name, single.pop(name))
                if name in single
                else partial(self._field, name, tables.pop(name))
                for name in self._schema.evidence
            ),
        ]

    def _nothing(self, name: str) -> Table:
        none = np.zeros(0, dtype=np.uint64)
        texts = pa.array([], pa.large_string()) if name in self._schema.compared else None
        derived = [d for d in self._derivations(name) if d != WHOLE]
        rows = np.zeros((len(derived), 0), dtype=np.uint64)
        return Table(none, none.astype(np.int64), none.astype(np.bool_), rows, texts)

    def measured(self, done: Sequence[Any]) -> Statistics:
        """
        Level frequencies of random pairs of the records added, for the manifest.

        Args:
            done: what :meth:`tasks` gave, in their order.
        """
        (exchanged, pairs), *fields = done
        swapped = {",".join(sorted(subset)): coarsened(count) for subset, count in exchanged.items()}
        return Statistics(dict(zip(self._schema.evidence, fields, strict=True)), swapped, pairs)

    def _field(self, name: str, table: Table) -> FieldStatistics:
        states = self._states[name]
        if not table.whole.all():
            kept = np.flatnonzero(table.whole)
            texts = None if table.texts is None else table.texts.take(pa.array(kept))
            table = Table(
                table.keys[kept], table.weight[kept], table.whole[kept], table.derived[:, kept], texts
            )
        columns = self._columns(name, table)
        pairs, counts = exactly(columns, table.weight, states)
        compared = name in self._schema.compared
        sampled = _sampled(self._schema.fields[name], table, columns, states) if compared else ()
        return FieldStatistics(pairs, tuple(coarsened(c) for c in counts), sampled)

    def _alone(self, name: str, parts: list[tuple[Numbers, Numbers]]) -> FieldStatistics:
        numbers = np.concatenate([np.zeros(0, dtype=np.uint64), *(derived for _, derived in parts)])
        parts.clear()
        pairs = len(numbers) * (len(numbers) - 1) // 2
        agree = pairs_within(sizes(numbers))
        counts = [agree, pairs - agree]
        return FieldStatistics(pairs, tuple(coarsened(c) for c in counts), ())

    def _exchanged(
        self, names: list[Numbers], tables: Sequence[Table]
    ) -> tuple[dict[frozenset[str], int], int]:
        """Pairs whose names agree crosswise, by exact set of the order-free derivations; all pairs."""
        if not self._subsets:
            return {}, 0
        total = sum(part.shape[1] for part in names)
        place = np.empty((2, total), dtype=np.int32)
        at = 0
        for part in names:
            for side, table in enumerate(tables):
                place[side, at : at + part.shape[1]] = np.searchsorted(table.keys, part[side])
            at += part.shape[1]
        names.clear()
        columns = [self._columns(name, t) for name, t in zip(self._schema.named, tables, strict=True)]
        at_least = {subset: _mirrored(_crosswise(subset, columns, place)) for subset in self._subsets}
        counts = {}
        for wanted in self._subsets:
            further = [more for more in self._subsets if more >= wanted]
            counts[wanted] = sum((-1) ** len(more - wanted) * at_least[more] for more in further)
        return counts, total * (total - 1) // 2


def _crosswise(
    subset: frozenset[str], columns: Sequence[dict[str, Numbers]], place: npt.NDArray[np.int32]
) -> Numbers:
    """
    For every record whose names differ in all these derivations: what the names give, in order of
    size, as one number, and in its lowest bit which of them came first. Sorted.
    """
    found = np.empty(place.shape[1], dtype=np.uint64)
    count = 0
    for begin in range(0, place.shape[1], _BLOCK):
        one, two = place[:, begin : begin + _BLOCK]
        a = b = np.zeros(len(one), dtype=np.uint64)
        apart = np.ones(len(one), dtype=np.bool_)
        for derivation in sorted(subset):
            x, y = columns[0][SORTED[derivation]][one], columns[1][SORTED[derivation]][two]
            apart &= x != y  # the same name twice agrees straight as well: it is no exchange
            a, b = a * _MIX + x, b * _MIX + y
        pair = np.minimum(a, b) * _MIX + np.maximum(a, b)
        some = (pair << _ONE | (a < b).astype(np.uint64))[apart]
        found[count : count + len(some)] = some
        count += len(some)
    found = found[:count]
    found.sort()
    return found


def _mirrored(numbers: Numbers) -> int:
    """Pairs of numbers that differ in the lowest bit alone; ``numbers`` are sorted."""
    same = (numbers[1:] >> _ONE) == (numbers[:-1] >> _ONE)
    ends = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    begins, lasts = ends[::2], ends[1::2] + 1
    if not len(begins):
        return 0
    lowest = np.append((numbers & _ONE).astype(np.uint8), np.uint8(0))
    ones = np.add.reduceat(lowest, np.column_stack([begins, lasts]).ravel(), dtype=np.int64)[::2]
    return int((ones * (lasts - begins - ones)).sum())


# ---------------------------------------------------------------- a sample of lookalikes


def _sampled(
    field: SchemaField, table: Table, columns: dict[str, Numbers], states: list[frozenset[str]]
) -> tuple[tuple[int | None, ...], ...]:
    """Pairs by state and level, from random pairs whose values differ."""
    counts = np.zeros((len(states), 4), dtype=np.int64)
    if table.texts is not None and table.weight.sum() > 1 and len(table.weight) > 1:
        # In the order of the values, so that the sample depends on nothing else.
        order = pc.sort_indices(table.texts).to_numpy().astype(np.int64)
        weight = table.weight[order]
        rng = np.random.Generator(np.random.PCG64(_SEED))
        share = weight / weight.sum()
        left, right = (drawn_by_weight(share, rng.random(SAMPLE)) for _ in range(2))
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
        words = np.ones(one.shape[1], dtype=np.int64)
        both = np.bitwise_count(one & two) @ words
        total = np.bitwise_count(one) @ words + np.bitwise_count(two) @ words
        level = np.where(200 * both >= 85 * total, 1, np.where(200 * both >= 70 * total, 2, 3))
        np.add.at(counts, (_state_of(columns, states, left, right), level), 1)
    return tuple(tuple(coarsened(int(c)) for c in row) for row in counts)


def drawn_by_weight(share: npt.NDArray[np.float64], uniform: npt.NDArray[np.float64]) -> Index:
    """
    What ``Generator.choice`` draws, the search for each place shortened by a table of where to begin.

    Args:
        share: (n,), sums to 1. uniform: (k,) in [0, 1).

    Returns:
        (k,) int64 below n.
    """
    upto = np.cumsum(share)
    upto /= upto[-1]
    slots = 1 << max(len(share) - 1, 1).bit_length()  # a power of two: multiplying by it is exact
    begin = np.searchsorted(upto, np.arange(slots) / slots, side="right").astype(np.int64)
    out = np.empty(len(uniform), dtype=np.int64)
    _places(upto, begin, uniform, out)
    return out


@njit(cache=True, nogil=True, boundscheck=False)
def _places(
    upto: npt.NDArray[np.float64], begin: Index, uniform: npt.NDArray[np.float64], out: Index
) -> None:
    for number in range(len(uniform)):
        place = begin[int(uniform[number] * len(begin))]
        while upto[place] <= uniform[number]:
            place += 1
        out[number] = place


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
