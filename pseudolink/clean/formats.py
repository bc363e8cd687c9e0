"""
Date formats that a schema declares: a small, locale-free part of the notation of strptime.

Source: specs/cleaning-v1.md, section 4.4.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

MONTHS: Final = (
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
)
MONTH_NUMBERS: Final = (
    {name: number for number, name in enumerate(MONTHS, 1)}
    | {name[:3]: number for number, name in enumerate(MONTHS, 1)}
    | {"SEPT": 9}
)
MONTH_NAME: Final = "|".join(sorted(MONTH_NUMBERS, key=len, reverse=True))

_NUMBERS: Final = {"d": "day", "m": "month", "H": "hour", "M": "minute", "S": "second"}
_NAMES: Final = {"b": "name", "B": "name"}
_TOKEN: Final = re.compile(r"%(.)|(\s+)|(.)", re.DOTALL)


class DateFormat(NamedTuple):
    """
    A declared format, ready to use.

    pattern: matches a folded cell; groups year, month or name, day, and any of the time.
    month_first: month, day, year in this order: day-month-year is then no longer read.
    """

    pattern: re.Pattern[str]
    month_first: bool


def _piece(directive: str, crowded: bool) -> tuple[str, str]:
    """Name of the group and pattern of one directive; two figures exactly where nothing divides."""
    if directive == "Y":
        return "year", "[0-9]{4}"
    if directive in _NAMES:
        return "name", MONTH_NAME
    if directive == "f":
        return "fraction", "[0-9]{1,9}"
    return _NUMBERS[directive], "[0-9]{2}" if crowded else "[0-9]{1,2}"


@lru_cache(maxsize=256)
def compile_format(text: str) -> DateFormat:
    """
    Read a format: ``%d %m %Y %b %B`` and, for a time that must be midnight, ``%H %M %S %f``.

    Raises:
        ValueError: another directive, one twice, or not a whole date; the message says which.
    """
    tokens = [found.groups() for found in _TOKEN.finditer(text)]
    groups: list[str] = []
    pattern = ""
    for index, (directive, blank, literal) in enumerate(tokens):
        if directive is None:
            pattern += r"\s+" if blank else re.escape(literal.upper())
        elif directive == "%":
            pattern += "%"
        elif directive == "y":
            raise ValueError("%y has no century, and none is guessed")
        elif directive not in "YfbB" and directive not in _NUMBERS:
            raise ValueError(f"%{directive} is not read; known are %d %m %Y %b %B %H %M %S %f")
        else:
            neighbours = (tokens[index - 1][0] if index else None, (*tokens, (None,) * 3)[index + 1][0])
            name, piece = _piece(directive, any(neighbours))
            if name in groups:
                raise ValueError(f"%{directive} stands twice")
            groups.append(name)
            pattern += f"(?P<{name}>{piece})"
    months = [name for name in groups if name in ("month", "name")]
    if "year" not in groups or "day" not in groups or len(months) != 1:
        raise ValueError("needs one day, one month and one year")
    order = [name for name in groups if name in ("month", "day", "year")]
    return DateFormat(re.compile(pattern), order == ["month", "day", "year"])
