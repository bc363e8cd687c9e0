"""microdata-v1 section 3: events and other tables whose rows are no people; families count everywhere."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import DisclosureRulesError
from pseudolink.release.microdata.further import alone, sequences
from pseudolink.release.microdata.protect import Protected, protect
from pseudolink.release.microdata.rules import parse_rules

PEOPLE = 400
RULES = {
    "quasi": ["sex"],
    "events": ["stays", "sex"],
    "steps": {"stays.from": ["month", "quarter", "year", "drop"], "stays.days": ["band-5", "drop"]},
}


def people(families: list[str | None] | None = None, n: int = PEOPLE) -> pa.Table:
    rng = np.random.default_rng(5)
    return pa.table(
        {
            "programme_id": [f"p{i}" for i in range(n)],
            "family_id": [f"f{i // 2}" for i in range(n)] if families is None else families,
            "sex": rng.choice(["1", "2"], n),
            "stays": np.zeros(n, dtype=np.int64),
        }
    )


def stays(n: int = 900, seed: int = 6) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "programme_id": [f"p{i}" for i in rng.integers(0, PEOPLE, n)],
            "days": rng.poisson(6, n),
            "from": [date(2022, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 600, n)],
            "kind": rng.choice(["a", "b", "c", "rare"], n, p=[0.5, 0.3, 0.195, 0.005]),
        }
    )


def protected(rules: Any = None, table: pa.Table | None = None, **further: pa.Table) -> Protected:
    further = further or {"stays": stays()}
    return protect(
        people() if table is None else table, parse_rules(rules or RULES), family="family_id", further=further
    )


def behind(found: Protected, name: str) -> list[tuple[int, int]]:
    """People and families behind every combination of values of a table, counted anew."""
    family = dict(
        zip(*(found.table.column(n).to_pylist() for n in ("programme_id", "family_id")), strict=True)
    )
    who: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for row in found.further[name].to_pylist():
        person = row.pop("programme_id")
        who[tuple(row.values())].add(person)
    return [(len(one), len({family[person] for person in one})) for one in who.values()]


def test_behind_every_event_stand_k_people_and_k_families() -> None:
    found = protected()
    assert min(min(pair) for pair in behind(found, "stays")) >= 10
    told = found.report["further"]["stays"]
    assert told["smallest"] == min(min(pair) for pair in behind(found, "stays"))
    assert told["rows"] == found.further["stays"].num_rows == 900


def test_no_day_is_left_in_an_event_table() -> None:
    found = protected().further["stays"]
    assert not any(pa.types.is_date(field.type) for field in found.schema)


def test_a_rare_kind_of_event_is_not_told() -> None:
    assert "rare" in stays().column("kind").to_pylist()
    assert "rare" not in protected().further["stays"].column("kind").to_pylist()


def test_an_event_of_one_large_family_is_not_told() -> None:
    """Twelve people, one family: the neighbours know which."""
    families = ["one family"] * 12 + [f"f{i}" for i in range(PEOPLE - 12)]
    kinds = pa.table(
        {"programme_id": [f"p{i}" for i in range(PEOPLE)], "kind": ["x"] * 12 + ["y"] * (PEOPLE - 12)}
    )
    found = protected({"quasi": []}, people(families), stays=kinds)
    assert "x" not in found.further["stays"].column("kind").to_pylist()


def test_a_class_of_one_large_family_is_suppressed_in_the_table_of_people_too() -> None:
    table = people(["one family"] * 12 + [f"f{i}" for i in range(PEOPLE - 12)])
    table = table.append_column("town", pa.array(["x"] * 12 + ["y"] * (PEOPLE - 12)))
    found = protect(table, parse_rules({"quasi": ["town"]}), family="family_id")
    assert "x" not in found.table.column("town").to_pylist()
    kept = protect(table, parse_rules({"quasi": ["town"]}), family=None)
    assert "x" in kept.table.column("town").to_pylist()


def test_top_coding_the_number_of_events_holds_for_the_rows_of_their_table() -> None:
    """Else whoever counts rows has the number that was top-coded."""
    counts = defaultdict(int)
    for person in stays().column("programme_id").to_pylist():
        counts[person] += 1
    assert max(counts.values()) > 3
    table = people().set_column(3, "stays", pa.array([counts[f"p{i}"] for i in range(PEOPLE)]))
    found = protected(RULES | {"top": {"stays": 3}}, table)
    rows = defaultdict(int)
    for person in found.further["stays"].column("programme_id").to_pylist():
        rows[person] += 1
    assert max(rows.values()) == 3
    assert set(found.table.column("stays").to_pylist()) <= {"0", "1", "2", "3", "3+"}
    assert found.report["further"]["stays"]["left_out"] == sum(max(0, n - 3) for n in counts.values())


@pytest.mark.parametrize("count", [0, 9])
def test_a_table_of_too_few_people_is_withheld(count: int) -> None:
    few = pa.table(
        {"programme_id": pa.array([f"p{i}" for i in range(count)], pa.string()),
         "kind": pa.array(["x"] * count, pa.string())}
    )  # fmt: skip
    found = protected({"quasi": []}, stays=few)
    if count:
        assert found.further == {}
        assert "withheld" in found.report["further"]["stays"]
    else:
        assert found.further["stays"].num_rows == 0


def test_family_links_are_released_as_soon_as_ten_families_are_alike() -> None:
    links = pa.table(
        {
            "family_id": [f"f{i}" for i in range(60)],
            "party": ["schools"] * 60,
            "party_family": [f"g{i}" for i in range(60)],
            "members": [2] * 57 + [9] * 3,
            "from": [date(2020, 1, 1)] * 60,
        }
    )
    found = protected({"quasi": []}, families=links)
    table = found.further["families"]
    assert 9 not in table.column("members").to_pylist()
    assert set(table.column("from").to_pylist()) <= {"2020-01", None}


def test_rules_name_columns_of_further_tables_and_are_refused_where_there_is_none() -> None:
    wrong = {
        "top": {"stays.kind": 3},
        "steps": {"stays.other": ["month"], "stays.days": ["month"]},
        "quasi": ["stays.days"],
    }
    with pytest.raises(DisclosureRulesError) as refused:
        protected(wrong)
    assert len(refused.value.problems) == 4


def test_postcodes_in_events_never_go_into_a_release() -> None:
    table = stays().append_column("where", pa.array(["DH1 5UL"] * 900))
    with pytest.raises(DisclosureRulesError, match="postcodes"):
        protected(stays=table)


# ---------------------------------------------------------------- sequences

events = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), max_size=14)


@given(events, st.lists(st.sampled_from("xy"), min_size=6, max_size=6))
def test_uniqueness_of_sequences_is_what_comparing_all_of_them_says(found: Any, sexes: list[str]) -> None:
    """By brute force: the events of a person as a sorted list, beside the person's own columns."""
    own = pa.table({"programme_id": [f"p{i}" for i in range(6)], "sex": sexes})
    table = pa.table(
        {"programme_id": pa.array([f"p{n}" for n, _ in found], pa.string()),
         "kind": pa.array([kind for _, kind in found], pa.string())}
    )  # fmt: skip
    said = [(sex, sorted(kind for n, kind in found if n == i)) for i, sex in enumerate(sexes)]
    expected = sum(said.count(one) == 1 for one in said)
    assert alone(sequences(own, {"stays": table}, ["stays", "sex"])) == expected


def test_the_report_says_how_many_sequences_are_one_persons_own() -> None:
    told = protected().report["events"]
    assert told["columns"] == ["stays", "sex"]
    assert told["unique_before"] > told["unique_after"] > 0
