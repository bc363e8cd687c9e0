"""
What was published before: a ledger of tables, and what it adds to a reader's knowledge.

Each line holds one published table and the digest of the line before, so that a line that is
changed or taken out is found.

Source: specs/tables-v1.md, section 5.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pseudolink.errors import TableLedgerError
from pseudolink.release.tables.cells import Atoms, Cells, Key, indicator, key_of
from pseudolink.release.tables.definition import Definition, Profile
from pseudolink.release.tables.knowledge import Facts
from pseudolink.release.tables.people import People
from pseudolink.release.tables.rounding import rounded, stands_for

FORMAT: Final = "pseudolink/tables-ledger/1"
_START: Final = "0" * 64


@dataclass(frozen=True)
class Earlier:
    """
    A table that was published.

    same_data: of the very file that is used now. cells: conditions of each published cell -> value.
    rounding: base, 0 for none.
    """

    definition: Definition
    same_data: bool
    rounding: int
    cells: Mapping[Key, float]


def entry(
    definition: Definition,
    cells: Sequence[tuple[Key, float]],
    profile: Profile,
    *,
    data: str,
    project: str,
    created: str,
) -> dict[str, Any]:
    """A line of the ledger, before it is chained."""
    return {
        "format": FORMAT,
        "created": created,
        "data": data,
        "project": project,
        "definition": definition.to_json(),
        "profile": profile.to_json(),
        "cells": [
            {"where": sorted(([n, c] for n, c in key), key=json.dumps), "value": value}
            for key, value in cells
        ],
    }


def appended(text: str, entries: Sequence[dict[str, Any]]) -> str:
    """The text of a ledger with further lines."""
    lines = text.splitlines()
    for one in entries:
        before = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else _START
        lines.append(json.dumps({**one, "before": before}, sort_keys=True, ensure_ascii=False))
    return "\n".join(lines) + "\n" if lines else ""


def read(text: str, *, data: str, project: str, source: str) -> list[Earlier]:
    """
    The tables of a ledger that matter for a file: those of the same data or the same project.

    Raises:
        TableLedgerError: a line that is no line of a ledger, or a chain that is broken.
    """
    return [
        earlier
        for one, earlier in _lines(text, data, source)
        if one["data"] == data or (project and one["project"] == project)
    ]


def published(text: str, *, source: str) -> list[dict[str, Any]]:
    """
    Every entry of a ledger, for whoever reviews what was published.

    Raises:
        TableLedgerError: as :func:`read`.
    """
    return [one for one, _ in _lines(text, "", source)]


def _lines(text: str, data: str, source: str) -> Iterator[tuple[dict[str, Any], Earlier]]:
    before = _START
    for number, line in enumerate(text.splitlines(), 1):
        try:
            one = json.loads(line)
            if one["format"] != FORMAT or one["before"] != before:
                raise ValueError
            if not all(isinstance(one[name], str) for name in ("data", "project", "created")):
                raise ValueError
            found = _earlier(one, data)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise TableLedgerError(
                f"{source}, line {number}: changed, out of order, or no line of a ledger of tables",
                advice="Restore the file: without it nobody can tell what was published before.",
            ) from None
        yield one, found
        before = hashlib.sha256(line.encode()).hexdigest()


def _earlier(one: dict[str, Any], data: str) -> Earlier:
    cells = {
        frozenset((str(name), category) for name, category in cell["where"]): float(cell["value"])
        for cell in one["cells"]
    }
    rounding = int(one["profile"]["rounding"])
    definition = Definition.from_json(one["definition"])
    return Earlier(definition, one["data"] == data, 0 if definition.sum else rounding, cells)


def facts_of(people: People, atoms: Atoms, earlier: Sequence[Earlier]) -> Facts:
    """
    Published cells of the same data and the same kind (counts, or sums of the same column) as facts.

    Cells that name variables that the atoms do not have say nothing of them (5.5).
    """
    rows: list[npt.NDArray[np.int64]] = []
    ends = [np.zeros((2, 0))]
    for one in earlier:
        told = [key for key in one.cells if all(name in atoms.names for name, _ in key)]
        rows += [_members(people, atoms, key) for key in told]
        shown = np.asarray([one.cells[key] for key in told], dtype=np.float64)
        ends.append(np.stack(stands_for(shown, one.rounding)))
    low, high = np.concatenate(ends, axis=1)
    return Facts(indicator(rows, len(atoms.codes)), low, high)


def _members(people: People, atoms: Atoms, key: Key) -> npt.NDArray[np.int64]:
    kept = np.ones(len(atoms.codes), dtype=bool)
    for name, category in key:
        kept &= atoms.column(name) == people.variables[name].code(category)
    return np.flatnonzero(kept)


def differing(
    cells: Cells, definitions: Sequence[Definition], profile: Profile, earlier: Sequence[Earlier]
) -> npt.NDArray[np.bool_]:
    """tables-v1, 3.1 (4): cells that would show a few who joined or left since."""
    out = np.zeros(len(cells.people), dtype=bool)
    shown = rounded(cells.value, profile.rounding)
    for definition, listed in zip(definitions, cells.tables[: len(definitions)], strict=True):
        if definition.sum is not None:
            continue
        for number, place in listed:
            key = key_of(place, definition)
            for one in earlier:
                if one.definition.sum is None and key in one.cells:
                    out[number] |= 0 < abs(one.cells[key] - shown[number]) <= profile.people
    return out
