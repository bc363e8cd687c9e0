"""
Opens a package, written from specs/package-v1.md alone: nothing of pseudolink is imported.

Its only purpose is to disagree where the specification and the software do.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tomllib
from datetime import date
from typing import Any

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

MAGIC = b"pseudolink/package/1\n"
MANIFEST_KEYS = {
    "format", "artefact", "project", "agreement", "schema", "key_check", "sender", "recipients", "purpose",
    "created", "expires", "rows", "software", "statistics", "heads",
}  # fmt: skip
SENDS = {"encodings": "custodian", "payload": "custodian", "link_map": "operator", "release": "releaser",
         "withdrawal": "custodian", "records": "custodian", "linkage_state": "operator"}  # fmt: skip
RECEIVES = {"encodings": {"operator"}, "payload": {"releaser"}, "link_map": {"releaser"},
            "release": {"researcher", "releaser"}, "withdrawal": {"operator", "releaser"},
            "records": {"custodian"}, "linkage_state": {"operator"}}  # fmt: skip
SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


class Refused(Exception):
    """The package is not to be used."""


def need(condition: object) -> None:
    if not condition:
        raise Refused


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len({key for key, _ in pairs}) == len(pairs))
    return dict(pairs)


def no_float(text: str) -> Any:
    raise Refused


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_canonical(data: bytes) -> Any:
    value = json.loads(
        data.decode("utf-8"), object_pairs_hook=unique, parse_float=no_float, parse_constant=no_float
    )
    need(canonical(value) == data)
    return value


def unbase64(text: str, size: int) -> bytes:
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text and len(data) == size)
    return data


def rung(s: int) -> int:
    if s <= 4096:
        return 4096
    e = (s - 1).bit_length() - 4
    return (s + 2**e - 1) // 2**e * 2**e


def body_size(padded: int) -> int:
    return padded + 56 + 16 * (padded // 16384 + 1)


def is_digest(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text) is not None


def is_party(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch("[a-z0-9][a-z0-9-]{0,31}", text) is not None


def day(text: object) -> date:
    need(isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", text))
    return date.fromisoformat(str(text))


def check_manifest(raw: Any) -> None:
    """Section 3."""
    need(isinstance(raw, dict) and set(raw) == MANIFEST_KEYS)
    need(raw["format"] == "pseudolink/manifest/1" and raw["artefact"] in SENDS)
    for key in ("project", "purpose", "software"):
        need(isinstance(raw[key], str) and 0 < len(raw[key]) <= 2000 and raw[key].strip())
    for key in ("agreement", "schema"):
        need(is_digest(raw[key]))
    check = raw["key_check"]
    need(check is None or (isinstance(check, str) and re.fullmatch("[0-9a-f]{32}", check)))
    need(raw["artefact"] != "encodings" or check is not None)
    need(is_party(raw["sender"]))
    names = raw["recipients"]
    need(isinstance(names, list) and names and all(is_party(one) for one in names))
    need(names == sorted(set(names)))
    need(day(raw["expires"]) >= day(raw["created"]))
    need(type(raw["rows"]) is int and 0 <= raw["rows"] < 2**53)
    need(isinstance(raw["statistics"], dict))
    need(isinstance(raw["heads"], dict) and len(raw["heads"]) <= 256)
    for party, one in raw["heads"].items():
        need(is_party(party) and isinstance(one, dict) and set(one) == {"sequence", "head"})
        need(type(one["sequence"]) is int and 0 <= one["sequence"] < 2**53 and is_digest(one["head"]))


def open_package(
    data: bytes,
    agreement_toml: str,
    digest: str,
    opener: str,
    secret: dict[str, str],
    artefact: str,
    today: date,
) -> tuple[dict[str, Any], bytes]:
    """
    The manifest and the artefact.

    Args:
        digest: of the agreement (agreement-v1, section 3). secret: private keys in hexadecimal.

    Raises:
        Refused: or whatever a parser or a primitive raises on the way.
    """
    # 2: the bytes
    need(data[:21] == MAGIC)
    at = 21
    parts = []
    for most in (4 * 2**20, 256 * 2**10):
        need(len(data) >= at + 4)
        size = int.from_bytes(data[at : at + 4], "big")
        need(0 < size <= most and len(data) >= at + 4 + size)
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    need(len(data) >= at + 8)
    length = int.from_bytes(data[at : at + 8], "big")
    at += 8
    need(len(data) == at + length + 96)
    body, sha, signature = data[at : at + length], data[at + length : at + length + 32], data[-64:]
    manifest = read_canonical(parts[0])
    check_manifest(manifest)
    entries = read_canonical(parts[1])
    need(isinstance(entries, list) and 1 <= len(entries) <= 64)
    need(all(isinstance(one, dict) and set(one) == {"id", "key"} for one in entries))
    keys = {one["id"]: unbase64(one["key"], 1168) for one in entries}
    need([one["id"] for one in entries] == sorted(keys))

    # 4.1, 6.2: whose it is
    agreed = tomllib.loads(agreement_toml)
    parties = {one["id"]: one for one in agreed["parties"]}
    need(manifest["agreement"] == digest and manifest["sender"] in parties)
    sender = parties[manifest["sender"]]
    public = Ed25519PublicKey.from_public_bytes(unbase64(sender["signing_key"], 32))
    public.verify(signature, b"pseudolink/package-signature/1\x00" + data[:at] + sha)

    # 4.2 to 4.5
    for key in ("project", "purpose", "schema"):
        need(manifest[key] == agreed[key])
    kind = manifest["artefact"]
    need(sender["role"] == SENDS[kind])
    listed = agreed["recipients"]
    if kind == "withdrawal":
        allowed = sorted({*listed["encodings"], *listed["payload"]})
    elif kind in ("records", "linkage_state"):
        allowed = [manifest["sender"]]
    else:
        allowed = sorted(listed[kind])
    need(manifest["recipients"] == allowed == sorted(keys))
    need(all(parties[one]["role"] in RECEIVES[kind] for one in allowed))

    # 6.3, 4.6
    need(opener in parties and parties[opener]["role"] in RECEIVES[kind] and opener in keys)
    need(day(manifest["expires"]) <= agreed["expires"] and agreed["starts"] <= today <= agreed["expires"])
    need(today <= day(manifest["expires"]) and kind == artefact)

    # 6.4
    need(hashlib.sha256(data[: at + length]).digest() == sha)

    # 2.6, 2.7, 2.8
    binding = hashlib.sha256(parts[0]).digest()
    info = canonical(
        {
            "format": "pseudolink/package-key/1",
            **{one: manifest[one] for one in ("project", "artefact", "sender", "purpose", "expires")},
            "recipient": opener,
            "role": parties[opener]["role"],
            "manifest": binding.hex(),
        }
    )
    private = hpke.MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(secret["mlkem768_seed"])),
        X25519PrivateKey.from_private_bytes(bytes.fromhex(secret["x25519"])),
    )
    data_key = SUITE.decrypt(keys[opener], private, info=info)
    decryptor = Cobblestone256Decryptor(data_key, b"pseudolink/package-body/1\x00" + binding)
    padded = decryptor.update(body) + decryptor.finalize()
    size = int.from_bytes(padded[:8], "big")
    need(size <= 2**40 and rung(8 + size) == len(padded) and body_size(len(padded)) == length)
    content, rest = padded[8 : 8 + size], padded[8 + size :]
    need(rest == bytes(len(rest)))
    return manifest, content
