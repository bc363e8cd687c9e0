"""
What a table shows: dimensions, a column to sum, a subpopulation; and the rules it must keep.

Source: specs/tables-v1.md, sections 1 and 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pseudolink.errors import Problem, TableInputError, UsageError

NESTING: Final = "/"


@dataclass(frozen=True)
class Dimension:
    """One column of the file, or several nested ones, the outer first."""

    columns: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Dimension:
        """From ``district`` or ``region/district``."""
        return cls(tuple(part.strip() for part in text.split(NESTING) if part.strip()))


@dataclass(frozen=True)
class Definition:
    """
    One table.

    where: column -> the category that people must have to be in the table.
    sum: column to add up; people are counted when None.
    also: columns that are in no cell and decide others, as an age decides its bands: with them, what
        everybody knows of the bands is taken into account.
    """

    rows: tuple[Dimension, ...]
    columns: tuple[Dimension, ...] = ()
    where: tuple[tuple[str, str | None], ...] = ()
    sum: str | None = None
    also: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls,
        rows: str,
        columns: str = "",
        where: tuple[str, ...] = (),
        sum_: str | None = None,
        also: str = "",
    ) -> Definition:
        """
        From the words of a command: ``a,b``, ``c``, ``("arm=participant",)``, ``age``.

        Raises:
            UsageError: a condition without ``=``.
        """
        conditions = []
        for one in where:
            name, equals, value = one.partition("=")
            if not equals or not name.strip():
                raise UsageError("a condition has the form COLUMN=CATEGORY")
            conditions.append((name.strip(), value.strip() or None))
        more = tuple(part.strip() for part in also.split(",") if part.strip())
        return cls(_dimensions(rows), _dimensions(columns), tuple(conditions), sum_, more)

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        return (*self.rows, *self.columns)

    @property
    def variables(self) -> tuple[str, ...]:
        """Every column that the table needs: dimensions, conditions, and those that decide others."""
        names = [name for one in self.dimensions for name in one.columns]
        return tuple(dict.fromkeys([*names, *(name for name, _ in self.where), *self.also]))

    def problems(self) -> list[Problem]:
        """What is wrong with the definition itself."""
        found = []
        names = [name for one in self.dimensions for name in one.columns]
        if not names:
            found.append(Problem("rows", "a table needs a dimension"))
        for name in dict.fromkeys(n for n in names if names.count(n) > 1):
            found.append(Problem(f"column {name!r}", "stands in the table twice"))
        for name in dict.fromkeys(n for n, _ in self.where if n in names):
            found.append(Problem(f"column {name!r}", "is a dimension and a condition"))
        conditions = [name for name, _ in self.where]
        for name in dict.fromkeys(n for n in conditions if conditions.count(n) > 1):
            found.append(Problem(f"column {name!r}", "has two conditions"))
        return found

    def to_json(self) -> dict[str, Any]:
        """JSON-able data, for the ledger and the notes."""
        return {
            "rows": [list(one.columns) for one in self.rows],
            "columns": [list(one.columns) for one in self.columns],
            "where": [list(one) for one in self.where],
            "sum": self.sum,
            "also": list(self.also),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Definition:
        """The same back."""
        return cls(
            tuple(Dimension(tuple(names)) for names in data["rows"]),
            tuple(Dimension(tuple(names)) for names in data["columns"]),
            tuple((name, value) for name, value in data["where"]),
            data["sum"],
            tuple(data["also"]),
        )


def _dimensions(text: str) -> tuple[Dimension, ...]:
    return tuple(Dimension.parse(part) for part in text.split(",") if part.strip())


@dataclass(frozen=True)
class Profile:
    """
    The numbers of the rules.

    people, families: least behind a published cell, and the width that a hidden count needs.
    largest, two: shares of a sum that its largest and its two largest contributions may have.
    rest: what must remain without those two, as a share of the largest.
    rounding: base of rounding after suppression; 0 for none.
    """

    name: str
    people: int
    families: int
    largest: float
    two: float
    rest: float
    rounding: int

    def to_json(self) -> dict[str, Any]:
        """JSON-able data: every number, so that a reader can check."""
        return {
            "name": self.name,
            "people": self.people,
            "families": self.families,
            "largest_contribution": self.largest,
            "two_largest_contributions": self.two,
            "rest": self.rest,
            "rounding": self.rounding,
        }


#: tables-v1, 3.1.
STRICT: Final = Profile("strict", 10, 10, 0.4375, 0.90, 0.10, 5)
PROFILES: Final = {STRICT.name: STRICT}

_AREA: Final = frozenset(
    {"council", "local_authority", "la", "lad", "gss", "gss_code", "council_code", "authority"}
)
_GSS: Final = re.compile(r"[EWSNK][0-9]{8}")


def names_an_area(column: str, categories: tuple[str | None, ...]) -> bool:
    """Whether a column tells of councils, by its name or by GSS codes in it (tables-v1, 1.4)."""
    if column.strip().casefold() in _AREA:
        return True
    return any(value is not None and _GSS.fullmatch(value) for value in categories)


def require_sound(definitions: tuple[Definition, ...]) -> None:
    """
    Refuse definitions that cannot be met by any file.

    Raises:
        TableInputError: every problem at once.
    """
    several = len(definitions) > 1
    problems = []
    for number, one in enumerate(definitions, 1):
        for problem in one.problems():
            place = f"tables[{number}].{problem.place}" if several else problem.place
            problems.append(Problem(place, problem.message))
    if len({one.sum for one in definitions}) > 1:
        problems.append(Problem("sum", "tables that are made together add up the same column, or count"))
    if problems:
        raise TableInputError(problems)
