"""
Who objects: a list held against an extract, with the custodian's policy, before anything is encoded.

The list never leaves the custodian; counts alone are written down.

Source: specs/objections-v1.md, sections 1 and 2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.agreement import Party
from pseudolink.clean.extract import clean_table
from pseudolink.clean.reader import column_key, read_extract
from pseudolink.errors import EmptyInputError, InputError, NotPermittedError
from pseudolink.formats.cleaned import Cleaned
from pseudolink.roles.encoding import columns_of
from pseudolink.schema import LinkageSchema

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
    An extract without those who object.

    kept: (m,) int64, the rows of the extract that stay. left_out: rows that do not. unknown: entries
    of the list that match nobody.
    """

    table: pa.Table
    kept: npt.NDArray[np.int64]
    left_out: int
    unknown: int


def read_list(path: Path, schema: LinkageSchema | None) -> Listed:
    """
    Read a list: programme IDs, one a line (a heading is harmless), or a table with a heading that
    names columns of the schema's fields.

    Raises:
        InputError: cannot be read as text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path.name}: {type(error).__name__}") from None
    heading = next((line for line in lines if line.strip()), "")
    for mark in _DELIMITERS:
        heading = heading.replace(mark, ",")
    names = {column_key(name) for name in heading.split(",")}
    if schema is not None and names & columns_of(schema.fields.values()):
        return Listed(table=read_extract(path))
    return Listed(ids=tuple(dict.fromkeys(line.strip() for line in lines if line.strip())))


def leave_out(
    table: pa.Table,
    listed: Listed,
    schema: LinkageSchema,
    party: Party,
    *,
    programme: str | None,
    family: str | None,
) -> LeftOut:
    """
    The extract without those who object, and under the policy ``family`` without their families.

    Args:
        programme, family: columns of the extract, where it has them.

    Raises:
        NotPermittedError: programme IDs, and the extract has none.
        InputError: the policy asks for families, and the extract has no family IDs.
        EmptyInputError: nobody is left.
    """
    out, unknown = matching(table, listed, schema, programme)
    if party.objections == "family":
        if family is None:
            raise InputError(
                "the agreement leaves out whole families, and the extract has no column of family IDs",
                advice="Name the column with --family-id.",
            )
        out = with_families(out, table.column(family).to_pylist())
    kept = np.flatnonzero(~out).astype(np.int64)
    if not len(kept):
        raise EmptyInputError("everybody in the extract objects; nothing is encoded")
    return LeftOut(table.take(pa.array(kept)), kept, int(out.sum()), unknown)


def matching(
    table: pa.Table, listed: Listed, schema: LinkageSchema, programme: str | None
) -> tuple[npt.NDArray[np.bool_], int]:
    """Which rows the list means, and how many of its entries mean nobody."""
    if listed.table is not None:
        return _by_identifiers(table, listed.table, schema)
    if programme is None:
        raise NotPermittedError("only the cohort's custodian has programme IDs to object by")
    return by_ids([(one or "").strip() for one in table.column(programme).to_pylist()], listed.ids)


def by_ids(there: Sequence[str | None], ids: Sequence[str]) -> tuple[npt.NDArray[np.bool_], int]:
    """Which rows have one of the IDs, and how many of the IDs are nobody's."""
    wanted = set(ids)
    return np.asarray([one in wanted for one in there], dtype=bool), len(wanted - set(there))


def with_families(out: npt.NDArray[np.bool_], families: Sequence[str | None]) -> npt.NDArray[np.bool_]:
    """Everyone who has the family ID of one who is out."""
    names = [(one or "").strip() for one in families]
    gone = {name for name, is_out in zip(names, out, strict=True) if is_out and name}
    theirs: npt.NDArray[np.bool_] = np.asarray([name in gone for name in names], dtype=bool)
    return np.logical_or(out, theirs)


def _by_identifiers(
    table: pa.Table, listed: pa.Table, schema: LinkageSchema
) -> tuple[npt.NDArray[np.bool_], int]:
    index: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for row, keys in _keys(clean_table(table, schema, needed=()), schema):
        for key in keys:
            index[key].add(row)
    out = np.zeros(table.num_rows, dtype=bool)
    found: dict[int, bool] = dict.fromkeys(range(listed.num_rows), False)
    for entry, keys in _keys(clean_table(listed, schema, needed=()), schema):
        for key in keys:
            # Everybody who fits is left out: one too many does less harm than the one who objected.
            for row in index.get(key, ()):
                out[row] = found[entry] = True
    return out, sum(not one for one in found.values())


def _keys(cleaned: Cleaned, schema: LinkageSchema) -> list[tuple[int, list[tuple[str, ...]]]]:
    """
    Row of the table -> what says who it is: a number, or both names (in any order) and date of birth.
    """
    of_kind: dict[str, list[str]] = defaultdict(list)
    for name, one in schema.fields.items():
        if name in cleaned.fields:
            of_kind[one.kind].append(name)
    texts = {
        name: [None if code < 0 else cleaned.fields[name].values[code] for code in cleaned.fields[name].codes]
        for names in of_kind.values()
        for name in names
    }
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
