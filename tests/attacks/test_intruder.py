"""The motivated intruder on releases small enough to count by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.attacks.intruder import intrude
from pseudolink.errors import MissingColumnsError, UsageError


def table(**columns: list[Any]) -> pa.Table:
    return pa.table(columns)


#: Two men of one year, a woman, a man of another year, and someone whose sex is missing.
RELEASE = table(
    programme_id=["p1", "p2", "p3", "p4", "p5"],
    sex=["M", "M", "F", "M", None],
    year=[1990, 1990, 1990, 1980, 1970],
    person=["a", "b", "c", "d", "e"],
)
KNOWN = table(
    programme_id=["D1", "D2", "D3", "D4", "D5", "D6"],
    sex=["m", "m", "f ", "m", None, "f"],
    year=["1990", "1990", "1990", "1980", "1970", "1950"],
    person=["a", "b", "c", "x", "e", "f"],
)


def test_rows_are_singled_out_claimed_and_right_as_counted_by_hand() -> None:
    found = intrude(RELEASE, KNOWN, ["sex", "year"], truth="person")
    assert (found.rows, found.people) == (5, 6)
    assert found.singled_out == 3  # the woman, the man of 1980, the one of 1970
    assert found.claimed == 3
    assert found.correct == 2  # the man of 1980 is somebody else
    assert found.found == 4
    assert found.named.tolist() == [-1, -1, 2, 3, 4]
    assert found.expected == pytest.approx(1 / 2 + 1 / 2 + 1 + 1 + 1)
    assert found.without == {"sex": 2, "year": 2}
    assert found.by_id == 0


def test_programme_ids_as_supplied_name_everyone() -> None:
    raw = RELEASE.set_column(0, "programme_id", pa.array(["D1", "D2", "D3", "D4", "D5"]))
    found = intrude(raw, KNOWN, ["sex"])
    assert found.by_id == 5
    assert "name 5 rows" in found.sentence()


def test_a_claim_needs_one_person_and_not_two() -> None:
    twice = pa.concat_tables([KNOWN, KNOWN.slice(2, 1)])
    found = intrude(RELEASE, twice, ["sex", "year"])
    assert (found.singled_out, found.claimed) == (3, 2)
    assert found.correct is None


def test_a_month_is_compared_with_a_day_as_far_as_it_goes() -> None:
    release = table(start=["2024-03", "2024-04"])
    known = table(begun=[date(2024, 3, 9), date(2024, 4, 1), date(2024, 4, 30)])
    found = intrude(release, known, ["start=begun"])
    assert found.named.tolist() == [0, -1]


def test_a_count_is_a_count_whether_it_has_a_point_or_not() -> None:
    assert intrude(table(n=[3, 4]), table(n=[3.0, 5.0]), ["n"]).named.tolist() == [0, -1]


def test_family_size_is_counted_although_pseudonyms_of_families_differ() -> None:
    release = table(family_id=["x", "x", "x", "y", None])
    known = table(family_id=["1", "2", "2", "2", None])
    found = intrude(release, known, ["family_size"])
    assert found.named.tolist() == [-1, -1, -1, 0, 4]


def test_every_missing_column_is_named_at_once() -> None:
    with pytest.raises(MissingColumnsError) as caught:
        intrude(RELEASE, KNOWN, ["district", "sex=gender"], truth="who")
    text = str(caught.value)
    for name in ("release: district", "known: district", "known: gender", "release: who", "known: who"):
        assert name in text


@pytest.mark.parametrize("on", [[], ["sex", "sex"], ["person"]])
def test_a_question_that_makes_no_sense_is_refused(on: list[str]) -> None:
    with pytest.raises(UsageError):
        intrude(RELEASE, KNOWN, on, truth="person")


def test_an_empty_release_gives_nobody_away() -> None:
    found = intrude(RELEASE.slice(0, 0), KNOWN, ["sex", "year"], truth="person")
    assert (found.singled_out, found.claimed, found.correct) == (0, 0, 0)
    assert found.to_json()["claimed"]["share"] == 0


def test_shuffled_truth_is_right_no_more_often_than_chance() -> None:
    rng = np.random.default_rng(1)
    rows = 400
    facts = [f"f{n}" for n in range(rows)]
    who = [str(n) for n in range(rows)]
    release = table(fact=facts, person=[who[n] for n in rng.permutation(rows)])
    found = intrude(release, table(fact=facts, person=who), ["fact"], truth="person")
    assert found.claimed == rows
    assert found.correct is not None
    assert found.correct < 10


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), max_size=25))
def test_counts_are_those_of_counting_by_force(rows: list[tuple[str, str, bool]]) -> None:
    columns = [list(c) for c in zip(*rows, strict=True)] or [[], [], []]
    whole = pa.table(
        {
            "one": pa.array(columns[0], pa.string()),
            "two": pa.array(columns[1], pa.string()),
            "here": pa.array(columns[2], pa.bool_()),
        }
    )
    release = whole.filter(whole.column("here"))
    found = intrude(release, whole, ["one", "two"])
    keys = [(a, b) for a, b, here in rows if here]
    everyone = [(a, b) for a, b, _ in rows]
    assert found.singled_out == sum(keys.count(k) == 1 for k in keys)
    assert found.claimed == sum(keys.count(k) == 1 and everyone.count(k) == 1 for k in keys)
    assert found.expected == pytest.approx(sum(1 / everyone.count(k) for k in keys))
