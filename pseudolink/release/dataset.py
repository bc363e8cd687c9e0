"""
The release: one row a person of the cohort, programme pseudonyms and permitted attributes.

Source: specs/release-v1.md.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import Problem, ReleaseError
from pseudolink.formats import payload as payloads
from pseudolink.release.families import Families
from pseudolink.release.joining import FAMILY_PARTY, LIST, Source, column, engine

# Digits of other scripts are letters here: Arrow could not read them. -0 would lose its sign.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
#: Digits that a float holds exactly.
_MOST_DIGITS = 15
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

#: What a release calls people or families: from IDs as supplied to names, in their order.
Name = Callable[[Sequence[str]], Sequence[str]]


def column_name(party: str, attribute: str) -> str:
    """``schools`` and ``attendance`` -> ``schools_attendance``; a party's hyphens become ``_``."""
    return f"{party.replace('-', '_')}_{attribute}"


def typed(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """
    A text column as whole numbers, decimals or dates when every value reads so; else as text.

    A value with a leading zero, a plus sign or blanks stays text: it is a code, not a number. So does
    one with more than 15 digits, which a number would not hold exactly.
    """
    if not pa.types.is_string(cells.type):
        return cells
    values = [v for v in pc.unique(cells).to_pylist() if v is not None]
    if not values:
        return cells
    if all(_INTEGER.fullmatch(v) for v in values):
        return cells.cast(pa.int64())
    if all(_decimal(v) for v in values):
        return cells.cast(pa.float64())
    if all(_DATE.fullmatch(v) for v in values) and all(_real(v) for v in values):
        return cells.cast(pa.date32())
    return cells


def _decimal(text: str) -> bool:
    digits = text.lstrip("-").replace(".", "")
    negative_zero = text.startswith("-") and not digits.strip("0")
    return bool(_DECIMAL.fullmatch(text)) and len(digits) <= _MOST_DIGITS and not negative_zero


def _real(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _of_party(link_map: pa.Table, party: str) -> pa.Table:
    return link_map.filter(pc.equal(link_map.column("party"), party))


def require_consistent(
    link_map: pa.Table, tables: Mapping[str, Source], cohort: str, duplicates: Collection[str]
) -> None:
    """
    Refuse a link map and payloads that do not belong together.

    Raises:
        ReleaseError: tells everything that does not fit.
    """
    problems = []
    parties = pc.unique(link_map.column("party")).to_pylist()
    people = _of_party(link_map, cohort).column("person")
    for party in parties:
        mine = _of_party(link_map, party)
        strangers = _absent(mine.column("person"), people)
        if strangers and cohort in parties:
            problems.append(Problem(party, f"{strangers:,} linked people are not in the cohort"))
        if party not in duplicates and len(pc.unique(mine.column("person"))) != mine.num_rows:
            problems.append(Problem(party, "a person has two records of it"))
        if party not in tables:
            problems.append(Problem(party, "is in the link map, and its payload is missing"))
            continue
        lost = _absent(mine.column("record"), column(tables[party], payloads.RECORD))
        if lost:
            problems.append(
                Problem(party, f"{lost:,} linked records are not in its payload: another delivery?")
            )
        if party == cohort:
            extra = _absent(column(tables[party], payloads.RECORD), mine.column("record"))
            if extra:
                problems.append(
                    Problem(
                        party, f"{extra:,} records of its payload are not in the link map: another delivery?"
                    )
                )
    if cohort not in parties:
        problems.append(Problem(cohort, "the cohort is not in the link map"))
    if cohort not in tables and cohort not in parties:
        problems.append(Problem(cohort, "the cohort's payload is missing"))
    if problems:
        raise ReleaseError(
            "the link map and the payloads do not belong together\n"
            + "\n".join(f"  {p.place}: {p.message}" for p in problems)
        )


def _absent(ids: pa.ChunkedArray, there: pa.ChunkedArray) -> int:
    """How many values of a column are not in another one."""
    if not len(there):
        return len(ids)
    return int(pc.sum(pc.invert(pc.is_in(ids, value_set=there.combine_chunks()))).as_py() or 0)


def assemble(
    link_map: pa.Table,
    tables: Mapping[str, Source],
    *,
    cohort: str,
    programme: Name,
    family: Name,
    duplicates: Collection[str] = (),
    several: Mapping[str, Mapping[str, str]] | None = None,
    families: Families | None = None,
    spill: Path | None = None,
) -> pa.Table:
    """
    Join links and payloads, give people their programme names, drop every record and person ID.

    Args:
        link_map: as ``formats.linkmap`` reads it. tables: party -> payload as ``formats.payload``
            reads it.
        programme, family: from IDs as supplied to what the release carries.
        duplicates: parties that may have several records of a person. several: party -> attribute ->
            what is made of several records: ``first``, ``sum`` or ``list`` (the default: a table).
        families: what person links say of families, where another party carries them.
        spill: folder for what does not fit in memory.

    Returns:
        programme_id, family_id (when supplied), ``<party>_linked`` and ``<party>_<attribute>``, one
        row a record of the cohort, in random order.

    Raises:
        ReleaseError: links and payloads that do not belong together, a record without a programme
            ID, two columns of one name, an attribute to add up that is no number.
    """
    require_consistent(link_map, tables, cohort, duplicates)
    missing = column(tables[cohort], payloads.PROGRAMME_ID).null_count
    if missing:
        raise ReleaseError(f"{missing:,} records of the cohort have no programme ID")
    rules = {party: (several or {}).get(party, {}) for party in duplicates if party in tables}
    with engine(link_map, tables, spill) as join:
        named, table = join.people(cohort, rules, None if families is None else _lent(families))
    names = [_released(party, name) for party, name in named]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ReleaseError(f"two columns of the release would be called {', '.join(map(repr, twice))}")
    columns = dict(zip(names, table.columns, strict=True))
    columns[payloads.PROGRAMME_ID] = _named(columns[payloads.PROGRAMME_ID], programme)
    if payloads.FAMILY_ID in columns:
        columns[payloads.FAMILY_ID] = _named(columns[payloads.FAMILY_ID], family)
    own = (payloads.PROGRAMME_ID, payloads.FAMILY_ID, FAMILY_PARTY)
    return _shuffled(pa.table({n: c if n in own else typed(c) for n, c in columns.items()}))


def _released(party: str | None, name: str) -> str:
    return name if party is None else column_name(party, name.removeprefix(payloads.EVENTS))


def _lent(families: Families) -> pa.Table:
    """Person, family and the party that lent it, for the join."""
    people = list(families.of_person)
    return pa.table(
        {
            "person": pa.array(people, pa.binary()),
            "family": pa.array([families.of_person[one] for one in people], pa.string()),
            "lent": pa.array([families.lent.get(one) for one in people], pa.string()),
        }
    )


def listed(source: Source, rules: Mapping[str, str]) -> list[str]:
    """Attributes of a party with several records of a person that make a second table."""
    return [name for name in payloads.attributes(source) if rules.get(name, LIST) == LIST]


def records_of(
    link_map: pa.Table,
    tables: Mapping[str, Source],
    *,
    cohort: str,
    party: str,
    programme: Name,
    rules: Mapping[str, str] | None = None,
    spill: Path | None = None,
) -> pa.Table:
    """
    All linked records of a party with duplicates: programme_id and attributes, one row a record.

    Which of several records of a person is the right one is not for software to guess.
    """
    with engine(link_map, tables, spill) as join:
        table = join.records(cohort, party, listed(tables[party], rules or {}))
    return _finished(table, programme)


def events_of(
    link_map: pa.Table,
    tables: Mapping[str, Source],
    *,
    cohort: str,
    party: str,
    name: str,
    programme: Name,
    spill: Path | None = None,
) -> pa.Table:
    """All events of an event table that are of linked records: programme_id and columns, a row an event."""
    with engine(link_map, tables, spill) as join:
        table = join.events(cohort, party, name)
    return _finished(table, programme)


def _finished(table: pa.Table, programme: Name) -> pa.Table:
    columns = dict(zip(table.column_names, table.columns, strict=True))
    own = columns.pop(payloads.PROGRAMME_ID)
    rest = {name: typed(one) for name, one in columns.items()}
    return _shuffled(pa.table({payloads.PROGRAMME_ID: _named(own, programme), **rest}))


def _named(ids: pa.ChunkedArray, name: Name) -> pa.ChunkedArray:
    """Names for IDs; each name is made once, however often its ID stands there."""
    encoded = ids.combine_chunks().dictionary_encode()
    made = pa.array(list(name(encoded.dictionary.to_pylist())), pa.string())
    return pa.chunked_array([made.take(encoded.indices)])


def _shuffled(table: pa.Table) -> pa.Table:
    keys = np.frombuffer(secrets.token_bytes(8 * table.num_rows), dtype=np.uint64)
    return table.take(pa.array(np.argsort(keys, kind="stable")))


def families_table(found: Families, family: Name) -> pa.Table:
    """
    Family links for the release, in random order.

    Args:
        family: from family IDs as supplied, or ``party:token``, to their pseudonyms.
    """
    links = found.links
    table = pa.table(
        {
            "family_id": pa.array(list(family([one.family for one in links])), pa.string()),
            "party": pa.array([one.party for one in links], pa.string()),
            "party_family": pa.array(
                list(family([f"{one.party}:{one.party_family}" for one in links])), pa.string()
            ),
            "shared": pa.array([one.shared for one in links], pa.int64()),
            "members": pa.array([one.members for one in links], pa.int64()),
            "linked": pa.array([one.linked for one in links], pa.int64()),
            "party_members": pa.array([one.party_members for one in links], pa.int64()),
            "relation": pa.array([one.relation for one in links], pa.string()),
            "from": pa.array([one.start for one in links], pa.string()).cast(pa.date32()),
            "to": pa.array([one.end for one in links], pa.string()).cast(pa.date32()),
        }
    )
    return _shuffled(table)
