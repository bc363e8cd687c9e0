"""
Forenames.

Source: specs/cleaning-v1.md, section 3.
"""

from __future__ import annotations

from pseudolink.clean.names import FORENAME_PLACEHOLDERS, PREFIXES, judge_name
from pseudolink.clean.verdict import Verdict


def judge(text: str) -> Verdict:
    """
    Judge one cell.

    A hyphen is a space (MARY-ANN is MARY ANN). A single O is not a prefix here: it may be the
    initial of another forename.
    """
    return judge_name(text, prefixes=PREFIXES, placeholders=FORENAME_PLACEHOLDERS, hyphens=False)


def clean(text: str) -> str | None:
    """The canonical forename, or None."""
    return judge(text).value
