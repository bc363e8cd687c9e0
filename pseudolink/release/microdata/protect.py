"""
A release under its rules, and the report of what was done and what is left.

Source: specs/microdata-v1.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import DisclosureError
from pseudolink.release.microdata.anonymity import Need, classes
from pseudolink.release.microdata.changing import changed, codes_of, codes_of_all, own_families
from pseudolink.release.microdata.further import alone, protect_further, sequences
from pseudolink.release.microdata.rules import DROP, FAMILY_SIZE, Rules, require_fit

Index = npt.NDArray[np.int64]

#: A family above this chance that one of it is singled out is counted in the report.
_HIGH = 0.2


@dataclass(frozen=True)
class Protected:
    """
    The tables under the rules; report: JSON-able, for the releaser alone.

    further: those further tables that may be released.
    """

    table: pa.Table
    report: dict[str, Any]
    further: Mapping[str, pa.Table] = field(default_factory=dict)


def protect(
    table: pa.Table,
    rules: Rules,
    *,
    family: str | None,
    further: Mapping[str, pa.Table] | None = None,
) -> Protected:
    """
    Apply the rules of an agreement.

    Args:
        table: a row a person. family: column of family pseudonyms, None where there is none.
        further: tables with a row an event, a record or a family link.

    Raises:
        DisclosureRulesError: rules that do not fit. DisclosureError: no release keeps them.
    """
    further = further or {}
    if FAMILY_SIZE in rules.named and FAMILY_SIZE not in table.column_names:
        table = table.append_column(FAMILY_SIZE, _family_size(table, family))
    require_fit(rules, table, further)
    if table.num_rows < rules.k:
        raise DisclosureError(f"{table.num_rows:,} people are fewer than k, {rules.k}")
    families = own_families(table, family)
    need = Need(
        rules.k,
        tuple((codes_of(table.column(name)), number) for name, number in rules.sensitive.items()),
        families=families if family else None,
    )
    done = changed(table, rules.of(None, further), need)
    out, columns = _uncountable(table, done.table, done.columns, rules, family)
    safe, told = protect_further(further, rules, table, families)
    before = sequences(table, further, rules.events)
    after = sequences(out, safe, rules.events)
    report = {
        "format": "pseudolink/disclosure/1",
        "rules": rules.to_json(),
        "columns": columns,
        "people": table.num_rows,
        "before": _risk(codes_of_all(table, rules.quasi), families, rules.k),
        "after": _risk(done.choice.codes, families, rules.k),
        "events": {
            "columns": list(rules.events),
            "unique_before": alone(before),
            "unique_after": alone(after),
        },
        "further": told,
    }
    return Protected(out, report, safe)


def _family_size(table: pa.Table, family: str | None) -> pa.Array:
    if family is None:
        return pa.array(np.ones(table.num_rows, dtype=np.int64))
    codes = codes_of(table.column(family))
    sizes = np.bincount(codes)
    return pa.array(np.where(codes > 0, sizes[codes], 1))


def _uncountable(
    before: pa.Table, table: pa.Table, columns: Mapping[str, Any], rules: Rules, family: str | None
) -> tuple[pa.Table, dict[str, Any]]:
    """
    A size that the rules hide must not come back by counting the rows of a family.

    So whose size is missing or under one label with others has no family either, and where a step was
    taken, nobody.
    """
    told = dict(columns)
    if family is None or FAMILY_SIZE not in rules.quasi:
        return table, told
    own = table.column(family)
    coarser = told[FAMILY_SIZE]["step"] is not None
    hidden = pc.or_(pc.is_null(table.column(FAMILY_SIZE)), coarser)
    if FAMILY_SIZE in rules.top:
        hidden = pc.or_(hidden, pc.greater(before.column(FAMILY_SIZE), rules.top[FAMILY_SIZE]))
    hidden = pc.and_(hidden, pc.is_valid(own))
    told[family] = {"step": DROP if coarser else None, "suppressed": int(pc.sum(hidden).as_py() or 0)}
    place = table.column_names.index(family)
    cleared = pc.if_else(hidden, pa.scalar(None, own.type), own)
    return table.set_column(place, table.schema.field(family), cleared), told


# ---------------------------------------------------------------- the report


def _risk(codes: Index, families: Index, k: int) -> dict[str, Any]:
    if not codes.shape[1] or not len(codes):
        return {"classes": 1 if len(codes) else 0, "smallest": len(codes), "alone": 0, "below_k": 0,
                "expected": 0.0, "household_risk": 0.0, "families_at_risk": 0}  # fmt: skip
    key = classes(codes)
    sizes = np.bincount(key)
    chance = 1.0 / sizes[key]
    of_family = np.ones(int(families.max(initial=0)) + 1)
    np.multiply.at(of_family, families, 1.0 - chance)
    risks = 1.0 - of_family
    return {
        "classes": len(sizes),
        "smallest": int(sizes.min()),
        "alone": int((sizes == 1).sum()),
        "below_k": int(sizes[sizes < k].sum()),
        "expected": round(float(chance.sum()), 6),
        "household_risk": round(float(risks.max(initial=0.0)), 6),
        "families_at_risk": int((risks > _HIGH).sum()),
    }
