"""
A release under its rules, and the report of what was done and what is left.

Source: specs/microdata-v1.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import DisclosureError
from pseudolink.release.microdata.anonymity import Choice, Need, choose, classes
from pseudolink.release.microdata.coarsen import coarsened, top_coded
from pseudolink.release.microdata.rules import FAMILY_SIZE, Rules, require_fit

Index = npt.NDArray[np.int64]

_DEFAULT = ("month",)
#: A family above this chance that one of it is singled out is counted in the report.
_HIGH = 0.2


@dataclass(frozen=True)
class Protected:
    """The table under the rules; report: JSON-able, for the releaser alone."""

    table: pa.Table
    report: dict[str, Any]


def protect(table: pa.Table, rules: Rules, *, family: str | None) -> Protected:
    """
    Apply the rules of an agreement.

    Args:
        table: a row a person. family: column of family pseudonyms, None where there is none.

    Raises:
        DisclosureRulesError: rules that do not fit. DisclosureError: no release keeps them.
    """
    if FAMILY_SIZE in rules.named and FAMILY_SIZE not in table.column_names:
        table = table.append_column(FAMILY_SIZE, _family_size(table, family))
    require_fit(rules, table)
    if table.num_rows < rules.k:
        raise DisclosureError(f"{table.num_rows:,} people are fewer than k, {rules.k}")
    columns: dict[str, dict[str, Any]] = {}
    steps = _steps(table, rules)
    before = _quasi(table, rules.quasi)
    levels = {
        name: _levels(table.column(name), steps.get(name, ()), rules.top.get(name)) for name in rules.quasi
    }
    least = {name: 1 if pa.types.is_date(table.schema.field(name).type) else 0 for name in rules.quasi}
    codes = [[_codes(one) for one in levels[name][least[name] :]] for name in rules.quasi]
    need = Need(
        rules.k, tuple((_codes(table.column(name)), number) for name, number in rules.sensitive.items())
    )
    choice = choose(codes, need)
    out = table
    for place, name in enumerate(rules.quasi):
        level = choice.steps[place] + least[name]
        changed = _suppressed(levels[name][level], choice.suppressed[:, place])
        taken = (None, *steps.get(name, ()))[level]
        columns[name] = {"step": taken, "suppressed": int(choice.suppressed[:, place].sum())}
        out = _replaced(out, name, changed)
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
    return Protected(out, _report(table, out, rules, family, columns, before, choice))


def _steps(table: pa.Table, rules: Rules) -> dict[str, tuple[str, ...]]:
    found = dict(rules.steps)
    for field in table.schema:
        if pa.types.is_date(field.type):
            found.setdefault(field.name, _DEFAULT)
    return found


def _levels(column: pa.ChunkedArray, steps: tuple[str, ...], top: int | None) -> list[pa.ChunkedArray]:
    """A column at every step, top-coded; the first as it stands."""
    found = [column, *(coarsened(column, step) for step in steps)]
    return found if top is None else [top_coded(column, top, one) for one in found]


def _codes(column: pa.ChunkedArray) -> Index:
    """Categories from 1 on, 0 where a value is missing."""
    encoded = column.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.asarray(codes + 1, dtype=np.int64)


def _quasi(table: pa.Table, names: tuple[str, ...]) -> Index:
    if not names:
        return np.zeros((table.num_rows, 0), dtype=np.int64)
    return np.column_stack([_codes(table.column(name)) for name in names])


def _suppressed(column: pa.ChunkedArray, hidden: npt.NDArray[np.bool_]) -> pa.ChunkedArray:
    return pc.if_else(pa.array(hidden), pa.scalar(None, column.type), column)


def _replaced(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _family_size(table: pa.Table, family: str | None) -> pa.Array:
    if family is None:
        return pa.array(np.ones(table.num_rows, dtype=np.int64))
    codes = _codes(table.column(family))
    sizes = np.bincount(codes)
    return pa.array(np.where(codes > 0, sizes[codes], 1))


# ---------------------------------------------------------------- the report


def _report(
    table: pa.Table,
    out: pa.Table,
    rules: Rules,
    family: str | None,
    columns: Mapping[str, Any],
    before: Index,
    choice: Choice,
) -> dict[str, Any]:
    families = _codes(table.column(family)) if family else np.zeros(table.num_rows, dtype=np.int64)
    return {
        "format": "pseudolink/disclosure/1",
        "rules": rules.to_json(),
        "columns": dict(columns),
        "people": table.num_rows,
        "before": _risk(before, families, rules.k),
        "after": _risk(choice.codes, families, rules.k),
        "events": {
            "columns": list(rules.events),
            "unique_before": _alone(_quasi(table, rules.events)),
            "unique_after": _alone(_quasi(out, rules.events)),
        },
    }


def _alone(codes: Index) -> int:
    if not codes.shape[1]:
        return 0
    return int((np.bincount(classes(codes)) == 1).sum())


def _risk(codes: Index, families: Index, k: int) -> dict[str, Any]:
    if not codes.shape[1] or not len(codes):
        return {"classes": 1 if len(codes) else 0, "smallest": len(codes), "alone": 0, "below_k": 0,
                "expected": 0.0, "household_risk": 0.0, "families_at_risk": 0}  # fmt: skip
    key = classes(codes)
    sizes = np.bincount(key)
    chance = 1.0 / sizes[key]
    of_family = np.ones(int(families.max(initial=0)) + 1)
    np.multiply.at(of_family, families, 1.0 - chance)
    household = 1.0 - of_family[1:] if len(of_family) > 1 else np.zeros(0)
    single = chance[families == 0]
    risks = np.concatenate([household, single])
    return {
        "classes": len(sizes),
        "smallest": int(sizes.min()),
        "alone": int((sizes == 1).sum()),
        "below_k": int(sizes[sizes < k].sum()),
        "expected": round(float(chance.sum()), 6),
        "household_risk": round(float(risks.max(initial=0.0)), 6),
        "families_at_risk": int((risks > _HIGH).sum()),
    }
