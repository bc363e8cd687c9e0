"""
The profile of an extract: what a custodian should know before encoding, without any value.

Source: specs/cleaning-v1.md, section 14.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pseudolink import components
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.schema import LinkageSchema, SchemaField

Mask = npt.NDArray[np.bool_]
_LONG_MONTHS = ("01", "03", "05", "07", "08", "10", "12")


def _cannot_be(year: str, month: str, day: str) -> bool:
    if month == "02":
        leap = year == "XXXX" or (int(year) % 4 == 0 and (int(year) % 100 != 0 or int(year) % 400 == 0))
        return day > ("29" if leap else "28")
    return month not in (*_LONG_MONTHS, "XX") and day == "31"


def gives(kind: str, derivation: str, value: str) -> bool:
    """
    Whether a cleaned value holds a component.

    Every value does, but for a date: each part that the component names must be known, and a day
    must be one that its month can have.
    """
    if kind != "date":
        return True
    wanted = {"year", "month", "day"}
    if derivation not in (components.WHOLE, "sorted"):
        wanted = set(derivation.split("_"))
    year, month, day = value.split("-")
    known = {"year": year, "month": month, "day": day}
    if any("X" in known[part] for part in wanted):
        return False
    if not {"month", "day"} <= wanted:
        return True
    return not _cannot_be(year if "year" in wanted else "XXXX", month, day)


def _present(cleaned: Cleaned, schema: LinkageSchema, component: str) -> Mask:
    """(n,) bool: the rows that hold the component."""
    name, derivation = components.split(component)
    if name == components.NAMES:
        present = np.ones(cleaned.rows, dtype=bool)
        for one in schema.named:
            present &= cleaned.fields[one].codes >= 0
        return present
    column = cleaned.fields[name]
    kind = schema.fields[name].kind
    # The last entry stands for code -1: a missing value holds nothing.
    holds = np.array([*(gives(kind, derivation, value) for value in column.values), False])
    return np.asarray(holds[column.codes], dtype=bool)


def _spikes(column: Column, counts: npt.NDArray[np.int64]) -> dict[str, int]:
    spikes = {"dates": 0, "january_first": 0, "month_first": 0}
    for value, count in zip(column.values, counts.tolist(), strict=True):
        if "X" in value:
            continue
        spikes["dates"] += count
        spikes["month_first"] += count if value.endswith("-01") else 0
        spikes["january_first"] += count if value.endswith("-01-01") else 0
    return spikes


def _field(field: SchemaField, cleaned: Cleaned) -> dict[str, Any]:
    column = cleaned.fields[field.name]
    count = cleaned.counts[field.name]
    present = column.codes[column.codes >= 0]
    counts = np.bincount(present, minlength=len(column.values)).astype(np.int64)
    invalid = sum(count.rules.values())
    found: dict[str, Any] = {
        "kind": field.kind,
        "filled": count.filled,
        "valid": count.valid,
        "missing": cleaned.rows - count.filled,
        "invalid": invalid,
        "placeholder": count.filled - count.valid - invalid,
        "usable": len(present),
        "rules": dict(count.rules),
        "flags": dict(count.flags),
        "distinct": int(np.count_nonzero(counts)),
        "most_common": int(counts.max(initial=0)),
    }
    if field.kind == "date":
        found["spikes"] = _spikes(column, counts)
    return found


def profile(cleaned: Cleaned, schema: LinkageSchema) -> dict[str, Any]:
    """
    Count, by field and by pass, what the rows hold. All numbers are counts of rows; no value.

    Per field: filled = valid + invalid + placeholder; missing cells are empty; ``usable`` rows
    have a canonical value; ``most_common`` is the count of the most frequent value. A date has
    its spikes: whole dates, on 1 January, on the first of a month. Per pass: the rows that hold
    every component of ``on``, so the rows that take part.

    Args:
        cleaned: all rows of an extract (its counts are those of the whole extract).
    """
    passes = []
    for one in schema.passes:
        present = np.ones(cleaned.rows, dtype=bool)
        for component in one.on:
            present &= _present(cleaned, schema, component)
        passes.append({"name": one.name, "on": list(one.on), "rows": int(present.sum())})
    return {
        "rows": cleaned.rows,
        "fields": {field.name: _field(field, cleaned) for field in schema.fields.values()},
        "passes": passes,
    }
