"""
The signatures of an agreement: one canonical JSON line a party, in a file beside it.

Source: specs/agreement-v1.md, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pseudolink import files
from pseudolink.errors import AgreementUnsignedError, ArtefactError, Problem, SignatureError
from pseudolink.formats import canonical
from pseudolink.formats.binary import decode64, encode64
from pseudolink.keys.party import SIGNATURE_BYTES, PartyKey, verify

FORMAT = "pseudolink/agreement-signature/1"
AMENDED = "pseudolink/agreement-amended/1"
_LARGEST = 1024 * 1024
_SIGNED = ("agreement", "date", "format", "key_check", "party")
_AMENDED_SIGNED = ("agreement", "by", "date", "format", "party")


def message(signed: Mapping[str, Any]) -> bytes:
    # agreement-v1 §5.2: the domain keeps this signature from being read as one over anything else.
    return b"pseudolink/agreement-signature/1\x00" + canonical.dumps(signed)


def read_lines(path: Path) -> list[tuple[str, bytes]]:
    """Lines of the signatures file with their places; no file is no lines."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AgreementUnsignedError(
            [Problem("", error.strerror or "cannot be read")], source=path.name
        ) from None
    if len(data) > _LARGEST:
        raise AgreementUnsignedError(
            [Problem("", "larger than a file of signatures can be")], source=path.name
        )
    return [(f"line {at}", line) for at, line in enumerate(data.splitlines(), start=1) if line.strip()]


def party_of(line: bytes) -> object:
    try:
        return canonical.loads(line)["party"]
    except (ArtefactError, KeyError, TypeError):
        return None


def kind_of(line: bytes) -> object:
    try:
        return canonical.loads(line)["format"]
    except (ArtefactError, KeyError, TypeError):
        return None


def day_of(line: bytes) -> str:
    """The day that a checked line says."""
    return str(canonical.loads(line)["date"])


def make_amended(digest: str, by: str, key: PartyKey, day: date) -> bytes:
    """A party's line that says: I signed the version ``by``, and the version ``digest`` is over."""
    signed = {"format": AMENDED, "party": key.id, "agreement": digest, "by": by, "date": day.isoformat()}
    signature = key.sign(AMENDED.encode() + b"\x00" + canonical.dumps(signed))
    return canonical.dumps({**signed, "signature": encode64(signature)})


def amended_by(path: Path, digest: str, parties: Mapping[str, str]) -> list[str]:
    """
    The parties that signed a version that amends the one of this digest, in order.

    A line that does not fit is nobody's word, and is passed over.
    """
    found = set()
    for _, line in read_lines(path):
        if kind_of(line) != AMENDED:
            continue
        raw = canonical.loads(line)
        try:
            if set(raw) != {*_AMENDED_SIGNED, "signature"} or raw["agreement"] != digest:
                continue
            signed = {key: raw[key] for key in _AMENDED_SIGNED}
            signature = decode64(raw["signature"], SIGNATURE_BYTES)
            verify(parties[raw["party"]], AMENDED.encode() + b"\x00" + canonical.dumps(signed), signature)
        except (KeyError, TypeError, ValueError, SignatureError):
            continue
        found.add(raw["party"])
    return sorted(found)


def make_line(digest: str, key: PartyKey, key_check: str | None, day: date) -> bytes:
    """A party's signature line over an agreement's digest."""
    signed = {
        "format": FORMAT,
        "party": key.id,
        "agreement": digest,
        "key_check": key_check,
        "date": day.isoformat(),
    }
    return canonical.dumps({**signed, "signature": encode64(key.sign(message(signed)))})


def is_check(text: object) -> bool:
    return isinstance(text, str) and len(text) == 32 and not set(text) - set("0123456789abcdef")


def check_line(line: bytes, digest: str, parties: Mapping[str, tuple[str, str]]) -> tuple[str, str | None]:
    """
    Check one line of a signatures file.

    Args:
        digest: of the agreement.
        parties: id -> (role, public signing key in base64).

    Returns:
        the party that signed, and its check value of the linkage key.

    Raises:
        ValueError: says what is wrong with the line.
    """
    try:
        raw = canonical.loads(line)
    except ArtefactError:
        raise ValueError("not a canonical JSON line") from None
    if not isinstance(raw, dict) or set(raw) != {*_SIGNED, "signature"} or raw["format"] != FORMAT:
        raise ValueError("not a signature of an agreement")
    party = raw["party"]
    if not isinstance(party, str) or party not in parties:
        raise ValueError("signed by one who is not a party")
    role, signing_key = parties[party]
    if raw["agreement"] != digest:
        raise ValueError(f"{party} signed another text of the agreement; sign again")
    try:
        signature = decode64(raw["signature"], SIGNATURE_BYTES)
        verify(signing_key, message({key: raw[key] for key in _SIGNED}), signature)
        date.fromisoformat(raw["date"])
    except (ValueError, TypeError, SignatureError):
        raise ValueError(f"the signature of {party} does not fit") from None
    value = raw["key_check"]
    if value is not None and (role != "custodian" or not is_check(value)):
        raise ValueError(f"{party} signed a check value that it cannot have")
    return party, value


def replace_line(target: Path, line: bytes, party: str) -> None:
    """Put a party's line in the place of its own earlier one of the same kind."""
    kind = kind_of(line)
    kept = [one for _, one in read_lines(target) if party_of(one) != party or kind_of(one) != kind]
    files.write_bytes(target, b"".join(one + b"\n" for one in [*kept, line]), overwrite=True)
