"""
A table under rules: dates coarsened, numbers top-coded, values suppressed until every class holds.

Source: specs/microdata-v1.md, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.release.microdata.anonymity import Choice, Need, choose
from pseudolink.release.microdata.coarsen import coarsened, top_coded
from pseudolink.release.microdata.rules import Scope

Index = npt.NDArray[np.int64]

_DEFAULT = ("month",)


@dataclass(frozen=True)
class Changed:
    """A table under rules. columns: of each changed one what was done."""

    table: pa.Table
    columns: dict[str, dict[str, Any]]
    choice: Choice


def changed(table: pa.Table, rules: Scope, need: Need) -> Changed:
    """A table with its dates coarsened, numbers top-coded, and classes that have what they need."""
    columns: dict[str, dict[str, Any]] = {}
    steps = _steps(table, rules)
    levels = {
        name: _levels(table.column(name), steps.get(name, ()), rules.top.get(name)) for name in rules.quasi
    }
    least = {name: 1 if pa.types.is_date(table.schema.field(name).type) else 0 for name in rules.quasi}
    codes = [[codes_of(one) for one in levels[name][least[name] :]] for name in rules.quasi]
    choice = choose(codes, need)
    out = table
    for place, name in enumerate(rules.quasi):
        level = choice.steps[place] + least[name]
        hidden = choice.suppressed[:, place]
        out = _replaced(out, name, _suppressed(levels[name][level], hidden))
        columns[name] = {"step": (None, *steps.get(name, ()))[level], "suppressed": int(hidden.sum())}
    for name in table.column_names:
        if name in rules.quasi:
            continue
        if pa.types.is_date(table.schema.field(name).type):
            out = _replaced(out, name, coarsened(table.column(name), steps[name][0]))
            columns[name] = {"step": steps[name][0], "suppressed": 0}
        elif name in rules.top:
            out = _replaced(out, name, top_coded(table.column(name), rules.top[name]))
            columns.setdefault(name, {"step": None, "suppressed": 0})
    for name, most in rules.top.items():
        above = pc.sum(pc.greater(table.column(name), most)).as_py()
        columns[name]["top_coded"] = int(above or 0)
    return Changed(out, columns, choice)


def _steps(table: pa.Table, rules: Scope) -> dict[str, tuple[str, ...]]:
    found = dict(rules.steps)
    for field in table.schema:
        if pa.types.is_date(field.type):
            found.setdefault(field.name, _DEFAULT)
    return found


def _levels(column: pa.ChunkedArray, steps: tuple[str, ...], top: int | None) -> list[pa.ChunkedArray]:
    """A column at every step, top-coded; the first as it stands."""
    found = [column, *(coarsened(column, step) for step in steps)]
    return found if top is None else [top_coded(column, top, one) for one in found]


def codes_of(column: pa.ChunkedArray) -> Index:
    """Categories from 1 on, 0 where a value is missing."""
    encoded = column.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.asarray(codes + 1, dtype=np.int64)


def codes_of_all(table: pa.Table, names: Sequence[str]) -> Index:
    """(n, q) the categories of several columns."""
    if not names:
        return np.zeros((table.num_rows, 0), dtype=np.int64)
    return np.column_stack([codes_of(table.column(name)) for name in names])


def own_families(table: pa.Table, family: str | None) -> Index:
    """(n,) the family of each person; who has none is one."""
    if family is None:
        return np.arange(table.num_rows, dtype=np.int64)
    codes = codes_of(table.column(family))
    single = codes == 0
    codes[single] = int(codes.max(initial=0)) + 1 + np.arange(int(single.sum()))
    return codes


def _suppressed(column: pa.ChunkedArray, hidden: npt.NDArray[np.bool_]) -> pa.ChunkedArray:
    return pc.if_else(pa.array(hidden), pa.scalar(None, column.type), column)


def _replaced(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
