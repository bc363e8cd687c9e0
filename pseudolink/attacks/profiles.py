"""
What the neighbourhood of a record looks like in numbers, for a population that is only partly right.

Colour refinement needs both graphs to be equal. Where people are missing on either side, or values
are wrong, block sizes still resemble one another: a row's profile is the size of its block in every
pass and the mean sizes of the blocks of its neighbours there, twice over. How much a profile varies
by chance is learned from the population alone, by dropping people from it twice; profiles are
compared in units of that noise.

Source: specs/attacks-v1.md. The idea is linear discriminant analysis with simulated noise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from pseudolink.attacks.structure import Index, renumbered

Numbers = npt.NDArray[np.float64]

#: Features that neighbours hand on in all passes together, about; more passes are mixed down.
_WIDTH = 90
_LEAST = 2
_CHUNK = 2_000
_SEED = 1968


def members(tokens: Index, rows: int) -> csr_array:
    """(blocks, rows) sparse 0/1: which rows are in which block of one pass."""
    at = np.flatnonzero(tokens >= 0)
    count = int(tokens.max(initial=-1)) + 1
    return csr_array((np.ones(len(at)), (tokens[at], at)), shape=(count, rows))


def profiles(tokens: Index) -> Numbers:
    """
    Profiles of n rows.

    Args:
        tokens: (p, n) int64, -1 where there is none.

    Returns:
        (n, d) float64. Unrelated scales: see :func:`whitening`.
    """
    passes, rows = tokens.shape
    size = np.zeros((rows, passes))
    blocks = [members(one, rows) for one in tokens]
    for number, one in enumerate(tokens):
        at = np.flatnonzero(one >= 0)
        size[at, number] = np.log(np.bincount(one[at])[one[at]]) if len(at) else 0.0
    present = (tokens >= 0).T.astype(np.float64)
    near = _narrowed(size)
    first = np.concatenate([_means(b, near) for b in blocks], axis=1)
    width = near.shape[1]
    # What the neighbours' neighbours look like, one number for each base feature.
    second = np.mean([first[:, at * width : (at + 1) * width] for at in range(passes)], axis=0)
    far = np.concatenate([_means(b, _narrowed(second)) for b in blocks], axis=1)
    return np.concatenate([size, present, first, far], axis=1)


def _narrowed(values: Numbers) -> Numbers:
    """As few columns as many passes need: mixtures with fixed signs where there are too many."""
    most = max(_WIDTH // max(values.shape[1], 1), _LEAST)
    if values.shape[1] <= most:
        return values
    rng = np.random.Generator(np.random.PCG64(_SEED))
    signs = rng.choice([-1.0, 1.0], size=(values.shape[1], most - 1))
    return np.concatenate([values.sum(axis=1, keepdims=True), values @ signs], axis=1)


def _means(blocks: csr_array, values: Numbers) -> Numbers:
    """For each row, the mean of the values of the others in its block; zeros when it is alone."""
    total = blocks.T @ (blocks @ values)
    count = blocks.T @ (blocks @ np.ones(len(values)))
    inside = (count > 0)[:, None]
    return np.asarray((total - np.where(inside, values, 0.0)) / np.maximum(count - 1, 1)[:, None])


def whitening(tokens: Index, kept: float, rng: np.random.Generator) -> Numbers:
    """
    The scaling that makes chance variation of profiles one in every direction.

    Args:
        tokens: (p, m) of the population. kept: share of the people that are on both sides.

    Returns:
        (d, d) float64 to multiply profiles with.
    """
    rows = tokens.shape[1]
    draws = [rng.random(rows) < min(kept, 0.95) for _ in range(2)]
    made = []
    for drawn in draws:
        values = np.zeros((rows, 0))
        found = profiles(renumbered(tokens[:, drawn]))
        values = np.zeros((rows, found.shape[1]))
        values[drawn] = found
        made.append(values)
    both = draws[0] & draws[1]
    noise = made[0][both] - made[1][both]
    spread = noise.T @ noise / max(len(noise), 1) / 2
    spread += np.eye(len(spread)) * max(1e-4 * float(np.trace(spread)) / len(spread), 1e-9)
    variance, directions = np.linalg.eigh(spread)
    return np.asarray(directions / np.sqrt(np.maximum(variance, 1e-12)))


def nearest(left: Numbers, right: Numbers) -> tuple[Index, Numbers]:
    """
    The nearest row of the right side for each row of the left one.

    Returns:
        (n,) int64, and (n,) how much farther the second nearest is, relative to the nearest.
    """
    a, b = left.astype(np.float32), right.astype(np.float32)
    square = (b * b).sum(axis=1)
    best = np.zeros(len(a), dtype=np.int64)
    margin = np.zeros(len(a))
    for begin in range(0, len(a), _CHUNK):
        part = a[begin : begin + _CHUNK]
        distance = (part * part).sum(axis=1)[:, None] + square[None, :] - 2 * part @ b.T
        np.maximum(distance, 0, out=distance)
        at = distance.argmin(axis=1)
        here = np.arange(len(part))
        closest = distance[here, at].copy()
        distance[here, at] = np.inf
        best[begin : begin + _CHUNK] = at
        margin[begin : begin + _CHUNK] = (distance.min(axis=1) - closest) / (closest + 1e-6)
    return best, margin
