"""
National Insurance numbers.

Source: specs/cleaning-v1.md, section 7 (HMRC, National Insurance Manual, NIM39110).
"""

from __future__ import annotations

import re
from typing import Final

from pseudolink.clean.folding import compact, is_marker, plain
from pseudolink.clean.verdict import BLANK, Verdict

_SHAPE: Final = re.compile(r"([A-Z]{2})[0-9]{6}([A-Z]?)")
_TEMPORARY: Final = re.compile(r"TN(0[1-9]|[12][0-9]|3[01])(0[1-9]|1[0-2])[0-9]{2}[MF]?")
LETTERS: Final = re.compile(r"[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z]")
NEVER_ISSUED: Final = frozenset(("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"))

#: Look like a number but stand for no person's National Insurance record.
ADMINISTRATIVE: Final = frozenset(("OO", "FY", "PP", "PY", "PZ", "MA", "CR", "MW", "NC"))


def judge(text: str) -> Verdict:
    """
    Judge one cell.

    The value has 8 characters, or 9 with the suffix; the first 8 are the stem.
    """
    folded = plain(text)
    if not folded:
        return BLANK
    number = compact(folded)
    shape = _SHAPE.fullmatch(number)
    if shape is None:
        return Verdict(None, None, "nino.placeholder") if is_marker(folded) else Verdict(None, "nino.format")
    prefix, suffix = shape.groups()
    if _TEMPORARY.fullmatch(number):
        return Verdict(None, None, "nino.temporary")
    if prefix in ADMINISTRATIVE:
        return Verdict(None, "nino.administrative")
    if prefix in NEVER_ISSUED or not LETTERS.fullmatch(prefix):
        return Verdict(None, "nino.prefix")
    if suffix not in ("", "A", "B", "C", "D"):
        return Verdict(None, "nino.suffix")
    return Verdict(number)


def clean(text: str) -> str | None:
    """The canonical number (8 or 9 characters), or None."""
    return judge(text).value
