"""
The operator's report of one linkage: one HTML page that needs nothing but itself.

No link outside, one script of this package's own that moves the threshold, and a policy in the page
that forbids every other; every text from the summary is escaped by the template. The page carries
counts and estimates about parties, passes and pairs of parties, and nothing about any one record.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment

from pseudolink.formats.summary import LinkageSummary, PairSummary, PartyDetail
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


def moves(pair: PairSummary) -> dict[str, Any] | None:
    """What the script knows of a linkage: a point and a step for each threshold, falling."""
    if pair.detail is None or not pair.curve or not pair.histogram:
        return None
    points = [
        [one.threshold, one.precision, one.recall, one.f1, one.links, step.weight]
        for one, step in zip(pair.curve, pair.detail.steps, strict=True)
    ]
    reached = [number for number, one in enumerate(pair.curve) if one.threshold >= pair.threshold]
    return {
        "matches": pair.expected_matches,
        "bins": len(pair.histogram),
        "points": [
            [float(f"{value:.6g}") if type(value) is float else value for value in one] for one in points
        ],
        "steps": [step.bins for step in pair.detail.steps],
        "start": max(reached, default=0),
    }


def block_rows(detail: PartyDetail, least: int = 2) -> list[tuple[str, int]]:
    """Classes of blocks with at least so many records, and how many blocks each has."""
    sizes = [size for size, _ in detail.blocks]
    ends = [*(f"{later - 1:,}" for later in sizes[1:]), ""]
    return [
        (f"{size:,}" if end == f"{size:,}" else f"{size:,} to {end}" if end else f"{size:,} or more", count)
        for (size, count), end in zip(detail.blocks, ends, strict=True)
        if size >= least
    ]


def lost_rows(detail: PartyDetail) -> list[tuple[str, int]]:
    """Thresholds, and the records that do not reach them."""
    return [(f"threshold {threshold:g}", count) for threshold, count in detail.unlinkable]


def cluster_rows(clusters: Sequence[tuple[int, int]]) -> list[tuple[str, int]]:
    """Numbers of records, and the people who have so many."""
    return [
        (f"{records:,} {'record' if records == 1 else 'records'}", people) for records, people in clusters
    ]


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
    made.globals.update(block_rows=block_rows, lost_rows=lost_rows, cluster_rows=cluster_rows)
    return made


def render(summary: LinkageSummary) -> str:
    """
    The page as text (UTF-8 when written).

    The same summary gives the same page, byte for byte.
    """
    names = {party.party: party.name for party in summary.parties}
    page = _environment().get_template("linkage.html")
    known = [moves(pair) for pair in summary.pairs]
    return page.render(summary=summary, names=names, few=charts.SMALL, moves=known if any(known) else [])
