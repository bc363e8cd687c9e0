"""
Destroying keys: overwritten, removed, and certified by the party's signature.

Source: specs/keys-v1.md, section 7.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pseudolink import files
from pseudolink.errors import KeyFileError, OutputError
from pseudolink.keys import certificate, token, vault
from pseudolink.keys.certificate import Certificate, Destroyed
from pseudolink.keys.party import PartyKey


def overwrite(path: Path) -> None:
    """
    Overwrite a file with random bytes, wait until they are on the disk, and remove it.

    Raises:
        OutputError: the system refused; the file may still be there.
    """
    try:
        with path.open("r+b", buffering=0) as stream:
            left = os.fstat(stream.fileno()).st_size
            while left > 0:
                left -= stream.write(os.urandom(min(left, 1 << 20)))
            os.fsync(stream.fileno())
        path.unlink()
    except OSError as error:
        raise OutputError(f"cannot destroy {path.name}: {error.strerror or type(error).__name__}") from None


def destroy(
    paths: Sequence[Path],
    key: PartyKey,
    *,
    agreement: str | None = None,
    pin: str | None = None,
    now: datetime | None = None,
) -> Certificate:
    """
    Destroy key files of a party; a certificate stands where each was.

    The certificate is signed and written before a key is touched, so that one is never gone without
    a trace; ``key`` may be among them, it is in memory already.

    Args:
        agreement: digest of the agreement that they were made for, where there is one.
        pin: of the token, when one of them is a reference to a key in a token.

    Raises:
        KeyFileError: one of them is no key file; then none is touched.
        OutputExistsError: one has a certificate already.
        OutputError: a file could not be overwritten.
    """
    found = []
    for path in paths:
        if token.is_reference(path):
            files.refuse_existing(_beside(path))
            held = token.describe(path)
            found.append(
                Destroyed(path.name, held["purpose"], held["fingerprint"], None, certificate.IN_TOKEN)
            )
            continue
        what = vault.look(path)
        if what is None:
            raise KeyFileError(f"{path.name}: not a pseudolink key file; nothing was destroyed")
        files.refuse_existing(_beside(path))
        found.append(Destroyed(path.name, what["purpose"], what["fingerprint"], what["sha256"]))
    made = sign(found, key, agreement=agreement, now=now)
    for path in paths:
        files.write_bytes(_beside(path), made.to_bytes())
        if token.is_reference(path):
            try:
                token.destroy(path, pin or "")
            except BaseException:
                _beside(path).unlink()  # it is still there
                raise
        else:
            overwrite(path)
    return made


def _beside(path: Path) -> Path:
    return path.with_name(path.name + certificate.SUFFIX)


def sign(
    destroyed: Sequence[Destroyed], key: PartyKey, *, agreement: str | None, now: datetime | None = None
) -> Certificate:
    """A certificate over what is being destroyed."""
    time = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    unsigned = Certificate(key.id, agreement, time, tuple(destroyed), certificate.NOT_COVERED, bytes(64))
    return Certificate(
        key.id, agreement, time, tuple(destroyed), certificate.NOT_COVERED, key.sign(unsigned.message())
    )
