"""
Which records of an extract are alike in what they show, and what makes every record one of several.

How many rows a record has is seen, and in which passes they have tokens. Where too few records
show the same, somebody who knows what a person lacks knows the record.

Source: specs/encoding-v1.md, sections 10.5 and 10.6.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from pseudolink.formats.encodings import Flags

Index = npt.NDArray[np.int64]
#: Presence patterns: bit p for pass number p. A schema has at most 64 passes.
Patterns = npt.NDArray[np.uint64]

#: Fewest records that may share a number of versions, or what they lack.
LEAST: Final = 10


def presence_of(columns: Iterable[Flags]) -> Patterns:
    """(n,) uint64: bit p is set where the row has a token in pass number p."""
    found: Patterns | None = None
    for number, present in enumerate(columns):
        bit = present.astype(np.uint64) << np.uint64(number)
        found = bit if found is None else found | bit
    return np.zeros(0, dtype=np.uint64) if found is None else found


def pass_of(patterns: Patterns, number: int) -> Flags:
    """(n,) bool: which patterns have the bit of a pass."""
    return ((patterns >> np.uint64(number)) & np.uint64(1)).astype(np.bool_)


def shown(record: Index, held: Patterns, least: int = LEAST) -> Patterns:
    """
    Which passes each row is to show a token in, so that no record is known by what it lacks.

    Records with equally many rows are alike when their rows have tokens in the same passes. A record
    that is alike to fewer than ``least`` gains decoys, never loses a token: a single row gains as
    few as it takes to be like ``least`` others, and otherwise all that any row of the extract has.

    Args:
        record: (n,) the record of each row. held: (n,) presence patterns.

    Returns:
        (n,) patterns, each with all the bits of the one held.
    """
    out = held.copy()
    whole = np.bitwise_or.reduce(held, initial=np.uint64(0))
    _, of, count = np.unique(record, return_inverse=True, return_counts=True)
    versions = count[of.ravel()]
    for number in np.unique(versions).tolist():
        rows = np.flatnonzero(versions == number)
        together = rows[np.lexsort((held[rows], record[rows]))].reshape(-1, number)
        out[together] = _common(held[together], whole, least)
    return out


def _common(held: Patterns, whole: np.uint64, least: int) -> Patterns:
    """The same for (r, v) patterns of r records with v rows each."""
    groups, of, size = np.unique(held, axis=0, return_inverse=True, return_counts=True)
    of = of.ravel()
    full = np.full(groups.shape[1], whole, dtype=np.uint64)
    target = groups.copy()
    common = groups[size >= least]
    for at in np.flatnonzero(size < least).tolist():
        target[at] = full
        above = common[((common & groups[at]) == groups[at]).all(axis=1)]
        if groups.shape[1] == 1 and len(above):
            target[at] = above[int(np.argmin(np.bitwise_count(above ^ groups[at])))]
    # Whoever was filled up to the full pattern must have company there too: the smallest group joins.
    while 0 < size[(target == full).all(axis=1)].sum() < least:
        others = np.flatnonzero((target != full).any(axis=1))
        if not len(others):
            break
        names, where = np.unique(target[others], axis=0, return_inverse=True)
        total = np.bincount(where.ravel(), weights=size[others], minlength=len(names))
        target[others[where.ravel() == int(np.argmin(total))]] = full
    return target[of]


def kept_versions(source: Index, least: int = LEAST) -> Index:
    """
    Rows to keep so that every number of versions is shared by at least so many records.

    How many rows a record has is seen. Where fewer than ``least`` records have so many, each of
    them gives up its last ones, down to a number that is common.

    Args:
        source: (n,) the row of the extract behind each row; of a record the first row is the
            record as supplied, and versions follow in order of their worth.

    Returns:
        rows, ascending.
    """
    _, record, count = np.unique(source, return_inverse=True, return_counts=True)
    record = record.ravel()
    allowed = count.copy()
    for most in range(int(count.max(initial=1)), 1, -1):
        having = allowed == most
        if 0 < having.sum() < least:
            allowed[having] = most - 1
    order = np.argsort(record, kind="stable")
    starts = np.cumsum(count) - count
    place = np.empty(len(source), dtype=np.int64)
    place[order] = np.arange(len(source)) - np.repeat(starts, count)
    return np.flatnonzero(place < allowed[record]).astype(np.int64)
