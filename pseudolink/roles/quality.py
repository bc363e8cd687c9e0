"""
The quality of a linkage as it goes with a release: by agency and by the subgroups that are agreed.

Source: specs/release-v1.md, 6.3; specs/rates-v1.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv

from pseudolink.agreement import Agreement
from pseudolink.formats.manifest import Manifest
from pseudolink.formats.released import LINKAGE, LINKAGE_TABLE
from pseudolink.release.microdata.rules import Rules
from pseudolink.release.rates import FEWEST, ROUNDED_TO, Rate, linkage_rates
from pseudolink.roles.arrivals import Arrived

FORMAT: Final = "pseudolink/linkage-quality/1"
#: (guideline, item, what it asks for, where the answer stands)
ITEMS: Final = (
    ("RECORD", "1.3", "whether databases were linked, in title or abstract", "parties"),
    ("RECORD", "6.3", "individuals with linked data at each stage", "rates, attribute (all)"),
    ("RECORD", "12.3", "level of linkage, methods, evaluation of its quality", "method, pairs, rates"),
    ("RECORD", "13.1", "selection of those included, data availability and linkage", "rates"),
    ("GUILD", "1", "populations and identifiers of each source before linkage", "parties, rates; the schema"),
    ("GUILD", "2", "how records were linked, and by whom", "method"),
    ("GUILD", "3", "linkage error, and characteristics of linked and unlinked records", "pairs, rates"),
)
METHOD: Final = (
    "Persons, by probabilistic linkage of encodings under the linkage schema named by its digest. The "
    "linkage unit held neither identifiers in clear nor attributes; precision and recall are what its "
    "model expects, without a truth to compare with. Rates were counted by the research environment."
)


def measure(arrived: Arrived, agreed: Agreement, rules: Rules | None) -> list[Rate]:
    """
    How many records of every party are linked, in all and by the subgroups of the agreement.

    Raises:
        ReleaseError: a subgroup of an attribute that no payload has, or of far too many values.
    """
    if agreed.cohort.id not in arrived.payloads:
        return []
    return linkage_rates(
        arrived.link_map,
        arrived.payloads,
        () if rules is None else rules.subgroups,
        cohort=agreed.cohort.id,
        bands={} if rules is None else rules.bands,
        overall=True,
    )


def write(
    folder: Path, rates: Sequence[Rate], agreed: Agreement, manifest: Manifest, today: date
) -> list[str]:
    """Write ``linkage.json`` and ``linkage.csv``; returns their names."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "project": agreed.project,
        "agreement": agreed.digest,
        "schema": agreed.schema,
        "created": today.isoformat(),
        "software": f"pseudolink {version('pseudolink')}",
        "method": METHOD,
        "parties": {one.id: one.name for one in agreed.of_role("custodian")},
        "pairs": manifest.statistics.get("pairs", []),
        "rules": {"fewest": FEWEST, "rounded_to": ROUNDED_TO},
        "rates": [asdict(one) for one in rates],
        "items": [dict(zip(("guideline", "item", "asks_for", "here"), one, strict=True)) for one in ITEMS],
    }
    (folder / LINKAGE).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8", newline="\n")
    kinds = {"records": pa.int64(), "linked": pa.int64(), "rate": pa.int64()}
    columns = {
        one.name: pa.array([getattr(r, one.name) for r in rates], kinds.get(one.name, pa.string()))
        for one in fields(Rate)
    }
    pa.csv.write_csv(pa.table(columns), folder / LINKAGE_TABLE)
    return [LINKAGE, LINKAGE_TABLE]
