"""
Where experiments are set up: the side that knows the truth and holds the key.

A laboratory plays the agency. It draws who is in the extract and who is in the reference, encodes,
shuffles, and gives targets. Attacks never see it; their ``stage`` may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pseudolink.attacks.attack import Index, Known, Material, Reference, Setting, Target, View
from pseudolink.attacks.mistakes import with_mistakes
from pseudolink.attacks.scheme import Scheme
from pseudolink.encode.alike import kept_versions
from pseudolink.errors import UsageError
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import RECORD_BYTES, Encodings
from pseudolink.schema import LinkageSchema

PROJECT = "audit"
Random = np.random.Generator


@dataclass(frozen=True)
class People:
    """
    Rows of the population drawn for one experiment: (n,) and (m,) int64.

    target: rows of the extract, in random order. reference: rows of the reference.
    """

    target: Index
    reference: Index


@dataclass
class Laboratory:
    """
    A population, a schema and a scheme with a secret.

    population: cleaned rows, the reviewer's reference or an extract of the agency's own.
    schema: the reviewer's; the scheme may use another one (``used``).
    secret: 32 bytes of the key under attack, or None where the encodings came as files.
    supplied: view and truth (row of the population or -1; None where unknown) of encodings that
        came as files; there is then nothing to encode with.
    others, extra: passed on to the attacker as they are.
    """

    population: Cleaned
    schema: LinkageSchema
    scheme: Scheme
    secret: bytes | None
    project: str = PROJECT
    supplied: tuple[View, Index | None] | None = None
    others: Mapping[str, View] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def used(self) -> LinkageSchema:
        """The linkage schema that views are made under."""
        return self.scheme.schema(self.schema)

    def people(self, setting: Setting, rng: Random) -> People:
        """
        Draw who is in the extract and who is in the reference.

        With overlap o and n records, o * n people are in both, and each side has (1 - o) * n of
        its own. All rows of a person go together.
        """
        person = self.population.source
        ids = np.unique(person)
        most = int(len(ids) / (2 - setting.overlap))
        count = most if setting.records is None else min(setting.records, most)
        drawn = rng.permutation(ids)
        both = round(setting.overlap * count)
        first, second = drawn[:count], np.concatenate([drawn[:both], drawn[count : 2 * count - both]])
        rows = np.flatnonzero(np.isin(person, first))
        if self.used.floor.decoys:  # encoding-v1 §10.6
            rows = rows[kept_versions(person[rows])]
        target = rng.permutation(rows)
        reference = rng.permutation(np.flatnonzero(np.isin(person, second)))
        return People(target, reference)

    def encode(
        self,
        rows: Index,
        rng: Random,
        *,
        project: str | None = None,
        cleaned: Cleaned | None = None,
        party: str = "",
    ) -> View:
        """
        Encode rows of the population (or of ``cleaned``) under the key, in the order given.

        Record IDs are drawn anew at each call: one call is one delivery.

        Args:
            project: another project's name, so that the result does not join.
            party: another party's name, which has decoys of its own.

        Raises:
            UsageError: the encodings came as files, so that there is no key.
        """
        if self.secret is None:
            raise UsageError("these encodings came as files: nothing more can be encoded under their key")
        chosen = (self.population if cleaned is None else cleaned).take(rows)
        view = self.scheme.start(self.used, self.secret, project or self.project, party)(chosen)
        return with_records(view, chosen.source, rng)

    def material(self, view: View, reference: Cleaned, setting: Setting, **more: Any) -> Material:
        """The material of an attacker; further fields of Material by name."""
        others = more.pop("others", self.others)
        more.setdefault("extra", self.extra)
        return Material(
            view, Reference(reference), self.used, self.scheme, self.project, setting, others=others, **more
        )

    def target(self, setting: Setting, rng: Random) -> Target:
        """
        The target of a setting: extract encoded and shuffled, reference with its errors, truth apart.

        ``setting.known`` pairs are leaked and not scored.
        """
        if self.supplied is not None:
            view, truth, reference = self._supplied(setting, rng)
        else:
            drawn = self.people(setting, rng)
            view = self.encode(drawn.target, rng)
            reference = self.population.take(drawn.reference)
            truth = truth_of(self.population.source[drawn.target], reference.source)
        if setting.errors:
            reference = with_mistakes(reference, setting.errors, rng)
        known, scored = None, np.ones(view.rows, dtype=bool)
        if setting.known:
            known = leaked(truth, setting.known, rng)
            scored[known.rows] = False
        return Target(self.material(view, reference, setting, known=known), truth, scored)

    def _supplied(self, setting: Setting, rng: Random) -> tuple[View, Index | None, Cleaned]:
        assert self.supplied is not None  # noqa: S101 (the caller has looked)
        view, truth = self.supplied
        if setting.records is None or setting.records >= view.rows:
            return view, truth, self.population
        rows = np.sort(rng.permutation(view.rows)[: setting.records])
        return view.take(rows), None if truth is None else truth[rows], self.population


def truth_of(people: Index, reference: Index) -> Index:
    """
    For each person, the first row of the reference that is theirs, or -1.

    Args:
        people: (n,) int64. reference: (m,) int64, whose row each is.
    """
    order = np.argsort(reference, kind="stable")
    at = np.searchsorted(reference[order], people)
    at = np.minimum(at, max(len(order) - 1, 0))
    if not len(order):
        return np.full(len(people), -1, dtype=np.int64)
    return np.where(reference[order[at]] == people, order[at], -1).astype(np.int64)


def leaked(truth: Index | None, count: int, rng: Random) -> Known:
    """
    Draw pairs that leak.

    Raises:
        UsageError: nobody knows the truth, or fewer people are in both.
    """
    there = np.flatnonzero(truth >= 0) if truth is not None else np.zeros(0, dtype=np.int64)
    if truth is None or len(there) <= count:
        raise UsageError(f"{count:,} known pairs need more people than that with known truth")
    rows = np.sort(rng.permutation(there)[:count])
    return Known(rows, truth[rows])


def with_records(view: View, source: Index, rng: Random) -> View:
    """The view with fresh record IDs; rows of one ``source`` share theirs."""
    if view.encodings is None:
        return view
    records, which = np.unique(source, return_inverse=True)
    # Seeded on purpose: an experiment repeats, and these IDs protect nobody.
    ids = np.frombuffer(rng.bytes(RECORD_BYTES * len(records)), dtype=np.uint8)
    return View(Encodings(ids.reshape(-1, RECORD_BYTES)[which], view.encodings.passes))
