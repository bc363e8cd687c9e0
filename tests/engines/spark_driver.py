"""Drivers of test_spark.py: each runs in a process of its own and prints one line of JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from reference_linkage import cleaned_of, schema_of
from test_shards import SCHEMA, party, same

from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.engines import spark
from pseudolink.engines.errors import ClusterError
from pseudolink.formats import encodings as files
from pseudolink.formats.candidates import Candidates
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.formats.stored import open_stored
from pseudolink.keys import vault
from pseudolink.keys.linkage import LinkageKey
from pseudolink.match import compare
from pseudolink.roles.spark_encoding import SparkEncoder
from pseudolink.roles.spark_linking import SparkJoins


def by_force(left: Encodings, right: Encodings) -> set[tuple[int, int, int]]:
    """(left row, right row, shared passes) in numpy alone, every pair looked at; without giants."""
    shared = np.zeros((left.rows, right.rows), dtype=np.int64)
    for number, name in enumerate(left.passes):
        a, b = left.passes[name], right.passes[name]
        equal = (a.tokens[:, None, :] == b.tokens[None, :, :]).all(axis=2)
        equal &= a.present[:, None] & b.present[None, :]
        shared |= equal.astype(np.int64) << number
    return {(int(i), int(j), int(shared[i, j])) for i, j in np.argwhere(shared)}


def shared_by_all(one: Encodings, rows: int) -> Encodings:
    """The same with a token of the first pass that ``rows`` of its rows share."""
    columns = one.passes["p0"]
    tokens, present = columns.tokens.copy(), columns.present.copy()
    tokens[:rows], present[:rows] = 7, True
    return replace(one, passes={**one.passes, "p0": PassColumns(tokens, present, None)})


def parity(session: Any, folder: Path) -> dict[str, Any]:
    cases = pairs = giants = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rows = [(0, 5), (1, 1), (60, 90), (300, 200), (150, 400), (200, 200)][seed]
        left = party(rng, rows[0], max(rows[0] // 3, 1), versions=seed % 2 == 0)
        right = party(rng, rows[1], max(rows[0] // 3, 1))
        place = folder / f"case{seed}"
        place.mkdir()
        if seed >= 3:  # from files, as the operator has them
            for name, one in (("a", left), ("b", right)):
                files.save(one, place / f"{name}=x.parquet")
            left, right = (open_stored(place / f"{n}=x.parquet", SCHEMA.layout) for n in "ab")
        if seed == 5:  # as after withdrawals: some rows of what is in files
            left, right = (one.take(np.arange(0, one.rows, 2)) for one in (left, right))
        joins = SparkJoins(session, place, memory=[10**9, 2_000, 8_000][seed % 3])
        found = joins.candidates(left, right, SCHEMA)
        assert same(found, compare.candidates(left, right, SCHEMA)), seed
        if len(compare.first_rows(left) if compare.first_rows(left) is not None else []) == 0:
            triples = zip(found.left.tolist(), found.right.tolist(), found.shared.tolist(), strict=True)
            assert set(triples) == by_force(left, right), seed
        assert same(joins.company(left, SCHEMA), compare.company(left, SCHEMA)), seed
        one, other = joins.shows(right, SCHEMA), compare.shows(right, SCHEMA)
        assert np.array_equal(one.tokens, other.tokens)
        assert np.array_equal(one.fields, other.fields)
        cases += 2
        pairs += len(found)
    rng = np.random.default_rng(9)
    left, right = (shared_by_all(party(rng, 1_200, 400), 1_100) for _ in range(2))
    (folder / "giant").mkdir()
    found = SparkJoins(session, folder / "giant").candidates(left, right, SCHEMA)
    assert same(found, compare.candidates(left, right, SCHEMA))
    giants += sum(one.blocks for one in found.giants)
    return {"cases": cases, "pairs": pairs, "giants": giants, "executors": executors(session)}


def plant(session: Any, folder: Path) -> dict[str, Any]:
    """What must never be done: a secret in an option, a literal, a closure's error and a worker's print."""
    import pyarrow as pa
    from pyspark.sql.functions import lit

    option, literal, printed, dealt = Path(sys.argv[4]).read_text().split()
    session.conf.set("spark.pseudolink.canary", option)
    session.range(3).withColumn("canary", lit(literal)).toArrow()

    def tell(batches: Any) -> Any:
        print(printed, file=sys.stderr, flush=True)
        yield from batches

    def put(batches: Any) -> Any:
        for batch in batches:
            yield pa.RecordBatch.from_pydict(
                {"id": batch.column(0), "word": pa.array([dealt] * batch.num_rows)}
            )

    session.range(3).mapInArrow(tell, "id long").toArrow()
    # Past the cluster's disks, as a shuffle takes it.
    session.range(0, 8, 1, 4).mapInArrow(put, "id long, word string").repartition(2, "id").toArrow()
    shutil.copytree(os.environ["SPARK_LOCAL_DIRS"], folder / "kept", ignore_dangling_symlinks=True)
    return {}


def executors(session: Any) -> int:
    """Processes that tasks ran in."""

    def slow(batches: Any) -> Any:
        import os as system
        import time

        import pyarrow as arrow

        for batch in batches:
            time.sleep(1)
            values = arrow.array([system.getppid()] * batch.num_rows, arrow.int64())
            yield arrow.RecordBatch.from_arrays([values], names=["process"])

    frame = session.range(0, 8, 1, 8).mapInArrow(slow, "process long")
    return len(set(frame.toArrow().column(0).to_pylist()))


def encoding(session: Any, folder: Path) -> dict[str, Any]:
    schema = schema_of(
        [
            ["dob", "surname"],
            ["upn"],
            (["postcode", "sex"], ["forename", "surname"]),
            ["names.sorted", "dob"],
        ],
        filters={name: {"bits": 128, "budget": 40} for name in ("forename", "surname")},
    )
    rng = np.random.default_rng(4)
    names = ["ZOE", "SIAN", "LLYR", "ADEOLA", "OLUWASEUN", "ŌTANI", "李", "O'BRIEN", None]
    rows = []
    for number in range(260):
        pick = [names[n] for n in rng.integers(0, len(names), 2)]
        day = f"19{60 + number % 40}-0{1 + number % 9}-1{number % 9}" if number % 7 else None
        code = f"AB{number % 9} 1CD" if number % 5 else None
        rows.append({"forename": pick[0], "surname": pick[1], "dob": day, "postcode": code, "sex": "F"})
    cleaned = cleaned_of(schema, rows)
    vault._COST = vault.Cost(1, 1, 8)
    key, other = LinkageKey.generate(), LinkageKey.generate()
    for name, one in (("right", key), ("wrong", other)):
        one.save(folder / f"{name}.key", "a long passphrase")
    phrase = folder / "phrase"
    phrase.write_text("a long passphrase\n")
    phrase.chmod(0o600)
    order = rng.permutation(260)
    chunks = [cleaned.take(rows) for rows in (order[:90], order[90:180], order[180:180], order[180:])]
    encoder = SparkEncoder(session, folder / "right.key", phrase, key)
    with ThreadPoolExecutor(3) as threads:  # as `encode` asks for several chunks at once
        parts = list(threads.map(partial(encoder, schema, "p"), chunks))
    here = encode_chunk(cleaned, schema, KeyRing.derived(key.derive, schema, "p"))
    identical = True
    for name, columns in here.items():
        for what in ("tokens", "present", "filters"):
            wanted = getattr(columns, what)
            found = [getattr(part[name], what) for part in parts]
            if wanted is None:
                identical &= found == [None] * len(chunks)
            else:
                identical &= bool(np.array_equal(np.concatenate(found), wanted[order]))
    try:
        SparkEncoder(session, folder / "wrong.key", phrase, key)(schema, "p", cleaned)
        refused = ""
    except ClusterError as error:
        refused = error.code
    return {"rows": len(order), "identical": identical, "refused": refused}


def observations(session: Any, folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(8)
    left, right = party(rng, 300, 80), party(rng, 250, 80)
    table = SparkJoins(session, folder).observations(left, right, SCHEMA).toArrow()
    columns = [table.column(n).to_pylist() for n in ("tokens", "fields", "shared", "levels", "pairs")]
    there = {one[:4]: one[4] for one in zip(*columns, strict=True)}
    pairs = compare.candidates(left, right, SCHEMA)
    a, b = compare.shows(left, SCHEMA), compare.shows(right, SCHEMA)
    here: dict[tuple[int, ...], int] = {}
    tokens = (a.tokens[pairs.left] & b.tokens[pairs.right]).tolist()
    fields = (a.fields[pairs.left] & b.fields[pairs.right]).tolist()
    for one in zip(tokens, fields, pairs.shared.tolist(), pairs.levels.tolist(), strict=True):
        here[one] = here.get(one, 0) + 1
    return {"identical": there == here, "observations": len(here)}


def essnet(session: Any, folder: Path) -> dict[str, Any]:
    import pyarrow as pa

    from pseudolink.clean.reader import read_extract
    from pseudolink.roles.encoding import Options, encode_table

    schema = schema_of(
        [
            ["dob", "surname.soundex"],
            ["postcode", "forename.soundex"],
            (["dob.year", "sex", "surname.soundex"], ["forename"]),
        ],
        filters={"forename": {"bits": 256, "budget": 100}},
    )
    columns = {"PERNAME1": "forename", "PERNAME2": "surname", "SEX": "sex", "ENUMPC": "postcode"}
    sides = []
    key = LinkageKey.generate()
    for name in ("census", "cis"):
        path = next(p for p in Path(sys.argv[4]).rglob("*.csv") if name in p.name.lower())
        table = read_extract(path)
        found = {new: table.column(old) for old, new in columns.items()}
        parts = [table.column(f"DOB_{part}").to_pylist() for part in ("YEAR", "MON", "DAY")]
        found["dob"] = pa.array(
            [
                f"{y}-{int(m):02}-{int(d):02}" if y and m and d else None
                for y, m, d in zip(*parts, strict=True)
            ]
        )
        options = Options(enforce_floor=False)
        needed = list(found)
        encoded, _ = encode_table(pa.table(found), schema, key.derive, "p", options=options, needed=needed)
        sides.append(encoded.encodings)
    here: Candidates = compare.candidates(*sides, schema)
    there = SparkJoins(session, folder, memory=1 << 20).candidates(*sides, schema)
    return {"identical": same(here, there), "pairs": len(here)}


if __name__ == "__main__":
    address, place, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    if address == "connect":
        # The client starts a server of its own and speaks to it over gRPC alone.
        os.environ["SPARK_API_MODE"] = "connect"
        address = "local[2]"
    tasks = {"parity": parity, "encoding": encoding, "observations": observations, "essnet": essnet}
    tasks["plant"] = plant
    print(json.dumps(tasks[what](spark.open_session(address), place)))
