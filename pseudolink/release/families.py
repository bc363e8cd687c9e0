"""
Families: person links give family links; the operator has no part in it.

A family of the cohort and a family of another party are linked when somebody is in both. Nobody is
linked because a family is.

Source: specs/release-v1.md, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.formats import apart
from pseudolink.formats import payload as payloads
from pseudolink.release.joining import Source, column, names

SAME, SPLIT, MERGED, BOTH = "same", "split", "merged", "split and merged"


@dataclass(frozen=True)
class FamilyLink:
    """
    A family of the cohort and one of another party with people in common.

    shared: people in both. members: people of the cohort's family. linked: those with a record and
    a family at the party. party_members: people of the cohort in the party's family.
    start, end: the days between which both families held all shared people, as far as they are told.
    """

    family: str
    party: str
    party_family: str
    shared: int
    members: int
    linked: int
    party_members: int
    relation: str
    start: str | None
    end: str | None


@dataclass(frozen=True)
class _Member:
    """One person's place in a party's family."""

    family: str
    start: str | None
    end: str | None


@dataclass(frozen=True)
class Families:
    """
    What person links say of families.

    of_person: person -> family ID as the cohort's custodian supplied it. lent: person -> party by
    whose families a person without one got it. links: in order of family, party, party's family.
    """

    of_person: Mapping[bytes, str]
    lent: Mapping[bytes, str]
    links: tuple[FamilyLink, ...]


def carries(table: Source) -> bool:
    """Whether a payload says which records are of one family."""
    return payloads.FAMILY_ID in names(table)


def family_links(link_map: pa.Table, tables: Mapping[str, Source], cohort: str) -> Families:
    """
    Families of the cohort, and their links with the families of other parties.

    Args:
        link_map: as ``formats.linkmap`` reads it. tables: party -> payload.
    """
    own = _members(link_map, tables[cohort], cohort, barred=False) if carries(tables[cohort]) else {}
    own_apart = _barred(link_map, tables[cohort], cohort)
    others = {
        party: _members(link_map, table, party, barred=True)
        for party, table in sorted(tables.items())
        if party != cohort and carries(table)
    }
    links: list[FamilyLink] = []
    lent: dict[bytes, set[tuple[str, str]]] = {}
    homes: dict[str, set[bytes]] = {}
    for person, member in own.items():
        homes.setdefault(member.family, set()).add(person)
    everybody = set(_persons(link_map, cohort))
    for party, theirs in others.items():
        theirs = {p: m for p, m in theirs.items() if p not in own_apart}
        links += _between(own, homes, theirs, party)
        for person, family in _lendable(own, theirs).items():
            if person in everybody:
                lent.setdefault(person, set()).add((family, party))
    given: dict[bytes, str] = {}
    whose: dict[bytes, str] = {}
    for person, said in lent.items():
        # Parties that disagree leave a person without a family: a guess would join two of them.
        if len({family for family, _ in said}) == 1:
            given[person], whose[person] = min(said)
    of_person = {person: member.family for person, member in own.items()} | given
    links.sort(key=lambda one: (one.family, one.party, one.party_family))
    return Families(of_person, whose, tuple(links))


def _persons(link_map: pa.Table, party: str) -> list[bytes]:
    mine = link_map.filter(pc.equal(link_map.column("party"), party))
    found: list[bytes] = mine.column("person").to_pylist()
    return found


def _barred(link_map: pa.Table, table: Source, party: str) -> set[bytes]:
    """People with a record on the party's do-not-link list."""
    if apart.APART not in names(table):
        return set()
    some = column(table, apart.APART).is_valid()
    listed = column(table, payloads.RECORD).filter(some).to_pylist()
    mine = link_map.filter(pc.equal(link_map.column("party"), party))
    pairs = zip(mine.column("record").to_pylist(), mine.column("person").to_pylist(), strict=True)
    ids = set(listed)
    return {person for record, person in pairs if record in ids}


def _members(link_map: pa.Table, table: Source, party: str, *, barred: bool) -> dict[bytes, _Member]:
    """
    Person -> family at a party, of linked people whose records agree on it.

    Args:
        barred: leave out people on the party's do-not-link list.
    """
    records = column(table, payloads.RECORD).to_pylist()
    none = [None] * len(records)
    columns = [column(table, name).to_pylist() if name in names(table) else none for name in payloads.FAMILY]
    of_record = dict(zip(records, zip(*columns, strict=True), strict=True))
    mine = link_map.filter(pc.equal(link_map.column("party"), party))
    out = _barred(link_map, table, party) if barred else set()
    found: dict[bytes, set[_Member]] = {}
    pairs = zip(mine.column("record").to_pylist(), mine.column("person").to_pylist(), strict=True)
    for record, person in pairs:
        family, start, end = of_record[record]
        if family is not None and person not in out:
            found.setdefault(person, set()).add(_Member(family, start, end))
    # A person whose duplicates are in several families is in none of them for sure.
    return {
        person: sorted(members, key=lambda m: (m.start or "", m.end or ""))[-1]
        for person, members in found.items()
        if len({m.family for m in members}) == 1
    }


def _between(
    own: Mapping[bytes, _Member],
    homes: Mapping[str, set[bytes]],
    theirs: Mapping[bytes, _Member],
    party: str,
) -> list[FamilyLink]:
    shared: dict[tuple[str, str], list[bytes]] = {}
    inside: dict[str, set[bytes]] = {}
    for person, member in theirs.items():
        inside.setdefault(member.family, set()).add(person)
        if person in own:
            shared.setdefault((own[person].family, member.family), []).append(person)
    families_of: dict[str, set[str]] = {}
    cohorts_of: dict[str, set[str]] = {}
    for family, other in shared:
        families_of.setdefault(family, set()).add(other)
        cohorts_of.setdefault(other, set()).add(family)
    found = []
    for (family, other), people in shared.items():
        split, merged = len(families_of[family]) > 1, len(cohorts_of[other]) > 1
        relation = BOTH if split and merged else SPLIT if split else MERGED if merged else SAME
        spans = [m for p in people for m in (own[p], theirs[p])]
        start = max((m.start for m in spans if m.start is not None), default=None)
        end = min((m.end for m in spans if m.end is not None), default=None)
        linked = sum(p in theirs for p in homes[family])
        found.append(
            FamilyLink(
                family,
                party,
                other,
                len(people),
                len(homes[family]),
                linked,
                len(inside[other]),
                relation,
                start,
                end,
            )
        )
    return found


def _lendable(own: Mapping[bytes, _Member], theirs: Mapping[bytes, _Member]) -> dict[bytes, str]:
    """People without a family of the cohort's, in a family of the party with people of exactly one."""
    of: dict[str, set[str]] = {}
    for person, member in theirs.items():
        if person in own:
            of.setdefault(member.family, set()).add(own[person].family)
    return {
        person: next(iter(of[member.family]))
        for person, member in theirs.items()
        if person not in own and len(of.get(member.family, ())) == 1
    }
