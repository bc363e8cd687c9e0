"""
What is past its date in the folders of a project, and destroying it.

Source: specs/keys-v1.md, section 9.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from pseudolink.errors import KeyFileError
from pseudolink.formats import released
from pseudolink.keys import destruction
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain
from pseudolink.roles.inventory import Inventory, KeyFound, scan


@dataclass(frozen=True)
class Item:
    """
    Something with a date.

    kind: package, release, key, agreement or review. expires: ISO. path: as it lies there.
    party: whose key it says that it is, where it does.
    """

    kind: str
    name: str
    expires: str
    past: bool
    path: Path
    party: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-able data."""
        return {"kind": self.kind, "file": self.name, "expires": self.expires, "past": self.past}


def listed(folder: Path, today: date) -> list[Item]:
    """Everything in a folder that has a date, what is past it first, then by date."""
    found = scan([folder])
    items = [_item(found, "package", path, manifest.expires, today) for path, manifest, _ in found.packages]
    items += [_item(found, "release", path, str(raw["expires"]), today) for path, raw in found.releases]
    for path, agreed in found.agreements:
        items.append(_item(found, "agreement", path, agreed.expires.isoformat(), today))
        items += [_item(found, "review", path, day.isoformat(), today) for day in agreed.reviews]
    ends = _ends(found)
    for key in found.keys:
        end = _end_of(key, ends)
        if end is not None:
            made = _item(found, "key", key.path, end.isoformat(), today)
            items.append(replace(made, party=key.party))
    return sorted(items, key=lambda one: (not one.past, one.expires, one.name, one.kind))


def _item(found: Inventory, kind: str, path: Path, expires: str, today: date) -> Item:
    return Item(kind, found.shown(path), expires, date.fromisoformat(expires) < today, path)


def _ends(found: Inventory) -> Mapping[str, date]:
    """
    Fingerprint or commitment of a key -> the last day of the agreements that it serves.

    A party's key is in the agreement; a linkage or release key is named by receipts under it.
    """
    ends: dict[str, date] = {}

    def serve(fingerprint: str, last: date) -> None:
        ends[fingerprint] = max(last, ends.get(fingerprint, last))

    by_digest = {agreed.digest: agreed.expires for _, agreed in found.agreements}
    for _, agreed in found.agreements:
        for party in agreed.parties:
            serve(party.public.fingerprint, agreed.expires)
    for _, receipts in found.ledgers:
        for receipt in receipts:
            named = receipt.details.get("keys")
            if receipt.agreement in by_digest and isinstance(named, Mapping):
                for fingerprint in named.values():
                    serve(str(fingerprint), by_digest[receipt.agreement])
    return ends


def _end_of(key: KeyFound, ends: Mapping[str, date]) -> date | None:
    return ends.get(key.fingerprint) if key.fingerprint else None


def destroy(
    folder: Path, key: PartyKey, *, ledger: Path, agreement: str, today: date, pin: str | None = None
) -> list[Item]:
    """
    Destroy what is past its date: packages and releases overwritten, keys with a certificate.

    Agreements, signatures, ledgers and certificates stay: they are the evidence.

    Args:
        key: the party's own, which signs; itself destroyed last when it is past its date.
        ledger: where the receipt goes. agreement: digest for the receipt.
        pin: of the token, when a linkage key past its date is in one.

    Returns:
        what was destroyed.

    Raises:
        KeyFileError: a key past its date is another party's; then nothing is destroyed.
        OutputError: a file could not be overwritten; what came before it is gone.
    """
    gone = [one for one in listed(folder, today) if one.past and one.kind in ("package", "release", "key")]
    if not gone:
        return []
    others = [one.name for one in gone if one.party not in (None, key.id)]
    if others:
        raise KeyFileError(
            f"keys of other parties than {key.id!r} are past their date: {', '.join(others)}; "
            "nothing was destroyed",
            advice="Each party destroys its own: name its folder alone.",
        )
    kinds = {kind: sum(one.kind == kind for one in gone) for kind in ("package", "release", "key")}
    # The receipt first: afterwards the key that signs may be gone, and with it the trace.
    chain.append(ledger, key, step="destroy", agreement=agreement, details={"expired": kinds})
    for one in gone:
        if one.kind == "package":
            destruction.overwrite(one.path)
        elif one.kind == "release":
            _release(one.path)
    # The key that signs goes last: a run that is killed before can be begun again.
    keys = sorted((one for one in gone if one.kind == "key"), key=lambda one: one.party == key.id)
    if keys:
        destruction.destroy([one.path for one in keys], key, agreement=agreement, pin=pin)
    return gone


def _release(description: Path) -> None:
    """The files of a release; whatever else people put into its folder is not for software to judge."""
    folder = description.parent
    further = json.loads(description.read_bytes()).get("further", {})
    # The description last: a run that is killed before finds the release again.
    for path in sorted(folder.iterdir(), key=lambda one: (one == description, one.name)):
        if released.is_file_of(path.name, further) and path.is_file() and not path.is_symlink():
            destruction.overwrite(path)
    if not any(folder.iterdir()):
        folder.rmdir()
