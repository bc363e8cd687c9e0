"""
Primary suppression: cells that must not be published for what they are.

Source: specs/tables-v1.md, section 3.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from pseudolink.release.tables.cells import Cells
from pseudolink.release.tables.definition import Profile

Flags = npt.NDArray[np.bool_]

#: Classes of reasons, as notes name them.
FEW: Final = "too few people or families"
REVEALS: Final = "a group in which everybody is alike"
DOMINATED: Final = "one or two contributions decide the sum"
DIFFERS: Final = "differs by a few from what was published before"


def primary(cells: Cells, profile: Profile, *, summed: bool) -> dict[str, Flags]:
    """
    Which cells each class of reason suppresses; a cell may be in several.

    Args:
        summed: the cells hold sums, not people.

    Returns:
        class -> (m,) bool.
    """
    some = cells.people > 0
    few = some & ((cells.people < profile.people) | (cells.families < profile.families))
    found = {FEW: few, REVEALS: _revealing(cells)}
    if summed:
        found[DOMINATED] = some & _dominated(cells, profile)
        found[REVEALS] |= some & (cells.value == 0)
    return found


def _revealing(cells: Cells) -> Flags:
    out = np.zeros(len(cells.people), dtype=bool)
    structural = cells.structural
    for group in cells.groups:
        possible = group[~structural[group]]
        if len(possible) > 1 and int((cells.people[possible] > 0).sum()) == 1:
            out[possible] = True
    return out


def _dominated(cells: Cells, profile: Profile) -> Flags:
    total = cells.value
    out = np.zeros(len(total), dtype=bool)
    for at in (0, 2):
        first, two = cells.shares[:, at], cells.shares[:, at + 1]
        out |= first >= profile.largest * total
        out |= two > profile.two * total
        out |= total - two < profile.rest * first
    return out


def needs(cells: Cells, profile: Profile, *, summed: bool) -> npt.NDArray[np.float64]:
    """(m,) the width that the interval of each cell needs if it is suppressed (4.1)."""
    if not summed:
        return np.full(len(cells.people), float(profile.people))
    largest = cells.shares[:, 0]
    return profile.rest * np.where(largest > 0, largest, largest.max(initial=0.0))
