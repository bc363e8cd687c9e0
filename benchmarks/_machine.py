"""What every benchmark says first: machine, day, versions."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def header(*peers: str) -> dict[str, str]:
    """Facts about this run; ``peers`` are packages whose versions matter."""
    found = {
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
    for name in ("pseudolink", "numpy", "pyarrow", "numba", "scipy", *peers):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def show(facts: dict[str, str]) -> None:
    """Print the facts, one line each."""
    for name, value in facts.items():
        print(f"{name:<12}{value}")
    print()
