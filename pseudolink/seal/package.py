"""
Packages: one artefact sealed to the recipients that the agreement allows, signed by its sender.

Opening asks everything before a byte of plaintext exists: whole, signed, agreed, permitted, in
force. The plaintext is then written under a temporary name; it gets its final name after the last
check of the cipher, and when the bytes that were decrypted are those that were hashed.

Source: specs/package-v1.md.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from pseudolink import files
from pseudolink.agreement import Agreement, require_own_key, today_utc
from pseudolink.errors import (
    InputError,
    NotARecipientError,
    PackageError,
    PseudolinkError,
    SignatureError,
    WrongKeyError,
)
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey, verify, wrap
from pseudolink.seal import padding, rules
from pseudolink.seal.envelope import CHUNK, KEY_BYTES, Header, Trailer, body, pieces, read_parts
from pseudolink.seal.hashing import Hasher, Piece
from pseudolink.seal.twice import Twice


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal: what ``sha256sum`` prints."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _reading(path: Path, kind: type[PseudolinkError]) -> Iterator[BinaryIO]:
    try:
        with Path(path).open("rb") as stream:
            yield stream
    except OSError as error:
        raise kind(f"cannot read {Path(path).name}: {error.strerror or type(error).__name__}") from None


def seal(
    source: Path,
    destination: Path,
    manifest: Manifest,
    agreement: Agreement,
    sender: PartyKey,
    *,
    today: date | None = None,
) -> str:
    """
    Seal the file ``source`` into a new package.

    Args:
        manifest: its recipients are those of the agreement.
        agreement: one whose signatures were checked (:func:`pseudolink.agreement.load_signed`).
        today: the day to judge by; default the current UTC date.

    Returns:
        SHA-256 of the package, in hexadecimal.

    Raises:
        AgreementMismatchError, SchemaMismatchError, AgreementExpiredError, NotPermittedError,
        WrongKeyError: what the agreement does not bear out.
        ArtefactError: the manifest breaks its format.
        PackageError: ``source`` was changed while it was sealed, or is larger than an artefact may be.
        OutputExistsError, OutputError: nothing was written.

    Source: specs/package-v1.md, section 5.
    """
    manifest_bytes = manifest.to_bytes()
    manifest = Manifest.from_bytes(manifest_bytes)
    rules.require_permitted(manifest, agreement)
    rules.require_today(manifest, agreement, today or today_utc())
    if sender.id != manifest.sender:
        raise WrongKeyError("the key is not the sender's that the manifest names")
    require_own_key(agreement, sender)

    with (
        _reading(source, InputError) as plain,
        files.new_file(destination) as temporary,
        temporary.open("wb", buffering=0) as out,
    ):
        before = os.fstat(plain.fileno())
        padding.require_size(before.st_size)
        header, data_key = _header(manifest_bytes, agreement, padding.sealed_size(before.st_size))
        with Hasher(padding.most_out(CHUNK)) as whole:
            encryptor = Cobblestone256Encryptor(data_key, header.context())
            whole.update(header.written)
            _write(out, header.written)
            for piece in _padded(plain, before.st_size):
                buffer = whole.buffer()
                part = memoryview(buffer)[: encryptor.update_into(piece, buffer)]
                _write(out, part)
                whole.update(part, buffer)
            last = encryptor.finalize()
            whole.update(last)
            _write(out, last)
            _require_unchanged(plain, before)
            running = whole.finish()
        # package-v1 §7: the same hash goes on to the digest of the file that receipts carry.
        digest = running.digest()
        trailer = Trailer(digest, sender.sign(header.message(digest)))
        _write(out, trailer.written)
        running.update(trailer.written)
        return running.hexdigest()


def _header(manifest_bytes: bytes, agreement: Agreement, length: int) -> tuple[Header, bytes]:
    """A header with a fresh data key, sealed to every recipient; and that key."""
    data_key = Cobblestone256Encryptor.generate_key()
    bare = Header(manifest_bytes, {}, length)
    wrapped = {
        one.id: wrap(one.sealing_key, data_key, bare.info(one.id, one.role))
        for one in rules.allowed_recipients(bare.manifest, agreement)
    }
    return Header(manifest_bytes, wrapped, length), data_key


def _padded(plain: BinaryIO, size: int) -> Iterator[Piece]:
    """Package-v1 2.8: length, content, zeros up to the ladder."""
    yield size.to_bytes(padding.PREFIX_BYTES, "big")
    read = 0
    for piece in pieces(plain, size):
        read += len(piece)
        yield piece
    if read != size:
        raise _changed()
    left = padding.rung(padding.PREFIX_BYTES + size) - padding.PREFIX_BYTES - size
    while left:
        yield bytes(min(CHUNK, left))
        left -= min(CHUNK, left)


def _changed() -> PackageError:
    return PackageError(
        "the file to seal was changed while it was sealed",
        advice="Seal it again when nothing writes to it.",
    )


def _require_unchanged(plain: BinaryIO, before: os.stat_result) -> None:
    """package-v1 §5: as far as the system tells of a change of an open file."""
    after = os.fstat(plain.fileno())
    for what in ("st_size", "st_mtime_ns", "st_ctime_ns"):
        if getattr(after, what) != getattr(before, what):
            raise _changed()
    if plain.read(1):  # of what has no size, as a pipe
        raise _changed()


def _write(out: BinaryIO, data: Piece) -> None:
    """An unbuffered file may take less than it is given."""
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]


def _checked(stream: BinaryIO, agreement: Agreement) -> tuple[Header, Trailer]:
    """package-v1 §6.1 to §6.3: whole, signed by its sender, and as the agreement says."""
    header, trailer = read_parts(stream)
    sender = rules.require_agreement(header.manifest, agreement)
    try:
        verify(sender.signing_key, header.message(trailer.digest), trailer.signature)
    except SignatureError:
        raise SignatureError(
            f"the package is not signed by {sender.id!r}, or has been changed since",
            advice="Ask the sender for it again, by another way.",
        ) from None
    rules.require_listed(header.manifest, list(header.wrapped))
    rules.require_permitted(header.manifest, agreement)
    return header, trailer


def _require_body(stream: BinaryIO, header: Header, trailer: Trailer, twice: Twice) -> str:
    """package-v1 §6.4: the whole file is the signed one; its digest, for receipts."""
    running = hashlib.sha256(header.written)
    for piece in twice.first(body(stream, header)):
        running.update(piece)
    if not hmac.compare_digest(running.digest(), trailer.digest):
        raise PackageError("the package's body is damaged: it is not the one that was signed")
    running.update(trailer.written)
    return running.hexdigest()


def inspect(package: Path, agreement: Agreement) -> Manifest:
    """
    What a package says of itself, for anyone with the agreement; nothing is decrypted.

    The whole package is checked against its signature. The day does not matter, so that a
    reviewer can still look at what has expired.

    Raises:
        PackageError, SignatureError, ArtefactError: damaged, changed or not a package.
        AgreementMismatchError, SchemaMismatchError, NotPermittedError, WrongKeyError: not as agreed.
    """
    with _reading(package, PackageError) as stream:
        header, trailer = _checked(stream, agreement)
        _require_body(stream, header, trailer, Twice())
    return header.manifest


@dataclass(frozen=True)
class Unsealed:
    """What was opened. digest: SHA-256 of the package's bytes as they were read, in hexadecimal."""

    manifest: Manifest
    digest: str


def open_package(
    package: Path,
    destination: Path,
    *,
    agreement: Agreement,
    recipient: PartyKey,
    artefact: str,
    today: date | None = None,
) -> Manifest:
    """:func:`unseal` for one who needs no digest of the package."""
    return unseal(
        package, destination, agreement=agreement, recipient=recipient, artefact=artefact, today=today
    ).manifest


def unseal(
    package: Path,
    destination: Path,
    *,
    agreement: Agreement,
    recipient: PartyKey,
    artefact: str,
    today: date | None = None,
) -> Unsealed:
    """
    Open a package as one of its recipients; the artefact is written to ``destination``.

    Args:
        agreement: one whose signatures were checked (:func:`pseudolink.agreement.load_signed`).
        artefact: what the caller expects: encodings, payload, link_map or release.
        today: the day to judge by; default the current UTC date.

    Returns:
        the manifest, every statement of it checked against the agreement, and the package's digest.

    Raises:
        PackageError, SignatureError, ArtefactError: damaged, changed or not a package.
        AgreementMismatchError, SchemaMismatchError, AgreementExpiredError: not of this agreement,
            schema or day.
        NotPermittedError: this party may never hold such an artefact.
        NotARecipientError, WrongKeyError: not sealed to this party or this key.
        OutputExistsError, OutputError: the destination cannot be written.
        After any of them nothing is at ``destination``.

    Source: specs/package-v1.md, section 6.
    """
    files.refuse_existing(Path(destination))
    with _reading(package, PackageError) as stream:
        header, trailer = _checked(stream, agreement)
        manifest = header.manifest
        party = require_own_key(agreement, recipient)
        rules.refuse_receiver(party, manifest.artefact)
        rules.require_today(manifest, agreement, today or today_utc())
        if manifest.artefact != artefact:
            raise PackageError(f"the package holds {manifest.artefact}, where {artefact} was expected")
        if party.id not in header.wrapped:
            raise NotARecipientError(f"the package is not sealed to {party.id!r}")
        twice = Twice()
        digest = _require_body(stream, header, trailer, twice)
        data_key = recipient.unwrap(header.wrapped[party.id], header.info(party.id, party.role))
        if len(data_key) != KEY_BYTES:
            raise PackageError("the package's data key has a wrong length")
        with files.new_file(destination) as temporary:
            _decrypt(twice.again(body(stream, header)), header, data_key, temporary)
    return Unsealed(manifest, digest)


def _decrypt(sealed: Iterator[Piece], header: Header, data_key: bytes, temporary: Path) -> None:
    decryptor = Cobblestone256Decryptor(data_key, header.context())
    unpadder = padding.Unpadder(padding.padded_size(header.length))
    try:
        with temporary.open("wb", buffering=0) as out:
            buffer = bytearray(padding.most_out(CHUNK))
            for piece in sealed:
                opened = memoryview(buffer)[: decryptor.update_into(piece, buffer)]
                _write(out, unpadder.update(opened))
            _write(out, unpadder.update(decryptor.finalize()))
            unpadder.finish()
    except InvalidTag:
        raise PackageError("the package's body does not open: it was sealed wrongly or changed") from None
