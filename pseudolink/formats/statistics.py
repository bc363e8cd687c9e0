"""
Agreement by chance: what a custodian tells the operator about random pairs of its own extract.

Counts of pairs and their denominators, no rates: a manifest holds integers only. A count behind
which fewer than ten pairs stand is not told (null); whoever reads it takes it for five.

Source: specs/scoring-v1.md, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        problems: list[Problem] = []

        def count(item: Any, place: str, *, null: bool = True) -> Any:
            whole = isinstance(item, int) and not isinstance(item, bool) and item >= 0
            if not (whole or (null and item is None)):
                problems.append(Problem(place, "must be a count" + (" or null" if null else "")))
            return item

        if not isinstance(value, dict) or set(value) != {"fields", "swapped", "swapped_pairs"}:
            raise ArtefactError([Problem("chance", "needs fields, swapped and swapped_pairs")])
        fields = {}
        for name, item in value["fields"].items() if isinstance(value["fields"], dict) else ():
            place = f"chance.fields.{name}"
            if not isinstance(item, dict) or set(item) != {"pairs", "states", "sampled"}:
                problems.append(Problem(place, "needs pairs, states and sampled"))
                continue
            states, rows = item["states"], item["sampled"]
            if not isinstance(states, list) or not isinstance(rows, list):
                problems.append(Problem(place, "states and sampled must be arrays"))
                continue
            if rows and len(rows) != len(states):
                problems.append(Problem(f"{place}.sampled", "needs a row for every state"))
            fields[name] = FieldStatistics(
                count(item["pairs"], f"{place}.pairs", null=False),
                tuple(count(s, f"{place}.states[{i}]") for i, s in enumerate(states)),
                tuple(
                    tuple(count(c, f"{place}.sampled[{i}][{k}]") for k, c in enumerate(row))
                    for i, row in enumerate(rows)
                    if isinstance(row, list) and len(row) == len(LEVELS)
                ),
            )
            if len(fields[name].sampled) != len(rows):
                problems.append(Problem(f"{place}.sampled", f"each row needs {len(LEVELS)} counts"))
        swapped = value["swapped"] if isinstance(value["swapped"], dict) else {}
        swapped = {key: count(item, f"chance.swapped.{key}") for key, item in swapped.items()}
        pairs = count(value["swapped_pairs"], "chance.swapped_pairs", null=False)
        if problems:
            raise ArtefactError(problems)
        return cls(fields, swapped, pairs)
