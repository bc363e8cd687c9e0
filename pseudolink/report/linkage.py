"""
The operator's report of one linkage: one HTML page that needs nothing but itself.

No script, no link outside, and a policy in the page that forbids both; every text from the
summary is escaped by the template. The page carries counts and estimates about parties, passes
and pairs of parties, and nothing about any one record.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment

from pseudolink.formats.summary import LinkageSummary
from pseudolink.report import charts
from pseudolink.report.environment import environment


def whole(value: int) -> str:
    """A count with thousands separated."""
    return f"{value:,}"


def probability(value: float) -> str:
    """Four decimals; more where four would show nothing."""
    return f"{value:.4f}" if value == 0 or value >= 0.00005 else f"{value:.2g}"


def decimal(value: float) -> str:
    """Two decimals, thousands separated."""
    return f"{value:,.2f}"


def per_cent(value: float) -> str:
    """A share as per cent with two decimals."""
    return f"{100 * value:.2f}\u202f%"


def share(part: int, all_: int) -> str:
    """A part of all as per cent; a dash where there is nothing to divide."""
    return per_cent(part / all_) if all_ else "\u2013"


@cache
def _environment() -> Environment:
    made = environment(
        whole=whole,
        probability=probability,
        per_cent=per_cent,
        decimal=decimal,
        share=share,
        counted=charts.counted,
    )
    made.globals.update(histogram=charts.histogram, curves=charts.curves, bars=charts.bars)
    return made


def render(summary: LinkageSummary) -> str:
    """
    The page as text (UTF-8 when written).

    The same summary gives the same page, byte for byte.
    """
    names = {party.party: party.name for party in summary.parties}
    page = _environment().get_template("linkage.html")
    return page.render(summary=summary, names=names, few=charts.SMALL)
