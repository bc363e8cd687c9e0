"""review: a key a pair in a real terminal, and the same review as a page in a browser."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from html import escape
from pathlib import Path
from typing import Any

import pytest
from project_on_disk import run
from review_candidates import reviewer, simulated

from pseudolink.formats import reviews
from pseudolink.formats.reviews import Head, Label, LabelFile
from pseudolink.roles.review import sample

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pty = pytest.importorskip("pty", reason="needs: a system with pseudo-terminals")
termios = pytest.importorskip("termios", reason="needs: a system with pseudo-terminals")


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    simulated(300, 1, tmp_path / "candidates.parquet")
    return tmp_path / "candidates.parquet"


class Terminal:
    """The command at a pseudo-terminal."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "pseudolink.cli.main", *map(str, arguments)]
        self.child, self.master = pty.fork()
        if self.child == 0:
            os.execv(command[0], command)  # noqa: S606
        self.text = ""

    def until(self, pattern: str, seconds: float = 60) -> str:
        """Read until a pattern has come, and return what came since the last one."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            ready, _, _ = select.select([self.master], [], [], max(end - time.monotonic(), 0))
            assert ready, f"{pattern!r} did not come: {self.text[-400:]!r}"
            try:
                self.text += os.read(self.master, 65536).decode()
            except OSError:
                break
        found, self.text = self.text, ""
        return found

    def type(self, key: str) -> None:
        """Press a key once the command waits for one: until then the terminal echoes and keeps lines."""
        end = time.monotonic() + 60
        while termios.tcgetattr(self.master)[3] & termios.ICANON:
            assert time.monotonic() < end, "the command waits for no key"
            time.sleep(0.01)
        os.write(self.master, key.encode())

    def end(self) -> int:
        _, status = os.waitpid(self.child, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


def labels_in(path: Path) -> list[tuple[str, bool]]:
    return [(one.label, one.shown) for one in reviews.read_labels(path).given]


def test_pairs_are_labelled_a_key_each_with_scores_only_when_asked_for(
    candidates: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.jsonl"
    at = Terminal("review", candidates, "--reviewer", "A", "--labels", labels, "--pairs", 4)
    first = at.until("q quit")
    assert "Pair 1 of 4" in first
    assert "forename" in first
    assert not re.search(r"weight|probability \d", first)
    at.type("s")
    assert re.search(r"weight -?[\d.]+ bits, probability [\d.]+", at.until(r"(?s)weight.*q quit"))
    at.type("m")
    at.until("Pair 2 of 4")
    assert labels_in(labels) == [("match", True)]
    at.type("n")
    at.until("Pair 3 of 4")
    at.type("b")
    assert "labelled: non-match" in at.until(r"labelled[^\n]*\s+m one")
    at.type("u")
    at.until("Pair 3 of 4")
    at.type("q")
    at.until("2 of 4 pairs labelled")
    assert at.end() == 0
    assert labels_in(labels) == [("match", True), ("non-match", False), ("unsure", False)]


def test_a_killed_review_goes_on_with_every_label_that_was_given(candidates: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    arguments = ("review", candidates, "--reviewer", "A", "--labels", labels, "--pairs", 5)
    at = Terminal(*arguments)
    at.until("Pair 1 of 5")
    for number in (2, 3):
        at.type("m")
        at.until(f"Pair {number} of 5")
    os.kill(at.child, signal.SIGKILL)
    at.end()
    assert labels_in(labels) == [("match", False)] * 2
    again = Terminal(*arguments)
    assert "Pair 3 of 5" in again.until("q quit")
    again.type("q")
    again.until("2 of 5")
    assert again.end() == 0


def test_an_interrupt_ends_a_review_like_quitting(candidates: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    at = Terminal("review", candidates, "--reviewer", "A", "--labels", labels, "--pairs", 5)
    at.until("Pair 1 of 5")
    at.type("m")
    at.until("Pair 2 of 5")
    at.type("\x03")
    assert "1 of 5 pairs labelled" in at.until("labelled in")
    assert at.end() == 0
    assert labels_in(labels) == [("match", False)]


def test_without_a_terminal_the_page_is_advised(candidates: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pseudolink.cli.main", "review", str(candidates), "--reviewer", "A"]
    done = subprocess.run(
        [*command, "--labels", str(tmp_path / "l")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 1
    assert "PL-REVIEW-01" in done.stderr
    assert "review page" in done.stderr


# ---------------------------------------------------------------- the page

AROUND = """<!DOCTYPE html><title>loading</title>
<iframe id="inside" style="width:900px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const inside = document.getElementById("inside").contentWindow, paper = inside.document;
  const said = [], note = () => said.push([
    paper.getElementById("standing").textContent, paper.getElementById("scores").hidden,
    paper.getElementById("label").textContent, paper.getElementById("levels").rows.length]);
  const press = (key) => paper.dispatchEvent(new inside.KeyboardEvent("keydown", {{ key, bubbles: true }}));
  note();
  for (const key of "msnbuuQ") {{ press(key); note(); }}
  let text = "";
  inside.Blob = class {{ constructor(parts) {{ text = parts.join(""); }} }};
  inside.URL.createObjectURL = () => "#";
  paper.getElementById("download").click();
  document.title = "done " + btoa(JSON.stringify({{ said, text }}));
}});
</script>"""


def dumped(page: str, tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "around.html"
    path.write_text(AROUND.format(page=escape(page)), encoding="utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=4000",
        "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    import base64

    title = re.search(r"<title>done ([^<]+)</title>", done.stdout)
    assert title is not None, done.stdout[:500]
    found: dict[str, Any] = json.loads(base64.b64decode(title[1]))
    return found


@pytest.mark.skipif(BROWSER is None, reason="needs: chromium (apt-get install chromium)")
def test_the_page_labels_hides_scores_and_downloads_the_same_file(candidates: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    options = ("--reviewer", "</script><b>A", "--pairs", 3)
    made = run("review", "page", candidates, *options, "-o", page)
    assert made.exit_code == 0, made.stderr
    found = dumped(page.read_text(encoding="utf-8"), tmp_path)
    standing = [one[0].split(";")[0] for one in found["said"]]
    # m, s, n, b, u, u: pair 1, pair 2 with scores, pair 2 again as unsure, pair 3.
    assert standing[:6] == [
        "Pair 1 of 3", "Pair 2 of 3", "Pair 2 of 3", "Pair 3 of 3", "Pair 2 of 3", "Pair 3 of 3",
    ]  # fmt: skip
    assert [one[1] for one in found["said"]][:4] == [True, True, False, True]
    assert found["said"][4][2] == "Labelled: non-match"
    assert found["said"][0][3] == 2
    labels = tmp_path / "labels.jsonl"
    labels.write_text(found["text"], encoding="utf-8")
    read = reviews.read_labels(labels)
    assert read.head.reviewer == "</script><b>A"
    assert [(one.label, one.shown) for one in read.given] == [
        ("match", False), ("non-match", True), ("unsure", True), ("unsure", False),
    ]  # fmt: skip
    table = reviews.load_candidates(candidates)
    rows = sample(table, 3, 0)
    assert [one.left for one in read.given[:2]] == [
        table.table.column("left")[row].as_py() for row in rows[:2]
    ]


def test_the_page_can_reach_nothing_and_run_nothing_but_its_own_script(
    candidates: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert run("review", "page", candidates, "--reviewer", "A", "-o", page).exit_code == 0
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r"https?://|//[a-z]+\.|src=|@import|url\(", text)


# ---------------------------------------------------------------- compare and apply


def write_labels(path: Path, candidates: Path, name: str, seed: int) -> Path:
    table, truth = simulated(300, 1, candidates)
    rows = sample(table, 60, 0)
    said = reviewer(table, rows, truth, wrong=0.1, unsure=0.05, seed=seed)
    with LabelFile(path, Head(table.digest, name, 60, 0)) as file:
        for (left, right), label in said.items():
            file.add(Label(left, right, label, False, "2026-06-01T10:00:00Z"))
    return path


def test_two_reviewers_are_compared_and_applied(candidates: Path, tmp_path: Path) -> None:
    a, b = (write_labels(tmp_path / f"{n}.jsonl", candidates, n, seed) for seed, n in enumerate("AB"))
    compared = json.loads(run("review", "compare", a, b, "--json").stdout)
    assert compared["both"] == 60
    assert compared["low"] < compared["kappa"] < compared["high"]
    assert len(compared["differing"]) == 60 - compared["equal"]
    text = run("review", "compare", a, b).stdout
    assert "kappa 0." in text
    done = run("review", "apply", candidates, a, b, "--json")
    assert done.exit_code == 0, done.stderr
    one = json.loads(done.stdout)["parties"][0]
    assert one["labelled"] == 60
    assert one["unsure"] >= 60 - compared["equal"]
    assert "best" in run("review", "apply", candidates, a).stdout


def test_labels_of_other_candidates_are_refused(candidates: Path, tmp_path: Path) -> None:
    a = write_labels(tmp_path / "a.jsonl", candidates, "A", 0)
    simulated(200, 2, tmp_path / "other.parquet")
    done = run("review", "apply", tmp_path / "other.parquet", a)
    assert done.exit_code == 1
    assert "PL-REVIEW-01" in done.stderr


@pytest.mark.parametrize("raw", [b"", b"PAR1", b"\xff\xfe"])
def test_a_file_that_is_no_candidates_is_refused_with_no_labels_left(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "c.parquet").write_bytes(raw)
    done = run("review", tmp_path / "c.parquet", "--reviewer", "A", "--labels", tmp_path / "l.jsonl")
    assert done.exit_code == 1
    assert "PL-FORMAT-01" in done.stderr
    assert not (tmp_path / "l.jsonl").exists()


@pytest.mark.parametrize("command", ["label", "page", "compare", "apply"])
def test_every_command_has_an_example(command: str) -> None:
    assert "Example: pseudolink review" in run("review", command, "--help").stdout
