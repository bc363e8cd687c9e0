"""What plain pages (agreement, key audit, what is past its date) are rendered with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment

from pseudolink.report.environment import environment


@cache
def _environment() -> Environment:
    return environment()


def render(template: str, **values: Mapping[str, Any]) -> str:
    """A page of ours, offline and without scripts; every value is escaped."""
    return _environment().get_template(template).render(**values)
