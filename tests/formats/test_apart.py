"""encoding-v1 7.6 and payload-v1 2.7: a do-not-link list is read strictly, from both sides of a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_linkage import encodings_of

from pseudolink.errors import ArtefactError, AttributeNotPermittedError
from pseudolink.formats import apart, encodings, payload


def ident(number: int) -> bytes:
    return number.to_bytes(16, "big")


def table(count: int, pairs: Any) -> pa.Table:
    records = pa.array([ident(n) for n in range(count)], pa.binary(16))
    listed = apart.ordered((ident(a), ident(b)) for a, b in pairs)
    return pa.table({"record": records, "apart": apart.column(records, listed)})


PAIRS = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda p: p[0] < p[1]))


@given(PAIRS)
def test_what_is_written_is_read_back(pairs: set[tuple[int, int]]) -> None:
    found, problems = apart.read(table(7, pairs))
    assert problems == []
    assert found == {(ident(a), ident(b)) for a, b in pairs}


BROKEN = [
    [[ident(1)], None, None],  # on one side alone
    [[ident(0)], None, None],  # itself
    [[ident(9)], None, None],  # nobody
]


@pytest.mark.parametrize("cells", BROKEN)
def test_a_list_that_does_not_fit_its_records_is_refused(cells: Any) -> None:
    records = pa.array([ident(n) for n in range(3)], pa.binary(16))
    found, problems = apart.read(pa.table({"record": records, "apart": pa.array(cells, apart.TYPE)}))
    assert found == frozenset()
    assert [p.place for p in problems] == ["apart"]


def test_another_type_is_refused() -> None:
    records = pa.array([ident(0)], pa.binary(16))
    assert apart.read(pa.table({"record": records, "apart": pa.array(["x"])}))[1] != []


def test_encodings_carry_it_and_nothing_else_beside_the_schema(tmp_path: Path) -> None:
    """Versions of a record carry the same list."""
    made = encodings_of({"p": [1, 2, 3, 4]}, [1, 1, 2, 3])
    layout = {"p": 0}
    encodings.save(made, tmp_path / "plain")
    a, b = (bytes(made.records[n]) for n in (0, 2))
    apart.add(tmp_path / "plain", apart.ordered([(a, b)]), tmp_path / "whole")
    read = encodings.load(tmp_path / "whole", layout)
    assert read.apart == apart.ordered([(a, b)])
    assert (read.records == made.records).all()
    assert encodings.load(tmp_path / "plain", layout).apart == frozenset()
    with pq.ParquetFile(tmp_path / "whole") as file:
        assert not any(
            file.metadata.row_group(0).column(n).is_stats_set for n in range(file.metadata.num_columns)
        )


def saved(path: Path, **columns: Any) -> Path:
    payload.save(pa.table({"record": pa.array([ident(0), ident(1)], pa.binary(16)), **columns}), path)
    return path


def read(path: Path, *, families: bool) -> pa.Table:
    return payload.load(path, party="schools", permitted=(), cohort=False, families=families)


def test_families_of_another_party_need_the_agreement(tmp_path: Path) -> None:
    path = saved(tmp_path / "p", family_id=pa.array(["h", None], pa.string()))
    assert read(path, families=True).num_rows == 2
    with pytest.raises(ArtefactError, match="does not permit this party to carry families"):
        read(path, families=False)


@pytest.mark.parametrize("cell", ["2019", "2019-02-30", "01/09/2019", "2019-9-1"])
def test_a_family_date_that_is_none_is_counted_and_not_told(tmp_path: Path, cell: str) -> None:
    columns = {
        "family_id": pa.array(["h", "h"], pa.string()),
        "family_from": pa.array([cell, None], pa.string()),
    }
    with pytest.raises(ArtefactError, match="1 values are no dates") as caught:
        read(saved(tmp_path / "p", **columns), families=True)
    assert cell not in caught.value.message.replace("YYYY-MM-DD", "")


def test_dates_without_a_family_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "p", family_to=pa.array(["2019-01-01", None], pa.string()))
    with pytest.raises(ArtefactError, match="needs family_id beside it"):
        read(path, families=True)


def test_a_list_is_no_attribute(tmp_path: Path) -> None:
    both = table(2, [(0, 1)])
    path = saved(tmp_path / "p", apart=both.column("apart"))
    assert payload.attributes(read(path, families=False)) == []
    with pytest.raises(AttributeNotPermittedError):
        read(saved(tmp_path / "q", offences=pa.array(["1", "2"], pa.string())), families=False)
