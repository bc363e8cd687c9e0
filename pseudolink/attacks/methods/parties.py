"""
A8 and A9: token structure across parties, or across delivery waves under one key.

An operator holds the encodings of several parties, and tokens are equal across them: that is the
linkage. So a record has neighbours in other extracts even where it has none in its own, and which
passes agree depends on the mistakes in both files. Whoever has copies of both files, mistakes
included, can colour the union of them and compare (A8); whoever has a register that both files
resemble can compare profiles of neighbourhoods instead (A9; ``naming.by_likeness``).

Source: specs/attacks-v1.md; found by this project (specs/adr/0038).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pseudolink.attacks import naming, structure
from pseudolink.attacks.attack import Attack, Bound, Canary, Guesses, Material, Setting, Target, Wanted
from pseudolink.attacks.laboratory import Laboratory, truth_of
from pseudolink.attacks.methods.token_structure import holds_tokens
from pseudolink.attacks.mistakes import with_mistakes

OTHER = "other"
#: Share of values that differ between the two files of the experiment.
DIFFER = 0.05


def guess(material: Material, rng: np.random.Generator) -> Guesses:
    """Compare the union of two extracts with that of two files in clear text."""
    left = structure.of_parties([material.view, material.others[OTHER]])
    files = [material.reference.cleaned, material.extra[OTHER]]
    right = structure.of_files(files, material.schema)
    if material.schema.floor.decoys:
        right = right.covered(rng)
    errors = material.setting.errors
    if errors:  # colours of two steps away are never right where values are wrong
        found = naming.by_likeness(left, right, (1 - errors) ** 2, rng)
    else:
        found = naming.by_colour(left, right, rng)
    return naming.guesses(left, right, *found)


def stage(lab: Laboratory, setting: Setting, rng: np.random.Generator) -> Target:
    """
    Two extracts of the same people, the second with values of its own, and copies of both files.

    With ``setting.errors`` the copies are not exact: each is the register with other mistakes.
    """
    people = lab.people(setting, rng)
    theirs = with_mistakes(lab.population.take(rng.permutation(people.target)), DIFFER, rng)
    view = lab.encode(people.target, rng)
    other = lab.encode(np.arange(theirs.rows), rng, cleaned=theirs, party=OTHER)
    reference = lab.population.take(people.reference)
    copy = theirs
    if setting.errors:
        copy = with_mistakes(lab.population.take(rng.permutation(people.reference)), setting.errors, rng)
        reference = with_mistakes(reference, setting.errors, rng)
    truth = truth_of(lab.population.source[people.target], reference.source)
    material = lab.material(view, reference, setting, others={OTHER: other}, extra={**lab.extra, OTHER: copy})
    return Target(material, truth, np.ones(view.rows, dtype=bool))


def _exact(wanted: Wanted) -> Sequence[Setting]:
    return [Setting()]


def _register(wanted: Wanted) -> Sequence[Setting]:
    return [Setting(errors=wanted.errors or 0.05)]


EXACT = Attack(
    number="A8",
    name="structure across parties, both files copied",
    sentence=(
        "Someone who has obtained exact copies of two agencies' files, and the encodings of both but no "
        "key, looks for pairs of records whose differences are unlike those of all others."
    ),
    knows="encodings of two parties, the schema, and exact copies of both parties' files, mistakes included",
    guess=guess,
    settings=_exact,
    stage=stage,
    applies=holds_tokens,
    canaries=(Canary("broad", Setting(), "rate", 0.9, needs=5_000),),
    assumes=(
        f"{DIFFER:.0%} of the values differ between the two files.",
        "No bound is claimed: whoever has both files in clear text knows who is in them, and learns "
        "which record numbers are theirs.",
    ),
)

REGISTER = Attack(
    number="A9",
    name="structure across parties, from a register",
    sentence=(
        "Someone with a register that both agencies' files resemble, but not copies of the files, "
        "compares how the records of two agencies hang together."
    ),
    knows="encodings of two parties, the schema, and a register of the same people",
    guess=guess,
    settings=_register,
    stage=stage,
    applies=holds_tokens,
    bounds=(Bound("rate", 0.005, "at most 0.5 % of all records"),),
    canaries=(Canary("broad", Setting(errors=0.05), "rate", 0.5, needs=20_000),),
    assumes=(
        f"{DIFFER:.0%} of the values differ between the two files, and 5 % between each and the register.",
    ),
)

ATTACKS = (EXACT, REGISTER)
