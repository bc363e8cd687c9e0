"""
The profile of an extract: what a custodian should know before encoding, without any value.

Values are looked up apart from the counts, so that nothing that is written can hold one.

Source: specs/cleaning-v1.md, section 14.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.clean import date
from pseudolink.clean.common import common_values
from pseudolink.clean.extract import JUDGES
from pseudolink.clean.reader import column_key
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.schema import LinkageSchema, SchemaField

Counts = npt.NDArray[np.int64]

FORMAT: Final = "pseudolink/profile/1"
#: How many of the most common values have their counts told.
MOST_COMMON: Final = 5
#: A postcode with so many records is crowded: a hostel, an office, or a default.
CROWDED: Final = 100
#: Examples of each rule and flag that ``values_of`` gives.
EXAMPLES: Final = 3

#: Kind of number -> characters that tell one person's number from another's; all when None.
_NUMBERS: Final[dict[str, int | None]] = {"nino": 8, "upn": None, "nhs": None, "uln": None}
_TEMPORARY: Final = {"nino": "nino.temporary", "upn": "upn.temporary"}
_ADMINISTRATIVE: Final = {"nino": "nino.administrative"}


def profile(
    cleaned: Cleaned, schema: LinkageSchema, table: pa.Table, *, today: datetime.date
) -> dict[str, Any]:
    """
    Count what the records of an extract hold. Names of fields, rules and flags; no value.

    Args:
        cleaned: the whole extract, with its versions. table: the extract as it was read, columns
            of text: characters outside ASCII are gone after cleaning.
        today: the day of cleaning.

    Returns:
        JSON-able data as in the specification, but ``source``, ``passes`` and ``company``.

    Source: specs/cleaning-v1.md, sections 14.1 to 14.5.
    """
    records = cleaned.one_a_record()
    there = {column_key(name): index for index, name in enumerate(table.column_names)}
    fields = {
        field.name: _field(field, records, _columns(field, table, there)) for field in schema.fields.values()
    }
    read = {
        column_key(name)
        for field in schema.fields.values()
        for name in (*fields[field.name]["columns"], *field.also)
    }
    return {
        "format": FORMAT,
        "schema": {"name": schema.name, "digest": schema.digest},
        "today": today.isoformat(),
        "rows": table.num_rows,
        "versions": cleaned.rows,
        "columns_unread": len(there.keys() - read),
        **_repeats(records),
        "fields": fields,
    }


def _columns(field: SchemaField, table: pa.Table, there: dict[str, int]) -> dict[str, pa.ChunkedArray]:
    """The columns that a field is read from, by the schema's own spelling (section 13.1)."""
    found = {
        name: table.column(there[column_key(name)])
        for name in field.parts or field.columns
        if column_key(name) in there
    }
    return found if field.parts else dict(list(found.items())[:1])


def _field(field: SchemaField, records: Cleaned, columns: dict[str, pa.ChunkedArray]) -> dict[str, Any]:
    column = records.fields[field.name]
    count = records.counts[field.name]
    counts = _counts(column)
    invalid = sum(count.rules.values())
    common = common_values(counts, field.kind, records.rows, field.common)
    found: dict[str, Any] = {
        "kind": field.kind,
        "columns": list(columns),
        "filled": count.filled,
        "valid": count.valid,
        "invalid": invalid,
        "placeholder": count.filled - count.valid - invalid,
        "missing": records.rows - count.filled,
        "usable": int((column.codes >= 0).sum()),
        "non_ascii": _non_ascii(list(columns.values()), records.rows),
        "rules": dict(count.rules),
        "flags": dict(count.flags),
        "distinct": int(np.count_nonzero(counts)),
        "most_common": np.sort(counts[counts > 0])[::-1][:MOST_COMMON].tolist(),
        "common": {"values": len(common), "records": int(counts[common].sum())},
    }
    if field.kind == "date":
        found["spikes"] = _spikes(column, counts)
    if field.kind == "postcode":
        crowded = counts[counts >= CROWDED]
        found["crowded"] = {"least": CROWDED, "values": len(crowded), "rows": int(crowded.sum())}
    if field.kind in _NUMBERS:
        found["number"] = _number(field.kind, column) | {
            "temporary": count.flags.get(_TEMPORARY[field.kind], 0) if field.kind in _TEMPORARY else None,
            "administrative": (
                count.rules.get(_ADMINISTRATIVE[field.kind], 0) if field.kind in _ADMINISTRATIVE else None
            ),
        }
    return found


def _counts(column: Column) -> Counts:
    """(values,) int64: the records that hold each value."""
    present = column.codes[column.codes >= 0]
    return np.bincount(present, minlength=len(column.values)).astype(np.int64)


def _non_ascii(columns: Sequence[pa.ChunkedArray], rows: int) -> int:
    """Cells as they were written that hold a character outside ASCII; three cells of a date are one."""
    found = np.zeros(rows, dtype=bool)
    for column in columns:
        found |= ~pc.fill_null(pc.string_is_ascii(column), True).to_numpy()
    return int(found.sum())


def _spikes(column: Column, counts: Counts) -> dict[str, int]:
    spikes = {"dates": 0, "january_first": 0, "month_first": 0}
    for value, count in zip(column.values, counts.tolist(), strict=True):
        if "X" in value:
            continue
        spikes["dates"] += count
        spikes["month_first"] += count if value.endswith("-01") else 0
        spikes["january_first"] += count if value.endswith("-01-01") else 0
    return spikes


def _number(kind: str, column: Column) -> dict[str, int]:
    """How many records share their number with another record."""
    stems: dict[str, int] = {}
    codes = [stems.setdefault(value[: _NUMBERS[kind]], len(stems)) for value in column.values]
    stem = np.asarray([*codes, -1], dtype=np.int32)[column.codes]
    counts = np.bincount(stem[stem >= 0], minlength=len(stems))
    shared = counts[counts > 1]
    return {
        "shared_rows": int(shared.sum()),
        "shared_values": len(shared),
        "most": int(counts.max(initial=0)),
    }


def _repeats(records: Cleaned) -> dict[str, Any]:
    """Records without any value, and records that equal another in every field."""
    key = np.zeros(records.rows, dtype=np.int64)
    empty = np.ones(records.rows, dtype=bool)
    for column in records.fields.values():
        empty &= column.codes < 0
        _, key = np.unique(key * (len(column.values) + 1) + column.codes + 1, return_inverse=True)
    # Two records about which nothing is known are not known to be equal.
    sizes = np.bincount(key[~empty])
    repeated = sizes[sizes > 1]
    return {
        "empty": int(empty.sum()),
        "equal": {
            "rows": int(repeated.sum()),
            "groups": len(repeated),
            "most": int(repeated.max(initial=0)),
        },
    }


# ---------------------------------------------------------------- values, for a terminal alone


@dataclass(frozen=True, repr=False)
class FieldValues:
    """
    What stands behind the counts of one field. It is clear text about people.

    common: the most common canonical values and the records that hold each.
    remarked: rule or flag -> the most common cells, as they were written, that it was counted for.
    """

    common: tuple[tuple[str, int], ...]
    remarked: dict[str, tuple[tuple[str, int], ...]]

    def __repr__(self) -> str:
        return f"<FieldValues: {len(self.common)} values>"


def values_of(
    cleaned: Cleaned, schema: LinkageSchema, table: pa.Table, *, today: datetime.date
) -> dict[str, FieldValues]:
    """
    The values that a profile only counts: for a terminal in front of the custodian, never a file.

    Args:
        cleaned, table, today: as for :func:`profile`.

    Source: specs/cleaning-v1.md, section 14.9.
    """
    records = cleaned.one_a_record()
    there = {column_key(name): index for index, name in enumerate(table.column_names)}
    found = {}
    for field in schema.fields.values():
        column = records.fields[field.name]
        ranked = sorted(
            zip(_counts(column).tolist(), column.values, strict=True), key=lambda r: (-r[0], r[1])
        )
        # What one person alone has is not common, and is nobody's business.
        common = tuple((value, count) for count, value in ranked[:MOST_COMMON] if count > 1)
        columns = list(_columns(field, table, there).values())
        found[field.name] = FieldValues(common, _remarked(field, columns, today))
    return found


def _remarked(
    field: SchemaField, columns: Sequence[pa.ChunkedArray], today: datetime.date
) -> dict[str, tuple[tuple[str, int], ...]]:
    if len(columns) != (3 if field.parts else 1):
        return {}
    names = [str(index) for index in range(len(columns))]
    grouped = pa.table(columns, names=names).group_by(names).aggregate([([], "count_all")])
    judge = JUDGES[field.kind]
    if field.kind == "date":
        judge = partial(date.judge, formats=field.formats, today=today)
    cells: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for *written, count in zip(*(grouped.column(n).to_pylist() for n in (*names, "count_all")), strict=True):
        parts = [part or "" for part in written]
        verdict = date.judge_parts(*parts, today=today) if field.parts else judge(parts[0])
        for remark in (verdict.rule, verdict.flag):
            if remark is not None:
                cells[remark].append((count, " / ".join(parts)))
    return {
        remark: tuple((cell, count) for count, cell in sorted(some, key=lambda c: (-c[0], c[1]))[:EXAMPLES])
        for remark, some in sorted(cells.items())
    }
