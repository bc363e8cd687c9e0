"""
Dates of birth, in one column or in three.

Source: specs/cleaning-v1.md, section 4.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Final

from pseudolink.clean.folding import is_marker, plain
from pseudolink.clean.formats import MONTH_NAME, MONTH_NUMBERS, compile_format
from pseudolink.clean.verdict import BLANK, Verdict

FIRST_YEAR: Final = 1000
PLACEHOLDERS: Final = frozenset(("1800-01-01", "1900-01-01", "1901-01-01"))

_TIME: Final = (
    r"(?:(?:T| )(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?Z?)?"
)
_ISO: Final = (
    re.compile(rf"(?P<year>[0-9]{{4}})(?P<s>[-/.])(?P<month>[0-9]{{1,2}})(?P=s)(?P<day>[0-9]{{1,2}}){_TIME}"),
    re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"),
)
_DAY_FIRST: Final = (
    re.compile(
        rf"(?P<day>[0-9]{{1,2}})(?P<s>[-/. ])(?P<month>[0-9]{{1,2}})(?P=s)(?P<year>[0-9]{{4}}){_TIME}"
    ),
)
# A month in letters cannot be taken for a day.
_NAMED: Final = (
    re.compile(
        rf"(?P<day>[0-9]{{1,2}})(?:ST|ND|RD|TH)?[-/. ]*(?P<name>{MONTH_NAME})\.?,?[-/. ]*"
        rf"(?P<year>[0-9]{{4}}){_TIME}"
    ),
)
_NO_CENTURY: Final = re.compile(r"[0-9]{1,2}([-/. ])(?:[0-9]{1,2}|[A-Z]{3,9})\1[0-9]{2}")
_PARTIAL: Final = re.compile(r"([0-9]{4}|XXXX)-([0-9]{2}|XX)-([0-9]{2}|XX)")
_PART: Final = re.compile(r"([0-9]{1,4})(?:\.0+)?")
_UNKNOWN: Final = ("XXXX", "XX", "XX")


def _from_match(found: re.Match[str], today: datetime.date) -> Verdict:
    parts = found.groupdict()
    if any(int(parts.get(name) or 0) for name in ("hour", "minute", "second", "fraction")):
        # 23:00 in one zone is the day before in another; a date of birth has no time.
        return Verdict(None, "date.time")
    month = MONTH_NUMBERS[parts["name"]] if parts.get("name") else int(parts["month"])
    year, day = int(parts["year"]), int(parts["day"])
    try:
        date = datetime.date(year, month, day)
    except ValueError:
        return Verdict(None, "date.impossible")
    if year < FIRST_YEAR:
        return Verdict(None, "date.year")
    value = date.isoformat()
    if value in PLACEHOLDERS:
        return Verdict(None, None, "date.placeholder")
    return Verdict(None, "date.future") if date > today else Verdict(value)


def judge(text: str, *, formats: Sequence[str] = (), today: datetime.date | None = None) -> Verdict:
    """
    Judge one cell.

    A declared format is tried first; the first whose shape fits decides. Then year-month-day,
    then day-month-year. Month-day-year is read only when it is declared, and day-month-year is
    then not read: no cell is ever guessed.

    Args:
        formats: formats that the schema declares (see ``compile_format``).
        today: later dates are in the future; the real today when None.

    Raises:
        ValueError: a format that is not valid.
    """
    folded = plain(text)
    if not folded:
        return BLANK
    declared = [compile_format(one) for one in formats]
    day_first = () if any(one.month_first for one in declared) else _DAY_FIRST
    for pattern in (*(one.pattern for one in declared), *_ISO, *day_first, *_NAMED):
        if found := pattern.fullmatch(folded):
            return _from_match(found, today or datetime.date.today())
    if partial := _PARTIAL.fullmatch(folded):
        year, month, day = ("" if "X" in part else part for part in partial.groups())
        judged = judge_parts(year, month, day, today=today)
        return judged if judged.rule is None else Verdict(None, judged.rule)
    if _NO_CENTURY.fullmatch(folded):
        return Verdict(None, "date.century")
    return Verdict(None, None, "date.placeholder") if is_marker(folded) else Verdict(None, "date.format")


def clean(text: str, *, formats: Sequence[str] = (), today: datetime.date | None = None) -> str | None:
    """``YYYY-MM-DD``, or None."""
    return judge(text, formats=formats, today=today).value


def _number(text: str, *, months: bool = False) -> int | None:
    """The number in a part; None where nothing is said; -1 where it is no number."""
    folded = plain(text)
    if not folded or is_marker(folded):
        return None
    if months and folded.rstrip(".") in MONTH_NUMBERS:
        return MONTH_NUMBERS[folded.rstrip(".")]
    found = _PART.fullmatch(folded)
    return int(found[1]) if found else -1


def judge_parts(year: str, month: str, day: str, *, today: datetime.date | None = None) -> Verdict:
    """
    Judge a date that comes in three cells; each known part stays useful.

    A part that is missing or breaks a rule is written with X: ``1957-XX-01``. The value of a
    verdict with a rule holds what is left. An impossible combination (31 February) keeps all
    three parts, because each is valid alone; whoever combines them must refuse it.
    """
    latest = today or datetime.date.today()
    numbers = (_number(year), _number(month, months=True), _number(day))
    limits = ((FIRST_YEAR, 9999, "year"), (1, 12, "month"), (1, 31, "day"))
    parts = list(_UNKNOWN)
    rule = None
    for index, (number, (low, high, name)) in enumerate(zip(numbers, limits, strict=True)):
        if number is None:
            continue
        if low <= number <= high:
            parts[index] = f"{number:0{len(parts[index])}d}"
        else:
            rule = rule or f"date.{name}"
    value = "-".join(parts)
    known = [number for number, part in zip(numbers, parts, strict=True) if "X" not in part]
    whole = len(known) == 3
    if value in PLACEHOLDERS:
        return Verdict(None, None, "date.placeholder")
    if not _can_be(parts):
        return Verdict(value, rule or "date.impossible", None if whole else "date.partial")
    now = latest.isoformat()
    if "X" not in parts[0] and (value > now if whole else parts[0] > now[:4]):
        # The year is the part that makes a date late; the rest may well be right.
        parts[0] = _UNKNOWN[0]
        value, rule, whole = "-".join(parts), rule or "date.future", False
    if tuple(parts) == _UNKNOWN:
        said = any(plain(text) for text in (year, month, day))
        return Verdict(None, rule, "date.placeholder" if said and rule is None else None)
    return Verdict(value, rule, None if whole else "date.partial")


def _can_be(parts: Sequence[str]) -> bool:
    """Whether month and day (and year, where known) can stand together."""
    if "X" in parts[1] or "X" in parts[2]:
        return True
    # An unknown year may be a leap year.
    year = 2000 if "X" in parts[0] else int(parts[0])
    try:
        datetime.date(year, int(parts[1]), int(parts[2]))
    except ValueError:
        return False
    return True


def clean_parts(year: str, month: str, day: str, *, today: datetime.date | None = None) -> str | None:
    """The canonical date with its known parts, or None."""
    return judge_parts(year, month, day, today=today).value
