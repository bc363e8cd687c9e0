"""
A10: missing values. Which values a record lacks can be seen without looking at any other record.

A record without company still shows which tokens it has, how many versions it has and which tokens
these share. Where few records of the extract and few people of the population have such a pattern,
they are named, company or not.

Source: specs/attacks-v1.md; found by this project (specs/adr/0037).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pseudolink.attacks import naming, structure
from pseudolink.attacks.attack import Attack, Bound, Canary, Guesses, Material, Setting, Target, Wanted
from pseudolink.attacks.laboratory import Laboratory, truth_of
from pseudolink.attacks.methods.token_structure import holds_tokens
from pseudolink.attacks.structure import Structure, renumbered
from pseudolink.formats.cleaned import Cleaned, Column

MISSING = "missing"


def alone(found: Structure) -> Structure:
    """The same rows with no token shared between records: what each shows by itself."""
    width = found.records
    tokens = np.where(found.tokens >= 0, found.tokens * width + found.record[None, :], -1)
    return replace(found, tokens=renumbered(tokens))


def guess(material: Material, rng: np.random.Generator) -> Guesses:
    """Name records by what each shows by itself."""
    left = structure.of_view(material.view)
    right = structure.of_cleaned(material.reference.cleaned, material.schema)
    if material.schema.floor.decoys:
        right = right.covered(rng)
    named, confidence, notes = naming.by_colour(alone(left), alone(right), rng, rounds=1)
    patterns, _ = left.patterns()
    sizes = np.bincount(patterns)
    notes |= {"patterns": float(len(sizes)), "rows_of_rarest": float(sizes.min(initial=left.rows))}
    return naming.guesses(left, right, named, confidence, notes)


def stage(lab: Laboratory, setting: Setting, rng: np.random.Generator) -> Target:
    """
    The usual target; for the canary further values are blanked in the extract, and in the
    population alike: each field of ``missing`` of the people, by chances that differ by field.
    """
    share = setting.extra.get(MISSING)
    if not share:
        return lab.target(setting, rng)
    people = lab.people(setting, rng)
    population = blanked(lab.population, float(share), rng)
    view = lab.encode(people.target, rng, cleaned=population)
    reference = population.take(people.reference)
    truth = truth_of(population.source[people.target], reference.source)
    return Target(lab.material(view, reference, setting), truth, np.ones(view.rows, dtype=bool))


def blanked(cleaned: Cleaned, share: float, rng: np.random.Generator) -> Cleaned:
    """A share of the values of every field taken out; of one field after the other, half as many."""
    fields = {}
    for name, column in cleaned.fields.items():
        gone = rng.random(cleaned.rows) < share
        fields[name] = Column(column.values, np.where(gone, -1, column.codes).astype(np.int32))
        share /= 2
    return Cleaned(cleaned.rows, cleaned.source, fields, cleaned.counts)


def settings(wanted: Wanted) -> Sequence[Setting]:
    """The exact population: the worst case."""
    return [Setting()]


ATTACK = Attack(
    number="A10",
    name="missing values",
    sentence=(
        "Someone with a list of the population looks at which details each record lacks, and names the "
        "records that lack what hardly anyone else lacks."
    ),
    knows="the encodings, the schema, and the population in clear text with what is missing in it",
    guess=guess,
    settings=settings,
    stage=stage,
    applies=holds_tokens,
    bounds=(Bound("correct", 0, "no record"),),
    canaries=(Canary("bare", Setting(extra={MISSING: 0.02}), "correct", 3, needs=5_000),),
    assumes=("The list has the same details missing as the extract.",),
)
