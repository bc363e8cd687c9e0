"""
Counting an extract that comes in chunks: distinct values, and pairs of records that agree.

Values are numbers here, equal where the values are (``chance`` says how they are made).

Source: specs/scoring-v1.md, 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.components import WHOLE

Index = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

#: Distinct values of new chunks that are gathered before they are merged.
PENDING = 500_000

# ---------------------------------------------------------------- exact counts


def pairs_within(counts: Index) -> int:
    """Unordered pairs within groups of these sizes."""
    return int((counts * (counts - 1)).sum()) // 2


def sizes(numbers: Numbers) -> Index:
    """How often each number stands there; ``numbers`` are sorted in place."""
    numbers.sort()
    begins = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    ends = np.concatenate([[0], begins, [len(numbers)]]) if len(numbers) else np.zeros(1, dtype=np.int64)
    return np.diff(ends).astype(np.int64)


def in_order(keys: npt.NDArray[np.generic]) -> tuple[Index, Index]:
    """The order of the keys, and where in it those of each value begin."""
    order = np.argsort(keys)
    ordered = keys[order]
    begins = np.append(True, ordered[1:] != ordered[:-1])[: len(keys)]
    return order, np.flatnonzero(begins)


def summed(keys: npt.NDArray[np.generic], weight: Index) -> tuple[Index, Index, Index]:
    """Groups of equal keys: which group each is in, one member of each, and its weight."""
    order, begins = in_order(keys)
    group = np.empty(len(keys), dtype=np.int64)
    group[order] = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(keys))))
    total = np.add.reduceat(weight[order], begins) if len(begins) else np.zeros(0, dtype=np.int64)
    return group, order[begins], total


def exactly(
    columns: dict[str, Numbers], weight: Index, states: list[frozenset[str]]
) -> tuple[int, list[int]]:
    """Pairs in each state: agreeing on every component of the state and on no other."""
    whole = WHOLE if WHOLE in columns else next(iter(columns))
    rest = [name for name in columns if name != whole]
    # What agrees on the whole value agrees on all that is derived of it.
    entirely = pairs_within(weight if whole == WHOLE else summed(columns[whole], weight)[2])
    codes: dict[frozenset[str], Index] = {}
    table, sums = reduced([columns[name] for name in rest], weight)
    at_least: dict[frozenset[str], int] = {frozenset(): pairs_within(np.asarray([weight.sum()]))}
    for size in range(1, len(rest) + 1):
        for chosen in combinations(range(len(rest)), size):
            names = frozenset(rest[i] for i in chosen)
            key = table[chosen[-1]]
            if size > 1:
                before = codes[frozenset(rest[i] for i in chosen[:-1])]
                key = before * (int(key.max(initial=0)) + 1) + key
            group, _, total = summed(key, sums)
            codes[names] = group
            at_least[names] = pairs_within(total)
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


def reduced(columns: Sequence[Numbers], weight: Index) -> tuple[list[Index], Index]:
    """Columns as small numbers, rows that are equal in all of them taken together."""
    if not columns:
        return [], weight
    small = [np.unique(column, return_inverse=True)[1].astype(np.int64) for column in columns]
    group = np.zeros(len(weight), dtype=np.int64)
    for column in small:
        group = np.unique(group * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1]
    _, first, total = summed(group, weight)
    return [column[first] for column in small], total


# ---------------------------------------------------------------- tables of distinct values


@dataclass(frozen=True)
class Table:
    """
    Distinct values of one field.

    keys: (n,) a number a value. weight: (n,) records that have it. whole: (n,) bool, whether it has
    all derivations of the field's first state. derived: (d, n) numbers of those but the whole value.
    texts: (n,) the values, where the field is compared.
    """

    keys: Numbers
    weight: Index
    whole: Flags
    derived: Numbers
    texts: pa.LargeStringArray | None

    @staticmethod
    def merged(parts: Sequence[Table]) -> Table:
        """Several tables as one, in the order of the keys."""
        keys = np.concatenate([part.keys for part in parts])
        first, begins = in_order(keys)
        weight = np.concatenate([part.weight for part in parts])[first]
        weight = np.add.reduceat(weight, begins) if len(begins) else weight
        first = first[begins]
        texts = None
        if parts[0].texts is not None:
            texts = pa.concat_arrays([part.texts for part in parts]).take(pa.array(first))
        whole = np.concatenate([part.whole for part in parts])[first]
        derived = np.empty((len(parts[0].derived), len(first)), dtype=np.uint64)
        for number in range(len(derived)):
            derived[number] = np.concatenate([part.derived[number] for part in parts])[first]
        return Table(keys[first], weight, whole, derived, texts)


class Distinct:
    """The distinct values of one field, gathered from chunk to chunk."""

    def __init__(self) -> None:
        self._parts: list[Table] = []
        self._whole = False

    def add(self, table: Table) -> None:
        self._whole = False
        self._parts.append(table)
        pending = sum(len(part.keys) for part in self._parts[1:])
        # Merging when the new ones are half as many as the old ones costs little in all.
        if pending > max(PENDING, len(self._parts[0].keys) // 2):
            self._parts = [Table.merged(self._parts)]

    def table(self) -> Table | None:
        """All of it, in the order of the keys; None where nothing was added."""
        if not self._whole and self._parts:
            self._parts = [Table.merged(self._parts)]
            self._whole = True
        return self._parts[0] if self._parts else None
