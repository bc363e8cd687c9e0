"""
Complementary suppression: the fewest further cells to hide so that no hidden cell can be pinned down.

An integer program chooses cells; attacks on its choice are linear programs whose duals say what any
choice must hold; they are added until no attack is left.

Source: specs/tables-v1.md, section 4; Fischetti and Salazar, Management Science 47 (2001).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from pseudolink.errors import UnsafeTableError
from pseudolink.release.tables.knowledge import Problem, interval, reach

Amounts = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_SLACK = 1e-6
#: tables-v1, 4.3: how many more cells than the best a choice may have.
GAP = 0.1
_INFEASIBLE = 2
_MOST_ROUNDS = 400
_MOST_RAISES = 20


@dataclass
class Cuts:
    """
    What every safe pattern must hold: sum of weight * hidden over cells >= least.

    A cut of cell s holds only while s is hidden: its weight there is lowered by the need.
    """

    cells: int
    rows: list[Amounts] = field(default_factory=list)
    least: list[float] = field(default_factory=list)

    def add(self, weight: Amounts, cell: int, need: float) -> bool:
        """Whether the cut said something new."""
        row = np.minimum(weight, need)
        row[row < _SLACK * max(need, 1.0)] = 0.0
        row[cell] -= need
        if any(np.allclose(row, other) for other in self.rows[-200:]):
            return False
        self.rows.append(row)
        self.least.append(0.0)
        return True


@dataclass(frozen=True)
class Pattern:
    """
    Cells to hide.

    hidden: (m,) bool, primary and complementary. proved: no safe pattern has fewer by more than GAP.
    """

    hidden: Flags
    proved: bool


def suppress(
    problem: Problem, primary: Flags, cost: Amounts, *, fixed: Flags, seconds: float = 120.0
) -> Pattern:
    """
    Choose the cells to hide.

    Args:
        primary: (m,) cells that must be hidden. cost: (m,) of hiding each.
        fixed: (m,) cells that cannot be hidden (structural zeros).
        seconds: after this much time a choice that is safe is taken without proof that it is best.

    Raises:
        UnsafeTableError: nothing that can be hidden makes the table safe.
    """
    if not primary.any():
        return Pattern(primary.copy(), proved=True)
    cuts = Cuts(len(primary))
    end = time.monotonic() + seconds
    wanted = problem.need
    for _ in range(_MOST_RAISES):
        pattern = _relaxed(problem, primary, cost, fixed, cuts, end)
        narrow = _narrow_in_whole(problem, pattern.hidden, wanted)
        if not narrow:
            return pattern
        raised = problem.need.copy()
        for cell, width in narrow.items():
            raised[cell] += wanted[cell] - width
        problem = Problem(problem.matrix, problem.truth, raised, problem.facts, problem.whole)
    raise UnsafeTableError("no pattern was found that protects whole numbers of people")


def _relaxed(
    problem: Problem, primary: Flags, cost: Amounts, fixed: Flags, cuts: Cuts, end: float
) -> Pattern:
    """The best pattern by linear attacks."""
    proved = True
    hidden = primary
    for _ in range(_MOST_ROUNDS):
        hidden, best = _master(primary, cost, fixed, cuts, end)
        proved = proved and best
        before = len(cuts.rows)
        if not _attack(problem, hidden, cuts):
            return Pattern(hidden, proved)
        if len(cuts.rows) == before or time.monotonic() > end:
            break
    return Pattern(_repaired(problem, hidden, cost, fixed, cuts), proved=False)


def _master(primary: Flags, cost: Amounts, fixed: Flags, cuts: Cuts, end: float) -> tuple[Flags, bool]:
    bounds = Bounds(primary.astype(float), np.where(fixed & ~primary, 0.0, 1.0))
    known = []
    if cuts.rows:
        known = [LinearConstraint(csr_array(np.stack(cuts.rows)), np.asarray(cuts.least) - _SLACK, np.inf)]
    left = max(end - time.monotonic(), 1.0)
    found = milp(
        cost,
        constraints=known,
        bounds=bounds,
        integrality=np.ones(len(cost), dtype=np.int64),
        options={"time_limit": left, "mip_rel_gap": 1e-4},
    )
    if found.status == _INFEASIBLE or found.x is None:
        raise _unsafe()
    return np.asarray(found.x) > 0.5, found.status == 0


def _unsafe() -> UnsafeTableError:
    return UnsafeTableError(
        "nothing that can be hidden protects everybody, given what was published before",
        advice="Use broader categories or fewer dimensions, or drop the table.",
    )


def _attack(problem: Problem, hidden: Flags, cuts: Cuts) -> bool:
    """Whether any hidden cell's interval is too narrow; for each of them a cut is added."""
    found = False
    pattern = hidden.astype(float)
    for cell in np.flatnonzero(hidden).tolist():
        need = float(problem.need[cell])
        up, down = (reach(problem, cell, pattern, sign) for sign in (1, -1))
        if up.far + down.far >= need - _SLACK * max(need, 1.0):
            continue
        found = True
        need -= min(up.fixed + down.fixed, need)
        cuts.add(up.weight + down.weight, cell, need)
    return found


def _repaired(problem: Problem, hidden: Flags, cost: Amounts, fixed: Flags, cuts: Cuts) -> Flags:
    """Out of time: hide the cheapest cells of unmet cuts until no attack is left."""
    hidden = hidden.copy()
    while _attack(problem, hidden, cuts):
        before = hidden.sum()
        for row in cuts.rows:
            while float(row @ hidden) < -_SLACK:
                open_ = (row > 0) & ~hidden & ~fixed
                if not open_.any():
                    raise _unsafe()
                worth = np.where(open_, cost / np.maximum(row, _SLACK), np.inf)
                hidden[int(np.argmin(worth))] = True
        if hidden.sum() == before:
            raise UnsafeTableError(
                "the intervals of a table could not be solved for", advice="Try fewer cells."
            )
    return hidden


def _narrow_in_whole(problem: Problem, hidden: Flags, need: Amounts) -> dict[int, float]:
    """Hidden cells whose interval of whole numbers is too narrow, with its width."""
    if not problem.whole:
        return {}
    out = {}
    for cell in np.flatnonzero(hidden).tolist():
        low, high = interval(problem, cell, ~hidden, problem.value, problem.value)
        if high - low < need[cell] - _SLACK:
            out[cell] = high - low
    return out
