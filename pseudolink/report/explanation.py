"""
The model of a linkage as one HTML page, and the waterfall of one pair.

Like the report: no script, no link outside, every text escaped, nothing about a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment

from pseudolink.formats.model import FieldShares, LinkageModel
from pseudolink.report import charts
from pseudolink.report.environment import environment
from pseudolink.report.linkage import decimal, per_cent, probability, whole

#: Levels of similarity (matching-v1, 3.2): no filter compares the field; one does, and finds it unlike.
NOT_COMPARED, DISSIMILAR = 0, 4

#: What a bar of the waterfall adds: its name, bits, and what the pair shows of it.
Step = tuple[str, float, str]


def shares_of(field: FieldShares) -> list[tuple[str, float, float, float | None]]:
    """
    Full agreement, agreement in part and none: shares of chance, matches and company.

    What allows the fewest passes differs; where a filter compares the field, only if it finds
    nothing alike either. Nothing for exchanged names, which have no full agreement.
    """
    states = field.states
    least = min(int(state.allows, 16).bit_count() for state in states)

    def kind(number: int) -> str:
        if number == field.whole:
            return "equal"
        state = states[number]
        differs = int(state.allows, 16).bit_count() == least and state.level in (NOT_COMPARED, DISSIMILAR)
        return "different" if differs else "equal in part"

    found: list[tuple[str, float, float, float | None]] = []
    if field.whole is None:
        return found
    for name in ("equal", "equal in part", "different"):
        chosen = [state for number, state in enumerate(states) if kind(number) == name]
        if chosen:
            alike = [s.company for s in chosen]
            found.append(
                (
                    name,
                    sum(s.chance for s in chosen),
                    sum(s.matches for s in chosen),
                    None if None in alike else sum(c for c in alike if c is not None),
                )
            )
    return found


def level_rows(fields: Sequence[FieldShares]) -> list[tuple[str, list[tuple[str, dict[str, float]]]]]:
    """For the chart of levels: each field, and the levels of matches, chance and pairs that are alike."""
    rows = []
    for field in fields:
        shares = shares_of(field)
        kinds = [("matches", {name: m for name, _, m, _ in shares})]
        kinds.append(("chance", {name: u for name, u, _, _ in shares}))
        alike = {name: c for name, _, _, c in shares if c is not None}
        if alike:
            kinds.append(("alike", alike))
        if shares:
            rows.append((field.name, kinds))
    return rows


@cache
def _environment() -> Environment:
    made = environment(whole=whole, probability=probability, per_cent=per_cent, decimal=decimal)
    made.globals.update(waterfall=charts.waterfall, shares_of=shares_of, levels=charts.levels)
    made.globals.update(level_rows=level_rows)
    return made


def render(model: LinkageModel, *, title: str = "", steps: Sequence[Step] = (), chance: float = 0.0) -> str:
    """
    The page as text (UTF-8 when written); the same input gives the same page, byte for byte.

    Args:
        title: which pair is explained. steps: its waterfall, from nothing. chance: its match
            probability. Without steps, the page shows the model alone.
    """
    page = _environment().get_template("explanation.html")
    return page.render(model=model, title=title, steps=steps, chance=chance)
