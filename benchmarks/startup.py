"""
How long a start takes: importing the package, the list of commands, the help of every command.

    python benchmarks/startup.py [--runs 15] [--python PYTHON]

Each is a process of its own, in turn with `python -c pass` in the same run, so that what a busy machine
or a slow disk adds is in both. Printed are the least and the median of wall seconds, and how many times
as long as the empty program. With --python another environment is measured: a minimal one, into which
only the wheel was installed (`make wheel` shows how). Nothing is measured that was not once started
before: files are in the system's cache, and loops are compiled. What `import pseudolink` puts off is
paid by the first use; that is measured too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from _machine import header, show

EMPTY = ("-c", "pass")
#: What the issue asks for, in seconds.
LIMITS = {"import pseudolink": 0.5, "pseudolink --help": 0.3}


def around(python: str) -> dict[str, str]:
    """Variables of a process: in another environment nothing of this one is to be found."""
    other = python != sys.executable
    return {name: value for name, value in os.environ.items() if not (other and name == "PYTHONPATH")}


def seconds(python: str, arguments: Sequence[str]) -> float:
    """Of one process, away from the source so that what is installed is imported."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        subprocess.run([python, *arguments], capture_output=True, check=True, cwd=folder, env=around(python))
        return time.perf_counter() - begin


def measured(python: str, programs: dict[str, tuple[str, ...]], runs: int) -> dict[str, list[float]]:
    """Name -> seconds of every run; the programs take turns."""
    found: dict[str, list[float]] = {name: [] for name in programs}
    for arguments in programs.values():  # once before anything counts
        seconds(python, arguments)
    for _ in range(runs):
        for name, arguments in programs.items():
            found[name].append(seconds(python, arguments))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    listed = "from pseudolink.cli.main import COMMANDS; print(*COMMANDS)"
    commands = subprocess.run(
        [options.python, "-c", listed],
        capture_output=True,
        text=True,
        check=True,
        env=around(options.python),
    ).stdout.split()
    command = ("-m", "pseudolink.cli.main")
    programs = {
        "python -c pass": EMPTY,
        "import pseudolink": ("-c", "import pseudolink"),
        "pseudolink --help": (*command, "--help"),
        "pseudolink --version": (*command, "--version"),
        **{f"pseudolink {name} --help": (*command, name, "--help") for name in commands},
        "from pseudolink import encode, link": ("-c", "from pseudolink import encode, link"),
        "import pandas": ("-c", "import pandas"),
    }
    found = measured(options.python, programs, options.runs)
    show(header("click", "pandas"))
    print(f"{options.runs} runs of each, in turn\n")
    print("| | least | median | ÷ `python -c pass` (median) |\n| --- | --- | --- | --- |")
    empty = statistics.median(found["python -c pass"])
    for name, times in found.items():
        middle = statistics.median(times)
        print(f"| `{name}` | {min(times):.3f} | {middle:.3f} | {middle / empty:.1f} |")
    over = [name for name, most in LIMITS.items() if min(found[name]) >= most]
    print(f"\nover what was asked for: {', '.join(over) or 'nothing'}")
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
