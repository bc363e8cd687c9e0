"""payload-v1 2.8 and 2.9: events from the extract or from files, and nothing of the file's order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.agreement import Party
from pseudolink.clean.reader import open_extract
from pseudolink.errors import EventsError, MissingColumnsError, NotPermittedError, UsageError
from pseudolink.roles.events import Events, attached, gathered
from pseudolink.roles.payload import Piece

PARTY = Party(
    "schools", "Schools", "custodian", "", "", attributes=("grade",),
    events=(("absences", ("days", "from")), ("exclusions", ("kind",))),
)  # fmt: skip


def text(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


def gather(table: pa.Table, given: dict[str, Path] | None = None, local: str | None = "pupil") -> Any:
    found = open_extract(table)
    return gathered(found, PARTY, local, given or {}, encoding="utf-8", delimiter=None, source="extract")


def lists(table: pa.Table, name: str) -> list[list[tuple[str | None, ...]]]:
    return [[tuple(one.values()) for one in each] for each in table.column(f"events.{name}").to_pylist()]


REPEATED = text(
    pupil=["1", "2", "1", "3", None, "1"],
    surname=["Ọlá", "Llŷr", "Ọlá", "Rees", "Nemo", "Ọlá"],
    grade=["5", "6", "5", None, "7", "5"],
    Days=["2", " 1 ", "1", "", None, "2"],
    From=["2023-02-01", "2023-01-09", "2023-01-05", None, " ", None],
)


def test_rows_with_one_local_id_are_one_record_and_its_events() -> None:
    found = gather(REPEATED)
    assert found.rows.tolist() == [0, 1, 3, 4]
    table = found.extract.table()
    assert table.column_names == ["pupil", "surname", "grade"]
    assert table.column("surname").to_pylist() == ["Ọlá", "Llŷr", "Rees", "Nemo"]
    piece = found.supplied(Piece(table.slice(2), np.asarray([2, 3])))
    assert piece.rows.tolist() == [3, 4]  # what a withdrawal goes by is the extract as supplied
    assert lists(found.lists, "absences") == [
        [("1", "2023-01-05"), ("2", "2023-02-01"), ("2", None)],
        [("1", "2023-01-09")],
        [],
        [],
    ]


def test_rows_with_one_local_id_that_differ_in_an_identifier_are_refused_without_a_value() -> None:
    """Software does not choose among addresses or names: which is right decides who is linked."""
    changed = REPEATED.set_column(1, "surname", pa.array(["Ọlá", "Llŷr", "Other", "Rees", "Nemo", "Ọlá"]))
    with pytest.raises(EventsError) as refused:
        gather(changed)
    said = str(refused.value.diagnostics())
    assert "'surname'" in said
    assert "1 rows differ" in said
    assert "Other" not in said


def test_events_come_from_a_file_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "absences.csv"
    path.write_text("﻿Pupil,days,from\r\n2,3,2023-01-09\r\n9,1,2023-01-10\r\n1,,\r\n", encoding="utf-8")
    table = text(pupil=["1", "2"], surname=["A", "B"])
    found = gather(table, {"absences": path})
    assert lists(found.lists, "absences") == [[], [("3", "2023-01-09")]]
    assert found.told({"absences": 1}) == {"absences": (1, 1)}  # one is of nobody who is encoded


def test_a_local_id_that_stands_twice_beside_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "absences.csv"
    path.write_text("pupil,days\n1,3\n", encoding="utf-8")
    with pytest.raises(EventsError, match="whose would an event be"):
        gather(text(pupil=["1", "1"], surname=["A", "B"]), {"absences": path})


def test_an_event_table_that_the_agreement_does_not_name_stays_at_home(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("pupil,note\n1,hello\n", encoding="utf-8")
    with pytest.raises(NotPermittedError, match="notes"):
        gather(text(pupil=["1"]), {"notes": path})


def test_columns_that_the_agreement_does_not_name_stay_at_home(tmp_path: Path) -> None:
    path = tmp_path / "absences.csv"
    path.write_text("pupil,days,teacher\n1,3,Mr Jones\n", encoding="utf-8")
    (found,) = gather(text(pupil=["1"]), {"absences": path}).events
    assert found.columns.column_names == ["days"]


def test_events_need_a_local_id(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        gather(REPEATED, local=None)
    with pytest.raises(MissingColumnsError):
        gather(REPEATED, local="other")
    found = gather(text(surname=["A"]), local=None)
    assert (found.lists, found.rows, found.events) == (None, None, ())


def test_events_without_a_local_id_are_refused() -> None:
    table = text(pupil=[None, "1"], days=["3", "4"])
    with pytest.raises(EventsError, match="1 events without a local ID"):
        gather(table)


def test_a_file_without_any_agreed_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "absences.csv"
    path.write_text("pupil,other\n1,3\n", encoding="utf-8")
    with pytest.raises(EventsError, match="none of its columns"):
        gather(text(pupil=["1"]), {"absences": path})


rows = st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["a", "b", "c"])), max_size=12)


@given(rows, st.randoms())
def test_the_order_of_the_file_leaves_no_trace(found: list[tuple[int, str]], chance: Any) -> None:
    """Whatever the order of events in a file, the lists are the same, and no event is lost or moved."""
    table = text(pupil=[str(n) for n in range(5)])
    made = []
    for _ in range(2):
        ids = pa.chunked_array([pa.array([str(n) for n, _ in found], pa.string())])
        cells = pa.table({"kind": pa.array([kind for _, kind in found], pa.string())})
        made.append(lists(attached(table.column("pupil"), [Events("x", ids, cells)]), "x"))
        chance.shuffle(found)
    assert made[0] == made[1]
    assert made[0] == [sorted((kind,) for n, kind in found if n == pupil) for pupil in range(5)]
