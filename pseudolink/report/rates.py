"""
Linkage rates by subgroup as one HTML page: whom does the linkage miss?

It shows what the table of rates tells, and no more: subgroups that are held back have no bar.

Source: specs/rates-v1.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Template

from pseudolink.report import charts
from pseudolink.report.environment import environment
from pseudolink.report.linkage import whole


@cache
def _template() -> Template:
    made = environment(whole=whole)
    made.globals.update(shares=charts.shares)
    return made.get_template("rates.html")


def grouped(rates: Sequence[Mapping[str, Any]]) -> list[tuple[tuple[str, str, str], list[Mapping[str, Any]]]]:
    """Rates by (party, linked with, attribute), in the order of the table."""

    def key(one: Mapping[str, Any]) -> tuple[str, str, str]:
        return one["party"], one["linked_with"], one["attribute"]

    return [(name, list(rows)) for name, rows in groupby(rates, key)]


def render(found: Mapping[str, Any]) -> str:
    """
    The page as text (UTF-8 when written).

    Args:
        found: what ``linkage-rates.json`` holds.
    """
    return _template().render(found=found, groups=grouped(found["rates"]))
