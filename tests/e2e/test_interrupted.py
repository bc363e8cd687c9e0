"""A killed run leaves nothing at the final name, and the next run succeeds."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project_on_disk import RELEASER, Project, leftovers, run

from pseudolink.agreement import load_signed
from pseudolink.files import PREFIX
from pseudolink.formats import linkmap
from pseudolink.seal.package import open_package

STEPS = ("encode", "link", "release")


def started(arguments: list[str], limit: int | None = None) -> subprocess.Popen[bytes]:
    def bounded() -> None:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-m", "pseudolink.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=bounded,
    )


def wait_for(condition, process: subprocess.Popen[bytes]) -> bool:
    while process.poll() is None:
        if condition():
            return True
        time.sleep(0.001)
    return False


def temporaries(folder: Path) -> list[Path]:
    return list(folder.glob(f"{PREFIX}*"))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("files", [0, 1])
def test_a_killed_run_leaves_nothing_at_the_final_name(project: Project, tmp_path, step, how, files):
    """Killed when its temporary folder appears, and when the first file is in it."""
    out = tmp_path / "out"
    arguments = getattr(project, step)(out)
    process = started(arguments)

    def reached() -> bool:
        return any(len(list(place.iterdir())) >= files for place in temporaries(tmp_path) if place.is_dir())

    hit = wait_for(reached, process)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert hit, "the run was over before it could be killed"
    if out.exists():
        # The signal came between the rename and the end: then all of it must be there.
        assert process.returncode == 0 or len(list(out.iterdir())) >= 2
        return
    if how != signal.SIGKILL:
        assert not temporaries(tmp_path), "what was opened is cleared away when there is time to"
        assert process.returncode == 128 + how
    again = run(*arguments)
    assert again.exit_code == 0, again.stderr
    assert leftovers(tmp_path) == ["out"]


def linked_records(project: Project, folder: Path, plain: Path) -> set[frozenset[tuple[str, bytes]]]:
    """Who is one person in a link map; its person IDs are random."""
    agreed, key = load_signed(project.agreement), project.party_key(RELEASER)
    open_package(folder / "linkmap.package", plain, agreement=agreed, recipient=key, artefact="link_map")
    people: dict[bytes, set[tuple[str, bytes]]] = {}
    for row in linkmap.load(plain).to_pylist():
        people.setdefault(row["person"], set()).add((row["party"], row["record"]))
    plain.unlink()
    return {frozenset(records) for records in people.values()}


@pytest.mark.slow
def test_a_linkage_killed_at_ten_random_moments_and_run_again_gives_the_same_bytes(
    project: Project, tmp_path
):
    """Everything but what is random on purpose: sealed bytes, order of rows and person IDs."""
    seed = 2026
    print(f"seed {seed}")
    moments = random.Random(seed)
    same = ("candidates.parquet", "model.json", "report.html", "summary.json")

    def arguments(folder: Path) -> list[str]:
        return [*project.link(folder / "out"), "--candidates", "--memory", "100K"]

    def finished(folder: Path) -> int:
        return len(list(folder.glob(".pseudolink-work-*/**/*.shard")))

    (tmp_path / "whole").mkdir()
    process = started(arguments(tmp_path / "whole"))
    most = 0
    while process.poll() is None:
        most = max(most, finished(tmp_path / "whole"))
        time.sleep(0.01)
    assert process.returncode == 0, process.communicate()
    assert most > 10
    expected = [(tmp_path / "whole" / "out" / name).read_bytes() for name in same]
    people = linked_records(project, tmp_path / "whole" / "out", tmp_path / "map")
    killed = 0
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        process = started(arguments(folder))
        # By progress and not by the clock: a busy machine is slower at one time than at another.
        wanted = moments.randint(0, most)
        while process.poll() is None and finished(folder) < wanted:
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        if not (folder / "out").exists():
            print(f"attempt {attempt}: {finished(folder)} finished shards were found")
            again = started(arguments(folder))
            _, said = again.communicate()
            assert again.returncode == 0, said
        assert [(folder / "out" / name).read_bytes() for name in same] == expected, f"attempt {attempt}"
        assert linked_records(project, folder / "out", tmp_path / "map") == people
        assert leftovers(folder) == ["out"]
    assert killed >= 5


@pytest.mark.parametrize("step", STEPS)
def test_a_full_disk_leaves_nothing(project: Project, tmp_path, step):
    """No file may grow beyond a few kilobytes: writing fails half-way, as on a full disk."""
    process = started(getattr(project, step)(tmp_path / "out"), limit=6000)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert b"PL-" in said
    assert leftovers(tmp_path) == []
    again = run(*getattr(project, step)(tmp_path / "out"))
    assert again.exit_code == 0, again.stderr


def test_no_secret_is_on_the_command_line_or_in_the_environment(project: Project, tmp_path):
    """What other users of the machine can list while a run goes on."""
    process = started(project.encode(tmp_path / "out", "council"))
    shown = b""
    place = Path(f"/proc/{process.pid}")
    if not place.exists():
        process.communicate(timeout=60)
        pytest.skip("needs: a /proc file system")
    while process.poll() is None:
        try:
            shown += (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            break
        time.sleep(0.02)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"pseudolink" in shown
    for party in ("council",):
        assert project.phrase(party).encode() not in shown
    assert os.environ.get("PSEUDOLINK_PASSPHRASE") is None
