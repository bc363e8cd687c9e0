"""
What the operator opens: a package of encodings from every party, each checked before it is used.

Source: specs/package-v1.md; specs/encoding-v1.md, section 7.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from pseudolink.agreement import Agreement
from pseudolink.errors import ArtefactError, FloorError, MixedArtefactsError, Problem
from pseudolink.formats.manifest import Manifest
from pseudolink.formats.statistics import Statistics
from pseudolink.formats.stored import open_stored
from pseudolink.keys.party import PartyKey
from pseudolink.match.compare import largest_component
from pseudolink.roles.linkage import LOCAL, Delivery, Joins, Report
from pseudolink.roles.stated import statistics_problems
from pseudolink.schema import LinkageSchema
from pseudolink.seal.package import file_digest, open_package


def open_all(
    packages: Sequence[Path],
    folder: Path,
    agreed: Agreement,
    design: LinkageSchema,
    key: PartyKey,
    today: date,
    report: Report,
    joins: Joins = LOCAL,
) -> tuple[list[Delivery], dict[str, str]]:
    """Every delivery, the cohort's first, and the digest of every package by party."""
    manifests: list[Manifest] = []
    deliveries: list[Delivery] = []
    digests = {}
    for number, package in enumerate(packages):
        report("open", number, len(packages))
        plain = folder / f"{number}.parquet"
        manifest = open_package(
            package, plain, agreement=agreed, recipient=key, artefact="encodings", today=today
        )
        manifests.append(manifest)
        deliveries.append(_delivery(plain, manifest, agreed, design, joins))
        digests[manifest.sender] = file_digest(package)
    report("open", len(packages), len(packages))
    problems = _mixed(manifests, agreed)
    if problems:
        raise MixedArtefactsError(problems)
    deliveries.sort(key=lambda d: (d.party != agreed.cohort.id, d.party))
    return deliveries, dict(sorted(digests.items()))


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


def _require_floor(delivery: Delivery) -> None:
    """The operator measures company for itself: a manifest alone is no proof of the floor."""
    alike, floor = delivery.alike, delivery.schema.floor
    company = len(np.unique(np.concatenate([alike.left, alike.right])))
    component = largest_component(alike, delivery.encodings.rows)
    problems = []
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
