"""
Diffused CLKs: the project's, eight inner bits to an output bit; and a weak one of two, as a canary.

Source: specs/clk-v1.md, section 9; Armknecht, Heng, Schnell 2023.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pseudolink.attacks.attack import View
from pseudolink.attacks.scheme import Encode, Scheme
from pseudolink.attacks.schemes.clk import BITS, fields_of, filters, plain
from pseudolink.encode.diffusion import LABEL, VERSION, diffuse
from pseudolink.formats.cleaned import Cleaned
from pseudolink.keys.derive import derive
from pseudolink.schema import LinkageSchema

#: Insertions in all, that fill 1,024 bits to about 0.48.
INSERTIONS: Final = 680
FEW: Final = 2


def _start(schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode:
    key = derive(secret, LABEL, VERSION, project, schema.digest)

    def encode(cleaned: Cleaned) -> View:
        # A record with missing values is emptier; the budget is for those that have them all.
        there = [(cleaned.fields[name].codes >= 0).mean() for name in fields_of(schema)]
        each = round(INSERTIONS / max(round(sum(there)), 1))
        inner = filters(cleaned, schema, secret + project.encode(), {"bitsPerFeature": each})
        return View(bits=diffuse(inner, key)[0])

    return encode


def _start_two(schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode:
    drawn = np.random.default_rng(int.from_bytes(derive(secret, LABEL, project), "big"))
    pairs = np.stack([drawn.permutation(BITS), drawn.permutation(BITS)])

    def encode(cleaned: Cleaned) -> View:
        bits = np.unpackbits(plain(cleaned, schema, secret + project.encode()), axis=1)
        return View(bits=np.packbits(bits[:, pairs[0]] ^ bits[:, pairs[1]], axis=1))

    return encode


SCHEMES = (
    Scheme(
        "diffused",
        "diffused CLK",
        "The project's hardening: each of 2,048 bits is the XOR of eight secret bits of a half-full CLK.",
        _start,
    ),
    Scheme(
        "diffused2",
        "diffused CLK, t = 2",
        "A weak diffusion: each bit is the XOR of two secret bits of the CLK.",
        _start_two,
    ),
)
