"""
Unique Learner Numbers.

Source: specs/cleaning-v1.md, section 10 (HESA, Student record, ULN).
"""

from __future__ import annotations

import re
from typing import Final

from pseudolink.clean.folding import compact, is_marker, plain
from pseudolink.clean.verdict import BLANK, Verdict

_SHAPE: Final = re.compile(r"[0-9]{10}")
#: What learner returns carry where no number was issued yet.
_PLACEHOLDER: Final = "9999999999"


def judge(text: str) -> Verdict:
    """Judge one cell: ten digits, the first not 0, weighted sum 10 modulo 11."""
    folded = plain(text)
    if not folded:
        return BLANK
    number = compact(re.sub(r"\.0+$", "", folded))
    if number == _PLACEHOLDER or (not _SHAPE.fullmatch(number) and is_marker(folded)):
        return Verdict(None, None, "uln.placeholder")
    if not _SHAPE.fullmatch(number) or number[0] == "0":
        return Verdict(None, "uln.format")
    if sum(int(digit) * weight for digit, weight in zip(number, range(10, 0, -1), strict=True)) % 11 != 10:
        return Verdict(None, "uln.check-digit")
    return Verdict(number)


def clean(text: str) -> str | None:
    """The canonical number (10 digits), or None."""
    return judge(text).value
