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

from pseudolink.components import NAMES, join
from pseudolink.encode.bits import Flags, Index, Words, fresh, ones, packed
from pseudolink.encode.planning_floor import Floats, Floor, Limits, Option
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
#: How often all passes are looked over for a better one each.
_ROUNDS = 3
#: Combinations that are judged in one go.
_BATCH = 100

Batch = list[tuple[str, ...]]
#: ``run(function, batches) -> results in order``: in turn or on several threads.
Run = Callable[[Callable[[Batch], "list[Option]"], Sequence[Batch]], Iterable["list[Option]"]]


def in_turn(function: Callable[[Batch], list[Option]], batches: Sequence[Batch]) -> Iterable[list[Option]]:
    """One batch after another."""
    return map(function, batches)


@dataclass(frozen=True)
class Chosen:
    """
    One pass of a plan, and what it adds: shares of pairs and of records, largest block.

    alone: share of the pairs that no other pass of the plan finds.
    """

    on: tuple[str, ...]
    gained: float
    recall: float
    company_added: float
    company: float
    largest_block: int
    alone: float


@dataclass(frozen=True)
class Material:
    """
    What a plan is made from.

    people: cleaned extracts, in each of which company is measured: two extracts hold the same
    people, so records of different ones are no company. pairs: n originals and, below them,
    ``copies`` erring copies of each (n * (copies + 1) rows): passes are chosen for what they find
    of them. expected: other such copies, of which it is told what the passes find; ``pairs`` if None.
    """

    people: tuple[Cleaned, ...]
    pairs: Cleaned
    originals: int
    copies: int
    expected: Cleaned | None = None


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


def _agreements(
    pairs: Cleaned, originals: int, schema: LinkageSchema, components: Iterable[str]
) -> dict[str, Words]:
    """Component -> the erring copies that agree with their original on it."""
    parts = Components(pairs, schema)
    found = {}
    for name in sorted(set(components)):
        codes = parts[name].codes
        original = np.resize(codes[:originals], len(codes) - originals)
        found[name] = packed((original == codes[originals:]) & (original >= 0))
    return found


def found_share(
    pairs: Cleaned, originals: int, schema: LinkageSchema, passes: Sequence[Sequence[str]]
) -> float:
    """The share of erring copies, below the originals in ``pairs``, of which passes find any token."""
    agreements = _agreements(pairs, originals, schema, {name for on in passes for name in on})
    found = np.bitwise_or.reduce(np.stack([_all([agreements[name] for name in on]) for on in passes]))
    return ones(found) / max(pairs.rows - originals, 1)


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
    floor = Floor(material.people, schema, limits, components)
    batches = [tried[at : at + _BATCH] for at in range(0, len(tried), _BATCH)]
    options: list[Option] = []
    for number, some in enumerate(run(floor.options, batches)):
        options += some
        if report:
            report("plan", min((number + 1) * _BATCH, len(tried)), len(tried))
    if not options:
        return []
    agreements = _agreements(material.pairs, material.originals, schema, components)
    choice = _Choice(options, floor, agreements)
    picked = choice.made(limits.passes)
    if material.expected is not None:
        agreements = _agreements(material.expected, material.originals, schema, components)
        choice = _Choice([options[n] for n in picked], floor, agreements)
        picked = list(range(len(picked)))
    return choice.told(picked, material.originals * material.copies)


class _Choice:
    """The search among options: which copies each finds, and to which records it gives company."""

    def __init__(self, options: list[Option], floor: Floor, agreements: dict[str, Words]) -> None:
        self.options, self.floor = options, floor
        self.found = np.stack([_all([agreements[name] for name in one.on]) for one in options])
        self.alike = np.stack([one.alike for one in options])
        self.unseen = np.stack([one.unseen for one in options])
        self.twins = np.asarray([one.twins for one in options], dtype=np.bool_)
        self.people = int(floor.rows.sum())
        self.forgiven = max(_FORGIVEN * self.people, 2.0)
        self._gain = np.zeros(len(options), dtype=np.int64)
        self._total = np.zeros(len(options), dtype=np.int64)

    def made(self, most: int) -> list[int]:
        """The passes that are taken."""
        picked = self._improved(self._greedy([], most))
        return self._greedy(picked, most)

    def _gains(self, got: Words, asked: Flags) -> Index:
        fresh(self.found, got, asked, self._gain)
        return np.where(asked, self._gain, 0)

    def _costs(self, company: Words, picked: Sequence[int], asked: Flags) -> Floats:
        """(options, extracts): records of company that each would add, those that are not seen too."""
        columns = []
        for number, (a, b) in enumerate(zip(self.floor.starts, self.floor.ends, strict=True)):
            fresh(self.alike[:, a:b], company[a:b], asked, self._total)
            unseen = self.unseen[:, number]
            if not self.twins[list(picked)].any():
                unseen = unseen + np.where(self.twins, self.floor.twins[number], 0.0)
            columns.append(np.where(asked, self._total + unseen, 0.0))
        return np.stack(columns, axis=1)

    def _company(self, company: Words, picked: Sequence[int]) -> Floats:
        """(extracts,) records of company that the passes picked give."""
        total: Floats = self.floor.counts(company) + self.unseen[list(picked)].sum(axis=0)
        return total + self.floor.twins if self.twins[list(picked)].any() else total

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
            cost = self._costs(company, picked, asked)
            possible = asked & (self._company(company, picked) + cost <= self.floor.allowed).all(axis=1)
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
                total = self._company(company, rest) + self._costs(company, rest, asked)
                asked &= (total <= self.floor.allowed).all(axis=1)
                best = int(np.argmax(np.where(asked, gain, -1)))
                if asked[best] and self.floor.small([self.options[n] for n in (*rest, best)]):
                    picked[place] = best
                    changed = True
            if not changed:
                break
        return picked

    def _alone(self, one: int, picked: Sequence[int]) -> int:
        """Copies that no other pass of those picked finds."""
        others, _ = self._covered([n for n in picked if n != one])
        return ones(self.found[one] & ~others)

    def told(self, picked: Sequence[int], pairs: int) -> list[Chosen]:
        """The passes in the order of what each adds to those before it, with what it adds."""
        got, company = self._covered([])
        left = list(picked)
        told: list[Chosen] = []
        done: list[int] = []
        alone = {one: self._alone(one, picked) for one in picked}
        while left:
            asked = np.zeros(len(self.options), dtype=np.bool_)
            asked[left] = True
            gain = self._gains(got, asked)
            best = max(left, key=lambda n: (gain[n], -n))
            left.remove(best)
            option = self.options[best]
            before = self._company(company, done)
            got |= self.found[best]
            company |= option.alike
            done.append(best)
            total = self._company(company, done)
            told.append(
                Chosen(
                    option.on,
                    float(gain[best]) / pairs,
                    ones(got) / pairs,
                    self.floor.share(total - before),
                    self.floor.share(total),
                    int(option.largest.max()),
                    float(alone[best]) / pairs,
                )
            )
        return told


def _all(sets: Sequence[Words]) -> Words:
    """What is in every one of the sets."""
    found: Words = np.bitwise_and.reduce(np.stack(sets))
    return found
