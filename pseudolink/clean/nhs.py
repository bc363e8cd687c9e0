"""
NHS numbers.

Source: specs/cleaning-v1.md, section 9 (NHS Data Dictionary, NHS number).
"""

from __future__ import annotations

import re
from typing import Final

from pseudolink.clean.folding import compact, is_marker, plain
from pseudolink.clean.verdict import BLANK, Verdict

_SHAPE: Final = re.compile(r"[0-9]{10}")


def judge(text: str) -> Verdict:
    """Judge one cell: ten digits whose check digit fits, not one digit ten times."""
    folded = plain(text)
    if not folded:
        return BLANK
    number = compact(re.sub(r"\.0+$", "", folded))
    if not _SHAPE.fullmatch(number):
        return Verdict(None, None, "nhs.placeholder") if is_marker(folded) else Verdict(None, "nhs.format")
    if len(set(number)) == 1:
        return Verdict(None, "nhs.repeated")
    check = (
        11 - sum(int(digit) * weight for digit, weight in zip(number, range(10, 1, -1), strict=False)) % 11
    )
    if check % 11 != int(number[9]):  # 11 is written 0; 10 has no digit and fits none
        return Verdict(None, "nhs.check-digit")
    return Verdict(number)


def clean(text: str) -> str | None:
    """The canonical number (10 digits), or None."""
    return judge(text).value
