"""
What an analyst reads beside a release: the data dictionary, the codebook, the quality of the linkage.

Source: specs/release-v1.md, section 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.formats import payload as payloads
from pseudolink.release.dataset import column_name
from pseudolink.release.joining import FAMILY_PARTY, LINKED, RECORDS, Source
from pseudolink.release.microdata.anonymity import few

Index = npt.NDArray[np.int64]

#: Most categories of a column that the codebook lists.
MOST_CATEGORIES: Final = 50
#: Fewest people, and families, who must have a category for it to be listed.
FEWEST: Final = 10
OTHERS: Final = "(other values)"
DICTIONARY: Final = ("table", "column", "label", "source", "type", "in_r", "null_means", "changed_by_rules")
CODEBOOK: Final = ("table", "column", "value", "meaning")

_IN_R: Final = {
    "string": "character", "int64": "integer", "double": "numeric", "bool": "logical", "date32[day]": "Date",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """What is known of a column of a release: whose it is, what it holds, what null means in it."""

    label: str
    source: str
    null: str


def columns_of(
    tables: Mapping[str, Source],
    *,
    cohort: str,
    duplicates: Sequence[str],
    parties: Mapping[str, str],
) -> dict[str, Column]:
    """
    Column of the table of people -> what is known of it.

    Args:
        tables: party -> payload. parties: party -> its name.
    """
    found = {
        payloads.PROGRAMME_ID: Column("Person: pseudonym of the programme ID", "release", "never"),
        payloads.FAMILY_ID: Column(
            "Family: pseudonym of the family ID", "release", "no family is known, or suppressed"
        ),
        FAMILY_PARTY: Column("Party by whose families the family is known", "release", "the cohort's own"),
        "family_size": Column("People of the release in the family", "release", "suppressed"),
    }
    for party, table in tables.items():
        who = parties.get(party, party)
        linked = column_name(party, LINKED)
        null = "blank, or suppressed"
        if party != cohort:
            found[linked] = Column(f"Linked to a record of {who}", party, "never")
            null = f"blank, or suppressed; not linked where {linked} is false"
        if party in duplicates:
            found[column_name(party, RECORDS)] = Column(f"Number of linked records of {who}", party, "never")
        for name in payloads.attributes(table):
            found[column_name(party, name)] = Column(f"{name}, as supplied by {who}", party, null)
        for name in payloads.event_tables(table):
            nobody = "never" if party == cohort else f"not linked: {linked} is false"
            found[column_name(party, name)] = Column(f"Number of events: {name}, {who}", party, nobody)
    return found


def labels(
    name: str, table: pa.Table, known: Mapping[str, Column], further: Mapping[str, Column]
) -> dict[str, Column]:
    """
    Column of a table -> what is known of it.

    Args:
        name: of the table, empty for that of people. further: table -> what its rows are.
    """
    if not name:
        nothing = Column("", "release", "")
        return {one: known.get(one, nothing) for one in table.column_names}
    own = further[name]
    found = {}
    for one in table.column_names:
        ids = one in (payloads.PROGRAMME_ID, payloads.FAMILY_ID)
        found[one] = known[one] if ids else Column(f"{one}: {own.label}", own.source, own.null)
    return found


def dictionary(
    tables: Mapping[str, pa.Table],
    said: Mapping[str, Mapping[str, Column]],
    changes: Mapping[str, Mapping[str, Any]],
) -> pa.Table:
    """
    A row for every column of every table.

    Args:
        tables: name of a file -> table. said: the same -> column -> what is known. changes: the same
            -> column -> what the disclosure rules did.
    """
    rows = []
    for name, table in tables.items():
        for field in table.schema:
            one = said[name][field.name]
            rows.append(
                (
                    name,
                    field.name,
                    one.label,
                    one.source,
                    str(field.type),
                    _IN_R.get(str(field.type), "character"),
                    one.null,
                    _change(changes.get(name, {}).get(field.name)),
                )
            )
    return _texts(DICTIONARY, rows)


def _change(done: Mapping[str, Any] | None) -> str:
    """In words, without counts: those are the releaser's."""
    if not done:
        return ""
    parts = [f"coarsened: {done['step']}"] if done.get("step") else []
    parts += ["large values under one label"] if "top_coded" in done else []
    parts += ["rare values suppressed"] if done.get("suppressed") else []
    return "; ".join(parts)


def codebook(
    tables: Mapping[str, pa.Table], people: pa.Table, families: Index, *, fewest: int = FEWEST
) -> pa.Table:
    """
    Categories of every column that has few, without counts.

    Args:
        people: the table of people. families: (n,) the family of each.

    A category that fewer people or families have than ``fewest`` is not listed: that it occurs can
    tell of one person.
    """
    rows = []
    ids = (payloads.PROGRAMME_ID, payloads.FAMILY_ID, "party_family")
    for name, table in tables.items():
        person = _people(table, people)
        for field in table.schema:
            if field.name in ids or str(field.type) not in ("string", "bool", "int64"):
                continue
            encoded = table.column(field.name).combine_chunks().dictionary_encode()
            values = encoded.dictionary.to_pylist()
            if not values or len(values) > MOST_CATEGORIES:
                continue
            codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
            common = _common(codes, len(values), person, families, fewest)
            listed = sorted((v for v, kept in zip(values, common, strict=True) if kept), key=_order)
            rows += [(name, field.name, _word(value), _meaning(value)) for value in listed]
            if not all(common):
                rows.append((name, field.name, OTHERS, f"each of fewer than {fewest} people or families"))
            if encoded.indices.null_count:
                rows.append((name, field.name, "", "null: see null_means in the dictionary"))
    return _texts(CODEBOOK, rows)


def _people(table: pa.Table, people: pa.Table) -> Index | None:
    if payloads.PROGRAMME_ID not in table.column_names:
        return None
    own = people.column(payloads.PROGRAMME_ID).combine_chunks()
    at = pc.index_in(table.column(payloads.PROGRAMME_ID), value_set=own)
    found: Index = at.to_numpy().astype(np.int64)
    return found


def _common(codes: Index, count: int, person: Index | None, families: Index, fewest: int) -> list[bool]:
    """Of each category whether enough people and families have it; of rows, where they are no people."""
    held = codes >= 0
    if person is None:
        return [bool(n >= fewest) for n in np.bincount(codes[held], minlength=count)]
    key = codes[held]
    rows = np.bincount(key, minlength=count)
    found = rows >= fewest
    for unit in (person, families[person]):
        found &= ~few(key, rows, unit[held], fewest)
    return [bool(one) for one in found]


def _order(value: object) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int) else (1, 0.0, str(value))


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _meaning(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "as supplied"


def _texts(names: Sequence[str], rows: Sequence[Sequence[str]]) -> pa.Table:
    return pa.table({name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(names)})
