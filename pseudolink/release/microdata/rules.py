"""
The rules that an agreement sets for a release.

Source: specs/microdata-v1.md, section 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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
_KEYS: Final = ("profile", "k", "quasi", "sensitive", "top", "steps", "events", "subgroups", "bands")
#: Columns that name people and families.
IDS: Final = ("programme_id", "family_id", "party_family")
#: What tables of several records are called, before the party.
_RECORDS_OF: Final = "release."
#: The pattern of BS 7666, with or without its blank.
_POSTCODE: Final = r"(?i)^\s*[A-Z]{1,2}[0-9][A-Z0-9]?\s*[0-9][A-Z]{2}\s*$"


@dataclass(frozen=True)
class Scope:
    """The rules that are about one table, by its own names of columns."""

    quasi: tuple[str, ...]
    top: Mapping[str, int]
    steps: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Rules:
    """
    What must hold of a release; columns are those of the release, ``TABLE.COLUMN`` in further tables.

    subgroups, bands: attributes by which the quality of the linkage is told, and years that make one
    subgroup.
    """

    profile: str
    k: int
    quasi: tuple[str, ...]
    sensitive: Mapping[str, int]
    top: Mapping[str, int]
    steps: Mapping[str, tuple[str, ...]]
    events: tuple[str, ...]
    subgroups: tuple[str, ...] = ()
    bands: Mapping[str, int] = field(default_factory=dict)

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
            "subgroups": list(self.subgroups),
            "bands": dict(self.bands),
        }

    def of(self, name: str | None, further: Mapping[str, pa.Table]) -> Scope:
        """
        The rules about one table; None for that of people.

        Every column of a further table is a quasi-identifier: an event is what others may know.
        """
        if name is None:
            top = {key: most for key, most in self.top.items() if place(key, further)[0] is None}
            steps = {key: one for key, one in self.steps.items() if place(key, further)[0] is None}
            return Scope(self.quasi, top, steps)
        quasi = tuple(one for one in further[name].column_names if one not in IDS)
        own = {key: place(key, further) for key in (*self.top, *self.steps)}
        return Scope(
            quasi,
            {own[key][1]: most for key, most in self.top.items() if own[key][0] == name},
            {own[key][1]: one for key, one in self.steps.items() if own[key][0] == name},
        )

    @staticmethod
    def counted(name: str) -> str:
        """The column of the table of people that says how many rows a person has in a further table."""
        if not name.startswith(_RECORDS_OF):
            return name
        return f"{name.removeprefix(_RECORDS_OF).replace('-', '_')}_records"

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that a rule names, each once."""
        return tuple(dict.fromkeys([*self.quasi, *self.sensitive, *self.top, *self.steps, *self.events]))


def place(key: str, further: Mapping[str, pa.Table]) -> tuple[str | None, str]:
    """The further table (None: that of people) and the column that a rule names."""
    for name in further:
        if key.startswith(f"{name}.") and key.removeprefix(f"{name}.") in further[name].column_names:
            return name, key.removeprefix(f"{name}.")
    return None, key


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
    lists = {key: _names(data.get(key, []), key, problems) for key in ("quasi", "events", "subgroups")}
    numbers = {
        key: _numbers(data.get(key, {}), key, low, problems)
        for key, low in (("sensitive", 2), ("top", 1), ("bands", 2))
    }
    steps = _steps(data.get("steps", {}), problems)
    problems += [
        Problem(f"disclosure.bands.{name}", "is not among the subgroups")
        for name in numbers["bands"]
        if name not in lists["subgroups"]
    ]
    if problems:
        raise DisclosureRulesError(problems, source="the agreement")
    return Rules(
        profile,
        k,
        lists["quasi"],
        numbers["sensitive"],
        numbers["top"],
        steps,
        lists["events"],
        lists["subgroups"],
        numbers["bands"],
    )


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


def require_fit(rules: Rules, table: pa.Table, further: Mapping[str, pa.Table] | None = None) -> None:
    """
    Refuse rules that do not fit a release, and a release that no rule makes fit to leave.

    Raises:
        DisclosureRulesError: every problem with its place.
    """
    further = further or {}
    problems = []
    tables: dict[str | None, pa.Table] = {None: table}
    tables.update(further)
    for name in rules.named:
        own, column = place(name, further)
        if name in rules.events and name in further:
            continue
        if column not in tables[own].column_names:
            problems.append(Problem(f"disclosure, column {name!r}", "is not in the release"))
        elif own is not None and name in (*rules.quasi, *rules.sensitive, *rules.events):
            problems.append(Problem(f"disclosure, column {name!r}", "is of no table of people"))
    for name, steps in rules.steps.items():
        own, column = place(name, further)
        if column in tables[own].column_names:
            problems += _step_problems(name, steps, tables[own].schema.field(column).type)
    for name in rules.top:
        own, column = place(name, further)
        kind = tables[own].schema.field(column).type if column in tables[own].column_names else pa.int64()
        if not pa.types.is_integer(kind):
            problems.append(Problem(f"disclosure.top.{name}", "only whole numbers are top-coded"))
    problems += [
        Problem(
            f"column {name if own is None else f'{own}.{name}'!r}",
            "holds postcodes, which never go into a release",
        )
        for own, one in tables.items()
        for name in one.column_names
        if _holds_postcodes(one.column(name))
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
