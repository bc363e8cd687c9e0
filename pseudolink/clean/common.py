"""
Common values: a default that somebody typed, or a place where hundreds live, is no evidence.

A value that far more records hold than any other of its field is taken as missing. Which values
these are follows from how many records of the whole extract hold each value, and from nothing
else: not from their order, the size of a chunk or the engine.

Source: specs/cleaning-v1.md, section 16.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.schema import LinkageSchema

Counts = npt.NDArray[np.int64]

#: Kind -> the share of the records above which a value can be common, where the schema gives none.
SHARE: Final[Mapping[str, Decimal]] = {
    "forename": Decimal("0.02"),
    "surname": Decimal("0.02"),
    "date": Decimal("0.002"),
    "postcode": Decimal("0.002"),
    "nino": Decimal("0.002"),
    "upn": Decimal("0.002"),
    "nhs": Decimal("0.002"),
    "uln": Decimal("0.002"),
    "text": Decimal(1),
}
#: A community's most frequent names must not be taken for defaults: one value of a name at most.
MOST: Final[Mapping[str, int]] = {
    kind: 1 if kind in ("forename", "surname", "text") else 20 for kind in SHARE
}
LEAST: Final = 20
TIMES: Final = 5


def common_values(counts: Counts, kind: str, records: int, share: Decimal | None = None) -> list[int]:
    """
    Which values of a field are common.

    Args:
        counts: (values,) records whose own value is each one, over the whole extract.
        records: of the extract, those without a value too.
        share: what the schema gives; the default of the kind when None.

    Returns:
        Indices into ``counts``, most common first; empty for a ``sex``.

    Source: specs/cleaning-v1.md, 16.2.
    """
    if kind not in SHARE:
        return []
    least = _least(kind, records, share)
    order = np.argsort(-counts, kind="stable")[: MOST[kind] + 1]
    ranked = counts[order].tolist()
    for many in range(len(ranked) - 1, 0, -1):
        last, following = ranked[many - 1], ranked[many]
        if last >= LEAST and last > least and following and last >= TIMES * following:
            found: list[int] = order[:many].tolist()
            return found
    return []


#: Field -> the values of it that are common.
Common = Mapping[str, frozenset[str]]


def _least(kind: str, records: int, share: Decimal | None) -> Decimal:
    return (SHARE[kind] if share is None else share) * records


class CommonCount:
    """How many records hold each value of some fields, counted chunk by chunk."""

    def __init__(self, schema: LinkageSchema, fields: Iterable[str]) -> None:
        self._schema = schema
        self._counts: dict[str, dict[str, int]] = {name: {} for name in fields}
        self._records = 0

    def add(self, records: Cleaned) -> None:
        """Count a chunk; one row a record."""
        self._records += records.rows
        for name, counts in self._counts.items():
            column = records.fields[name]
            held = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
            for value, count in zip(column.values, held.tolist(), strict=True):
                if count:
                    counts[value] = counts.get(value, 0) + count

    def found(self) -> dict[str, frozenset[str]]:
        """The common values of each field that has any."""
        out = {}
        for name, counts in self._counts.items():
            values = list(counts)
            field = self._schema.fields[name]
            numbers = np.asarray([counts[value] for value in values], dtype=np.int64)
            common = common_values(numbers, field.kind, self._records, field.common)
            if common:
                out[name] = frozenset(values[place] for place in common)
        return out


def missing_where_common(cleaned: Cleaned, common: Common) -> tuple[Cleaned, dict[str, int]]:
    """The rows with these values missing, in every version; and how many records hold one, by field."""
    own = cleaned.one_a_record()
    fields, held = dict(cleaned.fields), {}
    for name, values in common.items():
        column = cleaned.fields[name]
        away = np.asarray(
            [place for place, value in enumerate(column.values) if value in values], dtype=np.int64
        )
        held[name] = int(np.isin(own.fields[name].codes, away).sum())
        again = np.arange(len(column.values) + 1, dtype=np.int32)
        again[away] = -1
        again[-1] = -1  # code -1 reads the last entry
        fields[name] = Column(column.values, again[column.codes])
    return replace(cleaned, fields=fields), held


def without_common(cleaned: Cleaned, schema: LinkageSchema) -> Cleaned:
    """
    The cleaned extract with common values missing, in every version of every record, and counted.

    Args:
        cleaned: the whole extract.

    Source: specs/cleaning-v1.md, section 16.
    """
    records = cleaned.one_a_record()
    fields, counts = dict(cleaned.fields), dict(cleaned.counts)
    for name, field in schema.fields.items():
        column = cleaned.fields[name]
        own = records.fields[name].codes
        held = np.bincount(own[own >= 0], minlength=len(column.values)).astype(np.int64)
        common = common_values(held, field.kind, records.rows, field.common)
        if not common:
            continue
        again = np.arange(len(column.values) + 1, dtype=np.int32)
        again[[*common, -1]] = -1  # code -1 reads the last entry
        fields[name] = Column(column.values, again[column.codes])
        counts[name] = replace(
            counts[name], common={"values": len(common), "records": int(held[common].sum())}
        )
    return replace(cleaned, fields=fields, counts=counts)
