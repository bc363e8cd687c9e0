"""
The one interface of every attack: what it is given, what it returns, what it must reach.

An attack is a module in ``pseudolink/attacks/methods`` with a constant ``ATTACK``; adding one is
adding a file. Its ``guess`` gets a :class:`Material`, which holds no truth: the truth stays with
the :class:`Target`, which only the scorer opens. What needs the truth to be set up (leaked pairs,
planted records) is done by ``stage``, which plays the agency and not the attacker.

Source: specs/attacks-v1.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import Encodings
from pseudolink.schema import LinkageSchema

if TYPE_CHECKING:
    from pseudolink.attacks.laboratory import Laboratory
    from pseudolink.attacks.scheme import Scheme

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """
    What a scheme shows of n rows, in random order: encodings, or the bits of a CLK, never both.

    encodings: tokens and filters of passes. bits: (n, w) uint8; bit i is byte i // 8, mask
    ``0x80 >> (i % 8)``.
    """

    encodings: Encodings | None = None
    bits: Bits | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        if self.encodings is not None:
            return self.encodings.rows
        return 0 if self.bits is None else len(self.bits)

    def take(self, rows: Index) -> View:
        """The given rows, in the given order."""
        return View(
            None if self.encodings is None else self.encodings.take(rows),
            None if self.bits is None else self.bits[rows],
        )


@dataclass(frozen=True)
class Reference:
    """
    The population in clear text, as the attacker has it: perhaps partly right.

    cleaned: m rows. A guess names a row of it; rows of one ``cleaned.source`` are one person.
    """

    cleaned: Cleaned

    @property
    def rows(self) -> int:
        """Number of rows, m."""
        return self.cleaned.rows

    @property
    def person(self) -> Index:
        """(m,) int64, whose row each is."""
        return self.cleaned.source


@dataclass(frozen=True)
class Known:
    """Leaked pairs: rows of the view, and the rows of the reference that they are; (k,) int64 each."""

    rows: Index
    reference: Index


@dataclass(frozen=True)
class Material:
    """
    Everything that an attacker holds. There is no truth in it but the leaked pairs.

    view: the records under attack. reference: the population file.
    schema, scheme, project: how the view was made, which is public; the key is not.
    setting: the conditions of the experiment (an attacker would guess them).
    known: leaked pairs, where the setting has some.
    others: further views by name, under the same schema and key: other parties, earlier waves.
    extra: whatever else a ``stage`` hands over.
    """

    view: View
    reference: Reference
    schema: LinkageSchema
    scheme: Scheme
    project: str
    setting: Setting
    known: Known | None = None
    others: Mapping[str, View] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """
    Material and, apart from it, the truth.

    truth: (n,) int64, for every row of the view the row of the reference, or -1 where the person
        is not in the reference. ``None`` where nobody knows: figures that need it are then absent.
    scored: (n,) bool, rows that count; leaked pairs and planted records do not.
    """

    material: Material
    truth: Index | None
    scored: Flags


@dataclass(frozen=True)
class Setting:
    """
    The conditions of one experiment.

    records: how many records of the extract are attacked; None is all of them. Company shrinks in
        a sample, so attacks on tokens take all.
    overlap: share of the reference's people among the records and the other way round.
    errors: share of the reference's values that are wrong (typing, another value, missing).
    known: leaked pairs. extra: anything else that an attack's ``stage`` reads.
    """

    records: int | None = None
    overlap: float = 1.0
    errors: float = 0.0
    known: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def label(self) -> str:
        """The setting in a few words, for tables."""
        parts = ["all records" if self.records is None else f"n = {self.records:,}"]
        if self.known:
            parts.append(f"{self.known:,} known pairs")
        parts.append(f"overlap {self.overlap:g}")
        if self.errors:
            parts.append(f"reference errors {self.errors:g}")
        parts += [f"{name} {value}" for name, value in self.extra.items()]
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """The setting as data."""
        return {
            "records": self.records,
            "overlap": self.overlap,
            "errors": self.errors,
            "known": self.known,
            "extra": dict(self.extra),
        }


@dataclass(frozen=True)
class Guesses:
    """
    Who each row is, in the attacker's opinion.

    best: (n,) int64, a row of the reference, or -1 where no guess is made.
    confidence: (n,) float64, comparable between rows; any scale.
    scores: ``scores(rows) -> (k, m)`` float, how well every row of the reference fits the given
        rows of the view, for ranks; None where the attack has no opinion but the best.
    notes: figures of the attack's own (rounds, landmarks, colours) for the report.
    """

    best: Index
    confidence: Numbers
    scores: Callable[[Index], npt.NDArray[np.floating[Any]]] | None = None
    notes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measures:
    """Figures of an attack that names nobody (structure, key hygiene), by name."""

    figures: Mapping[str, float]
    notes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bound:
    """
    What a scheme must hold an attack to, to PASS.

    figure: a name in ``Score.figures`` (``rate``, ``rate_upper``, ``rate_without_company``, … or a
        name of Measures). at_most: the largest value that passes. words: the same for a person.
    """

    figure: str
    at_most: float
    words: str = ""


@dataclass(frozen=True)
class Canary:
    """
    A scheme that the attack must break on the reviewer's own data, or the audit is INVALID.

    scheme: name of a scheme. figure, at_least: as in :class:`Bound`, the other way round.
    needs: rows of the reference without which the canary cannot run (it is then left out; an
        attack none of whose canaries ran makes the audit INVALID).
    full: run only with ``--full``.
    """

    scheme: str
    setting: Setting
    figure: str
    at_least: float
    needs: int = 0
    full: bool = False


@dataclass(frozen=True)
class Wanted:
    """
    What the reviewer asked for.

    sample: most records for attacks whose cost grows with the square. overlap, errors: of the
    reference. full: hours instead of minutes.
    """

    sample: int = 10_000
    overlap: float = 1.0
    errors: float = 0.0
    full: bool = False
    seed: int = 1


@dataclass(frozen=True)
class Attack:
    """
    One attack.

    number: ``A6``; order in tables. name: a few words. sentence: for a data protection officer,
        what someone could do. knows: what the attacker holds. assumes: what was assumed.
    guess: the attack itself. It sees the material and a seeded generator, and never the truth.
    settings: the experiments to run on the scheme under audit, for what was asked.
    stage: makes a target for a setting; ``Laboratory.target`` when None. A stage of its own needs a
        laboratory that can encode: it is left out, and said to be, where encodings came as files.
    applies: whether the attack can run on a view at all (bits or encodings).
    """

    number: str
    name: str
    sentence: str
    knows: str
    guess: Callable[[Material, np.random.Generator], Guesses | Measures]
    settings: Callable[[Wanted], Sequence[Setting]]
    stage: Callable[[Laboratory, Setting, np.random.Generator], Target] | None = None
    applies: Callable[[View], bool] = lambda view: view.rows > 0
    bounds: Sequence[Bound] = ()
    canaries: Sequence[Canary] = ()
    assumes: Sequence[str] = ()
