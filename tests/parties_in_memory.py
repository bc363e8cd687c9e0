"""
Parties, an agreement and a package in memory, for the tests of everything that trusts them.

The keys come from the parties' names, so that they are the same in every run. They guard nothing.
"""

from __future__ import annotations

import copy
import hashlib
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pseudolink.agreement import Agreement, parse_agreement, sign_agreement
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey

PASSPHRASE = "correct horse battery staple"
TODAY = date(2026, 6, 1)
SCHEMA = hashlib.sha256(b"a linkage schema").hexdigest()
KEY_CHECK = "0123456789abcdef0123456789abcdef"
ROLES = {
    "council": "custodian",
    "schools": "custodian",
    "police": "custodian",
    "unit": "operator",
    "vault": "releaser",
    "university": "researcher",
    "auditor": "reviewer",
}


def seed_of(name: str, use: str, size: int) -> bytes:
    """The bytes that one private key of a test party is made of."""
    return hashlib.shake_256(f"pseudolink tests, {use} of {name}".encode()).digest(size)


@lru_cache
def key_of(name: str, party_id: str | None = None) -> PartyKey:
    """The private keys that a name stands for."""
    return PartyKey(
        party_id or name,
        Ed25519PrivateKey.from_private_bytes(seed_of(name, "signing", 32)),
        MLKEM768PrivateKey.from_seed_bytes(seed_of(name, "mlkem", 64)),
        X25519PrivateKey.from_private_bytes(seed_of(name, "x25519", 32)),
    )


@lru_cache
def _raw() -> dict[str, Any]:
    parties = []
    for name, role in ROLES.items():
        public = key_of(name).public
        entry: dict[str, Any] = {
            "id": name,
            "name": f"The {name}",
            "role": role,
            "signing_key": public.signing_key,
            "sealing_key": public.sealing_key,
        }
        if role == "custodian":
            entry |= {"cohort": name == "council", "fields": ["forename", "dob"], "attributes": ["arm"]}
        parties.append(entry)
    return {
        "format": "pseudolink/agreement/1",
        "project": "families",
        "purpose": "Research on a programme for families; no decision about a person.",
        "schema": SCHEMA,
        "starts": date(2026, 4, 1),
        "expires": date(2031, 3, 31),
        "programme_ids": "pseudonym",
        "objections": "By a list before encoding.",
        "reviews": [date(2027, 4, 1), date(2029, 4, 1)],
        "floor": {"company": "0.05", "component": 20},
        "parties": parties,
        "recipients": {
            "encodings": ["unit"],
            "payload": ["vault"],
            "link_map": ["vault"],
            "release": ["university"],
        },
    }


def raw_agreement(**changes: Any) -> dict[str, Any]:
    """An agreement as parsed TOML; a change of None takes the key away."""
    raw = {**copy.deepcopy(_raw()), **changes}
    return {key: value for key, value in raw.items() if value is not None}


def agreed(**changes: Any) -> Agreement:
    return parse_agreement(raw_agreement(**changes))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def toml(raw: dict[str, Any]) -> str:
    """The agreement as a file."""
    tables = ("parties", "recipients", "floor")
    lines = [f"{key} = {_value(value)}" for key, value in raw.items() if key not in tables]
    if "floor" in raw:
        lines += ["", "[floor]", *(f"{key} = {_value(value)}" for key, value in raw["floor"].items())]
    for party in raw["parties"]:
        lines += ["", "[[parties]]", *(f"{key} = {_value(value)}" for key, value in party.items())]
    lines += ["", "[recipients]", *(f"{key} = {_value(value)}" for key, value in raw["recipients"].items())]
    return "\n".join(lines) + "\n"


def write_agreement(folder: Path, *, sign: bool = True, **changes: Any) -> Path:
    """An agreement file, signed by every party unless told otherwise."""
    path = folder / "agreement.toml"
    path.write_text(toml(raw_agreement(**changes)), encoding="utf-8")
    for name, role in ROLES.items() if sign else ():
        check = KEY_CHECK if role == "custodian" else None
        sign_agreement(path, key_of(name), check, today=TODAY)
    return path


def _recipients(agreement: Agreement, artefact: str, sender: str) -> tuple[str, ...]:
    if artefact == "records":
        return (sender,)
    if artefact == "withdrawal":
        return tuple(sorted({*agreement.recipients["encodings"], *agreement.recipients["payload"]}))
    return tuple(one.id for one in agreement.recipients_of(artefact))


def manifest_of(agreement: Agreement, artefact: str = "encodings", /, **changes: Any) -> Manifest:
    """A manifest that the agreement bears out."""
    sender = {"link_map": "unit", "release": "vault"}.get(artefact, "council")
    values: dict[str, Any] = {
        "artefact": artefact,
        "project": agreement.project,
        "agreement": agreement.digest,
        "schema": agreement.schema,
        "key_check": KEY_CHECK if artefact == "encodings" else None,
        "sender": sender,
        "recipients": _recipients(agreement, artefact, sender),
        "purpose": agreement.purpose,
        "created": "2026-05-01",
        "expires": "2031-03-31",
        "rows": 3,
        "software": "pseudolink 0.1.0",
        "statistics": {"passes": {"dob": {"tokens": 3}}},
    }
    return Manifest(**(values | changes))
