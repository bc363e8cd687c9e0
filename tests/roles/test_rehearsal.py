"""The rehearsal's own arithmetic; the whole of it is rehearsed end to end."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_linkage import schema_of

from pseudolink.errors import UsageError
from pseudolink.roles.rehearsal import Clock, _true_pairs, peak_memory, rehearse

SCHEMA = schema_of(
    [["surname", "dob"], ["forename", "dob"], ["forename", "surname", "postcode"]],
    floor={"company": 1.0, "component": 1000},
)


def people(count: int, offset: int = 0) -> pd.DataFrame:
    rows = range(offset, offset + count)
    return pd.DataFrame(
        {
            "forename": [f"f{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in rows],
            "surname": [f"s{chr(97 + n % 17)}{chr(97 + n % 23)}{chr(97 + n % 11)}" for n in rows],
            "dob": [f"19{50 + n % 50}-0{1 + n % 9}-{10 + n % 19}" for n in rows],
            "postcode": [f"DH{1 + n % 9} {n % 10}AB" for n in rows],
            "sex": ["F"] * count,
            "nino": [""] * count,
            "upn": [""] * count,
            "nhs": [""] * count,
            "uln": [""] * count,
            "street": [""] * count,
            "truth": [f"p{n}" for n in rows],
        }
    )


TRUTHS = st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=8)


@given(TRUTHS, TRUTHS)
def test_true_pairs_are_counted_as_by_hand(left: list[str | None], right: list[str | None]) -> None:
    """Every pair with the same truth; no truth is nobody's."""
    expected = sum(a is not None and a == b for a in left for b in right)
    assert _true_pairs(np.asarray(left, dtype=object), np.asarray(right, dtype=object)) == expected


def test_perfect_copies_link_perfectly() -> None:
    found = rehearse([people(120), people(120)], SCHEMA, "truth")
    assert (found["precision"], found["recall"], found["f1"]) == (1.0, 1.0, 1.0)
    assert found["true_pairs"] == found["links"] == 120
    assert found["candidate_recall"] == 1.0


def test_people_without_truth_are_in_no_true_pair() -> None:
    """A link of theirs counts as wrong: nobody knows better."""
    left = people(120)
    left.loc[:29, "truth"] = ["", " ", None] * 10
    found = rehearse([left, people(120)], SCHEMA, "truth")
    assert found["true_pairs"] == 90
    assert found["recall"] == 1.0
    assert found["precision"] == pytest.approx(90 / 120)


def test_files_without_a_person_in_common_give_no_recall_and_no_crash() -> None:
    found = rehearse([people(100), people(100, 200)], SCHEMA, "truth")
    assert found["true_pairs"] == 0
    assert found["recall"] == found["f1"] == 0.0


@pytest.mark.parametrize("kind", [pd.DataFrame, pa.Table.from_pandas])
def test_frames_and_tables_are_named_by_their_place(kind: type) -> None:
    found = rehearse([kind(people(60)), kind(people(60)), kind(people(60))], SCHEMA, "truth")
    assert [(p["left"], p["right"]) for p in found["pairs"]] == [("table1", "table2"), ("table1", "table3")]


def test_a_truth_that_the_schema_also_reads_is_still_taken_out() -> None:
    """Nothing may be linked by the truth, not even when a field would read its column."""
    frames = [
        people(60).rename(columns={"truth": "street2"}),
        people(60).rename(columns={"truth": "street2"}),
    ]
    schema = schema_of(
        [["surname", "dob"], ["street"]],
        floor={"company": 1.0, "component": 1000},
        fields={
            "surname": {"kind": "surname", "columns": ["surname"]},
            "dob": {"kind": "date", "columns": ["dob"]},
            "street": {"kind": "text", "columns": ["street2"], "optional": True},
        },
    )
    found = rehearse(frames, schema, "street2")
    assert found["links"] > 0
    assert found["company"] < 1.0


def test_one_file_is_no_rehearsal() -> None:
    with pytest.raises(UsageError):
        rehearse([people(10)], SCHEMA, "truth")


def test_a_clock_adds_up_its_stages() -> None:
    clock = Clock()
    for _ in range(2):
        with clock.stage("a"):
            time.sleep(0.01)
    with pytest.raises(KeyError), clock.stage("b"):
        raise KeyError
    result = clock.result()
    assert set(result) == {"a", "b", "total"}
    assert 0.02 <= result["a"] <= result["total"]


def test_peak_memory_is_in_bytes() -> None:
    """More than an interpreter with numpy and less than the machine has."""
    found = peak_memory()
    assert found is not None
    assert 2**25 < found < 2**37


def test_it_works_where_the_system_tells_no_memory() -> None:
    """Windows has no ``resource`` module: nothing may need it there."""
    code = """
import sys
sys.modules["resource"] = None
real = sys.platform
import click, pyarrow, pandas, numba, scipy, cryptography
sys.platform = "win32"
import types
sys.modules["msvcrt"] = types.ModuleType("msvcrt")
from pseudolink.roles import rehearsal
assert rehearsal.peak_memory() is None
from pseudolink.cli.anyone import _rehearsal_text
cost = {"seconds": {"total": 1.0}, "peak_memory_bytes": None}
assert _rehearsal_text({"pairs": [], **cost}) == "total 1.0 s"
sys.platform = real
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
