"""
The rules that an agreement sets for a release.

Source: specs/microdata-v1.md, section 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import DisclosureRulesError, Problem

PROFILES: Final = {"strict": 10}
FAMILY_SIZE: Final = "family_size"
DATE_STEPS: Final = ("month", "quarter", "year")
DROP: Final = "drop"
_BAND: Final = re.compile(r"band-([1-9][0-9]{0,5})")
_KEYS: Final = ("profile", "k", "quasi", "sensitive", "top", "steps", "events")
#: The pattern of BS 7666, with or without its blank.
_POSTCODE: Final = r"(?i)^\s*[A-Z]{1,2}[0-9][A-Z0-9]?\s*[0-9][A-Z]{2}\s*$"


@dataclass(frozen=True)
class Rules:
    """What must hold of a release; columns are those of the release."""

    profile: str
    k: int
    quasi: tuple[str, ...]
    sensitive: Mapping[str, int]
    top: Mapping[str, int]
    steps: Mapping[str, tuple[str, ...]]
    events: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON-able data."""
        return {
            "profile": self.profile,
            "k": self.k,
            "quasi": list(self.quasi),
            "sensitive": dict(self.sensitive),
            "top": dict(self.top),
            "steps": {name: list(steps) for name, steps in self.steps.items()},
            "events": list(self.events),
        }

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that a rule names, each once."""
        return tuple(dict.fromkeys([*self.quasi, *self.sensitive, *self.top, *self.steps, *self.events]))


def band_width(step: str) -> int | None:
    """N of ``band-N``; None for another step."""
    found = _BAND.fullmatch(step)
    return int(found[1]) if found and int(found[1]) > 1 else None


def parse_rules(data: Mapping[str, Any]) -> Rules:
    """
    Read the table ``[disclosure]``.

    Raises:
        DisclosureRulesError: every problem with its place.
    """
    problems = [Problem(f"disclosure.{key}", "is not known") for key in data if key not in _KEYS]
    profile = data.get("profile", "strict")
    least = PROFILES.get(profile) if isinstance(profile, str) else None
    if least is None:
        problems.append(Problem("disclosure.profile", f"must be one of {', '.join(PROFILES)}"))
    k = data.get("k", least or PROFILES["strict"])
    if type(k) is not int or (least is not None and k < least):
        problems.append(Problem("disclosure.k", f"must be a whole number of at least {least}"))
    lists = {key: _names(data.get(key, []), key, problems) for key in ("quasi", "events")}
    numbers = {
        key: _numbers(data.get(key, {}), key, low, problems) for key, low in (("sensitive", 2), ("top", 1))
    }
    steps = _steps(data.get("steps", {}), problems)
    if problems:
        raise DisclosureRulesError(problems, source="the agreement")
    return Rules(profile, k, lists["quasi"], numbers["sensitive"], numbers["top"], steps, lists["events"])


def _names(value: Any, key: str, problems: list[Problem]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        problems.append(Problem(f"disclosure.{key}", "must be a list of columns"))
        return ()
    if len(set(value)) != len(value):
        problems.append(Problem(f"disclosure.{key}", "names a column twice"))
    return tuple(value)


def _numbers(value: Any, key: str, low: int, problems: list[Problem]) -> dict[str, int]:
    if not isinstance(value, Mapping):
        problems.append(Problem(f"disclosure.{key}", "must be a table of columns and numbers"))
        return {}
    wrong = [name for name, number in value.items() if type(number) is not int or number < low]
    problems += [
        Problem(f"disclosure.{key}.{name}", f"must be a whole number of at least {low}") for name in wrong
    ]
    return {name: number for name, number in value.items() if name not in wrong}


def _steps(value: Any, problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        problems.append(Problem("disclosure.steps", "must be a table of columns and steps"))
        return {}
    found = {}
    for name, steps in value.items():
        place = f"disclosure.steps.{name}"
        if not isinstance(steps, list) or not steps or not all(isinstance(s, str) for s in steps):
            problems.append(Problem(place, "must be a list of steps"))
            continue
        known = [s for s in steps if s in DATE_STEPS or s == DROP or band_width(s)]
        if len(known) < len(steps):
            problems.append(Problem(place, f"steps are {', '.join(DATE_STEPS)}, band-N and {DROP}"))
        elif not _coarser(steps):
            problems.append(Problem(place, "steps go from fine to coarse, dates and bands apart"))
        found[name] = tuple(steps)
    return found


def _coarser(steps: list[str]) -> bool:
    if DROP in steps[:-1]:
        return False
    rest = [s for s in steps if s != DROP]
    if all(s in DATE_STEPS for s in rest):
        order = [DATE_STEPS.index(s) for s in rest]
        return order == sorted(set(order))
    widths = [band_width(s) for s in rest]
    if None in widths:
        return False
    pairs = pairwise(widths)
    return all(a and b and b > a and b % a == 0 for a, b in pairs)


def require_fit(rules: Rules, table: pa.Table) -> None:
    """
    Refuse rules that do not fit a release, and a release that no rule makes fit to leave.

    Raises:
        DisclosureRulesError: every problem with its place.
    """
    problems = []
    for name in rules.named:
        if name not in table.column_names:
            problems.append(Problem(f"disclosure, column {name!r}", "is not in the release"))
    for name, steps in rules.steps.items():
        if name in table.column_names:
            problems += _step_problems(name, steps, table.schema.field(name).type)
    for name in rules.top:
        if name in table.column_names and not pa.types.is_integer(table.schema.field(name).type):
            problems.append(Problem(f"disclosure.top.{name}", "only whole numbers are top-coded"))
    problems += [
        Problem(f"column {name!r}", "holds postcodes, which never go into a release")
        for name in table.column_names
        if _holds_postcodes(table.column(name))
    ]
    if problems:
        raise DisclosureRulesError(problems, source="the agreement")


def _step_problems(name: str, steps: tuple[str, ...], kind: pa.DataType) -> list[Problem]:
    dates = any(s in DATE_STEPS for s in steps)
    bands = any(band_width(s) for s in steps)
    if dates and not pa.types.is_date(kind):
        return [Problem(f"disclosure.steps.{name}", "is no column of dates")]
    if bands and not pa.types.is_integer(kind):
        return [Problem(f"disclosure.steps.{name}", "is no column of whole numbers")]
    if pa.types.is_date(kind) and not dates:
        return [Problem(f"disclosure.steps.{name}", "dates begin with a step of dates")]
    return []


def _holds_postcodes(column: pa.ChunkedArray) -> bool:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    return bool(pc.any(pc.match_substring_regex(column, _POSTCODE)).as_py())
