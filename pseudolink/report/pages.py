"""What plain pages (agreement, key audit, what is past its date) are rendered with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("pseudolink.report", "templates"),
        # Names and purposes come from files that others wrote.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Mapping[str, Any]) -> str:
    """A page of ours, offline and without scripts; every value is escaped."""
    return _environment().get_template(template).render(**values)
