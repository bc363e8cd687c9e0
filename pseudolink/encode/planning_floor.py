"""
Company that a pass would give, in extracts at hand and in a larger population.

What is seen in an extract is counted. What a larger population would show is judged twice: from
what is seen, and from how often pairs of records agree on parts of the pass, which is known far
better than how often they agree on all of it.

Source: specs/planning-v1.md, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pseudolink.components import NAMES, SORTED, join, split
from pseudolink.encode.bits import Flags, Index, Table, Words, packed
from pseudolink.encode.tokens import Components
from pseudolink.formats.cleaned import Cleaned
from pseudolink.schema import LinkageSchema

Floats = npt.NDArray[np.float64]
On = tuple[str, ...]

_WIDEST_SHARE = 0.6
#: Components whose agreement is counted together at most (one fewer than this).
_MOST_TOGETHER = 4
_LEAST_PAIRS = 10
#: Share of the company allowed that a plan uses: other parties' extracts are not quite like these.
_RESERVE = 0.9
#: Records whose pairs tell how often two records agree on a few components.
_PROBED = 30_000
#: Share of people who have a twin with their surname or address in a population of which an extract
#: is a part. In a sample twins are parted; a pass without any of the forename joins them.
_TWINS = 0.015


@dataclass(frozen=True)
class Limits:
    """
    What a plan must keep to.

    company: share of records with company, in a population of ``population`` records.
    component: most records that may hang together. passes: most passes.
    """

    company: float
    component: int
    passes: int
    population: int


@dataclass(frozen=True)
class Option:
    """
    A pass that could be taken, in every extract.

    alike: which records have company, packed, extract after extract.
    unseen: (extracts,) records that would have company in the population beyond those, in the
        scale of the extract. largest: (extracts,) records of the largest block in the population.
    twins: whether it joins twins: no part of the forename is in it, and not a number.
    """

    on: On
    alike: Words
    unseen: Floats
    largest: Index
    twins: bool


class Keys:
    """
    A random word for every value of every component; a combination's key is their sum.

    The words are the same in every run. Two different combinations of values have the same sum by
    an accident of one in 2^64, so keys are equal where all components are.
    """

    def __init__(self, cleaned: Cleaned, schema: LinkageSchema, components: Iterable[str]) -> None:
        parts = Components(cleaned, schema)
        self.rows = cleaned.rows
        self.words: dict[str, tuple[Words, Flags]] = {}
        for name in components:
            codes = parts[name].codes
            rng = np.random.Generator(np.random.PCG64([11, *name.encode()]))
            table = rng.integers(0, 2**64, size=int(codes.max(initial=0)) + 2, dtype=np.uint64)
            self.words[name] = (table[codes], codes >= 0)

    def of(self, on: Sequence[str], rows: int | None = None) -> tuple[Words, Flags]:
        """The key of every row (or of the first rows), and which rows have one."""
        keys, present = self.words[on[0]]
        keys, present = keys[:rows], present[:rows]
        for component in on[1:]:
            words, there = self.words[component]
            keys, present = keys + words[:rows], present & there[:rows]
        return keys, present


class Floor:
    """Company of every extract, scaled to the stated population."""

    def __init__(
        self, people: Sequence[Cleaned], schema: LinkageSchema, limits: Limits, components: Iterable[str]
    ) -> None:
        components = sorted(set(components))
        self.keys = [Keys(one, schema, components) for one in people]
        self.rows = np.asarray([one.rows for one in people], dtype=np.int64)
        self.scale = np.maximum(limits.population / np.maximum(self.rows, 1), 1.0)
        self.allowed = _RESERVE * limits.company * self.rows / self.scale
        self.component = limits.component
        self.twins = _TWINS * self.rows / self.scale * (1.0 - 1.0 / self.scale)
        self._named = schema.named
        self.ends = np.cumsum((self.rows + 63) // 64)
        self.starts = self.ends - (self.rows + 63) // 64
        self._edges: dict[tuple[int, On], tuple[Index, Index]] = {}
        self._agreeing: list[dict[On, tuple[int, float]]] = [{} for _ in people]

    def options(self, batch: list[On]) -> list[Option]:
        """Those of a batch that are not far too broad alone."""
        tables = [Table(keys.rows) for keys in self.keys]
        return [option for on in batch if (option := self._option(on, tables)) is not None]

    def _option(self, on: On, tables: list[Table]) -> Option | None:
        with_company, unseen, largest = [], [], []
        for number, (keys, table) in enumerate(zip(self.keys, tables, strict=True)):
            most = int(_WIDEST_SHARE * self.allowed[number])
            total, block = table.alike(*keys.of(on), most)
            expected = self.expected(number, on, tables[number])
            if total > most or expected > _WIDEST_SHARE * self.allowed[number]:
                return None
            # Twins are two at any size; of a block of three strangers the population has more.
            block = max(block, int(np.round(1 + (block - 2) * self.scale[number])))
            if block > self.component:
                return None
            with_company.append(packed(table.found))
            unseen.append(max(expected - total, 0.0))
            largest.append(block)
        return Option(
            on,
            np.concatenate(with_company),
            np.asarray(unseen, dtype=np.float64),
            np.asarray(largest, dtype=np.int64),
            len(on) > 1 and not {NAMES, *self._named[:1]} & {split(c)[0] for c in on},
        )

    def expected(self, number: int, on: On, table: Table) -> float:
        """
        Records of an extract that would have company if they were part of the population, judged by
        the pairs that agree on two parts of the pass; 0 where the extract is the population.
        """
        scale = float(self.scale[number])
        if scale <= 1.0 or len(on) == 1:  # a number is one person's; it has no parts
            return 0.0
        on = self._parted(on)
        splits = [
            [self._share(number, part, table) for part in (left, tuple(c for c in on if c not in left))]
            for size in range((len(on) + 1) // 2, min(len(on), _MOST_TOGETHER))
            for left in combinations(on, size)
        ]
        # Parts on which hardly any pair agrees say little, if there are others.
        known = [split for split in splits if all(pairs >= _LEAST_PAIRS for pairs, _ in split)]
        most = max(left * right for (_, left), (_, right) in known or splits)
        # In the population a record meets scale x rows others; in the extract's own scale, so that
        # it can be added to what is counted there, company is divided by the scale.
        return most * float(self.rows[number]) ** 2 * (1.0 - 1.0 / scale)

    def _parted(self, on: On) -> On:
        """Both names in place of the order-free component of them, so that each can stand with others."""
        parts: list[str] = []
        for component in on:
            field, derivation = split(component)
            inner = (
                [join(name, SORTED[derivation]) for name in self._named] if field == NAMES else [component]
            )
            parts += inner
        return tuple(parts)

    def _share(self, number: int, on: On, table: Table) -> tuple[int, float]:
        """Pairs of probed records that agree on some components, and the share of all pairs that may."""
        known = self._agreeing[number]
        if on not in known:
            rows = min(_PROBED, int(self.rows[number]))
            pairs = table.pairs(*self.keys[number].of(on, rows))
            # A standard error more than is seen, or what looks rarest by luck would be taken.
            most = pairs + (pairs + 1.0) ** 0.5
            known[on] = pairs, min(2.0 * most / max(rows * (rows - 1), 1), 1.0)
        return known[on]

    def counts(self, with_company: Words) -> Index:
        """Records with company by extract: the last axis is all of them, packed."""
        found = np.bitwise_count(with_company)
        parts = [found[..., a:b].sum(axis=-1) for a, b in zip(self.starts, self.ends, strict=True)]
        return np.stack(parts, axis=-1).astype(np.int64)

    def share(self, counts: Floats) -> float:
        """The largest share of company that any extract would have at the stated population."""
        return float(np.minimum(counts * self.scale / np.maximum(self.rows, 1), 1.0).max())

    def small(self, chosen: Sequence[Option]) -> bool:
        """Whether the records that passes tie together stay in small components."""
        for number, keys in enumerate(self.keys):
            tied = [one for one in chosen if one.largest[number] > 1]
            for one in tied:
                if (number, one.on) not in self._edges:
                    self._edges[number, one.on] = _tied(*keys.of(one.on))
            edges = [self._edges[number, one.on] for one in tied]
            if edges:
                a, b = (np.concatenate(ends) for ends in zip(*edges, strict=True))
                graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(keys.rows, keys.rows))
                _, labels = connected_components(graph, directed=False)
                if int(np.bincount(labels).max(initial=0)) > self.component:
                    return False
        return True


def _tied(keys: Words, present: Flags) -> tuple[Index, Index]:
    """Every record of a block joined to the next one of it."""
    rows = np.flatnonzero(present)
    order = rows[np.argsort(keys[rows], kind="stable")]
    same = keys[order][1:] == keys[order][:-1]
    return order[:-1][same], order[1:][same]
