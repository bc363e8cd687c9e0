"""
A place on disk for what memory should not hold, which nobody can read but this process.

What goes there is encrypted under a key that exists in memory alone: a killed run leaves bytes
that nothing opens, and clear text of an extract is never on a disk.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_TAG: Final = 16
#: How the names of its files begin.
SPILL: Final = "spill-"


class Spill:
    """
    Numbered buckets of bytes in a folder that the caller removes.

    Args:
        folder: of the caller; files are created in it.
    """

    __slots__ = ("_cipher", "_count", "_folder", "_lengths", "_name")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = secrets.token_hex(4)
        self._cipher = AESGCM(AESGCM.generate_key(bit_length=256))
        self._count = 0
        self._lengths: dict[int, list[tuple[int, int]]] = {}

    def __repr__(self) -> str:
        return f"<Spill of {len(self._lengths)} buckets>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Spill holds a key: it does not pickle and does not copy")

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{SPILL}{self._name}-{bucket}"

    def append(self, bucket: int, data: bytes | memoryview) -> None:
        """Add bytes to a bucket."""
        self._count += 1  # a nonce is used once under a key
        sealed = self._cipher.encrypt(struct.pack(">4xQ", self._count), data, struct.pack(">Q", bucket))
        with self._path(bucket).open("ab") as stream:
            stream.write(sealed)
        self._lengths.setdefault(bucket, []).append((self._count, len(sealed)))

    def look(self, bucket: int) -> Iterator[bytes]:
        """What was added to a bucket, in order; it stays there."""
        parts = self._lengths.get(bucket, [])
        if not parts:
            return
        with self._path(bucket).open("rb") as stream:
            for count, length in parts:
                nonce, bound = struct.pack(">4xQ", count), struct.pack(">Q", bucket)
                yield self._cipher.decrypt(nonce, stream.read(length), bound)

    def read(self, bucket: int) -> Iterator[bytes]:
        """The same; the bucket is empty afterwards."""
        yield from self.look(bucket)
        if self._lengths.pop(bucket, []):
            self._path(bucket).unlink()
