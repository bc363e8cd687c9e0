"""
A12: planted records. A custodian adds invented or copied records of people it is curious about.

By itself it learns nothing: no result comes back. Together with the operator it knows the clear
text of its own records, and so of every token that they carry; any record of another party with
such a token has those values. What follows for the people planted is what collusion with a key
holder always gives (threat-model, 5.1). This measures what follows for everybody else: known pairs
spread along shared tokens (``attacks/percolation.py``).

Source: specs/attacks-v1.md; found by this project.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pseudolink.attacks import naming, structure
from pseudolink.attacks.attack import Attack, Bound, Canary, Guesses, Material, Setting, Target, Wanted
from pseudolink.attacks.laboratory import Laboratory
from pseudolink.attacks.methods.token_structure import holds_tokens
from pseudolink.attacks.percolation import Pairs, percolate
from pseudolink.attacks.structure import Index, Structure

PLANTED, PEOPLE, SHARE = "planted", "people planted", "planted"
#: A planted record and another are taken for one person when they share this part of the passes.
ALIKE = 0.5


def known_pairs(both: Structure, people: Index) -> Pairs:
    """
    Rows of the attacked extract (party 0) that are as good as equal to a planted record (party 1).

    Args:
        people: (planted rows,) the row of the reference that each is a copy of.
    """
    ours, planted = np.flatnonzero(both.party == 0), np.flatnonzero(both.party == 1)
    shared: dict[tuple[int, int], int] = {}
    for tokens in both.tokens:
        holder = {int(tokens[row]): at for at, row in enumerate(planted.tolist()) if tokens[row] >= 0}
        hits = ours[np.isin(tokens[ours], list(holder))]
        for row in hits.tolist():
            pair = (row, holder[int(tokens[row])])
            shared[pair] = shared.get(pair, 0) + 1
    least = ALIKE * len(both.tokens)
    best: dict[int, tuple[int, int]] = {}
    for (row, at), count in shared.items():
        if count >= least and count > best.get(row, (0, 0))[0]:
            best[row] = (count, at)
    rows = np.asarray(sorted(best), dtype=np.int64)
    to = np.asarray([people[best[row][1]] for row in rows.tolist()], dtype=np.int64)
    return Pairs(rows, to, np.full(len(rows), 1e6))


def guess(material: Material, rng: np.random.Generator) -> Guesses:
    """Read tokens from planted records, then spread along company."""
    both = structure.of_parties([material.view, material.others[PLANTED]])
    people: Index = material.extra[PEOPLE]
    found = known_pairs(both, people)
    planted = np.flatnonzero(both.party == 1)
    seeds = Pairs(
        np.concatenate([found.left, planted]),
        np.concatenate([found.right, people]),
        np.full(len(found.left) + len(planted), 1e6),
    )
    # Values, not what the encodings make of them: a planted token says what its values are.
    right = structure.of_cleaned(material.reference.cleaned, material.schema)
    pairs = percolate(both.tokens, right.tokens, seeds, fixed=True)
    named = np.full(both.records, -1, dtype=np.int64)
    confidence = np.zeros(both.records)
    named[both.record[pairs.left]] = right.record[pairs.right]
    confidence[both.record[pairs.left]] = pairs.weight
    ours = int((both.party[pairs.left] == 0).sum())
    notes = {"known": float(len(found.left)), "named": float(ours)}
    return naming.guesses(both, right, named, confidence, notes)


def stage(lab: Laboratory, setting: Setting, rng: np.random.Generator) -> Target:
    """The usual target, and a delivery of planted copies of some of the people; those do not count."""
    target = lab.target(setting, rng)
    material = target.material
    count = max(1, round(float(setting.extra.get(SHARE, 0.05)) * material.reference.rows))
    people = np.sort(rng.permutation(material.reference.rows)[:count])
    view = lab.encode(people, rng, cleaned=material.reference.cleaned, party=PLANTED)
    material = lab.material(
        material.view,
        material.reference.cleaned,
        setting,
        others={PLANTED: view},
        extra={**material.extra, PEOPLE: people},
    )
    assert target.truth is not None  # noqa: S101
    person = np.append(material.reference.person, -1)
    own = np.isin(person[target.truth], material.reference.person[people])
    return Target(material, target.truth, target.scored & ~own)


def settings(wanted: Wanted) -> Sequence[Setting]:
    """One record in twenty planted: far more than an agency could hide."""
    return [Setting(extra={SHARE: 0.05})]


ATTACK = Attack(
    number="A12",
    name="planted records",
    sentence=(
        "An agency slips records of people it is curious about into its own delivery and, together with "
        "the linkage unit, tries to learn about everybody else from what those records show."
    ),
    knows="the encodings, which records were planted and what is in them, and the population in clear text",
    guess=guess,
    settings=settings,
    stage=stage,
    applies=holds_tokens,
    bounds=(Bound("rate", 0.005, "at most 0.5 % of the people who were not planted"),),
    canaries=(Canary("broad", Setting(extra={SHARE: 0.05}), "rate", 0.5, needs=5_000),),
    assumes=(
        "The people planted are themselves found, and not counted: an agency and the linkage unit "
        "together can always do that.",
    ),
)
