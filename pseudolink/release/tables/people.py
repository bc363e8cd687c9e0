"""
A file with a row a person, as numbers: categories, families, contributions.

Source: specs/tables-v1.md, section 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import AreaTableError, Problem, TableInputError
from pseudolink.release.tables.definition import names_an_area

Index = npt.NDArray[np.int64]

MOST_CATEGORIES = 200


@dataclass(frozen=True)
class Variable:
    """Categories in order, missing last, and which of them each person has: (n,) int64."""

    categories: tuple[str | None, ...]
    codes: Index

    def code(self, category: str | None) -> int:
        """The number of a category; -1 for one that nobody has."""
        return self.categories.index(category) if category in self.categories else -1


@dataclass(frozen=True)
class People:
    """
    n people of a file.

    family: (n,) int64, the number of each one's family. amount: (n,) float64, what each contributes
    to a sum, NaN for nothing; None when people are counted.
    """

    n: int
    variables: dict[str, Variable]
    family: Index
    amount: npt.NDArray[np.float64] | None


def read_people(
    table: pa.Table,
    variables: Iterable[str],
    *,
    person: str,
    family: str | None,
    amount: str | None = None,
    source: str = "",
) -> People:
    """
    Take a table apart.

    Args:
        person, family: columns; without a family column everybody is a family.

    Raises:
        TableInputError: no such column, a row without a person, a person with two rows, too many
            categories, a column to sum that holds something else; every problem at once.
    """
    names = list(dict.fromkeys(variables))
    wanted = [*names, person, *([family] if family else []), *([amount] if amount else [])]
    problems = [
        Problem(f"column {name!r}", "is not in the file")
        for name in dict.fromkeys(wanted)
        if name not in table.column_names
    ]
    if problems:
        there = ", ".join(table.column_names)
        raise TableInputError(problems, source=source or None, advice=f"Columns that are there: {there}.")
    problems += _people_problems(_texts(table.column(person)), person)
    found = {}
    for name in names:
        column = _texts(table.column(name))
        if len(pc.unique(column)) > MOST_CATEGORIES:
            problems.append(Problem(f"column {name!r}", f"has more than {MOST_CATEGORIES} categories"))
        else:
            found[name] = _variable(column)
    amounts = None
    if amount:
        amounts, wrong = _amounts(table.column(amount))
        if wrong:
            problems.append(Problem(f"column {amount!r}", f"{wrong:,} values are not numbers of at least 0"))
    if problems:
        raise TableInputError(problems, source=source or None)
    own = _families(_texts(table.column(family)) if family else None, table.num_rows)
    return People(table.num_rows, found, own, amounts)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Categories as text; empty text is missing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = pc.cast(column, kind.value_type)
    text = pc.cast(column, pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _people_problems(column: pa.ChunkedArray, name: str) -> list[Problem]:
    problems = []
    if not len(column):
        problems.append(Problem("", "there is no row"))
    if column.null_count:
        problems.append(Problem(f"column {name!r}", f"{column.null_count:,} rows have no person"))
    held = len(column) - column.null_count
    distinct = len(pc.unique(column.drop_null()))
    if distinct < held:
        problems.append(
            Problem(f"column {name!r}", f"{held:,} rows are of {distinct:,} people; a row a person is needed")
        )
    return problems


def _variable(column: pa.ChunkedArray) -> Variable:
    values = sorted((v for v in pc.unique(column).to_pylist() if v is not None), key=_order)
    at = pc.index_in(column, value_set=pa.array(values, pa.string()))
    codes = np.asarray(pc.fill_null(at, len(values)).to_numpy(), dtype=np.int64)
    categories: tuple[str | None, ...] = (*values, None) if column.null_count else tuple(values)
    return Variable(categories, codes)


def _order(text: str) -> tuple[int, float, str]:
    """Numbers in order of size, then texts in order of code points."""
    try:
        number = float(text)
    except ValueError:
        return 1, 0.0, text
    return (0, number, text) if np.isfinite(number) else (1, 0.0, text)


def _amounts(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.float64], int]:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        out = np.full(len(column), np.nan)
        wrong = 0
        for place, text in enumerate(_texts(column).to_pylist()):
            if text is None:
                continue
            try:
                out[place] = float(text)
            except ValueError:
                wrong += 1
                continue
            wrong += not (np.isfinite(out[place]) and out[place] >= 0)
        return out, wrong
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return np.zeros(len(column)), len(column)
    out = np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64).copy()
    held = np.asarray(pc.is_valid(column).to_numpy(), dtype=bool)
    wrong = int((held & ~(np.isfinite(out) & (out >= 0))).sum())
    out[~held] = np.nan
    return out, wrong


def _families(column: pa.ChunkedArray | None, n: int) -> Index:
    if column is None:
        return np.arange(n, dtype=np.int64)
    encoded = column.combine_chunks().dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    alone = codes < 0
    codes[alone] = len(encoded.dictionary) + np.arange(int(alone.sum()))
    return codes


def refuse_areas(people: People, names: Iterable[str]) -> None:
    """
    Refuse tables by council (tables-v1, 1.4).

    Raises:
        AreaTableError: a column of these names a council.
    """
    named = [name for name in names if names_an_area(name, people.variables[name].categories)]
    if named:
        raise AreaTableError(
            f"tables by council or other area are off: {', '.join(map(repr, named))}",
            advice="Where the agreement permits them, ask for them: --areas.",
        )
