"""
Balanced Bloom filters: the CLK and its complement, permuted by the key; every record has equal fill.

Source: Schnell and Borgs 2016.
"""

from __future__ import annotations

import numpy as np

from pseudolink.attacks.attack import View
from pseudolink.attacks.scheme import Encode, Scheme
from pseudolink.attacks.schemes.clk import BITS, plain
from pseudolink.formats.cleaned import Cleaned
from pseudolink.keys.derive import derive
from pseudolink.schema import LinkageSchema


def _start(schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode:
    drawn = int.from_bytes(derive(secret, "permutation", project), "big")
    order = np.random.default_rng(drawn).permutation(2 * BITS)

    def encode(cleaned: Cleaned) -> View:
        bits = np.unpackbits(plain(cleaned, schema, secret + project.encode()), axis=1)
        return View(bits=np.packbits(np.concatenate([bits, 1 - bits], axis=1)[:, order], axis=1))

    return encode


SCHEME = Scheme(
    "balanced",
    "balanced CLK",
    "The CLK beside its complement, in a secret order, so that every record sets half of the bits.",
    _start,
)
