"""
CLKs from one CSV file by clkhash 0.18.3 and by pseudolink, side by side in one process.

    python benchmarks/encode_clk.py --rows 100000
    python benchmarks/encode_clk.py --rows 1000000

Six fields of invented people: forename, surname, date of birth, postcode, NINO, UPN. Both read,
validate and encode the file on one thread; the bits are compared, and the run fails when one
differs. Compilation, which happens once on a machine, is timed apart.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib.metadata
import json
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pseudolink.interop import clkhash
from pseudolink.synthetic import names, numbers
from pseudolink.synthetic.streams import stream

SECRET = "invented for this benchmark"  # noqa: S105
STRING = {"type": "string", "encoding": "utf-8"}
NINO = {"type": "string", "pattern": "(?:[A-Z]{2}[0-9]{6}[A-D])?"}


def feature(identifier: str, form: dict[str, str], n: int, positional: bool, bits: int) -> dict[str, object]:
    comparison = {"type": "ngram", "n": n, "positional": positional}
    hashing = {"comparison": comparison, "strategy": {"bitsPerFeature": bits}}
    return {"identifier": identifier, "format": form, "hashing": hashing}


def schema() -> dict[str, object]:
    day = feature("dob", {"type": "date", "format": "%Y-%m-%d"}, 1, True, 200)
    return {
        "version": 3,
        "clkConfig": {
            "l": 1024,
            "kdf": {"type": "HKDF", "hash": "SHA256", "salt": "c2FsdA==", "keySize": 64},
        },
        "features": [
            feature("forename", STRING, 2, False, 150),
            feature("surname", STRING, 2, False, 150),
            {**day, "hashing": {**day["hashing"], "missingValue": {"sentinel": ""}}},  # type: ignore[dict-item]
            feature("postcode", STRING, 1, True, 100),
            feature("nino", NINO, 2, False, 100),
            feature("upn", STRING, 2, False, 100),
        ],
    }


def write_people(path: Path, rows: int, seed: int) -> None:
    """Invented people, two in a hundred cells empty."""
    rng = stream(seed, rows)
    pools = names.build(seed, rng)
    origins = rng.choice(len(names.ORIGINS), size=rows, p=names.ORIGIN_SHARES)
    postcodes = numbers.Postcodes(rows // 2, rng)
    days = np.datetime64("1930-01-01") + rng.integers(0, 34_000, rows).astype("timedelta64[D]")
    columns = [
        np.char.upper(pools.draw_forenames(origins, rng.integers(1, 3, rows), rng).astype(str)),
        np.char.upper(pools.draw_surnames(origins, rng).astype(str)),
        days.astype(str),
        postcodes.units[postcodes.draw(rows, rng)].astype(str),
        numbers.ninos(rows, rng).astype(str),
        np.char.add("A", np.char.zfill(rng.integers(0, 10**12, rows).astype(str), 12)),
    ]
    for column in columns:
        column[rng.random(rows) < 0.02] = ""
    with path.open("w", encoding="utf-8", newline="") as stream_:
        writer = csv.writer(stream_, lineterminator="\n")
        writer.writerow([f["identifier"] for f in schema()["features"]])  # type: ignore[attr-defined, index]
        writer.writerows(zip(*(c.tolist() for c in columns), strict=True))


def by_clkhash(path: Path) -> tuple[float, str]:
    from clkhash.clk import generate_clk_from_csv
    from clkhash.schema import from_json_dict

    read = from_json_dict(schema())
    begin = time.perf_counter()
    with path.open(encoding="utf-8") as stream_:
        found = generate_clk_from_csv(stream_, SECRET, read, progress_bar=False, max_workers=1)
    taken = time.perf_counter() - begin
    return taken, hashlib.sha256(b"".join(clk.tobytes() for clk in found)).hexdigest()


def by_pseudolink(path: Path) -> tuple[float, str]:
    digest = hashlib.sha256()
    begin = time.perf_counter()
    chunks = list(clkhash.encode_chunks(path, schema(), SECRET))
    taken = time.perf_counter() - begin
    for chunk in chunks:
        digest.update(np.ascontiguousarray(chunk))
    return taken, digest.hexdigest()


def peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024 * 1024)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> int:
    parser = argparse.ArgumentParser(description="CLKs: clkhash and pseudolink side by side.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--goal", type=float, default=30.0, help="ratio below which the run fails; 0: none")
    parser.add_argument("--repeat", type=int, default=3, help="runs of pseudolink; the median counts")
    given = parser.parse_args()
    try:
        versions = {
            name: importlib.metadata.version(name) for name in ("clkhash", "numba", "numpy", "pyarrow")
        }
    except importlib.metadata.PackageNotFoundError:
        print("clkhash is not installed: pip install --no-deps clkhash==0.18.3", file=sys.stderr)
        return 1
    print(f"{processor()}, Python {platform.python_version()}, " + json.dumps(versions))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        write_people(path, 200, given.seed)
        compiling, _ = by_pseudolink(path)
        write_people(path, given.rows, given.seed)
        ours = [by_pseudolink(path) for _ in range(given.repeat)]
        memory = peak_mib()
        theirs, expected = by_clkhash(path)
    taken = sorted(one for one, _ in ours)[given.repeat // 2]
    same = {digest for _, digest in ours} == {expected}
    ratio = theirs / taken
    print(f"rows          {given.rows:>12,}")
    print(f"clkhash       {given.rows / theirs:>12,.0f} records a second")
    print(f"pseudolink    {given.rows / taken:>12,.0f} records a second")
    print(f"first use     {compiling:>12.1f} s, compilation included where it is not cached")
    print(f"ratio         {ratio:>12.1f}")
    print(f"peak memory   {memory:>12,.0f} MiB, CLKs and this script's own tables of people included")
    print(f"bits          {'identical' if same else 'DIFFERENT':>12}")
    if not same or ratio < given.goal:
        print("failed: " + ("the ratio is below the goal" if same else "bits differ"), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
