"""Files are whole or absent."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pseudolink import files
from pseudolink.errors import OutputError, OutputExistsError


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_written_file_is_whole(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "out", b"all of it")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b"all of it"


def test_parents_are_made(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "a" / "b" / "out", b"x")
    assert (tmp_path / "a" / "b" / "out").read_bytes() == b"x"


def test_nothing_stands_at_the_final_name_while_writing(tmp_path: Path) -> None:
    with files.new_file(tmp_path / "out") as temporary:
        temporary.write_bytes(b"half")
        assert not (tmp_path / "out").exists()
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(files.PREFIX)


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with files.new_file(tmp_path / "out") as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == []


def test_an_error_leaves_no_folder(tmp_path: Path) -> None:
    def failing() -> None:
        with files.new_folder(tmp_path / "out") as temporary:
            (temporary / "deep").mkdir()
            (temporary / "deep" / "file").write_bytes(b"half")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the test's own
        failing()
    assert names(tmp_path) == []


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with files.new_folder(tmp_path / "out") as temporary:
        (temporary / "a").write_bytes(b"1")
        (temporary / "link").symlink_to("nowhere")
        assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a", "link"]


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda p: p.symlink_to("nowhere")])
def test_nothing_is_overwritten(make: object, tmp_path: Path) -> None:
    make(tmp_path / "out")  # type: ignore[operator]
    with pytest.raises(OutputExistsError) as caught, files.new_file(tmp_path / "out"):
        pass
    assert caught.value.code == "PL-OUT-01"
    with pytest.raises(OutputExistsError), files.new_folder(tmp_path / "out"):
        pass
    assert names(tmp_path) == ["out"]


def test_what_another_run_finished_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def slow() -> None:
        with files.new_file(tmp_path / "out") as temporary:
            temporary.write_bytes(b"second")
            (tmp_path / "out").write_bytes(b"first")

    with pytest.raises(OutputExistsError):
        slow()
    assert (tmp_path / "out").read_bytes() == b"first"
    assert names(tmp_path) == ["out"]


def test_a_folder_that_another_run_made_meanwhile_is_kept(tmp_path: Path) -> None:
    def slow() -> None:
        with files.new_folder(tmp_path / "out"):
            (tmp_path / "out").mkdir()

    with pytest.raises(OutputExistsError):
        slow()
    assert names(tmp_path) == ["out"]


def test_overwriting_is_possible_when_it_is_asked_for(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "out", b"first")
    files.write_bytes(tmp_path / "out", b"second", overwrite=True)
    assert (tmp_path / "out").read_bytes() == b"second"


def test_a_failed_overwrite_keeps_the_old_file(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "out", b"first")

    def failing() -> None:
        with files.new_file(tmp_path / "out", overwrite=True) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert (tmp_path / "out").read_bytes() == b"first"
    assert names(tmp_path) == ["out"]


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_others_on_the_machine_cannot_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files.write_bytes(tmp_path / "out", b"x")
        with files.new_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700


def test_a_parent_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught:
        files.write_bytes(tmp_path / "file" / "out", b"x")
    assert caught.value.code == "PL-OUT-02"
    with pytest.raises(OutputError), files.new_folder(tmp_path / "file" / "out"):
        pass
    assert names(tmp_path) == ["file"]


def test_a_name_that_the_system_refuses_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        files.write_bytes(tmp_path / ("x" * 300), b"x")
    assert names(tmp_path) == []


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    def full() -> None:
        with files.new_file(tmp_path / "out"):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        full()
    assert names(tmp_path) == []


def test_a_sync_that_fails_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that cannot keep the bytes says so at the end; renaming then would lose them silently."""

    def broken(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OutputError, match="Input/output"):
        files.write_bytes(tmp_path / "out", b"x")
    assert names(tmp_path) == []


def test_a_file_system_without_sync_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(handle: int) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", unsupported)
    files.write_bytes(tmp_path / "out", b"x")
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["out", "out[1]", "*", "a b.parquet"])
def test_what_a_killed_run_left_is_removed_by_the_next(name: str, tmp_path: Path) -> None:
    left = tmp_path / f"{files.PREFIX}{name}-{'0' * 12}"
    left.mkdir()
    (left / "half").touch()
    files.write_bytes(tmp_path / name, b"x")
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("other", ["out-2", "out-000000000000", "other", "OUT"])
def test_the_temporary_of_another_output_is_left_alone(other: str, tmp_path: Path) -> None:
    theirs = tmp_path / f"{files.PREFIX}{other}-{'0' * 12}"
    theirs.touch()
    files.write_bytes(tmp_path / "out", b"x")
    assert names(tmp_path) == sorted([theirs.name, "out"])


def test_two_outputs_with_alike_names_are_written_together(tmp_path: Path) -> None:
    with files.new_file(tmp_path / "a-b") as longer, files.new_file(tmp_path / "a") as shorter:
        longer.write_bytes(b"longer")
        shorter.write_bytes(b"shorter")
    assert (tmp_path / "a-b").read_bytes() == b"longer"
    assert (tmp_path / "a").read_bytes() == b"shorter"


KILLED = """
import sys, time
from pathlib import Path
from pseudolink import files
with files.new_folder(Path(sys.argv[1])) as temporary:
    (temporary / "half").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_killed_run_leaves_nothing_at_the_final_name(tmp_path: Path) -> None:
    final = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(final)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    assert not final.exists()
    with files.new_folder(final) as temporary:
        (temporary / "whole").touch()
    assert names(tmp_path) == ["out"]
    assert names(final) == ["whole"]


DIGEST = "ab" * 32


def test_a_work_folder_is_gone_when_the_run_ends_well_or_not(tmp_path: Path) -> None:
    final = tmp_path / "out"
    with files.work_folder(final, DIGEST) as place:
        (place / "part").write_text("done")
        assert place.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), files.work_folder(final, DIGEST):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_finds_its_work_and_no_other_run_does(tmp_path: Path) -> None:
    final = tmp_path / "out"
    left = tmp_path / f"{files.WORK_PREFIX}out-{DIGEST}"
    other = tmp_path / f"{files.WORK_PREFIX}out-b-{DIGEST}"
    for folder in (left, other):
        folder.mkdir()
        (folder / "part").write_text("done")
    with files.work_folder(final, DIGEST) as place:
        assert (place / "part").read_text() == "done"
    assert not left.exists()
    left.mkdir()
    with files.work_folder(final, "cd" * 32) as place:
        assert list(place.iterdir()) == []
        assert not left.exists(), "the work of other inputs is of no use"
    assert other.exists(), "another output's"


def test_a_scratch_folder_is_gone_whatever_happens(tmp_path: Path) -> None:
    with files.scratch_folder(tmp_path / "out") as place:
        (place / "plain").write_text("for a moment")
    with pytest.raises(ValueError, match="oops"), files.scratch_folder(tmp_path / "out"):
        raise ValueError("oops")
    assert list(tmp_path.iterdir()) == []
