"""
Sealing a custodian's delivery, one artefact after another.
"""

from __future__ import annotations

from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pseudolink.agreement import Agreement, Party, today_utc
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey
from pseudolink.roles.withdrawing import RECORDS
from pseudolink.seal.package import seal

SUFFIX = ".package"


class Sealer:
    """Seals one artefact after another into the folder of a delivery."""

    def __init__(
        self, folder: Path, agreed: Agreement, party: Party, key: PartyKey, check: str, today: date | None
    ) -> None:
        self.folder, self.agreed, self.party, self.key, self.check = folder, agreed, party, key, check
        self.today = today or today_utc()
        self.heads: dict[str, dict[str, Any]] = {}

    def __call__(self, artefact: str, plain: Path, rows: int, statistics: dict[str, Any]) -> str:
        """Seal ``plain``, remove it, and return the package's digest."""
        manifest = Manifest(
            artefact=artefact,
            project=self.agreed.project,
            agreement=self.agreed.digest,
            schema=self.agreed.schema,
            key_check=self.check,
            sender=self.party.id,
            recipients=(self.party.id,)
            if artefact == RECORDS
            else tuple(p.id for p in self.agreed.recipients_of(artefact)),
            purpose=self.agreed.purpose,
            created=self.today.isoformat(),
            expires=self.agreed.expires.isoformat(),
            rows=rows,
            software=f"pseudolink {version('pseudolink')}",
            statistics=statistics,
            heads=self.heads,
        )
        target = self.folder / f"{self.party.id}.{artefact}{SUFFIX}"
        digest = seal(plain, target, manifest, self.agreed, self.key, today=self.today)
        plain.unlink()
        return digest
