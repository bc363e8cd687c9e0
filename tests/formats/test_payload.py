"""payload-v1: the payload's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pseudolink.errors import ArtefactError, AttributeNotPermittedError
from pseudolink.formats import payload


def id_of(number: int) -> bytes:
    return number.to_bytes(16, "big")


def table(rows: int = 3, **columns: Any) -> pa.Table:
    record = pa.array([id_of(n) for n in range(rows)], pa.binary(16))
    texts = {name: pa.array(cells, pa.string()) for name, cells in columns.items()}
    return pa.table({"record": record, **texts})


COHORT = table(programme_id=["P1", "P2", None], family_id=["F1", None, "F1"], arm=["a", "b", None])
OTHER = table(grade=["1", "2", "3"])


def load(
    found: pa.Table, folder: Path, *, cohort: bool, permitted: tuple[str, ...] = ("arm", "grade")
) -> pa.Table:
    path = folder / "payload.parquet"
    payload.save(found, path)
    return payload.load(path, party="schools", permitted=permitted, cohort=cohort)


def refused(found: pa.Table, folder: Path, *, cohort: bool = False, **more: Any) -> list[str]:
    with pytest.raises(ArtefactError) as caught:
        load(found, folder, cohort=cohort, **more)
    assert caught.value.source == "the payload of schools"
    return [p.place for p in caught.value.problems]


@pytest.mark.parametrize(("found", "cohort"), [(COHORT, True), (OTHER, False), (table(0), False)])
def test_what_is_saved_is_read_back(found: pa.Table, cohort: bool, tmp_path: Path) -> None:
    assert load(found, tmp_path, cohort=cohort).to_pylist() == found.to_pylist()


def test_attributes_are_what_is_neither_record_nor_programme_nor_family() -> None:
    assert payload.attributes(COHORT) == ["arm"]


def test_only_the_cohort_sends_programme_and_family_ids(tmp_path: Path) -> None:
    assert refused(COHORT, tmp_path) == ["programme_id", "family_id"]


def test_the_cohort_must_send_programme_ids(tmp_path: Path) -> None:
    assert refused(OTHER, tmp_path, cohort=True) == ["programme_id"]


def test_a_payload_without_record_ids_is_refused(tmp_path: Path) -> None:
    assert refused(OTHER.drop_columns(["record"]), tmp_path) == ["record"]


def test_record_ids_of_another_width_are_refused(tmp_path: Path) -> None:
    ids = pa.array([b"x"] * 3, pa.binary(1))
    assert refused(OTHER.set_column(0, "record", ids), tmp_path) == ["record"]


@pytest.mark.parametrize("ids", [[id_of(1), id_of(2), None], [id_of(1), id_of(2), id_of(1)]])
def test_every_row_has_a_record_id_of_its_own(ids: list[bytes | None], tmp_path: Path) -> None:
    assert refused(OTHER.set_column(0, "record", pa.array(ids, pa.binary(16))), tmp_path) == ["record"]


def test_attributes_are_text(tmp_path: Path) -> None:
    found = OTHER.append_column("arm", pa.array([1, 2, 3]))
    assert refused(found, tmp_path) == ["arm"]


def test_smuggling_attack_attributes_that_the_agreement_does_not_permit_are_refused(tmp_path: Path) -> None:
    """A custodian's mistake must not bring surnames into the research environment."""
    found = table(grade=["1"] * 3, surname=["A", "B", "C"], nino=["x"] * 3)
    with pytest.raises(AttributeNotPermittedError) as caught:
        load(found, tmp_path, cohort=False)
    assert [p.place for p in caught.value.problems] == ["surname", "nino"]
    assert caught.value.code == "PL-AGREE-06"


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    found = COHORT.append_column("grade", pa.array([1, 2, 3])).drop_columns(["record"])
    assert refused(found, tmp_path) == ["record", "programme_id", "family_id", "grade"]


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    twice = pa.table([*OTHER.columns, OTHER.column("grade")], names=[*OTHER.column_names, "grade"])
    assert refused(twice, tmp_path) == ["grade"]


def test_a_folder_on_the_way_does_not_become_a_column(tmp_path: Path) -> None:
    folder = tmp_path / "grade=7"
    folder.mkdir()
    assert load(OTHER, folder, cohort=False).to_pylist() == OTHER.to_pylist()


def test_text_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 3, [*pa.array(["abcd"] * 3).buffers()[:2], pa.py_buffer(b"\xff\xfe\xfd\xfc" * 3)]
    )
    assert refused(OTHER.set_column(1, "grade", broken), tmp_path) == [""]


@pytest.mark.parametrize("content", [b"", b"PAR1" + bytes(50), b"record,grade\n"])
def test_what_is_not_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "payload.parquet"
    path.write_bytes(content)
    with pytest.raises(ArtefactError):
        payload.load(path, party="schools", permitted=(), cohort=False)


def test_a_refusal_shows_no_cell_and_no_id(tmp_path: Path) -> None:
    found = table(grade=["SECRET-CELL"] * 3, surname=["SECRET-NAME"] * 3)
    with pytest.raises(AttributeNotPermittedError) as caught:
        load(found, tmp_path, cohort=False)
    said = str(caught.value.diagnostics())
    assert "SECRET" not in said
    assert id_of(1).hex() not in said


def test_the_file_keeps_no_trace_of_where_it_came_from(tmp_path: Path) -> None:
    """Metadata of another software may hold paths, indexes and names of columns that were dropped."""
    path = tmp_path / "payload.parquet"
    payload.save(OTHER.replace_schema_metadata({"pandas": '{"index": "surname"}'}), path)
    assert b"surname" not in path.read_bytes()
    found = payload.load(path, party="schools", permitted=("grade",), cohort=False)
    assert not found.schema.metadata


# ---------------------------------------------------------------- events

AGREED = {"absences": ("days", "from")}
NUMBERS = pa.list_(pa.struct([("days", pa.int64())]))


def with_events(kind: pa.DataType | None = None, cells: Any = None) -> pa.Table:
    kind = kind or payload.event_type(["days", "from"])
    cells = (
        [[{"days": "2", "from": None}], [], [{"days": "1", "from": "2023-01-09"}] * 2]
        if cells is None
        else cells
    )
    return table(3).append_column("events.absences", pa.array(cells, kind))


def load_events(found: pa.Table, folder: Path, agreed: Any = None) -> pa.Table:
    path = folder / "payload.parquet"
    payload.save(found, path)
    return payload.load(
        path, party="schools", permitted=(), cohort=False, events=AGREED if agreed is None else agreed
    )


def test_events_are_read_back_and_are_no_attributes(tmp_path: Path) -> None:
    found = load_events(with_events(), tmp_path)
    assert found.to_pylist() == with_events().to_pylist()
    assert payload.attributes(found) == []
    assert payload.event_tables(found) == ["absences"]
    assert payload.event_columns(found, "absences") == ["days", "from"]


@pytest.mark.parametrize(
    ("found", "agreed", "places"),
    [
        (with_events(), {}, ["events.absences"]),
        (with_events(), {"absences": ("days",)}, ["events.absences, from"]),
        (with_events(pa.list_(pa.string()), [["x"], [], []]), AGREED, ["events.absences"]),
        (with_events(pa.string(), ["x", "y", "z"]), AGREED, ["events.absences"]),
        (with_events(NUMBERS, [[{"days": 1}], [], []]), AGREED, ["events.absences"]),
        (with_events(cells=[None, [], []]), AGREED, ["events.absences"]),
    ],
    ids=["not agreed", "column not agreed", "no structs", "no lists", "no text", "null"],
)  # fmt: skip
def test_events_of_another_form_are_refused(
    found: pa.Table, agreed: Any, places: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ArtefactError) as caught:
        load_events(found, tmp_path, agreed)
    assert [p.place for p in caught.value.problems] == places
