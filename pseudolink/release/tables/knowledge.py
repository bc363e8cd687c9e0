"""
What a reader of tables can work out: the interval of a cell, given everything published.

The unknowns are the atoms, each at least 0. A published cell is an equation, a rounded one an
interval, an earlier table more of both. How far a cell can be pinned down is two linear programs,
or two integer ones where atoms are whole people.

Source: specs/tables-v1.md, sections 4.2, 4.4 and 6.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array, vstack

from pseudolink.errors import UnsafeTableError

Amounts = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_UNBOUNDED = 3
_SLACK = 1e-6


@dataclass(frozen=True)
class Facts:
    """What is known of sums of atoms beforehand: low <= matrix @ atoms <= high."""

    matrix: csr_array
    low: Amounts
    high: Amounts


@dataclass(frozen=True)
class Problem:
    """
    Cells to protect.

    matrix: (m, a) of 0 and 1. truth: (a,) what each atom holds. need: (m,) width of the interval
    that each cell needs if it is suppressed. whole: atoms are whole numbers.
    """

    matrix: csr_array
    truth: Amounts
    need: Amounts
    facts: Facts
    whole: bool

    @cached_property
    def value(self) -> Amounts:
        """(m,) what the cells hold."""
        return np.asarray(self.matrix @ self.truth)

    @cached_property
    def reach(self) -> float:
        """More than any cell could be thought to differ from its value."""
        return float(2 * self.truth.sum() + 10 * self.need.max(initial=1.0) + 1)

    @cached_property
    def loose(self) -> Flags:
        """(a,) atoms that are no cell of their own: nothing but this says that they are at least 0."""
        sizes = np.diff(self.matrix.indptr)
        own = np.zeros(len(self.truth), dtype=bool)
        own[self.matrix.indices[self.matrix.indptr[:-1][sizes == 1]]] = True
        return ~own

    @cached_property
    def rows(self) -> csr_array:
        """Left sides of what holds deviations of the atoms from the truth."""
        both = [self.matrix, -self.matrix, self.facts.matrix, -self.facts.matrix]
        return csr_array(vstack(both, format="csr"))

    def objective(self, cell: int) -> Amounts:
        """(a,) the row of a cell; all of them at once would not fit into memory for large tables."""
        return np.asarray(self.matrix[[cell]].toarray().ravel(), dtype=np.float64)

    def limits(self, hidden: Amounts) -> Amounts:
        """Right sides of ``rows`` for a pattern: (m,) 1 where a cell is suppressed, fractions between."""
        known = np.asarray(self.facts.matrix @ self.truth)
        return np.concatenate(
            [hidden * self.reach, hidden * self.value, self.facts.high - known, known - self.facts.low]
        )


@dataclass(frozen=True)
class Reach:
    """
    How far a cell can move up (or down) under a pattern, and why not further.

    weight: (m,) by how much suppressing each cell could let it move. fixed: what it may move anyway.
    """

    far: float
    weight: Amounts
    fixed: float


def reach(problem: Problem, cell: int, hidden: Amounts, sign: int) -> Reach:
    """
    The farthest that a cell can be from its value, with the dual of that linear program.

    Args:
        sign: 1 for upwards, -1 for downwards.
    """
    lower = np.where(problem.loose, -problem.truth, -np.inf)
    limits = problem.limits(hidden)
    found = linprog(  # type: ignore[call-overload]  # sparse matrices are taken, and missing in its types
        -sign * problem.objective(cell),
        A_ub=problem.rows,
        b_ub=limits,
        bounds=np.column_stack([lower, np.full(len(lower), np.inf)]),
        method="highs",
    )
    if found.status != 0:
        raise UnsafeTableError("the intervals of a table could not be solved for", advice="Try fewer cells.")
    m = len(problem.need)
    price = np.maximum(-found.ineqlin.marginals, 0.0)
    weight = price[:m] * problem.reach + price[m : 2 * m] * problem.value
    rest = float(price[2 * m :] @ limits[2 * m :])
    held = np.maximum(found.lower.marginals, 0.0)
    rest += float(held[problem.loose] @ problem.truth[problem.loose])
    return Reach(float(-found.fun), weight, rest)


def interval(
    problem: Problem, cell: int, published: Flags, low: Amounts, high: Amounts
) -> tuple[float, float]:
    """
    The smallest and the largest value that a cell can have for a reader.

    Args:
        published: (m,) cells that are shown; of them low <= value <= high is known.

    Returns:
        (low, high): whole numbers where atoms are; inf where there is no upper end.
    """
    shown = csr_array(problem.matrix[np.flatnonzero(published)])
    matrix = csr_array(vstack([shown, problem.facts.matrix], format="csr"))
    bounds = LinearConstraint(
        matrix,
        np.concatenate([low[published], problem.facts.low]),
        np.concatenate([high[published], problem.facts.high]),
    )
    ends = []
    for sign in (1, -1):
        found = _solved(sign * problem.objective(cell), bounds, problem.whole)
        ends.append(sign * found if np.isfinite(found) else np.inf)
    return ends[0], ends[1]


def _solved(objective: Amounts, known: LinearConstraint, whole: bool) -> float:
    """The least value of an objective over atoms of at least 0; -inf without an end."""
    for integral in (False, True) if whole else (False,):
        found = milp(
            objective,
            constraints=known,
            bounds=Bounds(0, np.inf),
            integrality=np.full(len(objective), int(integral)),
        )
        if found.status == _UNBOUNDED:
            return -np.inf
        if found.status != 0:
            raise UnsafeTableError(
                "the intervals of a table could not be solved for", advice="Try fewer cells."
            )
        best = float(found.fun)
        at = np.asarray(found.x)
        if integral or not whole or np.abs(at - np.round(at)).max(initial=0.0) < _SLACK:
            break
    return float(np.round(best)) if whole else best
