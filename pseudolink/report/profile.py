"""
The page of a profile, and what in a profile a data team should look at first.

One HTML page that needs nothing but itself, made like the report of a linkage: no script, no link
outside, every text escaped. It carries counts and never a value: it is given none.

Source: specs/cleaning-v1.md, section 14.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from jinja2 import Environment

from pseudolink.report import charts
from pseudolink.report.environment import environment
from pseudolink.report.linkage import share, whole
from pseudolink.report.meanings import MEANING

#: Shares that dates of birth have without typed defaults: one day, and twelve days, in a year.
JANUARY_FIRST: Final = 1 / 365.25
MONTH_FIRST: Final = 12 / 365.25

# Below these nothing is said: a small file has odd shares by chance.
_LEAST: Final = 10
_MANY_INVALID: Final = 0.05
_SPIKE: Final = {"january_first": 0.01, "month_first": 0.06}
_ONE_DATE: Final = 0.005
#: Passes that the chart of company shows.
_MOST_BARS: Final = 12


def _of(count: int, all_: int) -> str:
    return f"{count:,} of {all_:,} ({count / all_:.1%})"


def _records(count: int) -> str:
    return f"{count:,} {'record' if count == 1 else 'records'}"


def findings(profile: Mapping[str, Any]) -> list[str]:
    """
    What stands out in a profile, as sentences with counts; what decides most comes first.

    Thresholds are rules of thumb: a finding is a reason to look, not a fault.
    """
    found = _floor(profile)
    for name, one in profile["fields"].items():
        found += [f"{name}: {sentence}" for sentence in _field(one)]
    equal = profile["equal"]
    if equal["rows"]:
        found.append(
            f"{_of(equal['rows'], profile['rows'])} records equal another in every field: "
            "the extract may hold people twice."
        )
    if profile["empty"]:
        found.append(f"{_records(profile['empty'])} without a usable value in any field; no pass sees them.")
    return found


def _floor(profile: Mapping[str, Any]) -> list[str]:
    passes, company, rows = profile["passes"], profile["company"], profile["rows"]
    if not passes:
        return ["The schema has no passes yet, so company cannot be measured: plan them first."]
    if company["holds"]:
        return []
    floor = company["floor"]
    reasons = []
    if company["records"] > floor["company"] * rows:
        reasons.append(
            f"{_of(company['records'], rows)} records would have company, and the schema allows "
            f"{floor['company']:.1%}"
        )
    if company["largest_component"] > floor["component"]:
        reasons.append(
            f"{company['largest_component']:,} records hang together, and the schema allows "
            f"{floor['component']:,}"
        )
    worst = sorted(passes, key=lambda p: (-p["company"], p["name"]))[:3]
    told = "; ".join(f"{p['name']} ({p['company']:,})" for p in worst if p["company"])
    return [
        f"The floor will not hold: {'; '.join(reasons)}.",
        f"Passes that give most company: {told}. Make them narrower, or leave them out.",
    ]


def _field(one: Mapping[str, Any]) -> list[str]:
    if not one["columns"]:
        return ["no column of the extract is called so; it is missing in every record."]
    if one["filled"] and not one["usable"]:
        return [
            f"{one['filled']:,} filled cells and not one usable value: the wrong column, or a date format "
            "that is not declared."
        ]
    found = []
    if one["invalid"] >= _LEAST and one["invalid"] > _MANY_INVALID * one["filled"]:
        found.append(f"{_of(one['invalid'], one['filled'])} filled cells break a rule.")
    damaged = sum(count for rule, count in one["rules"].items() if rule.endswith(".damaged"))
    if damaged:
        found.append(f"{_cells(damaged)} lost letters on the way: look at the file's character encoding.")
    if "spikes" in one:
        found += _dates(one)
    crowded = one.get("crowded")
    if crowded and crowded["values"]:
        found.append(
            f"{crowded['values']:,} {'postcode has' if crowded['values'] == 1 else 'postcodes have'} "
            f"{crowded['least']:,} records or more ({crowded['rows']:,} in all): hostels, offices, defaults."
        )
    common = one.get("common", {"values": 0})
    if common["values"]:
        many = "one value stands" if common["values"] == 1 else f"{common['values']:,} values stand"
        found.append(
            f"{many} in {_of(common['records'], one['usable'])} records, far more than any other: a default "
            "that somebody typed, or a place where many live. It is taken as missing."
        )
    if "number" in one:
        found += _numbers(one["number"])
    return found


def _cells(count: int) -> str:
    return f"{count:,} {'cell' if count == 1 else 'cells'}"


def _dates(one: Mapping[str, Any]) -> list[str]:
    spikes, dates = one["spikes"], one["spikes"]["dates"]
    found = []
    for key, day, chance in (
        ("january_first", "on 1 January", JANUARY_FIRST),
        ("month_first", "on the first of a month", MONTH_FIRST),
    ):
        if spikes[key] >= _LEAST and spikes[key] > _SPIKE[key] * dates:
            found.append(
                f"{_of(spikes[key], dates)} dates are {day}, where chance gives {chance:.1%}: "
                "many are defaults that somebody typed."
            )
    most = max(one["most_common"], default=0)
    if most >= _LEAST and most > _ONE_DATE * one["usable"]:
        found.append(f"one date stands in {_of(most, one['usable'])} records.")
    return found


def _numbers(number: Mapping[str, Any]) -> list[str]:
    found = []
    if number["shared_rows"]:
        found.append(
            f"{_records(number['shared_rows'])} share a number with another record (at most "
            f"{number['most']:,} have the same): people twice, or a number that is not theirs."
        )
    if number["administrative"]:
        found.append(
            f"{_cells(number['administrative'])} with an administrative prefix, which is nobody's number."
        )
    if number["temporary"]:
        found.append(f"{_cells(number['temporary'])} with a temporary number.")
    return found


# ---------------------------------------------------------------- the page


class Bar(NamedTuple):
    """One bar of a chart: its name, the text at its end, and (kind, start, width) of its stretches."""

    name: str
    text: str
    stretches: tuple[tuple[str, str, str], ...]


def coverage_bars(profile: Mapping[str, Any]) -> list[Bar]:
    """A bar a field: valid, placeholder, invalid and missing cells, one after another."""
    rows = profile["rows"]
    bars = []
    for name, one in profile["fields"].items():
        at = 0.0
        stretches = []
        for kind in ("valid", "placeholder", "invalid", "missing"):
            width = charts.WIDTH * one[kind] / rows
            if one[kind]:
                stretches.append((kind, charts.number(at), charts.number(width)))
            at += width
        bars.append(Bar(name, f"{share(one['valid'], rows)} valid", tuple(stretches)))
    return bars


def company_bars(profile: Mapping[str, Any]) -> tuple[list[Bar], str]:
    """
    Bars of records with company, over all passes and by pass, and where the floor stands.

    Passes without company, and all but the worst, are left out.
    """
    company = profile["company"]
    allowed = company["floor"]["company"] * profile["rows"]
    full = max(1.0, 1.25 * allowed, company["records"])
    worst = sorted(profile["passes"], key=lambda p: (-p["company"], p["name"]))[:_MOST_BARS]
    rows = [("all passes together", company["records"], "total")]
    rows += [(one["name"], one["company"], "pass") for one in worst if one["company"]]
    bars = [
        Bar(name, whole(count), ((kind, "0", charts.number(charts.WIDTH * count / full)),))
        for name, count, kind in rows
    ]
    return bars, charts.number(charts.WIDTH * allowed / full)


def remarks(profile: Mapping[str, Any]) -> Sequence[tuple[str, str, str, str, int, int]]:
    """Rows of (field, "rule" or "flag", name, meaning, cells, filled cells of the field)."""
    return [
        (field, kind, name, MEANING[name], count, one["filled"])
        for field, one in profile["fields"].items()
        for kind, counts in (("rule", one["rules"]), ("flag", one["flags"]))
        for name, count in counts.items()
    ]


@cache
def _environment() -> Environment:
    return environment(whole=whole, share=share)


def render(profile: Mapping[str, Any]) -> str:
    """
    The page as text (UTF-8 when written).

    The same profile gives the same page, byte for byte.
    """
    page = _environment().get_template("profile.html")
    bars, mark = company_bars(profile)
    return page.render(
        profile=profile,
        findings=findings(profile),
        remarks=remarks(profile),
        coverage=coverage_bars(profile),
        company=bars,
        mark=mark,
        width=charts.WIDTH,
        january=JANUARY_FIRST,
        month=MONTH_FIRST,
    )
