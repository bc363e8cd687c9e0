"""linkmap-v1: the link map's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pseudolink.errors import ArtefactError
from pseudolink.formats import linkmap


def id_of(number: int) -> bytes:
    return number.to_bytes(16, "big")


def table(rows: list[tuple[str, int, int]]) -> pa.Table:
    return pa.table(
        {
            "party": pa.array([r[0] for r in rows], pa.string()),
            "record": pa.array([id_of(r[1]) for r in rows], pa.binary(16)),
            "person": pa.array([id_of(r[2]) for r in rows], pa.binary(16)),
            "family": pa.nulls(len(rows), pa.binary(16)),
            "band": pa.array([5 * n for n in range(len(rows))], pa.int16()),
        }
    )


GOOD = table([("council", 1, 11), ("council", 2, 12), ("schools", 1, 11), ("work", 1, 12)])


def refused(found: pa.Table, folder: Path) -> list[str]:
    path = folder / "map.parquet"
    pq.write_table(found, path)
    with pytest.raises(ArtefactError) as caught:
        linkmap.load(path)
    assert caught.value.source == "the link map"
    return [p.place for p in caught.value.problems]


def replaced(name: str, column: Any) -> pa.Table:
    return GOOD.set_column(GOOD.column_names.index(name), name, column)


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    linkmap.save(GOOD, tmp_path / "map.parquet")
    found = linkmap.load(tmp_path / "map.parquet")
    assert found.to_pylist() == GOOD.to_pylist()
    assert found.column_names == linkmap.SCHEMA.names


def test_an_empty_link_map_is_a_link_map(tmp_path: Path) -> None:
    linkmap.save(GOOD.slice(0, 0), tmp_path / "map.parquet")
    assert linkmap.load(tmp_path / "map.parquet").num_rows == 0


def test_columns_in_another_order_are_read_by_name(tmp_path: Path) -> None:
    pq.write_table(GOOD.select(GOOD.column_names[::-1]), tmp_path / "map.parquet")
    assert linkmap.load(tmp_path / "map.parquet").to_pylist() == GOOD.to_pylist()


@pytest.mark.parametrize("name", linkmap.SCHEMA.names)
def test_a_missing_column_is_named(name: str, tmp_path: Path) -> None:
    assert refused(GOOD.drop_columns([name]), tmp_path) == [name]


def test_another_type_is_named(tmp_path: Path) -> None:
    assert refused(replaced("record", pa.array([b"x"] * 4, pa.binary())), tmp_path) == ["record"]
    assert refused(replaced("band", pa.array([1] * 4, pa.int64())), tmp_path) == ["band"]


@pytest.mark.parametrize("name", ["party", "record", "person", "band"])
def test_a_null_is_named(name: str, tmp_path: Path) -> None:
    column = GOOD.column(name).to_pylist()
    column[0] = None
    assert refused(replaced(name, pa.array(column, linkmap.SCHEMA.field(name).type)), tmp_path) == [name]


def test_smuggling_attack_a_further_column_is_refused(tmp_path: Path) -> None:
    """The releaser must not receive a match's evidence, or anything else, along with the links."""
    assert refused(GOOD.append_column("surname", pa.array(["A"] * 4)), tmp_path) == ["surname"]


def test_a_record_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert refused(table([("council", 1, 11), ("council", 1, 12)]), tmp_path) == ["record"]


def test_a_record_id_may_occur_with_two_parties(tmp_path: Path) -> None:
    linkmap.save(table([("council", 1, 11), ("schools", 1, 12)]), tmp_path / "map.parquet")
    assert linkmap.load(tmp_path / "map.parquet").num_rows == 2


def test_a_person_with_two_records_of_a_party_is_refused(tmp_path: Path) -> None:
    """One of the two would be dropped without a word when the release is made."""
    assert refused(table([("schools", 1, 11), ("schools", 2, 11)]), tmp_path) == ["person"]


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    found = replaced("band", pa.array([1] * 4, pa.int64())).drop_columns(["person"])
    assert refused(found.append_column("name", pa.array(["A"] * 4)), tmp_path) == ["person", "band", "name"]


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    twice = pa.table([*GOOD.columns, GOOD.column("record")], names=[*GOOD.column_names, "record"])
    assert refused(twice, tmp_path) == ["record"]


def test_a_folder_on_the_way_does_not_become_a_column(tmp_path: Path) -> None:
    folder = tmp_path / "party=council"
    folder.mkdir()
    linkmap.save(GOOD, folder / "map.parquet")
    assert linkmap.load(folder / "map.parquet").to_pylist() == GOOD.to_pylist()


def test_text_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    """Arrow takes text on trust; it would fail later, and print the bytes."""
    broken = pa.Array.from_buffers(
        pa.string(), 4, [*pa.array(["abcd"] * 4).buffers()[:2], pa.py_buffer(b"\xff\xfe\xfd\xfc" * 4)]
    )
    assert refused(replaced("party", broken), tmp_path) == [""]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"party,record\n"])
def test_what_is_not_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "map.parquet").write_bytes(content)
    with pytest.raises(ArtefactError) as caught:
        linkmap.load(tmp_path / "map.parquet")
    assert caught.value.code == "PL-FORMAT-01"


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "map.parquet"
    linkmap.save(GOOD, path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 41):
        path.write_bytes(whole[:end])
        with pytest.raises(ArtefactError):
            linkmap.load(path)


def test_a_refusal_shows_no_id(tmp_path: Path) -> None:
    pq.write_table(table([("council", 77, 11), ("council", 77, 12)]), tmp_path / "map.parquet")
    with pytest.raises(ArtefactError) as caught:
        linkmap.load(tmp_path / "map.parquet")
    said = str(caught.value.diagnostics())
    assert id_of(77).hex() not in said
    assert repr(id_of(77)) not in said
