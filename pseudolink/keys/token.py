"""
The linkage key in a hardware module (PKCS#11): derivation happens inside, the key never comes out.

One derived key is one HMAC, which every module can do, so encodings are byte for byte those of the
same key in a file. What stands on the disk is a reference: which module, token and object.

Source: specs/keys-v1.md, section 10.
"""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from pseudolink import files
from pseudolink.errors import (
    KeyExposedError,
    KeyFileError,
    MissingDependencyError,
    PassphraseError,
)
from pseudolink.keys import places, vault
from pseudolink.keys.derive import KEY_BYTES, fixed_input
from pseudolink.keys.linkage import LinkageKey
from pseudolink.portable import open_to_others

FORMAT: Final = "pseudolink/token-key/1"
_NAMES = {"format", "module", "token", "object", "fingerprint", "created"}


def _pkcs11() -> Any:
    try:
        import pkcs11
    except ImportError:
        raise MissingDependencyError(
            "a key in a hardware module needs python-pkcs11", advice="pip install 'pseudolink[hsm]'"
        ) from None
    return pkcs11


def is_reference(path: Path) -> bool:
    """Whether a file refers to a key in a token."""
    try:
        with Path(path).open("rb") as stream:
            return f'format = "{FORMAT}"'.encode() in stream.read(4096)
    except OSError:
        return False


def _reference(path: Path) -> dict[str, str]:
    path = Path(path)
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            # Whoever can change the reference can have us load a library of theirs.
            if open_to_others(mode, 0o022):
                raise KeyExposedError(f"{path.name} can be changed by other users", advice="chmod 600")
            raw = tomllib.loads(stream.read(65536).decode("utf-8"))
    except OSError as error:
        raise KeyFileError(f"{path.name}: {error.strerror or type(error).__name__}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raw = {}
    if set(raw) != _NAMES or raw["format"] != FORMAT or not all(isinstance(v, str) for v in raw.values()):
        raise KeyFileError(f"{path.name}: not a reference to a key in a token")
    return raw


def _session(module: str, token: str, pin: str, name: str, *, write: bool = False) -> Any:
    pkcs11 = _pkcs11()
    try:
        return pkcs11.lib(module).get_token(token_label=token).open(user_pin=pin, rw=write)
    except pkcs11.exceptions.PinIncorrect:
        raise PassphraseError(f"{name}: the PIN does not open the token") from None
    except pkcs11.exceptions.NoSuchToken:
        raise KeyFileError(f"{name}: no token of that label") from None
    except pkcs11.exceptions.UserAlreadyLoggedIn:
        raise KeyFileError(f"{name}: this program has the token open already") from None
    except (pkcs11.exceptions.PKCS11Error, RuntimeError, OSError) as error:
        raise KeyFileError(f"{name}: the module refuses ({type(error).__name__})") from None


class TokenLinkageKey(LinkageKey):
    """A linkage key that stays in its token. It does not print, pickle or copy, and cannot be saved."""

    __slots__ = ("_handle", "_session")

    def __init__(self, session: Any, handle: Any) -> None:
        super().__init__(bytes(KEY_BYTES))  # nothing: every use goes through derive
        self._session, self._handle = session, handle

    @classmethod
    def open(cls, path: Path, pin: str) -> TokenLinkageKey:
        """
        The key that a reference names.

        Raises:
            KeyFileError, PassphraseError, MissingDependencyError: it cannot be reached.
            KeyDestroyedError: a certificate in its place says that it was destroyed.
        """
        raw = _reference(path)
        vault.refuse_certified(path, None, raw["fingerprint"])
        pkcs11 = _pkcs11()
        session = _session(raw["module"], raw["token"], pin, path.name)
        try:
            handle = session.get_key(label=raw["object"], object_class=pkcs11.ObjectClass.SECRET_KEY)
        except pkcs11.exceptions.PKCS11Error:
            session.close()
            raise KeyFileError(f"{path.name}: the token holds no such key") from None
        key = cls(session, handle)
        if key.fingerprint != raw["fingerprint"]:
            raise KeyFileError(f"{path.name}: the token holds another key of that label")
        return key

    def __del__(self) -> None:
        # A token lets one program log in once: what is held open keeps the next one out.
        session = getattr(self, "_session", None)
        if session is not None:
            session.close()

    def derive(self, label: str, *context: str) -> bytes:
        """One HMAC in the token; see :func:`pseudolink.keys.derive.derive`."""
        pkcs11 = _pkcs11()
        message = fixed_input(label, *context)
        found: bytes = self._handle.sign(message, mechanism=pkcs11.Mechanism.SHA256_HMAC)
        return found

    def save(self, path: Path, passphrase: str) -> NoReturn:
        """A key in a token does not come out."""
        raise KeyFileError("a key in a token cannot be written to a file")


def store(key: LinkageKey, path: Path, *, module: str, token: str, pin: str) -> None:
    """
    Put a linkage key into a token, not extractable, and write the reference.

    The key file that it came from is still there afterwards: destroy it.

    Raises:
        OutputExistsError: something is at ``path``.
        KeyFileError, PassphraseError, MissingDependencyError: the token refuses.
    """
    files.refuse_existing(path)
    places.refuse_repository(path)
    pkcs11 = _pkcs11()
    name = f"pseudolink linkage {secrets.token_hex(8)}"
    session = _session(module, token, pin, path.name, write=True)
    attribute = pkcs11.Attribute
    try:
        handle = session.create_object(
            {
                attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                attribute.KEY_TYPE: pkcs11.KeyType.GENERIC_SECRET,
                attribute.LABEL: name,
                attribute.TOKEN: True,
                attribute.PRIVATE: True,
                attribute.SENSITIVE: True,
                attribute.EXTRACTABLE: False,
                attribute.SIGN: True,
                attribute.VALUE: key.reveal_to_token(),
            }
        )
    except pkcs11.exceptions.PKCS11Error as error:
        session.close()
        raise KeyFileError(f"the token takes no such key ({type(error).__name__})") from None
    stored = TokenLinkageKey(session, handle)
    raw = {
        "format": FORMAT,
        "module": str(module),
        "token": token,
        "object": name,
        "fingerprint": key.fingerprint,
        "created": datetime.now(UTC).date().isoformat(),
    }
    try:
        if stored.fingerprint != key.fingerprint:
            raise KeyFileError("the token derives other keys than the file; it was not used")
        text = "".join(f"{one} = {json.dumps(value)}\n" for one, value in raw.items())
        files.write_bytes(path, text.encode())
    except BaseException:
        handle.destroy()
        raise


def describe(path: Path) -> dict[str, Any]:
    """What a reference says: purpose, fingerprint, token; no PIN is needed and no library is loaded."""
    raw = _reference(path)
    facts = {key: raw[key] for key in ("fingerprint", "created", "token")}
    return {"file": Path(path).name, "purpose": "linkage", "holds": "a linkage key in a token", **facts}


def destroy(path: Path, pin: str) -> None:
    """
    Destroy the object in the token, and its reference; the caller certifies it.

    Raises:
        KeyFileError, PassphraseError, MissingDependencyError: it is still there then.
    """
    raw = _reference(path)
    pkcs11 = _pkcs11()
    session = _session(raw["module"], raw["token"], pin, path.name, write=True)
    try:
        session.get_key(label=raw["object"], object_class=pkcs11.ObjectClass.SECRET_KEY).destroy()
    except pkcs11.exceptions.PKCS11Error as error:
        raise KeyFileError(f"{path.name}: not destroyed ({type(error).__name__})") from None
    finally:
        session.close()
    Path(path).unlink()
