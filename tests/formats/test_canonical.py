from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import ArtefactError
from pseudolink.formats import canonical

VECTORS = sorted((Path(__file__).parents[2] / "specs/vectors/canonical").glob("*.json"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-canonical.LARGEST, canonical.LARGEST) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_a_value_comes_back_and_has_one_spelling(value: Any) -> None:
    data = canonical.dumps(value)
    assert value == canonical.loads(data) == json.loads(data)
    assert data == canonical.dumps(canonical.loads(data))


@given(VALUES, st.integers(0, 10), st.sampled_from([b" ", b"\n", b"\t"]))
def test_a_second_spelling_with_white_space_is_refused(value: Any, at: int, space: bytes) -> None:
    data = canonical.dumps(value)
    at = min(at, len(data))
    try:
        same = json.loads(data[:at] + space + data[at:]) == value
    except ValueError:
        same = False
    if same:
        with pytest.raises(ArtefactError):
            canonical.loads(data[:at] + space + data[at:])


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = canonical.loads(data)
    except ArtefactError:
        return
    assert canonical.dumps(value) == data


@pytest.mark.parametrize("value", [0.5, 2**53, -(2**53), b"x", {1: 2}, {"a": [1, {"b": 0.5}]}, float("nan")])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ArtefactError):
        canonical.dumps(value)


def test_every_place_without_a_canonical_form_is_listed() -> None:
    with pytest.raises(ArtefactError) as caught:
        canonical.dumps({"a": [1, 0.5], "b": {"c": b""}})
    assert [p.place for p in caught.value.problems] == ["a[1]", "b.c"]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_texts_of_the_specification(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    data = bytes.fromhex(vector["data_hex"])
    if vector["expect"] == "failure":
        with pytest.raises(ArtefactError):
            canonical.loads(data)
    else:
        assert vector["sha256"] == canonical.digest(canonical.loads(data))


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 10
