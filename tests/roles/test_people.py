"""From links to people: the link map."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from reference_linkage import encodings_of

from pseudolink.formats import linkmap
from pseudolink.roles.people import link_map


def side(party: str, records: list[int]) -> Any:
    """A party's delivery of rows with these record numbers."""
    encodings = encodings_of({"p": list(range(len(records)))}, records)
    return SimpleNamespace(party=party, encodings=encodings, merged={})


def linkage(left: Any, right: Any, links: list[tuple[int, int, float]]) -> Any:
    """Links between rows, with their weights."""
    rows = np.asarray([(a, b) for a, b, _ in links], dtype=np.int64).reshape(-1, 2)
    scored = SimpleNamespace(
        candidates=SimpleNamespace(left=rows[:, 0], right=rows[:, 1]),
        weight=np.asarray([w for _, _, w in links]),
    )
    return SimpleNamespace(left=left, right=right, scored=scored, accepted=np.arange(len(links)))


COUNCIL, WORK, POLICE = side("council", [1, 2, 3]), side("work", [11, 12, 13, 14]), side("police", [21])


def rows_of(*linkages: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = link_map(list(linkages)).to_pylist()
    return [{**row, "record": int.from_bytes(row["record"], "big")} for row in rows]


def test_linked_records_share_the_person_of_the_cohort() -> None:
    rows = rows_of(
        linkage(COUNCIL, WORK, [(0, 3, 20.0), (2, 1, 9.0)]), linkage(COUNCIL, POLICE, [(0, 0, 5.0)])
    )
    person = {row["record"]: row["person"] for row in rows}
    assert set(person) == {1, 2, 3, 14, 12, 21}
    assert person[1] == person[14] == person[21]
    assert person[3] == person[12]
    assert len(set(person.values())) == 3


def test_people_whom_nobody_links_are_there_alone_and_strangers_are_not() -> None:
    rows = rows_of(linkage(COUNCIL, WORK, []))
    assert sorted(row["record"] for row in rows) == [1, 2, 3]
    assert len({row["person"] for row in rows}) == 3


def test_versions_of_a_record_are_one_person() -> None:
    """A link with a record's second row is a link with the record."""
    council = side("council", [1, 2, 1, 3])
    work = side("work", [11, 11, 12])
    from pseudolink.match.compare import first_rows

    first = first_rows(council.encodings)
    assert first is not None
    rows = rows_of(linkage(council, work, [(int(first[2]), 1, 4.0)]))
    assert sorted(row["record"] for row in rows) == [1, 2, 3, 11]
    person = {row["record"]: row["person"] for row in rows}
    assert person[1] == person[11]


@pytest.mark.parametrize("weight", [-3.2, 0.0, 7.99, 8.0, 61.5])
def test_weights_are_shown_in_bands_alone(weight: float) -> None:
    """The exact weight tells which fields agree; a band is enough to choose a stricter set."""
    (row,) = (r for r in rows_of(linkage(COUNCIL, WORK, [(1, 0, weight)])) if r["party"] == "work")
    assert row["band"] % linkmap.BAND_BITS == 0
    assert row["band"] <= weight < row["band"] + linkmap.BAND_BITS


def test_no_order_and_no_person_is_the_same_twice() -> None:
    council = side("council", list(range(100)))
    first, second = (link_map([linkage(council, WORK, [])]).to_pylist() for _ in range(2))
    assert [r["record"] for r in first] != [r["record"] for r in second]
    assert not {r["person"] for r in first} & {r["person"] for r in second}


def test_it_is_what_its_format_says(tmp_path: Any) -> None:
    table = link_map([linkage(COUNCIL, WORK, [(0, 0, 3.0)])])
    linkmap.save(table, tmp_path / "map.parquet")
    assert linkmap.load(tmp_path / "map.parquet").equals(table)
