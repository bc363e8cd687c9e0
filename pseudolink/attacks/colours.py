"""
Colour refinement (Weisfeiler and Leman, 1968) of the graph of records, rows and tokens.

Every row begins with the colour of its presence pattern (which tokens it has). In each round a
token takes the colours of the rows that carry it, a record those of its rows, and a row those of
its tokens and its record. Colours are 64-bit sums of mixed words, so that two graphs coloured
apart have equal colours exactly where they look alike; a record whose colour is its own in the
encodings and in the population is re-identified.

Source: specs/attacks-v1.md; shared/attacks.md calls it A6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pseudolink.attacks.structure import Index, Structure

Colours = npt.NDArray[np.uint64]

ROUNDS = 3


def mixed(words: Colours, salt: int = 0) -> Colours:
    """A bijection of 64-bit words (the finaliser of splitmix64), a different one for each salt."""
    with np.errstate(over="ignore"):
        x = words + np.uint64((salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), dtype=np.uint64)


def _sums(groups: Index, words: Colours, count: int) -> Colours:
    """The sum of the words of every group modulo 2**64: of a multiset, whatever its order."""
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=count))
    with np.errstate(over="ignore"):
        total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(words[order], dtype=np.uint64)])
        found: Colours = total[ends] - total[np.concatenate([[0], ends[:-1]])]
    return found


def start(structure: Structure, marks: Colours | None = None) -> Colours:
    """
    (n,) uint64: colours by presence pattern and party.

    Args:
        marks: (n,) uint64, whatever else is seen of a row.
    """
    colour = mixed(structure.party.astype(np.uint64), 1)
    if marks is not None:
        colour = mixed(colour + mixed(marks, 2), 3)
    with np.errstate(over="ignore"):
        for number, tokens in enumerate(structure.tokens):
            colour = mixed(colour + (tokens >= 0).astype(np.uint64), 100 + number)
    return colour


def refine(structure: Structure, colour: Colours) -> Colours:
    """One round."""
    with np.errstate(over="ignore"):
        seen = mixed(colour, 11)
        told = np.zeros(structure.rows, dtype=np.uint64)
        for number, tokens in enumerate(structure.tokens):
            rows = np.flatnonzero(tokens >= 0)
            if len(rows):
                block = tokens[rows]
                sums = _sums(block, seen[rows], int(block.max()) + 1)
                told[rows] += mixed(sums, 100 + number)[block]
        own = mixed(of_records(structure, colour), 13)
        return mixed(mixed(colour, 17) + mixed(told, 19) + own[structure.record], 23)


def of_records(structure: Structure, colour: Colours) -> Colours:
    """(r,) uint64: the colours of records from those of their rows."""
    return mixed(_sums(structure.record, mixed(colour, 29), structure.records), 31)


def rounds(structure: Structure, *, most: int = ROUNDS, marks: Colours | None = None) -> Iterator[Colours]:
    """Colours of records after 0, 1, … rounds, ``most`` + 1 in all."""
    colour = start(structure, marks)
    yield of_records(structure, colour)
    for _ in range(most):
        colour = refine(structure, colour)
        yield of_records(structure, colour)


def once(colour: Colours) -> npt.NDArray[np.bool_]:
    """Which entries hold a colour that no other entry holds."""
    _, inverse, counts = np.unique(colour, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse.ravel()] == 1, dtype=np.bool_)


def same_and_unique(left: Colours, right: Colours) -> tuple[Index, Index]:
    """Positions (i, j) of colours that stand once on the left and once on the right."""
    a, b = np.flatnonzero(once(left)), np.flatnonzero(once(right))
    _, i, j = np.intersect1d(left[a], right[b], assume_unique=True, return_indices=True)
    return a[i].astype(np.int64), b[j].astype(np.int64)


def match(
    left: Sequence[Colours], right: Sequence[Colours], records: int
) -> tuple[Index, npt.NDArray[np.float64]]:
    """
    Re-identify records by colours of their own.

    A later round refines an earlier one where both graphs are whole; where they differ, an early
    round is right where a late one has no partner: the latest round that names a record counts,
    and an earlier one is trusted more.

    Returns:
        (r,) the record of the right side or -1; (r,) confidence, higher the earlier.
    """
    best = np.full(records, -1, dtype=np.int64)
    confidence = np.zeros(records)
    for number, (a, b) in enumerate(zip(left, right, strict=True)):
        i, j = same_and_unique(a, b)
        free = best[i] < 0
        best[i[free]] = j[free]
        confidence[i[free]] = 1.0 / (number + 1)
    return best, confidence


def ties(left: Colours, right: Colours, largest: int, rng: np.random.Generator) -> tuple[Index, Index, Index]:
    """
    Colours that stand equally often on both sides, at most ``largest`` times: guess among them.

    Returns:
        (i, j, size): each entry of the left with one of the right drawn without replacement, and
        among how many the guess was.
    """
    names, a, left_size = np.unique(left, return_inverse=True, return_counts=True)
    also, b, right_size = np.unique(right, return_inverse=True, return_counts=True)
    _, i, j = np.intersect1d(names, also, assume_unique=True, return_indices=True)
    fits = (left_size[i] == right_size[j]) & (left_size[i] <= largest)
    i, j = i[fits], j[fits]
    place_left = np.full(len(names), -1, dtype=np.int64)
    place_right = np.full(len(also), -1, dtype=np.int64)
    place_left[i] = place_right[j] = np.arange(len(i))
    at, to = place_left[a.ravel()], place_right[b.ravel()]
    rows, people = np.flatnonzero(at >= 0), np.flatnonzero(to >= 0)
    rows = rows[np.argsort(at[rows], kind="stable")]
    people = people[np.lexsort((rng.random(len(people)), to[people]))]
    return rows.astype(np.int64), people.astype(np.int64), left_size[i][at[rows]].astype(np.int64)
