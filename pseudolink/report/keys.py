"""The audit of a project's keys as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pseudolink.report import pages


def render(audit: Mapping[str, Any]) -> str:
    """
    The page as text (UTF-8 when written).

    Args:
        audit: what ``keys audit --json`` prints.
    """
    return pages.render("keys.html", audit=audit)
