"""
The catalogue of kinds and components: what a pass may name, and how components imply each other.

A *component* is a field or a derivation of it (``surname``, ``surname.soundex``, ``dob.year``).
This module holds names and logic only, no values: the design, the encoder and the operator's
scoring all read it.

Source: specs/linkage-schema-v1.md, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final

WHOLE: Final = ""

NAME = ("soundex", "metaphone", "initial", "first3", "last3")
DATE = ("year", "month", "day", "year_month", "year_day", "month_day", "sorted")
POSTCODE = ("sector", "district", "area")
TEXT = ("head", "tail")

#: kind -> derivations beside the whole value. ``nino`` has no whole: the suffix is not identity.
DERIVATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "forename": (WHOLE, *NAME),
    "surname": (WHOLE, *NAME),
    "date": (WHOLE, *DATE),
    "postcode": (WHOLE, *POSTCODE),
    "sex": (WHOLE,),
    "nino": ("stem",),
    "upn": (WHOLE,),
    "nhs": (WHOLE,),
    "uln": (WHOLE,),
    "text": (WHOLE, *TEXT),
}

#: Kinds that a filter may compare. A number is equal or it is another number: siblings can hold
#: consecutive NINOs, so similarity between numbers is no evidence.
COMPARABLE: Final = frozenset({"forename", "surname", "date", "postcode", "text"})

#: Order-free pairs of a forename and a surname: ``names.<derivation>``, equal when swapped too.
SORTED: Final[Mapping[str, str]] = {
    "sorted": WHOLE,
    "sorted_soundex": "soundex",
    "sorted_metaphone": "metaphone",
    "sorted_first3": "first3",
}
NAMES: Final = "names"

# Which parts of a date a component holds; agreement of parts decides agreement of components.
_DATE_PARTS: Final[Mapping[str, frozenset[str]]] = {
    WHOLE: frozenset("ymd"),
    "year": frozenset("y"),
    "month": frozenset("m"),
    "day": frozenset("d"),
    "year_month": frozenset("ym"),
    "year_day": frozenset("yd"),
    "month_day": frozenset("md"),
    "sorted": frozenset("ymd"),
}
_NESTED: Final = (WHOLE, "sector", "district", "area")


def split(component: str) -> tuple[str, str]:
    """``"dob.year"`` -> ``("dob", "year")``; a whole field has the derivation ``""``."""
    field, _, derivation = component.partition(".")
    return field, derivation


def join(field: str, derivation: str) -> str:
    """The inverse of :func:`split`."""
    return f"{field}.{derivation}" if derivation else field


def agreement_states(kind: str, derivations: Sequence[str]) -> list[frozenset[str]]:
    """
    Every set of components of one field on which two values that have them all can agree.

    The first state is full agreement, the last none. ``derivations`` are those that a schema
    uses; the whole value is always a state of its own, because full agreement implies every
    other one.

    Example: a postcode with ``""`` and ``"district"`` has three states: both, the district
    alone, nothing.
    """
    used = list(dict.fromkeys([WHOLE if kind != "nino" else "stem", *derivations]))
    everything = frozenset(used)
    states: list[frozenset[str]] = [everything]
    if kind in ("forename", "surname", "text"):
        rest = [d for d in used if d != WHOLE]
        for bits in product((True, False), repeat=len(rest)):
            state = frozenset(d for d, on in zip(rest, bits, strict=True) if on)
            if "first3" in state and "initial" in rest and "initial" not in state:
                continue  # the same three letters begin with the same one
            states.append(state)
    elif kind == "date":
        for bits in product((True, False), repeat=3):
            parts = {part for part, on in zip("ymd", bits, strict=True) if on}
            if len(parts) == 3:
                continue
            states.append(frozenset(d for d in used if _DATE_PARTS[d] <= parts))
        if "sorted" in used:  # day and month exchanged
            states.append(frozenset(d for d in used if d in ("sorted", "year")))
    elif kind == "postcode":
        chain = [d for d in _NESTED if d in used]
        states.extend(frozenset(chain[i:]) for i in range(1, len(chain)))
        states.append(frozenset())
    else:
        states.append(frozenset())
    unique = list(dict.fromkeys(states))
    unique.remove(frozenset())
    return [*unique, frozenset()]
