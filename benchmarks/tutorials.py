"""
How long the four tutorials take on an empty machine: an empty environment, the wheel, every command.

    python benchmarks/tutorials.py [WHEEL] [--python PYTHON]

Without WHEEL one is built. An environment is made, the wheel and what it needs are installed (over the
network, or from the package index that pip is set to), and every tutorial is run from an empty folder,
each command a process of its own, as a reader would type it. The first tutorial also compiles the
loops. Printed are seconds of the clock: a reader's own time comes on top. A command that ends otherwise
than its page says is an error.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _machine import header, show

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from tutorials import Step, fits, steps  # noqa: E402 - after the path

#: Else this source, or what was compiled before, would be used in place of what is installed.
CLEAN = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "NUMBA_CACHE_DIR")}


def built(folder: Path) -> Path:
    """The wheel of this source."""
    command = [sys.executable, "-m", "build", "--quiet", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, env=CLEAN)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(python: str, wheel: Path, folder: Path) -> tuple[Path, float]:
    """A new environment with the wheel: its programs, and the seconds it took."""
    begin = time.perf_counter()
    subprocess.run([python, "-m", "venv", folder], check=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [programs / "python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", wheel],
        check=True,
        env=CLEAN,
    )
    return programs, time.perf_counter() - begin


def run(step: Step, programs: Path, folder: Path) -> float:
    """Seconds of one command; what it prints is compared with the page."""
    words = shlex.split(step.command)
    begin = time.perf_counter()
    done = subprocess.run(
        [str(programs / words[0]), *words[1:]],
        cwd=folder,
        env=CLEAN,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - begin
    printed = done.stdout + (done.stderr if done.returncode else "")
    if done.returncode not in step.status or not fits(step.shown, printed):
        raise SystemExit(f"{step.command}\nended with {done.returncode} and printed\n{printed}")
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("wheel", type=Path, nargs="?")
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    show(header())
    with tempfile.TemporaryDirectory() as place:
        wheel = options.wheel.resolve() if options.wheel else built(Path(place, "wheel"))
        programs, seconds = install(options.python, wheel, Path(place, "env"))
        print("| | commands | seconds | the slowest |\n| --- | --- | --- | --- |")
        print(f"| environment and wheel | 2 | {seconds:.0f} | |")
        for name in ("council", "operator", "researcher", "security"):
            folder = Path(place, name)
            folder.mkdir()
            found = [(run(one, programs, folder), one) for one in steps(ROOT / f"docs/tutorials/{name}.md")]
            slowest, step = max(found, key=lambda one: one[0])
            what = " ".join(step.command.split()[:2])
            total = sum(one for one, _ in found)
            print(f"| {name} | {len(found)} | {total:.0f} | `{what}`, {slowest:.0f} s |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
