"""Every kind gives what specs/vectors/cleaning says."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from pseudolink import components
from pseudolink.clean import date
from pseudolink.clean.extract import JUDGES
from pseudolink.clean.verdict import Verdict

FOLDER = Path(__file__).parents[2] / "specs" / "vectors" / "cleaning"
#: The day on which the vectors are read.
TODAY = datetime.date(2026, 1, 15)
VECTORS = [
    pytest.param(path.stem, vector, id=f"{path.stem}-{vector['name']}")
    for path in sorted(FOLDER.glob("*.json"))
    for vector in json.loads(path.read_text(encoding="utf-8"))
]


def judged(kind: str, vector: dict[str, Any]) -> Verdict:
    if kind == "date-parts":
        return date.judge_parts(*vector["in"], today=TODAY)
    if kind == "date":
        return date.judge(vector["in"], formats=vector.get("formats", ()), today=TODAY)
    return JUDGES[kind](vector["in"])


@pytest.mark.parametrize(("kind", "vector"), VECTORS)
def test_a_cell_is_judged_as_the_specification_says(kind: str, vector: dict[str, Any]) -> None:
    """Value, rule and flag are those of the vector."""
    assert judged(kind, vector) == Verdict(vector["out"], vector["rule"], vector["flag"])


@pytest.mark.parametrize(("kind", "vector"), VECTORS)
def test_a_vector_says_what_it_is_for(kind: str, vector: dict[str, Any]) -> None:
    """A broken rule is a failure; the section that the vector cites is in the specification."""
    assert vector["expect"] == ("failure" if vector["rule"] else "success")
    document, _, section = vector["spec"].partition("#")
    text = (FOLDER.parents[2] / document).read_text(encoding="utf-8")
    assert f"\n{section} " in text


def test_every_kind_of_the_schema_has_a_judge_and_vectors() -> None:
    """A kind that the schema allows can be cleaned."""
    kinds = set(components.DERIVATIONS)
    assert set(JUDGES) == kinds
    assert {path.stem for path in FOLDER.glob("*.json")} == kinds | {"date-parts"}


def test_every_rule_and_flag_of_the_specification_has_a_vector() -> None:
    """The tables of rules and flags in section 1 name nothing that no vector shows, and no less."""
    text = (FOLDER.parents[1] / "cleaning-v1.md").read_text(encoding="utf-8")
    section = text.split("\n## 1. ")[1].split("\n## ")[0]
    table = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    shown = {param.values[1][key] for param in VECTORS for key in ("rule", "flag")} - {None}
    assert sorted(table) == sorted(shown)
