from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parties_in_memory import agreed, manifest_of

from pseudolink.errors import ArtefactError
from pseudolink.formats import canonical
from pseudolink.formats.manifest import Manifest

GOOD = manifest_of(agreed())


def test_a_manifest_comes_back() -> None:
    assert Manifest.from_bytes(GOOD.to_bytes()) == GOOD
    assert len(GOOD.digest) == 64


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("artefact", "result"),
        ("project", ""),
        ("purpose", " "),
        ("agreement", "0" * 63),
        ("schema", "A" * 64),
        ("key_check", "0" * 31),
        ("key_check", None),
        ("sender", "../x"),
        ("recipients", ()),
        ("recipients", ("unit", "unit")),
        ("recipients", ("b", "a")),
        ("created", "2026-5-1"),
        ("created", "2026-02-30"),
        ("expires", "2026-04-30"),
        ("rows", -1),
        ("rows", True),
        ("software", 3),
        ("statistics", []),
        ("statistics", {"rate": 0.5}),
    ],
)
def test_a_wrong_value_is_neither_written_nor_read(field: str, value: Any) -> None:
    bad = replace(GOOD, **{field: value})
    with pytest.raises(ArtefactError):
        bad.to_bytes()
    raw = json.loads(GOOD.to_bytes())
    raw[field] = list(value) if isinstance(value, tuple) else value
    data = json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(ArtefactError):
        Manifest.from_bytes(data)


def test_unknown_and_missing_keys_are_listed_together() -> None:
    raw = json.loads(GOOD.to_bytes())
    del raw["rows"], raw["schema"]
    raw["extra"] = 1
    with pytest.raises(ArtefactError) as caught:
        Manifest.from_bytes(canonical.dumps(raw))
    assert {p.place for p in caught.value.problems} == {"", "rows", "schema"}


def test_the_words_of_an_unknown_sender_are_not_repeated() -> None:
    raw = {"\x1b[2J": 0.5}
    data = json.dumps(raw, ensure_ascii=False).replace(" ", "").encode()
    with pytest.raises(ArtefactError) as caught:
        Manifest.from_bytes(data)
    assert "\x1b" not in str(caught.value)
    with pytest.raises(ArtefactError) as caught:
        Manifest.from_bytes(canonical.dumps({"\x1b[2J": 1}))
    assert "\x1b" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(st.characters(exclude_categories=["Cs"])),
        lambda s: st.lists(s) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), s),
    )
)
def test_any_other_json_is_refused(value: Any) -> None:
    with pytest.raises(ArtefactError):
        Manifest.from_bytes(canonical.dumps(value))
    for key in json.loads(GOOD.to_bytes()):
        raw = {**json.loads(GOOD.to_bytes()), key: value}
        try:
            read = Manifest.from_bytes(canonical.dumps(raw))
        except ArtefactError:
            continue
        assert read.to_bytes() == canonical.dumps(raw)
