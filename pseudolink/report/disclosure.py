"""
What the disclosure rules did to a release as one HTML page, for the releaser alone.

Source: specs/microdata-v1.md, 4.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import Template

from pseudolink.report import charts
from pseudolink.report.environment import environment
from pseudolink.report.linkage import whole


@cache
def _template() -> Template:
    made = environment(whole=whole, done=done)
    made.globals.update(shares=charts.shares)
    return made.get_template("disclosure.html")


def done(column: Mapping[str, Any]) -> str:
    """What was done to one column, in words."""
    parts = [f"coarsened: {column['step']}"] if column["step"] else []
    parts += [f"{column['suppressed']:,} values suppressed"] if column["suppressed"] else []
    parts += [f"{column['top_coded']:,} values top-coded"] if column.get("top_coded") else []
    return "; ".join(parts) or "as it was"


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(what, before, after)."""
    before, after = report["before"], report["after"]
    for key, what in (
        ("alone", "People whose values nobody else has"),
        ("below_k", f"People in classes of fewer than {report['rules']['k']}"),
        ("classes", "Classes of people who look alike"),
        ("smallest", "People in the smallest class"),
        ("families_at_risk", "Families of whom one is singled out with a chance above 0.2"),
    ):
        yield what, f"{before[key]:,}", f"{after[key]:,}"
    yield "People expected to be singled out", f"{before['expected']:,.1f}", f"{after['expected']:,.1f}"
    yield (
        "Largest chance that one of a family is singled out",
        f"{before['household_risk']:.1%}",
        f"{after['household_risk']:.1%}",
    )
    events = report["events"]
    if events["columns"]:
        what = "People with a sequence of events of their own"
        yield what, f"{events['unique_before']:,}", f"{events['unique_after']:,}"


def _bars(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Share of people in classes below k, in whole per cent, rounded up: 0 means nobody."""
    people = max(1, report["people"])
    return [
        {"group": name, "rate": -(-100 * report[key]["below_k"] // people)}
        for name, key in (("Before the rules", "before"), ("After", "after"))
    ]


def render(report: Mapping[str, Any]) -> str:
    """
    The page as text (UTF-8 when written).

    Args:
        report: what ``disclosure.json`` holds.
    """
    return _template().render(report=report, figures=list(_figures(report)), bars=_bars(report))
