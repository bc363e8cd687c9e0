"""
Encoding one CSV file of invented people: clkhash 0.18.3, pseudolink's CLKs and pseudolink's passes.

    python benchmarks/encode.py
    python benchmarks/encode.py --rows 1000000

Side by side in one run, on the same file, each in a process of its own so that each one's largest
resident set is known. Seconds are told twice: on the clock, and of the processors, which others who
use the machine disturb less. Six fields: forename, surname, date of birth, postcode, NINO, UPN.

clkhash and pseudolink's CLKs read, check and encode on one thread; the bits of the whole file are
compared, and the run fails when one differs. Passes: twelve, six of them with filters, from
reading the file to the written encodings, the security floor and agreement by chance included; on
every processor, on one, from the same rows as Parquet, and as a pandas DataFrame (which is in memory
itself). The last line is CSV again with every name non-ASCII, Welsh and Yoruba letters among them.

clkhash is no dependency: pip install --no-deps clkhash==0.18.3
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import _machine
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as pa_csv

from pseudolink.schema import parse_schema
from pseudolink.synthetic import names, numbers
from pseudolink.synthetic.streams import stream

SECRET = "invented for this benchmark"  # noqa: S105
FIELDS = ("forename", "surname", "dob", "postcode", "nino", "upn")
STRING = {"type": "string", "encoding": "utf-8"}
NINO = {"type": "string", "pattern": "(?:[A-Z]{2}[0-9]{6}[A-D])?"}
#: Twelve narrow passes as a plan has them; six with filters.
PASSES: list[tuple[list[str], list[str]]] = [
    (["nino.stem"], ["surname"]),
    (["upn"], ["forename", "surname"]),
    (["surname", "dob.year_day", "postcode"], ["forename"]),
    (["forename", "dob", "postcode.sector"], ["surname"]),
    (["names.sorted_soundex", "dob"], ["postcode"]),
    (["surname.soundex", "forename.initial", "dob.year_month", "postcode"], ["forename"]),
    (["forename", "surname", "dob"], []),
    (["names.sorted", "dob.year", "postcode.district"], []),
    (["forename.metaphone", "surname.metaphone", "dob.month_day", "postcode.sector"], []),
    (["surname", "dob", "postcode"], []),
    (["forename.first3", "surname.last3", "dob"], []),
    (["names.sorted_first3", "dob.sorted", "postcode.area"], []),
]
#: For every vowel, two letters that fold to it.
ACCENTS = {"A": "ÂÁ", "E": "ËẸ", "I": "ÎÏ", "O": "ÔỌ", "U": "ÛÙ", "Y": "ŶŸ"}


# ---------------------------------------------------------------- the file


def feature(identifier: str, form: dict[str, str], n: int, positional: bool, bits: int) -> dict[str, Any]:
    comparison = {"type": "ngram", "n": n, "positional": positional}
    hashing = {"comparison": comparison, "strategy": {"bitsPerFeature": bits}}
    return {"identifier": identifier, "format": form, "hashing": hashing}


def clk_schema() -> dict[str, Any]:
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
            {**day, "hashing": {**day["hashing"], "missingValue": {"sentinel": ""}}},
            feature("postcode", STRING, 1, True, 100),
            feature("nino", NINO, 2, False, 100),
            feature("upn", STRING, 2, False, 100),
        ],
    }


def linkage_schema() -> dict[str, Any]:
    kinds = ("forename", "surname", "date", "postcode", "nino", "upn")
    return {
        "format": "pseudolink/linkage-schema/1",
        "name": "benchmark",
        "fields": {name: {"kind": kind, "columns": [name]} for name, kind in zip(FIELDS, kinds, strict=True)},
        "passes": [
            {"name": f"p{number}", "on": on, "compare": compare}
            for number, (on, compare) in enumerate(PASSES, 1)
        ],
        "floor": {"company": 0.05, "component": 20},
    }


def accented(cells: np.ndarray) -> np.ndarray:
    """Every name with letters beyond ASCII in it; where it has no vowel, one more."""
    table = str.maketrans({vowel: letters[0] for vowel, letters in ACCENTS.items()})
    other = str.maketrans({vowel: letters[1] for vowel, letters in ACCENTS.items()})
    changed = [cell.translate(table if n % 2 else other) for n, cell in enumerate(cells.tolist())]
    return np.asarray([cell if not cell.isascii() else f"{cell}É" if cell else "" for cell in changed])


def write_people(folder: Path, rows: int, seed: int, *, block: int = 500_000) -> tuple[Path, Path]:
    """Invented people, two in a hundred cells empty: as they are, and with accents on every name."""
    plain, other = folder / "people.csv", folder / "accented.csv"
    rng = stream(seed, rows)
    pools = names.build(seed, rng)
    postcodes = numbers.Postcodes(rows // 2 + 1, rng)
    insurance, letters = numbers.ninos(rows, rng), numbers.UPN_LETTERS
    weights = np.arange(2, 14)
    with (
        plain.open("w", encoding="utf-8", newline="") as one,
        other.open("w", encoding="utf-8", newline="") as two,
    ):
        writers = [csv.writer(stream_, lineterminator="\n") for stream_ in (one, two)]
        for writer in writers:
            writer.writerow(FIELDS)
        for at in range(0, rows, block):
            n = min(block, rows - at)
            origins = rng.choice(len(names.ORIGINS), size=n, p=names.ORIGIN_SHARES)
            days = np.datetime64("1930-01-01") + rng.integers(0, 34_000, n).astype("timedelta64[D]")
            digits = rng.integers(0, 10, (n, 12))
            digits[:, :3] = np.asarray([[8, 4, 0], [8, 0, 8]])[rng.integers(0, 2, n)]
            check = np.asarray(list(letters))[(digits * weights).sum(axis=1) % 23]
            joined = (digits + 48).astype(np.uint32).view("U12").ravel()
            columns = [
                np.char.upper(pools.draw_forenames(origins, rng.integers(1, 3, n), rng).astype(str)),
                np.char.upper(pools.draw_surnames(origins, rng).astype(str)),
                days.astype(str),
                postcodes.units[postcodes.draw(n, rng)].astype(str),
                insurance[at : at + n].astype(str),
                np.char.add(check, joined),
            ]
            for column in columns:
                column[rng.random(n) < 0.02] = ""
            writers[0].writerows(zip(*(c.tolist() for c in columns), strict=True))
            columns[:2] = [accented(column) for column in columns[:2]]
            writers[1].writerows(zip(*(c.tolist() for c in columns), strict=True))
    return plain, other


# ---------------------------------------------------------------- one tool, in a process of its own


def by_clkhash(path: Path, workers: int) -> dict[str, Any]:
    from clkhash.clk import generate_clk_from_csv
    from clkhash.schema import from_json_dict

    read = from_json_dict(clk_schema())
    begin = time.perf_counter()
    with path.open(encoding="utf-8") as stream_:
        found = generate_clk_from_csv(stream_, SECRET, read, progress_bar=False, max_workers=workers)
    taken = time.perf_counter() - begin
    return {"seconds": taken, "digest": hashlib.sha256(b"".join(clk.tobytes() for clk in found)).hexdigest()}


def by_pseudolink(path: Path, workers: int) -> dict[str, Any]:
    from pseudolink.interop import clkhash

    digest = hashlib.sha256()
    begin = time.perf_counter()
    chunks = list(clkhash.encode_chunks(path, clk_schema(), SECRET))
    taken = time.perf_counter() - begin
    for chunk in chunks:
        digest.update(np.ascontiguousarray(chunk))
    return {"seconds": taken, "digest": digest.hexdigest()}


def by_passes(path: Path, workers: int, *, framed: bool = False) -> dict[str, Any]:
    import pandas as pd

    from pseudolink.clean.reader import open_extract
    from pseudolink.engines.spill import Spill
    from pseudolink.keys.linkage import LinkageKey
    from pseudolink.roles.encoding import Encoder, Options

    schema = parse_schema(linkage_schema())
    source = pd.read_csv(path, dtype=str, keep_default_na=False) if framed else path
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        begin = time.perf_counter()
        encoder = Encoder(
            open_extract(source),
            schema,
            LinkageKey(bytes(32)).derive,
            "benchmark",
            options=Options(workers=workers),
            spill=lambda: Spill(Path(folder)),
        )
        encoder.gather()
        read = time.perf_counter() - begin
        written, _ = encoder.write(Path(folder) / "encodings.parquet")
        taken = time.perf_counter() - begin
        size = (Path(folder) / "encodings.parquet").stat().st_size
    return {
        "seconds": taken,
        "until_encoded": read,
        "company": written.company.share,
        "bytes": size / len(written.records),
    }


TOOLS = {
    "clkhash": by_clkhash,
    "clk": by_pseudolink,
    "passes": by_passes,
    "frame": partial(by_passes, framed=True),
}


def child(tool: str, path: Path, workers: int, warm: Path) -> dict[str, Any]:
    """Run one tool; ``warm`` is a small file that has compiled code loaded before the clock starts."""
    if tool != "clkhash":
        TOOLS[tool](warm, workers)
    before = os.times()
    found = TOOLS[tool](path, workers)
    after = os.times()
    cpu = sum(after[i] - before[i] for i in range(4))  # of this process and of those it started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        **found,
        "cpu": cpu,
        "mib": peak / (1024 if sys.platform != "darwin" else 1024 * 1024),
    }


def run(tool: str, path: Path, workers: int, warm: Path, repeat: int = 1) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", tool, str(path), str(workers), str(warm)]
    found = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(repeat)
    ]
    middle = statistics.median_low([one["seconds"] for one in found])
    return next(one for one in found if one["seconds"] == middle)


# ---------------------------------------------------------------- side by side


def side_by_side(folder: Path, rows: int, given: argparse.Namespace, warm: Path) -> list[str]:
    """Run all of them on one file, print a row each, and say what fell short."""
    plain, other = write_people(folder, rows, given.seed)
    parquet = folder / "people.parquet"
    as_text = pa_csv.ConvertOptions(column_types=dict.fromkeys(FIELDS, pa.string()))
    pq.write_table(pa_csv.read_csv(plain, convert_options=as_text), parquet)
    cores = os.cpu_count() or 1
    theirs = None if given.without_clkhash else run("clkhash", plain, 1, warm)
    ours = [
        ("pseudolink CLK", 1, run("clk", plain, 1, warm, given.repeat)),
        ("pseudolink passes", cores, run("passes", plain, cores, warm, given.repeat)),
        ("pseudolink passes", 1, run("passes", plain, 1, warm)),
        ("passes, from Parquet", cores, run("passes", parquet, cores, warm, given.repeat)),
        ("passes, from a DataFrame", cores, run("frame", plain, cores, warm, given.repeat)),
        ("passes, names non-ASCII", cores, run("passes", other, cores, warm, given.repeat)),
    ]
    table = [*([("clkhash CLK", 1, theirs)] if theirs else []), *ours]
    for label, workers, found in table:
        ratio = f"{theirs['seconds'] / found['seconds']:.1f}" if theirs else "-"
        shares = f"{theirs['cpu'] / found['cpu']:.1f}" if theirs else "-"
        print(
            f"| {rows:,} | {label} | {workers} | {found['seconds']:.2f} | {rows / found['seconds']:,.0f} "
            f"| {ratio} | {found['cpu']:.2f} | {shares} | {found['mib']:,.0f} |",
            flush=True,
        )
    clk, passes, *_, accents = (found for *_, found in ours)
    slower = accents["seconds"] / passes["seconds"]
    print(
        f"<!-- encodings {passes['bytes']:.0f} bytes a record, company {passes['company']:.4f}, read and "
        f"encoded after {passes['until_encoded']:.2f} s; non-ASCII names take {slower:.2f} times as long -->",
        flush=True,
    )
    short = [f"{rows:,}: non-ASCII names take {slower:.2f} times as long"] if slower > 3 else []
    if theirs:
        if clk["digest"] != theirs["digest"]:
            short.append(f"{rows:,}: the bits of CLKs differ")
        if theirs["seconds"] / clk["seconds"] < given.clk_goal:
            short.append(f"{rows:,}: CLKs are below {given.clk_goal} times clkhash")
        if theirs["seconds"] / passes["seconds"] < given.goal:
            short.append(f"{rows:,}: passes are below {given.goal} times clkhash")
    if max(found["mib"] for *_, found in ours[1:]) > given.most_mib:
        short.append(f"{rows:,}: passes take more than {given.most_mib} MiB")
    return short


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        tool, path, workers, warm = sys.argv[2:]
        print(json.dumps(child(tool, Path(path), int(workers), Path(warm))))
        return 0
    parser = argparse.ArgumentParser(description="clkhash and pseudolink encode the same file.")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--repeat", type=int, default=3, help="runs of pseudolink; the median counts")
    parser.add_argument("--goal", type=float, default=6.0, help="ratio of passes below which the run fails")
    parser.add_argument("--clk-goal", type=float, default=30.0, help="the same of CLKs")
    parser.add_argument("--most-mib", type=float, default=1536.0, help="memory above which the run fails")
    parser.add_argument("--without-clkhash", action="store_true", help="pseudolink alone, for large files")
    parser.add_argument(
        "--folder", type=Path, help="where the files are made; default the system's temporary one"
    )
    given = parser.parse_args()
    _machine.show(_machine.header("clkhash"))
    print(
        f"seed {given.seed}; the median of {given.repeat} runs of pseudolink, one of clkhash; bits compared\n"
    )
    print("| records | tool | threads | s | records a second | ÷ clkhash | processor s | ÷ clkhash | MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    short = []
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        warm_folder = Path(folder) / "warm"
        warm_folder.mkdir()
        warm, _ = write_people(warm_folder, 2_000, given.seed)
        for rows in given.rows:
            short += side_by_side(Path(folder), rows, given, warm)
    for one in short:
        print(f"failed: {one}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
