"""
What the operator opens: a package of encodings from every party, each checked before it is used.

Source: specs/package-v1.md; specs/encoding-v1.md, section 7.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pseudolink.agreement import Agreement, load_signed
from pseudolink.errors import (
    ArtefactError,
    FloorError,
    LinkageError,
    MixedArtefactsError,
    Problem,
)
from pseudolink.formats.manifest import Manifest
from pseudolink.formats.statistics import Statistics
from pseudolink.formats.stored import open_stored
from pseudolink.keys.party import PartyKey
from pseudolink.match.compare import largest_component
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.joins import LOCAL, Joins
from pseudolink.roles.linkage import Delivery, Report
from pseudolink.roles.receiving import staying
from pseudolink.roles.standing import require_role
from pseudolink.roles.stated import statistics_problems
from pseudolink.schema import LinkageSchema, load_schema
from pseudolink.seal.package import unseal

NOTHING_BEFORE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Opened:
    """
    Every delivery to be linked, the cohort's first, and the digest of every package by party.

    older: the delivery of the cohort that was linked before, where the cohort has delivered anew.
    """

    deliveries: list[Delivery]
    digests: dict[str, str]
    older: Delivery | None = None

    def without(self, gone: Mapping[str, frozenset[bytes]]) -> Opened:
        """The same without the records that their parties have withdrawn."""
        older = None if self.older is None else without(self.older, gone)
        return Opened([without(one, gone) for one in self.deliveries], self.digests, older)


@dataclass(frozen=True)
class _One:
    manifest: Manifest
    delivery: Delivery
    digest: str

    @property
    def party(self) -> str:
        return self.manifest.sender


def allowed(
    packages: Sequence[Path], agreement: Path, schema: Path, key: PartyKey, today: date
) -> tuple[Agreement, LinkageSchema]:
    """
    The agreement and the schema, where the operator may link these packages under them.

    Raises:
        PseudolinkError: whatever is wrong with the agreement, the key or the schema.
    """
    agreed = load_signed(agreement, today)
    require_role(agreed, key, "operator", "links")
    design = load_schema(schema)
    agreed.require_schema(design.digest, (design.floor.company, design.floor.component))
    if len(packages) < 2:
        raise LinkageError("linking needs the encodings of at least two parties")
    return agreed, design


def open_all(
    packages: Sequence[Path],
    folder: Path,
    agreed: Agreement,
    design: LinkageSchema,
    key: PartyKey,
    today: date,
    report: Report,
    exchange: Exchange | None = None,
    before: Mapping[str, str] = NOTHING_BEFORE,
    joins: Joins = LOCAL,
) -> Opened:
    """
    Open and check every package.

    Args:
        before: party -> digest of its package in the linkage that is extended.
        joins: where pairs are found.

    Raises:
        MixedArtefactsError: packages that do not belong together (extending-v1, 3.2).
    """
    found: list[_One] = []
    for number, package in enumerate(packages):
        report("open", number, len(packages))
        plain = folder / f"{number}.parquet"
        opened = unseal(package, plain, agreement=agreed, recipient=key, artefact="encodings", today=today)
        manifest, digest = opened.manifest, opened.digest
        # What was linked before is known from the operator's own state, and is no replay.
        if exchange is not None and digest != before.get(manifest.sender):
            exchange.take(manifest)
        found.append(_One(manifest, _delivery(plain, manifest, agreed, design, joins), digest))
    report("open", len(packages), len(packages))
    cohort = agreed.cohort.id
    newer = {one.party for one in found if one.digest != before.get(one.party)}
    # Of a party that has delivered anew, what was linked before steps back.
    older = [one for one in found if one.digest == before.get(one.party) and one.party in newer]
    chosen = [one for one in found if not any(one is other for other in older)]
    problems = _mixed([one.manifest for one in chosen], agreed)
    problems += _missing(before, {one.party for one in chosen})
    carried = next((one.delivery for one in older if one.party == cohort), None)
    if cohort in before and cohort in newer and carried is None:
        what = "its people are carried over: name the package that was linked before, too"
        problems.append(Problem(cohort, what))
    if problems:
        raise MixedArtefactsError(problems)
    chosen.sort(key=lambda one: (one.party != cohort, one.party))
    digests = dict(sorted((one.party, one.digest) for one in chosen))
    return Opened([one.delivery for one in chosen], digests, carried)


def _missing(before: Mapping[str, str], senders: Set[str]) -> list[Problem]:
    what = "its delivery is missing: name the package that was linked before, or a newer one"
    return [Problem(party, what) for party in sorted(set(before) - senders)]


def _mixed(manifests: Sequence[Manifest], agreed: Agreement) -> list[Problem]:
    problems = []
    senders = Counter(m.sender for m in manifests)
    for sender, count in senders.items():
        if count > 1:
            problems.append(Problem(sender, "has sent two packages; link one delivery of each party"))
    if agreed.cohort.id not in senders:
        problems.append(Problem(agreed.cohort.id, "the cohort's encodings are missing"))
    problems += [
        Problem(m.sender, "encoded with another linkage key than the one signed for")
        for m in manifests
        if m.key_check != agreed.key_check
    ]
    return problems


def _delivery(
    plain: Path, manifest: Manifest, agreed: Agreement, design: LinkageSchema, joins: Joins
) -> Delivery:
    encodings = open_stored(plain, design.layout)
    statistics: dict[str, Any] = dict(manifest.statistics)
    width = encodings.records.shape[1]
    records = len(np.unique(np.ascontiguousarray(encodings.records).view(f"V{width}")))
    problems = statistics_problems(statistics, design, records)
    if manifest.rows != encodings.rows:
        problems.append(Problem("rows", "the manifest counts other rows than the encodings have"))
    if problems:
        raise ArtefactError(problems, source=f"the encodings of {manifest.sender}")
    delivery = Delivery(
        manifest.sender,
        agreed.party(manifest.sender).name,
        encodings,
        Statistics.from_json(statistics["chance"]),
        statistics["company"],
        dict(statistics["coverage"]),
        design,
        joins=joins,
    )
    _require_floor(delivery)
    return delivery


def without(delivery: Delivery, gone: Mapping[str, frozenset[bytes]]) -> Delivery:
    """The delivery without the records that its party has withdrawn."""
    ids = gone.get(delivery.party)
    if not ids:
        return delivery
    rows = staying(delivery.encodings.records, ids)
    return replace(delivery, encodings=delivery.encodings.take(rows))


def _require_floor(delivery: Delivery) -> None:
    """The operator measures company for itself: a manifest alone is no proof of the floor."""
    alike, floor = delivery.alike, delivery.schema.floor
    company = len(np.unique(np.concatenate([alike.left, alike.right])))
    component = largest_component(alike, delivery.encodings.rows)
    problems = []
    if floor.decoys:
        # Decoys hide company, so the statement is all there is; but none may show.
        if company:
            problems.append(Problem("decoys", f"{company:,} records show company; under decoys none does"))
        company = max(company, delivery.company["company"])
        component = max(component, delivery.company["largest_component"])
    if company > floor.company * delivery.records:
        problems.append(Problem("company", f"{company:,} of {delivery.records:,} records have company"))
    if component > floor.component:
        problems.append(
            Problem("component", f"{component:,} records hang together; at most {floor.component:,} may")
        )
    if problems:
        raise FloorError(
            problems,
            source=f"the encodings of {delivery.party}",
            advice="Ask the party to encode again; these encodings show too much.",
        )
