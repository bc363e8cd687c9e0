"""Encodings on disk are those in memory, and refused for the same reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pseudolink.errors import ArtefactError
from pseudolink.formats import apart
from pseudolink.formats import encodings as encoding_files
from pseudolink.formats.encodings import Encodings, PassColumns, to_table
from pseudolink.formats.stored import open_stored

LAYOUT = {"a": 0, "b": 8}


def made(rows: int = 50) -> Encodings:
    rng = np.random.default_rng(rows)
    passes = {}
    for name, width in LAYOUT.items():
        present = rng.random(rows) < 0.8
        tokens = rng.integers(0, 2**63, (rows, 2)).astype(np.uint64)
        filters = rng.integers(0, 256, (rows, width), dtype=np.uint8) if width else None
        tokens[~present] = 0
        if filters is not None:
            filters[~present] = 0
        passes[name] = PassColumns(tokens, present, filters)
    return Encodings(rng.integers(0, 256, (rows, 16), dtype=np.uint8), passes)


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_every_pass_is_what_load_reads(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    encoding_files.save(made(rows), path)
    loaded, stored = encoding_files.load(path, LAYOUT), open_stored(path, LAYOUT)
    assert np.array_equal(loaded.records, stored.records)
    assert list(stored.passes) == list(LAYOUT)
    for name, expected in loaded.passes.items():
        found = stored.passes[name]
        assert np.array_equal(expected.tokens, found.tokens)
        assert expected.tokens.dtype == found.tokens.dtype
        assert np.array_equal(expected.present, found.present)
        assert (expected.filters is None) == (found.filters is None)
        if expected.filters is not None:
            assert np.array_equal(expected.filters, found.filters)
    assert "token" not in repr(stored.passes)


def test_the_list_of_pairs_to_keep_apart_is_read(tmp_path: Path) -> None:
    encodings = made()
    pair = (bytes(encodings.records[0]), bytes(encodings.records[7]))
    encoding_files.save(encodings, tmp_path / "plain.parquet")
    apart.add(tmp_path / "plain.parquet", apart.ordered([pair]), tmp_path / "e.parquet")
    assert open_stored(tmp_path / "e.parquet", LAYOUT).apart == apart.ordered([pair])
    assert open_stored(tmp_path / "plain.parquet", LAYOUT).apart == frozenset()


def broken() -> dict[str, pa.Table]:
    good = to_table(made())
    filters = good.column("b.filter")
    shown = pa.array([None] * good.num_rows, filters.type)
    return {
        "column missing": good.drop_columns(["a.token"]),
        "column unknown": good.append_column("c.token", good.column("a.token")),
        "filter without token": good.set_column(good.column_names.index("b.filter"), "b.filter", shown),
        "record null": good.set_column(0, "record", pa.array([None] * good.num_rows, pa.binary(16))),
        "token width": good.set_column(1, "a.token", pa.array([b"x" * 8] * good.num_rows, pa.binary(8))),
    }


@pytest.mark.parametrize("case", list(broken()))
def test_what_load_refuses_is_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    pq.write_table(broken()[case], path)
    for read in (encoding_files.load, open_stored):
        with pytest.raises(ArtefactError):
            read(path, LAYOUT)


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(ArtefactError):
        open_stored(path, LAYOUT)
    with pytest.raises(ArtefactError):
        open_stored(tmp_path / "absent.parquet", LAYOUT)
