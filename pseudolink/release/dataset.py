"""
The release: one row a person of the cohort, programme pseudonyms and permitted attributes.

Source: specs/release-v1.md.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import Problem, ReleaseError
from pseudolink.formats import payload as payloads

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,14})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

Name = Callable[[str], str]


def column_name(party: str, attribute: str) -> str:
    """``schools`` and ``attendance`` -> ``schools_attendance``; a party's hyphens become ``_``."""
    return f"{party.replace('-', '_')}_{attribute}"


def typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """
    A text column as whole numbers, decimals or dates when every value reads so; else as text.

    A value with a leading zero, a sign or blanks of its own stays text: it is a code, not a number.
    """
    values = [v for v in pc.unique(column).to_pylist() if v is not None]
    if not values:
        return column
    if all(_INTEGER.fullmatch(v) for v in values):
        return column.cast(pa.int64())
    if all(_DECIMAL.fullmatch(v) for v in values):
        return column.cast(pa.float64())
    if all(_DATE.fullmatch(v) for v in values) and all(_real(v) for v in values):
        return column.cast(pa.date32())
    return column


def _real(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _require_consistent(link_map: pa.Table, tables: Mapping[str, pa.Table], cohort: str) -> None:
    problems = []
    parties = pc.unique(link_map.column("party")).to_pylist()
    for party in parties:
        if party not in tables:
            problems.append(Problem(party, "is in the link map, and its payload is missing"))
            continue
        linked = link_map.filter(pc.equal(link_map.column("party"), party)).column("record")
        lost = pc.sum(pc.invert(pc.is_in(linked, value_set=tables[party].column("record")))).as_py() or 0
        if lost:
            problems.append(
                Problem(party, f"{lost:,} linked records are not in its payload: another delivery?")
            )
    if cohort not in parties:
        problems.append(Problem(cohort, "the cohort is not in the link map"))
    for party in tables:
        if party not in parties and party == cohort:
            problems.append(Problem(party, "has a payload and no record in the link map"))
    if problems:
        raise ReleaseError(
            "the link map and the payloads do not belong together\n"
            + "\n".join(f"  {p.place}: {p.message}" for p in problems)
        )


def _of_party(link_map: pa.Table, payload: pa.Table, party: str) -> pa.Table:
    """The payload of the linked records of a party, with their persons, without record IDs."""
    mine = link_map.filter(pc.equal(link_map.column("party"), party)).select(["record", "person"])
    return mine.join(payload, "record", join_type="inner").drop_columns(["record"])


def _named(column: pa.ChunkedArray, name: Name) -> pa.Array:
    return pa.array([None if v is None else name(v) for v in column.to_pylist()], pa.string())


def assemble(
    link_map: pa.Table,
    tables: Mapping[str, pa.Table],
    *,
    cohort: str,
    programme: Name,
    family: Name,
) -> pa.Table:
    """
    Join links and payloads, give people their programme names, drop every record and person ID.

    Args:
        link_map: as ``formats.linkmap`` reads it. tables: party -> payload as ``formats.payload``
            reads it.
        programme, family: from an ID as supplied to what the release carries.

    Returns:
        programme_id, family_id (when supplied), ``<party>_linked`` and ``<party>_<attribute>``, one
        row a record of the cohort, in random order.

    Raises:
        ReleaseError: links and payloads that do not belong together, a record without a programme
            ID, two columns of one name.
    """
    _require_consistent(link_map, tables, cohort)
    own = _of_party(link_map, tables[cohort], cohort)
    missing = own.column(payloads.PROGRAMME_ID).null_count
    if missing:
        raise ReleaseError(f"{missing:,} records of the cohort have no programme ID")
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        payloads.PROGRAMME_ID: _named(own.column(payloads.PROGRAMME_ID), programme)
    }
    if payloads.FAMILY_ID in own.column_names:
        columns[payloads.FAMILY_ID] = _named(own.column(payloads.FAMILY_ID), family)

    def add(name: str, column: pa.Array | pa.ChunkedArray) -> None:
        if name in columns:
            raise ReleaseError(f"two columns of the release would be called {name!r}")
        columns[name] = column

    for name in payloads.attributes(own):
        if name != "person":
            add(column_name(cohort, name), typed(own.column(name)))
    for party in sorted(set(tables) - {cohort}):
        theirs = _of_party(link_map, tables[party], party)
        place = pc.index_in(own.column("person"), value_set=theirs.column("person").combine_chunks())
        add(column_name(party, "linked"), pc.is_valid(place))
        for name in payloads.attributes(theirs):
            if name != "person":
                add(column_name(party, name), typed(theirs.column(name).take(place)))
    table = pa.table(columns)
    keys = np.frombuffer(secrets.token_bytes(8 * table.num_rows), dtype=np.uint64)
    return table.take(pa.array(np.argsort(keys, kind="stable")))
