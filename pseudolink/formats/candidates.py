"""
Candidate pairs: pairs of rows that share a token, and what each shows.

In memory, and as a Parquet file for a reviewer of a rehearsal.

Source: specs/matching-v1.md, sections 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


class Giants(NamedTuple):
    """
    Blocks of one pass that were left out because each would bring more than a million pairs.

    blocks: how many. left_rows, right_rows: rows in them. pairs: what they would have brought.
    """

    name: str
    blocks: int
    left_rows: int
    right_rows: int
    pairs: int


@dataclass(frozen=True)
class Candidates:
    """
    k candidate pairs of records, ordered by left record, then by right record.

    left, right: (k,) int64, each record as the number of its first row.
    shared: (k,) uint64; bit p is set when the pair shares the token of pass number p.
    levels: (k,) int64; four bits a compared field in the order of the schema: 0 nothing shows it,
        1 equal, 2 Dice at least 0.85, 3 at least 0.70, 4 lower.
    versions: (k,) and (k,) int64, the rows whose evidence this is, where records stand in several
        rows: the two versions that agree best.
    giants: blocks whose pairs are not among these, by pass. Whoever shows a result shows them too.
    """

    left: Rows
    right: Rows
    shared: npt.NDArray[np.uint64]
    levels: Rows
    versions: tuple[Rows, Rows] | None = None
    giants: tuple[Giants, ...] = ()

    def __len__(self) -> int:
        return len(self.left)

    @property
    def rows(self) -> tuple[Rows, Rows]:
        """(k,) and (k,) int64: the left and the right rows whose evidence this is."""
        return self.versions or (self.left, self.right)


@dataclass(frozen=True)
class Presence:
    """
    What the n rows of one party could show.

    tokens: (n,) uint64; bit p is set when the row has a token in pass number p.
    fields: (n,) int64; bit f is set when some filter of the row holds compared field number f.
    people: number of records, where some stand in several rows; else None.
    first: (n,) int64, for every row the first row of its record; None where every row is a record.
    """

    tokens: npt.NDArray[np.uint64]
    fields: Rows
    people: int | None = None
    first: Rows | None = None

    @property
    def records(self) -> int:
        """Number of records."""
        return len(self.tokens) if self.people is None else self.people

    def with_token(self, number: int) -> int:
        """Records with a token in this pass, in any of their rows."""
        has = (self.tokens >> np.uint64(number)) & np.uint64(1) == 1
        return int(has.sum()) if self.first is None else len(np.unique(self.first[has]))


def held(pairs: Candidates, left: Presence, right: Presence) -> npt.NDArray[np.uint64]:
    """(k,) uint64; bit p is set when both rows of a pair have a token in pass number p."""
    a, b = pairs.rows
    return left.tokens[a] & right.tokens[b]


@dataclass(frozen=True)
class Scored:
    """
    Candidate pairs with their evidence weighed.

    weight: (k,) float64, the match weight, log2 of P(evidence | match) / P(evidence | no match).
    probability: (k,) float64, of being a match, given also that a record has one match at most.
    """

    candidates: Candidates
    weight: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Links:
    """
    One-to-one links, as indices into the candidates, in the order of decision.

    accepted: (l,) int64. ambiguous: (a,) int64, pairs that tie with another and were left out.
    """

    accepted: Rows
    ambiguous: Rows
