"""
Who objects: a list held against an extract, with the custodian's policy, before anything is encoded.

The list never leaves the custodian; counts alone are written down.

Source: specs/objections-v1.md, sections 1 and 2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.agreement import Party
from pseudolink.clean.extract import Cleaning, clean_table
from pseudolink.clean.reader import Extract, column_key, read_extract
from pseudolink.clean.workbook import is_workbook
from pseudolink.errors import EmptyInputError, InputError, NotPermittedError
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.roles.encoding import columns_of
from pseudolink.schema import LinkageSchema

Flags = npt.NDArray[np.bool_]

NUMBERS = ("nino", "upn", "nhs", "uln")
_STEM = 8  # of a National Insurance number: its suffix is no part of identity
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Listed:
    """People who object, by programme ID or by identifiers (a table with columns of the schema)."""

    ids: tuple[str, ...] = ()
    table: pa.Table | None = field(default=None, repr=False)

    @property
    def entries(self) -> int:
        """How many are listed."""
        return len(self.ids) if self.table is None else self.table.num_rows


@dataclass(frozen=True)
class LeftOut:
    """
    Who of an extract does not stay.

    out: (n,) bool, by row of the extract; empty where everybody stays. unknown: entries of the list
    that match nobody.
    """

    out: Flags
    unknown: int

    @classmethod
    def nobody(cls) -> LeftOut:
        """Everybody stays."""
        return cls(np.zeros(0, dtype=np.bool_), 0)

    @property
    def left_out(self) -> int:
        """How many rows do not stay."""
        return int(self.out.sum())

    def stay(self, rows: npt.NDArray[np.int64]) -> Flags:
        """Which of some rows of the extract stay."""
        return ~self.out[rows] if len(self.out) else np.ones(len(rows), dtype=np.bool_)


def read_list(path: Path, schema: LinkageSchema | None) -> Listed:
    """
    Read a list: programme IDs, one a line (a heading is harmless), or a table with a heading that
    names columns of the schema's fields. Of a workbook without such a heading, the first column.

    Raises:
        InputError: cannot be read as text.
    """
    if is_workbook(path):
        table = read_extract(path)
        if schema is not None and _names_fields(table.column_names, schema):
            return Listed(table=table)
        cells = [table.column_names[0], *table.column(0).to_pylist()]
        return Listed(ids=tuple(dict.fromkeys(one.strip() for one in cells if one and one.strip())))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path.name}: {type(error).__name__}") from None
    heading = next((line for line in lines if line.strip()), "")
    for mark in _DELIMITERS:
        heading = heading.replace(mark, ",")
    if schema is not None and _names_fields(heading.split(","), schema):
        return Listed(table=read_extract(path))
    return Listed(ids=tuple(dict.fromkeys(line.strip() for line in lines if line.strip())))


def _names_fields(names: Sequence[str], schema: LinkageSchema) -> bool:
    return bool({column_key(name) for name in names} & columns_of(schema.fields.values()))


def leave_out(
    extract: Extract,
    listed: Listed,
    schema: LinkageSchema,
    party: Party,
    *,
    programme: str | None,
    family: str | None,
    today: date | None = None,
) -> LeftOut:
    """
    Who objects, and under the policy ``family`` who is of their families. Reads the extract once,
    for families twice.

    Args:
        programme, family: columns of the extract, where it has them.

    Raises:
        NotPermittedError: programme IDs, and the extract has none.
        InputError: the policy asks for families, and the extract has no family IDs.
        EmptyInputError: nobody is left.
    """
    out, unknown = matching(extract, listed, schema, programme, today=today)
    if party.objections == "family":
        if family is None:
            raise InputError(
                "the agreement leaves out whole families, and the extract has no column of family IDs",
                advice="Name the column with --family-id.",
            )
        names = [table.column(family).to_pylist() for table in extract.chunks()]
        out = with_families(out, [one for some in names for one in some])
    if out.all():
        raise EmptyInputError("everybody in the extract objects; nothing is encoded")
    return LeftOut(out, unknown)


def matching(
    extract: Extract,
    listed: Listed,
    schema: LinkageSchema,
    programme: str | None,
    *,
    today: date | None = None,
) -> tuple[Flags, int]:
    """Which rows the list means, and how many of its entries mean nobody."""
    if listed.table is not None:
        return _by_identifiers(extract, listed.table, schema, today)
    if programme is None:
        raise NotPermittedError("only the cohort's custodian has programme IDs to object by")
    out, found = [], set()
    for table in extract.chunks():
        there = [(one or "").strip() for one in table.column(programme).to_pylist()]
        out.append(by_ids(there, listed.ids)[0])
        found |= set(listed.ids).intersection(there)
    return np.concatenate(out), len(set(listed.ids) - found)


def by_ids(there: Sequence[str | None], ids: Sequence[str]) -> tuple[Flags, int]:
    """Which rows have one of the IDs, and how many of the IDs are nobody's."""
    wanted = set(ids)
    return np.asarray([one in wanted for one in there], dtype=bool), len(wanted - set(there))


def with_families(out: Flags, families: Sequence[str | None]) -> Flags:
    """Everyone who has the family ID of one who is out."""
    names = [(one or "").strip() for one in families]
    gone = {name for name, is_out in zip(names, out, strict=True) if is_out and name}
    theirs: Flags = np.asarray([name in gone for name in names], dtype=bool)
    return np.logical_or(out, theirs)


def _by_identifiers(
    extract: Extract, listed: pa.Table, schema: LinkageSchema, today: date | None
) -> tuple[Flags, int]:
    index: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for entry, keys in _keys(clean_table(listed, schema, needed=(), today=today), schema):
        for key in keys:
            index[key].add(entry)
    cleaning = Cleaning(extract.columns, schema, needed=(), today=today, source=extract.name)
    out = []
    found: set[int] = set()
    first = 0
    for table in extract.chunks():
        rows = np.arange(first, first + table.num_rows, dtype=np.int64)
        means = np.zeros(len(rows), dtype=np.bool_)
        for row, keys in _keys(cleaning.chunk(table, rows), schema):
            for key in keys:
                # Everybody who fits is left out: one too many does less harm than the one who objected.
                if key in index:
                    means[row - first] = True
                    found |= index[key]
        out.append(means)
        first += len(rows)
    return np.concatenate(out), listed.num_rows - len(found)


def _keys(cleaned: Cleaned, schema: LinkageSchema) -> list[tuple[int, list[tuple[str, ...]]]]:
    """
    Row of the table -> what says who it is: a number, or both names (in any order) and date of birth.
    """
    of_kind: dict[str, list[str]] = defaultdict(list)
    for name, one in schema.fields.items():
        if name in cleaned.fields:
            of_kind[one.kind].append(name)
    texts = {name: _texts(cleaned.fields[name]) for names in of_kind.values() for name in names}
    found = []
    for at, row in enumerate(cleaned.source.tolist()):
        keys: list[tuple[str, ...]] = []
        for kind in NUMBERS:
            for name in of_kind[kind]:
                value = texts[name][at]
                if value is not None:
                    keys.append((kind, value[:_STEM] if kind == "nino" else value))
        for forename in of_kind["forename"]:
            for surname in of_kind["surname"]:
                for born in of_kind["date"]:
                    parts = [texts[name][at] for name in (forename, surname, born)]
                    if None not in parts:
                        keys.append(("names", *sorted(map(str, parts[:2])), str(parts[2])))
        found.append((row, keys))
    return found


def _texts(column: Column) -> list[str | None]:
    values: list[str | None] = [*column.values, None]  # code -1 reads the last entry
    return [values[code] for code in column.codes.tolist()]
