"""
A11: the same people in two projects, or in two waves with a new key each.

Tokens of different keys are unrelated, so nobody can join them. But company and missing values are
those of the people, whatever the key: whoever holds both sets of encodings, without any list of
people, joins the records that look like no other on both sides.

Source: specs/attacks-v1.md; found by this project (specs/adr/0037).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pseudolink.attacks import naming, structure
from pseudolink.attacks.attack import Attack, Bound, Canary, Guesses, Material, Setting, Target, Wanted
from pseudolink.attacks.laboratory import Laboratory, truth_of
from pseudolink.attacks.methods.token_structure import holds_tokens

SECOND = "second project"


def guess(material: Material, rng: np.random.Generator) -> Guesses:
    """Join two sets of encodings by structure; the population is not looked at."""
    left, right = structure.of_view(material.view), structure.of_view(material.others[SECOND])
    setting = material.setting
    if setting.overlap >= 1:
        found = naming.by_colour(left, right, rng)
    else:
        found = naming.by_likeness(left, right, setting.overlap, rng)
    return naming.guesses(left, right, *found)


def stage(lab: Laboratory, setting: Setting, rng: np.random.Generator) -> Target:
    """
    The people encoded for two projects, each with a key of its own.

    Row i of the second encodings is row i of the reference, which stands for it in the scoring.
    """
    people = lab.people(setting, rng)
    view = lab.encode(people.target, rng)
    second = lab.encode(people.reference, rng, project="another project")
    reference = lab.population.take(people.reference)
    truth = truth_of(lab.population.source[people.target], reference.source)
    material = lab.material(view, reference, setting, others={SECOND: second})
    return Target(material, truth, np.ones(view.rows, dtype=bool))


def settings(wanted: Wanted) -> Sequence[Setting]:
    """The same people in both: the worst case; then the overlap asked for."""
    return [Setting()] + ([Setting(overlap=wanted.overlap)] if wanted.overlap < 1 else [])


ATTACK = Attack(
    number="A11",
    name="two projects",
    sentence=(
        "Someone who holds the encodings of the same people from two projects, or from two years with "
        "a new key each, finds out which records are the same person."
    ),
    knows="two sets of encodings of the same people under different keys; no list of people",
    guess=guess,
    settings=settings,
    stage=stage,
    applies=holds_tokens,
    bounds=(Bound("rate", 0.005, "at most 0.5 % of all records joined"),),
    canaries=(Canary("broad", Setting(), "rate", 0.9, needs=5_000),),
    assumes=("The same people with the same values in both.",),
)
