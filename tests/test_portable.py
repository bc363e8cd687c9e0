"""Nothing needs a system that is not there: what only POSIX has stands in one module, with something else."""

from __future__ import annotations

import ast
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pseudolink
from pseudolink import portable
from pseudolink.cli import stopping

PACKAGE = Path(pseudolink.__file__).parent
#: Modules of the standard library that Windows does not have.
MODULES = {
    "fcntl",
    "resource",
    "pwd",
    "grp",
    "termios",
    "tty",
    "pty",
    "posix",
    "syslog",
    "readline",
    "curses",
}
#: What shares work between processes: how they are started differs, and a key would have to go along.
STARTERS = {"multiprocessing", "joblib", "loky"}
_CALLS = """
    chown chroot eventfd fchdir fchmod fchown fdatasync fork forkpty getegid geteuid getgid getgroups
    getloadavg getpgid getrandom getresuid getuid getxattr initgroups killpg lchown lockf memfd_create mkfifo
    mknod nice openpty pidfd_open posix_fadvise posix_fallocate posix_spawn pread pwrite sched_getaffinity
    sched_setaffinity sendfile setsid setuid setxattr spawnlp statvfs sync sysconf ttyname uname wait waitpid
    O_DIRECTORY O_NOFOLLOW O_SYNC
"""
CALLS = set(_CALLS.split())
SIGNALS = {name for name in dir(signal) if name.startswith("SIG")} - {
    *("SIGINT", "SIGTERM", "SIGABRT", "SIGFPE", "SIGILL", "SIGSEGV", "SIG_DFL", "SIG_IGN"),
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {one.name.split(".")[0] for one in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module.split(".")[0]} | {f"{node.module}.{one.name}" for one in node.names}
    return set()


def only_posix(tree: ast.Module) -> set[str]:
    """What a module uses that not every system has."""
    found = set()
    for node in ast.walk(tree):
        found |= imported(node) & (MODULES | {f"os.{one}" for one in CALLS})
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {f"os.{node.attr}"} if node.value.id == "os" and node.attr in CALLS else set()
            found |= {node.attr} if node.value.id == "signal" and node.attr in SIGNALS else set()
    return found


def test_calls_that_only_posix_has_stand_in_one_module() -> None:
    found = {name: only_posix(tree) for name, tree in trees()}
    assert {name for name, calls in found.items() if calls} == {"portable.py"}


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.getuid()",
        "from os import fork",
        "import fcntl",
        "from resource import getrusage",
        "import signal\nsignal.SIGHUP",
    ],
)
def test_the_search_finds_them(text: str) -> None:
    assert only_posix(ast.parse(text))


def test_no_work_is_given_to_other_processes() -> None:
    """
    Threads share the keys that are in memory. A process would be sent them, by a start method that
    differs between systems.
    """
    found = {name for name, tree in trees() for node in ast.walk(tree) if imported(node) & STARTERS}
    assert found == set()
    pools = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Name, ast.Attribute)) and "ProcessPool" in ast.unparse(node)
    }
    assert pools == set()


def calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
            yield node


def mode_of(call: ast.Call) -> str:
    texts = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return next((one for one in texts if set(one) <= set("rwabxt+")), "r")


def test_text_is_written_with_the_same_line_ends_everywhere() -> None:
    """Else the same inputs would give other bytes, and digests, on Windows."""
    found = []
    for name, tree in trees():
        for call in [*calls(tree, "write_text"), *calls(tree, "open")]:
            writes = call.func.attr == "write_text" or set(mode_of(call)) & set("wax")  # type: ignore[attr-defined]
            named = {one.arg for one in call.keywords}
            if writes and "b" not in mode_of(call) and not {"newline", "encoding"} <= named:
                found.append(f"{name}, line {call.lineno}")
    assert found == []


def test_text_is_read_as_the_encoding_that_it_has() -> None:
    """What is left out is the system's, which is another one on Windows."""
    found = []
    for name, tree in trees():
        for call in calls(tree, "read_text"):
            if "encoding" not in {one.arg for one in call.keywords}:
                found.append(f"{name}, line {call.lineno}")
    assert found == []


def test_bytes_are_written_as_they_are() -> None:
    """``os.open`` writes two bytes for a line end on Windows unless it is told not to."""
    found = []
    for name, tree in trees():
        for call in calls(tree, "open"):
            if ast.unparse(call.func) == "os.open" and "BINARY" not in ast.unparse(call) + _flags(tree):
                found.append(f"{name}, line {call.lineno}")
    assert found == []


def _flags(tree: ast.Module) -> str:
    """What is assigned to ``flags`` in a module."""
    return " ".join(
        ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(ast.unparse(one) == "flags" for one in node.targets)
    )


# ---------------------------------------------------------------- the fallbacks


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no affinity")
def test_processors_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container of a large machine has few; a batch job may be held to one."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert portable.processors() == 1


def test_processors_are_counted_where_the_system_has_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert portable.processors() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert portable.processors() == 1


@pytest.mark.skipif(os.name == "nt", reason="looks at what Windows would be asked")
def test_windows_is_not_asked_to_synchronise_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    asked: list[int] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags: asked.append(flags) or real(path, flags))
    monkeypatch.setattr(portable.os, "name", "nt")
    is_dir: Callable[[Path], bool] = os.path.isdir  # a pure path of Windows is none of this system
    monkeypatch.setattr(Path, "is_dir", lambda self: is_dir(str(self)))
    portable.sync(tmp_path)
    assert asked == []
    portable.sync(file)
    assert [flags & os.O_RDWR for flags in asked] == [os.O_RDWR]


def test_a_file_system_without_synchronisation_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(number: int) -> Callable[[int], None]:
        def fsync(_: int) -> None:
            raise OSError(number, "no")

        return fsync

    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    portable.sync(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="no"):
        portable.sync(tmp_path)


def test_modes_say_nothing_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows shows 0o666 for every file: no key could be opened there."""
    monkeypatch.setattr(portable.os, "name", "posix")
    assert portable.open_to_others(0o100644)
    assert portable.open_to_others(0o100620)
    assert not portable.open_to_others(0o100600)
    assert not portable.open_to_others(0o100644, 0o022)
    assert not portable.open_to_others(0o010644)  # a pipe
    monkeypatch.setattr(portable.os, "name", "nt")
    assert not portable.open_to_others(0o100666)


def test_memory_is_unknown_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, free = portable.memory()
    if whole is not None:
        assert whole > 2**28
        assert free is None or 0 < free <= whole
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert portable.memory() in ((None, None), (whole, free))
    if sys.platform != "win32":
        assert portable.memory() == (None, None)


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is one of Linux")
def test_memory_is_what_the_container_may_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(portable, "_CONTAINER", tmp_path / "memory.max")
    (tmp_path / "memory.max").write_text("104857600\n")
    whole, free = portable.memory()
    assert whole == 104857600
    assert free is None or free <= whole
    (tmp_path / "memory.max").write_text("max\n")
    assert portable.memory()[0] != 104857600


@pytest.mark.skipif(not hasattr(os, "getrandom"), reason="the system has no getrandom")
def test_random_numbers_that_are_not_ready_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert portable.random_ready()

    def wait(*_: object) -> bytes:
        raise BlockingIOError

    monkeypatch.setattr(os, "getrandom", wait)
    assert not portable.random_ready()
    monkeypatch.delattr(os, "getrandom")
    assert portable.random_ready()


def test_a_system_without_a_signal_is_not_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no hang-up, POSIX no break."""
    asked: list[int] = []
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGTERM, raising=False)
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_DFL)
    monkeypatch.setattr(signal, "signal", lambda number, _: asked.append(number))
    stopping.install()
    assert asked == [signal.SIGINT, signal.SIGTERM, signal.SIGTERM]


AS_WINDOWS = """
import json, os, sys, types
import numpy, pyarrow, click, cryptography.hazmat.primitives.asymmetric.ed25519
asked = []
fake = types.ModuleType("msvcrt")
fake.LK_LOCK, fake.LK_UNLCK = 1, 0
fake.locking = lambda handle, mode, count: asked.append([mode, count, os.lseek(handle, 0, os.SEEK_CUR)])
sys.modules["msvcrt"] = fake
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
real, sys.platform = sys.platform, "win32"
from pseudolink import portable
sys.platform = real
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
portable.lock(handle)
portable.unlock(handle)
print(json.dumps({"asked": asked, "peak": portable.peak_memory(), "memory": portable._windows_memory()}))
"""


@pytest.mark.skipif(os.name == "nt", reason="it is the other way round there")
def test_the_road_of_windows_is_taken_without_what_posix_has(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_WINDOWS, str(tmp_path / "ledger")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "asked": [[1, 1, 2**40], [0, 1, 2**40]],
        "peak": None,
        "memory": [None, None],
    }


# ---------------------------------------------------------------- in a process that was spawned

SPAWNED = """
import multiprocessing, os, sys
from pathlib import Path


def linked(folder):
    import pandas as pd
    import pseudolink
    from pseudolink.keys.linkage import LinkageKey

    schema = pseudolink.load_schema(Path(folder, "schema.toml"))
    key = LinkageKey.generate()
    sides = {name: pd.read_csv(Path(folder, f"{name}.csv"), dtype=str).fillna("") for name in ("a", "b")}
    encoded = {name: pseudolink.encode(one, schema, key, party=name) for name, one in sides.items()}
    return os.getpid(), len(pseudolink.link(encoded, schema))


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    with multiprocessing.Pool(2) as pool:
        found = pool.map(linked, [sys.argv[1]] * 2)
    assert os.getpid() not in {one for one, _ in found}
    print(*(links for _, links in found))
"""


def test_it_runs_in_processes_that_are_spawned(tmp_path: Path) -> None:
    """As on Windows and macOS, where nothing is inherited; from a folder with blanks in its name."""
    from pseudolink.cli.anyone import demo_schema
    from pseudolink.synthetic.population import generate

    folder = tmp_path / "a folder, with Ŵ"
    folder.mkdir()
    population: Any = generate(500, 3)
    for name, party in (("a", "council"), ("b", "work")):
        population.extracts[party].to_csv(folder / f"{name}.csv", index=False)
    text = demo_schema().read_text(encoding="utf-8").replace('kind = "upn"', 'kind = "upn"\noptional = true')
    text = text.replace('kind = "nino"', 'kind = "nino"\noptional = true')
    (folder / "schema.toml").write_text(text, encoding="utf-8")
    (folder / "run it.py").write_text(SPAWNED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(folder / "run it.py"), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split()
    assert int(first) == int(second) > 20
