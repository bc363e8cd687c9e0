"""Extending a linkage: what is told of people before and now."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pseudolink.errors import ArtefactError
from pseudolink.formats import linkmap
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.roles.extending import Before, History, _by_tokens, _single, save_state, tell

VECTORS = sorted((Path(__file__).parents[2] / "specs" / "vectors" / "extending").glob("*.json"))


def named(name: str) -> bytes:
    return name.encode().rjust(16, b"\0")


def table(rows: list[list[str]]) -> pa.Table:
    return pa.table(
        {
            "party": pa.array([party for party, *_ in rows]),
            "record": pa.array([named(record) for _, record, _ in rows], pa.binary(16)),
            "person": pa.array([named(person) for *_, person in rows], pa.binary(16)),
            "family": pa.nulls(len(rows), pa.binary(16)),
            "band": pa.array([0] * len(rows), pa.int16()),
        },
        schema=linkmap.SCHEMA,
    )


def before_of(rows: list[list[str]]) -> Before:
    persons: dict[str, dict[bytes, bytes]] = {}
    for party, record, person in rows:
        persons.setdefault(party, {})[named(record)] = named(person)
    return Before(dict.fromkeys(persons, "0" * 64), persons, "f" * 64)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_what_merged_split_or_moved_is_told(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    known = History(
        {named(record): named(person) for record, person in vector["continues"].items()},
        *(frozenset((named(r), named(p)) for r, p in vector[kind]) for kind in ("merged", "split")),
    )
    found, counts = tell(before_of(vector["before"]), known, table(vector["now"]), "c")
    expected = dict(vector["counts"])
    said = asdict(counts)
    parties = {one["party"]: {k: one[k] for k in ("gained", "lost")} for one in said.pop("parties")}
    assert said == expected
    assert parties == vector["parties"]
    told = {
        f"{row['party']} {row['record'].lstrip(bytes(1)).decode()}": [
            one.lstrip(bytes(1)).decode() for one in row["before"]
        ]
        for row in found.to_pylist()
        if row.get("before") is not None
    }
    assert told == vector["told"]
    assert (linkmap.BEFORE.name in found.column_names) == bool(told)


def test_a_link_map_with_what_was_before_is_read_back(tmp_path: Path) -> None:
    made = table([["c", "1", "P"], ["a", "7", "P"]])
    made = made.append_column(linkmap.BEFORE, pa.array([None, [named("Q")]], linkmap.BEFORE.type))
    linkmap.save(made, tmp_path / "map")
    assert linkmap.load(tmp_path / "map").column("before").to_pylist() == [None, [named("Q")]]


@pytest.mark.parametrize("wrong", [[named("P")], [None]])
def test_a_before_that_names_nobody_or_the_person_itself_is_refused(
    tmp_path: Path, wrong: list[bytes | None]
) -> None:
    made = table([["c", "1", "P"]])
    made = made.append_column(linkmap.BEFORE, pa.array([wrong], linkmap.BEFORE.type))
    linkmap.save(made, tmp_path / "map")
    with pytest.raises(ArtefactError, match="before"):
        linkmap.load(tmp_path / "map")


def test_a_before_of_another_type_is_refused(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    made = table([["c", "1", "P"]]).append_column("before", pa.array(["Q"]))
    pq.write_table(made, tmp_path / "map")
    with pytest.raises(ArtefactError, match="before"):
        linkmap.load(tmp_path / "map")


def test_a_state_has_the_rows_of_the_link_map_in_another_order_and_no_before(tmp_path: Path) -> None:
    rows = [["c", str(n), f"P{n}"] for n in range(200)]
    made = table(rows)
    made = made.append_column(linkmap.BEFORE, pa.array([[named("Q")]] * 200, linkmap.BEFORE.type))
    save_state(made, tmp_path / "state")
    read = linkmap.load(tmp_path / "state")
    assert read.column_names == linkmap.SCHEMA.names
    key = [("record", "ascending")]
    assert read.sort_by(key).equals(made.select(linkmap.SCHEMA.names).sort_by(key))
    assert read.column("record").to_pylist() != made.column("record").to_pylist()


def encodings(tokens: list[list[int]], records: list[int]) -> Encodings:
    """Rows with these tokens in passes a, b, …; 0 is missing."""
    values = np.asarray(tokens, dtype=np.uint64)
    passes = {
        name: PassColumns(
            np.stack([values[:, n] * np.uint64(7919), values[:, n]], axis=1), values[:, n] > 0, None
        )
        for n, name in enumerate("abc"[: values.shape[1]])
    }
    ids = np.frombuffer(b"".join(n.to_bytes(16, "big") for n in records), dtype=np.uint8).reshape(-1, 16)
    return Encodings(ids, passes)


def tokens_of(*given: Any) -> dict[int, tuple[int, int]]:
    found = _single(_by_tokens(encodings(*given)))
    return {int.from_bytes(record, "big"): tokens for tokens, record in found.items()}


def test_a_record_is_known_again_by_all_its_tokens_whatever_its_row() -> None:
    first = tokens_of([[1, 2, 3], [4, 0, 6], [7, 8, 9]], [1, 2, 3])
    second = tokens_of([[7, 8, 9], [1, 2, 3], [4, 0, 5]], [30, 10, 20])
    assert (first[1], first[3]) == (second[10], second[30])
    assert first[2] != second[20]


def test_a_token_in_another_pass_is_another_token() -> None:
    one = tokens_of([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [1, 2, 3])
    assert len(set(one.values())) == 3


def test_versions_of_a_record_count_together_in_any_order() -> None:
    first = tokens_of([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [1, 1, 2])
    second = tokens_of([[7, 8, 9], [4, 5, 6], [1, 2, 3]], [2, 1, 1])
    assert first == second
    assert tokens_of([[1, 2, 3], [4, 5, 6]], [1, 2]).keys() == {1, 2}


def test_records_that_are_alike_in_all_or_have_no_token_are_known_by_none() -> None:
    assert tokens_of([[1, 2, 3], [1, 2, 3], [0, 0, 0], [4, 4, 4]], [1, 2, 3, 4]).keys() == {4}
