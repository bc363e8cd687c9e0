"""Suppression against brute force, and against what the literature works out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from release.tables.brute_force import (
    BY_ROW_AND_COLUMN,
    SMALL,
    Enumerated,
    people_of,
    truth_of,
)
from scipy.sparse import csr_array

from pseudolink.errors import UnsafeTableError
from pseudolink.release.tables.knowledge import Facts, Problem, interval, reach
from pseudolink.release.tables.safe import PRIMARY, PUBLISHED, SafeTable, make_safe
from pseudolink.release.tables.suppression import suppress

SEED = 20260


def place(cell) -> tuple[int | None, int | None]:
    row, column = dict(cell.rows).get("row"), dict(cell.columns).get("column")
    return None if row is None else int(row), None if column is None else int(column)


def check(counts: np.ndarray, everything: Enumerated) -> tuple[int, int]:
    """Suppressed cells, and the least that would have done."""
    safe = make_safe(people_of(counts), [BY_ROW_AND_COLUMN], SMALL)
    table: SafeTable = safe.tables[0]
    truth = truth_of(counts)
    assert len(table.cells) == len(truth)
    assert safe.proved
    for cell in table.cells:
        assert cell.value is None or cell.value == truth[place(cell)]
        if cell.status == PUBLISHED and cell.value:
            assert cell.value >= SMALL.people
    hidden = frozenset(place(cell) for cell in table.cells if cell.value is None)
    primary = frozenset(place(cell) for cell in table.cells if cell.status == PRIMARY)
    assert everything.safe(truth, hidden, SMALL.people)
    return len(hidden), everything.fewest(truth, primary, SMALL.people) if primary else 0


def compare(shape: tuple[int, int], tables: int, high: int) -> None:
    everything = Enumerated(shape, high + SMALL.people)
    rng = np.random.default_rng(SEED)
    done = 0
    while done < tables:
        counts = rng.integers(0, high + 1, size=shape)
        if not (counts.sum(axis=0).all() and counts.sum(axis=1).all()):
            continue
        done += 1
        ours, best = check(counts, everything)
        assert ours <= 1.1 * best, counts.tolist()


def test_no_hidden_cell_of_small_tables_is_narrower_than_the_rule_and_no_cell_is_hidden_in_vain():
    """Two by two, by enumerating every table and every pattern."""
    compare((2, 2), tables=80, high=7)


def test_larger_tables_are_as_good_as_the_best_pattern():
    compare((2, 3), tables=8, high=4)


@pytest.mark.slow
def test_a_thousand_small_tables_against_brute_force():
    compare((2, 2), tables=1000, high=7)
    compare((2, 3), tables=40, high=4)


GEURTS = np.asarray([[4, 3], [2, 1], [3, 3]])  # any table that fits; rows add up to 7, 3, 6


NOTHING_KNOWN = Facts(csr_array((0, 6)), np.zeros(0), np.zeros(0))


def geurts() -> Problem:
    """Table 10 of Geurts (1992) as Example 3 of the Handbook on Statistical Disclosure Control, 4.2."""
    rows = []
    for row in (*range(3), None):
        for column in (*range(2), None):
            mask = np.zeros((3, 2))
            mask[slice(None) if row is None else row, slice(None) if column is None else column] = 1
            rows.append(mask.ravel())
    return Problem(
        csr_array(np.stack(rows)), GEURTS.ravel().astype(float), np.full(12, 1.0), NOTHING_KNOWN, True
    )


def test_the_feasibility_interval_of_the_handbook_is_reproduced():
    """Its cell (1,1), with the first two rows hidden and all margins shown, lies between 3 and 6."""
    problem = geurts()
    published = np.ones(12, dtype=bool)
    published[[0, 1, 3, 4]] = False
    assert interval(problem, 0, published, problem.value, problem.value) == (3.0, 6.0)


def test_the_dual_of_an_attack_bounds_every_pattern():
    """What a cut promises holds for other patterns too: that is what makes it a cut."""
    problem = geurts()
    rng = np.random.default_rng(SEED)
    for _ in range(40):
        first = (rng.random(12) < 0.5).astype(float)
        other = (rng.random(12) < 0.5).astype(float)
        found = reach(problem, 0, first, 1)
        assert found.far == pytest.approx(found.weight @ first + found.fixed, abs=1e-6)
        assert reach(problem, 0, other, 1).far <= found.weight @ other + found.fixed + 1e-6


def test_what_was_published_before_can_make_a_table_impossible():
    """A fact that gives the cell away leaves no pattern: the table is refused, not published."""
    problem = geurts()
    known = Facts(csr_array(np.eye(6)[:1]), np.asarray([4.0]), np.asarray([4.0]))
    problem = Problem(problem.matrix, problem.truth, np.full(12, 2.0), known, True)
    primary = np.zeros(12, dtype=bool)
    primary[0] = True
    with pytest.raises(UnsafeTableError):
        suppress(problem, primary, np.ones(12), fixed=np.zeros(12, dtype=bool))


def test_out_of_time_a_pattern_is_still_safe():
    problem = geurts()
    primary = np.zeros(12, dtype=bool)
    primary[4] = True
    found = suppress(problem, primary, np.ones(12), fixed=np.zeros(12, dtype=bool), seconds=0.0)
    low, high = interval(problem, 4, ~found.hidden, problem.value, problem.value)
    assert high - low >= 1
    assert not found.proved
