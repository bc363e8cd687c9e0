"""encoding-v1 section 7: the encodings file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference_encoding as reference
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import ArtefactError
from pseudolink.formats import encodings
from pseudolink.formats.encodings import Encodings, PassColumns

VECTORS = [
    vector | {"id": path.stem}
    for path in sorted(reference.VECTORS.glob("file_*.json"))
    if (vector := json.loads(path.read_text(encoding="utf-8")))["case"] == "file"
]
LAYOUT = {"nino": 32, "born": 0}


def made(rows: int, seed: int = 1) -> Encodings:
    generator = np.random.default_rng(seed)
    passes = {}
    for name, width in LAYOUT.items():
        present = generator.random(rows) < 0.7
        tokens = generator.integers(0, 2**64, (rows, 2), dtype=np.uint64) * present[:, None]
        filters = (
            generator.integers(0, 256, (rows, width), dtype=np.uint8) * present[:, None] if width else None
        )
        passes[name] = PassColumns(tokens.astype(np.uint64), present, filters)
    return Encodings(generator.integers(0, 256, (rows, 16), dtype=np.uint8), passes)


def assert_same(left: Encodings, right: Encodings) -> None:
    np.testing.assert_array_equal(left.records, right.records)
    assert list(left.passes) == list(right.passes)
    for name, a in left.passes.items():
        b = right.passes[name]
        np.testing.assert_array_equal(a.tokens, b.tokens)
        np.testing.assert_array_equal(a.present, b.present)
        assert (a.filters is None) == (b.filters is None)
        if a.filters is not None:
            np.testing.assert_array_equal(a.filters, b.filters)


def table_of(vector: dict[str, Any]) -> pa.Table:
    arrays = [
        pa.array([None if v is None else bytes.fromhex(v) for v in c["rows"]], pa.binary(c["width"]))
        for c in vector["columns"]
    ]
    return pa.table(arrays, names=[c["name"] for c in vector["columns"]])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_a_file_is_accepted_or_every_problem_is_named(vector: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "encodings.parquet"
    pq.write_table(table_of(vector), path)
    if vector["expect"] == "success":
        found = encodings.load(path, vector["layout"])
        assert found.rows == len(vector["columns"][0]["rows"])
        assert list(found.passes) == list(vector["layout"])
        return
    with pytest.raises(ArtefactError) as caught:
        encodings.load(path, vector["layout"])
    assert vector["problems"] == [p.place for p in caught.value.problems]


def test_there_are_vectors_of_both_kinds() -> None:
    assert {v["expect"] for v in VECTORS} == {"success", "failure"}


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 1000])
def test_what_is_saved_is_read_back(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "encodings.parquet"
    before = made(rows)
    encodings.save(before, path)
    assert_same(before, encodings.load(path, LAYOUT))


def test_a_pass_without_any_token_is_read_back(tmp_path: Path) -> None:
    whole = made(5)
    nobody = np.zeros(5, dtype=bool)
    passes = {
        name: PassColumns(
            np.zeros((5, 2), dtype=np.uint64), nobody, None if p.filters is None else np.zeros_like(p.filters)
        )
        for name, p in whole.passes.items()
    }
    encodings.save(Encodings(whole.records, passes), tmp_path / "e.parquet")
    assert_same(Encodings(whole.records, passes), encodings.load(tmp_path / "e.parquet", LAYOUT))


def test_the_same_encodings_are_the_same_bytes(tmp_path: Path) -> None:
    encodings.save(made(100), tmp_path / "a")
    encodings.save(made(100), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_columns_stand_in_the_order_of_the_schema(tmp_path: Path) -> None:
    encodings.save(made(3), tmp_path / "e.parquet")
    names = pq.read_schema(tmp_path / "e.parquet").names
    assert names == ["record", "nino.token", "nino.filter", "born.token"]


def test_statistics_attack_finds_no_smallest_token_in_the_footer(tmp_path: Path) -> None:
    encodings.save(made(100), tmp_path / "e.parquet")
    group = pq.ParquetFile(tmp_path / "e.parquet").metadata.row_group(0)
    assert [group.column(i).statistics for i in range(group.num_columns)] == [None] * 4


def test_a_token_is_written_as_the_bytes_of_the_specification() -> None:
    """Words are little-endian whatever the machine is."""
    tokens = np.array([[0x0706050403020100, 0x0F0E0D0C0B0A0908]], dtype=np.uint64)
    one = Encodings(
        np.zeros((1, 16), dtype=np.uint8), {"born": PassColumns(tokens, np.ones(1, dtype=bool), None)}
    )
    assert encodings.to_table(one).column("born.token").to_pylist() == [bytes(range(16))]


def test_a_slice_of_a_table_is_read_as_its_rows() -> None:
    """Arrow slices share buffers; an offset that is forgotten would hand out another's row."""
    whole = made(50)
    table = encodings.to_table(whole)
    part = encodings.from_table(table.slice(11, 20), LAYOUT)
    assert_same(whole.take(np.arange(11, 31)), part)


def test_a_table_in_chunks_is_read_as_one() -> None:
    whole = made(50)
    table = encodings.to_table(whole)
    assert_same(whole, encodings.from_table(pa.concat_tables([table.slice(0, 13), table.slice(13)]), LAYOUT))


def test_joining_is_the_inverse_of_taking() -> None:
    whole = made(30)
    parts = [whole.take(np.arange(0, 11)), whole.take(np.arange(11, 11)), whole.take(np.arange(11, 30))]
    assert_same(whole, Encodings.join(parts))


@given(st.lists(st.one_of(st.none(), st.binary(min_size=3, max_size=3)), max_size=40))
def test_fixed_columns_are_what_arrow_makes_of_them(cells: list[bytes | None]) -> None:
    expected = pa.array(cells, pa.binary(3))
    values, present = encodings.fixed_values(expected)
    assert [None if not p else v.tobytes() for v, p in zip(values, present, strict=True)] == cells
    assert encodings.fixed_column(values, present).to_pylist() == cells


def test_a_slice_of_an_array_is_read_as_its_rows() -> None:
    cells = [bytes([n] * 3) if n % 3 else None for n in range(20)]
    part = pa.array(cells, pa.binary(3)).slice(5, 9)
    values, present = encodings.fixed_values(part)
    assert encodings.fixed_column(values, present).to_pylist() == cells[5:14]


def test_a_column_that_stands_twice_is_refused() -> None:
    table = encodings.to_table(made(3))
    twice = pa.table([*table.columns, table.column("record")], names=[*table.column_names, "record"])
    with pytest.raises(ArtefactError, match="more than once"):
        encodings.from_table(twice, LAYOUT)


def test_a_folder_on_the_way_does_not_become_a_column(tmp_path: Path) -> None:
    folder = tmp_path / "party=council"
    folder.mkdir()
    encodings.save(made(3), folder / "e.parquet")
    assert_same(made(3), encodings.load(folder / "e.parquet", LAYOUT))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"record,token\n1,2\n"])
def test_what_is_not_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "e.parquet").write_bytes(content)
    with pytest.raises(ArtefactError) as caught:
        encodings.load(tmp_path / "e.parquet", LAYOUT)
    assert caught.value.code == "PL-FORMAT-01"


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    encodings.save(made(50), path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        with pytest.raises(ArtefactError):
            encodings.load(path, LAYOUT)


def test_a_refusal_shows_no_token(tmp_path: Path) -> None:
    table = encodings.to_table(made(3)).rename_columns(["record", "nino.token", "nino.filter", "other"])
    with pytest.raises(ArtefactError) as caught:
        encodings.from_table(table, LAYOUT)
    token = table.column("nino.token").drop_null()[0].as_py()
    assert token.hex() not in str(caught.value)
    assert repr(token) not in str(caught.value)
