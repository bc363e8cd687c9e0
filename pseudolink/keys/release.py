"""
The release key: the releaser's own, and what it makes of programme IDs.

No custodian holds it, so no custodian can tell which pseudonym stands for which programme ID. It
is not the linkage key and not derived from it: one key, one purpose.

Source: specs/keys-v1.md, section 6.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from pseudolink.errors import KeyFileError
from pseudolink.keys import vault
from pseudolink.keys.derive import KEY_BYTES, derive, derive_each, spoken

#: Base32 characters of a pseudonym: 100 bits, so a million people collide about once in 10**18 releases.
PSEUDONYM_CHARACTERS = 20

_BYTES = 13  # 104 bits
_AT_ONCE = 50_000
_ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", dtype=np.uint8)
_PLACES = np.asarray([16, 8, 4, 2, 1], dtype=np.uint8)


class ReleaseKey:
    """The 32 bytes with which the releaser makes pseudonyms."""

    __slots__ = ("_secret", "parent")

    def __init__(self, secret: bytes, *, parent: str | None = None) -> None:
        if len(secret) != KEY_BYTES:
            raise KeyFileError(f"a release key has {KEY_BYTES} bytes")
        self._secret = bytes(secret)
        #: The fingerprint of the key that this one was derived from, its own if from none.
        self.parent = parent or self.fingerprint

    def of_release(self, project: str, recipient: str, release: str) -> ReleaseKey:
        """
        The key of one release for one recipient: no two releases have a pseudonym in common.

        Args:
            release: what names the release, 16 random bytes in hexadecimal.
        """
        return ReleaseKey(
            derive(self._secret, "release", project, recipient, release), parent=self.fingerprint
        )

    @classmethod
    def generate(cls) -> ReleaseKey:
        """A key from the system's generator."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def _name(self, label: str, *context: str) -> str:
        raw = derive(self._secret, label, *context)
        return base64.b32encode(raw[:15]).decode("ascii").lower()[:PSEUDONYM_CHARACTERS]

    def pseudonym(self, project: str, programme_id: str) -> str:
        """The pseudonym of a programme ID: 20 characters of ``a-z2-7``, 100 bits."""
        return self._name("pseudonym", project, programme_id)

    def names(self, label: str, project: str, ids: Sequence[str]) -> list[str]:
        """
        The pseudonyms of many IDs: what :meth:`pseudonym` or :meth:`family` makes of each.

        Args:
            label: ``pseudonym`` or ``family``.
        """
        found: list[str] = []
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            raw = b"".join(one[:_BYTES] for one in derive_each(self._secret, label, (project,), some))
            bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8).reshape(-1, _BYTES), axis=1)
            fives = bits[:, : 5 * PSEUDONYM_CHARACTERS].reshape(len(some), PSEUDONYM_CHARACTERS, 5)
            text = _ALPHABET[fives @ _PLACES].tobytes().decode("ascii")
            found += [
                text[at : at + PSEUDONYM_CHARACTERS] for at in range(0, len(text), PSEUDONYM_CHARACTERS)
            ]
        return found

    def family(self, project: str, family_id: str) -> str:
        """The pseudonym of a family ID, under its own label: 20 characters."""
        return self._name("family", project, family_id)

    def person(self, project: str, *parts: str) -> str:
        """The pseudonym of a person without a programme ID, from whatever names them: 20 characters."""
        return self._name("person", project, *parts)

    @property
    def fingerprint(self) -> str:
        """Sixteen bytes that name the key, in groups to read aloud; public."""
        return spoken(derive(self._secret, "fingerprint")[:16])

    def save(self, path: Path, passphrase: str) -> None:
        """Write a new key file; see :func:`pseudolink.keys.vault.write`."""
        vault.write(Path(path), self._secret, passphrase, "release", vault.facts(self.fingerprint))

    @classmethod
    def load(cls, path: Path, passphrase: str) -> ReleaseKey:
        """Read a key file; see :func:`pseudolink.keys.vault.read`."""
        return cls(vault.read(Path(path), passphrase, "release"))

    def __repr__(self) -> str:
        return f"<ReleaseKey {self.fingerprint}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("ReleaseKey does not pickle and does not copy; see specs/keys-v1.md, section 1")
