"""What memory should not hold is on disk so that nobody else can read it."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from pseudolink.engines.spill import Spill

SECRET = b"Featherstonehaugh" * 50


def test_what_was_added_comes_back_in_order_once(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    for bucket, data in [(1, b"a"), (2, b"b"), (1, b""), (1, SECRET)]:
        spill.append(bucket, data)
    assert list(spill.read(1)) == [b"a", b"", SECRET]
    assert list(spill.read(1)) == []
    assert list(spill.read(7)) == []
    assert list(spill.read(2)) == [b"b"]
    assert list(tmp_path.iterdir()) == []


def test_a_look_leaves_everything_where_it_is(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    spill.append(1, b"a")
    spill.append(1, SECRET)
    assert list(spill.look(1)) == list(spill.look(1)) == [b"a", SECRET]
    assert list(spill.look(2)) == []
    assert list(spill.read(1)) == [b"a", SECRET]
    assert list(spill.look(1)) == []
    assert list(tmp_path.iterdir()) == []


def test_clear_text_is_never_on_disk(tmp_path: Path) -> None:
    """Nor is it told which parts are equal."""
    spill = Spill(tmp_path)
    for bucket in (1, 2):
        spill.append(bucket, SECRET)
        spill.append(bucket, SECRET)
    written = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(written) == 2
    assert written[0] != written[1]
    for data in written:
        assert SECRET[:8] not in data
        assert data[: len(data) // 2] != data[len(data) // 2 :]


def test_two_spills_share_a_folder_and_no_key(tmp_path: Path) -> None:
    one, two = Spill(tmp_path), Spill(tmp_path)
    one.append(1, b"one")
    two.append(1, b"two")
    assert list(one.read(1)) == [b"one"]
    assert list(two.read(1)) == [b"two"]


def test_a_changed_file_is_not_read(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    spill.append(1, SECRET)
    (path,) = tmp_path.iterdir()
    path.write_bytes(bytes(1) + path.read_bytes()[1:])
    with pytest.raises(InvalidTag):
        list(spill.read(1))


def test_it_does_not_print_pickle_or_copy_its_key(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    assert repr(spill) == "<Spill of 0 buckets>"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            attempt(spill)
