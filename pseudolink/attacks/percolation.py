"""
From some known or guessed pairs to the rest, along shared tokens.

A pair of a row and a person says, pass by pass, which token stands for which value: a vote. The
votes of all pairs give each token at most one value; a row is then given to the person who has
most of the values of its tokens, rare ones counting more, where that choice is mutual. So a few
right pairs win over many wrong ones, and what they win votes in the next round.

Source: specs/attacks-v1.md; percolation graph matching (Yartseva and Grossglauser, 2013), with
blocks in place of edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from pseudolink.attacks.profiles import members
from pseudolink.attacks.structure import Index

Numbers = npt.NDArray[np.float64]

ROUNDS = 12
#: Larger blocks say too little about a person for what they cost.
_WIDEST = 300
#: Least weight of a match from guessed seeds: two shared values that one person in twenty or so has.
LEAST = 2.0


@dataclass(frozen=True)
class Pairs:
    """Rows of the left and of the right side, (k,) int64 each, and how sure each pair is."""

    left: Index
    right: Index
    weight: Numbers


def percolate(left: Index, right: Index, seeds: Pairs, *, rounds: int = ROUNDS, fixed: bool = False) -> Pairs:
    """
    Match rows from seeds.

    Args:
        left: (p, n) tokens. right: (p, m) tokens.
        fixed: seeds are known, not guessed: they vote in every round and are not given up.

    Returns:
        matched pairs, each row at most once on its side; known seeds among them.
    """
    rarity = [_rarity(one) for one in right]
    pairs = seeds
    for _ in range(rounds):
        scores = _scores(left, right, pairs, rarity)
        if fixed:
            # Who is known is nobody else: a twin of theirs is named by elimination.
            row, column = scores.coords
            free = ~np.isin(row, seeds.left) & ~np.isin(column, seeds.right)
            scores = coo_array((scores.data[free], (row[free], column[free])), shape=scores.shape)
        found = _mutual(scores, 0.0 if fixed else LEAST)
        if fixed:
            found = _with_known(found, seeds)
        if np.array_equal(found.left, pairs.left) and np.array_equal(found.right, pairs.right):
            break
        pairs = found
    return pairs


def _rarity(tokens: Index) -> Numbers:
    sizes = np.bincount(tokens[tokens >= 0])
    return np.log(max(len(tokens), 2) / np.maximum(sizes, 1))


def translation(left: Index, right: Index, pairs: Pairs) -> tuple[Index, Index]:
    """
    Which token of the right side each token of the left side stands for, in one pass.

    Returns:
        (tokens of the left,) the token of the right or -1, and the votes for it.
    """
    a, b = left[pairs.left], right[pairs.right]
    both = (a >= 0) & (b >= 0)
    shape = (int(left.max(initial=-1)) + 1, int(right.max(initial=-1)) + 1)
    value = np.full(shape[0], -1, dtype=np.int64)
    votes = np.zeros(shape[0], dtype=np.int64)
    if not both.any():
        return value, votes
    cast, count = np.unique(a[both] * shape[1] + b[both], return_counts=True)
    of, to = np.divmod(cast, shape[1])
    # The most votes, on both sides; ties go to the smaller number, which means nothing.
    best_of = _first(of, count)
    best_to = _first(to, count)
    kept = np.intersect1d(best_of, best_to)
    value[of[kept]], votes[of[kept]] = to[kept], count[kept]
    return value, votes


def _first(group: Index, count: npt.NDArray[np.generic]) -> Index:
    """The position of the largest count of every group."""
    order = np.lexsort((np.arange(len(group)), -count.astype(np.float64), group))
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = group[order][1:] != group[order][:-1]
    return order[fresh]


def _scores(left: Index, right: Index, pairs: Pairs, rarity: list[Numbers]) -> coo_array:
    rows, people = left.shape[1], right.shape[1]
    total = csr_array((rows, people))
    for own, theirs, rare in zip(left, right, rarity, strict=True):
        value, votes = translation(own, theirs, pairs)
        sizes = np.bincount(theirs[theirs >= 0], minlength=len(rare))
        known = np.flatnonzero(value >= 0)
        known = known[sizes[value[known]] <= _WIDEST]
        if not len(known):
            continue
        weight = rare[value[known]] * (1 - 0.5 ** votes[known])
        bridge = csr_array((weight, (known, value[known])), shape=(len(value), len(rare)))
        total = total + members(own, rows).T @ bridge @ members(theirs, people)
        # A pair that alone voted for a translation must not live on its own vote.
        a, b = own[pairs.left], theirs[pairs.right]
        alone = (a >= 0) & (b >= 0)
        alone[alone] &= (value[a[alone]] == b[alone]) & (votes[a[alone]] == 1)
        alone[alone] &= sizes[b[alone]] <= _WIDEST
        if alone.any():
            took = rare[b[alone]] / 2
            total = total - csr_array((took, (pairs.left[alone], pairs.right[alone])), shape=(rows, people))
    return coo_array(total)


def _mutual(scores: coo_array, least: float) -> Pairs:
    """Pairs that are each other's best by a margin, and of more weight than the least."""
    row, column = (np.asarray(axis, dtype=np.int64) for axis in scores.coords)
    data = scores.data
    enough = (data >= least) & (data > 1e-9)
    row, column, data = row[enough], column[enough], data[enough]
    by_row, margin = _best_with_margin(row, data)
    by_column, _ = _best_with_margin(column, data)
    mutual = np.isin(by_row, by_column) & (margin > 1e-9)
    kept = by_row[mutual]
    order = np.argsort(row[kept])
    kept = kept[order]
    return Pairs(row[kept], column[kept], (data[kept] + margin[mutual][order]).astype(np.float64))


def _best_with_margin(group: Index, data: Numbers) -> tuple[Index, Numbers]:
    order = np.lexsort((-data, group))
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = group[order][1:] != group[order][:-1]
    at = np.flatnonzero(fresh)
    following = np.minimum(at + 1, max(len(order) - 1, 0))
    rival = (at + 1 < len(order)) & ~fresh[following] if len(order) else np.zeros(0, dtype=bool)
    second = np.where(rival, data[order[following]], 0.0) if len(order) else np.zeros(0)
    return order[at], data[order[at]] - second


def _with_known(found: Pairs, known: Pairs) -> Pairs:
    """Found pairs and the known ones, by row of the left."""
    left = np.concatenate([known.left, found.left])
    order = np.argsort(left)
    right = np.concatenate([known.right, found.right])
    weight = np.concatenate([known.weight, found.weight])
    return Pairs(left[order], right[order], weight[order])
