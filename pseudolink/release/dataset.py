"""
The release: one row a person of the cohort, programme pseudonyms and permitted attributes.

Source: specs/release-v1.md.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import Problem, ReleaseError
from pseudolink.formats import payload as payloads
from pseudolink.release.families import Families

# Digits of other scripts are letters here: Arrow could not read them. -0 would lose its sign.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
#: Digits that a float holds exactly.
_MOST_DIGITS = 15
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Name = Callable[[str], str]
#: The party by whose families a person of the cohort without one got it.
FAMILY_PARTY = "family_party"


def column_name(party: str, attribute: str) -> str:
    """``schools`` and ``attendance`` -> ``schools_attendance``; a party's hyphens become ``_``."""
    return f"{party.replace('-', '_')}_{attribute}"


def typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """
    A text column as whole numbers, decimals or dates when every value reads so; else as text.

    A value with a leading zero, a plus sign or blanks stays text: it is a code, not a number. So does
    one with more than 15 digits, which a number would not hold exactly.
    """
    values = [v for v in pc.unique(column).to_pylist() if v is not None]
    if not values:
        return column
    if all(_INTEGER.fullmatch(v) for v in values):
        return column.cast(pa.int64())
    if all(_decimal(v) for v in values):
        return column.cast(pa.float64())
    if all(_DATE.fullmatch(v) for v in values) and all(_real(v) for v in values):
        return column.cast(pa.date32())
    return column


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
    link_map: pa.Table, tables: Mapping[str, pa.Table], cohort: str, duplicates: Collection[str]
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
        lost = _absent(mine.column("record"), tables[party].column(payloads.RECORD))
        if lost:
            problems.append(
                Problem(party, f"{lost:,} linked records are not in its payload: another delivery?")
            )
        if party == cohort:
            extra = _absent(tables[party].column(payloads.RECORD), mine.column("record"))
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


def _absent(column: pa.ChunkedArray, there: pa.ChunkedArray) -> int:
    """How many values of a column are not in another one."""
    if not len(there):
        return len(column)
    return int(pc.sum(pc.invert(pc.is_in(column, value_set=there.combine_chunks()))).as_py() or 0)


def _linked(link_map: pa.Table, payload: pa.Table, party: str) -> tuple[pa.ChunkedArray, pa.Table]:
    """(persons, payload without record IDs) of the linked records of a party, row by row."""
    mine = _of_party(link_map, party)
    at = pc.index_in(mine.column("record"), value_set=payload.column(payloads.RECORD).combine_chunks())
    return mine.column("person"), payload.drop_columns([payloads.RECORD]).take(at)


def _named(column: pa.ChunkedArray, name: Name) -> pa.Array:
    return pa.array([None if v is None else name(v) for v in column.to_pylist()], pa.string())


def assemble(
    link_map: pa.Table,
    tables: Mapping[str, pa.Table],
    *,
    cohort: str,
    programme: Name,
    family: Name,
    duplicates: Collection[str] = (),
    families: Families | None = None,
) -> pa.Table:
    """
    Join links and payloads, give people their programme names, drop every record and person ID.

    Args:
        link_map: as ``formats.linkmap`` reads it. tables: party -> payload as ``formats.payload``
            reads it.
        programme, family: from an ID as supplied to what the release carries.
        duplicates: parties that may have several records of a person: here only how many.
        families: what person links say of families, where another party carries them.

    Returns:
        programme_id, family_id (when supplied), ``<party>_linked`` and ``<party>_<attribute>``, one
        row a record of the cohort, in random order.

    Raises:
        ReleaseError: links and payloads that do not belong together, a record without a programme
            ID, two columns of one name.
    """
    require_consistent(link_map, tables, cohort, duplicates)
    people, own = _linked(link_map, tables[cohort], cohort)
    missing = own.column(payloads.PROGRAMME_ID).null_count
    if missing:
        raise ReleaseError(f"{missing:,} records of the cohort have no programme ID")
    columns: list[tuple[str, pa.Array | pa.ChunkedArray]] = [
        (payloads.PROGRAMME_ID, _named(own.column(payloads.PROGRAMME_ID), programme))
    ]
    if families is not None:
        persons_ = people.to_pylist()
        known = [families.of_person.get(person) for person in persons_]
        columns.append((payloads.FAMILY_ID, _named(pa.array(known, pa.string()), family)))
        lent = [families.lent.get(person) for person in persons_]
        columns.append((FAMILY_PARTY, pa.array(lent, pa.string())))
    elif payloads.FAMILY_ID in own.column_names:
        columns.append((payloads.FAMILY_ID, _named(own.column(payloads.FAMILY_ID), family)))
    columns += [(column_name(cohort, name), typed(own.column(name))) for name in payloads.attributes(own)]
    for party in sorted(set(tables) - {cohort}):
        persons, theirs = _linked(link_map, tables[party], party)
        if party in duplicates:
            counted = _counted(people, persons)
            columns.append((column_name(party, "linked"), pc.greater(counted, 0)))
            columns.append((column_name(party, "records"), counted))
            continue
        place = pc.index_in(people, value_set=persons.combine_chunks())
        columns.append((column_name(party, "linked"), pc.is_valid(place)))
        columns += [
            (column_name(party, name), typed(theirs.column(name).take(place)))
            for name in payloads.attributes(theirs)
        ]
    names = [name for name, _ in columns]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ReleaseError(f"two columns of the release would be called {', '.join(map(repr, twice))}")
    return _shuffled(pa.table([column for _, column in columns], names=names))


def records_of(
    link_map: pa.Table, tables: Mapping[str, pa.Table], *, cohort: str, party: str, programme: Name
) -> pa.Table:
    """
    All linked records of a party with duplicates: programme_id and attributes, one row a record.

    Which of several records of a person is the right one is not for software to guess.
    """
    people, own = _linked(link_map, tables[cohort], cohort)
    persons, theirs = _linked(link_map, tables[party], party)
    at = pc.index_in(persons, value_set=people.combine_chunks())
    names = own.column(payloads.PROGRAMME_ID).take(at)
    columns = [(payloads.PROGRAMME_ID, _named(names, programme))]
    columns += [(name, typed(theirs.column(name))) for name in payloads.attributes(theirs)]
    return _shuffled(pa.table([column for _, column in columns], names=[name for name, _ in columns]))


def _counted(people: pa.ChunkedArray, persons: pa.ChunkedArray) -> pa.Array:
    """How many records each person has."""
    counts = Counter(persons.to_pylist())
    return pa.array([counts[person] for person in people.to_pylist()], pa.int64())


def _shuffled(table: pa.Table) -> pa.Table:
    keys = np.frombuffer(secrets.token_bytes(8 * table.num_rows), dtype=np.uint64)
    return table.take(pa.array(np.argsort(keys, kind="stable")))


def families_table(found: Families, family: Name) -> pa.Table:
    """
    Family links for the release, in random order.

    Args:
        family: from a family ID as supplied, or ``party:token``, to its pseudonym.
    """
    links = found.links
    table = pa.table(
        {
            "family_id": pa.array([family(one.family) for one in links], pa.string()),
            "party": pa.array([one.party for one in links], pa.string()),
            "party_family": pa.array(
                [family(f"{one.party}:{one.party_family}") for one in links], pa.string()
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
