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
    largest_block: int


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


def _judge(parts: Components, on: tuple[str, ...], rows: int, copies: int) -> _Option:
    key = _keys(parts, on)
    own = key[:rows]
    found = (np.tile(own, copies) == key[rows:]) & (key[rows:] >= 0)
    held = np.flatnonzero(own >= 0)
    _, inverse, counts = np.unique(own[held], return_inverse=True, return_counts=True)
    alike = np.zeros(rows, dtype=bool)
    alike[held[counts[inverse] > 1]] = True
    return _Option(on, np.packbits(found), np.packbits(alike), int(counts.max(initial=0)))


def _ones(packed: Packed) -> int:
    return int(np.bitwise_count(packed).sum())


def choose(
    stacked: Cleaned,
    schema: LinkageSchema,
    limits: Limits,
    *,
    rows: int,
    copies: int,
    report: Callable[[str, int, int], None] | None = None,
) -> list[Chosen]:
    """
    Pick passes greedily.

    Args:
        stacked: originals and erring copies (``rows * (copies + 1)`` rows).
        schema: its fields; its passes are not looked at.
        limits: company and blocks are scaled from ``rows`` records to the stated population.

    Returns:
        passes in the order of choice, each with what it adds.
    """
    parts = Components(stacked, schema)
    scale = max(limits.population / max(rows, 1), 1.0)
    allowed = limits.company * rows / scale
    options = []
    tried = list(dict.fromkeys(combinations_of(schema)))
    for number, on in enumerate(tried):
        one = _judge(parts, on, rows, copies)
        if _ones(one.alike) <= _WIDEST_SHARE * allowed and one.largest_block * scale <= max(
            limits.component, scale
        ):
            options.append(one)
        if report and number % 50 == 0:
            report("plan", number, len(tried))
    if report:
        report("plan", len(tried), len(tried))
    return _greedy(options, limits, rows, copies, allowed, scale, _component_check(parts, rows, limits))


def _component_check(parts: Components, rows: int, limits: Limits) -> Callable[[list[_Option]], bool]:
    """Whether the records that passes tie together stay in small components."""

    def small(chosen: list[_Option]) -> bool:
        edges = []
        for one in chosen:
            key = _keys(parts, one.on)[:rows]
            order = np.argsort(key, kind="stable")
            order = order[key[order] >= 0]
            same = key[order][1:] == key[order][:-1]
            edges.append((order[:-1][same], order[1:][same]))
        a = np.concatenate([e[0] for e in edges])
        b = np.concatenate([e[1] for e in edges])
        graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(rows, rows))
        _, labels = connected_components(graph, directed=False)
        return int(np.bincount(labels).max(initial=0)) <= limits.component

    return small


def _greedy(
    options: list[_Option],
    limits: Limits,
    rows: int,
    copies: int,
    allowed: float,
    scale: float,
    small: Callable[[list[_Option]], bool],
) -> list[Chosen]:
    if not options:
        return []
    found = np.stack([one.found for one in options])
    alike = np.stack([one.alike for one in options])
    got = np.zeros(found.shape[1], dtype=np.uint8)
    company = np.zeros(alike.shape[1], dtype=np.uint8)
    open_ = np.ones(len(options), dtype=bool)
    forgiven = max(_FORGIVEN * rows, 2.0)
    picked: list[_Option] = []
    chosen: list[Chosen] = []
    while len(picked) < limits.passes:
        gain = np.bitwise_count(found & ~got).sum(axis=1, dtype=np.int64) / copies
        cost = np.bitwise_count(alike & ~company).sum(axis=1, dtype=np.int64)
        before = _ones(company)
        possible = open_ & (gain >= 1) & (before + cost <= allowed)
        if not possible.any():
            break
        best = int(np.argmax(np.where(possible, gain / (cost + forgiven), -1.0)))
        open_[best] = False
        if not small([*picked, options[best]]):
            continue
        picked.append(options[best])
        got |= found[best]
        company |= alike[best]
        chosen.append(
            Chosen(
                options[best].on,
                float(gain[best]) / rows,
                _ones(got) / copies / rows,
                min(float(cost[best]) * scale / rows, 1.0),
                min(_ones(company) * scale / rows, 1.0),
                round(options[best].largest_block * scale) if options[best].largest_block > 1 else 1,
            )
        )
    return chosen
