"""
What a security reviewer asks of the keys of a project: which there are, where, who can read them,
what each was used for, and what should not be.

No passphrase is needed and no secret is seen.

Source: specs/keys-v1.md, section 8.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from pseudolink.errors import SignatureError
from pseudolink.formats.binary import decode64
from pseudolink.formats.receipt import Receipt
from pseudolink.keys.party import verify
from pseudolink.roles.inventory import Inventory, KeyFound, age_in_days, place_of, scan

FORMAT: Final = "pseudolink/key-audit/1"
FAULT, NOTE = "fault", "note"

#: What a role's folder may hold; everything else in it is a fault.
MAY_HOLD: Final[Mapping[str, frozenset[str]]] = {
    "custodian": frozenset({"party", "linkage", "contribution"}),
    "operator": frozenset({"party"}),
    "releaser": frozenset({"party", "release"}),
    "researcher": frozenset({"party"}),
    "reviewer": frozenset({"party"}),
}


class _Findings:
    def __init__(self, found: Inventory) -> None:
        self.found = found
        self.items: list[dict[str, str]] = []

    def add(self, severity: str, code: str, path: Path, message: str) -> None:
        shown = self.found.shown(path)
        self.items.append({"severity": severity, "code": code, "place": shown, "message": message})


def audit(folders: Sequence[Path], *, today: date | None = None) -> dict[str, Any]:
    """
    Every key in the folders, its uses, and what is wrong: JSON-able, without any secret.

    Raises:
        Nothing for what is found: files that cannot be read are findings too.
    """
    found = scan(folders)
    today = today or datetime.now(UTC).date()
    findings = _Findings(found)
    roles = {one.id: one.role for _, agreed in found.agreements for one in agreed.parties}
    for path, message in found.broken:
        findings.add(FAULT, "unreadable", path, message)
    for key in found.keys:
        _protection(findings, key)
    for path, readers, exposed in found.passphrases:
        if exposed:
            findings.add(
                FAULT, "passphrase-exposed", path, f"can be read by {readers}; chmod 600, and change it"
            )
        if any(key.path.parent == path.parent and key.place == "file" for key in found.keys):
            message = "a passphrase lies beside the keys that it opens; whoever copies the folder has both"
            findings.add(NOTE, "passphrase-beside-key", path, message)
    _places(findings, roles)
    _copies(findings, roles)
    _destroyed(findings)
    uses = _uses(findings)
    _packages(findings)
    return {
        "format": FORMAT,
        "made": today.isoformat(),
        "folders": [str(one) for one in found.roots],
        "keys": [_key(found, one, uses, roles, today) for one in found.keys],
        "destroyed": [
            {"party": made.party, "time": made.time, **vars(one), "certificate": found.shown(path)}
            for path, made in found.certificates
            for one in made.destroyed
        ],
        "ledgers": [
            {"file": found.shown(path), "receipts": len(receipts)} for path, receipts in found.ledgers
        ],
        "packages": len(found.packages),
        "findings": sorted(findings.items, key=lambda one: (one["severity"], one["place"], one["code"])),
        "faults": sum(one["severity"] == FAULT for one in findings.items),
    }


def _key(
    found: Inventory, key: KeyFound, uses: Mapping[Path, list[Any]], roles: Mapping[str, str], today: date
) -> dict[str, Any]:
    place = place_of(found, key.path)
    return {
        "file": found.shown(key.path),
        "purpose": key.purpose,
        "fingerprint": key.fingerprint,
        "party": key.party,
        "role": next((roles[one] for one in _parties_in(found, place) if one in roles), None),
        "created": key.created,
        "age_days": age_in_days(key.created, today),
        "place": key.place,
        "protection": key.protection,
        "readers": key.readers,
        "owner": key.owner,
        "repository": key.repository,
        "uses": uses.get(key.path, []),
    }


def _parties_in(found: Inventory, place: Path) -> list[str]:
    inside = [one for one in found.keys if one.purpose == "party" and one.path.is_relative_to(place)]
    return sorted({one.party for one in inside if one.party is not None})


def _protection(findings: _Findings, key: KeyFound) -> None:
    if key.exposed:
        message = f"can be read or changed by {key.readers}; take it for disclosed"
        findings.add(FAULT, "key-exposed", key.path, message)
    if key.repository:
        message = f"in the repository {key.repository}, one commit away from everybody; move it out"
        findings.add(FAULT, "key-in-repository", key.path, message)
    if key.weak:
        message = "a guess at its passphrase costs less than it should; save it again with this version"
        findings.add(FAULT, "weak-protection", key.path, message)
    if key.fingerprint is None:
        findings.add(
            NOTE, "no-fingerprint", key.path, "made by an earlier version; its uses cannot be traced"
        )


def _places(findings: _Findings, roles: Mapping[str, str]) -> None:
    found = findings.found
    for place in sorted({place_of(found, one.path) for one in found.keys}):
        parties = _parties_in(found, place)
        inside = [
            one for one in found.keys if one.path.is_relative_to(place) and place_of(found, one.path) == place
        ]
        if len(parties) > 1:
            findings.add(FAULT, "two-parties", place, f"keys of {', '.join(parties)} in one folder")
        held = {roles[one] for one in parties if one in roles}
        for key in inside:
            for role in sorted(held):
                if key.purpose not in MAY_HOLD[role]:
                    message = f"a {role} must not hold a {key.purpose} key"
                    findings.add(FAULT, "wrong-role", key.path, message)
        purposes = {one.purpose for one in inside}
        for key in inside:
            if key.purpose == "contribution" and "linkage" in purposes:
                message = "the ceremony is over: destroy the contribution (keys destroy)"
                findings.add(FAULT, "contribution-left", key.path, message)


def _copies(findings: _Findings, roles: Mapping[str, str]) -> None:
    found = findings.found
    alike: dict[tuple[str, str], list[KeyFound]] = defaultdict(list)
    for key in found.keys:
        if key.fingerprint or key.sha256:
            alike[key.purpose, str(key.fingerprint or key.sha256)].append(key)
    for (purpose, _), keys in alike.items():
        by_place: dict[Path, list[KeyFound]] = defaultdict(list)
        for key in keys:
            by_place[place_of(found, key.path)].append(key)
        for inside in by_place.values():
            for copy in inside[1:]:
                message = f"a copy of {found.shown(inside[0].path)}; keep one"
                findings.add(FAULT, "copy", copy.path, message)
        if purpose != "linkage" and len(by_place) > 1:
            first, *others = [inside[0] for inside in by_place.values()]
            for key in others:
                message = f"also in {found.shown(first.path)}; this key is of one party alone"
                findings.add(FAULT, "copy", key.path, message)


def _destroyed(findings: _Findings) -> None:
    found = findings.found
    publics = {one.id: one.signing_key for _, agreed in found.agreements for one in agreed.parties}
    for path, made in found.certificates:
        if made.party in publics:
            try:
                made.verify(publics)
            except SignatureError:
                findings.add(FAULT, "certificate", path, f"the signature of {made.party} does not fit")
        gone = {one.sha256 for one in made.destroyed} | {one.fingerprint for one in made.destroyed}
        purposes = {one.purpose for one in made.destroyed}
        for key in found.keys:
            # Other custodians hold the same linkage key, and destroy their own copy.
            here = place_of(found, key.path) == place_of(found, path)
            if {key.sha256, key.fingerprint} & gone - {None} and key.purpose in purposes and here:
                findings.add(
                    FAULT, "destroyed-and-here", key.path, f"destroyed by {made.party} on {made.time[:10]}"
                )


def _uses(findings: _Findings) -> dict[Path, list[dict[str, Any]]]:
    """Key file -> the receipts that it made, or that name it; receipts without a key are findings."""
    found = findings.found
    publics = {one.id: one.public for _, agreed in found.agreements for one in agreed.parties}
    known = {key.fingerprint for key in found.keys} | {
        one.fingerprint for _, made in found.certificates for one in made.destroyed
    }
    uses: dict[Path, list[dict[str, Any]]] = defaultdict(list)
    for ledger, receipts in found.ledgers:
        for receipt in receipts:
            place = place_of(found, ledger)
            use = {
                "ledger": found.shown(ledger),
                "receipt": receipt.sequence,
                "step": receipt.step,
                "time": receipt.time,
            }
            public = publics.get(receipt.party)
            if public is not None and not _signed(receipt, public.signing_key):
                message = f"receipt {receipt.sequence} is not signed by {receipt.party}"
                findings.add(FAULT, "receipt-signature", ledger, message)
            named = [("party", public.fingerprint if public else None), *_named(receipt)]
            for purpose, fingerprint in named:
                for key in found.keys:
                    mine = key.fingerprint is not None and key.fingerprint == fingerprint
                    if mine and key.purpose == purpose and place_of(found, key.path) == place:
                        uses[key.path].append(use)
                if fingerprint is not None and fingerprint not in known:
                    message = (
                        f"receipt {receipt.sequence} ({receipt.step}) used a {purpose} key that is not here"
                    )
                    findings.add(FAULT, "receipt-without-key", ledger, message)
    return uses


def _named(receipt: Receipt) -> list[tuple[str, str]]:
    keys = receipt.details.get("keys")
    return [(str(a), str(b)) for a, b in keys.items()] if isinstance(keys, Mapping) else []


def _signed(receipt: Receipt, signing_key: str) -> bool:
    try:
        verify(signing_key, receipt.message(), decode64(receipt.signature, 64))
    except SignatureError:
        return False
    return True


def _packages(findings: _Findings) -> None:
    """A package that its sender sealed and did not write down."""
    found = findings.found
    told: dict[str, set[str]] = defaultdict(set)
    for _, receipts in found.ledgers:
        for receipt in receipts:
            told[receipt.party] |= set(_texts(receipt.details))
    for path, manifest, digest in found.packages:
        if manifest.sender in told and digest not in told[manifest.sender]:
            message = f"sealed by {manifest.sender}, and no receipt of it"
            findings.add(FAULT, "use-without-receipt", path, message)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    )
    return [text for one in items for text in _texts(one)]
