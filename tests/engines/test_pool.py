"""Worker processes: order, secrets, failures and sudden deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pseudolink.engines import pool
from pseudolink.errors import InputError

# What workers run must be importable by name in a new process: here, from the standard library,
# or from a module that a test writes (importlib mode gives tests no importable name).
WORK = """
import os, signal, time
from pseudolink.errors import InputError

def slow_first(secret, chunk):
    time.sleep(0.5 if chunk == 0 else 0)
    return chunk, os.getpid()

def keyed(secret, chunk):
    return len(secret), secret[:1], chunk

def leaky(secret, chunk):
    raise ValueError(f"cannot handle SMITH {chunk}")

def refusing(secret, chunk):
    raise InputError("row 3: breaks 'date.future'")

def dying(secret, chunk):
    if chunk == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return chunk

def unsendable(secret, chunk):
    return lambda: chunk

def first_fails(secret, chunk):
    if chunk == 0:
        raise ValueError
    time.sleep(60)

def sleeping(secret, chunk):
    time.sleep(60)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = f"pool_work_{os.getpid()}_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__(name)
    sys.modules.pop(name, None)


def test_results_come_in_the_order_of_the_chunks(work) -> None:
    found = list(pool.run(work.slow_first, range(6), processes=2))
    assert [chunk for chunk, _ in found] == list(range(6))
    assert os.getpid() not in {pid for _, pid in found}


def test_one_process_starts_no_other(work) -> None:
    found = list(pool.run(work.slow_first, [1, 2], processes=1))
    assert [chunk for chunk, _ in found] == [1, 2]
    assert {pid for _, pid in found} == {os.getpid()}


def test_any_number_of_processes_gives_the_same(work) -> None:
    chunks = [f"chunk {n}" for n in range(5)]
    alone = list(pool.run(work.keyed, chunks, processes=1, secret=b"k" * 32))
    assert alone == list(pool.run(work.keyed, chunks, processes=2, secret=b"k" * 32))
    assert alone == list(pool.run(work.keyed, chunks, processes=9, secret=b"k" * 32))


def test_no_chunks_give_no_results(work) -> None:
    assert list(pool.run(work.keyed, [], processes=2)) == []


def test_large_chunks_and_results_pass(work) -> None:
    chunks = [bytes(5_000_000), bytes(5_000_000), bytes(1)]
    found = list(pool.run(work.keyed, chunks, processes=2, secret=b"k"))
    assert [len(chunk) for _, _, chunk in found] == [len(chunk) for chunk in chunks]


def test_text_of_an_unforeseen_error_does_not_leave_the_worker(
    work, capfd: pytest.CaptureFixture[str]
) -> None:
    """The text of an exception may hold a cell; its type is all that is told."""
    with pytest.raises(pool.WorkerError, match="ValueError") as caught:
        list(pool.run(work.leaky, range(2), processes=2))
    assert "SMITH" not in str(caught.value)
    assert "SMITH" not in "".join(capfd.readouterr())


def test_a_refusal_in_a_worker_keeps_its_sentence(work) -> None:
    with pytest.raises(pool.WorkerError, match=r"InputError: row 3: breaks 'date\.future'"):
        list(pool.run(work.refusing, range(2), processes=2))


def test_a_refusal_without_workers_keeps_its_class(work) -> None:
    with pytest.raises(InputError):
        list(pool.run(work.refusing, range(2), processes=1))


def test_a_killed_worker_ends_the_run_and_does_not_hang(work) -> None:
    before = time.monotonic()
    with pytest.raises(pool.WorkerError, match="killed") as caught:
        list(pool.run(work.dying, range(4), processes=2))
    assert time.monotonic() - before < 30
    assert caught.value.code == "PL-ENGINE-01"
    assert caught.value.advice is not None


def test_a_failure_does_not_wait_for_the_other_workers(work) -> None:
    before = time.monotonic()
    with pytest.raises(pool.WorkerError):
        list(pool.run(work.first_fails, range(2), processes=2))
    assert time.monotonic() - before < 30


def test_a_result_that_cannot_be_sent_is_an_error(work) -> None:
    with pytest.raises(pool.WorkerError):
        list(pool.run(work.unsendable, range(2), processes=2))


def test_no_worker_outlives_a_run_that_is_given_up(work) -> None:
    running = pool.run(work.slow_first, range(6), processes=2)
    _, pid = next(running)
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


UNGUARDED = """
from pseudolink.engines import pool
from pseudolink.errors import PseudolinkError
try:
    list(pool.run(len, [b"a", b"b"], processes=2))
except PseudolinkError as error:
    print(error.code, error.advice)
"""


def test_a_script_without_a_guard_is_told_what_is_missing(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "PL-ENGINE-01" in done.stdout
    assert "__main__" in done.stdout


SEARCHED = """
import sys, time
sys.path.insert(0, sys.argv[1])
import importlib
from pseudolink.engines import pool
if __name__ == "__main__":
    work = importlib.import_module(sys.argv[2])
    print("started", flush=True)
    list(pool.run(work.sleeping, range(2), processes=2, secret=b"linkage-key-in-the-clear"))
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_process_list_attack_finds_no_secret(work, tmp_path: Path) -> None:
    """Neither the arguments nor the environment of a worker hold the secret."""
    script = tmp_path / "script.py"
    script.write_text(SEARCHED)
    arguments = [sys.executable, str(script), str(tmp_path), work.__name__]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            workers = waited_for(process.pid, 2)
            for pid in workers:
                for name in ("cmdline", "environ"):
                    assert b"linkage-key" not in Path(f"/proc/{pid}/{name}").read_bytes()
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def waited_for(parent: int, count: int) -> list[int]:
    """Process numbers of the spawned children of ``parent``, once there are ``count``."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        found = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError("the workers did not start")
