"""release-v1 section 2: several records of a person, events, and what no order gives away."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr

from pseudolink.errors import ReleaseError
from pseudolink.formats import linkmap
from pseudolink.formats import payload as payloads
from pseudolink.release.dataset import assemble, events_of, records_of
from pseudolink.release.joining import engine

RULES = {"schools": {"grade": "first", "exclusions": "sum", "hours": "sum"}}


def ident(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()[:16]


def map_of(rows: list[tuple[str, int, int, int]]) -> pa.Table:
    """(party, record, person, band) of every row."""
    columns = {
        "party": [r[0] for r in rows],
        "record": [ident(r[1]) for r in rows],
        "person": [ident(r[2]) for r in rows],
        "family": [None] * len(rows),
        "band": [r[3] for r in rows],
    }
    return pa.table(columns, schema=linkmap.SCHEMA)


def payload_of(records: list[int], events: dict[str, Any] | None = None, **columns: Any) -> pa.Table:
    """events: name -> (columns, a list of tuples for each record)."""
    data: dict[str, Any] = {"record": pa.array(map(ident, records), pa.binary(16))}
    data |= {name: pa.array(cells, pa.string()) for name, cells in columns.items()}
    for name, (names, lists) in (events or {}).items():
        rows = [[dict(zip(names, one, strict=True)) for one in each] for each in lists]
        data[payloads.EVENTS + name] = pa.array(rows, payloads.event_type(names))
    return pa.table(data)


LINKS = map_of(
    [("council", n, 100 + n, 0) for n in range(3)]
    + [("schools", 11, 101, 20), ("schools", 12, 101, 35), ("schools", 13, 102, 10)]
)
ABSENCES = (["days", "from"], [[("2", "2023-01-09"), ("1", None)], [("5", "2023-02-01")], [], [("9", "x")]])
TABLES = {
    "council": payload_of([0, 1, 2], programme_id=["P0", "P1", "P2"], arm=["a", "b", "a"]),
    "schools": payload_of(
        [11, 12, 13, 14],
        {"absences": ABSENCES},
        grade=["4", None, "6", "7"],
        exclusions=["1", "2", None, "x"],
        hours=["0.1", "0.2", "3", "x"],
        school=["A", "B", "C", "D"],
    ),
}
NAMES: dict[str, Any] = {"cohort": "council", "programme": lambda ids: [f"<{one}>" for one in ids]}


def made(tables: Any = None, **more: Any) -> dict[str, dict[str, Any]]:
    options = {"duplicates": ["schools"], "several": RULES, **more}
    found = assemble(LINKS, TABLES if tables is None else tables, **NAMES, family=list, **options)
    return {row["programme_id"]: row for row in found.to_pylist()}


def test_first_is_the_value_of_the_strongest_link_that_has_one() -> None:
    """The stronger record of P1 has no grade; of two that have one the stronger counts."""
    assert made()["<P1>"]["schools_grade"] == 4
    both = TABLES["schools"].set_column(1, "grade", pa.array(["4", "5", "6", "7"]))
    assert made(TABLES | {"schools": both})["<P1>"]["schools_grade"] == 5


def test_sums_are_exact_and_whole_where_all_values_are() -> None:
    found = made()
    assert (found["<P1>"]["schools_exclusions"], found["<P2>"]["schools_exclusions"]) == (3, None)
    assert found["<P1>"]["schools_hours"] == 0.3  # in doubles 0.1 + 0.2 would be another number
    assert isinstance(found["<P1>"]["schools_exclusions"], int)


def test_a_value_that_nobody_linked_does_not_keep_others_from_being_added_up() -> None:
    """Record 14 says x and is nobody's."""
    assert made()["<P2>"]["schools_hours"] == 3


def test_what_is_no_number_is_not_added_up() -> None:
    with pytest.raises(ReleaseError, match="schools, school: 3 values are no numbers") as refused:
        made(several={"schools": {"school": "sum"}})
    assert "A" not in refused.value.message.replace("schools, school: ", "")


def test_attributes_without_a_rule_are_listed_in_a_second_table() -> None:
    assert "schools_school" not in made()["<P1>"]
    assert made()["<P1>"]["schools_records"] == 2
    table = records_of(LINKS, TABLES, **NAMES, party="schools", rules=RULES["schools"])
    assert sorted(map(tuple, (row.values() for row in table.to_pylist()))) == [
        ("<P1>", "A"), ("<P1>", "B"), ("<P2>", "C"),
    ]  # fmt: skip


def test_events_of_all_records_of_a_person_are_in_the_event_table() -> None:
    found = events_of(LINKS, TABLES, **NAMES, party="schools", name="absences")
    assert found.column_names == ["programme_id", "days", "from"]
    assert sorted((row["programme_id"], row["days"]) for row in found.to_pylist()) == [
        ("<P1>", 1), ("<P1>", 2), ("<P1>", 5),
    ]  # fmt: skip
    assert found.schema.field("from").type == pa.date32()  # the event of nobody, x, decides nothing
    people = made()
    assert [people[f"<P{n}>"]["schools_absences"] for n in range(3)] == [None, 3, 0]


def test_names_of_attributes_are_no_code_and_meet_no_column_of_the_link_map() -> None:
    odd = ['a"; DROP TABLE link_map; --', "person", "band", "party", "there", "v0", "select", "a/b", "ë ọ"]
    tables = TABLES | {"schools": payload_of([13, 12, 11], **{name: list("xyz") for name in odd})}
    single = map_of([("council", n, 100 + n, 0) for n in range(3)] + [("schools", 13, 102, 5)])
    found = assemble(single, tables, **NAMES, family=list)
    (row,) = [one for one in found.to_pylist() if one["schools_linked"]]
    assert [row[f"schools_{name}"] for name in odd] == ["x"] * len(odd)


def test_the_engine_reaches_no_file_and_no_network(tmp_path: Path) -> None:
    """A payload names columns; should one ever become code, it finds nothing."""
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with engine(LINKS, TABLES, tmp_path / "spill") as join:
        for text in (
            f"FROM '{tmp_path / 'other.parquet'}'",
            "INSTALL httpfs",
            f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
            "SET enable_external_access = true",
            "SET memory_limit = '100GB'",
        ):
            with pytest.raises(duckdb.Error):
                join._connection.execute(text)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.parquet"]


def test_payloads_in_files_are_joined_as_those_in_memory(tmp_path: Path) -> None:
    sources = {}
    for party, table in TABLES.items():
        payloads.save(table, tmp_path / f"{party}.parquet")
        sources[party] = ds.dataset(tmp_path / f"{party}.parquet", format="parquet")
    assert made(sources, spill=tmp_path / "spill") == made()


def test_no_column_follows_the_order_of_rows_records_or_source_files() -> None:
    """Sources in the order of their record IDs: whoever holds one would find its people by order."""
    count = 1500
    order = sorted(range(count), key=ident)
    rng = np.random.default_rng(11)
    links = map_of(
        [("council", n, 10**6 + n, 0) for n in order] + [("schools", n, 10**6 + n, 5) for n in order]
    )
    values = [str(n) for n in rng.permutation(count)]
    tables = {
        "council": payload_of(order, programme_id=[f"P{n}" for n in order], score=values),
        "schools": payload_of(
            order, {"stays": (["days"], [[(one,)] for one in rng.permutation(values)])}, mark=values[::-1]
        ),
    }
    options: dict[str, Any] = {
        "cohort": "council",
        "programme": lambda ids: [hashlib.sha256(b"key" + one.encode()).hexdigest() for one in ids],
    }
    people = assemble(links, tables, **options, family=list)
    stays = events_of(links, tables, **options, party="schools", name="stays")
    names = options["programme"]([f"P{n}" for n in order])
    place = {name: at for at, name in enumerate(names)}
    most = 5 / count**0.5  # five standard deviations of a rank correlation without any
    for table in (people, stays):
        assert table.num_rows == count
        source = [place[one] for one in table.column("programme_id").to_pylist()]
        assert abs(spearmanr(np.arange(count), source).statistic) < most
        for name in table.column_names:
            column = table.column(name).to_pylist()
            ranks = np.unique(column, return_inverse=True)[1]
            if ranks.max() == 0:
                continue
            for against in (np.arange(count), source):
                assert abs(spearmanr(ranks, against).statistic) < most, name
