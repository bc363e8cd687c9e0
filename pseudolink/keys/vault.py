"""
Secrets at rest: a key file opened by a passphrase, and the rules for the file itself.

Argon2id (RFC 9106, the second recommended setting) makes a key of the passphrase,
ChaCha20-Poly1305 seals the secret, and the whole header is authenticated with it.

Source: specs/keys-v1.md, section 2.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from pseudolink import files
from pseudolink.errors import (
    ArtefactError,
    KeyDestroyedError,
    KeyExposedError,
    KeyFileError,
    OutputError,
    PassphraseError,
)
from pseudolink.formats import canonical
from pseudolink.formats.binary import decode64, encode64
from pseudolink.keys import certificate, places
from pseudolink.portable import open_to_others

FORMAT = "pseudolink/key/1"
SHORTEST_PASSPHRASE = 12
LONGEST_PASSPHRASE = 1024

#: What a key file may hold, in words.
PURPOSES: Final = {
    "party": "a party's private keys",
    "linkage": "a linkage key",
    "release": "a release key",
    "contribution": "a contribution to a linkage key",
}


class Cost(NamedTuple):
    """The price of one guess at a passphrase; memory in KiB."""

    iterations: int
    lanes: int
    memory: int


# RFC 9106, section 4: the setting for memory-constrained places (3 passes over 64 MiB).
_COST = Cost(iterations=3, lanes=4, memory=64 * 1024)
# keys-v1 §2.4: a file from elsewhere must not make its reader work for hours or fill its memory.
_MOST = Cost(iterations=16, lanes=16, memory=1024 * 1024)
_LARGEST_FILE = 64 * 1024
_SALT, _NONCE, _TAG = 16, 12, 16
_SPOKEN = re.compile(r"[0-9a-f]{4}(-[0-9a-f]{4}){7}")
_PARTY = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def _passphrase(text: str, *, new: bool) -> bytes:
    # Two keyboards may spell the same accented letter with different code points.
    raw = unicodedata.normalize("NFC", text)
    if new and len(raw) < SHORTEST_PASSPHRASE:
        raise PassphraseError(
            f"the passphrase is shorter than {SHORTEST_PASSPHRASE} characters",
            advice="Five or more random words make a good one.",
        )
    if new:
        places.refuse_weak(raw)
    if len(raw) > LONGEST_PASSPHRASE:
        raise PassphraseError(f"the passphrase is longer than {LONGEST_PASSPHRASE} characters")
    try:
        return raw.encode("utf-8")
    except UnicodeEncodeError:
        raise PassphraseError("the passphrase is not text") from None


def _stretch(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    kdf = Argon2id(
        salt=salt, length=32, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory
    )
    return kdf.derive(passphrase)


def _aad(header: dict[str, Any]) -> bytes:
    return b"pseudolink/key-header/1\x00" + canonical.dumps(header)


def protect(secret: bytes, passphrase: str, purpose: str, about: Mapping[str, Any] | None = None) -> bytes:
    """
    Seal a secret for one purpose under a passphrase.

    Args:
        purpose: one of :data:`PURPOSES`; a file made for one is never read for another.
        about: public facts that the file carries in clear (:func:`facts`); authenticated with the rest.

    Returns:
        the bytes of a key file.

    Raises:
        PassphraseError: shorter than 12 characters.

    Source: specs/keys-v1.md, section 2.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"no such purpose: {purpose}")
    stretched = _passphrase(passphrase, new=True)
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    header = {
        "format": FORMAT,
        "purpose": purpose,
        "kdf": {"name": "argon2id", "salt": encode64(salt), **_COST._asdict()},
        "cipher": {"name": "chacha20-poly1305", "nonce": encode64(nonce)},
    }
    if about is not None:
        header["about"] = dict(about)
    box = ChaCha20Poly1305(_stretch(stretched, salt, _COST)).encrypt(nonce, secret, _aad(header))
    return canonical.dumps({**header, "sealed": encode64(box)}) + b"\n"


class _Parsed(NamedTuple):
    header: dict[str, Any]
    purpose: str
    cost: Cost
    salt: bytes
    nonce: bytes
    box: bytes


def _number(value: object, least: int, most: int, what: str) -> int:
    if type(value) is not int or not least <= value <= most:
        raise KeyFileError(f"the key file asks for {what} outside {least} to {most}")
    return value


def _parse(data: bytes) -> _Parsed:
    damaged = KeyFileError("not a pseudolink key file, or a damaged one")
    if data.endswith(b"\r\n"):
        raise KeyFileError(
            "the key file has line ends of Windows: it was changed on the way",
            advice="Carry it as a binary file; a program that sends text changes line ends.",
        )
    if len(data) > _LARGEST_FILE or not data.endswith(b"\n"):
        raise damaged
    try:
        raw = canonical.loads(data[:-1])
        names = {"format", "purpose", "kdf", "cipher", "sealed"}
        if set(raw) - {"about"} != names or raw["format"] != FORMAT:
            raise damaged
        if not _about_fits(raw.get("about")):
            raise damaged
        kdf, cipher = raw["kdf"], raw["cipher"]
        if set(kdf) != {"name", "salt", "iterations", "lanes", "memory"} or kdf["name"] != "argon2id":
            raise damaged
        if set(cipher) != {"name", "nonce"} or cipher["name"] != "chacha20-poly1305":
            raise damaged
        salt, nonce = decode64(kdf["salt"], _SALT), decode64(cipher["nonce"], _NONCE)
        box = decode64(raw["sealed"])
    except (ArtefactError, ValueError, TypeError):
        raise damaged from None
    if raw["purpose"] not in PURPOSES or len(box) < _TAG:
        raise damaged
    lanes = _number(kdf["lanes"], 1, _MOST.lanes, "lanes")
    cost = Cost(
        iterations=_number(kdf["iterations"], 1, _MOST.iterations, "iterations"),
        lanes=lanes,
        memory=_number(kdf["memory"], 8 * lanes, _MOST.memory, "memory (KiB)"),
    )
    header = {key: value for key, value in raw.items() if key != "sealed"}
    return _Parsed(header, raw["purpose"], cost, salt, nonce, box)


def facts(fingerprint: str | None, party: str | None = None) -> dict[str, Any]:
    """What a new key file says of itself in clear: its fingerprint, whose it is, the day it was made."""
    return {"created": datetime.now(UTC).date().isoformat(), "fingerprint": fingerprint, "party": party}


def _about_fits(about: object) -> bool:
    if about is None:
        return True
    if not isinstance(about, dict) or set(about) != {"created", "fingerprint", "party"}:
        return False
    fingerprint, party = about["fingerprint"], about["party"]
    try:
        date.fromisoformat(about["created"])
    except (TypeError, ValueError):
        return False
    spoken = fingerprint is None or (
        isinstance(fingerprint, str) and _SPOKEN.fullmatch(fingerprint) is not None
    )
    return spoken and (party is None or (isinstance(party, str) and _PARTY.fullmatch(party) is not None))


def unprotect(data: bytes, passphrase: str, purpose: str) -> bytes:
    """
    Open what :func:`protect` made.

    Raises:
        KeyFileError: not a key file, damaged, for another purpose, or asking for too much work.
        PassphraseError: the passphrase does not open it.
    """
    parsed = _parse(data)
    if parsed.purpose != purpose:
        raise KeyFileError(f"the key file holds {PURPOSES[parsed.purpose]}, not {PURPOSES[purpose]}")
    key = _stretch(_passphrase(passphrase, new=False), parsed.salt, parsed.cost)
    try:
        return ChaCha20Poly1305(key).decrypt(parsed.nonce, parsed.box, _aad(parsed.header))
    except InvalidTag:
        raise PassphraseError(
            "the passphrase does not open this key file", advice="Or the file has been damaged."
        ) from None


def _load(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            # Asked of the open file, so that it cannot be exchanged between the look and the reading.
            mode = os.fstat(stream.fileno()).st_mode
            if open_to_others(mode):
                raise KeyExposedError(
                    f"{path.name} can be read or changed by other users",
                    advice="Make it the owner's alone (chmod 600), and consider the key disclosed.",
                )
            return stream.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        if certificate.destroyed_here(path):
            raise _destroyed(path) from None
        raise KeyFileError(f"{path.name}: no such key file") from None
    except OSError as error:
        raise KeyFileError(f"{path.name}: {error.strerror or type(error).__name__}") from None


def _destroyed(path: Path) -> KeyDestroyedError:
    return KeyDestroyedError(
        f"{path.name}: this key was destroyed; what was sealed under it cannot be opened any more",
        advice=f"The certificate is beside it (*{certificate.SUFFIX}).",
    )


def _refuse_destroyed(path: Path, data: bytes) -> None:
    """A copy of a destroyed key that came back, from a backup perhaps, stays destroyed."""
    try:
        about = _parse(data).header.get("about") or {}
    except KeyFileError:
        about = {}
    refuse_certified(path, hashlib.sha256(data).hexdigest(), about.get("fingerprint"))


def refuse_certified(path: Path, sha256: str | None, fingerprint: str | None) -> None:
    """
    Raises:
        KeyDestroyedError: a certificate in the folder says that this key was destroyed.
    """
    if certificate.destroyed_here(path, sha256, fingerprint):
        raise _destroyed(path)


def write(
    path: Path, secret: bytes, passphrase: str, purpose: str, about: Mapping[str, Any] | None = None
) -> None:
    """
    Write a new key file that its owner alone can read; an existing file is never replaced.

    Raises:
        OutputExistsError: something is at ``path`` already.
        PassphraseError: shorter than 12 characters, or plainly easy to guess.
        KeyPlaceError: ``path`` is in a git repository that does not ignore it.
    """
    files.refuse_existing(path)
    places.refuse_repository(path)
    _private_folder(path.parent)
    files.write_bytes(path, protect(secret, passphrase, purpose, about))


def _private_folder(folder: Path) -> None:
    """A folder that is made for a key is the owner's alone; one that is there stays as it is."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or type(error).__name__}") from None


def read(path: Path, passphrase: str, purpose: str) -> bytes:
    """
    Open a key file.

    Raises:
        KeyExposedError: other users of the machine can read or change it (POSIX).
        KeyDestroyedError: a certificate beside it says that this key was destroyed.
        KeyFileError, PassphraseError: as :func:`unprotect`, with the file's name.
    """
    path = Path(path)
    data = _load(path)
    _refuse_destroyed(path, data)
    try:
        return unprotect(data, passphrase, purpose)
    except (KeyFileError, PassphraseError) as error:
        raise type(error)(f"{path.name}: {error.message}", advice=error.advice) from None


def describe(path: Path) -> dict[str, Any]:
    """
    What a key file says of itself without its passphrase: purpose and protection, no secret.

    Raises:
        KeyExposedError, KeyFileError: as :func:`read`.
    """
    path = Path(path)
    try:
        parsed = _parse(_load(path))
    except KeyFileError as error:
        raise KeyFileError(f"{path.name}: {error.message}") from None
    kdf = {"name": "argon2id", **parsed.cost._asdict()}
    about = parsed.header.get("about") or {"created": None, "fingerprint": None, "party": None}
    return {
        "file": path.name,
        "purpose": parsed.purpose,
        "holds": PURPOSES[parsed.purpose],
        "kdf": kdf,
        **{key: about[key] for key in ("created", "fingerprint", "party") if about[key] is not None},
    }


def look(path: Path) -> dict[str, Any] | None:
    """
    What a key file says of itself, whoever may read it and whether or not it should still exist, for
    an inventory; None where it is no key file.

    Returns:
        purpose, kdf, created, fingerprint, party (each perhaps None) and ``sha256`` of the file.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
        parsed = _parse(data)
    except (KeyFileError, OSError):
        return None
    about = parsed.header.get("about") or {"created": None, "fingerprint": None, "party": None}
    kdf = {"name": "argon2id", **parsed.cost._asdict()}
    return {"purpose": parsed.purpose, "kdf": kdf, **about, "sha256": hashlib.sha256(data).hexdigest()}


def below_cost(kdf: Mapping[str, Any]) -> bool:
    """Whether a guess at the passphrase costs less than a writer of today makes it cost."""
    return bool(kdf["iterations"] < _COST.iterations or kdf["memory"] < _COST.memory)


def read_passphrase(path: Path) -> str:
    """
    The first line of a passphrase file, without its line end.

    Raises:
        PassphraseError: unreadable, not UTF-8, or the first line is empty.
        KeyExposedError: other users of the machine can read or change it (POSIX).
    """
    try:
        with path.open("rb") as stream:
            places.refuse_exposed_passphrase(os.fstat(stream.fileno()).st_mode, path.name)
            first = stream.readline(4 * LONGEST_PASSPHRASE + 2)
        text = first.decode("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise PassphraseError(f"{path.name}: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise PassphraseError(f"{path.name}: not UTF-8 text") from None
    if not text:
        raise PassphraseError(f"{path.name}: the first line is empty")
    return text
