"""A release under its rules: what is changed is told, and what is left keeps them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pseudolink.errors import DisclosureError
from pseudolink.release.microdata.protect import protect
from pseudolink.release.microdata.rules import parse_rules


def release(n: int = 300, seed: int = 3) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "programme_id": [f"p{i}" for i in range(n)],
            "family_id": [f"f{i // 3}" if i % 7 else None for i in range(n)],
            "start": [date(2022, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 700, n)],
            "born": [None if i % 50 == 0 else date(2008, 1, 1) + timedelta(days=int(d))
                     for i, d in enumerate(rng.integers(0, 1400, n))],
            "sex": rng.choice(["1", "2"], n),
            "exclusions": rng.poisson(1.5, n),
            "offences": rng.poisson(0.8, n),
        }
    )  # fmt: skip


RULES = {
    "quasi": ["born", "sex", "family_size"],
    "steps": {"born": ["month", "quarter", "year"], "family_size": ["band-2", "drop"]},
    "top": {"exclusions": 3, "family_size": 5},
    "sensitive": {"offences": 2},
    "events": ["exclusions", "offences"],
}


def sizes(table: pa.Table, names: list[str]) -> list[int]:
    return table.group_by(names).aggregate([([], "count_all")]).column("count_all").to_pylist()


def test_every_class_of_the_release_has_k_people():
    found = protect(release(), parse_rules(RULES), family="family_id")
    assert min(sizes(found.table, ["born", "sex", "family_size"])) >= 10
    assert found.report["after"]["below_k"] == 0
    assert found.report["before"]["below_k"] > 0
    assert found.report["after"]["smallest"] == min(sizes(found.table, ["born", "sex", "family_size"]))


def test_no_day_is_left_in_any_column_of_dates():
    found = protect(release(), parse_rules(RULES), family="family_id")
    assert not any(pa.types.is_date(field.type) for field in found.table.schema)
    assert found.report["columns"]["start"] == {"step": "month", "suppressed": 0}
    months = {v for v in found.table.column("start").to_pylist() if v is not None}
    assert all(len(month) == 7 and month[4] == "-" for month in months)


def test_a_date_that_is_a_quasi_identifier_is_never_left_as_a_day():
    rules = {"quasi": ["born"], "steps": {"born": ["month", "year"]}}
    same = release().set_column(3, "born", pa.array([date(2010, 5, 6)] * 300))
    found = protect(same, parse_rules(rules), family=None)
    assert set(found.table.column("born").to_pylist()) == {"2010-05"}


def test_large_counts_are_under_one_label():
    before = release()
    found = protect(before, parse_rules(RULES), family="family_id")
    above = sum(v > 3 for v in before.column("exclusions").to_pylist())
    assert found.report["columns"]["exclusions"]["top_coded"] == above
    assert found.table.column("exclusions").to_pylist().count("3+") == above
    assert not {"4", "5", "6"} & set(found.table.column("exclusions").to_pylist())


def test_what_the_report_counts_is_what_was_changed():
    before = release()
    found = protect(before, parse_rules(RULES), family="family_id")
    missing = found.table.column("sex").null_count
    assert found.report["columns"]["sex"]["suppressed"] == missing - before.column("sex").null_count
    assert found.table.num_rows == before.num_rows
    assert found.table.column("programme_id").equals(before.column("programme_id"))


def test_household_risk_is_that_of_a_family_together():
    """Two people of classes of ten and five: one of them is singled out with 1 - 0.9 * 0.8."""
    table = pa.table(
        {
            "family_id": ["a", "a", *(None for _ in range(13))],
            "kind": ["x", "y", *["x"] * 9, *["y"] * 4],
        }
    )
    found = protect(table, parse_rules({"quasi": ["kind"]}), family="family_id")
    assert found.report["before"]["household_risk"] == pytest.approx(1 - 0.9 * 0.8)


def test_family_size_is_of_the_release():
    """An objection before makes a family smaller, and nothing shows that it was larger."""
    table = release().slice(0, 299)
    found = protect(table, parse_rules({"quasi": ["family_size"]}), family="family_id")
    assert "family_size" in found.table.column_names


@pytest.mark.parametrize(
    "more",
    [{}, {"top": {"family_size": 2}}, {"steps": {"family_size": ["band-2"]}},
     {"steps": {"family_size": ["drop"]}}],
)  # fmt: skip
def test_counting_attack_a_hidden_family_size_does_not_come_back_by_the_rows_of_a_family(more):
    """Families of 1, 2 and 9: a size that few people have is hidden, and nobody can count it."""
    sizes_made = [1] * 60 + [2] * 60 + [9]
    ids = [f"f{n}" for n, size in enumerate(sizes_made) for _ in range(size)]
    table = pa.table({"family_id": ids, "sex": [str(n % 2) for n in range(len(ids))]})
    found = protect(table, parse_rules({"quasi": ["family_size", "sex"]} | more), family="family_id")
    counted = found.table.group_by("family_id").aggregate([([], "count_all")])
    count = dict(zip(*(counted.column(n).to_pylist() for n in ("family_id", "count_all")), strict=True))
    shown = found.table.column("family_size").to_pylist()
    families = found.table.column("family_id").to_pylist()
    assert None in families
    assert 9 not in [number for family, number in count.items() if family is not None]
    for size, family in zip(shown, families, strict=True):
        assert family is None or count[family] <= int(size)
    assert found.report["columns"]["family_id"]["suppressed"] == families.count(None)


def test_fewer_people_than_k_are_refused():
    with pytest.raises(DisclosureError):
        protect(release().slice(0, 9), parse_rules(RULES), family="family_id")


def test_without_quasi_identifiers_dates_and_large_numbers_are_still_coarse():
    found = protect(release(), parse_rules({"top": {"offences": 2}}), family="family_id")
    assert found.report["columns"]["start"]["step"] == "month"
    assert "2+" in found.table.column("offences").to_pylist()
