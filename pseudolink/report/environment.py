"""
The one way in which templates of pages are read: every text is escaped, every name must be known.

Names of parties, purposes, fields, categories and files come from files that others wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(**filters: Callable[..., Any]) -> Environment:
    """Templates of ``report/templates``, with further filters."""
    made = Environment(
        loader=PackageLoader("pseudolink.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(filters)
    return made
