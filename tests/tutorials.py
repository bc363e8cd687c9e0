"""
Runs the commands of a tutorial and compares what they print with what the page shows.

In a ``console`` block a line that begins with ``$`` is a command; what follows is what it prints:
``...`` stands for any text, on a line of its own for any lines. ``! status 1`` says how the command ends
(0 otherwise; ``0 or 3`` either).
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner

from pseudolink.cli.main import cli

_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


@dataclass
class Step:
    """A command, what it prints and the statuses with which it may end."""

    command: str
    shown: list[str] = field(default_factory=list)
    status: tuple[int, ...] = (0,)


def steps(page: Path) -> list[Step]:
    """All steps of a page, in order."""
    found: list[Step] = []
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(line[2:]))
            elif line.startswith("! status "):
                found[-1].status = tuple(int(one) for one in re.findall(r"\d+", line))
            else:
                found[-1].shown.append(line)
    return found


def fits(shown: list[str], printed: str) -> bool:
    """Whether what was printed is what is shown."""
    pattern = ""
    for line in shown:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("...")) + r"[ ]*\n"
    text = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, text) is not None


def run(step: Step, kept: dict[str, Path]) -> None:
    """
    Run one step in the current folder.

    Args:
        kept: command -> folder that an earlier tutorial made with it; `demo` takes long and is the same.
    """
    words = shlex.split(step.command)
    if words[:2] == ["pseudolink", "demo"]:
        if step.command in kept:
            shutil.copytree(kept[step.command], "demo")
            return
        kept[step.command] = Path("demo").resolve()
    if words[0] == "pseudolink":
        result = CliRunner().invoke(cli, words[1:])
        status, printed, errors = result.exit_code, result.stdout, result.stderr
        if status:
            printed += errors
    else:
        assert words[0] == "python"
        done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=False)
        status, printed, errors = done.returncode, done.stdout, done.stderr
    assert status in step.status, f"{step.command}\n{printed}{errors}"
    assert fits(step.shown, printed), f"{step.command}\n{printed}"
