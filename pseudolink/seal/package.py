"""
Packages: one artefact sealed to the recipients that the agreement allows, signed by its sender.

Opening asks everything before a byte of plaintext exists: whole, signed, agreed, permitted, in
force. The plaintext is then written under a temporary name and compared with its digest in the
manifest; only after that does it get its final name.

Source: specs/package-v1.md.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
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
from pseudolink.seal import rules
from pseudolink.seal.envelope import CHUNK, DIGEST_BYTES, KEY_BYTES, Header, body, read_header


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
        manifest: its recipients are those of the agreement; its content_sha256 is of ``source``.
        agreement: one whose signatures were checked (:func:`pseudolink.agreement.load_signed`).
        today: the day to judge by; default the current UTC date.

    Returns:
        SHA-256 of the package, in hexadecimal.

    Raises:
        AgreementMismatchError, SchemaMismatchError, AgreementExpiredError, NotPermittedError,
        WrongKeyError: what the agreement does not bear out.
        ArtefactError: the manifest breaks its format.
        PackageError: ``source`` is not what the manifest describes.
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

    data_key = Cobblestone256Encryptor.generate_key()
    unbound = Header(manifest_bytes, {}, 0, bytes(DIGEST_BYTES))
    wrapped = {}
    for one in agreement.recipients_of(manifest.artefact):
        wrapped[one.id] = wrap(one.sealing_key, data_key, unbound.info(one.id, one.role))
    room = Header(manifest_bytes, wrapped, 0, bytes(DIGEST_BYTES))

    with (
        _reading(source, InputError) as plain,
        files.new_file(destination) as temporary,
        temporary.open("r+b") as out,
    ):
        encryptor = Cobblestone256Encryptor(data_key, room.context())
        content, sealed, length = hashlib.sha256(), hashlib.sha256(), 0
        out.seek(room.size)
        while chunk := plain.read(CHUNK):
            content.update(chunk)
            part = encryptor.update(chunk)
            sealed.update(part)
            length += out.write(part)
        part = encryptor.finalize()
        sealed.update(part)
        length += out.write(part)
        if content.hexdigest() != manifest.content_sha256:
            raise PackageError("the file to seal is not the one that the manifest describes")
        header = Header(manifest_bytes, wrapped, length, sealed.digest())
        out.seek(0)
        out.write(header.signed() + sender.sign(header.message()))
        out.flush()
        # Of the temporary file: what is at the final name afterwards may already be another's.
        return file_digest(temporary)


def _checked(stream: BinaryIO, agreement: Agreement) -> Header:
    """package-v1 §6.1 to §6.4: whole, signed by its sender, and as the agreement says."""
    header, signature = read_header(stream)
    sender = rules.require_agreement(header.manifest, agreement)
    try:
        verify(sender.signing_key, header.message(), signature)
    except SignatureError:
        raise SignatureError(
            f"the package is not signed by {sender.id!r}, or has been changed since",
            advice="Ask the sender for it again, by another way.",
        ) from None
    rules.require_listed(header.manifest, list(header.wrapped))
    rules.require_permitted(header.manifest, agreement)
    return header


def _require_body(stream: BinaryIO, header: Header) -> None:
    digest = hashlib.sha256()
    for chunk in body(stream, header):
        digest.update(chunk)
    if not hmac.compare_digest(digest.digest(), header.digest):
        raise PackageError("the package's body is damaged: it is not the one that was signed")


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
        header = _checked(stream, agreement)
        _require_body(stream, header)
    return header.manifest


def open_package(
    package: Path,
    destination: Path,
    *,
    agreement: Agreement,
    recipient: PartyKey,
    artefact: str,
    today: date | None = None,
) -> Manifest:
    """
    Open a package as one of its recipients; the artefact is written to ``destination``.

    Args:
        agreement: one whose signatures were checked (:func:`pseudolink.agreement.load_signed`).
        artefact: what the caller expects: encodings, payload, link_map or release.
        today: the day to judge by; default the current UTC date.

    Returns:
        the manifest, every statement of it checked against the agreement.

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
        header = _checked(stream, agreement)
        manifest = header.manifest
        party = require_own_key(agreement, recipient)
        rules.refuse_receiver(party, manifest.artefact)
        rules.require_today(manifest, agreement, today or today_utc())
        if manifest.artefact != artefact:
            raise PackageError(f"the package holds {manifest.artefact}, where {artefact} was expected")
        if party.id not in header.wrapped:
            raise NotARecipientError(f"the package is not sealed to {party.id!r}")
        _require_body(stream, header)
        data_key = recipient.unwrap(header.wrapped[party.id], header.info(party.id, party.role))
        if len(data_key) != KEY_BYTES:
            raise PackageError("the package's data key has a wrong length")
        with files.new_file(destination) as temporary:
            _decrypt(stream, header, data_key, temporary)
    return manifest


def _decrypt(stream: BinaryIO, header: Header, data_key: bytes, temporary: Path) -> None:
    decryptor = Cobblestone256Decryptor(data_key, header.context())
    content = hashlib.sha256()
    try:
        with temporary.open("wb") as out:
            for chunk in body(stream, header):
                plain = decryptor.update(chunk)
                content.update(plain)
                out.write(plain)
            plain = decryptor.finalize()
            content.update(plain)
            out.write(plain)
    except InvalidTag:
        raise PackageError("the package's body does not open: it was sealed wrongly or changed") from None
    if not hmac.compare_digest(content.hexdigest(), header.manifest.content_sha256):
        raise PackageError("the package holds another artefact than its manifest describes")
