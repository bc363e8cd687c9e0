"""schema check: what a schema says of itself, and every mistake at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project_on_disk import Project, run

from pseudolink.schema import load_schema

SCHEMAS = sorted((Path(__file__).parents[2] / "examples" / "schemas").glob("*.toml"))

MISTAKEN = """
format = "pseudolink/linkage-schema/1"
name = "mistaken"

[fields.dob]
kind = "birthday"
columns = ["dob"]

[fields.surname]
kind = "surname"
columns = ["surname"]

[[passes]]
name = "one"
on = ["surname.metaphor"]

[floor]
company = 2.0
component = 20
"""


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.stem)
def test_the_examples_are_good_and_show_their_digest(path: Path) -> None:
    result = run("schema", "check", path)
    assert result.exit_code == 0, result.stderr
    assert f"digest {load_schema(path).digest}" in result.stdout


def test_the_facts_as_json(tmp_path: Path) -> None:
    path = SCHEMAS[0]
    found = json.loads(run("schema", "check", path, "--json").stdout)
    schema = load_schema(path)
    assert found["digest"] == schema.digest
    assert [p["name"] for p in found["passes"]] == [p.name for p in schema.passes]
    assert found["floor"] == {"company": float(schema.floor.company), "component": schema.floor.component}
    assert found["bytes_per_record"] == 16 + sum(16 + p["filter_bytes"] for p in found["passes"])


def test_three_mistakes_are_named_at_once_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "schema.toml").write_text(MISTAKEN)
    result = run("schema", "check", tmp_path / "schema.toml", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "PL-SCHEMA-01"
    places = [p["place"] for p in error["problems"]]
    assert len(places) == 3
    for place in ("fields.dob.kind", "passes[0].on", "floor.company"):
        assert any(one.startswith(place) for one in places), places


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\xff\xfe", b"[passes", b"format = 3\n"])
def test_a_file_that_is_no_schema_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "schema.toml").write_bytes(data)
    result = run("schema", "check", tmp_path / "schema.toml")
    assert result.exit_code == 1
    assert "PL-SCHEMA-01" in result.stderr


def test_a_schema_is_started_from_an_extract_planned_and_checked(project: Project, tmp_path: Path) -> None:
    """With the command alone: no file of the repository is needed."""
    fields, schema = tmp_path / "fields.toml", tmp_path / "schema.toml"
    begun = run("schema", "start", project.extract("council"), "-o", fields, "--json")
    assert begun.exit_code == 0, begun.stderr
    assert {"forename", "surname", "dob"} <= set(json.loads(begun.stdout)["fields"])
    assert "schema plan" in begun.stderr
    planned = run(
        *("schema", "plan", project.extract("council"), "--schema", fields, "--passes", 3, "-o", schema),
        *("--company", 0.5),
    )
    assert planned.exit_code == 0, planned.stderr
    assert run("schema", "check", schema).exit_code == 0
    assert run("schema", "start", "-o", tmp_path / "example.toml").exit_code == 0
    assert run("schema", "check", tmp_path / "example.toml").exit_code == 0
    again = run("schema", "start", "-o", fields)
    assert (again.exit_code, "PL-OUT-01" in again.stderr) == (1, True)
