"""
The key derivation of every key: NIST SP 800-108r1, counter mode, HMAC-SHA-256, 32 bytes.

One block of output is one HMAC, so a key in a hardware module that only knows HMAC gives the
same derived keys.

Source: specs/keys-v1.md, section 3.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Sequence

from pseudolink.formats.binary import prefixed

KEY_BYTES = 32
_LABEL = re.compile(r"[a-z][a-z-]{0,31}")
_COUNTER = (1).to_bytes(4, "big")
_LENGTH = (8 * KEY_BYTES).to_bytes(4, "big")


def derive(secret: bytes, label: str, *context: str) -> bytes:
    """
    HMAC(secret, 00000001 || label || 00 || context || 00000100), 32 bytes.

    Args:
        label: what the derived key is for; lower-case letters and ``-``.
        context: each part enters as its UTF-8 length (4 bytes, big-endian) and its UTF-8.

    Raises:
        ValueError: the label has another form (a NUL in it could imitate the separator).
    """
    return hmac.digest(secret, fixed_input(label, *context), "sha256")


def fixed_input(label: str, *context: str) -> bytes:
    """
    What the one HMAC of a derivation is taken over, for keys that do it elsewhere.

    Raises:
        ValueError: as :func:`derive`.
    """
    if not _LABEL.fullmatch(label):
        raise ValueError("a label is lower-case letters and -")
    fixed = label.encode() + b"\x00" + prefixed(*(part.encode("utf-8") for part in context))
    return _COUNTER + fixed + _LENGTH


def derive_each(secret: bytes, label: str, context: Sequence[str], last: Sequence[str]) -> Iterator[bytes]:
    """``derive(secret, label, *context, one)`` for every one of many, in their order."""
    if not _LABEL.fullmatch(label):
        raise ValueError("a label is lower-case letters and -")
    start = _COUNTER + label.encode() + b"\x00" + prefixed(*(part.encode("utf-8") for part in context))
    for one in last:
        raw = one.encode("utf-8")
        yield hmac.digest(secret, start + len(raw).to_bytes(4, "big") + raw + _LENGTH, "sha256")


def spoken(raw: bytes) -> str:
    """Bytes as people read them to one another: groups of four hexadecimal digits."""
    text = raw.hex()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))
