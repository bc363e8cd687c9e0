"""From links to people: the link map that the operator seals to the releaser."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from pseudolink.formats import linkmap
from pseudolink.formats.candidates import Rows
from pseudolink.formats.encodings import Bytes, fixed_column
from pseudolink.match.compare import first_rows
from pseudolink.resolve.clusters import Link, cluster
from pseudolink.roles.linkage import Delivery, PairLinkage
from pseudolink.score.arrays import Floats

_ID_BYTES = 16


@dataclass(frozen=True)
class Joined:
    """Records of one party and the records of the cohort that they are linked to, with a weight each."""

    cohort: Rows
    rows: Rows
    weight: Floats

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class People:
    """
    Who is linked, by party.

    carried: links that came over a third party's record. contradicted, ambiguous: links of pairs
    of parties that other parties' evidence left out.
    """

    joined: Mapping[str, Joined]
    carried: Mapping[str, int] = field(default_factory=dict)
    contradicted: int = 0
    ambiguous: int = 0


def people_of(linkages: Sequence[PairLinkage]) -> People:
    """
    From links of pairs of parties to people of the cohort.

    With linkages between the other parties too, people are clusters (resolution-v1, section 6);
    without them each party's links with the cohort stand.
    """
    cohort = linkages[0].left
    direct = [one for one in linkages if one.left.party == cohort.party]
    if len(direct) == len(linkages):
        return People({one.right.party: _direct(one) for one in direct})
    return _clustered(linkages)


def _direct(one: PairLinkage) -> Joined:
    pairs = one.scored.candidates
    return Joined(pairs.left[one.accepted], pairs.right[one.accepted], one.scored.weight[one.accepted])


def _clustered(linkages: Sequence[PairLinkage]) -> People:
    cohort = linkages[0].left
    deliveries = [cohort, *(one.right for one in linkages if one.left.party == cohort.party)]
    number = {one.party: n for n, one in enumerate(deliveries)}
    begin = np.cumsum([0, *(one.encodings.rows for one in deliveries)])
    party = np.repeat(np.arange(len(deliveries)), np.diff(begin)).tolist()
    least = {frozenset((number[o.left.party], number[o.right.party])): o.threshold for o in linkages}
    links: list[Link] = []
    against: set[tuple[int, int]] = set()
    apart: set[tuple[int, int]] = set()
    for one in linkages:
        a = one.scored.candidates.left + begin[number[one.left.party]]
        b = one.scored.candidates.right + begin[number[one.right.party]]
        known = set(one.decided.known.tolist())
        for n in one.accepted.tolist():
            chance, weight = float(one.scored.probability[n]), float(one.scored.weight[n])
            links.append(Link(int(a[n]), int(b[n]), chance, weight, known=n in known))
        opposed = (one.scored.weight < 0) | (one.decided.guarded if len(one.decided.guarded) else False)
        opposed[one.accepted] = False
        against |= set(zip(a[opposed].tolist(), b[opposed].tolist(), strict=True))
        denied = one.decided.denied
        apart |= set(zip(a[denied].tolist(), b[denied].tolist(), strict=True))
    for n, one_party in enumerate(deliveries):
        row_of = {bytes(r): row for row, r in reversed(list(enumerate(one_party.encodings.records)))}
        listed = one_party.encodings.apart
        apart |= {(row_of[x] + int(begin[n]), row_of[y] + int(begin[n])) for x, y in listed}
    found = cluster(
        party,
        links,
        least=lambda x, y: least[frozenset((party[x], party[y]))],
        against=against,
        apart=apart,
    )
    return _told(found.members, links, party, begin, [one.party for one in deliveries]).counted(
        len(found.contradicted), len(found.ambiguous)
    )


@dataclass(frozen=True)
class _Told:
    joined: dict[str, Joined]
    carried: dict[str, int]

    def counted(self, contradicted: int, ambiguous: int) -> People:
        return People(self.joined, self.carried, contradicted, ambiguous)


def _told(
    members: Sequence[tuple[int, ...]],
    links: Sequence[Link],
    party: Sequence[int],
    begin: Rows,
    ids: list[str],
) -> _Told:
    """Clusters with a record of the cohort, as links of each party with it."""
    weight = {(min(o.left, o.right), max(o.left, o.right)): o.weight for o in links}
    rows: dict[int, list[tuple[int, int, float]]] = {n: [] for n in range(1, len(ids))}
    carried = dict.fromkeys(ids[1:], 0)
    for cluster_ in members:
        own = cluster_[0]  # the cohort is the first party, so its record has the smallest number
        if party[own] != 0:
            continue
        for record in cluster_[1:]:
            bonds = {other: weight.get((min(record, other), max(record, other))) for other in cluster_}
            bits = bonds[own]
            if bits is None:
                carried[ids[party[record]]] += 1
                bits = max(w for w in bonds.values() if w is not None)
            rows[party[record]].append((own, record - int(begin[party[record]]), bits))
    joined = {}
    for n, found in rows.items():
        ends = np.asarray([(a, b) for a, b, _ in found], dtype=np.int64).reshape(-1, 2)
        joined[ids[n]] = Joined(ends[:, 0], ends[:, 1], np.asarray([w for *_, w in found], dtype=np.float64))
    return _Told(joined, carried)


_NOBODY: Mapping[bytes, bytes] = MappingProxyType({})


def link_map(
    linkages: Sequence[PairLinkage],
    people: People | None = None,
    known: Mapping[bytes, bytes] = _NOBODY,
) -> pa.Table:
    """
    Every record of the cohort as a person, and the other parties' records that are linked to one.

    Records of other parties that are linked to nobody are left out: nothing is said of them.
    The rows are in random order.

    Args:
        known: record of the cohort -> person ID that it keeps; every other person's is random and new.
    """
    people = people or people_of(linkages)
    cohort = linkages[0].left
    # By row, so that a record's first row is its number; further versions are nobody of their own.
    ids = np.frombuffer(secrets.token_bytes(_ID_BYTES * cohort.encodings.rows), dtype=np.uint8)
    ids = ids.reshape(-1, _ID_BYTES).copy()
    first = first_rows(cohort.encodings)
    own = np.arange(cohort.encodings.rows) if first is None else np.unique(first)
    if known:
        for row in own.tolist():
            kept = known.get(bytes(cohort.encodings.records[row]))
            if kept is not None:
                ids[row] = np.frombuffer(kept, dtype=np.uint8)
    sides = [(cohort, Joined(own, own, np.zeros(len(own))))]
    deliveries = {one.right.party: one.right for one in linkages}
    sides += [(deliveries[party], joined) for party, joined in people.joined.items()]
    parties: list[str] = []
    records, persons, bands = [], [], []
    for delivery, joined in sides:
        band = (np.floor(joined.weight / linkmap.BAND_BITS) * linkmap.BAND_BITS).astype(np.int16)
        found, at = _every_record(delivery, joined.rows)
        parties += [delivery.party] * len(found)
        records.append(found)
        persons.append(ids[joined.cohort[at]])
        bands.append(band[at])
    count = len(parties)
    table = pa.table(
        {
            "party": pa.array(parties, pa.string()),
            "record": fixed_column(np.concatenate(records)),
            "person": fixed_column(np.concatenate(persons)),
            "family": pa.nulls(count, pa.binary(16)),
            "band": pa.array(np.concatenate(bands)),
        },
        schema=linkmap.SCHEMA,
    )
    order = np.argsort(np.frombuffer(secrets.token_bytes(8 * count), dtype=np.uint64), kind="stable")
    return table.take(pa.array(order))


def _every_record(delivery: Delivery, rows: Rows) -> tuple[Bytes, Rows]:
    """Record IDs of linked rows, duplicates among them, and which of the rows each comes from."""
    held = delivery.encodings.records[rows]
    if not delivery.merged:
        return held, np.arange(len(rows))
    found: list[bytes] = []
    at: list[int] = []
    for n, record in enumerate(held):
        ids = delivery.merged.get(bytes(record), (bytes(record),))
        found += ids
        at += [n] * len(ids)
    return np.frombuffer(b"".join(found), dtype=np.uint8).reshape(-1, _ID_BYTES), np.asarray(at, np.int64)
