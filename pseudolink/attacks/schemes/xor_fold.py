"""
XOR-folded CLKs: the two halves of the CLK XORed.

Source: Schnell and Borgs 2016; specs/clk-v1.md, section 6.
"""

from __future__ import annotations

from pseudolink.attacks.attack import View
from pseudolink.attacks.scheme import Encode, Scheme
from pseudolink.attacks.schemes.clk import BITS, plain
from pseudolink.interop.clkhash import fold
from pseudolink.schema import LinkageSchema


def _start(schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode:
    return lambda cleaned: View(bits=fold(plain(cleaned, schema, secret + project.encode()), BITS // 2, 1))


SCHEME = Scheme("folded", "XOR-folded CLK", "The two halves of the CLK XORed to 512 bits.", _start)
