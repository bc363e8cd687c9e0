"""
Random flips (BLIP): a share of the bits of every CLK is replaced by coins.

The coins are new for every record here. With a fixed seed they are a permutation of symbols and
give no privacy at all.

Source: Schnell and Borgs 2016; Alaggan, Gambs, Kermarrec 2012.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pseudolink.attacks.attack import View
from pseudolink.attacks.scheme import Encode, Scheme
from pseudolink.attacks.schemes.clk import plain
from pseudolink.formats.cleaned import Cleaned
from pseudolink.keys.derive import derive
from pseudolink.schema import LinkageSchema

SHARE: Final = 0.2


def _start(schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode:
    # From the secret, so that an experiment repeats; drawn on, so that no two records share coins.
    coins = np.random.default_rng(int.from_bytes(derive(secret, "flips", project), "big"))

    def encode(cleaned: Cleaned) -> View:
        bits = np.unpackbits(plain(cleaned, schema, secret + project.encode()), axis=1)
        drawn = coins.random(bits.shape, dtype=np.float32)
        bits = np.where(drawn < SHARE / 2, np.uint8(0), np.where(drawn < SHARE, np.uint8(1), bits))
        return View(bits=np.packbits(bits, axis=1))

    return encode


SCHEME = Scheme("flips", "flips (BLIP)", "A fifth of the bits of every CLK is replaced by coins.", _start)
