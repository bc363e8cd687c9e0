"""
Resolution inside a linkage: which rules hold, what reviewers know, what guards bar.

Source: specs/resolution-v1.md, sections 3 to 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from pseudolink.errors import LinkageError, UsageError
from pseudolink.formats.candidates import Candidates, Links, Rows, Scored
from pseudolink.formats.encodings import Encodings
from pseudolink.resolve.guards import twins
from pseudolink.resolve.one_to_one import greedy
from pseudolink.resolve.optimal import optimal
from pseudolink.schema import LinkageSchema

Flags = npt.NDArray[np.bool_]
Assignment = Literal["greedy", "optimal"]
#: (record ID, record ID), the smaller first -> whether reviewers say that they are one person.
Labels = Mapping[tuple[bytes, bytes], bool]

NO_ROWS: Rows = np.zeros(0, dtype=np.int64)
NO_FLAGS: Flags = np.zeros(0, dtype=np.bool_)


@dataclass(frozen=True)
class Rules:
    """
    How a linkage resolves.

    every_pair: parties beside the cohort are linked with one another too, and people are clusters.
    duplicates: parties that may hold several records of a person.
    labels: what reviewers said of pairs of record IDs.
    guard: twins and siblings who agree on all but the forename are no link.
    """

    assignment: Assignment = "greedy"
    every_pair: bool = False
    duplicates: frozenset[str] = frozenset()
    labels: Labels = field(default_factory=dict)
    guard: bool = True


def rules_of(
    assignment: str,
    every_pair: bool,
    duplicates: Sequence[str],
    labels: Labels | None = None,
    *,
    guard: bool = True,
) -> Rules:
    """
    Rules as a command line gives them.

    Raises:
        UsageError: an assignment that there is not.
    """
    if assignment not in ("greedy", "optimal"):
        raise UsageError("links are assigned by greedy or by optimal")
    chosen: Assignment = "optimal" if assignment == "optimal" else "greedy"
    return Rules(chosen, every_pair, frozenset(duplicates), labels or {}, guard)


def require_known(labels: Labels, encodings: Sequence[Encodings]) -> None:
    """
    Refuse labels of another delivery: they would name nobody, and nobody would know.

    Raises:
        LinkageError: labels of records that are not in these encodings.
    """
    if not labels:
        return
    known = {bytes(record) for one in encodings for record in one.records}
    strangers = sum(not known.issuperset(pair) for pair in labels)
    if strangers:
        raise LinkageError(
            f"{strangers:,} of {len(labels):,} labels are of records that are not in these packages",
            advice="Record IDs are fresh for every delivery: review the candidates of this one.",
        )


@dataclass(frozen=True)
class Decided:
    """
    What is known of candidate pairs beside their evidence.

    barred: (k,) pairs that may be no links. guarded: (k,) those that the guard of twins bars.
    known: indices of pairs labelled a match. denied: of pairs labelled a non-match.
    everything: indices of the links without a threshold.
    """

    barred: Flags
    guarded: Flags
    known: Rows = field(default_factory=lambda: NO_ROWS)
    denied: Rows = field(default_factory=lambda: NO_ROWS)
    everything: Rows = field(default_factory=lambda: NO_ROWS)


NOTHING_BARRED = Decided(NO_FLAGS, NO_FLAGS)


def prepare(
    scored: Scored,
    left: Encodings,
    right: Encodings,
    schema: LinkageSchema,
    rules: Rules,
    held: npt.NDArray[np.uint64],
) -> tuple[Scored, Decided]:
    """
    Apply guards and labels to weighed pairs.

    Args:
        held: (k,) the passes in which both records of a pair have a token, as bits.

    Returns:
        the pairs, those labelled certain and their rivals impossible, and what is barred.

    Raises:
        LinkageError: a record with two pairs labelled a match.
    """
    pairs = scored.candidates
    guarded = twins(pairs, schema, held) if rules.guard else np.zeros(len(pairs), dtype=bool)
    known, denied = _labelled(pairs, left, right, rules.labels)
    if not len(known) and not len(denied):
        return scored, Decided(guarded, guarded)
    barred = guarded.copy()
    probability = scored.probability.copy()
    barred[denied] = True
    probability[denied] = 0.0
    for side in (pairs.left, pairs.right):
        if len(np.unique(side[known])) < len(known):
            raise LinkageError(
                "reviewers say of one record that it matches two records of another party",
                advice="Look at these labels again, or name the party with --duplicates.",
            )
        rivals = np.isin(side, side[known])
        rivals[known] = False
        barred |= rivals
        probability[rivals] = 0.0
    barred[known] = guarded[known] = False
    probability[known] = 1.0
    return replace(scored, probability=probability), Decided(barred, guarded, known, denied)


def _labelled(pairs: Candidates, left: Encodings, right: Encodings, labels: Labels) -> tuple[Rows, Rows]:
    """Indices of candidate pairs that are labelled a match, and a non-match."""
    if not labels:
        return NO_ROWS, NO_ROWS
    ids = {record for pair in labels for record in pair}
    here = _rows_of(left, pairs.left, ids)
    there = _rows_of(right, pairs.right, ids)
    known: list[int] = []
    denied: list[int] = []
    for n in np.flatnonzero(here & there).tolist():
        a, b = bytes(left.records[pairs.left[n]]), bytes(right.records[pairs.right[n]])
        said = labels.get((min(a, b), max(a, b)))
        if said is not None:
            (known if said else denied).append(n)
    return np.asarray(known, dtype=np.int64), np.asarray(denied, dtype=np.int64)


def _rows_of(encodings: Encodings, rows: Rows, ids: set[bytes]) -> Flags:
    listed = np.asarray([bytes(one) in ids for one in encodings.records], dtype=bool)
    found: Flags = listed[rows] if len(listed) else np.zeros(len(rows), dtype=bool)
    return found


def resolve(scored: Scored, decided: Decided, rules: Rules) -> Links:
    """One-to-one links without a threshold, by the rule that was asked for."""
    if rules.assignment == "optimal":
        return optimal(scored, 0.0, barred=decided.barred)
    return greedy(scored, 0.0, barred=decided.barred)
