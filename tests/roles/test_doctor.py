"""doctor: what is there, what is missing, and why."""

from __future__ import annotations

import builtins
import os
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pseudolink import kernels, portable
from pseudolink.encode import siphash
from pseudolink.keys.party import PartyKey
from pseudolink.roles import doctor, surroundings


def check(found: dict[str, Any], name: str) -> dict[str, str]:
    """The one check of that name."""
    (one,) = [one for one in found["checks"] if one["name"] == name]
    return one


def asking(
    monkeypatch: pytest.MonkeyPatch, *lines: str, extras: Sequence[str] = (), python: str = ""
) -> None:
    """Let the installed package ask for something else."""
    message = Message()
    message["Requires-Python"] = python
    for extra in extras:
        message["Provides-Extra"] = extra
    monkeypatch.setattr(doctor, "requires", lambda _: list(lines))
    monkeypatch.setattr(doctor, "metadata", lambda _: message)


def test_every_requirement_of_the_package_has_its_version() -> None:
    found = doctor.examine()
    assert found["missing"] == {}
    assert {"click", "cryptography", "numba", "numpy", "pyarrow", "scipy"} <= set(found["versions"])
    assert found["processors"] >= 1
    assert "numba" in found["kernel"]
    assert {one["state"] for one in found["checks"]} <= {"ok", "note"}
    names = [one["name"] for one in found["checks"]]
    assert {"python", "sealing", "random numbers", "clock", "memory", "temporary files", "this folder"} <= {
        *names
    }
    assert len(names) == len(set(names))


def test_a_requirement_that_is_not_installed_is_named_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asking(monkeypatch, "no-such-thing>=1", "numpy[x]>=2", "click>=999.1", "mkdocs; extra == 'docs'")
    found = doctor.examine()
    assert found["missing"]["no-such-thing"] == "not installed"
    assert "older than 999.1" in found["missing"]["click"]
    assert set(found["missing"]) == {"no-such-thing", "click"}
    assert "numpy" in found["versions"]
    assert check(found, "packages")["state"] == "wrong"
    assert "pip install" in check(found, "packages")["advice"]


def test_an_extra_that_is_not_installed_is_a_note_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    asking(
        monkeypatch,
        "no-such-thing>=1; extra == 'excel'",
        "numpy>=2; extra == 'hsm'",
        "numpy>=2; python_version < '3.1' and extra == 'anonlink'",
        extras=("excel", "hsm", "anonlink"),
    )
    found = doctor.examine()
    assert found["missing"] == {}
    assert check(found, "excel")["state"] == "note"
    assert "pip install 'pseudolink[excel]'" in check(found, "excel")["advice"]
    assert check(found, "hsm")["state"] == "ok"
    assert "not for this Python" in check(found, "anonlink")["found"]


def test_every_extra_of_the_project_is_explained() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    assert set(project["optional-dependencies"]) <= set(doctor.EXTRAS)


def test_a_python_that_is_too_old_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    asking(monkeypatch, python=">=99.1")
    found = check(doctor.examine(), "python")
    assert found["state"] == "wrong"
    assert "Install Python 99.1" in found["advice"]


def test_a_kernel_that_computes_wrongly_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong filters would link nobody, and nothing else would tell."""
    monkeypatch.setattr(siphash, "known_answer", lambda: 0)
    assert "wrong answers" in doctor.examine()["missing"]["kernel"]


def test_sealing_that_does_not_work_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: PartyKey, *_: object) -> bytes:
        return b"y" * 32

    monkeypatch.setattr(PartyKey, "unwrap", broken)
    assert doctor.examine()["missing"]["sealing"] == "what was sealed did not open"


def test_a_library_without_post_quantum_keys_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> Any:
        raise ImportError("ML-KEM")

    monkeypatch.setattr(PartyKey, "generate", absent)
    assert "cryptography package" in doctor.examine()["missing"]["sealing"]
    assert builtins.ImportError.__name__ in doctor.examine()["missing"]["sealing"]


# ---------------------------------------------------------------- around the software


def test_a_clock_that_is_behind_is_wrong() -> None:
    """A package would carry a date before its agreement, and expire too late."""
    assert surroundings.clock().state == "ok"
    found = surroundings.clock(datetime(2001, 1, 1, tzinfo=UTC))
    assert (found.state, "2001-01-01" in found.found) == ("wrong", True)


def test_no_room_for_temporary_files_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    found = surroundings.temporary_folder()
    assert (found.state, "TMPDIR" in found.advice) == ("wrong", True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert surroundings.temporary_folder().state == "ok"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
    assert surroundings.temporary_folder().state == "note"
    assert surroundings.working_folder(tmp_path).state == "note"


def test_random_numbers_that_are_not_ready_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "random_ready", lambda: False)
    assert doctor.examine()["missing"]["random numbers"]


def test_little_memory_comes_with_the_options_that_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "memory", lambda: (2**29, 2**28))
    monkeypatch.setattr(portable, "processors", lambda: 1)
    _, memory = surroundings.machine()
    assert (memory.state, "--chunk-rows" in memory.advice) == ("note", True)
    monkeypatch.setattr(portable, "memory", lambda: (None, None))
    assert list(surroundings.machine())[1].state == "note"


def test_compiled_code_that_is_not_kept_is_a_note() -> None:
    found = surroundings.kernel_cache(print)
    assert (found.state, "NUMBA_CACHE_DIR" in found.advice) == ("note", True)


posix = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")


@posix
def test_compiled_code_that_others_can_change_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Planted code attack: what lies in that folder is run with the keys in memory."""
    monkeypatch.setattr(kernels, "where", lambda _: tmp_path)
    tmp_path.chmod(0o777)
    assert surroundings.kernel_cache(None).state == "wrong"
    tmp_path.chmod(0o755)
    assert surroundings.kernel_cache(None).state == "ok"


@posix
def test_keys_that_others_can_read_are_named_and_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    for name in ("council.party.key", "passphrase", "council.party.pub"):
        (folder / name).write_text("not a key at all")
        (folder / name).chmod(0o600)
    (folder / "council.party.pub").chmod(0o644)
    (one,) = surroundings.keys([folder])
    assert one.state == "ok"
    folder.chmod(0o755)
    (one,) = surroundings.keys([folder])
    assert (one.state, "chmod 700" in one.advice) == ("note", True)
    (folder / "passphrase").chmod(0o640)
    (one,) = surroundings.keys([folder])
    assert one.state == "wrong"
    assert "passphrase" in one.found
    assert "council.party.key" not in one.found
    assert doctor.examine([folder])["missing"] == {one.name: one.found}
