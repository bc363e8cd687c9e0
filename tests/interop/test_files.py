"""clk-v1, section 8: files of CLKs, whole or refused."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pseudolink.errors import ArtefactError, EmptyInputError, InputError, PseudolinkError, UsageError
from pseudolink.interop.files import BINARY_FORMS, read_binary, read_json, write_binary, write_json

CLKS = np.arange(24, dtype=np.uint8).reshape(3, 8)
ANY = arrays.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 9)))
BLOCKS = st.lists(st.one_of(st.text(max_size=4), st.integers(-5, 5)), max_size=3)

in_files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@in_files
@given(ANY, st.data())
def test_json_comes_back_as_it_was(tmp_path: Path, clks: np.ndarray, data: st.DataObject) -> None:
    path = tmp_path / "clks.json"
    path.unlink(missing_ok=True)
    blocks = data.draw(st.none() | st.lists(BLOCKS, min_size=len(clks), max_size=len(clks)))
    assert write_json(path, [clks[:1], clks[1:]], blocks=blocks) == len(clks)
    found = read_json(path)
    assert np.array_equal(clks, found.clks)
    assert found.blocks == (None if blocks is None else tuple(map(tuple, blocks)))


@in_files
@given(ANY, st.sampled_from(BINARY_FORMS))
def test_binary_comes_back_as_it_was(tmp_path: Path, clks: np.ndarray, form: str) -> None:
    path = tmp_path / "clks.bin"
    path.unlink(missing_ok=True)
    assert write_binary(path, [clks[:1], clks[1:]], form=form) == len(clks)
    found, index = read_binary(path, size=clks.shape[1], form=form)
    assert np.array_equal(clks, found)
    assert index.tolist() == list(range(len(clks)))


@pytest.mark.parametrize(("form", "layout"), [("bare", "!8s"), ("indexed", "!I8s"), ("counted", "!I8sH")])
def test_binary_forms_are_those_of_the_entity_service(form: str, layout: str, tmp_path: Path) -> None:
    path = tmp_path / "clks.bin"
    write_binary(path, [CLKS], form=form)
    expected = b""
    for number, row in enumerate(CLKS):
        values = {"bare": [row.tobytes()], "indexed": [number, row.tobytes()]}
        values["counted"] = [*values["indexed"], int.from_bytes(row.tobytes()).bit_count()]
        expected += struct.pack(layout, *values[form])
    assert expected == path.read_bytes()


def test_json_is_what_anonlink_client_writes(tmp_path: Path) -> None:
    path = tmp_path / "clks.json"
    write_json(path, [CLKS])
    assert json.loads(path.read_text()) == {
        "clks": [base64.b64encode(row.tobytes()).decode() for row in CLKS]
    }


@pytest.mark.parametrize(
    ("raw", "places"),
    [
        ({"clks": ["AAAA", "AA=="]}, ["clks[1]"]),
        ({"clks": ["AAAA", "A A="]}, ["clks[1]"]),
        ({"clks": ["AAAA", 7, None]}, ["clks[1]", "clks[2]"]),
        ({"clks": [""]}, ["clks[0]"]),
        ({"clks": ["AB=="]}, ["clks[0]"]),
        ({"clknblocks": ["AAAA"]}, ["clknblocks[0]", "clknblocks[0]"]),
        ({"clknblocks": [["AAAA", "1", 2, 1.5, True, None]]}, [f"clknblocks[0][{i}]" for i in (3, 4, 5)]),
        ({"clknblocks": [["AAAA"], []]}, ["clknblocks[1]", "clknblocks[1]"]),
    ],
)
def test_damaged_clks_are_refused_with_their_place(raw: object, places: list[str], tmp_path: Path) -> None:
    path = tmp_path / "clks.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(ArtefactError) as refused:
        read_json(path)
    assert places == [p.place for p in refused.value.problems]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'{"clks": 1}', b'{"clks": [], "clknblocks": []}', b'{"other": []}', b"\xff\xfe"],
)
def test_what_is_no_file_of_clks_is_refused(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clks.json"
    path.write_bytes(raw)
    with pytest.raises(InputError):
        read_json(path)


def test_a_file_without_clks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'{"clks": []}')
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(EmptyInputError):
        read_json(tmp_path / "a")
    with pytest.raises(EmptyInputError):
        read_binary(tmp_path / "b", size=8)
    for reader in (read_json, lambda path: read_binary(path, size=8)):
        with pytest.raises(InputError):
            reader(tmp_path / "absent")


def test_many_problems_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "clks.json"
    path.write_text(json.dumps({"clks": ["?"] * 70}))
    with pytest.raises(ArtefactError) as refused:
        read_json(path)
    assert len(refused.value.problems) == 51
    assert refused.value.problems[-1].message == "and 20 more"


@pytest.mark.parametrize(
    ("damage", "form", "message"),
    [
        (lambda data: data[:-1], "bare", "whole number"),
        (lambda data: data[:-1], "counted", "whole number"),
        (lambda data: data[:12] + data[:12] + data[24:], "indexed", "more than once"),
        (lambda data: data[:-1] + b"\x09", "counted", "count is not"),
    ],
)
def test_a_damaged_binary_file_is_refused(damage: object, form: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "clks.bin"
    write_binary(path, [CLKS], form=form)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ArtefactError, match=message):
        read_binary(path, size=8, form=form)


@pytest.mark.parametrize("blocks", [[["1"]] * 2, [["1"]] * 4])
def test_blocks_are_as_many_as_clks_and_nothing_is_left(blocks: list[list[str]], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_json(tmp_path / "clks.json", [CLKS], blocks=blocks)
    assert list(tmp_path.iterdir()) == []


def test_an_error_half_way_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> object:
        yield CLKS
        raise PseudolinkError("half way")

    for write in (write_json, write_binary):
        with pytest.raises(PseudolinkError, match="half way"):
            write(tmp_path / "clks", chunks())  # type: ignore[operator]
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("form", "size"), [("other", 8), ("bare", 0)])
def test_a_form_or_size_that_does_not_exist_is_refused(form: str, size: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_binary(tmp_path / "absent", size=size, form=form)


def test_a_count_that_has_no_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_binary(tmp_path / "x", [np.zeros((1, 8192), dtype=np.uint8)], form="counted")
    assert list(tmp_path.iterdir()) == []
