"""
What a run writes, as the system sees it: nothing outside the output folder and the ledger.

Plain intermediate files stand inside the output folder while a run lasts, under a temporary name, and
are gone at its end; a place outside would keep them for backups and other users.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_on_disk import Project

_CALLS = r"openat\([^,]+, |open\(|creat\(|mkdir\(|mkdirat\([^,]+, |rename\(|link\(|symlink\(|mknod\("
CALL = re.compile(rf'(?:{_CALLS})"([^"]+)"(?:, ([A-Z_|]+))?(.*)')
WRITES = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND")


def written(log: Path) -> set[str]:
    """Paths that were opened for writing, made or renamed, and that succeeded."""
    found = set()
    for line in log.read_text(errors="replace").splitlines():
        match = CALL.search(line)
        if match is None or re.search(r"= -1 E", line):
            continue
        path, flags = match[1], match[2] or ""
        opened = "open" in line.split("(")[0] and "open" in line
        if opened and not any(flag in flags for flag in WRITES):
            continue
        found.add(path)
    return found


def traced(arguments: list[str], folder: Path) -> set[str]:
    log = folder / "strace.log"
    calls = "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,mknod,memfd_create"
    command = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "4096",
        "-e",
        f"trace={calls}",
        "-o",
        str(log),
        sys.executable,
        "-m",
        "pseudolink.cli.main",
    ]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder / "elsewhere")}
    (folder / "elsewhere").mkdir(exist_ok=True)
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    if "ptrace" in done.stderr.lower() and "not permitted" in done.stderr.lower():
        pytest.skip("this system does not let a test trace programs")
    assert done.returncode == 0, done.stderr
    return written(log)


def outside(paths: set[str], *allowed: Path) -> list[str]:
    """What is neither below an allowed place nor a device, nor the cache of compiled code."""
    inside = tuple(str(one) for one in allowed)
    harmless = ("/dev/", "/proc/", "/sys/")
    return sorted(
        one
        for one in paths
        if not one.startswith((*inside, *harmless)) and "__pycache__" not in one and os.path.isabs(one)
    )


@pytest.fixture(autouse=True)
def _needs_strace() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("strace is of Linux")
    if shutil.which("strace") is None:
        pytest.skip("needs: strace (apt-get install strace)")


@pytest.mark.parametrize("step", ["encode", "link", "release"])
def test_no_extract_key_or_link_map_is_written_outside_the_output(
    project: Project, tmp_path: Path, step: str
) -> None:
    """Temporary folders of the system included: TMPDIR stays empty."""
    out, ledger = tmp_path / "out", tmp_path / "ledger.jsonl"
    arguments = {
        "encode": project.encode(out, "offending", ledger=ledger),
        "link": project.link(out, ledger=ledger),
        "release": project.release(out, ledger=ledger),
    }[step]
    paths = traced(arguments, tmp_path)
    assert any(str(out) in one or "pseudolink-tmp" in one for one in paths), "the trace saw nothing"
    temporary = tmp_path / ".pseudolink-tmp-"
    assert outside(paths, out, ledger, temporary, tmp_path / "strace.log") == []
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_write_outside_would_be_seen(tmp_path: Path) -> None:
    """The test above can fail."""
    log = tmp_path / "log"
    made = '1 openat(AT_FDCWD, "/var/x", O_WRONLY|O_CREAT, 0600) = 3'
    looked = '2 openat(AT_FDCWD, "/etc/y", O_RDONLY) = 3'
    log.write_text(f"{made}\n{looked}\n")
    assert outside(written(log), tmp_path) == ["/var/x"]
