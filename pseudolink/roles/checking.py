"""
The researcher: summary statistics and models that may leave the secure place.

Source: specs/tables-v1.md, section 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.clean.reader import read_extract
from pseudolink.errors import Problem, TableInputError, UsageError
from pseudolink.formats import payload as payloads
from pseudolink.release.tables.definition import Profile
from pseudolink.release.tables.outputs import Checked, Model, Statistic, check_model, summarise
from pseudolink.release.tables.people import People, read_people, refuse_areas
from pseudolink.roles.researcher import Source

#: A column of numbers with more different values is a number in a model unless it is said otherwise.
FEW_VALUES: Final = 20
_NUMBER: Final = "number"


@dataclass(frozen=True)
class Data:
    """The rows of a file that are meant, and its column of families."""

    table: pa.Table
    family: str | None


def summary(
    source: Source,
    column: str,
    by: Sequence[str],
    profile: Profile,
    *,
    where: Sequence[str] = (),
    areas: bool = False,
) -> list[Statistic]:
    """
    Mean and standard deviation of a column by groups, where they may be told.

    Raises:
        PseudolinkError: whatever does not fit.
    """
    data = _data(source, where)
    people = _people(data, source, by, column)
    if not areas:
        refuse_areas(people, by)
    return summarise(people, by, profile)


def model(
    source: Source,
    formula: str,
    profile: Profile,
    *,
    numbers: Sequence[str] = (),
    where: Sequence[str] = (),
    areas: bool = False,
) -> Checked:
    """
    Check a model on the data that it is fitted to.

    Args:
        numbers: columns to take as numbers although they have few values.

    Raises:
        UnsafeOutputError: rules that it breaks. PseudolinkError: whatever else does not fit.
    """
    wanted = Model.parse(formula)
    data = _data(source, where)
    _require(data.table, wanted.columns, source)
    table, taken = data.table, []
    for name in wanted.columns:
        column = _texts(table.column(name))
        number = _all_numbers(column)
        if name in numbers and not number:
            problem = Problem(f"column {name!r}", "does not hold numbers")
            raise TableInputError([problem], source=source.path.name)
        if number and (name in numbers or len(pc.unique(column)) > FEW_VALUES):
            taken.append(name)
            held = pc.if_else(column.is_valid(), _NUMBER, pa.scalar(None, pa.string()))
            table = table.set_column(table.column_names.index(name), name, held)
    people = _people(Data(table, data.family), source, wanted.columns, None)
    if not areas:
        refuse_areas(people, wanted.columns)
    return check_model(people, wanted, taken, profile)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.cast(column, pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _all_numbers(column: pa.ChunkedArray) -> bool:
    try:
        pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return False
    return bool(column.null_count < len(column))


def _data(source: Source, where: Sequence[str]) -> Data:
    table = read_extract(source.path)
    family = source.family
    if family is None and payloads.FAMILY_ID in table.column_names:
        family = payloads.FAMILY_ID
    for condition in where:
        name, equals, value = condition.partition("=")
        if not equals or not name.strip():
            raise UsageError("a condition has the form COLUMN=CATEGORY")
        _require(table, [name.strip()], source)
        cells = pc.cast(table.column(name.strip()), pa.string())
        table = table.filter(pc.equal(cells, value.strip()))
    return Data(table, family)


def _people(data: Data, source: Source, names: Sequence[str], amount: str | None) -> People:
    return read_people(
        data.table, names, person=source.person, family=data.family, amount=amount, source=source.path.name
    )


def _require(table: pa.Table, names: Sequence[str], source: Source) -> None:
    problems = [
        Problem(f"column {name!r}", "is not in the file") for name in names if name not in table.column_names
    ]
    if problems:
        raise TableInputError(problems, source=source.path.name)
