"""
What a cleaning rule says about one cell.

Source: specs/cleaning-v1.md, section 1.
"""

from __future__ import annotations

from typing import NamedTuple


class Verdict(NamedTuple):
    """
    The judgement on one cell.

    value: the canonical string, or None where the cell holds no evidence.
    rule: name of the rule that the cell breaks (``nino.prefix``), or None.
    flag: a remark that is counted though nothing is broken (``upn.temporary``), or None.
    """

    value: str | None
    rule: str | None = None
    flag: str | None = None


#: A cell with nothing in it.
BLANK = Verdict(None)
