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
from pseudolink.agreement import load_signed, today_utc
from pseudolink.errors import MixedArtefactsError, Problem
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain
from pseudolink.release.rates import FEWEST, ROUNDED_TO, Rate, linkage_rates
from pseudolink.report.rates import render
from pseudolink.roles.arrivals import open_all
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.standing import require_role
from pseudolink.seal.package import file_digest

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
    withdrawals: Sequence[Path] = (),
    today: date | None = None,
) -> list[Rate]:
    """
    Count the records of each subgroup that are linked; see ``release.rates.linkage_rates``.

    Args:
        output: new folder; gets ``linkage-rates.json`` and a page of it. withdrawals: packages of
            custodians; who withdrew is not counted.

    Raises:
        PseudolinkError: whatever does not fit; no output is left then.
    """
    files.refuse_existing(output)
    today = today or today_utc()
    agreed = load_signed(agreement, today)
    party = require_role(agreed, key, "releaser", "counts")
    exchange = Exchange(ledger, party.id)
    with files.new_folder(output) as folder:
        with files.scratch_folder(folder / "work") as work:
            arrived = open_all(
                link_map,
                payload_packages,
                work,
                agreed=agreed,
                key=key,
                today=today,
                exchange=exchange,
                withdrawals=withdrawals,
            )
            if agreed.cohort.id not in arrived.payloads:
                raise MixedArtefactsError([Problem(agreed.cohort.id, "the cohort's payload is missing")])
            found = linkage_rates(arrived.link_map, arrived.payloads, by, cohort=agreed.cohort.id, band=band)
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
        (folder / FILE).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8", newline="\n")
        (folder / PAGE).write_text(render(data), encoding="utf-8", newline="\n")
        chain.append(
            ledger,
            key,
            step="rates",
            agreement=agreed.digest,
            details={
                "link_map": file_digest(link_map),
                "by": list(by),
                **exchange.details(),
                FILE: file_digest(folder / FILE),
            },
        )
    return found
