"""
A7: frequency. Which values tokens stand for, from how often each occurs, pass by pass.

A token that stands in as many records as one value has people, and no other token or value does,
is read. Against a list of other people the most frequent token is taken for the most frequent
value, and so on down. A record counts when the values of one of its tokens were read, and read
rightly: that is less than naming it, and more than it should show.

Source: specs/attacks-v1.md; Niedermeyer et al. 2014 for frequency alignment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pseudolink.attacks import structure
from pseudolink.attacks.attack import Attack, Bound, Canary, Material, Measures, Setting, Target, Wanted
from pseudolink.attacks.laboratory import Laboratory
from pseudolink.attacks.methods.token_structure import holds_tokens
from pseudolink.attacks.mistakes import with_mistakes

Index = npt.NDArray[np.int64]
VALUES = "values"
#: Another file of nearly the same people, as a second agency has it.
ANOTHER = Setting(overlap=0.95, errors=0.05)


def by_count(tokens: Index, values: Index) -> Index:
    """
    Read the tokens whose count no other token has, as the value whose count no other value has.

    Args:
        tokens: (n,) the token of each row, -1 for none. values: (m,) likewise, of the population.

    Returns:
        (n,) the value that each row's token is read as; -1 where it is not read.
    """
    ours = np.bincount(tokens[tokens >= 0])
    theirs = np.bincount(values[values >= 0])
    read = np.full(len(ours) + 1, -1, dtype=np.int64)
    counts, at, often = np.unique(ours, return_index=True, return_counts=True)
    again, to, also = np.unique(theirs, return_index=True, return_counts=True)
    _, i, j = np.intersect1d(counts[often == 1], again[also == 1], assume_unique=True, return_indices=True)
    read[at[often == 1][i]] = to[also == 1][j]
    return read[tokens]


def by_rank(tokens: Index, values: Index, rng: np.random.Generator) -> Index:
    """Read the most frequent token as the most frequent value, and so on; ties at random."""
    ours = np.bincount(tokens[tokens >= 0])
    theirs = np.bincount(values[values >= 0])
    read = np.full(len(ours) + 1, -1, dtype=np.int64)
    first = np.lexsort((rng.random(len(ours)), -ours))
    second = np.lexsort((rng.random(len(theirs)), -theirs))
    both = min(len(first), len(second))
    read[first[:both]] = second[:both]
    return read[tokens]


def guess(material: Material, rng: np.random.Generator) -> Measures:
    """Read tokens pass by pass, and count the records whose values were read rightly."""
    left = structure.of_view(material.view)
    right = structure.of_cleaned(material.reference.cleaned, material.schema)
    truth = material.extra.get(VALUES)
    if truth is None or not material.view.rows:
        return Measures({})
    exact, rank = 0.0, 0.0
    for tokens, values, actual in zip(left.tokens, right.tokens, truth, strict=True):
        there = actual >= 0
        exact = max(exact, float(((by_count(tokens, values) == actual) & there).mean()))
        rank = max(rank, float(((by_rank(tokens, values, rng) == actual) & there).mean()))
    return Measures({"read_by_count": exact, "read_by_rank": rank, "read": max(exact, rank)})


def stage(lab: Laboratory, setting: Setting, rng: np.random.Generator) -> Target:
    """The usual target, and what the values behind its tokens are: this measures, it names nobody."""
    if lab.supplied is not None:
        target = lab.target(setting, rng)
        if target.truth is None:
            return target
        material = target.material
        right = structure.of_cleaned(material.reference.cleaned, material.schema)
        values = np.where(target.truth >= 0, right.tokens[:, target.truth], -1)
    else:
        people = lab.people(setting, rng)
        view = lab.encode(people.target, rng)
        reference = lab.population.take(people.reference)
        if setting.errors:
            reference = with_mistakes(reference, setting.errors, rng)
        both = structure.stacked([reference, lab.population.take(people.target)])
        # Numbered together with the population's, and then as the attacker numbers the latter.
        joint = structure.of_cleaned(both, lab.used).tokens
        known = structure.of_cleaned(reference, lab.used).tokens
        values = _translated(joint, known, len(people.reference))
        material = lab.material(view, reference, setting)
        target = Target(material, None, np.ones(view.rows, dtype=bool))
    extra = {**material.extra, VALUES: values}
    material = lab.material(material.view, material.reference.cleaned, setting, extra=extra)
    return Target(material, target.truth, target.scored)


def _translated(joint: Index, known: Index, rows: int) -> Index:
    """Values of the target's rows in the population's numbering; -1 where the population lacks them."""
    out = np.full((len(joint), joint.shape[1] - rows), -1, dtype=np.int64)
    for number, (all_rows, own) in enumerate(zip(joint, known, strict=True)):
        table = np.full(int(all_rows.max(initial=-1)) + 2, -1, dtype=np.int64)
        there = own >= 0
        table[all_rows[:rows][there]] = own[there]
        out[number] = table[all_rows[rows:]]
    return out


def settings(wanted: Wanted) -> Sequence[Setting]:
    """The exact population, and another file of it."""
    return [Setting(), ANOTHER if wanted.overlap >= 1 else Setting(None, wanted.overlap, wanted.errors)]


ATTACK = Attack(
    number="A7",
    name="frequency",
    sentence=(
        "Someone with a list of the population counts how often each code and each value occurs, and "
        "reads the codes that occur as often as just one value."
    ),
    knows="the encodings, the schema, and how often values occur in the population",
    guess=guess,
    settings=settings,
    stage=stage,
    applies=holds_tokens,
    bounds=(Bound("read", 0.001, "the values of at most 0.1 % of the records in any pass"),),
    canaries=(
        Canary("surname", Setting(), "read_by_count", 0.3, needs=5_000),
        Canary("surname", ANOTHER, "read_by_rank", 0.05, needs=5_000),
    ),
    assumes=("A value that is read is counted, although a value alone does not always name a person.",),
)
