"""
Postcodes of the United Kingdom.

Source: specs/cleaning-v1.md, section 5 (BS 7666 pattern; NHS pseudo-postcodes).
"""

from __future__ import annotations

import re
from typing import Final

from pseudolink.clean.folding import compact, is_marker, plain
from pseudolink.clean.verdict import BLANK, Verdict

_INWARD: Final = r"[0-9][ABD-HJLNP-UW-Z]{2}"
_SHAPE: Final = re.compile(
    r"(GIR(?=0AA)"
    r"|[A-PR-UWYZ][0-9][0-9]?"
    r"|[A-PR-UWYZ][A-HK-Y][0-9][0-9]?"
    r"|[A-PR-UWYZ][0-9][A-HJKPSTUW]"
    r"|[A-PR-UWYZ][A-HK-Y][0-9][ABEHMNPRVWXY])"
    rf"({_INWARD})"
)
_PSEUDO: Final = re.compile(r"ZZ99[0-9][A-Z]{2}")
_FORCES: Final = re.compile(r"BFPO(?:CO)?([0-9]{1,4})")


def judge(text: str) -> Verdict:
    """
    Judge one cell: outward code, one space, inward code.

    A pseudo-postcode (ZZ99: no fixed abode, not known, abroad) says nothing about a place: it is
    missing and flagged. BFPO numbers are values.
    """
    folded = plain(text)
    if not folded:
        return BLANK
    code = compact(folded)
    if _PSEUDO.fullmatch(code):
        return Verdict(None, None, "postcode.pseudo")
    if shape := _SHAPE.fullmatch(code):
        return Verdict(f"{shape[1]} {shape[2]}")
    if forces := _FORCES.fullmatch(code):
        return Verdict(f"BFPO {int(forces[1])}", None, "postcode.bfpo")
    if is_marker(folded):
        return Verdict(None, None, "postcode.placeholder")
    return Verdict(None, "postcode.format")


def clean(text: str) -> str | None:
    """The canonical postcode, or None."""
    return judge(text).value
