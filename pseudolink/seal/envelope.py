"""
The written form of a package: a signed header in clear, then the sealed body.

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

MAGIC = b"pseudolink/package/1\n"
KEY_BYTES = 32
WRAPPED_BYTES = KEY_BYTES + WRAP_BYTES
DIGEST_BYTES = 32
LARGEST_RECIPIENTS = 256 * 1024
CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Header:
    """
    Everything in front of the body.

    wrapped: recipient -> the data key sealed to it. length, digest: of the sealed body.
    """

    manifest_bytes: bytes
    wrapped: dict[str, bytes]
    length: int
    digest: bytes

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest, read strictly (ArtefactError)."""
        return Manifest.from_bytes(self.manifest_bytes)

    @cached_property
    def binding(self) -> bytes:
        """SHA-256 of the manifest's bytes: what the data key and the body are bound to."""
        return hashlib.sha256(self.manifest_bytes).digest()

    def signed(self) -> bytes:
        """The header as it is written, up to the signature."""
        recipients = canonical.dumps(
            [{"id": one, "key": encode64(key)} for one, key in sorted(self.wrapped.items())]
        )
        tail = struct.pack(">Q", self.length) + self.digest
        return MAGIC + prefixed(self.manifest_bytes, recipients) + tail

    def message(self) -> bytes:
        """What the sender signs: a domain, then :meth:`signed`."""
        return b"pseudolink/package-signature/1\x00" + self.signed()

    @property
    def size(self) -> int:
        """Bytes in front of the body, the signature among them."""
        return len(self.signed()) + SIGNATURE_BYTES

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
    if not names or names != sorted(set(names)):
        raise damaged
    return dict(pairs)


def read_header(stream: BinaryIO) -> tuple[Header, bytes]:
    """
    Read a header and its signature; the stream then stands at the body.

    Raises:
        PackageError: not a package, truncated, damaged, or bytes missing or left over at the end.
        ArtefactError: the manifest breaks its format.
    """
    if stream.read(len(MAGIC)) != MAGIC:
        raise PackageError("not a pseudolink package of version 1")
    manifest = _part(stream, LARGEST_BYTES)
    wrapped = _wrapped(_part(stream, LARGEST_RECIPIENTS))
    (length,) = struct.unpack(">Q", _exactly(stream, 8))
    header = Header(manifest, wrapped, length, _exactly(stream, DIGEST_BYTES))
    signature = _exactly(stream, SIGNATURE_BYTES)
    Manifest.from_bytes(manifest)
    rest = os.fstat(stream.fileno()).st_size - stream.tell()
    if rest < length:
        raise PackageError("the package is truncated: its body is shorter than its header says")
    if rest > length:
        raise PackageError("the package has bytes after its body")
    return header, signature


def body(stream: BinaryIO, header: Header) -> Iterator[bytes]:
    """The body in chunks from where it begins, exactly as many bytes as the header says."""
    stream.seek(header.size)
    left = header.length
    while left:
        chunk = stream.read(min(CHUNK, left))
        if not chunk:
            raise PackageError("the package is truncated: its body ended early")
        left -= len(chunk)
        yield chunk
