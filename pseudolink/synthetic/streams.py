"""Shared small things of the generator: sexes, the reference date and independent random streams."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

#: An array of Python strings, None where missing.
Strings = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]

MALE: Final = 1
FEMALE: Final = 2

#: The day on which every age is counted; fixed, so that a seed gives the same people for ever.
REFERENCE: Final = np.datetime64("2024-03-31", "D")
YEAR: Final = 365.2425


def stream(seed: int, *place: int) -> np.random.Generator:
    """A generator of its own for one place of the program, so that a change elsewhere moves nothing."""
    return np.random.default_rng([seed, *place])


def strings(count: int) -> Strings:
    """(count,) None."""
    return np.full(count, None, dtype=object)


def filled(values: Strings) -> Flags:
    """(n,) whether each of n strings is there."""
    return np.fromiter((value is not None for value in values), dtype=np.bool_, count=len(values))
