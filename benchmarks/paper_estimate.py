"""
What 60 million records against 10 million would take on a cluster: an estimate on paper.

    python benchmarks/paper_estimate.py [--rows 100000] [--left 60000000] [--right 10000000] [--passes 20]

Measured, on one core of this machine and in one run: encoding a record here; joining on Spark, with one
executor thread, encodings of ROWS against ROWS of which four fifths are in common and share seven tenths
of their passes; the same join by the local engine; and the bytes that the dealing of tokens writes for a
shuffle. Everything else is multiplication, printed with its factors: an estimate, not a measurement.
Needs PySpark and a Java runtime: `make spark-test` makes an environment that has both.

What it leaves out: opening the packages, the estimate of weights on the driver, which holds every
candidate pair (about 160 bytes each), and whatever a cluster spends on waiting, retries and skew.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from _machine import header, show

from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.engines import spark
from pseudolink.formats import encodings as files
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.formats.stored import open_stored
from pseudolink.keys.linkage import LinkageKey
from pseudolink.match import compare
from pseudolink.roles import spark_linking
from pseudolink.roles.spark_linking import SparkJoins
from pseudolink.schema import LinkageSchema, parse_schema

SEED = 2026
COMMON, SHARED = 0.8, 0.7


def schema_of(passes: int) -> LinkageSchema:
    """So many passes of two to four components, without filters, as they are planned today."""
    pool = ["dob", "dob.year", "dob.month_day", "surname", "surname.soundex", "forename", "forename.first3"]
    pool += ["postcode", "postcode.district", "sex"]
    kinds = {
        "forename": "forename",
        "surname": "surname",
        "dob": "date",
        "postcode": "postcode",
        "sex": "sex",
    }
    chosen: list[list[str]] = []
    for a in range(len(pool)):
        for b in range(a + 1, len(pool)):
            for c in range(b + 1, len(pool)):
                names = [pool[n] for n in (a, b, c)]
                if len({n.split(".")[0] for n in names}) == 3:
                    chosen.append(names)
    if passes > len(chosen):
        raise SystemExit(f"at most {len(chosen)} passes")
    return parse_schema(
        {
            "format": "pseudolink/linkage-schema/1",
            "name": "paper",
            "fields": {name: {"kind": kind, "columns": [name]} for name, kind in kinds.items()},
            "passes": [{"name": f"p{n}", "on": on, "compare": []} for n, on in enumerate(chosen[:passes])],
        }
    )


def people(rows: int, schema: LinkageSchema, rng: np.random.Generator) -> Cleaned:
    """Invented values in UK-like numbers; the encoder's time depends on their length and number."""
    letters = "ABCDEFGHIJKLMNOPRSTUVWY"
    words = sorted({"".join(rng.choice(list(letters), 7)) for _ in range(8_000)})
    dates = [f"{year}-{month:02}-{day:02}" for year in range(1940, 2020) for month in range(1, 13)
             for day in range(1, 29)]  # fmt: skip
    codes = [
        f"{a}{b}{n} {k}{a}{b}" for a in letters for b in letters for n in range(1, 9) for k in range(1, 9)
    ]
    values = {"forename": words[:2_000], "surname": words, "dob": dates, "postcode": sorted(codes),
              "sex": ["F", "M"]}  # fmt: skip
    fields = {n: Column(tuple(values[n]), rng.integers(0, len(values[n]), rows).astype(np.int32))
              for n in schema.fields}  # fmt: skip
    return Cleaned(rows, np.arange(rows, dtype=np.int64), fields, {})


def parties(rows: int, schema: LinkageSchema, rng: np.random.Generator) -> tuple[Encodings, Encodings]:
    """Random tokens of which a right row shares some with the left row of its person."""
    both = int(rows * COMMON)
    records = [rng.integers(0, 256, (rows, 16), dtype=np.uint8) for _ in range(2)]
    left, right = {}, {}
    for one in schema.passes:
        a, b = (rng.integers(0, 2**63, (rows, 2), dtype=np.uint64) * np.uint64(2) for _ in range(2))
        same = np.flatnonzero(rng.random(both) < SHARED)
        b[same] = a[same]
        left[one.name] = PassColumns(a, np.ones(rows, bool), None)
        right[one.name] = PassColumns(b, np.ones(rows, bool), None)
    return Encodings(records[0], left), Encodings(records[1], right)


def dealt_bytes(one: Encodings, schema: LinkageSchema) -> float:
    """Bytes a token that dealing hands to the shuffle, as Arrow lays them out; random bytes do not pack."""
    some = min(one.rows, spark.BATCH_ROWS)
    columns: dict[str, Any] = {"row": pa.array(np.arange(some, dtype=np.int64))}
    table = files.to_table(one.take(np.arange(some)))
    for number, name in enumerate(schema.layout):
        columns[f"t{number}"] = table.column(f"{name}.token").combine_chunks()
    batch = pa.RecordBatch.from_pydict(columns)
    made = list(spark_linking.deal(tuple(schema.layout.values()), 1, iter([batch])))
    return sum(b.nbytes for b in made) / sum(b.num_rows for b in made)


def measure(rows: int, passes: int) -> dict[str, float]:
    rng = np.random.default_rng(SEED)
    schema = schema_of(passes)
    ring = KeyRing.derived(LinkageKey.generate().derive, schema, "paper")
    some = people(rows, schema, rng)
    encode_chunk(some.take(np.arange(100)), schema, ring)  # compiles
    begin = time.perf_counter()
    encode_chunk(some, schema, ring)
    encoding = time.perf_counter() - begin
    sides = parties(rows, schema, rng)
    with tempfile.TemporaryDirectory() as place:
        stored = []
        for number, one in enumerate(sides):
            path = Path(place) / f"{number}.parquet"
            files.save(one, path)
            stored.append(open_stored(path, schema.layout))
        session = spark.open_session("local[1]")
        session.conf.set("spark.sql.shuffle.partitions", "8")
        joins = SparkJoins(session, Path(place), memory=32 << 20)
        few = [one.take(np.arange(min(1_000, rows))) for one in sides]
        joins.candidates(*few, schema)  # starts the workers, compiles
        begin = time.perf_counter()
        there = joins.candidates(*stored, schema)
        joining = time.perf_counter() - begin
        compare.candidates(*few, schema)
        begin = time.perf_counter()
        here = compare.candidates(*stored, schema)
        local = time.perf_counter() - begin
        session.stop()
    assert np.array_equal(there.left, here.left)
    assert np.array_equal(there.right, here.right)
    assert np.array_equal(there.shared, here.shared)
    shares = int(np.bitwise_count(here.shared).sum())
    return {
        "encode_us": encoding / rows * 1e6,
        "spark_us": joining / (2 * rows * passes) * 1e6,
        "local_us": local / (2 * rows * passes) * 1e6,
        "token_bytes": dealt_bytes(sides[0], schema),
        "pairs": len(here),
        "shares_per_pair": shares / max(len(here), 1),
    }


def estimate(found: dict[str, float], left: int, right: int, passes: int) -> dict[str, float]:
    tokens = (left + right) * passes
    pairs = COMMON * right
    found_bytes = 4 * 8 + 4  # range, pass, left, right, levels
    shuffle = tokens * found["token_bytes"] + pairs * found["shares_per_pair"] * found_bytes
    return {
        "tokens": tokens,
        "candidate_pairs": pairs,
        "shuffle_gigabytes": shuffle / 1e9,
        "encode_core_hours": (left + right) * found["encode_us"] / 3.6e9,
        "join_core_hours": tokens * found["spark_us"] / 3.6e9,
        "driver_gigabytes": pairs * 160 / 1e9,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--left", type=int, default=60_000_000)
    parser.add_argument("--right", type=int, default=10_000_000)
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.rows, given.passes)
    guess = estimate(found, given.left, given.right, given.passes)
    if given.json:
        print(json.dumps({"seed": SEED, "measured": found, "estimated": guess}, indent=1))
        return
    show(header("pyspark"))
    ratio = found["spark_us"] / found["local_us"]
    print(
        f"seed {SEED}; measured on {given.rows:,} x {given.rows:,} records, {given.passes} passes, one core:"
    )
    print(f"  encoding     {found['encode_us']:8.2f} us a record")
    print(f"  local join   {found['local_us']:8.2f} us a token")
    print(f"  Spark join   {found['spark_us']:8.2f} us a token, {ratio:.1f} times the local one")
    print(f"  shuffle      {found['token_bytes']:8.1f} bytes a token")
    print(f"estimated for {given.left:,} x {given.right:,}:")
    for name, value in guess.items():
        print(f"  {name.replace('_', ' '):<18} {value:16,.1f}")


if __name__ == "__main__":
    main()
