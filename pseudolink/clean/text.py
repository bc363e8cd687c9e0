"""
Text without rules of its own: folded, blanks collapsed.

Source: specs/cleaning-v1.md, section 11.
"""

from __future__ import annotations

from pseudolink.clean.folding import plain
from pseudolink.clean.verdict import BLANK, Verdict

MOST_CHARACTERS = 1000


def judge(text: str) -> Verdict:
    """Judge one cell: any text but a damaged or endless one is a value."""
    value = plain(text)
    if not value:
        return BLANK
    if "\ufffd" in value:
        return Verdict(None, "text.damaged")
    if len(value) > MOST_CHARACTERS:
        return Verdict(None, "text.long")
    return Verdict(value)


def clean(text: str) -> str | None:
    """The canonical text, or None."""
    return judge(text).value
