"""
Guards: pairs that must not be links, however much they have in common.

Source: specs/resolution-v1.md, section 4.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pseudolink.components import NAMES, WHOLE, split
from pseudolink.formats.candidates import Candidates
from pseudolink.schema import LinkageSchema

#: Bits of one field's level in ``Candidates.levels`` (specs/matching-v1.md, 2.4).
_LEVEL_BITS = 4
_EQUAL, _SIMILAR, _DISSIMILAR = 1, 3, 4
_NUMBERS = ("nino", "upn", "nhs", "uln")
_SAME = ("date", "surname", "postcode")

Flags = npt.NDArray[np.bool_]


def twins(pairs: Candidates, schema: LinkageSchema, held: npt.NDArray[np.uint64]) -> Flags:
    """
    (k,) bool: pairs with date of birth, surname and postcode in common and another forename.

    Pairs that share a person's number are none of them, nor pairs of which one lacks a forename.

    Args:
        held: (k,) the passes in which both rows have a token, as bits.
    """
    none = np.zeros(len(pairs), dtype=bool)
    kinds = {
        kind: [f.name for f in schema.fields.values() if f.kind == kind] for kind in (*_SAME, "forename")
    }
    if not all(kinds.values()):
        return none
    same = ~none
    for kind in _SAME:
        for field in kinds[kind]:
            whole = _passes(schema, field, lambda derivation: derivation == WHOLE)
            same &= _shared(pairs, whole) | _level(pairs, schema, field, _EQUAL, _EQUAL)
    forename, known = none, none
    for field in kinds["forename"]:
        named = _passes(schema, field, lambda derivation: derivation != "initial")
        named |= _passes(schema, NAMES, lambda _: True)
        initials = _passes(schema, field, lambda derivation: derivation == "initial")
        initial = _shared(pairs, initials)
        forename = forename | _shared(pairs, named) | _level(pairs, schema, field, 1, _SIMILAR)
        forename |= initial & ~_level(pairs, schema, field, _DISSIMILAR, _DISSIMILAR)
        known = known | ((held & np.uint64(named | initials)) != 0)
        known |= _level(pairs, schema, field, _EQUAL, _DISSIMILAR)
    numbered = none
    for number in schema.fields.values():
        if number.kind in _NUMBERS:
            numbered = numbered | _shared(pairs, _passes(schema, number.name, lambda _: True))
    return same & known & ~forename & ~numbered


def _passes(schema: LinkageSchema, field: str, wanted: Callable[[str], bool]) -> int:
    """Passes, as bits, that name a derivation of the field for which ``wanted`` holds."""
    found = 0
    for number, one in enumerate(schema.passes):
        for component in one.on:
            name, derivation = split(component)
            found |= int(name == field and wanted(derivation)) << number
    return found


def _shared(pairs: Candidates, passes: int) -> Flags:
    shared: Flags = (pairs.shared & np.uint64(passes)) != 0
    return shared


def _level(pairs: Candidates, schema: LinkageSchema, field: str, best: int, worst: int) -> Flags:
    """Pairs whose compared field has a level from ``best`` to ``worst``."""
    if field not in schema.compared:
        return np.zeros(len(pairs), dtype=bool)
    level = (pairs.levels >> (_LEVEL_BITS * schema.compared.index(field))) & ((1 << _LEVEL_BITS) - 1)
    seen: Flags = (level >= best) & (level <= worst)
    return seen
