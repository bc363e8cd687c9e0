"""
Rule 90: every bit of the CLK becomes the XOR of its two neighbours, the ends joined.

Source: Schnell and Borgs 2018.
"""

from __future__ import annotations

import numpy as np

from pseudolink.attacks.attack import View
from pseudolink.attacks.scheme import Encode, Scheme
from pseudolink.attacks.schemes.clk import plain
from pseudolink.formats.cleaned import Cleaned
from pseudolink.schema import LinkageSchema


def _start(schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode:
    def encode(cleaned: Cleaned) -> View:
        bits = np.unpackbits(plain(cleaned, schema, secret + project.encode()), axis=1)
        mixed = np.roll(bits, 1, axis=1) ^ np.roll(bits, -1, axis=1)
        return View(bits=np.packbits(mixed, axis=1))

    return encode


SCHEME = Scheme("rule90", "rule 90", "Every bit of the CLK is replaced by the XOR of its neighbours.", _start)
