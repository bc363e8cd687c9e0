"""
Throw malformed packages at the opener: a refusal with a code and nothing left, or the same artefact.

    python benchmarks/fuzz_packages.py --inputs 1000000 --seed 1

Structure-aware: three quarters are signed again after they were changed, so that they come past the
signature. Flips every byte of a package once besides. Prints the seed and the number of an input
that fails; exit status 1 then. `--minutes` ends a run early and says how far it came.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from _machine import header, show

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import fuzz_packages as fuzz
import reference_package

#: Longer than this for one input is a hang.
HANG_SECONDS = 10.0


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--minutes", type=float)
    options = parser.parse_args()
    show(header("cryptography"))
    print(f"seed {options.seed}")
    chance = random.Random(options.seed)
    found: Counter[str] = Counter()
    slowest, begun, done = 0.0, time.perf_counter(), 0
    shared = Path("/dev/shm")  # noqa: S108 - files of this run alone, in a folder of its own
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        folder = Path(name)
        for at in range(len(reference_package.BASE)):
            data = bytearray(reference_package.BASE)
            data[at] ^= 1 << (at % 8)
            if fuzz.try_one(fuzz.Mutant(bytes(data)), folder) == "opened":
                print(f"byte {at} of a package is not checked")
                return 1
        print(f"every byte of {len(reference_package.BASE):,} flipped once: all refused")
        for number in range(options.inputs):
            data_of = fuzz.mutant(chance)
            started = time.perf_counter()
            try:
                found[fuzz.try_one(data_of, folder)] += 1
            except Exception as error:
                print(f"input {number}: {type(error).__name__}")
                return 1
            slowest = max(slowest, time.perf_counter() - started)
            if slowest > HANG_SECONDS:
                print(f"input {number}: hung for {slowest:.1f} s")
                return 1
            done = number + 1
            if options.minutes and time.perf_counter() - begun > 60 * options.minutes:
                break
    seconds = time.perf_counter() - begun
    print(
        f"{done:,} inputs in {seconds:.0f} s, slowest {slowest * 1000:.0f} ms; "
        "none crashed, hung or gave another artefact"
    )
    for code, count in sorted(found.items()):
        print(f"  {code:<14}{count:>10,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
