"""
Build wheel and sdist twice from copies in different folders, and compare them byte by byte.

    python .ci/twice.py OUTPUT_FOLDER

The time in the archives is that of the last commit (SOURCE_DATE_EPOCH says another).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def moment() -> str:
    """Seconds since 1970 of the last commit."""
    known = os.environ.get("SOURCE_DATE_EPOCH")
    if known:
        return known
    found = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return found.stdout.strip()


def built(folder: Path, epoch: str) -> dict[str, str]:
    """Copy what git knows into a folder, build there, and give the digests."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    source = folder / "source"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(source)],
        env={**os.environ, "SOURCE_DATE_EPOCH": epoch}, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "dist").iterdir())
    }


def main(output: Path) -> int:
    epoch = moment()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory(prefix="elsewhere") as other:
        first, second = built(Path(one), epoch), built(Path(other), epoch)
        if first != second:
            print(f"the builds differ: {first} and {second}", file=sys.stderr)
            return 1
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(Path(one) / "dist", output)
    lines = "".join(f"{digest}  {name}\n" for name, digest in first.items())
    (output / "SHA256SUMS").write_text(lines, encoding="utf-8")
    print(f"built twice, the same bytes:\n{lines}", end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
