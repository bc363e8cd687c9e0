"""
From people and definitions to tables in which nobody can be identified, and the proof of it.

Source: specs/tables-v1.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from pseudolink.errors import UnsafeTableError
from pseudolink.release.tables.cells import MOST_ATOMS, Atoms, Cells, Place, key_of, make_atoms, make_cells
from pseudolink.release.tables.definition import Definition, Profile
from pseudolink.release.tables.history import Earlier, differing, facts_of
from pseudolink.release.tables.knowledge import Problem, interval
from pseudolink.release.tables.people import People
from pseudolink.release.tables.primary import DIFFERS, needs, primary
from pseudolink.release.tables.rounding import rounded, stands_for
from pseudolink.release.tables.suppression import suppress

Amounts = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PUBLISHED, PRIMARY, COMPLEMENTARY = "published", "primary", "complementary"
_SLACK = 1e-6


@dataclass(frozen=True)
class Cell:
    """One cell as it is shown: value None when it is suppressed."""

    rows: tuple[tuple[str, str | None], ...]
    columns: tuple[tuple[str, str | None], ...]
    value: float | int | None
    status: str

    def to_json(self) -> dict[str, Any]:
        """tables-v1, 6.1."""
        return {
            "rows": dict(self.rows),
            "columns": dict(self.columns),
            "value": self.value,
            "status": self.status,
        }


@dataclass(frozen=True)
class SafeTable:
    """A definition and its cells, margins included."""

    definition: Definition
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Safe:
    """
    Tables that passed.

    reasons: class of reason -> primary cells of it. audited: suppressed cells whose intervals were
    solved for. narrowest: the least of their widths over their needs; None when none is suppressed.
    """

    tables: tuple[SafeTable, ...]
    profile: Profile
    reasons: dict[str, int]
    audited: int
    narrowest: float | None
    earlier: int
    complete: bool
    proved: bool

    def to_json(self) -> dict[str, Any]:
        """tables-v1, 6.1, without the cells."""
        every = [cell.status for table in self.tables for cell in table.cells]
        return {
            "profile": self.profile.to_json(),
            "rounding": self.profile.rounding,
            "suppressed": {s: every.count(s) for s in (PRIMARY, COMPLEMENTARY)},
            "reasons": self.reasons,
            "audit": {
                "cells": self.audited,
                "narrowest": self.narrowest,
                "earlier": self.earlier,
                "complete": self.complete,
                "proved": self.proved,
            },
        }


def make_safe(
    people: People,
    definitions: Sequence[Definition],
    profile: Profile,
    *,
    earlier: Sequence[Earlier] = (),
    seconds: float = 120.0,
) -> Safe:
    """
    Make tables together, so that none gives another away.

    Args:
        people: with the variables of the definitions, and of the earlier tables of the same data.
        earlier: what was published of the same data before, and of other states of it.

    Raises:
        TableTooLargeError, UnsafeTableError: no table can be made.
    """
    column = definitions[0].sum
    summed = column is not None
    same = [one for one in earlier if one.same_data and one.definition.sum == column]
    atoms, used, complete = _atoms(people, definitions, same)
    before = [one.definition for one in used]
    cells = make_cells(people, atoms, [*definitions, *before])
    reasons = primary(cells, profile, summed=summed)
    others = [one for one in earlier if not one.same_data]
    reasons[DIFFERS] = differing(cells, definitions, profile, others)
    chosen = np.any(np.stack(list(reasons.values())), axis=0)
    kept = _at_stake(cells, len(definitions), chosen, used)
    problem = Problem(
        csr_array(cells.matrix[kept]),
        _truth(people, atoms),
        needs(cells, profile, summed=summed)[kept],
        facts_of(people, atoms, same),
        not summed,
    )
    found = suppress(problem, chosen[kept], _cost(cells)[kept], fixed=cells.structural[kept], seconds=seconds)
    hidden = np.zeros(len(chosen), dtype=bool)
    hidden[kept] = found.hidden
    shown, low, high = _published(cells.value, profile, summed=summed)
    narrowest = _audit(problem, found.hidden, low[kept], high[kept])
    mine = _of_tables(cells, len(definitions))
    return Safe(
        tuple(
            SafeTable(one, tuple(_cell(n, place, shown, chosen, hidden, summed) for n, place in listed))
            for one, listed in zip(definitions, cells.tables[: len(definitions)], strict=True)
        ),
        profile,
        {name: int((flags & mine).sum()) for name, flags in reasons.items() if (flags & mine).any()},
        int(found.hidden.sum()),
        narrowest,
        len(earlier),
        complete,
        found.proved,
    )


def _atoms(
    people: People, definitions: Sequence[Definition], earlier: Sequence[Earlier]
) -> tuple[Atoms, list[Earlier], bool]:
    """Atoms of all tables or (5.5) of the new ones alone; the earlier tables within them; whether all are."""
    known = [one for one in earlier if all(name in people.variables for name in one.definition.variables)]
    size = 1
    for name in dict.fromkeys(
        n for one in [*definitions, *(e.definition for e in known)] for n in one.variables
    ):
        size *= len(people.variables[name].categories)
    mine = {name for one in definitions for name in one.variables}
    if size > MOST_ATOMS:
        known = [one for one in known if set(one.definition.variables) <= mine]
    atoms = make_atoms(people, [*definitions, *(one.definition for one in known)])
    return atoms, known, len(known) == len(earlier)


def _of_tables(cells: Cells, count: int) -> Flags:
    """(m,) cells of the first so many tables."""
    out = np.zeros(len(cells.people), dtype=bool)
    for listed in cells.tables[:count]:
        out[[number for number, _ in listed]] = True
    return out


def _at_stake(cells: Cells, count: int, chosen: Flags, earlier: Sequence[Earlier]) -> npt.NDArray[np.int64]:
    """
    Cells of the new tables, and cells that earlier ones suppressed for what they are.

    A table must not give away what another one hid. What was hidden only to protect others may be
    shown now, as long as those stay protected.
    """
    out = _of_tables(cells, count)
    for one, listed in zip(earlier, cells.tables[count:], strict=True):
        for number, place in listed:
            out[number] |= bool(chosen[number]) and key_of(place, one.definition) not in one.cells
    return np.flatnonzero(out)


def _truth(people: People, atoms: Atoms) -> Amounts:
    weights = None if people.amount is None else np.nan_to_num(people.amount)
    return np.bincount(atoms.of_people, weights=weights, minlength=len(atoms.codes)).astype(np.float64)


def _cost(cells: Cells) -> Amounts:
    """Cells count first; among as many, the fewer people the better (4.3)."""
    total = float(cells.people.sum()) + 1.0
    return 1.0 + cells.people / total


def _published(value: Amounts, profile: Profile, *, summed: bool) -> tuple[Amounts, Amounts, Amounts]:
    """What is shown of every cell if it is, and the least and most that it can then stand for."""
    if summed:
        return value, value, value
    shown = rounded(value, profile.rounding)
    return shown, *stands_for(shown, profile.rounding)


def _audit(problem: Problem, hidden: Flags, low: Amounts, high: Amounts) -> float | None:
    """tables-v1, 6.3: the intervals of every suppressed cell, from what is published alone."""
    narrowest = None
    for cell in np.flatnonzero(hidden).tolist():
        least, most = interval(problem, cell, ~hidden, low, high)
        need = float(problem.need[cell])
        if most - least < need - _SLACK * max(need, 1.0):
            raise UnsafeTableError(
                "the audit found a suppressed cell that can be pinned down; no table was made",
                advice="This is a fault of the software: please report it, without your data.",
            )
        ratio = (most - least) / need if need > 0 else np.inf
        narrowest = ratio if narrowest is None else min(narrowest, ratio)
    return None if narrowest is None or not np.isfinite(narrowest) else float(narrowest)


def _cell(number: int, place: Place, shown: Amounts, chosen: Flags, hidden: Flags, summed: bool) -> Cell:
    value = None
    if not hidden[number]:
        value = float(shown[number]) if summed else int(shown[number])
    status = PUBLISHED
    if hidden[number]:
        status = PRIMARY if chosen[number] else COMPLEMENTARY
    return Cell(place[0], place[1], value, status)
