"""review-v1 sections 2 and 4: candidates and labels are read strictly and labels are never lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_candidates import made

from pseudolink.errors import ArtefactError, OutputError, OutputExistsError
from pseudolink.formats.reviews import (
    EVIDENCE,
    LABELS_FORMAT,
    Candidates,
    Head,
    Label,
    LabelFile,
    load_candidates,
    read_labels,
)

HEAD = Head("0" * 64, "A", 10, 0)
ONE = Label(b"a" * 16, b"b" * 16, "match", False, "2026-06-01T10:00:00Z")


@pytest.fixture
def good(tmp_path: Path) -> Candidates:
    return made(np.asarray([0.2, 0.9]), np.asarray([False, True]), tmp_path / "good.parquet")[0]


def changed(good: Candidates, path: Path, name: str, column: Any) -> Path:
    table = good.table
    if column is None:
        table = table.drop_columns([name])
    elif name in table.column_names:
        table = table.set_column(table.column_names.index(name), name, column)
    else:
        table = table.append_column(name, column)
    pq.write_table(table, path)
    return path


BROKEN = [
    ("weight", None, "weight"),
    ("weight", pa.array(["1", "2"]), "weight"),
    ("forename", pa.array(["ANN", "BO"]), "forename"),
    ("level.dob", pa.array(["equal", "1990-01-01"]), "level.dob"),
    ("level.dob", pa.array(["equal", None]), "level.dob"),
    ("probability", pa.array([0.5, 1.5]), "probability"),
    ("probability", pa.array([0.5, float("nan")]), "probability"),
    ("left_party", pa.array(["council", "work"]), "metadata"),
]


@pytest.mark.parametrize(("name", "column", "place"), BROKEN)
def test_what_is_no_candidates_file_is_refused(
    good: Candidates, tmp_path: Path, name: str, column: Any, place: str
) -> None:
    with pytest.raises(ArtefactError) as caught:
        load_candidates(changed(good, tmp_path / "bad.parquet", name, column))
    assert place in [problem.place for problem in caught.value.problems]
    assert "1990" not in caught.value.message
    assert "ANN" not in caught.value.message


def with_evidence(table: pa.Table, *without: str) -> pa.Table:
    for name, kind in EVIDENCE.items():
        if name not in without:
            table = table.append_column(name, pa.array([0] * table.num_rows, kind))
    return table.replace_schema_metadata(table.schema.metadata)


def test_what_explanations_are_made_from_may_be_there_whole_or_not_at_all(
    good: Candidates, tmp_path: Path
) -> None:
    pq.write_table(with_evidence(good.table), tmp_path / "whole.parquet")
    assert load_candidates(tmp_path / "whole.parquet").table.num_rows == 2
    pq.write_table(with_evidence(good.table, "held"), tmp_path / "part.parquet")
    with pytest.raises(ArtefactError) as caught:
        load_candidates(tmp_path / "part.parquet")
    assert [problem.place for problem in caught.value.problems] == ["held"]


def test_a_pair_that_stands_twice_is_refused(good: Candidates, tmp_path: Path) -> None:
    pq.write_table(pa.concat_tables([good.table, good.table]), tmp_path / "twice.parquet")
    with pytest.raises(ArtefactError, match="stands twice"):
        load_candidates(tmp_path / "twice.parquet")


def test_candidates_without_metadata_are_refused(good: Candidates, tmp_path: Path) -> None:
    pq.write_table(good.table.replace_schema_metadata(None), tmp_path / "bare.parquet")
    with pytest.raises(ArtefactError, match="metadata"):
        load_candidates(tmp_path / "bare.parquet")


def test_no_candidates_are_candidates_too(tmp_path: Path) -> None:
    none = np.zeros(0)
    assert made(none, none.astype(bool), tmp_path / "none.parquet")[0].table.num_rows == 0


@pytest.mark.parametrize("text", ["", "\x00", "[1]\n", "{}\n", '{"format": "x"}\n'])
def test_what_is_no_label_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels").write_text(text, encoding="utf-8")
    with pytest.raises(ArtefactError):
        read_labels(tmp_path / "labels")


@pytest.mark.parametrize(
    "change",
    [
        {"label": "maybe"},
        {"left": "zz"},
        {"shown": 1},
        {"at": "yesterday"},
        {"name": "ANN SMITH"},
        {"label": None},
    ],
)
def test_every_line_that_is_no_label_is_named(tmp_path: Path, change: dict[str, Any]) -> None:
    bad = json.dumps({**json.loads(ONE.line()), **change}) + "\n"
    (tmp_path / "labels").write_text(HEAD.line() + ONE.line() + bad + "x\n", encoding="utf-8")
    with pytest.raises(ArtefactError) as caught:
        read_labels(tmp_path / "labels")
    assert [problem.place for problem in caught.value.problems] == ["line 3", "line 4"]
    assert "SMITH" not in caught.value.message


def test_a_label_of_a_stranger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text(HEAD.line() + ONE.line(), encoding="utf-8")
    with pytest.raises(ArtefactError, match="not among the candidates"):
        read_labels(tmp_path / "labels", known=[])


def test_every_label_is_on_disk_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    file = LabelFile(path, HEAD)
    for count in range(1, 4):
        file.add(ONE)
        assert len(read_labels(path).given) == count  # nothing was closed or flushed
    file.close()


def test_going_back_adds_a_line_and_the_last_label_counts(tmp_path: Path) -> None:
    other = Label(ONE.left, ONE.right, "unsure", True, ONE.at)
    with LabelFile(tmp_path / "labels", HEAD) as file:
        file.add(ONE)
        file.add(other)
    found = read_labels(tmp_path / "labels")
    assert found.given == (ONE, other)
    assert found.last == {(ONE.left, ONE.right): other}


@given(st.integers(0, 400))
def test_a_process_killed_while_it_wrote_loses_no_whole_label(cut: int) -> None:
    import tempfile

    whole = (HEAD.line() + 3 * ONE.line()).encode()
    least = len(HEAD.line().encode())
    at = max(least, min(cut, len(whole)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels"
        path.write_bytes(whole[:at])
        found = read_labels(path)
        assert len(found.given) == (at - least) // len(ONE.line())
        with LabelFile(path, HEAD, keep=found.whole) as file:
            file.add(ONE)
        assert len(read_labels(path).given) == len(found.given) + 1


def test_a_file_of_labels_is_never_overwritten(tmp_path: Path) -> None:
    LabelFile(tmp_path / "labels", HEAD).close()
    with pytest.raises(OutputExistsError):
        LabelFile(tmp_path / "labels", HEAD)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        LabelFile(tmp_path / "nowhere" / "labels", HEAD)


@given(st.text(max_size=70))
def test_a_head_that_is_sound_is_read_back(name: str) -> None:
    import tempfile

    head = Head("a" * 64, name, 5, 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels"
        try:
            path.write_text(head.line(), encoding="utf-8", newline="")
        except UnicodeEncodeError:
            return
        if head.sound:
            assert read_labels(path).head == head
        else:
            with pytest.raises(ArtefactError):
                read_labels(path)


def test_the_format_names_its_version() -> None:
    assert json.loads(HEAD.line())["format"] == LABELS_FORMAT == "pseudolink/review/1"
