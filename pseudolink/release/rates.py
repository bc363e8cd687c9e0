"""
Linkage rates by subgroup, for reporting on the quality of a linkage, under rules of disclosure.

Whom a linkage misses matters as much as how many. The releaser is the only one who holds both the
links and attributes, so it counts; the operator is told nothing more of anybody than without.

Source: specs/rates-v1.md; specs/adr/0029.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import Problem, ReleaseError
from pseudolink.formats.payload import FAMILY_ID, RECORD
from pseudolink.release.joining import Source, column, names
from pseudolink.release.microdata.anonymity import distinct

Index = npt.NDArray[np.int64]

#: Fewest records, and families, in a subgroup, linked and not linked, behind a figure that is told.
FEWEST = 10
ROUNDED_TO = 5
#: Most subgroups of one attribute; more is a list of people and no grouping.
MOST_GROUPS = 30
MISSING = "(missing)"
#: All records of a party together, as attribute and as group.
ALL = "(all)"


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


@dataclass(frozen=True)
class Group:
    """
    A subgroup: records without a link and with one, and their families.

    families: the numbers of the families on each side; None where they are not known.
    """

    counts: tuple[int, int]
    families: tuple[Index, Index] | None = None

    @property
    def fewest(self) -> int:
        """The smallest of the numbers that must not be small."""
        sides = [len(one) for one in self.families] if self.families else []
        return min(*self.counts, *sides)


def _grouped(
    attribute: str,
    cells: pa.ChunkedArray | None,
    linked: npt.NDArray[np.bool_],
    families: Index | None,
    band: int | None,
) -> dict[str, Group]:
    if cells is None:
        named, codes = [ALL], np.zeros(len(linked), dtype=np.int64)
    else:
        encoded = cells.combine_chunks().dictionary_encode()
        values = [*encoded.dictionary.to_pylist(), None]
        named = sorted({_group(attribute, value, band) for value in values})
        number = {name: n for n, name in enumerate(named)}
        of_value = np.asarray([number[_group(attribute, value, band)] for value in values])
        indices = pc.fill_null(encoded.indices, len(values) - 1).to_numpy(zero_copy_only=False)
        codes = of_value[indices.astype(np.int64)]
    counts = np.bincount(2 * codes + linked, minlength=2 * len(named)).reshape(-1, 2)
    own: dict[str, tuple[Index, Index]] = {}
    if families is not None and len(named) <= MOST_GROUPS:
        for n, name in enumerate(named):
            inside = codes == n
            own[name] = (distinct(families[inside & ~linked]), distinct(families[inside & linked]))
    return {
        name: Group((int(counts[n, 0]), int(counts[n, 1])), own.get(name))
        for n, name in enumerate(named)
        if counts[n].any()
    }


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


def suppressed(groups: Mapping[str, Group]) -> set[str]:
    """
    Subgroups that are not told: too few records or families linked or not linked, and as many more,
    the smallest first, as keep those few from being the difference to a total that is known.
    """
    hidden = {name for name, one in groups.items() if one.fewest < FEWEST}
    rest = sorted((n for n in groups if n not in hidden), key=lambda n: (groups[n].fewest, n))
    while hidden and rest:
        if len(hidden) > 1 and _together([groups[name] for name in hidden]).fewest >= FEWEST:
            break
        hidden.add(rest.pop(0))
    return hidden


def _together(groups: Sequence[Group]) -> Group:
    sides = [sum(one.counts[side] for one in groups) for side in (0, 1)]
    known = [one.families for one in groups if one.families is not None]
    families = None
    if known:
        first, second = (distinct(np.concatenate([one[side] for one in known])) for side in (0, 1))
        families = first, second
    return Group((sides[0], sides[1]), families)


def _rounded(count: int) -> int:
    return (count + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO


def linkage_rates(
    link_map: pa.Table,
    payloads: Mapping[str, Source],
    by: Sequence[str],
    *,
    cohort: str,
    band: int | None = None,
    bands: Mapping[str, int] | None = None,
    overall: bool = False,
) -> list[Rate]:
    """
    How many records of each subgroup are linked, for the cohort with every other party and back.

    Args:
        payloads: party -> its payload. by: attributes that make subgroups; each is counted for
            every party that has it. band: years (or numbers) that make one subgroup; bands: those of
            single attributes. overall: count all records of a party together too.

    Raises:
        ReleaseError: an attribute that no payload has, or one with far too many values.
    """
    unknown = [one for one in by if not any(one in names(table) for table in payloads.values())]
    if unknown:
        there = sorted({name for table in payloads.values() for name in names(table)})
        raise ReleaseError(
            "no payload has " + ", ".join(repr(one) for one in unknown),
            advice=f"Attributes are called as in the agreement: {', '.join(there)}.",
        )
    found: list[Rate] = []
    problems: list[Problem] = []
    others = [party for party in payloads if party != cohort]
    for party, other in [(cohort, one) for one in others] + [(one, cohort) for one in others]:
        linked = _linked(link_map, column(payloads[party], RECORD), party, other)
        families = _families(payloads[party])
        for attribute in ([ALL] if overall else []) + [one for one in by if one in names(payloads[party])]:
            everybody = attribute == ALL and overall
            cells = None if everybody else column(payloads[party], attribute)
            width = (bands or {}).get(attribute, band)
            groups = _grouped(attribute, cells, linked, families, width)
            if len(groups) > MOST_GROUPS:
                problems.append(Problem(attribute, f"makes more than {MOST_GROUPS} subgroups of {party!r}"))
                continue
            hidden = suppressed(groups)
            for group, one in groups.items():
                if group in hidden:
                    # Not even the name: that a value occurs can tell of one person.
                    continue
                without, with_ = one.counts
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


def _linked(link_map: pa.Table, records: pa.ChunkedArray, party: str, other: str) -> npt.NDArray[np.bool_]:
    """(n,) which records have a person with a record of the other party."""
    persons = link_map.filter(pc.equal(link_map.column("party"), other)).column("person")
    mine = link_map.filter(pc.equal(link_map.column("party"), party))
    mine = mine.filter(pc.is_in(mine.column("person"), value_set=persons.combine_chunks()))
    own = mine.column("record").combine_chunks().cast(records.type)
    return np.asarray(pc.is_in(records, value_set=own).to_numpy(), dtype=np.bool_)


def _families(payload: Source) -> Index | None:
    """(n,) the family of each record, where the payload tells any; who has none is one."""
    if FAMILY_ID not in names(payload):
        return None
    encoded = column(payload, FAMILY_ID).combine_chunks().dictionary_encode()
    codes: Index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    alone = codes < 0
    codes[alone] = len(encoded.dictionary) + np.arange(int(alone.sum()))
    return codes
