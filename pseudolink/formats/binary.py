"""
Bytes as text in the written formats: base64 and hexadecimal, one spelling only.

Source: specs/canonical-json-v1.md, section 4.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct

_HEX_64 = re.compile(r"[0-9a-f]{64}")


def encode64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode64(text: object, length: int | None = None) -> bytes:
    """
    Read base64; ``length`` is the number of bytes it must hold.

    Raises:
        ValueError: not a string, not base64 as :func:`encode64` writes it, or another length.
    """
    if not isinstance(text, str):
        raise ValueError("not base64 text")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64 text") from None
    # Unused bits of the last character could otherwise carry a second spelling of the same bytes.
    if encode64(data) != text:
        raise ValueError("not base64 as it is written")
    if length is not None and len(data) != length:
        raise ValueError(f"holds {len(data)} bytes, must hold {length}")
    return data


def is_digest(text: object) -> bool:
    """Whether this is a SHA-256 in lower-case hexadecimal (64 characters)."""
    return isinstance(text, str) and _HEX_64.fullmatch(text) is not None


def prefixed(*parts: bytes) -> bytes:
    """Each part after its length (4 bytes, big-endian), so that no part can imitate a boundary."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
