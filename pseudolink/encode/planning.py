"""
Choosing passes under the security floor, without truth.

Every combination of two to four components is judged by the pairs of original and erring copy
that would share its token, and by the records of the extract to which it would give company.
Passes are picked one after another for the most pairs gained per record of company added.

Source: specs/planning-v1.md, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pseudolink.components import NAMES, join
from pseudolink.encode.tokens import Components
from pseudolink.formats.cleaned import Cleaned
from pseudolink.schema import LinkageSchema

Index = npt.NDArray[np.int64]
Packed = npt.NDArray[np.uint8]

NUMBERS = ("nino", "upn", "nhs", "uln")
#: Derivations that a pass may use, by kind; the whole is "".
_USED = {
    "forename": ("", "soundex", "metaphone", "first3", "last3", "initial"),
    "surname": ("", "soundex", "metaphone", "first3", "last3", "initial"),
    "date": ("", "year", "year_month", "year_day", "month_day", "sorted"),
    "postcode": ("", "district"),
    "sex": ("",),
    "text": ("",),
}
_SORTED = ("sorted_soundex", "sorted_metaphone", "sorted")
_MOST_COMPONENTS = 4
#: A record of company weighs as much as a pair; this many are forgiven, so that a pass without
#: company is not preferred for one pair more.
_FORGIVEN = 0.0005
_WIDEST_SHARE = 0.6
#: Share of the company allowed that a plan uses: other parties' extracts are not quite like these.
_RESERVE = 0.9


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
class _Option:
    on: tuple[str, ...]
    found: Packed
    alike: Packed
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


def _keys(parts: Components, on: Sequence[str]) -> Index:
    """One number a row for the values of all components; below 0 where one is missing."""
    key = parts[on[0]].codes.copy()
    missing = key < 0
    for component in on[1:]:
        codes = parts[component].codes
        missing |= codes < 0
        width = int(codes.max(initial=0)) + 2
        if int(key.max(initial=0)) > 2**62 // width:
            _, key = np.unique(key, return_inverse=True)
        key = key * width + codes
    key[missing] = -1
    return key


def _found(pairs: Components, on: tuple[str, ...], rows: int, copies: int) -> Packed:
    """Which of the erring copies share the token of their original."""
    key = _keys(pairs, on)
    return np.packbits((np.tile(key[:rows], copies) == key[rows:]) & (key[rows:] >= 0))


def _alike(people: Components, on: tuple[str, ...]) -> tuple[Packed, int]:
    """Which records have company, and the largest block."""
    key = _keys(people, on)
    held = np.flatnonzero(key >= 0)
    _, inverse, counts = np.unique(key[held], return_inverse=True, return_counts=True)
    alike = np.zeros(len(key), dtype=bool)
    alike[held[counts[inverse] > 1]] = True
    return np.packbits(alike), int(counts.max(initial=0))


def _ones(packed: Packed) -> int:
    return int(np.bitwise_count(packed).sum())


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


class _Floor:
    """Company of every extract, scaled to the stated population."""

    def __init__(self, people: tuple[Cleaned, ...], schema: LinkageSchema, limits: Limits) -> None:
        self.parts = [Components(one, schema) for one in people]
        self.rows = np.asarray([one.rows for one in people], dtype=np.int64)
        self.scale = np.maximum(limits.population / np.maximum(self.rows, 1), 1.0)
        self.allowed = _RESERVE * limits.company * self.rows / self.scale
        # Seen in a sample, no company is no proof that the whole has none: half a pair is added to
        # every pass, or the passes that look best by luck would be the ones that are taken.
        self.unseen = 1.0 - 1.0 / self.scale
        self.component = limits.component
        widths = [(int(n) + 7) // 8 for n in self.rows]
        self.ends = np.cumsum(widths)
        self.starts = self.ends - widths

    def option(self, on: tuple[str, ...]) -> tuple[Packed, Index] | None:
        """Records with company, and largest blocks by extract; None for a pass far too broad."""
        found = [_alike(parts, on) for parts in self.parts]
        largest = np.asarray([block for _, block in found], dtype=np.int64)
        alike = np.concatenate([packed for packed, _ in found])
        # One record alone is a block of one at any size; a block of two grows with the population.
        wide = (self.counts(alike) > _WIDEST_SHARE * self.allowed) | (
            (largest - 1) * self.scale >= self.component
        )
        return None if wide.any() else (alike, largest)

    def counts(self, alike: Packed) -> Index:
        """Records with company by extract: the last axis of ``alike`` is all of them, packed."""
        ones = np.bitwise_count(alike)
        parts = [ones[..., a:b].sum(axis=-1) for a, b in zip(self.starts, self.ends, strict=True)]
        return np.stack(parts, axis=-1).astype(np.int64)

    def share(self, counts: npt.NDArray[np.float64]) -> float:
        """The largest share of company that any extract would have at the stated population."""
        return float(np.minimum(counts * self.scale / np.maximum(self.rows, 1), 1.0).max())

    def small(self, chosen: list[_Option]) -> bool:
        """Whether the records that passes tie together stay in small components."""
        for number, parts in enumerate(self.parts):
            edges = [_tied(parts, one.on) for one in chosen if one.largest[number] > 1]
            if edges:
                a, b = (np.concatenate(ends) for ends in zip(*edges, strict=True))
                rows = int(self.rows[number])
                graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(rows, rows))
                _, labels = connected_components(graph, directed=False)
                if int(np.bincount(labels).max(initial=0)) > self.component:
                    return False
        return True


def _tied(parts: Components, on: tuple[str, ...]) -> tuple[Index, Index]:
    """Every record of a block joined to the next one of it."""
    key = _keys(parts, on)
    order = np.argsort(key, kind="stable")
    order = order[key[order] >= 0]
    same = key[order][1:] == key[order][:-1]
    return order[:-1][same], order[1:][same]


def choose(
    material: Material,
    schema: LinkageSchema,
    limits: Limits,
    *,
    report: Callable[[str, int, int], None] | None = None,
) -> list[Chosen]:
    """
    Pick passes greedily.

    Args:
        schema: its fields; its passes are not looked at.
        limits: company and blocks are scaled from the people at hand to the stated population; a
            tenth of the company allowed is kept in reserve for extracts that nobody has seen.

    Returns:
        passes in the order of choice, each with what it adds.
    """
    floor = _Floor(material.people, schema, limits)
    pairs = Components(material.pairs, schema)
    options = []
    tried = list(dict.fromkeys(combinations_of(schema)))
    for number, on in enumerate(tried):
        judged = floor.option(on)
        if judged is not None:
            found = _found(pairs, on, material.originals, material.copies)
            options.append(_Option(on, found, *judged))
        if report and number % 50 == 0:
            report("plan", number, len(tried))
    if report:
        report("plan", len(tried), len(tried))
    return _greedy(options, floor, material, limits.passes) if options else []


def _greedy(options: list[_Option], floor: _Floor, material: Material, most: int) -> list[Chosen]:
    """One pass after another, until nothing is gained or the floor is reached."""
    found = np.stack([one.found for one in options])
    alike = np.stack([one.alike for one in options])
    got = np.zeros(found.shape[1], dtype=np.uint8)
    company = np.zeros(alike.shape[1], dtype=np.uint8)
    open_ = np.ones(len(options), dtype=bool)
    pairs = material.originals * material.copies
    people = int(floor.rows.sum())
    forgiven = max(_FORGIVEN * people, 2.0)
    picked: list[_Option] = []
    chosen: list[Chosen] = []
    while len(picked) < most:
        gain = np.bitwise_count(found & ~got).sum(axis=1, dtype=np.int64) * (people / pairs)
        cost = floor.counts(alike & ~company) + floor.unseen
        before = floor.counts(company) + floor.unseen * len(picked)
        possible = open_ & (gain >= max(1.0, people / pairs))
        possible &= (before + cost <= floor.allowed).all(axis=1)
        if not possible.any():
            break
        best = int(np.argmax(np.where(possible, gain / (cost.sum(axis=1) + forgiven), -1.0)))
        open_[best] = False
        if not floor.small([*picked, options[best]]):
            continue
        picked.append(options[best])
        got |= found[best]
        company |= alike[best]
        blocks = np.round(1 + (options[best].largest - 1) * floor.scale)
        chosen.append(
            Chosen(
                options[best].on,
                float(gain[best]) / people,
                _ones(got) / pairs,
                floor.share(cost[best]),
                floor.share(floor.counts(company) + floor.unseen * len(picked)),
                int(blocks.max()),
            )
        )
    return chosen
