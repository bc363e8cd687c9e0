"""
A3 and A4: who is whom by the shape of similarities alone; then what was found trains A2.

Source: specs/attacks-v1.md, sections 3.3 and 3.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pseudolink.attacks import landmarks, likeness
from pseudolink.attacks.attack import (
    Attack,
    Bound,
    Canary,
    Guesses,
    Index,
    Known,
    Material,
    Setting,
    Wanted,
)
from pseudolink.attacks.methods import known_plaintext

#: Share of A3's matches that A4 takes for certain.
CERTAIN = 0.3


def _matched(material: Material) -> landmarks.Matched:
    return landmarks.match(likeness.of_view(material.view), likeness.of_reference(material))


def guess(material: Material, rng: np.random.Generator) -> Guesses:
    """Match view and reference by landmarks that grow."""
    found = _matched(material)

    def scores(rows: Index) -> likeness.Matrix:
        score: likeness.Matrix = found.left[rows] @ found.right.T
        return score

    return Guesses(found.best, found.confidence, scores, {"rounds": found.rounds, "fit": found.fit})


def guess_trained(material: Material, rng: np.random.Generator) -> Guesses:
    """A2 with the most certain third of A3's matches in place of leaked pairs."""
    found = _matched(material)
    there = np.flatnonzero((found.best >= 0) & (found.confidence > 0))
    count = min(len(there), max(int(CERTAIN * material.view.rows), 1))
    rows = np.sort(there[np.argsort(-found.confidence[there], kind="stable")[:count]])
    if not len(rows):
        return Guesses(found.best, found.confidence, None, {"training_pairs": 0})
    trained = known_plaintext.guess(replace(material, known=Known(rows, found.best[rows])), rng)
    # The training pairs are guesses as well, and the surest.
    best, sure = trained.best.copy(), trained.confidence.copy()
    best[rows], sure[rows] = found.best[rows], sure.max(initial=0) + found.confidence[rows]
    return Guesses(best, sure, None, {"training_pairs": len(rows)})


def _settings(wanted: Wanted) -> Sequence[Setting]:
    sizes = (1_000, 2_000)
    chosen = [Setting(n, overlap=1.0, errors=wanted.errors) for n in sizes]
    overlaps = dict.fromkeys((0.8, 0.5, wanted.overlap))
    chosen += [Setting(1_000, overlap=o, errors=wanted.errors) for o in overlaps if o < 1]
    if wanted.full:
        chosen += [Setting(n, overlap=o, errors=wanted.errors) for n in (2_000, 10_000) for o in overlaps]
    return chosen


def _trained_settings(wanted: Wanted) -> Sequence[Setting]:
    return [Setting(2_000, overlap=wanted.overlap, errors=wanted.errors)]


ATTACKS = (
    Attack(
        number="A3",
        name="graph matching with landmarks",
        sentence="Someone with a list of the population recognises people by how alike records are to one "
        "another, without any key.",
        knows="a population file, the program and the schema; not the key",
        guess=guess,
        settings=_settings,
        bounds=(Bound("rate", 0.005, "at most 0.5 % recognised"),),
        canaries=(
            Canary("clk", Setting(1_000), "rate", 0.99, needs=1_000),
            Canary("balanced", Setting(1_000), "rate", 0.99, needs=1_000),
            Canary("folded", Setting(2_000), "rate", 0.95, needs=2_000),
            Canary("diffused2", Setting(2_000), "rate", 0.95, needs=2_000),
            Canary("clk", Setting(1_000, overlap=0.8), "rate", 0.99, needs=1_200, full=True),
        ),
        assumes=(
            "The population file holds the very people of the extract, at the stated overlap.",
            "Success grows with the number of records: a rate at n is no bound for a larger n.",
        ),
    ),
    Attack(
        number="A4",
        name="graph matching, then known plaintext",
        sentence="Someone learns from the people recognised with most certainty, and recognises the rest.",
        knows="a population file, the program and the schema; not the key",
        guess=guess_trained,
        settings=_trained_settings,
        bounds=(Bound("rate", 0.005, "at most 0.5 % recognised"),),
        canaries=(Canary("clk", Setting(1_000), "rate", 0.95, needs=1_000),),
        assumes=("As A3.",),
    ),
)
