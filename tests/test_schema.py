"""linkage-schema-v1: the vectors, and what they cannot say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import SchemaError
from pseudolink.formats import canonical
from pseudolink.schema import LinkageSchema, load_schema, parse_schema

FOLDER = Path(__file__).parent.parent / "specs" / "vectors" / "schema"
VECTORS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
GOOD = [name for name, v in VECTORS.items() if v["expect"] == "success"]
BAD = [name for name, v in VECTORS.items() if v["expect"] == "failure"]


def written(name: str, folder: Path) -> Path:
    path = folder / "schema.toml"
    path.write_text("\n".join(VECTORS[name]["toml"]) + "\n", encoding="utf-8")
    return path


def loaded(name: str, folder: Path) -> LinkageSchema:
    return load_schema(written(name, folder))


def test_there_are_vectors() -> None:
    assert len(GOOD) > 5
    assert len(BAD) > 30


@pytest.mark.parametrize("name", GOOD)
def test_a_good_schema_has_the_same_digest_everywhere(name: str, tmp_path: Path) -> None:
    schema = loaded(name, tmp_path)
    assert VECTORS[name]["canonical"] == json.loads(canonical.dumps(schema.canonical))
    assert VECTORS[name]["digest"] == schema.digest


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_reported_with_its_place_and_nothing_else_is(name: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError) as caught:
        loaded(name, tmp_path)
    assert sorted(VECTORS[name]["problems"]) == sorted(p.place for p in caught.value.problems)
    assert all(p.message for p in caught.value.problems)


def test_three_mistakes_are_all_named_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="3 problems") as caught:
        loaded("three_mistakes", tmp_path)
    message = str(caught.value)
    for place in VECTORS["three_mistakes"]["problems"]:
        assert place in message
    assert "schema.toml" in message
    assert caught.value.code == "PL-SCHEMA-01"


@pytest.mark.parametrize(
    "name", ["defaults_written_out", "comments_and_description", "keys_in_another_order"]
)
def test_what_does_not_matter_does_not_change_the_digest(name: str) -> None:
    assert VECTORS["minimal"]["digest"] == VECTORS[name]["digest"]


@pytest.mark.parametrize(
    "name", ["fields_in_another_order", "passes_in_another_order", "other_alias", "floor_zero"]
)
def test_what_matters_changes_the_digest(name: str) -> None:
    assert VECTORS["minimal"]["digest"] != VECTORS[name]["digest"]


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = written("minimal", tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_schema(path).digest == VECTORS["minimal"]["digest"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"absent\.toml") as caught:
        load_schema(tmp_path / "absent.toml")
    assert "no such file" in str(caught.value)


def test_a_folder_is_not_a_schema(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="cannot be read"):
        load_schema(tmp_path)


def test_other_text_than_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    path.write_bytes('name = "Zoë"'.encode("cp1252"))
    with pytest.raises(SchemaError, match="not UTF-8"):
        load_schema(path)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    path.write_text(f"x = {'[' * 100_000}{']' * 100_000}", encoding="utf-8")
    with pytest.raises(SchemaError):
        load_schema(path)


def test_layout_is_bytes_of_the_segments(tmp_path: Path) -> None:
    assert loaded("minimal", tmp_path).layout == {"nino": (256 + 256 + 128) // 8, "born": 0}


def test_fields_in_use_are_found(tmp_path: Path) -> None:
    schema = loaded("minimal", tmp_path)
    assert schema.used == {"nino": ("stem",), "dob": ("",), "names": ("sorted_soundex",)}
    assert schema.compared == ("forename", "surname", "dob")
    assert schema.named == ("forename", "surname")
    assert schema.evidence == ("forename", "surname", "dob", "nino")


def test_floor_is_the_decimal_that_was_written(tmp_path: Path) -> None:
    assert loaded("minimal", tmp_path).floor.company == Decimal("0.05")
    assert loaded("floor_small", tmp_path).floor.company == Decimal("0.00001")


def test_two_broken_fields_do_not_hide_each_other() -> None:
    raw = {
        "format": "pseudolink/linkage-schema/1",
        "name": "n",
        "fields": {"a": {"kind": "x", "columns": ["a"]}, "b": {"kind": "y", "columns": ["b"]}},
        "passes": [{"name": "p", "on": ["a", "c"]}],
    }
    with pytest.raises(SchemaError) as caught:
        parse_schema(raw)
    assert [p.place for p in caught.value.problems] == ["fields.a.kind", "fields.b.kind", "passes[0].on[1]"]


def test_a_problem_never_shows_what_stood_there() -> None:
    """A schema is not secret; what is pasted into one by mistake may be."""
    raw = {
        "format": "pseudolink/linkage-schema/1",
        "name": "n",
        "fields": {"a": {"kind": "text", "columns": "SMITH-IN-THE-WRONG-PLACE"}},
        "passes": [{"name": "p", "on": ["a"]}],
    }
    with pytest.raises(SchemaError) as caught:
        parse_schema(raw)
    assert "SMITH" not in str(caught.value)


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["format", "name", "fields", "passes", "filters", "floor", "description", "other"])


@given(st.dictionaries(KEYS, JSONISH))
def test_any_content_is_refused_in_an_orderly_way(raw: dict[str, object]) -> None:
    with pytest.raises(SchemaError):
        parse_schema({**raw, "format": "pseudolink/linkage-schema/0"})


@given(
    st.dictionaries(st.sampled_from(["kind", "columns", "parts", "formats", "optional", "x"]), JSONISH),
    st.dictionaries(st.sampled_from(["name", "on", "compare", "x"]), JSONISH),
    st.dictionaries(st.sampled_from(["bits", "budget", "x"]), JSONISH),
)
def test_any_part_is_judged_without_a_crash(
    field: dict[str, object], one: dict[str, object], segment: dict[str, object]
) -> None:
    raw = {
        "format": "pseudolink/linkage-schema/1",
        "name": "n",
        "fields": {"a": {"kind": "text", "columns": ["a"]}, "b": field},
        "passes": [{"name": "p", "on": ["a"]}, one],
        "filters": {"b": segment},
    }
    problems: Sequence[object] = ()
    schema = None
    try:
        schema = parse_schema(raw)
    except SchemaError as error:
        problems = error.problems
    assert bool(problems) == (schema is None)
    assert schema is None or len(schema.digest) == 64


def test_examples_are_valid_schemas() -> None:
    folder = FOLDER.parent.parent.parent / "examples" / "schemas"
    found = {path.name: load_schema(path) for path in folder.glob("*.toml")}
    assert {"uk-programme.toml", "essnet.toml", "febrl.toml"} <= set(found)
