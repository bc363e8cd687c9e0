"""
The page of an audit: one HTML page that needs nothing but itself, for whoever must decide.

No script, no link outside, every text escaped; it is made of the report's JSON and shows no person.

Source: specs/attacks-v1.md, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from jinja2 import Environment

from pseudolink.report.environment import environment
from pseudolink.report.linkage import whole

#: What a figure of the report is called on the page.
FIGURES: Final[Mapping[str, str]] = {
    "rate": "re-identified",
    "rate_upper": "re-identified, upper end of the interval",
    "rate_without_company": "re-identified of those without company",
    "correct_without_company": "people re-identified without company",
    "correlation": "largest correlation of two bits",
    "correlation_over_chance": "largest correlation of two bits, in units of chance",
    "fill_r2": "how far fill tells length (R²)",
    "duplicates": "share of equal filters",
    "keys_that_fit": "keys that fit",
    "in_common": "share of tokens reproduced",
}
VERDICTS: Final[Mapping[str, str]] = {
    "PASS": "Every attack stayed below its bound, and every attack was shown to work on this reference.",
    "FAIL": "An attack went beyond its bound. These encodings should not leave.",
    "INVALID": "The audit says nothing: what it relies on did not hold. This is no pass.",
}


def share(value: float) -> str:
    """A share as per cent; more decimals where there is little."""
    return f"{100 * value:.2f}\u202f%" if value >= 0.0005 or not value else f"{100 * value:.4f}\u202f%"


def figure_name(name: str) -> str:
    """What a figure is called."""
    return FIGURES.get(name, name.replace("_", " "))


def figure(name: str, value: float) -> str:
    """A figure as text: shares as per cent, counts and others as they are."""
    if name in ("keys_that_fit",) or name.startswith("correct"):
        return f"{value:,.0f}"
    if name.startswith("correlation") or name == "fill_r2":
        return f"{value:.3f}"
    return share(value)


def result(run: Mapping[str, Any]) -> str:
    """What one experiment found, with its interval, in a line."""
    found = run["result"]
    if found is None:
        return "not run"
    figures = found["figures"]
    if "rate" in figures:
        return f"{share(figures['rate'])} ({share(figures['rate_lower'])} to {share(figures['rate_upper'])})"
    if not figures:
        return f"{found['attempts']:,} guesses, not scored"
    return "; ".join(f"{figure_name(name)} {figure(name, value)}" for name, value in figures.items())


def worst(attack: Mapping[str, Any]) -> str:
    """The most that an attack achieved on the scheme under audit, as a sentence."""
    runs = [run for run in attack["runs"] if run["result"] is not None]
    rated = [run for run in runs if "rate" in run["result"]["figures"]]
    if rated:
        run = max(rated, key=lambda one: one["result"]["figures"]["rate"])
        found, figures = run["result"], run["result"]["figures"]
        return (
            f"{found['correct']:,} of {found['records']:,} people were re-identified: "
            f"{share(figures['rate'])}, 95\u202f% interval {share(figures['rate_lower'])} to "
            f"{share(figures['rate_upper'])} ({run['conditions']})."
        )
    if runs:
        return f"{result(runs[0])} ({runs[0]['conditions']})."
    reasons: Sequence[str] = [run["skipped"] for run in attack["runs"]]
    return f"Not run: {reasons[0]}." if reasons else "Not run."


@cache
def _environment() -> Environment:
    made = environment(whole=whole, share=share, figure_name=figure_name, result=result, worst=worst)
    made.globals.update(figure=figure, verdicts=VERDICTS)
    return made


def render(report: Mapping[str, Any]) -> str:
    """The page as text (UTF-8 when written); the same report gives the same page."""
    return _environment().get_template("attack.html").render(report=report)
