"""
Sex, as recorded.

Source: specs/cleaning-v1.md, section 6.
"""

from __future__ import annotations

from typing import Final

from pseudolink.clean.folding import is_marker, plain
from pseudolink.clean.verdict import BLANK, Verdict

_CODES: Final = {
    **dict.fromkeys(("1", "1.0", "01", "M", "MALE", "MAN", "BOY"), Verdict("M")),
    **dict.fromkeys(("2", "2.0", "02", "F", "FEMALE", "WOMAN", "GIRL"), Verdict("F")),
    **dict.fromkeys(("0", "0.0", "00", "U"), Verdict(None, None, "sex.unknown")),
    # Not evidence of being another person: many systems write these where nothing was asked.
    **dict.fromkeys(
        ("9", "9.0", "09", "X", "I", "O", "OTHER", "INDETERMINATE", "NOT SPECIFIED", "UNSPECIFIED"),
        Verdict(None, None, "sex.unspecified"),
    ),
}


def judge(text: str) -> Verdict:
    """Judge one cell: ``M``, ``F`` or missing."""
    folded = plain(text)
    if not folded:
        return BLANK
    if folded in _CODES:
        return _CODES[folded]
    return Verdict(None, None, "sex.unknown") if is_marker(folded) else Verdict(None, "sex.code")


def clean(text: str) -> str | None:
    """``M``, ``F`` or None."""
    return judge(text).value
