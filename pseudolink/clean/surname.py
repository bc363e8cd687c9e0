"""
Surnames.

Source: specs/cleaning-v1.md, section 3.
"""

from __future__ import annotations

from typing import Final

from pseudolink.clean import names
from pseudolink.clean.names import PLACEHOLDERS, judge_name
from pseudolink.clean.verdict import Verdict

#: A single O is a prefix here, and may be an initial in a forename.
PREFIXES: Final = names.PREFIXES | {"O"}


def judge(text: str) -> Verdict:
    """Judge one cell. The hyphen of a double surname is kept; NULL and BABY are surnames."""
    return judge_name(text, prefixes=PREFIXES, placeholders=PLACEHOLDERS, hyphens=True)


def clean(text: str) -> str | None:
    """The canonical surname, or None."""
    return judge(text).value
