"""
Extending a linkage: who of the people before is who now, and what merged or split.

Links are made anew from all packages; this carries person IDs over. The state is the link map of the
linkage before, in a package from the operator to itself.

Source: specs/extending-v1.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.agreement import Agreement
from pseudolink.errors import ArtefactError, LinkageError, Problem
from pseudolink.formats import linkmap
from pseudolink.formats.binary import is_digest
from pseudolink.formats.candidates import Rows
from pseudolink.formats.encodings import Encodings
from pseudolink.formats.manifest import Manifest
from pseudolink.formats.summary import ExtensionSummary, PartyChange
from pseudolink.keys.party import PartyKey
from pseudolink.match.shards import Work
from pseudolink.roles.linkage import Delivery, PairLinkage, Report, link_pair, quiet
from pseudolink.score.estimate import Estimate
from pseudolink.score.weigh import weigh
from pseudolink.seal.package import unseal

STATE = "linkage_state"
STATE_FILE = "state.package"
#: Probability, taken alone, from which a pair of records of two deliveries tells of a merge or a split.
RIVAL = 0.95
#: Mixes 64-bit words: the finaliser of SplitMix64, https://doi.org/10.1145/2660193.2660195.
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)

Words = npt.NDArray[np.uint64]
#: Record ID -> person ID.
Persons = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Before:
    """
    The linkage that is extended.

    packages: party -> digest of its package of encodings. persons: party -> record -> person.
    digest: of the state, sealed.
    """

    packages: Mapping[str, str]
    persons: Mapping[str, Persons]
    digest: str


@dataclass(frozen=True)
class History:
    """
    Records of the cohort's delivery and persons of the linkage before (4.1, 4.2).

    continues: record -> the person that it is. merged: pairs of a record and a further person that it
    was as well. split: pairs of a record with a fresh ID and the person that it came out of.
    """

    continues: Persons
    merged: frozenset[tuple[bytes, bytes]] = frozenset()
    split: frozenset[tuple[bytes, bytes]] = frozenset()
    ambiguous: int = 0


NO_HISTORY = History({})


# ---------------------------------------------------------------- the state


def open_state(folder: Path, plain: Path, agreed: Agreement, key: PartyKey, today: date) -> Before:
    """
    Read the state in the folder of a finished linkage.

    Args:
        plain: where its plaintext may stand meanwhile.

    Raises:
        LinkageError: the folder has none.
        PseudolinkError: not this agreement's, or not to be opened with this key.
    """
    sealed = folder / STATE_FILE
    if not sealed.is_file():
        raise LinkageError(
            f"{folder.name} holds no {STATE_FILE}: that linkage was not made to be extended",
            advice="Link its packages again with --extendable; person IDs are new then.",
        )
    found = unseal(sealed, plain, agreement=agreed, recipient=key, artefact=STATE, today=today)
    manifest = found.manifest
    packages, repeated = (manifest.statistics.get(name) for name in ("packages", "duplicates"))
    if not isinstance(packages, Mapping) or not isinstance(repeated, list):
        raise ArtefactError([Problem("statistics", "are not those of a state")], source=STATE_FILE)
    if not all(map(is_digest, packages.values())) or not all(isinstance(one, str) for one in repeated):
        raise ArtefactError([Problem("statistics", "are not those of a state")], source=STATE_FILE)
    table = linkmap.load(plain, duplicates=repeated)
    plain.unlink()
    persons: dict[str, dict[bytes, bytes]] = {party: {} for party in packages}
    for party, record, person in zip(*(table.column(n).to_pylist() for n in _NAMED), strict=True):
        persons.setdefault(party, {})[record] = person
    if set(persons) != set(packages):
        raise ArtefactError([Problem("party", "is in no package of the linkage")], source=STATE_FILE)
    return Before(packages, persons, found.digest)


_NAMED = ("party", "record", "person")


def save_state(table: pa.Table, plain: Path) -> None:
    """The plain text of a state: the link map without what was before, in another random order."""
    kept = table.select(linkmap.SCHEMA.names)
    order = np.argsort(np.frombuffer(secrets.token_bytes(8 * kept.num_rows), dtype=np.uint64), kind="stable")
    linkmap.save(kept.take(pa.array(order)), plain)


def state_manifest(sent: Manifest, packages: Mapping[str, str], link_map: str) -> Manifest:
    """The manifest of a state, from that of its link map."""
    return replace(
        sent,
        artefact=STATE,
        recipients=(sent.sender,),
        statistics={
            "packages": dict(packages),
            "duplicates": sent.statistics["duplicates"],
            "link_map": link_map,
        },
    )


# ---------------------------------------------------------------- who is who


def history(
    before: Before,
    older: Delivery | None,
    linkages: Sequence[PairLinkage],
    *,
    work: Work | None = None,
    report: Report = quiet,
) -> History:
    """
    The persons that the cohort's records are.

    Args:
        older: the cohort's delivery before; None when it is the same.
        linkages: of the cohort's delivery of now with every other party's.

    Raises:
        PseudolinkError: as ``linkage.link_pair``; two deliveries of the cohort that do not fit.
    """
    own = newer = linkages[0].left
    known = before.persons.get(newer.party, {})
    if older is None:
        return History(known)
    older, newer = (_without_listed(one) for one in (older, newer))
    # A folder of its own for finished shards: no party is called by this name.
    older = replace(older, party=f"{older.party} before")
    if not older.encodings.rows or not newer.encodings.rows:
        return History({})
    one = link_pair(older, newer, work=None if work is None else work.inside(older.party), report=report)
    continues, taken = _continued(one)
    beside = max((other for other in linkages if other.left is own), key=lambda other: len(other.accepted))
    merged, split = _rivals(one, beside.estimate, continues, taken)
    tied = one.scored.candidates.right[one.links.ambiguous]
    records = one.right.encodings.records
    left_open = {bytes(records[row]) for row in tied.tolist()} - set(continues)
    return History(
        {record: known[old] for record, old in continues.items() if old in known},
        frozenset((record, known[old]) for record, old in merged if old in known),
        frozenset((record, known[old]) for record, old in split if old in known),
        len(left_open),
    )


def _without_listed(one: Delivery) -> Delivery:
    """4.2: what a do-not-link list names is carried over by nothing."""
    listed = {record for pair in one.encodings.apart for record in pair}
    if not listed:
        return one
    rows = [row for row, record in enumerate(one.encodings.records) if bytes(record) not in listed]
    return replace(one, encodings=one.encodings.take(np.asarray(rows, dtype=np.int64)))


def _continued(one: PairLinkage) -> tuple[dict[bytes, bytes], set[bytes]]:
    """4.2 (1): newer record -> older record; and the older records that are continued."""
    old, new = one.left.encodings, one.right.encodings
    there = _single(_by_tokens(old))
    continues = {}
    for tokens, record in _single(_by_tokens(new)).items():
        if tokens in there:
            continues[record] = there[tokens]
    taken = set(continues.values())
    pairs = one.scored.candidates
    for n in one.accepted.tolist():
        record, was = bytes(new.records[pairs.right[n]]), bytes(old.records[pairs.left[n]])
        if record not in continues and was not in taken:
            continues[record] = was
            taken.add(was)
    return continues, taken


def _single(records: Iterable[tuple[tuple[int, int], bytes]]) -> dict[tuple[int, int], bytes]:
    """Tokens -> record, of those that one record alone has."""
    found: dict[tuple[int, int], bytes] = {}
    twice = set()
    for tokens, record in records:
        if tokens in found:
            twice.add(tokens)
        found[tokens] = record
    return {tokens: record for tokens, record in found.items() if tokens not in twice}


def _by_tokens(encodings: Encodings) -> list[tuple[tuple[int, int], bytes]]:
    """Of each record with a token two words that stand for all tokens of all its rows, and its ID."""
    rows = encodings.rows
    lanes = [np.zeros(rows, dtype=np.uint64), np.zeros(rows, dtype=np.uint64)]
    some = np.zeros(rows, dtype=bool)
    for name in encodings.passes:
        one = encodings.passes[name]
        some |= one.present
        for n in (0, 1):
            word = np.where(one.present, one.tokens[:, n] | np.uint64(1), np.uint64(0))
            lanes[n] = _mixed(lanes[n] + _STEP + word)
    whole = np.ascontiguousarray(encodings.records).view(f"V{encodings.records.shape[1]}").ravel()
    ids, record = np.unique(whole, return_inverse=True)
    sums = [np.zeros(len(ids), dtype=np.uint64), np.zeros(len(ids), dtype=np.uint64)]
    for n in (0, 1):
        np.add.at(sums[n], record, lanes[n])
    any_token = np.zeros(len(ids), dtype=bool)
    np.logical_or.at(any_token, record, some)
    return [
        ((first, second), bytes(one))
        for first, second, one, there in zip(
            sums[0].tolist(), sums[1].tolist(), ids, any_token.tolist(), strict=True
        )
        if there
    ]


def _mixed(words: Words) -> Words:
    words = (words ^ (words >> np.uint64(30))) * _MIX[0]
    words = (words ^ (words >> np.uint64(27))) * _MIX[1]
    mixed: Words = words ^ (words >> np.uint64(31))
    return mixed


def _rivals(
    one: PairLinkage, model: Estimate, continues: Mapping[bytes, bytes], taken: set[bytes]
) -> tuple[set[tuple[bytes, bytes]], set[tuple[bytes, bytes]]]:
    """4.2 (3, 4): pairs of a newer record and an older one, merged into it and split from it."""
    pairs = one.scored.candidates
    weight = weigh(model, pairs, one.left.shows, one.right.shows).weight
    matches = one.estimate.matches.total
    others = max(one.left.records * one.right.records - matches, 1.0)
    odds = np.exp2(np.clip(weight, -300, 300)) * matches / others
    strong = odds >= RIVAL / (1 - RIVAL)
    if len(one.decided.guarded):
        strong &= ~one.decided.guarded
    chosen: Rows = np.flatnonzero(strong)
    merged: dict[bytes, set[bytes]] = {}
    split: dict[bytes, set[bytes]] = {}
    for left, right in zip(pairs.left[chosen].tolist(), pairs.right[chosen].tolist(), strict=True):
        was, record = bytes(one.left.encodings.records[left]), bytes(one.right.encodings.records[right])
        if was not in taken and record in continues:
            merged.setdefault(was, set()).add(record)
        elif was in taken and record not in continues:
            split.setdefault(record, set()).add(was)
    return (
        {(record, was) for was, records in merged.items() for record in records if len(records) == 1},
        {(record, was) for record, were in split.items() for was in were if len(were) == 1},
    )


# ---------------------------------------------------------------- what became of the people


def tell(before: Before, known: History, table: pa.Table, cohort: str) -> tuple[pa.Table, ExtensionSummary]:
    """
    What the link map has to tell of the linkage before (section 5).

    Returns:
        the link map, with ``before`` where there is something to tell, and the counts.
    """
    further: dict[bytes, set[bytes]] = {}
    for record, person in known.merged | known.split:
        further.setdefault(record, set()).add(person)
    old = set(before.persons.get(cohort, {}).values())
    now: set[bytes] = set()
    told: list[list[bytes] | None] = []
    moved_from: list[bytes] = []
    there: dict[str, set[bytes]] = {}
    for party, record, person in zip(*(table.column(n).to_pylist() for n in _NAMED), strict=True):
        if party == cohort:
            now.add(person)
            others = further.get(record, set()) - {person}
        else:
            there.setdefault(party, set()).add(person)
            was = before.persons.get(party, {}).get(record)
            others = set() if was is None or was == person else {was}
            moved_from += others
        told.append(sorted(others) or None)
    came = {person for persons in told if persons is not None for person in persons}
    ended = old - now
    kept = old & now
    counts = ExtensionSummary(
        before=len(old),
        now=len(now),
        kept=len(kept),
        new=len(now - old),
        ended=len(ended),
        merged=len(came & ended),
        split=len({record for record, _ in known.split}),
        moved=sum(person in kept for person in moved_from),
        ambiguous=known.ambiguous,
        parties=tuple(
            _change(party, before, there, kept) for party in sorted(_others(before, there, cohort))
        ),
    )
    if came:
        table = table.append_column(linkmap.BEFORE, pa.array(told, linkmap.BEFORE.type))
    return table, counts


def _others(before: Before, there: Mapping[str, set[bytes]], cohort: str) -> set[str]:
    return (set(before.packages) | set(there)) - {cohort}


def _change(party: str, before: Before, there: Mapping[str, set[bytes]], kept: set[bytes]) -> PartyChange:
    had = set(before.persons.get(party, {}).values()) & kept
    has = there.get(party, set()) & kept
    return PartyChange(party, gained=len(has - had), lost=len(had - has))
