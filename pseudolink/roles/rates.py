"""
The releaser: linkage rates by subgroup, from the sealed link map and payloads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path

from pseudolink import files
from pseudolink.agreement import load_signed, require_own_key, today_utc
from pseudolink.errors import MixedArtefactsError, NotPermittedError, Problem
from pseudolink.formats import linkmap
from pseudolink.formats import payload as payloads
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain
from pseudolink.release.rates import FEWEST, ROUNDED_TO, Rate, linkage_rates
from pseudolink.report.rates import render
from pseudolink.seal.package import file_digest, open_package

FORMAT = "pseudolink/linkage-rates/1"
FILE = "linkage-rates.json"
PAGE = "linkage-rates.html"
STATEMENT = (
    "Counts for reporting on the quality of the linkage. They must not be given to a local authority "
    "or another public agency, and must not be used for decisions about individuals or families."
)


def rates(
    link_map: Path,
    payload_packages: Sequence[Path],
    by: Sequence[str],
    *,
    band: int | None = None,
    agreement: Path,
    key: PartyKey,
    output: Path,
    ledger: Path,
    today: date | None = None,
) -> list[Rate]:
    """
    Count the records of each subgroup that are linked; see ``release.rates.linkage_rates``.

    Args:
        output: new folder; gets ``linkage-rates.json`` and a page of it.

    Raises:
        PseudolinkError: whatever does not fit; no output is left then.
    """
    files.refuse_existing(output)
    today = today or today_utc()
    agreed = load_signed(agreement, today)
    party = require_own_key(agreed, key)
    if party.role != "releaser":
        raise NotPermittedError(f"{party.id!r} is not the releaser; only the releaser counts")
    with files.new_folder(output) as folder:
        plain = folder / "opened.parquet"
        open_package(link_map, plain, agreement=agreed, recipient=key, artefact="link_map", today=today)
        links = linkmap.load(plain)
        plain.unlink()
        tables, problems = {}, []
        for package in payload_packages:
            manifest = open_package(
                package, plain, agreement=agreed, recipient=key, artefact="payload", today=today
            )
            sender = agreed.party(manifest.sender)
            if sender.id in tables:
                problems.append(Problem(sender.id, "has sent two payloads; count one delivery of each party"))
            tables[sender.id] = payloads.load(
                plain, party=sender.id, permitted=sender.attributes, cohort=sender.cohort
            )
            plain.unlink()
        if agreed.cohort.id not in tables:
            problems.append(Problem(agreed.cohort.id, "the cohort's payload is missing"))
        if problems:
            raise MixedArtefactsError(problems)
        found = linkage_rates(links, tables, by, cohort=agreed.cohort.id, band=band)
        data = {
            "format": FORMAT,
            "project": agreed.project,
            "agreement": agreed.digest,
            "created": today.isoformat(),
            "software": f"pseudolink {version('pseudolink')}",
            "statement": STATEMENT,
            "rules": {"fewest": FEWEST, "rounded_to": ROUNDED_TO},
            "rates": [asdict(one) for one in found],
        }
        (folder / FILE).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        (folder / PAGE).write_text(render(data), encoding="utf-8")
        chain.append(
            ledger,
            key,
            step="rates",
            agreement=agreed.digest,
            details={
                "link_map": file_digest(link_map),
                "by": list(by),
                FILE: file_digest(folder / FILE),
            },
        )
    return found
