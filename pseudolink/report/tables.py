"""
Safe tables as one HTML page that needs nothing but itself: no script, no link, every text escaped.

Source: specs/tables-v1.md, section 6.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from jinja2 import Template

from pseudolink.report.environment import environment


class Sheet(NamedTuple):
    """One table: names of the columns of its row heads, heads, and texts of the cells."""

    title: str
    names: Sequence[str]
    columns: Sequence[Sequence[str]]
    rows: Sequence[tuple[Sequence[str], Sequence[str]]]


@cache
def _template() -> Template:
    return environment().get_template("tables.html")


def render(sheets: Sequence[Sheet], notes: Sequence[str]) -> str:
    """The page."""
    return _template().render(sheets=sheets, notes=notes)
