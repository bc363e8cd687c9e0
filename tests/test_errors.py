"""Errors carry a code, every problem, and advice."""

from __future__ import annotations

import json
import pickle

import pytest

from pseudolink import errors
from pseudolink.errors import (
    AttributeNotPermittedError,
    FieldRuleError,
    InputError,
    MissingColumnsError,
    NotPermittedError,
    Problem,
    ProblemsError,
    PseudolinkError,
    SchemaError,
)


def test_every_public_error_is_caught_by_the_base() -> None:
    public = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)]
    assert len(public) > 20
    assert all(issubclass(one, PseudolinkError) for one in public)


def test_several_problems_are_listed_with_their_places() -> None:
    error = SchemaError([Problem("name", "is blank"), Problem("", "not TOML")], source="a.toml")
    assert str(error).splitlines() == [
        "2 problems with the linkage schema in a.toml",
        "  name: is blank",
        "  not TOML",
    ]


def test_one_problem_is_singular() -> None:
    assert str(FieldRuleError([Problem("row 3, field 'dob'", "date.future")])).startswith(
        "1 problem with the cells\n"
    )


def test_problems_may_come_from_a_generator() -> None:
    """What is counted and what is listed are the same problems."""
    error = ProblemsError(Problem(str(n), "wrong") for n in range(3))
    assert len(error.problems) == 3
    assert str(error).count("wrong") == 3


def test_diagnostics_are_json_with_code_cause_and_advice() -> None:
    error = SchemaError([Problem("name", "is blank")], source="a.toml", advice="Give it one.")
    found = json.loads(json.dumps(error.diagnostics()))
    assert found["code"] == "PL-SCHEMA-01"
    assert found["advice"] == "Give it one."
    assert found["problems"] == [{"place": "name", "message": "is blank"}]


def test_an_error_without_advice_says_so() -> None:
    assert PseudolinkError("no").diagnostics() == {"code": "PL-GEN-00", "message": "no", "advice": None}


@pytest.mark.parametrize(
    ("one", "parents"),
    [
        (MissingColumnsError, (ProblemsError, InputError)),
        (AttributeNotPermittedError, (ProblemsError, NotPermittedError)),
    ],
)
def test_an_error_of_two_families_is_caught_as_either(
    one: type[ProblemsError], parents: tuple[type[PseudolinkError], ...]
) -> None:
    error = one([Problem("x", "y")])
    assert all(isinstance(error, parent) for parent in parents)
    assert "1 problem with the " in str(error)


def test_a_plain_error_crosses_a_process_border() -> None:
    """pytest-xdist and worker pools pickle what is raised."""
    again = pickle.loads(pickle.dumps(PseudolinkError("no")))  # noqa: S301
    assert str(again) == "no"
