"""The custodian's stages in memory: columns by name, the payload, objections."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import MissingColumnsError
from pseudolink.roles.payload import columns_by_name, payload_table


def test_columns_are_found_whatever_their_case_and_outer_blanks() -> None:
    table = pa.table({" Programme_ID ": ["1"], "Straße": ["2"]})
    found = columns_by_name(table.column_names, ["programme_id", "STRASSE"], source="x")
    assert found == {"programme_id": " Programme_ID ", "STRASSE": "Straße"}


def test_every_column_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingColumnsError) as caught:
        columns_by_name(["a"], ["b", "a", "c"], source="extract.csv")
    assert [p.place for p in caught.value.problems] == ["b", "c"]
    assert caught.value.source == "extract.csv"
    assert "a" in str(caught.value.advice)


def ids(count: int) -> np.ndarray:
    return np.arange(16 * count, dtype=np.uint32).astype(np.uint8).reshape(count, 16)


@given(st.lists(st.text("ab \t", max_size=4) | st.none(), min_size=1, max_size=12))
def test_a_payload_holds_every_record_once_with_its_own_trimmed_values(cells: list[str | None]) -> None:
    count = len(cells)
    source = np.random.default_rng(count).permutation(count)
    found = payload_table(
        ids(count), source, pa.table({"Cell": pa.array(cells, pa.string())}), {"cell": "Cell"}
    )
    got = {
        bytes(r): v
        for r, v in zip(found.column("record").to_pylist(), found.column("cell").to_pylist(), strict=True)
    }
    for record, row in zip(ids(count), source, strict=True):
        assert got[bytes(record)] == ((cells[row] or "").strip() or None)


def test_versions_of_a_record_are_one_row_of_the_payload() -> None:
    """How often somebody stands in the encodings is not for the releaser to see."""
    records = ids(3)[[0, 1, 1, 2, 1]]
    source = np.asarray([2, 0, 0, 1, 0])
    found = payload_table(records, source, pa.table({"x": ["a", "b", "c"]}), {"x": "x"})
    assert found.num_rows == 3
    assert sorted(found.column("x").to_pylist()) == ["a", "b", "c"]


def test_position_attack_learns_nothing_from_the_order_of_a_payload() -> None:
    """Neither the order of the extract nor that of the encodings, nor twice the same."""
    count = 300
    source = np.arange(count)
    table = pa.table({"x": [str(n) for n in range(count)]})
    orders = [
        [int(v) for v in payload_table(ids(count), source, table, {"x": "x"}).column("x").to_pylist()]
        for _ in range(2)
    ]
    assert orders[0] != orders[1]
    for order in orders:
        assert sorted(order) == list(range(count))
        assert abs(np.corrcoef(order, np.arange(count))[0, 1]) < 0.35
