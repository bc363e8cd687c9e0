"""
The written form of a package: a header in clear, the sealed body, and a trailer that signs both.

Nothing here decides who may do what; that is :mod:`pseudolink.seal.rules`.

Source: specs/package-v1.md, section 2.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from pseudolink.errors import ArtefactError, PackageError
from pseudolink.formats import canonical
from pseudolink.formats.binary import decode64, encode64, prefixed
from pseudolink.formats.manifest import LARGEST_BYTES, Manifest
from pseudolink.keys.party import SIGNATURE_BYTES, WRAP_BYTES
from pseudolink.seal import padding

MAGIC = b"pseudolink/package/1\n"
KEY_BYTES = 32
WRAPPED_BYTES = KEY_BYTES + WRAP_BYTES
DIGEST_BYTES = 32
TRAILER_BYTES = DIGEST_BYTES + SIGNATURE_BYTES
LARGEST_RECIPIENTS = 256 * 1024
MOST_RECIPIENTS = 64
#: Bytes that are read, ciphered, hashed and written at a time: they stay in a cache of the processor.
CHUNK = 256 * 1024


@dataclass(frozen=True)
class Header:
    """
    Everything in front of the body.

    wrapped: recipient -> the data key sealed to it. length: of the sealed body.
    """

    manifest_bytes: bytes
    wrapped: dict[str, bytes]
    length: int

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest, read strictly (ArtefactError)."""
        return Manifest.from_bytes(self.manifest_bytes)

    @cached_property
    def binding(self) -> bytes:
        """SHA-256 of the manifest's bytes: what the data key and the body are bound to."""
        return hashlib.sha256(self.manifest_bytes).digest()

    @cached_property
    def written(self) -> bytes:
        """The header's bytes."""
        recipients = canonical.dumps(
            [{"id": one, "key": encode64(key)} for one, key in sorted(self.wrapped.items())]
        )
        return MAGIC + prefixed(self.manifest_bytes, recipients) + struct.pack(">Q", self.length)

    def message(self, digest: bytes) -> bytes:
        """What the sender signs: a domain, the header, and SHA-256 of header and body."""
        return b"pseudolink/package-signature/1\x00" + self.written + digest

    def context(self) -> bytes:
        """What the body's encryption is bound to."""
        return b"pseudolink/package-body/1\x00" + self.binding

    def info(self, recipient: str, role: str) -> bytes:
        """What the sealed data key of one recipient is bound to (HPKE ``info``)."""
        manifest = self.manifest
        return canonical.dumps(
            {
                "format": "pseudolink/package-key/1",
                "project": manifest.project,
                "artefact": manifest.artefact,
                "sender": manifest.sender,
                "recipient": recipient,
                "role": role,
                "purpose": manifest.purpose,
                "expires": manifest.expires,
                "manifest": self.binding.hex(),
            }
        )


@dataclass(frozen=True)
class Trailer:
    """
    Everything behind the body.

    digest: SHA-256 of header and body. signature: the sender's, over :meth:`Header.message`.
    """

    digest: bytes
    signature: bytes

    @property
    def written(self) -> bytes:
        """The trailer's bytes."""
        return self.digest + self.signature


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise PackageError("the package ends within its header; it is truncated or not a package")
    return data


def _part(stream: BinaryIO, most: int) -> bytes:
    (length,) = struct.unpack(">I", _exactly(stream, 4))
    # package-v1 §2.3: the bound comes before the reading, so a length cannot fill the memory.
    if not 0 < length <= most:
        raise PackageError("the package's header has a part of an impossible size")
    return _exactly(stream, length)


def _wrapped(data: bytes) -> dict[str, bytes]:
    damaged = PackageError("the package's list of recipients is damaged")
    try:
        entries = canonical.loads(data)
        pairs = [(entry["id"], decode64(entry["key"], WRAPPED_BYTES)) for entry in entries]
        if any(set(entry) != {"id", "key"} or not isinstance(entry["id"], str) for entry in entries):
            raise damaged
    except (ArtefactError, KeyError, TypeError, ValueError):
        raise damaged from None
    names = [one for one, _ in pairs]
    if not names or names != sorted(set(names)) or len(names) > MOST_RECIPIENTS:
        raise damaged
    return dict(pairs)


def read_parts(stream: BinaryIO) -> tuple[Header, Trailer]:
    """
    Read header and trailer; the body is between them and is not looked at.

    Raises:
        PackageError: not a package, truncated, damaged, or bytes missing or left over at the end.
        ArtefactError: the manifest breaks its format.
    """
    if stream.read(len(MAGIC)) != MAGIC:
        raise PackageError("not a pseudolink package of version 1")
    manifest = _part(stream, LARGEST_BYTES)
    wrapped = _wrapped(_part(stream, LARGEST_RECIPIENTS))
    (length,) = struct.unpack(">Q", _exactly(stream, 8))
    padding.padded_size(length)
    header = Header(manifest, wrapped, length)
    Manifest.from_bytes(manifest)
    rest = os.fstat(stream.fileno()).st_size - stream.tell()
    if rest < length + TRAILER_BYTES:
        raise PackageError("the package is truncated: its body is shorter than its header says")
    if rest > length + TRAILER_BYTES:
        raise PackageError("the package has bytes after its body and trailer")
    stream.seek(length, os.SEEK_CUR)
    return header, Trailer(_exactly(stream, DIGEST_BYTES), _exactly(stream, SIGNATURE_BYTES))


def pieces(stream: BinaryIO, length: int) -> Iterator[memoryview]:
    """As many bytes of a stream, or fewer if it ends; each piece is gone with the next one."""
    buffer = memoryview(bytearray(min(CHUNK, length)))
    while length:
        read: int = stream.readinto(buffer[:length])  # type: ignore[attr-defined]
        if not read:
            return
        length -= read
        yield buffer[:read]


def body(stream: BinaryIO, header: Header) -> Iterator[memoryview]:
    """The body, exactly as many bytes as the header says; each piece is gone with the next one."""
    stream.seek(len(header.written))
    read = 0
    for piece in pieces(stream, header.length):
        read += len(piece)
        yield piece
    if read != header.length:
        raise PackageError("the package is truncated: its body ended early")
