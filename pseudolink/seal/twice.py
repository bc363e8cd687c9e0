"""
Reading a body twice: the second reading sees the bytes that the first one saw.

A package is hashed before it is decrypted, so it is read twice, and a file can be changed in
between, by one who holds the data key, too: another recipient. Both readings are authenticated
under a key that is made for them, never leaves this process and is forgotten afterwards. Hashing
a second time would do the same at ten times the cost.

Source: specs/package-v1.md, 6.5; NIST SP 800-38D (GMAC).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from pseudolink.errors import PackageError
from pseudolink.seal.hashing import Piece

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Twice:
    """One body, read twice; whoever changes it in between has to forge a tag that it never saw."""

    def __init__(self) -> None:
        # Two messages under one nonce would harm a tag that is shown; neither of these is.
        self._made_with = algorithms.AES(secrets.token_bytes(_KEY_BYTES)), modes.GCM(bytes(_NONCE_BYTES))
        self._tag: bytes | None = None

    def _tagged(self, chunks: Iterator[Piece]) -> Iterator[Piece]:
        mac = Cipher(*self._made_with).encryptor()
        for chunk in chunks:
            mac.authenticate_additional_data(chunk)
            yield chunk
        mac.finalize()
        found = mac.tag
        if self._tag is None:
            self._tag = found
        elif not hmac.compare_digest(self._tag, found):
            raise PackageError("the package was changed while it was opened")

    def first(self, chunks: Iterator[Piece]) -> Iterator[Piece]:
        """The same chunks; when they have ended, they are what the second reading has to see."""
        self._tag = None
        return self._tagged(chunks)

    def again(self, chunks: Iterator[Piece]) -> Iterator[Piece]:
        """
        The same chunks of the second reading.

        Raises:
            PackageError: at the end, when they are not those of the first, or that did not end.
        """
        if self._tag is None:
            raise PackageError("the package was not read to its end")
        return self._tagged(chunks)
