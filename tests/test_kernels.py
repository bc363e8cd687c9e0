"""Compiled code is kept where that can be, for as long as what it was made of is the same."""

from __future__ import annotations

import ast
import errno
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pseudolink
from pseudolink import kernels
from pseudolink.notices import CacheWarning

PACKAGE = Path(pseudolink.__file__).parent
ANSWER = (
    "from pseudolink.encode.siphash import KNOWN_ANSWER, known_answer; print(known_answer() == KNOWN_ANSWER)"
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package as it is installed, with nothing kept."""
    shutil.copytree(PACKAGE, tmp_path / "pseudolink", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(copy: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python in another process, with the copy before the package itself."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "PYTHONPATH")
    }
    more = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1", **variables}
    return subprocess.run(
        [sys.executable, *command], env=kept | more, cwd=copy, capture_output=True, text=True, check=False
    )


def read_only(copy: Path) -> dict[str, str]:
    """Nothing can be written, not even by root: there are files where folders would be, and no home."""
    for folder in [copy / "pseudolink", *(copy / "pseudolink").rglob("*/")]:
        if folder.is_dir():
            (folder / "__pycache__").write_text("")
    nowhere = str(copy / "pseudolink" / "__pycache__" / "x")
    return {"HOME": nowhere, "XDG_CACHE_HOME": nowhere, "LOCALAPPDATA": nowhere}


def compiled(copy: Path) -> list[Path]:
    return sorted(copy.rglob("*.nbc"))


def test_a_kernel_is_compiled_once_and_kept(copy: Path) -> None:
    first = run(copy, "-c", ANSWER)
    assert (first.stdout.strip(), first.stderr) == ("True", "")
    made = {path: path.stat().st_mtime_ns for path in compiled(copy)}
    assert made
    again = run(copy, "-c", ANSWER)
    assert (again.stdout.strip(), again.stderr) == ("True", "")
    assert {path: path.stat().st_mtime_ns for path in compiled(copy)} == made


def test_where_nothing_can_be_written_it_is_said_once_and_the_answer_is_right(copy: Path) -> None:
    """A read-only install without a home: numba alone would not even start."""
    variables = read_only(copy)
    done = run(copy, "-c", ANSWER, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"
    assert done.stderr.count("CacheWarning: compiled code cannot be kept") == 1
    assert compiled(copy) == []


def test_the_command_says_it_in_one_line_and_goes_on(copy: Path) -> None:
    done = run(copy, "-m", "pseudolink.cli.main", "doctor", "--json", **read_only(copy))
    assert done.returncode == 0, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: compiled code cannot be kept")


def test_without_a_home_folder_it_is_kept_beside_the_package(copy: Path) -> None:
    nowhere = str(copy / "pseudolink" / "errors.py" / "x")
    done = run(copy, "-c", ANSWER, HOME=nowhere, XDG_CACHE_HOME=nowhere)
    assert (done.stdout.strip(), done.stderr) == ("True", "")
    assert compiled(copy)


def test_a_folder_of_ones_own_is_used(copy: Path, tmp_path: Path) -> None:
    variables = read_only(copy) | {"NUMBA_CACHE_DIR": str(tmp_path / "own folder")}
    done = run(copy, "-c", ANSWER, **variables)
    assert (done.stdout.strip(), done.stderr) == ("True", "")
    assert compiled(tmp_path / "own folder")


def test_a_disk_that_is_full_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_told", [])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kernels.caching.IndexDataCacheFile, "save", full)
    monkeypatch.setattr(kernels.caching.IndexDataCacheFile, "load", lambda *_: None)

    @kernels.njit(cache=True)
    def twice(x: Any) -> Any:
        return 2 * x

    @kernels.njit(cache=True)
    def thrice(x: Any) -> Any:
        return 3 * x

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert (twice(21), thrice(14)) == (42, 42)
    told = [str(one.message) for one in caught if one.category is CacheWarning]
    assert len(told) == 1
    assert "no space left on device" in told[0]


def test_what_is_kept_and_cannot_be_read_is_made_anew(copy: Path) -> None:
    """A file that a full disk cut off must not end every later run."""
    run(copy, "-c", ANSWER)
    for path in [*compiled(copy), *copy.rglob("*.nbi")]:
        path.write_bytes(path.read_bytes()[:20])
    done = run(copy, "-c", ANSWER)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_code_is_compiled_anew_when_a_table_of_another_module_changes(copy: Path) -> None:
    """
    A new version with another title, in a file that the kernel's own does not mention by its text:
    numba alone would go on with the old table, and two data teams of one version would differ.
    """
    clean = (
        "import pyarrow as pa\n"
        "from pseudolink.clean.compiled import _names, _NOT_PLAIN\n"
        "from pseudolink import kernels\n"
        "print(kernels.depends_on(kernels.inspect.getfile(_names.py_func)))"
    )
    before = run(copy, "-c", clean).stdout
    names = copy / "pseudolink" / "clean" / "names.py"
    text = names.read_text()
    assert '"CLLR"' in text or "CLLR" in text
    names.write_text(text.replace("CLLR", "ALDERMAN"))
    after = run(copy, "-c", clean).stdout
    assert before.strip()
    assert before != after


def test_a_kept_kernel_is_not_used_when_what_it_calls_has_changed(copy: Path) -> None:
    """The same with two modules of ours: the second run computes with the new one."""
    package = copy / "pseudolink"
    (package / "one.py").write_text("TABLE = (1, 2, 3)\n")
    (package / "two.py").write_text(
        "from pseudolink.kernels import njit\nfrom pseudolink.one import TABLE\n"
        "@njit(cache=True)\ndef first():\n    return TABLE[0]\n"
    )
    ask = "from pseudolink.two import first; print(first(), sum(first.stats.cache_hits.values()))"
    assert run(copy, "-c", ask).stdout.split() == ["1", "0"]
    assert run(copy, "-c", ask).stdout.split() == ["1", "1"]
    (package / "one.py").write_text("TABLE = (7, 2, 3)\n")
    assert run(copy, "-c", ask).stdout.split() == ["7", "0"]


def test_code_of_an_older_version_is_never_found_under_a_new_index(copy: Path) -> None:
    """
    A run that has written its index and not yet its code, while another one starts: the code that lies
    there is the old one. It has another name, and goes when the new one is kept.
    """
    package = copy / "pseudolink"
    (package / "one.py").write_text("NUMBER = 1\n")
    (package / "two.py").write_text(
        "from pseudolink.kernels import njit\nfrom pseudolink.one import NUMBER\n"
        "@njit(cache=True)\ndef first():\n    return NUMBER\n"
    )
    ask = "from pseudolink.two import first; print(first(), sum(first.stats.cache_hits.values()))"
    assert run(copy, "-c", ask).stdout.split() == ["1", "0"]
    (old,) = [path for path in compiled(copy) if path.name.startswith("two.first")]
    code = old.read_bytes()
    (package / "one.py").write_text("NUMBER = 2\n")
    assert run(copy, "-c", ask).stdout.split() == ["2", "0"]
    (new,) = [path for path in compiled(copy) if path.name.startswith("two.first")]
    assert new.name != old.name
    new.unlink()  # as if it were not yet written
    old.write_bytes(code)
    assert run(copy, "-c", ask).stdout.split() == ["2", "0"]
    assert run(copy, "-c", ask).stdout.split() == ["2", "1"]


def test_every_kernel_of_the_package_is_kept_by_these_rules() -> None:
    """numba's own decorators are used in one module alone."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "numba":
                found += [
                    path.name for one in node.names if one.name in ("njit", "jit", "vectorize", "prange")
                ]
            if isinstance(node, ast.Import) and any(one.name == "numba" for one in node.names):
                found.append(path.name)
    assert found == ["kernels.py"]


def test_imports_of_all_forms_are_followed() -> None:
    compiled_module = PACKAGE / "clean" / "compiled.py"
    there = {
        path.relative_to(PACKAGE).as_posix() for path in kernels._imported(compiled_module) if path.is_file()
    }
    assert {"clean/names.py", "clean/surname.py", "clean/upn.py", "clean/folding.py", "kernels.py"} <= there
    assert kernels.depends_on(str(compiled_module)) != kernels.depends_on(str(PACKAGE / "clean" / "names.py"))


def test_where_a_kernel_is_kept_is_known() -> None:
    from pseudolink.encode import siphash

    place = kernels.where(siphash.siphash_two_words)
    assert place is None or place.is_dir()
    assert kernels.where(np.sum) is None
