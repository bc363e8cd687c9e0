"""
From a secret to keys, and from a keyed token to bit positions.

Source: specs/clk-v1.md, sections 3 and 5.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pseudolink.errors import KeyFileError
from pseudolink.interop.clk_schema import ClkSchema, Feature

Positions = npt.NDArray[np.uint32]
#: (token, how many) -> bit positions, (how many,) uint32.
Draw = Callable[[bytes, int], Positions]

_DIGESTS: Final = {"SHA256": hashes.SHA256, "SHA512": hashes.SHA512}
_PER_MAC: Final = 32


def derive_keys(schema: ClkSchema, secret: bytes | str) -> list[tuple[bytes, bytes]]:
    """
    Two keys for every column of the schema, also for those that are ignored.

    Args:
        secret: not empty; text is taken as UTF-8.

    Raises:
        KeyFileError: the secret is empty or is not Unicode text.

    Source: specs/clk-v1.md, section 3.
    """
    try:
        raw = secret.encode("utf-8") if isinstance(secret, str) else bytes(secret)
    except UnicodeEncodeError:
        raise KeyFileError("the secret is not Unicode text") from None
    if not raw:
        raise KeyFileError("the secret is empty")
    size = schema.key_bytes
    columns = len(schema.identifiers)
    kdf = HKDF(
        algorithm=_DIGESTS[schema.kdf_hash](), length=2 * columns * size, salt=schema.salt, info=schema.info
    )
    made = kdf.derive(raw)
    keys = [made[at : at + size] for at in range(0, len(made), size)]
    return list(zip(keys[::2], keys[1::2], strict=True))


def drawing(feature: Feature, keys: Sequence[bytes], bits: int) -> Draw:
    """
    How the tokens of a feature draw positions below ``bits``.

    The positions for a smaller number are the first of those for a larger one.
    """
    if feature.hash == "blakeHash":
        return _blake(keys[0], bits)
    return _double(keys[0], keys[1], bits, non_singular=feature.non_singular)


def _blake(key: bytes, bits: int) -> Draw:
    blake2b = hashlib.blake2b
    # clk-v1 §5.2: a power of two, so that the remainder is a mask.
    mask = np.uint32(bits - 1)
    salts = [str(i).encode("ascii") for i in range(1 + (1 << 14) // _PER_MAC)]

    def draw(token: bytes, count: int) -> Positions:
        macs = (blake2b(token, key=key, salt=salt).digest() for salt in salts[: -(-count // _PER_MAC)])
        # Little-endian by name: the machine's own order would give other filters elsewhere.
        return np.frombuffer(b"".join(macs), dtype="<u2")[:count] & mask

    return draw


def _double(key_sha1: bytes, key_md5: bytes, bits: int, *, non_singular: bool) -> Draw:
    def draw(token: bytes, count: int) -> Positions:
        start = int.from_bytes(hmac.digest(key_sha1, token, "sha1"), "big") % bits
        step = int.from_bytes(hmac.digest(key_md5, token, "md5"), "big") % bits
        again = 0
        while non_singular and step == 0:
            longer = token + chr(again).encode("utf-8")
            step = int.from_bytes(hmac.digest(key_md5, longer, "md5"), "big") % bits
            again += 1
        return ((start + np.arange(count, dtype=np.uint64) * np.uint64(step)) % np.uint64(bits)).astype(
            np.uint32
        )

    return draw
