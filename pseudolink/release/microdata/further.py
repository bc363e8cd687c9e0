"""
Tables beside that of people under the same rules: events, several records of a person, family links.

A row there is no person, so its class is judged by the people and the families whose rows are in it;
and what all rows of a person say together is told as the uniqueness of sequences.

Source: specs/microdata-v1.md, section 3.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.errors import DisclosureError
from pseudolink.release.microdata.anonymity import Need, classes, distinct
from pseudolink.release.microdata.changing import changed, codes_of, codes_of_all
from pseudolink.release.microdata.rules import IDS, Rules

Index = npt.NDArray[np.int64]

PERSON: Final = "programme_id"
FAMILY: Final = "family_id"


def protect_further(
    further: Mapping[str, pa.Table], rules: Rules, people: pa.Table, families: Index
) -> tuple[dict[str, pa.Table], dict[str, Any]]:
    """
    Further tables under the rules, and what was done to each.

    Args:
        people: the table of people. families: (n,) the family of each.

    Returns:
        the tables that may be released, and for each table rows, changes and what is left; a table
        of too few people or families is withheld, and the second says so.
    """
    safe: dict[str, pa.Table] = {}
    told: dict[str, Any] = {}
    for name, table in further.items():
        person, family = _units(table, people, families)
        table, left_out = _capped(table, person, rules.top.get(rules.counted(name)))
        if left_out:
            person, family = _units(table, people, families)
        need = Need(rules.k, (), person, family)
        try:
            done = changed(table, rules.of(name, {name: table}), need)
        except DisclosureError:
            told[name] = {"withheld": f"fewer than {rules.k} people or families are in it"}
            continue
        safe[name] = done.table
        told[name] = {
            "rows": table.num_rows,
            "left_out": left_out,
            "columns": done.columns,
            "smallest": _smallest(classes(done.choice.codes), (person, family)),
        }
    return safe, told


def _units(table: pa.Table, people: pa.Table, families: Index) -> tuple[Index, Index]:
    """(n,) the person and the family of each row; of a table of families both are the family."""
    if PERSON not in table.column_names:
        own = codes_of(table.column(FAMILY))
        return own, own
    person = place_of(table, people)
    return person, families[person]


def place_of(table: pa.Table, people: pa.Table) -> Index:
    """(n,) the row among the people of each row's person."""
    value_set = people.column(PERSON).combine_chunks()
    at = pc.index_in(table.column(PERSON), value_set=value_set)
    found: Index = at.to_numpy().astype(np.int64)
    return found


def _capped(table: pa.Table, person: Index, most: int | None) -> tuple[pa.Table, int]:
    """At most so many rows of a person; the rest of them, which are in no order, are left out."""
    if most is None or not len(person):
        return table, 0
    order = np.argsort(person, kind="stable")
    ranked = person[order]
    start = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    rank = np.arange(len(order)) - np.repeat(start, np.diff(np.append(start, len(order))))
    keep = np.zeros(len(order), dtype=bool)
    keep[order] = rank < most
    return table.filter(pa.array(keep)), int((~keep).sum())


def _smallest(key: Index, units: Sequence[Index]) -> int:
    """The fewest people or families in any class."""
    if not len(key):
        return 0
    found = []
    for one in units:
        width = int(one.max(initial=0)) + 1
        pairs = distinct(key * width + one)
        found.append(int(np.bincount(pairs // width).min()))
    return min(found)


# ---------------------------------------------------------------- sequences


def sequences(
    people: pa.Table, further: Mapping[str, pa.Table], names: Sequence[str]
) -> npt.NDArray[np.uint64]:
    """
    (n,) a number for what all named columns and event tables say of each person.

    Equal sequences have equal numbers. Events count without their order: it is that of their
    dates, which are among their columns. Numbers are drawn anew each time; two different sequences
    have the same with a chance of 2**-64.
    """
    draw = np.random.default_rng(secrets.randbits(128))
    found = np.zeros(people.num_rows, dtype=np.uint64)
    for name in names:
        if name in further:
            table = further[name]
            columns = [one for one in table.column_names if one not in IDS]
            key, at = classes(codes_of_all(table, columns)), place_of(table, people)
        elif name in people.column_names:
            key, at = codes_of(people.column(name)), np.arange(people.num_rows)
        else:
            continue
        values = draw.integers(0, 2**64, size=int(key.max(initial=0)) + 1, dtype=np.uint64)
        np.add.at(found, at, values[key])
    return found


def alone(numbers: npt.NDArray[np.uint64]) -> int:
    """How many people have a sequence that nobody else has."""
    _, counts = np.unique(numbers, return_counts=True)
    return int((counts == 1).sum()) if numbers.any() else 0
