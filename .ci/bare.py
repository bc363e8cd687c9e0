"""
Try a wheel in a bare environment of each Python that is there: what users install, and no more.

    python .ci/bare.py FOLDER_OF_THE_WHEEL 3.11 3.12 …

A Python that is not there is skipped with a word; that none is there is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOOK = """
import importlib.resources, sys
import pseudolink
place = importlib.resources.files("pseudolink")
assert "site-packages" in str(place), place
assert (place / "py.typed").is_file()
assert (place / "report" / "templates" / "page.html").is_file()
heavy = {"numba", "pandas", "pyarrow", "scipy", "numpy", "pyspark", "pkcs11", "openpyxl"} & set(sys.modules)
assert not heavy, heavy
"""

WORKBOOK = """
import pandas as pd
pd.read_csv("demo/council/extract.csv", dtype=str).to_excel("extract.xlsx", index=False)
"""


def interpreter(version: str) -> str | None:
    """A Python of this version that runs and can make environments."""
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == version:
        return sys.executable
    folders = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    places = [shutil.which(f"python{version}")]
    places += [str(one) for one in sorted(Path(folders, "versions").glob(f"{version}.*/bin/python"))]
    for one in filter(None, places):
        code = f"import sys, venv, ensurepip; sys.exit('{version}' != '%d.%d' % sys.version_info[:2])"
        if subprocess.run([one, "-c", code], capture_output=True, check=False).returncode == 0:
            return one
    return None


def tried(wheel: Path, python: str, folder: Path) -> None:
    """Install the wheel and use it, away from the source."""

    def run(*command: str | Path) -> None:
        subprocess.run([str(one) for one in command], cwd=folder, check=True)

    run(python, "-m", "venv", folder / "env")
    scripts = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", "--upgrade", "pip")
    run(scripts / "python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", wheel)
    run(scripts / "python", "-m", "pip", "check")
    run(scripts / "python", "-c", LOOK)
    run(scripts / "pseudolink", "--version")
    run(scripts / "pseudolink", "doctor")
    run(scripts / "pseudolink", "schema", "check", ROOT / "examples" / "schemas" / "uk-programme.toml")
    run(scripts / "pseudolink", "schema", "start", "-o", folder / "example.toml")
    run(scripts / "pseudolink", "demo", "--people", "500", "--out", folder / "demo")
    run(scripts / "python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", f"{wheel}[excel]")
    run(scripts / "python", "-c", WORKBOOK)
    run(
        scripts / "pseudolink",
        "profile",
        "extract.xlsx",
        "--schema",
        folder / "demo" / "shared" / "schema.toml",
    )


def main(folder: Path, versions: list[str]) -> int:
    (wheel,) = folder.resolve().glob("*.whl")
    done = 0
    for version in versions:
        python = interpreter(version)
        if python is None:
            print(f"Python {version}: skipped, it is not here")
            continue
        with tempfile.TemporaryDirectory() as place:
            tried(wheel, python, Path(place))
        print(f"Python {version}: {wheel.name} works")
        done += 1
    return 0 if done else 1


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:]))
