"""Array types of scoring, and the sum by index that all of it is made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def summed(index: npt.NDArray[np.integer], weights: Floats, size: int) -> Floats:
    """(size,) the total weight of every index."""
    return np.bincount(index, weights=weights, minlength=size).astype(np.float64)
