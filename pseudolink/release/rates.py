"""
Linkage rates by subgroup, for reporting on the quality of a linkage, under rules of disclosure.

Whom a linkage misses matters as much as how many. The releaser is the only one who holds both the
links and attributes, so it counts; the operator is told nothing more of anybody than without.

Source: specs/rates-v1.md; specs/adr/0029.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pseudolink.errors import Problem, ReleaseError

#: Fewest records in a subgroup, linked and not linked, behind a figure that is told.
FEWEST = 10
ROUNDED_TO = 5
#: Most subgroups of one attribute; more is a list of people and no grouping.
MOST_GROUPS = 30
MISSING = "(missing)"


@dataclass(frozen=True)
class Rate:
    """
    One subgroup of one party, linked with another party.

    records, linked: rounded to five; None where they are not told. rate: linked of records in
    hundredths, from the rounded counts.
    """

    party: str
    linked_with: str
    attribute: str
    group: str
    records: int | None
    linked: int | None
    rate: int | None


def _counts(
    of: str, value: Sequence[object], records: Sequence[bytes], linked: set[bytes], band: int | None
) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for one, record in zip(value, records, strict=True):
        group = _group(of, one, band)
        counts = groups.setdefault(group, [0, 0])
        counts[record in linked] += 1
    return dict(sorted(groups.items()))


def _group(of: str, value: object, band: int | None) -> str:
    text = "" if value is None else str(value).strip()
    if not text:
        return MISSING
    if band is None:
        return text
    try:
        first = int(text[:4]) // band * band
    except ValueError:
        raise ReleaseError(
            f"attribute {of!r} has values that do not begin with a year or a number",
            advice="Leave --band out, or name another attribute.",
        ) from None
    return f"{first} to {first + band - 1}"


def suppressed(groups: Mapping[str, Sequence[int]]) -> set[str]:
    """
    Subgroups that are not told: too few records linked or not linked, and as many more, the
    smallest first, as keep those few from being the difference to a total that is known.

    Args:
        groups: subgroup -> (records not linked, records linked).
    """
    hidden = {name for name, counts in groups.items() if min(counts) < FEWEST}
    rest = sorted((n for n in groups if n not in hidden), key=lambda n: (min(groups[n]), n))
    while hidden and rest:
        sums = [sum(groups[name][side] for name in hidden) for side in (0, 1)]
        if len(hidden) > 1 and min(sums) >= FEWEST:
            break
        hidden.add(rest.pop(0))
    return hidden


def _rounded(count: int) -> int:
    return (count + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO


def linkage_rates(
    link_map: pa.Table,
    payloads: Mapping[str, pa.Table],
    by: Sequence[str],
    *,
    cohort: str,
    band: int | None = None,
) -> list[Rate]:
    """
    How many records of each subgroup are linked, for the cohort with every other party and back.

    Args:
        payloads: party -> its payload. by: attributes that make subgroups; each is counted for
            every party that has it. band: years (or numbers) that make one subgroup.

    Raises:
        ReleaseError: an attribute that no payload has, or one with far too many values.
    """
    unknown = [one for one in by if not any(one in table.column_names for table in payloads.values())]
    if unknown:
        raise ReleaseError("no payload has " + ", ".join(repr(one) for one in unknown))
    parties: dict[bytes, set[str]] = {}
    of_record: dict[tuple[str, bytes], bytes] = {}
    for row in link_map.select(["party", "record", "person"]).to_pylist():
        parties.setdefault(row["person"], set()).add(row["party"])
        of_record[row["party"], row["record"]] = row["person"]
    found: list[Rate] = []
    problems: list[Problem] = []
    others = [party for party in payloads if party != cohort]
    for party, other in [(cohort, one) for one in others] + [(one, cohort) for one in others]:
        table = payloads[party]
        records = table.column("record").to_pylist()
        linked = {
            record for record in records if other in parties.get(of_record.get((party, record), b""), ())
        }
        for attribute in by:
            if attribute not in table.column_names:
                continue
            groups = _counts(attribute, table.column(attribute).to_pylist(), records, linked, band)
            if len(groups) > MOST_GROUPS:
                problems.append(Problem(attribute, f"makes more than {MOST_GROUPS} subgroups of {party!r}"))
                continue
            hidden = suppressed(groups)
            for group, (without, with_) in groups.items():
                if group in hidden:
                    # Not even the name: that a value occurs can tell of one person.
                    continue
                all_, some = _rounded(without + with_), _rounded(with_)
                found.append(Rate(party, other, attribute, group, all_, some, round(100 * some / all_)))
            if hidden:
                found.append(Rate(party, other, attribute, "(not told)", None, None, None))
    if problems:
        raise ReleaseError(
            "; ".join(f"{place}: {message}" for place, message in dict.fromkeys(problems)),
            advice="Use --band, or a coarser attribute.",
        )
    return found
