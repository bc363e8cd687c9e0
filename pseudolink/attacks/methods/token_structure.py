"""
A6: token structure. Whoever holds the population and no key, and looks at which tokens are equal.

The graph of records and tokens is refined by colours (``attacks/colours.py``), the start colour being
which tokens are missing, and so is that of the population; filters are used as further tokens, since
inside a block equal segments are equal values. Where the population is partly right, profiles of
neighbourhoods and percolation (``profiles.py``, ``percolation.py``) take the place of colours.

Source: specs/attacks-v1.md; Culnane, Rubinstein and Teague 2017 for the idea of structure alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pseudolink.attacks import naming, structure
from pseudolink.attacks.attack import Attack, Bound, Canary, Guesses, Material, Setting, View, Wanted


def guess(material: Material, rng: np.random.Generator) -> Guesses:
    """Name records by the structure of their tokens."""
    schema = material.schema
    compared = bool(schema.compared)
    left = structure.of_view(material.view, segments=structure.segments_of(schema) if compared else ())
    right = structure.of_cleaned(material.reference.cleaned, schema, compared=compared)
    if schema.floor.decoys and material.scheme.name == "keyed":
        right = right.covered(rng)
    setting = material.setting
    if setting.overlap >= 1 and not setting.errors:
        found = naming.by_colour(left, right, rng)
    else:
        found = naming.by_likeness(left, right, setting.overlap * (1 - setting.errors), rng)
    return naming.guesses(left, right, *found)


def settings(wanted: Wanted) -> Sequence[Setting]:
    """All records: company shrinks in a sample. The worst case, then what was asked for."""
    listed = [Setting()]
    if wanted.overlap < 1 or wanted.errors:
        listed.append(Setting(overlap=wanted.overlap, errors=wanted.errors))
    if wanted.full:
        listed += [Setting(overlap=0.8), Setting(overlap=0.5), Setting(overlap=0.8, errors=0.05)]
    return listed


def holds_tokens(view: View) -> bool:
    """Attacks on tokens need encodings."""
    return view.rows > 0 and view.encodings is not None


ATTACK = Attack(
    number="A6",
    name="token structure",
    sentence=(
        "Someone with a list of the whole population, names and all, but without the key, compares "
        "which records look alike with which people look alike, and names those who stand out."
    ),
    knows="the encodings, the schema, and the population in clear text",
    guess=guess,
    settings=settings,
    applies=holds_tokens,
    bounds=(
        Bound("rate", 0.005, "at most 0.5 % of all records"),
        Bound("correct_without_company", 0, "no record without company"),
    ),
    canaries=(
        Canary("broad", Setting(), "rate", 0.95, needs=5_000),
        Canary("broad", Setting(overlap=0.8), "rate", 0.6, needs=10_000, full=True),
    ),
    assumes=(
        "In the worst case the list holds exactly the people of the extract with exactly the same values.",
        "Records that look alike in groups of at most ten are guessed at, and lucky guesses count.",
    ),
)
