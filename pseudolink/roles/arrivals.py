"""
What the releaser receives: the sealed link map and the sealed payloads, opened and checked.

Payloads are kept as files in a folder of the releaser's and read as they are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from pseudolink.agreement import Agreement
from pseudolink.errors import ArtefactError, MixedArtefactsError, Problem
from pseudolink.formats import linkmap
from pseudolink.formats import payload as payloads
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey
from pseudolink.release.joining import Source
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.receiving import dropped, dropped_from_map, receive
from pseudolink.seal.package import open_package, unseal


@dataclass(frozen=True)
class Arrived:
    """
    One linkage.

    payloads: party -> data set. duplicates: parties that may have several records of a person.
    digests: party -> digest of its package. manifest: the link map's.
    """

    link_map: pa.Table
    payloads: Mapping[str, Source]
    duplicates: tuple[str, ...]
    digests: Mapping[str, str]
    manifest: Manifest


def open_all(
    link_map: Path,
    packages: Sequence[Path],
    folder: Path,
    *,
    agreed: Agreement,
    key: PartyKey,
    today: date,
    exchange: Exchange,
    withdrawals: Sequence[Path] = (),
) -> Arrived:
    """
    Open a link map and payloads into a folder that the caller removes.

    Args:
        exchange: notes what ledgers the packages tell of. withdrawals: packages of custodians; their
            records are dropped from links and payloads.

    Raises:
        WithdrawalMissingError: one that this party has used before.
        PseudolinkError: whatever is not sealed to this party under this agreement, or not of its form.
        MixedArtefactsError: two payloads of one party.
    """
    plain = folder / "linkmap.parquet"
    manifest = open_package(
        link_map, plain, agreement=agreed, recipient=key, artefact="link_map", today=today
    )
    exchange.take(manifest)
    repeated = _duplicates(manifest, agreed)
    found = linkmap.load(plain, duplicates=repeated)
    plain.unlink()
    tables: dict[str, Source] = {}
    digests = {}
    problems = []
    for number, package in enumerate(packages):
        plain = folder / f"payload-{number}.parquet"
        opened = unseal(package, plain, agreement=agreed, recipient=key, artefact="payload", today=today)
        sent = opened.manifest
        exchange.take(sent)
        sender = agreed.party(sent.sender)
        if sender.id in tables:
            problems.append(Problem(sender.id, "has sent two payloads; one delivery of each party is used"))
        payloads.load(
            plain,
            party=sender.id,
            permitted=sender.attributes,
            cohort=sender.cohort,
            families=sender.families,
            events=dict(sender.events),
        )
        tables[sender.id] = _data_set(plain)
        digests[sender.id] = opened.digest
    gone = receive(withdrawals, agreed, key, exchange, folder, today)
    exchange.require_withdrawals()
    for party, ids in gone.items():
        if party in tables:
            kept = dropped(tables[party].to_table(), ids)
            plain = folder / f"kept-{party}.parquet"
            payloads.save(kept, plain)
            tables[party] = _data_set(plain)
    found = dropped_from_map(found, gone, agreed.cohort.id) if gone else found
    if problems:
        raise MixedArtefactsError(problems)
    return Arrived(found, tables, repeated, dict(sorted(digests.items())), manifest)


def _data_set(path: Path) -> Source:
    # By its path and no partitioning: a folder called "party=x" on the way is no column.
    return ds.dataset(path, format="parquet", partitioning=None)


def _duplicates(manifest: Manifest, agreed: Agreement) -> tuple[str, ...]:
    """Parties of which the operator says that they may have several records of a person."""
    stated = manifest.statistics.get("duplicates", [])
    known = {one.id for one in agreed.of_role("custodian") if not one.cohort}
    if not isinstance(stated, list) or not all(isinstance(one, str) for one in stated):
        raise ArtefactError([Problem("statistics.duplicates", "must be a list")], source="the link map")
    if set(stated) - known:
        problem = Problem("statistics.duplicates", "names who is no custodian beside the cohort's")
        raise ArtefactError([problem], source="the link map")
    return tuple(sorted(set(stated)))
