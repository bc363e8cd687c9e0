"""
The linkage key: the 32 bytes that custodians share and the operator never holds.

Source: specs/keys-v1.md, sections 3 and 5.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pseudolink.errors import KeyFileError
from pseudolink.formats.binary import is_digest, prefixed
from pseudolink.keys import vault
from pseudolink.keys.derive import KEY_BYTES, derive, spoken

ENCODING = "pseudolink/encoding/1"
CHECK_BYTES = 16


class LinkageKey:
    """The 32 bytes that custodians share and the operator never holds."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise KeyFileError(f"a linkage key has {KEY_BYTES} bytes")
        self._secret = bytes(secret)

    @classmethod
    def generate(cls) -> LinkageKey:
        """A key from the system's generator, for one custodian alone (no ceremony)."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_contributions(cls, contributions: Sequence[bytes], agreement_digest: str) -> LinkageKey:
        """
        The key of a ceremony: unpredictable as long as one contribution is.

        Args:
            contributions: 32 bytes from each custodian, in any order.
            agreement_digest: 64 hexadecimal characters.

        Raises:
            KeyFileError: fewer than two contributions, one of another length, or two alike.

        Source: specs/keys-v1.md, section 5.5.
        """
        parts = sorted(contributions)
        if not is_digest(agreement_digest):
            raise KeyFileError("an agreement's digest has 64 hexadecimal characters")
        if len(parts) < 2 or any(len(part) != KEY_BYTES for part in parts):
            raise KeyFileError(f"a linkage key is made of two or more contributions of {KEY_BYTES} bytes")
        if len(set(parts)) != len(parts):
            # A custodian that repeats another's contribution has added nothing of its own.
            raise KeyFileError("two contributions are the same")
        kdf = HKDF(
            algorithm=hashes.SHA256(),
            length=KEY_BYTES,
            salt=hashlib.sha256(b"pseudolink/linkage-key/1\x00" + bytes.fromhex(agreement_digest)).digest(),
            info=b"linkage",
        )
        return cls(kdf.derive(prefixed(*parts)))

    def derive(self, label: str, *context: str) -> bytes:
        """
        A derived key of 32 bytes; see :func:`pseudolink.keys.derive.derive`.

        Source: specs/keys-v1.md, section 3.
        """
        return derive(self._secret, label, *context)

    def check_value(self, project: str, schema_digest: str) -> str:
        """
        What parties compare to see that they encoded with one key: 32 hexadecimal characters.

        It is public: nobody can compute the key, or another derived key, from it.
        """
        return self.derive("check", ENCODING, project, schema_digest)[:CHECK_BYTES].hex()

    @property
    def fingerprint(self) -> str:
        """Sixteen bytes that name the key, in groups to read aloud; public."""
        return spoken(self.derive("fingerprint")[:CHECK_BYTES])

    def save(self, path: Path, passphrase: str) -> None:
        """Write a new key file; see :func:`pseudolink.keys.vault.write`."""
        vault.write(Path(path), self._secret, passphrase, "linkage", vault.facts(self.fingerprint))

    @classmethod
    def load(cls, path: Path, passphrase: str) -> LinkageKey:
        """
        Read a key file, or open the key in a token that a reference names (the passphrase is its PIN);
        see :func:`pseudolink.keys.vault.read` and :class:`pseudolink.keys.token.TokenLinkageKey`.
        """
        from pseudolink.keys import token  # imports this module

        if token.is_reference(Path(path)):
            return token.TokenLinkageKey.open(Path(path), passphrase)
        return cls(vault.read(Path(path), passphrase, "linkage"))

    def reveal_to_token(self) -> bytes:
        """The 32 bytes, for a hardware module to keep; nothing else asks for them."""
        return self._secret

    def __repr__(self) -> str:
        return f"<LinkageKey {self.fingerprint}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("LinkageKey does not pickle and does not copy; see specs/keys-v1.md, section 1")
