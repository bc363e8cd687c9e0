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
from pseudolink.errors import KeyFileError, OutputError, SignatureError
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
    a trace; ``key`` may be among them, it is in memory already. Of a run that was killed between the
    two, the key is destroyed now, and its certificate stays.

    Args:
        agreement: digest of the agreement that they were made for, where there is one.
        pin: of the token, when one of them is a reference to a key in a token.

    Raises:
        KeyFileError: one of them is no key file, or another party's; then none is touched.
        OutputExistsError: one has a certificate that is not this party's over this file.
        OutputError: a file could not be overwritten; one that is as it was has no certificate then.
    """
    found, begun = [], []
    for path in paths:
        earlier = _begun(path, key)
        if earlier is not None:
            begun.append(path)
            found.append(earlier)
            continue
        files.refuse_existing(_beside(path))
        if token.is_reference(path):
            held = token.describe(path)
            found.append(
                Destroyed(path.name, held["purpose"], held["fingerprint"], None, certificate.IN_TOKEN)
            )
            continue
        what = vault.look(path)
        if what is None:
            raise KeyFileError(f"{path.name}: not a pseudolink key file; nothing was destroyed")
        if what["party"] not in (None, key.id):
            raise KeyFileError(
                f"{path.name}: a key of {what['party']!r}, which {key.id!r} cannot certify; "
                "nothing was destroyed",
                advice="Each party destroys its own keys.",
            )
        found.append(Destroyed(path.name, what["purpose"], what["fingerprint"], what["sha256"]))
    made = sign(found, key, agreement=agreement, now=now)
    for path, what_it_is in zip(paths, found, strict=True):
        if path not in begun:
            files.write_bytes(_beside(path), made.to_bytes())
        try:
            if what_it_is.place == certificate.IN_TOKEN:
                token.destroy(path, pin or "")
            else:
                overwrite(path)
        except BaseException:
            if _untouched(path, what_it_is):
                _beside(path).unlink()  # it would say what is not so
            raise
    return made


def _beside(path: Path) -> Path:
    return path.with_name(path.name + certificate.SUFFIX)


def _begun(path: Path, key: PartyKey) -> Destroyed | None:
    """What this party's certificate beside a file says of it: a run was killed before the file was gone."""
    try:
        made = certificate.read(_beside(path))
        made.verify({key.id: key.public.signing_key})
    except (KeyFileError, SignatureError):
        return None
    named = next((one for one in made.destroyed if one.name == path.name), None)
    if named is None or not path.is_file():
        return None
    there = vault.look(path)
    if named.place == certificate.IN_TOKEN:
        same = token.is_reference(path) and token.describe(path)["fingerprint"] == named.fingerprint
        return named if same else None
    # Whole, or overwritten in part and so no key any more; another key is not what was certified.
    return named if there is None or there["sha256"] == named.sha256 else None


def _untouched(path: Path, what: Destroyed) -> bool:
    if what.place == certificate.IN_TOKEN:
        return path.exists()
    there = vault.look(path)
    return there is not None and there["sha256"] == what.sha256


def sign(
    destroyed: Sequence[Destroyed], key: PartyKey, *, agreement: str | None, now: datetime | None = None
) -> Certificate:
    """A certificate over what is being destroyed."""
    time = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    unsigned = Certificate(key.id, agreement, time, tuple(destroyed), certificate.NOT_COVERED, bytes(64))
    return Certificate(
        key.id, agreement, time, tuple(destroyed), certificate.NOT_COVERED, key.sign(unsigned.message())
    )
