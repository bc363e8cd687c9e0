"""
Forenames.

Source: specs/cleaning-v1.md, section 3.
"""

from __future__ import annotations

from typing import Final

from pseudolink.clean.names import PLACEHOLDERS, PREFIXES, judge_name
from pseudolink.clean.verdict import Verdict

#: Null and Baby are surnames of real people, but nobody's forename.
_PLACEHOLDERS: Final = PLACEHOLDERS | {
    "BABY",
    "BABY OF",
    "BABY BOY",
    "BABY GIRL",
    "BABY 1",
    "BABY 2",
    "INFANT",
    "NULL",
}


def judge(text: str) -> Verdict:
    """
    Judge one cell.

    A hyphen is a space (MARY-ANN is MARY ANN). A single O is not a prefix here: it may be the
    initial of another forename.
    """
    return judge_name(text, prefixes=PREFIXES, placeholders=_PLACEHOLDERS, hyphens=False)


def clean(text: str) -> str | None:
    """The canonical forename, or None."""
    return judge(text).value
