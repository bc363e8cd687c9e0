"""Small tables by enumeration: every table of whole numbers that fits what is published."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa

from pseudolink.release.tables.definition import Definition, Profile
from pseudolink.release.tables.people import People, read_people

#: Small enough numbers to enumerate.
SMALL = Profile("small", people=3, families=1, largest=0.4375, two=0.9, rest=0.1, rounding=0)
BY_ROW_AND_COLUMN = Definition.parse("row", "column")


def people_of(counts: np.ndarray) -> People:
    """People in a table of rows and columns; every category occurs, if need be outside the subpopulation."""
    rows, columns = np.indices(counts.shape)
    table = pa.table(
        {
            "id": np.arange(counts.sum()),
            "row": np.repeat(rows.ravel(), counts.ravel()),
            "column": np.repeat(columns.ravel(), counts.ravel()),
        }
    )
    return read_people(table, ("row", "column"), person="id", family=None)


class Enumerated:
    """Every table of whole numbers up to ``most`` in each inner cell, with its margins."""

    def __init__(self, shape: tuple[int, int], most: int) -> None:
        inner = int(np.prod(shape))
        grid = np.indices((most + 1,) * inner, dtype=np.int16).reshape(inner, -1)
        cells = grid.reshape(*shape, -1)
        self.values: dict[tuple[int | None, int | None], np.ndarray] = {}
        for row in (*range(shape[0]), None):
            for column in (*range(shape[1]), None):
                part = cells if row is None else cells[row : row + 1]
                part = part if column is None else part[:, column : column + 1]
                self.values[row, column] = part.sum(axis=(0, 1), dtype=np.int16)

    def fitting(self, published: dict[tuple[int | None, int | None], int]) -> np.ndarray:
        """Which of the tables fit the published cells."""
        keep = np.ones(len(next(iter(self.values.values()))), dtype=bool)
        for place, value in published.items():
            keep &= self.values[place] == value
        return keep

    def width(self, place: tuple[int | None, int | None], keep: np.ndarray) -> int:
        """Largest less smallest value of a cell among the tables kept."""
        found = self.values[place][keep]
        return int(found.max() - found.min())

    def safe(self, truth: dict, hidden: frozenset, need: int) -> bool:
        """Whether no hidden cell can be pinned down to less than ``need``."""
        keep = self.fitting({place: value for place, value in truth.items() if place not in hidden})
        return all(self.width(place, keep) >= need for place in hidden)

    def fewest(self, truth: dict, primary: frozenset, need: int) -> int:
        """The least number of cells of any safe pattern."""
        rest = [place for place in truth if place not in primary]
        for more in range(len(rest) + 1):
            if any(self.safe(truth, primary | set(added), need) for added in combinations(rest, more)):
                return len(primary) + more
        raise AssertionError("hiding everything is safe")


def truth_of(counts: np.ndarray) -> dict[tuple[int | None, int | None], int]:
    """Every cell of a table, margins included."""
    out: dict[tuple[int | None, int | None], int] = {}
    for row in (*range(counts.shape[0]), None):
        for column in (*range(counts.shape[1]), None):
            part = counts if row is None else counts[row : row + 1]
            part = part if column is None else part[:, column : column + 1]
            out[row, column] = int(part.sum())
    return out
