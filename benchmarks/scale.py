"""
Linking a million people with a million: pseudolink on encodings, Splink in the clear, on the same people.

    python benchmarks/scale.py --rows 1000000 --folder NEW [--splink] [--memory 4] [--json]
    python benchmarks/scale.py --rows 100000 --folder NEW [--splink]

People are invented: names, sex, date of birth and postcode, UK-like, no households; four fifths are in
both files; in the second one a typing error in 10 % of the names each, 5 % moved, 1 % of the dates with
day and month exchanged, 2 % of the cells missing. Passes are planned from 100,000 of the first file, for
a population of all, at company 4 %, so that 5 % holds for all. Making the people, planning and encoding
are told apart and not counted: FOLDER keeps what they made, so that the linkage can be run again.

What is counted for pseudolink: opening the encodings (apart), candidates in shards within --memory GiB,
company of both files, estimation, weights, one-to-one links and threshold. For Splink: training,
prediction, one-to-one links. Each in a process of its own, with its largest resident set. Compiling,
which happens once on a machine, is done before on a few rows.

Splink is no dependency: see benchmarks/linkage.py.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from _machine import header, show

SEED = 2026
SHARED = 0.8
PLAN_ROWS = 100_000
COMPANY = 0.04  # a plan from a sample overshoots; what is printed is measured on all rows
FIELDS = """
format = "pseudolink/linkage-schema/1"
name = "scale"

[fields.forename]
kind = "forename"
columns = ["forename"]

[fields.surname]
kind = "surname"
columns = ["surname"]

[fields.dob]
kind = "date"
columns = ["dob"]

[fields.postcode]
kind = "postcode"
columns = ["postcode"]

[fields.sex]
kind = "sex"
columns = ["sex"]
"""


def _misspelt(values: Any, rng: Any, share: float) -> Any:
    """One letter of some values changed into another, left out, or typed twice."""
    import numpy as np

    out = values.copy()
    for at in np.flatnonzero(rng.random(len(values)) < share).tolist():
        text = str(out[at])
        if len(text) > 2:
            place = int(rng.integers(0, len(text)))
            letter = chr(65 + int(rng.integers(0, 26)))
            out[at] = (
                text[:place] + (letter, "", text[place] * 2)[int(rng.integers(0, 3))] + text[place + 1 :]
            )
    return out


def make_people(rows: int, folder: Path) -> None:
    """left.parquet and right.parquet, with the truth in ``person``."""
    import numpy as np
    import pandas as pd

    from pseudolink.synthetic import names, numbers
    from pseudolink.synthetic.streams import stream

    rng = stream(SEED, rows)
    people = rows + rows - int(SHARED * rows)
    pools = names.build(SEED, rng)
    origins = rng.choice(len(names.ORIGINS), size=people, p=names.ORIGIN_SHARES)
    sexes = rng.integers(1, 3, people)
    codes = numbers.Postcodes(people, rng)
    days = np.datetime64("1930-01-01") + rng.integers(0, 33_000, people).astype("timedelta64[D]")
    frame = {
        "forename": np.char.upper(pools.draw_forenames(origins, sexes, rng).astype(str)).astype(object),
        "surname": np.char.upper(pools.draw_surnames(origins, rng).astype(str)).astype(object),
        "dob": days.astype(str).astype(object),
        "postcode": codes.units[codes.draw(people, rng)].astype(str).astype(object),
        "sex": np.where(sexes == 1, "M", "F").astype(object),
    }
    person = np.arange(people)
    for side, chosen in (("left", person[:rows]), ("right", person[people - rows :])):
        chosen = rng.permutation(chosen)
        table = {name: values[chosen].copy() for name, values in frame.items()}
        if side == "right":
            for name in ("forename", "surname"):
                table[name] = _misspelt(table[name], rng, 0.10)
            moved = rng.random(rows) < 0.05
            table["postcode"][moved] = codes.units[codes.draw(int(moved.sum()), rng)].astype(str)
            swapped = np.flatnonzero(rng.random(rows) < 0.01)
            table["dob"][swapped] = [f"{d[:4]}-{d[8:]}-{d[5:7]}" for d in table["dob"][swapped]]
        for name in table:
            table[name][rng.random(rows) < 0.02] = ""
        table["unique_id"] = np.arange(rows)
        table["person"] = chosen
        pd.DataFrame(table).to_parquet(folder / f"{side}.parquet")


def encode(rows: int, folder: Path) -> dict[str, float]:
    """Plan, and encode both files; the truth by row of the encodings beside them."""
    import numpy as np
    import pyarrow.parquet as pq

    from pseudolink.formats import encodings as encoding_files
    from pseudolink.keys.linkage import LinkageKey
    from pseudolink.roles.designer import plan
    from pseudolink.roles.encoding import Options, coverage, encode_table
    from pseudolink.schema import load_schema

    seconds = {}
    begin = time.perf_counter()
    (folder / "fields.toml").write_text(FIELDS)
    table = pq.read_table(folder / "left.parquet").drop_columns(["person", "unique_id"])
    pq.write_table(table.slice(0, PLAN_ROWS), folder / "sample.parquet")
    planned = plan([folder / "sample.parquet"], folder / "fields.toml", population=rows, company=COMPANY)
    (folder / "schema.toml").write_text(planned.text)
    seconds["plan"] = time.perf_counter() - begin
    begin = time.perf_counter()
    schema, key = load_schema(folder / "schema.toml"), LinkageKey.generate()
    for side in ("left", "right"):
        table = pq.read_table(folder / f"{side}.parquet")
        person = np.asarray(table.column("person"))
        encoded, cleaned = encode_table(
            table.drop_columns(["person", "unique_id"]),
            schema,
            key.derive,
            "scale",
            options=Options(enforce_floor=False),
        )
        encoding_files.save(encoded.encodings, folder / f"{side}.encodings")
        np.save(folder / f"{side}.person.npy", person[encoded.source])
        stated = {
            "chance": encoded.chance.to_json(),
            "company": encoded.company.to_json(),
            "coverage": dict(coverage(cleaned)),
        }
        (folder / f"{side}.json").write_text(json.dumps(stated))
    seconds["encode"] = time.perf_counter() - begin
    return seconds


def _quality(links: int, hits: int, true_pairs: int) -> dict[str, float]:
    precision, recall = hits / max(links, 1), hits / true_pairs
    return {"precision": precision, "recall": recall, "f1": 2 * hits / (links + true_pairs)}


def ours(rows: int, folder: Path, memory: int) -> dict[str, Any]:
    import tempfile

    import numpy as np

    from pseudolink.formats.statistics import Statistics
    from pseudolink.formats.stored import open_stored
    from pseudolink.match.shards import Work
    from pseudolink.roles.linkage import Delivery, link_pair
    from pseudolink.roles.rehearsal import peak_memory
    from pseudolink.schema import load_schema

    schema = load_schema(folder / "schema.toml")

    def deliver(side: str, first: int | None = None) -> Delivery:
        encodings = open_stored(folder / f"{side}.encodings", schema.layout)
        if first is not None:
            encodings = encodings.take(np.arange(min(first, encodings.rows)))
        stated = json.loads((folder / f"{side}.json").read_text())
        chance = Statistics.from_json(stated["chance"])
        return Delivery(side, side, encodings, chance, stated["company"], stated["coverage"], schema)

    with tempfile.TemporaryDirectory() as work:
        link_pair(deliver("left", 2000), deliver("right", 2000), work=Work(Path(work), memory))
    begin, used = time.perf_counter(), time.process_time()
    left, right = deliver("left"), deliver("right")
    opened = time.perf_counter() - begin
    stages: dict[str, float] = {}
    last = [time.perf_counter()]

    def report(stage: str, done: int, total: int) -> None:
        now = time.perf_counter()
        stages[f"{stage} {done}/{total}" if not stage.startswith("match") else "match"] = (
            stages.get("match", 0.0) if stage.startswith("match") else 0.0
        ) + (now - last[0])
        last[0] = now

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        found = link_pair(left, right, work=Work(Path(work), memory), report=report)
    seconds = time.perf_counter() - begin
    processor = time.process_time() - used
    person = [np.load(folder / f"{side}.person.npy") for side in ("left", "right")]
    pairs = found.scored.candidates
    same = person[0][pairs.left] == person[1][pairs.right]
    true_pairs = len(np.intersect1d(*person))
    return {
        "tool": "pseudolink",
        "seconds": seconds,
        "processor_seconds": processor,
        "open_seconds": opened,
        "peak_mib": (peak_memory() or 0) / 2**20,
        "stages": {name: round(value, 2) for name, value in stages.items()},
        "candidates": len(pairs),
        "candidate_recall": float(same.sum()) / true_pairs,
        "passes": len(schema.passes),
        "company": left.company["company"] / left.records,
        **_quality(len(found.accepted), int(same[found.accepted].sum()), true_pairs),
    }


def splink(rows: int, folder: Path, memory: int) -> dict[str, Any]:
    """Six blocking rules, threshold at probability 0.5, one to one by weight."""
    import numpy as np
    import pandas as pd
    import splink.comparison_library as cl
    from linkage import _one_to_one
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    from pseudolink.roles.rehearsal import peak_memory

    frames = [pd.read_parquet(folder / f"{side}.parquet") for side in ("left", "right")]
    person = [frame.pop("person").to_numpy() for frame in frames]
    frames = [frame.replace("", None) for frame in frames]
    begin, used = time.perf_counter(), time.process_time()
    settings = SettingsCreator(
        link_type="link_only",
        blocking_rules_to_generate_predictions=[
            block_on("forename", "surname"),
            block_on("surname", "dob"),
            block_on("forename", "dob"),
            block_on("postcode", "dob"),
            block_on("surname", "postcode"),
            block_on("forename", "postcode"),
        ],
        comparisons=[
            cl.JaroWinklerAtThresholds("forename", [0.92, 0.8]),
            cl.JaroWinklerAtThresholds("surname", [0.92, 0.8]),
            cl.DamerauLevenshteinAtThresholds("dob", [1, 2]),
            cl.LevenshteinAtThresholds("postcode", [1, 2]),
            cl.ExactMatch("sex"),
        ],
    )
    database = DuckDBAPI()
    tables = [database.register(one, table_name=f"people_{n}") for n, one in enumerate(frames)]
    linker = Linker(tables, settings, log_level="ERROR")
    certain = [block_on("forename", "surname", "dob"), block_on("postcode", "dob")]
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=1_000_000, seed=SEED)
    for rule in (block_on("dob", "postcode"), block_on("forename", "surname")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    pairs = linker.inference.predict(threshold_match_probability=0.5).as_pandas_dataframe()
    links = _one_to_one(pairs)
    seconds = time.perf_counter() - begin
    processor = time.process_time() - used
    same = person[0][links["unique_id_l"]] == person[1][links["unique_id_r"]]
    return {
        "tool": "Splink at 0.5",
        "seconds": seconds,
        "processor_seconds": processor,
        "peak_mib": (peak_memory() or 0) / 2**20,
        "candidates": len(pairs),
        **_quality(len(same), int(np.sum(same)), len(np.intersect1d(*person))),
    }


def main() -> int:
    from linkage import apart

    parser = argparse.ArgumentParser(description="Linkage at scale: pseudolink, and Splink in the clear.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True, help="for people and encodings; kept")
    parser.add_argument("--memory", type=float, default=2.0, help="GiB that the join may take")
    parser.add_argument("--splink", action="store_true")
    parser.add_argument("--rounds", type=int, default=1, help="the tools take turns")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    folder = given.folder / str(given.rows)
    made: dict[str, float] = {}
    if not (folder / "right.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        begin = time.perf_counter()
        apart(make_people, given.rows, folder)
        made = {"people": time.perf_counter() - begin, **apart(encode, given.rows, folder)}
    found = []
    for _ in range(given.rounds):
        found.append(apart(ours, given.rows, folder, int(given.memory * 2**30)))
        if given.splink:
            found.append(apart(splink, given.rows, folder, 0))
    facts = header("splink", "duckdb")
    if given.as_json:
        print(json.dumps({"machine": facts, "rows": given.rows, "made": made, "runs": found}, indent=2))
        return 0
    show(facts)
    print("made, not counted:", {name: round(seconds, 1) for name, seconds in made.items()})
    print("| rows | tool | P | R | F1 | candidates | seconds | processor seconds | MiB |")
    print("| --- " * 9 + "|")
    for one in found:
        print(
            f"| {given.rows:,} x 2 | {one['tool']} | {one['precision']:.4f} | {one['recall']:.4f} "
            f"| {one['f1']:.4f} | {one['candidates']:,} | {one['seconds']:.1f} "
            f"| {one['processor_seconds']:.1f} | {one['peak_mib']:,.0f} |"
        )
    for one in found:
        if "stages" in one:
            print(
                {key: one[key] for key in ("open_seconds", "passes", "company", "candidate_recall", "stages")}
            )
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    sys.exit(main())
