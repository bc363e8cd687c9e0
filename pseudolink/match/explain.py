"""
What a candidate pair shows, field by field, in words: for a reviewer and for clerical review.

Source: specs/matching-v1.md, section 3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pseudolink.components import NAMES, WHOLE, split
from pseudolink.formats.candidates import Candidates, Presence
from pseudolink.match.compare import LEVEL_BITS
from pseudolink.schema import LinkageSchema

#: Comparison levels, best first. The place in this tuple is the number in ``field_levels``.
LEVELS = ("equal", "similar 0.85", "similar 0.70", "dissimilar", "equal in part", "different", "not shown")
_EQUAL, _IN_PART, _DIFFERENT, _NOT_SHOWN = 0, 4, 5, 6


def _passes(schema: LinkageSchema, field: str) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Passes that hold the whole field, a part of it, and the field alone, as bits."""
    whole = part = alone = 0
    for number, one in enumerate(schema.passes):
        for component in one.on:
            name, derivation = split(component)
            if name == field:
                entire = derivation in (WHOLE, "stem")
                whole |= entire << number
                part |= (not entire) << number
                alone |= (entire and len(one.on) == 1) << number
            elif name == NAMES and field in schema.named:
                part |= 1 << number
    return np.uint64(whole), np.uint64(part & ~whole), np.uint64(alone)


def field_levels(
    pairs: Candidates, schema: LinkageSchema, left: Presence, right: Presence
) -> dict[str, npt.NDArray[np.int8]]:
    """
    The best level that any pass shows of every field.

    Returns:
        field -> (k,) int8, a place in :data:`LEVELS`. Equal: a shared token holds the whole field.
        Similar and dissimilar: the Dice of its segments. In part: a shared token holds a part of
        it. Different: both have a token of this field alone, and the tokens differ. Not shown:
        anything else, missing values among them.
    """
    rows = pairs.rows
    both = left.tokens[rows[0]] & right.tokens[rows[1]]
    found = {}
    for field in schema.evidence:
        whole, part, alone = _passes(schema, field)
        level = np.full(len(pairs), _NOT_SHOWN, dtype=np.int8)
        level[(both & alone & ~pairs.shared) != 0] = _DIFFERENT
        level[(pairs.shared & part) != 0] = _IN_PART
        if field in schema.compared:
            shift = LEVEL_BITS * schema.compared.index(field)
            seen = (pairs.levels >> shift) & ((1 << LEVEL_BITS) - 1)
            level = np.where(seen > 0, seen - 1, level).astype(np.int8)
        level[(pairs.shared & whole) != 0] = _EQUAL
        found[field] = level
    return found
