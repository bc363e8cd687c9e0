"""
An outside clock for a ledger: requests to, and responses of, a time-stamping authority (RFC 3161).

Only what is needed of the encoding is read and written here. Whether the authority's own signature
holds is asked of ``openssl ts``, with the certificate that the reviewer trusts.

Source: specs/receipt-v1.md, section 6.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pseudolink.errors import MissingDependencyError, TimestampError
from pseudolink.formats.receipt import Receipt

LARGEST = 1024 * 1024
# AlgorithmIdentifier of SHA-256, with and without the NULL that some authorities leave out.
_SHA256 = bytes.fromhex("0609608648016503040201")
_IMPRINTS = (
    bytes.fromhex("3031300d") + _SHA256 + bytes.fromhex("05000420"),
    bytes.fromhex("302f300b") + _SHA256 + bytes.fromhex("0420"),
)
_TIME = re.compile(rb"\x18(?:\x0f|[\x11-\x17])(\d{14})(?:\.\d{1,6})?Z")


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def request(head: str) -> bytes:
    """A request (DER) to stamp a head, with a nonce, asking for the authority's certificate."""
    imprint = _IMPRINTS[0] + hashlib.sha256(bytes.fromhex(head)).digest()
    nonce = b"\x00" + secrets.token_bytes(8)
    nonce = nonce if nonce[1] & 0x80 else nonce[1:].lstrip(b"\x00") or b"\x01"
    return _der(0x30, _der(0x02, b"\x01") + imprint + _der(0x02, nonce) + b"\x01\x01\xff")


def read(response: Path, receipts: Sequence[Receipt]) -> tuple[Receipt, datetime]:
    """
    The receipt that a response stamps, and the time that it states.

    Raises:
        TimestampError: no response of an authority, or not about a receipt of this ledger.
    """
    data = _data(response)
    for prefix in _IMPRINTS:
        at = data.find(prefix)
        if at < 0:
            continue
        end = at + len(prefix) + 32
        stamped = data[at + len(prefix) : end]
        time = _TIME.search(data, end)
        for one in receipts:
            if time and hashlib.sha256(bytes.fromhex(one.digest)).digest() == stamped:
                try:
                    stated = datetime.strptime(time[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
                except ValueError:
                    break
                return one, stated
        raise TimestampError(f"{response.name}: stamps nothing that is in this ledger")
    raise TimestampError(f"{response.name}: not a time-stamp response with SHA-256")


def _data(response: Path) -> bytes:
    try:
        with response.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise TimestampError(f"{response.name}: {error.strerror or type(error).__name__}") from None
    if len(data) > LARGEST:
        raise TimestampError(f"{response.name}: larger than a time-stamp response can be")
    return data


def verify(response: Path, receipt: Receipt, authority: Path) -> None:
    """
    Check the authority's signature with ``openssl ts``.

    Args:
        authority: its certificates (PEM), which the reviewer trusts.

    Raises:
        MissingDependencyError: openssl is not installed.
        TimestampError: the signature does not hold under these certificates.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise MissingDependencyError("checking a timestamp's signature needs the openssl program")
    with tempfile.TemporaryDirectory() as folder:  # holds a public digest and nothing else
        data = Path(folder) / "head"
        data.write_bytes(bytes.fromhex(receipt.digest))
        done = subprocess.run(
            [openssl, "ts", "-verify", "-data", data, "-in", response, "-CAfile", authority],
            capture_output=True,
            check=False,
        )
    if done.returncode:
        raise TimestampError(f"{response.name}: its signature does not hold under these certificates")
