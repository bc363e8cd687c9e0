"""
Agreement by chance: what a custodian tells the operator about random pairs of its own extract.

Counts of pairs and their denominators, no rates: a manifest holds integers only. A count behind
which fewer than ten pairs stand is not told (null); whoever reads it takes it for five.

Source: specs/scoring-v1.md, section 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pseudolink.errors import ArtefactError, Problem

#: Similarity levels of a compared field, best first: equal, and Dice at least this many hundredths.
LEVELS = ("equal", "85", "70", "0")
FEWEST = 10
READ_AS = 5

Count = int | None


def coarsened(count: int) -> Count:
    """The count as it may be told: None when fewer than ten pairs stand behind it."""
    return count if count >= FEWEST else None


def read(count: Count) -> int:
    """The count as the operator reads it."""
    return READ_AS if count is None else count


@dataclass(frozen=True)
class FieldStatistics:
    """
    One field over all pairs of records that have a value.

    pairs: number of pairs.
    states: pairs in each agreement state, in the order of ``components.agreement_states``.
    sampled: pairs by state (row) and similarity level (column), of a sample; empty when no pass
        compares the field.
    """

    pairs: int
    states: tuple[Count, ...]
    sampled: tuple[tuple[Count, ...], ...]


@dataclass(frozen=True)
class Statistics:
    """
    What one extract says about chance.

    fields: field name -> its counts.
    swapped: pairs whose names agree crosswise, by set of order-free derivations
        (``"sorted,sorted_soundex"``), and ``pairs``: the pairs there are.
    """

    fields: Mapping[str, FieldStatistics]
    swapped: Mapping[str, Count]
    swapped_pairs: int

    def to_json(self) -> dict[str, Any]:
        """A canonical JSON object."""
        return {
            "fields": {
                name: {
                    "pairs": f.pairs,
                    "states": list(f.states),
                    "sampled": [list(row) for row in f.sampled],
                }
                for name, f in self.fields.items()
            },
            "swapped": dict(self.swapped),
            "swapped_pairs": self.swapped_pairs,
        }

    @classmethod
    def from_json(cls, value: Any) -> Statistics:
        """
        Read and check.

        Raises:
            ArtefactError: not of this form; lists every problem.
        """
        reader = _Reader()
        found = reader.statistics(value)
        if reader.problems:
            raise ArtefactError(reader.problems)
        return found


class _Reader:
    """Collects problems while it reads; what is wrong is read as nothing."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def statistics(self, value: Any) -> Statistics:
        item = self.table(value, "chance", {"fields", "swapped", "swapped_pairs"})
        pairs = self.total(item, "swapped_pairs", "chance")
        swapped = {
            key: self.count(one, f"chance.swapped.{key}")
            for key, one in self.table(item.get("swapped", {}), "chance.swapped").items()
        }
        self.within(swapped.values(), pairs, "chance.swapped")
        fields = {
            name: self.field(one, f"chance.fields.{name}")
            for name, one in self.table(item.get("fields", {}), "chance.fields").items()
        }
        return Statistics(fields, swapped, pairs or 0)

    def field(self, value: Any, place: str) -> FieldStatistics:
        item = self.table(value, place, {"pairs", "states", "sampled"})
        pairs = self.total(item, "pairs", place)
        states = self.counts(item.get("states", []), f"{place}.states")
        self.within(states, pairs, f"{place}.states")
        sampled = tuple(
            self.counts(row, f"{place}.sampled[{i}]", length=len(LEVELS))
            for i, row in enumerate(self.array(item.get("sampled", []), f"{place}.sampled"))
        )
        if sampled and len(sampled) != len(states):
            self.problem(f"{place}.sampled", "needs a row for every state")
        return FieldStatistics(pairs or 0, states, sampled)

    def problem(self, place: str, message: str) -> None:
        self.problems.append(Problem(place, message))

    def table(self, value: Any, place: str, keys: set[str] | None = None) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self.problem(place, "must be an object")
            return {}
        if keys is not None and set(value) != keys:
            self.problem(place, f"needs {', '.join(sorted(keys))} and nothing else")
        return value

    def array(self, value: Any, place: str) -> Sequence[Any]:
        if not isinstance(value, list):
            self.problem(place, "must be an array")
            return ()
        return value

    def counts(self, value: Any, place: str, *, length: int | None = None) -> tuple[Count, ...]:
        items = self.array(value, place)
        if length is not None and isinstance(value, list) and len(items) != length:
            self.problem(place, f"needs {length} counts")
        return tuple(self.count(one, f"{place}[{i}]") for i, one in enumerate(items))

    def total(self, item: Mapping[str, Any], key: str, place: str) -> int | None:
        value = item.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        if key in item:  # else the table has been told already
            self.problem(f"{place}.{key}", "must be a count")
        return None

    def count(self, value: Any, place: str) -> Count:
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and value >= FEWEST:
            return value
        # A smaller one tells of single pairs, and a zero would make the impossible of the rare.
        self.problem(place, f"must be null or a count of at least {FEWEST}")
        return None

    def within(self, counts: Iterable[Count], pairs: int | None, place: str) -> None:
        if pairs is not None and sum(c for c in counts if c is not None) > pairs:
            self.problem(place, "counts more pairs than there are")
