"""
From structures of tokens to guesses: what the attacks on tokens have in common.

Source: specs/attacks-v1.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pseudolink.attacks import colours
from pseudolink.attacks.attack import Guesses
from pseudolink.attacks.percolation import Pairs, percolate
from pseudolink.attacks.profiles import nearest, profiles, whitening
from pseudolink.attacks.structure import Index, Structure

#: Records that look alike in larger groups than this are not guessed at: below k = 10.
GROUP = 9
_SEEDS = 3
_FEWEST_SEEDS = 50


def guesses(
    left: Structure,
    right: Structure,
    named: Index,
    confidence: np.typing.NDArray[np.float64],
    notes: Mapping[str, float] | None = None,
) -> Guesses:
    """
    Guesses by row of party 0 from guesses by record.

    Args:
        named: (records of the left,) the record of the right side that each is, or -1.
    """
    rows = left.party == 0
    first = np.append(right.first_rows(), -1)
    best = first[named[left.record[rows]]]
    return Guesses(best, confidence[left.record[rows]], notes=dict(notes or {}))


def by_colour(
    left: Structure, right: Structure, rng: np.random.Generator, *, rounds: int = colours.ROUNDS
) -> tuple[Index, np.typing.NDArray[np.float64], dict[str, float]]:
    """
    Name records that look like nobody else, then guess among the few that look alike.

    Returns:
        (records of the left,) the record of the right or -1; confidence; notes.
    """
    a = list(colours.rounds(left, most=rounds))
    b = list(colours.rounds(right, most=rounds))
    named, confidence = colours.match(a, b, left.records)
    unique = int((named >= 0).sum())
    i, j, size = colours.ties(a[-1], b[-1], GROUP, rng)
    free = named[i] < 0
    named[i[free]] = j[free]
    confidence[i[free]] = 0.1 / size[free]
    return named, confidence, {"rounds": float(rounds), "unique": float(unique)}


def by_likeness(
    left: Structure,
    right: Structure,
    kept: float,
    rng: np.random.Generator,
    known: Sequence[Pairs] = (),
) -> tuple[Index, np.typing.NDArray[np.float64], dict[str, float]]:
    """
    Name records of a population that is only partly right: nearest profiles, then percolation.

    Args:
        kept: share of people, and of their values, that are the same on both sides: the attacker's
            estimate.
    """
    named = np.full(left.records, -1, dtype=np.int64)
    confidence = np.zeros(left.records)
    # Of several parties' extracts the first one is attacked: its records are people of the first file.
    a = np.flatnonzero(_seen(left) & (left.party == 0))
    b = np.flatnonzero(_seen(right) & (right.party == 0))
    notes = {"alike": float(len(a))}
    if len(a) < 2 or len(b) < 2:
        return named, confidence, notes
    scale = whitening(right.tokens, kept, rng)
    ours, theirs = profiles(left.tokens)[a] @ scale, profiles(right.tokens)[b] @ scale
    # Counts are smaller where one side has fewer people; what is left is the difference of means.
    ours, theirs = ours - ours.mean(axis=0), theirs - theirs.mean(axis=0)
    to, margin = nearest(ours, theirs)
    back, _ = nearest(theirs, ours)
    mutual = np.flatnonzero(back[to] == np.arange(len(a)))
    order = mutual[np.argsort(-margin[mutual], kind="stable")]
    seeds = order[: max(_FEWEST_SEEDS, len(order) // _SEEDS)]
    pairs = percolate(left.tokens, right.tokens, Pairs(a[seeds], b[to[seeds]], margin[seeds]))
    named[left.record[a]] = right.record[b[to]]
    confidence[left.record[a]] = margin / (1 + margin)
    own = (left.party[pairs.left] == 0) & (right.party[pairs.right] == 0)
    named[left.record[pairs.left[own]]] = right.record[pairs.right[own]]
    confidence[left.record[pairs.left[own]]] = 1 + pairs.weight[own]
    return named, confidence, notes | {"seeds": float(len(seeds)), "percolated": float(len(pairs.left))}


def _seen(structure: Structure) -> np.typing.NDArray[np.bool_]:
    """Rows that share a token with another row: the others have no profile."""
    found = np.zeros(structure.rows, dtype=bool)
    for tokens in structure.tokens:
        rows = np.flatnonzero(tokens >= 0)
        if len(rows):
            found[rows] |= np.bincount(tokens[rows])[tokens[rows]] > 1
    return found
