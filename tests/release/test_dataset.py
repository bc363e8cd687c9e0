"""release-v1: from links and payloads to a dataset without IDs."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import ReleaseError
from pseudolink.formats import linkmap
from pseudolink.release.dataset import assemble, column_name, typed

FOLDER = Path(__file__).parents[2] / "specs" / "vectors" / "release"
VECTORS = [json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem} for p in sorted(FOLDER.glob("*.json"))]


def cases(case: str) -> list[dict[str, Any]]:
    found = [v for v in VECTORS if v["case"] == case]
    assert found
    return found


def id_of(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()[:16]


def map_of(rows: list[tuple[str, int, int]]) -> pa.Table:
    """(party, record, person) of every row."""
    columns = {
        "party": [r[0] for r in rows],
        "record": [id_of(r[1]) for r in rows],
        "person": [id_of(r[2]) for r in rows],
        "family": [None] * len(rows),
        "band": [0] * len(rows),
    }
    return pa.table(columns, schema=linkmap.SCHEMA)


def payload_of(records: list[int], **columns: list[str | None]) -> pa.Table:
    texts = {name: pa.array(cells, pa.string()) for name, cells in columns.items()}
    return pa.table({"record": pa.array(map(id_of, records), pa.binary(16)), **texts})


LINKS = [("council", n, 100 + n) for n in range(4)] + [
    ("schools", 11, 101),
    ("schools", 13, 103),
    ("work", 21, 101),
]
TABLES = {
    "council": payload_of(
        [3, 2, 1, 0],
        programme_id=["P3", "P2", "P1", "P0"],
        family_id=["F1", None, "F1", "F0"],
        arm=["a", "b", None, "a"],
    ),
    "schools": payload_of([12, 13, 11], grade=["5", "6", None], school=["007", "008", "009"]),
    "work": payload_of([22, 21], paid=["1.50", "2.25"]),
}


def made(links: Any = None, tables: Any = None, **more: Any) -> pa.Table:
    return assemble(
        map_of(LINKS if links is None else links),
        TABLES if tables is None else tables,
        **{
            "cohort": "council",
            "programme": lambda ids: [f"pseudonym of {value}" for value in ids],
            "family": lambda ids: [f"family of {value}" for value in ids],
            **more,
        },
    )


def by_person(found: pa.Table) -> dict[str, dict[str, Any]]:
    rows = found.to_pylist()
    return {row.pop("programme_id"): row for row in rows}


def test_a_release_is_one_row_a_person_of_the_cohort() -> None:
    found = made()
    assert found.column_names == [
        "programme_id", "family_id", "council_arm",
        "schools_linked", "schools_grade", "schools_school", "work_linked", "work_paid",
    ]  # fmt: skip
    columns = found.column_names[1:]
    assert by_person(found) == {
        person: dict(zip(columns, cells, strict=True))
        for person, *cells in [
            ("pseudonym of P0", "family of F0", "a", False, None, None, False, None),
            ("pseudonym of P1", "family of F1", None, True, None, "009", True, 2.25),
            ("pseudonym of P2", None, "b", False, None, None, False, None),
            ("pseudonym of P3", "family of F1", "a", True, 6, "008", False, None),
        ]
    }


def test_people_whom_nobody_knows_are_kept() -> None:
    """Who is not linked is a result too; a release without them would say that everybody was found."""
    found = by_person(made([link for link in LINKS if link[0] == "council"]))
    assert len(found) == 4
    assert not any(row["schools_linked"] or row["work_linked"] for row in found.values())


def test_linked_without_a_value_and_not_linked_are_told_apart() -> None:
    found = by_person(made())
    assert (found["pseudonym of P1"]["schools_grade"], found["pseudonym of P1"]["schools_linked"]) == (
        None,
        True,
    )
    assert (found["pseudonym of P0"]["schools_grade"], found["pseudonym of P0"]["schools_linked"]) == (
        None,
        False,
    )


def test_rejoining_attack_finds_no_record_and_no_person_id() -> None:
    """With either, the custodian that sent the record could find its person in the release."""
    found = made()
    assert not {"record", "person", "family", "band", "party"} & set(found.column_names)
    assert not any(pa.types.is_fixed_size_binary(f.type) or pa.types.is_binary(f.type) for f in found.schema)
    written = pa.BufferOutputStream()
    with pa.ipc.new_stream(written, found.schema) as stream:
        stream.write_table(found)
    raw = written.getvalue().to_pybytes()
    assert not [n for n in (*range(1, 4), *range(11, 14), 21, 22, *range(101, 104)) if id_of(n) in raw]
    assert b"P1" not in raw.replace(b"pseudonym of P1", b"")


def test_rejoining_attack_learns_nothing_from_the_order_of_rows() -> None:
    """Payloads come in an order that their custodian knows."""
    count = 60
    links = [("council", n, 100 + n) for n in range(count)]
    tables = {"council": payload_of(list(range(count)), programme_id=[f"P{n:02}" for n in range(count)])}
    orders = [made(links, tables).column("programme_id").to_pylist() for _ in range(2)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != sorted(orders[0])
    assert orders[0] != orders[1]


def test_records_that_nobody_linked_stay_out() -> None:
    found = made()
    assert 5 not in found.column("schools_grade").to_pylist()
    assert 1.5 not in found.column("work_paid").to_pylist()


def test_types_are_those_of_the_linked_values_alone() -> None:
    """A type that an unlinked value decides would tell of people who are not in the release."""
    tables = TABLES | {"work": payload_of([22, 21], paid=["about forty", "2.25"])}
    assert made(tables=tables).schema.field("work_paid").type == pa.float64()


def test_a_payload_without_family_ids_gives_no_family_column() -> None:
    tables = TABLES | {"council": TABLES["council"].drop_columns(["family_id"])}
    assert "family_id" not in made(tables=tables).column_names


def test_a_party_without_links_is_in_the_release_all_the_same() -> None:
    tables = TABLES | {"health": payload_of([1], gp=["x"])}
    found = made(tables=tables)
    assert found.column("health_linked").to_pylist() == [False] * 4
    assert found.column("health_gp").null_count == 4


def test_an_attribute_may_be_called_person() -> None:
    """Names that the link map uses are no trap for an agreement that permits such an attribute."""
    tables = TABLES | {
        "schools": payload_of([12, 13, 11], person=["x", "y", "z"]),
        "council": TABLES["council"].append_column("person", pa.array(["k", "l", "m", "n"])),
    }
    found = by_person(made(tables=tables))
    assert found["pseudonym of P3"]["schools_person"] == "y"
    assert found["pseudonym of P3"]["council_person"] == "k"


def refused(*args: Any, **more: Any) -> str:
    with pytest.raises(ReleaseError) as caught:
        made(*args, **more)
    assert caught.value.code == "PL-RELEASE-01"
    said = str(caught.value.diagnostics())
    assert not [n for n in (*range(4), *range(11, 14)) if id_of(n).hex() in said]
    return caught.value.message


def test_a_record_without_a_programme_id_is_refused() -> None:
    tables = TABLES | {"council": payload_of([0, 1, 2, 3], programme_id=["P0", None, "P2", None])}
    assert "2 records of the cohort have no programme ID" in refused(tables=tables)


def test_another_delivery_is_refused() -> None:
    """Record IDs are fresh in every delivery: none of the linked ones is in another payload."""
    tables = TABLES | {"schools": payload_of([51, 52, 53], grade=["1", "2", "3"])}
    assert "schools: 2 linked records are not in its payload: another delivery?" in refused(tables=tables)


def test_a_larger_delivery_of_the_cohort_is_refused() -> None:
    """People of the cohort who are not in the link map would vanish without a word."""
    tables = TABLES | {"council": payload_of([0, 1, 2, 3, 4], programme_id=["P"] * 5)}
    assert "council: 1 records of its payload are not in the link map" in refused(tables=tables)


def test_a_missing_payload_is_named() -> None:
    tables = {name: table for name, table in TABLES.items() if name != "work"}
    assert "work: is in the link map, and its payload is missing" in refused(tables=tables)


def test_a_link_map_without_the_cohort_is_refused() -> None:
    links = [link for link in LINKS if link[0] != "council"]
    assert "council: the cohort is not in the link map" in refused(links)
    assert "council: the cohort is not in the link map" in refused([])


def test_a_link_to_a_person_who_is_not_in_the_cohort_is_refused() -> None:
    assert "schools: 1 linked people are not in the cohort" in refused([*LINKS, ("schools", 12, 999)])


def test_a_person_with_two_records_of_a_party_is_refused() -> None:
    assert "schools: a person has two records of it" in refused([*LINKS, ("schools", 12, 101)])


def test_everything_that_does_not_belong_together_is_told_at_once() -> None:
    said = refused([*LINKS, ("health", 1, 101)], TABLES | {"schools": payload_of([51], grade=["1"])})
    assert "health: is in the link map" in said
    assert "schools: 2 linked records" in said


def test_every_two_columns_of_one_name_are_told() -> None:
    tables = {
        "council": TABLES["council"],
        "a": payload_of([], b_c=[], linked=[]),
        "a-b": payload_of([], c=[]),
    }
    links = [link for link in LINKS if link[0] == "council"]
    assert refused(links, tables) == "two columns of the release would be called 'a_linked', 'a_b_c'"


def test_no_attribute_can_pass_for_the_programme_id() -> None:
    tables = TABLES | {"programme": payload_of([], id=[])}
    assert "'programme_id'" in refused(tables=tables)


# ---------------------------------------------------------------- names and types


@pytest.mark.parametrize("vector", cases("column"), ids=lambda v: v["id"])
def test_any_releaser_names_a_column_alike(vector: dict[str, Any]) -> None:
    assert vector["column"] == column_name(vector["party"], vector["attribute"])


@pytest.mark.parametrize("vector", cases("typed"), ids=lambda v: v["id"])
def test_any_releaser_reads_a_column_alike(vector: dict[str, Any]) -> None:
    found = typed(pa.chunked_array([pa.array(vector["values"], pa.string())]))
    assert vector["type"] == str(found.type)
    assert vector["read"] == [v.isoformat() if isinstance(v, date) else v for v in found.to_pylist()]


text = st.text(max_size=4) | st.from_regex(r"\A[-+]?[0-9٣०]{1,18}(\.[0-9]{0,4})?\Z") | st.dates().map(str)


@given(st.lists(st.none() | text, max_size=6))
def test_a_column_is_never_lost_in_translation(values: list[str | None]) -> None:
    """Whatever is supplied: types are found without an error, nulls stay, numbers keep their value."""
    found = typed(pa.chunked_array([pa.array(values, pa.string())]))
    back = found.to_pylist()
    assert [v is None for v in back] == [v is None for v in values]
    for before, after in zip(values, back, strict=True):
        if isinstance(after, int):
            assert str(after) == before
        elif isinstance(after, float):
            assert before is not None
            assert f"{after:.{len(before.partition('.')[2])}f}" == before
        elif after is not None:
            assert str(after) == before
