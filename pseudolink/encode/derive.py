"""
Derivations: from a canonical value to the components that passes name.

Every function takes a cleaned value and returns the component, or None where the value does not
hold it: a date may lack its day (``1957-12-XX``) and still have a year. Phonetic codes come from
jellyfish; a value they have no code for stands for itself, so that two different such names never
share a code by accident.

Source: specs/encoding-v1.md, section 2.
"""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Callable, Mapping
from typing import Final

import jellyfish

from pseudolink.components import SORTED, WHOLE

Derivation = Callable[[str], str | None]


def _letters(name: str) -> str:
    return "".join(c for c in name if c.isalpha())


def _latin(name: str) -> str:
    return "".join(c for c in name if c.isascii() and c.isalpha())


def soundex(name: str) -> str:
    """American Soundex of the Latin letters (jellyfish); the value itself when it has none."""
    latin = _latin(name)
    return jellyfish.soundex(latin) if latin and latin == _letters(name) else name


def metaphone(name: str) -> str:
    """Metaphone of the Latin letters (jellyfish); the value itself when there is no code."""
    latin = _latin(name)
    code = jellyfish.metaphone(latin) if latin and latin == _letters(name) else ""
    return code or name


def initial(name: str) -> str:
    """The first letter."""
    return (_letters(name) or name)[:1]


def first3(name: str) -> str:
    """The first three letters; fewer when there are fewer."""
    return (_letters(name) or name)[:3]


def last3(name: str) -> str:
    """The last three letters; fewer when there are fewer."""
    return (_letters(name) or name)[-3:]


# Days that a month can have, whatever the year; 1 to 31 where the month is not known.
_DAYS: Final = {"04": 30, "06": 30, "09": 30, "11": 30, "02": 29}


def _date(parts: str) -> Derivation:
    """A date component of the named parts (``"ymd"``); None where one is not known or cannot be."""

    def component(value: str) -> str | None:
        known = dict(zip("ymd", value.split("-"), strict=True))
        chosen = [known[part] for part in parts]
        if any("X" in part for part in chosen):
            return None
        if {"m", "d"} <= set(parts) and int(known["d"]) > _DAYS.get(known["m"], 31):
            return None
        if parts == "ymd" and known["m"] + known["d"] == "0229" and not isleap(int(known["y"])):
            return None
        return "-".join(chosen)

    return component


def _sorted_date(value: str) -> str | None:
    """Year, then day and month in order of size, so that exchanged ones agree."""
    whole = _date("ymd")(value)
    if whole is None:
        return None
    year, month, day = whole.split("-")
    return "-".join([year, *sorted((month, day))])


_INWARD: Final = re.compile(r"[0-9][A-Z]{2}")


def _halves(postcode: str) -> tuple[str, str]:
    """Outward and inward half; a BFPO number has no inward one and is its own district."""
    outward, _, inward = postcode.partition(" ")
    return (outward, inward) if _INWARD.fullmatch(inward) else (postcode, "")


def _sector(postcode: str) -> str:
    outward, inward = _halves(postcode)
    return f"{outward} {inward[0]}" if inward else outward


def _district(postcode: str) -> str:
    return _halves(postcode)[0]


def _area(postcode: str) -> str:
    return postcode[:2] if postcode[1:2].isalpha() else postcode[:1]


def head(text: str) -> str:
    """The first half, with the character in the middle where their number is odd."""
    return text[: (len(text) + 1) // 2]


def tail(text: str) -> str:
    """The last half, with the character in the middle where their number is odd."""
    return text[len(text) // 2 :]


_NAME: Final[Mapping[str, Derivation]] = {
    "soundex": soundex,
    "metaphone": metaphone,
    "initial": initial,
    "first3": first3,
    "last3": last3,
}
_BY_KIND: Final[Mapping[str, Mapping[str, Derivation]]] = {
    "forename": _NAME,
    "surname": _NAME,
    "date": {
        WHOLE: _date("ymd"),
        "year": _date("y"),
        "month": _date("m"),
        "day": _date("d"),
        "year_month": _date("ym"),
        "year_day": _date("yd"),
        "month_day": _date("md"),
        "sorted": _sorted_date,
    },
    "postcode": {"sector": _sector, "district": _district, "area": _area},
    "nino": {"stem": lambda n: n[:8]},
    "text": {"head": head, "tail": tail},
}


def _same(value: str) -> str:
    return value


def derive(kind: str, derivation: str, value: str) -> str | None:
    """
    One component of a cleaned value, or None where the value does not hold it.

    Raises:
        KeyError: the kind has no such derivation (the schema refuses it first).
    """
    known = _BY_KIND.get(kind, {})
    return (known.get(WHOLE, _same) if derivation == WHOLE else known[derivation])(value)


def derive_names(derivation: str, forename: str, surname: str) -> str:
    """An order-free component of two names: equal when the names have changed places."""
    inner = SORTED[derivation]
    pair = [derive("forename", inner, forename) or "", derive("surname", inner, surname) or ""]
    return "\n".join(sorted(pair))
