"""
Choosing passes under the security floor, without truth.

Every combination of two to four components is judged by the pairs of original and erring copy
that would share its token, and by the records of the extract to which it would give company.
Passes are picked one after another for the most pairs gained per record of company added, and
then exchanged for better ones while there are any.

Source: specs/planning-v1.md, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pseudolink.components import NAMES, join
from pseudolink.encode.bits import Flags, Index, Table, Words, fresh, ones, packed
from pseudolink.encode.tokens import Components
from pseudolink.formats.cleaned import Cleaned
from pseudolink.schema import LinkageSchema

NUMBERS = ("nino", "upn", "nhs", "uln")
#: Derivations that a pass may use, by kind; the whole is "".
_USED = {
    "forename": ("", "soundex", "metaphone", "first3", "last3", "initial"),
    "surname": ("", "soundex", "metaphone", "first3", "last3", "initial"),
    "date": ("", "year", "month", "day", "year_month", "year_day", "month_day", "sorted"),
    "postcode": ("", "sector", "district", "area"),
    "sex": ("",),
    "text": ("", "head", "tail"),
}
_SORTED = ("sorted_soundex", "sorted_metaphone", "sorted")
_MOST_COMPONENTS = 4
#: A record of company weighs as much as a pair; this many are forgiven, so that a pass without
#: company is not preferred for one pair more.
_FORGIVEN = 0.0007
_WIDEST_SHARE = 0.6
#: Share of the company allowed that a plan uses: other parties' extracts are not quite like these.
_RESERVE = 0.9
#: How often all passes are looked over for a better one each.
_ROUNDS = 3
#: Combinations that are judged in one go.
_BATCH = 100

Batch = list[tuple[str, ...]]
#: ``run(function, batches) -> results in order``: in turn or on several threads.
Run = Callable[[Callable[[Batch], "list[_Option]"], Sequence[Batch]], Iterable["list[_Option]"]]


def in_turn(function: Callable[[Batch], list[_Option]], batches: Sequence[Batch]) -> Iterable[list[_Option]]:
    """One batch after another."""
    return map(function, batches)


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
class Chosen:
    """One pass of a plan, and what it adds: shares of pairs and of records, largest block."""

    on: tuple[str, ...]
    gained: float
    recall: float
    company_added: float
    company: float
    largest_block: int


@dataclass(frozen=True)
class Material:
    """
    What a plan is made from.

    people: cleaned extracts, in each of which company is measured: two extracts hold the same
    people, so records of different ones are no company. pairs: n originals and, below them,
    ``copies`` erring copies of each (n * (copies + 1) rows), whose agreement is measured.
    """

    people: tuple[Cleaned, ...]
    pairs: Cleaned
    originals: int
    copies: int


@dataclass(frozen=True)
class _Option:
    """A pass that could be taken: records of all extracts with company, largest block by extract."""

    on: tuple[str, ...]
    alike: Words
    largest: Index


def combinations_of(schema: LinkageSchema) -> Iterator[tuple[str, ...]]:
    """Every ``on`` that is considered: numbers alone, two to four components of different fields."""
    options: list[list[str | None]] = []
    for name, field in schema.fields.items():
        if field.kind in NUMBERS:
            yield (join(name, "stem" if field.kind == "nino" else ""),)
        else:
            options.append([None, *(join(name, d) for d in _USED[field.kind])])
    for chosen in product(*options):
        on = tuple(c for c in chosen if c is not None)
        if 2 <= len(on) <= _MOST_COMPONENTS:
            yield on
    if len(schema.named) == 2:
        rest = [o for o in options if o[1] not in schema.named]
        for derivation in _SORTED:
            for chosen in product(*rest):
                on = tuple(c for c in chosen if c is not None)
                if 1 <= len(on) < _MOST_COMPONENTS:
                    yield (join(NAMES, derivation), *on)


class _Keys:
    """
    A random word for every value of every component; a combination's key is their sum.

    The words are the same in every run. Two different combinations of values have the same sum by
    an accident of one in 2^64, so keys are equal where all components are.
    """

    def __init__(self, cleaned: Cleaned, schema: LinkageSchema, components: Iterable[str]) -> None:
        parts = Components(cleaned, schema)
        self.rows = cleaned.rows
        self.words: dict[str, tuple[Words, Flags]] = {}
        for name in sorted(set(components)):
            codes = parts[name].codes
            rng = np.random.Generator(np.random.PCG64([11, *name.encode()]))
            table = rng.integers(0, 2**64, size=int(codes.max(initial=0)) + 2, dtype=np.uint64)
            self.words[name] = (table[codes], codes >= 0)

    def of(self, on: Sequence[str]) -> tuple[Words, Flags]:
        """The key of every row, and which rows have one."""
        keys, present = self.words[on[0]]
        for component in on[1:]:
            words, there = self.words[component]
            keys, present = keys + words, present & there
        return keys, present


class _Floor:
    """Company of every extract, scaled to the stated population."""

    def __init__(
        self, people: tuple[Cleaned, ...], schema: LinkageSchema, limits: Limits, components: Iterable[str]
    ) -> None:
        components = sorted(set(components))
        self.keys = [_Keys(one, schema, components) for one in people]
        self.rows = np.asarray([one.rows for one in people], dtype=np.int64)
        self.scale = np.maximum(limits.population / np.maximum(self.rows, 1), 1.0)
        self.allowed = _RESERVE * limits.company * self.rows / self.scale
        # Seen in a sample, no company is no proof that the whole has none: half a pair is added to
        # every pass, or the passes that look best by luck would be the ones that are taken.
        self.unseen = 1.0 - 1.0 / self.scale
        self.component = limits.component
        self._edges: dict[tuple[int, tuple[str, ...]], tuple[Index, Index]] = {}
        self.ends = np.cumsum((self.rows + 63) // 64)
        self.starts = self.ends - (self.rows + 63) // 64

    def options(self, batch: Batch) -> list[_Option]:
        """Those of a batch that are not far too broad alone."""
        tables = [Table(keys.rows) for keys in self.keys]
        found = []
        for on in batch:
            option = self._option(on, tables)
            if option is not None:
                found.append(option)
        return found

    def _option(self, on: tuple[str, ...], tables: list[Table]) -> _Option | None:
        with_company, largest = [], []
        for keys, table, allowed, scale in zip(self.keys, tables, self.allowed, self.scale, strict=True):
            most = int(_WIDEST_SHARE * allowed)
            total, block = table.alike(*keys.of(on), most)
            # One record alone is a block of one at any size; a block of two grows with the population.
            if total > most or (block - 1) * scale >= self.component:
                return None
            with_company.append(packed(table.found))
            largest.append(block)
        return _Option(on, np.concatenate(with_company), np.asarray(largest, dtype=np.int64))

    def counts(self, with_company: Words) -> Index:
        """Records with company by extract: the last axis is all of them, packed."""
        found = np.bitwise_count(with_company)
        parts = [found[..., a:b].sum(axis=-1) for a, b in zip(self.starts, self.ends, strict=True)]
        return np.stack(parts, axis=-1).astype(np.int64)

    def share(self, counts: npt.NDArray[np.float64]) -> float:
        """The largest share of company that any extract would have at the stated population."""
        return float(np.minimum(counts * self.scale / np.maximum(self.rows, 1), 1.0).max())

    def small(self, chosen: Sequence[_Option]) -> bool:
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


def _agreements(material: Material, schema: LinkageSchema, components: Iterable[str]) -> dict[str, Words]:
    """Component -> the erring copies that agree with their original on it."""
    parts = Components(material.pairs, schema)
    found = {}
    for name in sorted(set(components)):
        codes = parts[name].codes
        original = np.tile(codes[: material.originals], material.copies)
        found[name] = packed((original == codes[material.originals :]) & (original >= 0))
    return found


def choose(
    material: Material,
    schema: LinkageSchema,
    limits: Limits,
    *,
    run: Run = in_turn,
    report: Callable[[str, int, int], None] | None = None,
) -> list[Chosen]:
    """
    Pick passes greedily, then exchange them one by one for better ones.

    Args:
        schema: its fields; its passes are not looked at.
        limits: company and blocks are scaled from the people at hand to the stated population; a
            tenth of the company allowed is kept in reserve for extracts that nobody has seen.
        run: judges combinations, in turn or on several threads; the result is the same.

    Returns:
        passes in the order of what they add, each with it.
    """
    tried = list(dict.fromkeys(combinations_of(schema)))
    components = {name for on in tried for name in on}
    floor = _Floor(material.people, schema, limits, components)
    batches = [tried[at : at + _BATCH] for at in range(0, len(tried), _BATCH)]
    options: list[_Option] = []
    for number, some in enumerate(run(floor.options, batches)):
        options += some
        if report:
            report("plan", min((number + 1) * _BATCH, len(tried)), len(tried))
    if not options:
        return []
    return _Choice(options, floor, _agreements(material, schema, components), material).made(limits.passes)


class _Choice:
    """The search among options: which copies each finds, and to which records it gives company."""

    def __init__(
        self, options: list[_Option], floor: _Floor, agreements: dict[str, Words], material: Material
    ) -> None:
        self.options, self.floor = options, floor
        self.found = np.stack([_all([agreements[name] for name in one.on]) for one in options])
        self.alike = np.stack([one.alike for one in options])
        self.pairs = material.originals * material.copies
        self.people = int(floor.rows.sum())
        self.forgiven = max(_FORGIVEN * self.people, 2.0)
        self._gain = np.zeros(len(options), dtype=np.int64)
        self._total = np.zeros(len(options), dtype=np.int64)

    def made(self, most: int) -> list[Chosen]:
        """The passes that are taken."""
        picked = self._improved(self._greedy([], most))
        return self._told(self._greedy(picked, most))

    def _gains(self, got: Words, asked: Flags) -> Index:
        fresh(self.found, got, asked, self._gain)
        return np.where(asked, self._gain, 0)

    def _costs(self, company: Words, asked: Flags) -> Index:
        """(options, extracts): records of company that each would add."""
        columns = []
        for a, b in zip(self.floor.starts, self.floor.ends, strict=True):
            fresh(self.alike[:, a:b], company[a:b], asked, self._total)
            columns.append(np.where(asked, self._total, 0))
        return np.stack(columns, axis=1)

    def _room(self, company: Words, picked: int) -> npt.NDArray[np.float64]:
        """Records by extract that may still get company, when one pass more is taken."""
        room: npt.NDArray[np.float64] = (
            self.floor.allowed - self.floor.counts(company) - self.floor.unseen * (picked + 1)
        )
        return room

    def _covered(self, picked: Sequence[int]) -> tuple[Words, Words]:
        empty = (np.zeros_like(self.found[0]), np.zeros_like(self.alike[0]))
        if not picked:
            return empty
        return np.bitwise_or.reduce(self.found[picked]), np.bitwise_or.reduce(self.alike[picked])

    def _greedy(self, picked: list[int], most: int) -> list[int]:
        """One pass after another, until nothing is gained or the floor is reached."""
        picked = list(picked)
        got, company = self._covered(picked)
        asked = np.ones(len(self.options), dtype=np.bool_)
        asked[picked] = False
        while len(picked) < most:
            gain = self._gains(got, asked)
            asked &= gain > 0
            cost = self._costs(company, asked)
            possible = asked & (cost <= self._room(company, len(picked))).all(axis=1)
            if not possible.any():
                break
            worth = gain / (cost.sum(axis=1) + self.forgiven)
            best = int(np.argmax(np.where(possible, worth, -1.0)))
            asked[best] = False
            if self.floor.small([self.options[n] for n in (*picked, best)]):
                picked.append(best)
                got |= self.found[best]
                company |= self.alike[best]
        return picked

    def _improved(self, picked: list[int]) -> list[int]:
        """Each pass exchanged for the one that finds most in its place, while any finds more."""
        picked = list(picked)
        for _ in range(_ROUNDS):
            changed = False
            for place, one in enumerate(picked):
                rest = picked[:place] + picked[place + 1 :]
                got, company = self._covered(rest)
                asked = np.ones(len(self.options), dtype=np.bool_)
                asked[rest] = False
                gain = self._gains(got, asked)
                asked &= gain > gain[one]
                if not asked.any():
                    continue
                asked &= (self._costs(company, asked) <= self._room(company, len(rest))).all(axis=1)
                best = int(np.argmax(np.where(asked, gain, -1)))
                if asked[best] and self.floor.small([self.options[n] for n in (*rest, best)]):
                    picked[place] = best
                    changed = True
            if not changed:
                break
        return picked

    def _told(self, picked: list[int]) -> list[Chosen]:
        """The passes in the order of what each adds to those before it, with what it adds."""
        got, company = self._covered([])
        left = list(picked)
        told: list[Chosen] = []
        while left:
            asked = np.zeros(len(self.options), dtype=np.bool_)
            asked[left] = True
            gain = self._gains(got, asked)
            best = max(left, key=lambda n: (gain[n], -n))
            left.remove(best)
            option = self.options[best]
            cost = self.floor.counts(option.alike & ~company) + self.floor.unseen
            got |= self.found[best]
            company |= option.alike
            told.append(
                Chosen(
                    option.on,
                    float(gain[best]) / self.pairs,
                    ones(got) / self.pairs,
                    self.floor.share(cost),
                    self.floor.share(self.floor.counts(company) + self.floor.unseen * (len(told) + 1)),
                    int(np.round(1 + (option.largest - 1) * self.floor.scale).max()),
                )
            )
        return told


def _all(sets: Sequence[Words]) -> Words:
    """What is in every one of the sets."""
    found: Words = np.bitwise_and.reduce(np.stack(sets))
    return found
