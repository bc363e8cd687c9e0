"""tables-v1 section 7: means, deviations and models tell of no few people."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from project_on_disk import run

from pseudolink.errors import UnsafeOutputError, UsageError
from pseudolink.release.tables.definition import STRICT
from pseudolink.release.tables.outputs import NOT_TOLD, Model, check_model, summarise
from pseudolink.release.tables.people import People, read_people


def people(frame: pd.DataFrame, names: tuple[str, ...], amount: str | None = None) -> People:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    family = "family" if "family" in frame else None
    return read_people(table, names, person="id", family=family, amount=amount)


def frame(n: int = 200, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(n)],
            "family": [f"f{i // 2}" for i in range(n)],
            "group": rng.choice(["a", "b", "c"], n),
            "sex": rng.choice(["1", "2"], n),
            "answer": rng.choice(["yes", "no"], n),
            "score": rng.uniform(10, 60, n).round(2),
        }
    )


def told(data: pd.DataFrame, *by: str) -> dict[Any, Any]:
    found = summarise(people(data, by, "score"), by, STRICT)
    return {tuple(one.group.values()) if NOT_TOLD not in one.group else NOT_TOLD: one for one in found}


def test_means_and_deviations_are_those_of_the_data_to_three_digits() -> None:
    data = frame()
    found = told(data, "group")
    for name, rows in data.groupby("group"):
        one = found[(name,)]
        assert one.mean == pytest.approx(rows["score"].mean(), rel=5e-3)
        assert one.deviation == pytest.approx(rows["score"].std(), rel=5e-3)
        assert one.people == 5 * int(len(rows) / 5 + 0.5)


def test_a_group_of_a_few_takes_another_with_it() -> None:
    """Else the mean of everybody and of the others gives the few away."""
    data = frame()
    data.loc[:3, "group"] = "rare"
    found = told(data, "group")
    assert ("rare",) not in found
    assert NOT_TOLD in found
    assert len(found) == 3  # two of a, b and c


def test_a_group_of_one_family_of_twelve_is_not_told() -> None:
    data = frame()
    data.loc[:11, ["group", "family"]] = ["home", "one family"]
    assert ("home",) not in told(data, "group")


def test_a_group_that_one_person_or_one_family_decides_is_not_told() -> None:
    data = frame()
    data.loc[0, "score"] = 10_000
    assert (data.loc[0, "group"],) not in told(data, "group")
    data = frame()
    data.loc[data["group"] == "a", "family"] = [
        f"x{i}" if i > 20 else "large" for i in range((data["group"] == "a").sum())
    ]
    data.loc[data["family"] == "large", "score"] = 60.0
    assert ("a",) not in told(data, "group")


def test_a_group_in_which_all_are_alike_is_not_told() -> None:
    data = frame()
    data.loc[data["group"] == "a", "score"] = 7.0
    assert ("a",) not in told(data, "group")


def test_who_has_no_value_is_not_counted() -> None:
    data = frame()
    data.loc[data["group"] == "a", "score"] = np.nan
    assert ("a",) not in told(data, "group")


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 99))
def test_what_is_not_told_is_never_a_few_people(sizes: list[int], seed: int) -> None:
    names = [name for number, size in enumerate(sizes) for name in [f"g{number}"] * size]
    n = len(names)
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"id": range(n), "group": names, "score": rng.uniform(10, 20, n)})
    found = summarise(people(data, ("group",), "score"), ("group",), STRICT)
    shown = {one.group["group"] for one in found if NOT_TOLD not in one.group}
    counts = data["group"].value_counts()
    assert all(counts[name] >= 11 for name in shown)
    hidden = [count for name, count in counts.items() if name not in shown]
    if hidden and shown:
        assert len(hidden) > 1
        assert sum(hidden) >= 10


# ---------------------------------------------------------------- models


def check(data: pd.DataFrame, formula: str, *numbers: str) -> Any:
    model = Model.parse(formula)
    changed = data.copy()
    for name in numbers:
        changed[name] = np.where(changed[name].isna(), None, "number")
    return check_model(people(changed, model.columns), model, numbers, STRICT)


def broken(data: pd.DataFrame, formula: str, *numbers: str) -> list[str]:
    with pytest.raises(UnsafeOutputError) as refused:
        check(data, formula, *numbers)
    return [f"{one.place}: {one.message}" for one in refused.value.problems]


def test_a_sound_model_passes_and_tells_its_degrees_of_freedom() -> None:
    found = check(frame(), "score ~ group + sex", "score")
    assert (found.people, found.families, found.parameters) == (200, 100, 4)
    assert found.freedom == 95  # families, less parameters, rounded


def test_a_model_with_a_parameter_for_nearly_everybody_is_refused() -> None:
    data = frame(40)
    data["town"] = [f"t{i % 20}" for i in range(40)]
    said = broken(data, "score ~ town", "score")
    assert any("degrees of freedom" in one for one in said)
    assert any("too few" in one for one in said)
    assert "t1" not in " ".join(said)


def test_a_category_of_one_family_is_refused() -> None:
    data = frame()
    data.loc[:11, ["group", "family"]] = ["home", "one family"]
    assert any("group: a category" in one for one in broken(data, "score ~ group + sex", "score"))


def test_complete_separation_is_refused() -> None:
    """A coefficient without bound says that everybody of the group gave one answer."""
    data = frame()
    data.loc[data["group"] == "a", "answer"] = "yes"
    assert any("that tells of all" in one for one in broken(data, "answer ~ group + score", "score"))


def test_a_saturated_model_is_a_table() -> None:
    assert any("are a table" in one for one in broken(frame(), "score ~ group:sex", "score"))


def test_an_interaction_of_a_few_is_refused() -> None:
    data = frame()
    data.loc[(data["group"] == "a") & (data["sex"] == "1"), "sex"] = "2"
    data.loc[:2, ["group", "sex"]] = ["a", "1"]
    assert any("group:sex" in one for one in broken(data, "answer ~ score + group:sex", "score"))


def test_differencing_by_a_few_missing_values_is_refused() -> None:
    """The same model with and without them would be those few."""
    data = frame()
    data.loc[:2, "score"] = None
    assert any("left out" in one for one in broken(data, "score ~ group + sex", "score"))
    data.loc[:30, "score"] = None
    assert check(data, "score ~ group + sex", "score").people == 170


@pytest.mark.parametrize(
    "formula", ["score", "~ a", "a ~", "a ~ b + b", "a ~ a", "a ~ log(b)", "a ~ b * c", "a ~ b:"]
)
def test_what_is_no_formula_is_refused(formula: str) -> None:
    with pytest.raises(UsageError):
        Model.parse(formula)


# ---------------------------------------------------------------- the command


def test_the_command_reads_csv_and_parquet_alike(tmp_path: Any) -> None:
    data = frame()
    data.to_csv(tmp_path / "people.csv", index=False)
    data.to_parquet(tmp_path / "people.parquet")
    who = ("--person", "id", "--family", "family", "--json")
    said = []
    for name in ("people.csv", "people.parquet"):
        one = run("check", tmp_path / name, "--summary", "score", "--by", "group", *who)
        assert one.exit_code == 0, one.stderr
        two = run("check", tmp_path / name, "--model", "score ~ group + sex", *who)
        assert two.exit_code == 0, two.stderr
        said.append((json.loads(one.stdout), json.loads(two.stdout)))
    assert said[0] == said[1]
    assert set(said[0][0]["groups"][0]) == {"group", "people", "mean", "standard_deviation"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--summary", "score", "--model", "a ~ b"), "PL-USE-01"),
        ((), "PL-USE-01"),
        (("--summary", "shoes"), "PL-TABLE-01"),
        (("--model", "score ~ shoes"), "PL-TABLE-01"),
        (("--model", "score ~ id"), "PL-TABLE"),
        (("--summary", "score", "--by", "group", "--where", "group"), "PL-USE-01"),
        (("--model", "score ~ group", "--numbers", "group"), "PL-TABLE-01"),
    ],
)
def test_refusals_have_a_code_and_no_value(tmp_path: Any, words: tuple[str, ...], code: str) -> None:
    frame().to_csv(tmp_path / "people.csv", index=False)
    done = run("check", tmp_path / "people.csv", "--person", "id", "--family", "family", *words)
    assert done.exit_code == 1
    assert done.stderr.startswith(code), done.stderr
    assert "p1" not in done.stderr
