"""
De-duplication of a file in which people stand many times; beside it Splink in the clear.

    python benchmarks/duplicates.py --data DIR [--splink] [--seed 1] [--json]

DIR (or the environment variable PSEUDOLINK_BENCHMARK_DATA) holds historical_50k/historical_50k.parquet:
50,578 rows about 5,156 people of history, with mistakes and gaps made by machine; truth ``cluster``. Only
first name, surname, date of birth, postcode, birth place and occupation are used.

No floor holds for such a file: nearly every record shares tokens with others of its own extract, because
they are the same person. So no plan can be made for it and the passes below are written by hand, once,
after the kind of blocking rules that are usual for this file; nothing was tried out against the truth.
Splink gets the same passes as blocking rules, the same fields cleaned, and usual comparisons.

pseudolink's model is estimated between two halves of the rows, drawn by seed; pairs of the whole file are
weighed by it and given probabilities as resolution-v1, 3.3 says. Groups are connected components for both
tools: groups of duplicates have a cap of ten records (6.6), and two people in five stand more often here.
Pairwise precision and recall count pairs of rows of one person.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import linkage as peers
import numpy as np
from _machine import header, show

FILE = Path("historical_50k") / "historical_50k.parquet"
COLUMNS = ("first_name", "surname", "dob", "postcode_fake", "birth_place", "occupation")
PASSES = (
    ("forename.first3", "surname.first3"),
    ("surname", "dob"),
    ("forename", "dob"),
    ("surname", "postcode"),
    ("forename", "postcode"),
    ("dob", "birth_place"),
    ("dob", "postcode.district"),
    ("surname", "postcode.district"),
    ("forename", "postcode.district", "occupation"),
    ("forename.initial", "surname.initial", "dob.year"),
)
FIELDS = """
format = "pseudolink/linkage-schema/1"
name = "historical"

[fields.forename]
kind = "forename"
columns = ["first_name"]

[fields.surname]
kind = "surname"
columns = ["surname"]

[fields.dob]
kind = "date"
columns = ["dob"]

[fields.postcode]
kind = "postcode"
columns = ["postcode_fake"]

[fields.birth_place]
kind = "text"
columns = ["birth_place"]

[fields.occupation]
kind = "text"
columns = ["occupation"]
"""


def schema_text() -> str:
    passes = [
        f'[[passes]]\nname = "p{number}"\non = {json.dumps(list(on))}\n' for number, on in enumerate(PASSES)
    ]
    return FIELDS + "\n" + "\n".join(passes) + "\n[floor]\ncompany = 1.0\ncomponent = 1000000\n"


def pairs_of(truth: np.ndarray) -> int:
    """Pairs of one person."""
    counts = np.bincount(truth)
    return int((counts * (counts - 1) // 2).sum())


def judged(found: Iterable[np.ndarray], truth: np.ndarray, true: int) -> dict[str, Any]:
    """Groups of rows against the truth, by pairs; ``true`` pairs there are."""
    linked = right = groups = 0
    for rows in found:
        groups += 1
        linked += len(rows) * (len(rows) - 1) // 2
        _, counts = np.unique(truth[rows], return_counts=True)
        right += int((counts * (counts - 1) // 2).sum())
    return {
        "groups": groups,
        "precision": right / max(linked, 1),
        "recall": right / true,
        "f1": 2 * right / (linked + true),
    }


def components(left: np.ndarray, right: np.ndarray, rows: int) -> list[np.ndarray]:
    """Rows that hang together over pairs, groups of more than one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(rows, rows))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return [part for part in parts if len(part) > 1]


def best(
    left: np.ndarray, right: np.ndarray, weight: np.ndarray, truth: np.ndarray, true: int
) -> dict[str, Any]:
    """Components at the weight that is best with the truth in hand, of a grid of half bits."""
    grid = np.arange(-5, 40, 0.5)
    found = []
    for least in grid:
        kept = weight >= least
        found.append(
            judged(components(left[kept], right[kept], len(truth)), truth, true) | {"weight": float(least)}
        )
    return max(found, key=lambda one: one["f1"])


def ours(data: Path, seed: int) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pseudolink.keys.linkage import LinkageKey
    from pseudolink.match import compare
    from pseudolink.roles.duplicates import LEAST, NO_PAIRS, chances
    from pseudolink.roles.encoding import Options, coverage, encode_table
    from pseudolink.roles.linkage import Delivery
    from pseudolink.schema import load_schema
    from pseudolink.score import evidence, weigh
    from pseudolink.score.estimate import estimate

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schema.toml"
        path.write_text(schema_text(), encoding="utf-8")
        schema = load_schema(path)
    raw = pq.read_table(data / FILE)
    _, truth = np.unique(np.asarray(raw.column("cluster").to_pylist()), return_inverse=True)
    table = pa.table({name: raw.column(name).cast(pa.string()) for name in COLUMNS})
    begin = time.perf_counter()
    options = Options(enforce_floor=False)
    key = LinkageKey.generate()
    encoded, cleaned = encode_table(table, schema, key.derive, "benchmark", options=options)
    true = pairs_of(truth)
    # By row of the encodings: a record with versions stands for itself by its first row.
    truth = truth[encoded.source]
    stated = (encoded.chance, encoded.company.to_json(), coverage(cleaned), schema)
    whole = Delivery("whole", "whole", encoded.encodings, *stated)
    first = compare.first_rows(encoded.encodings)
    drawn = np.random.default_rng(seed).random(len(truth)) < 0.5
    drawn = drawn if first is None else drawn[first]
    sides = [
        Delivery(name, name, encoded.encodings.take(np.flatnonzero(rows)), *stated)
        for name, rows in (("a", drawn), ("b", ~drawn))
    ]
    between = compare.candidates(sides[0].encodings, sides[1].encodings, schema)
    model = evidence.build(schema, [encoded.chance, encoded.chance])
    fitted = estimate(model, between, (NO_PAIRS, sides[0].shows), (NO_PAIRS, sides[1].shows))
    pairs = whole.alike
    weight = weigh.weigh(fitted, pairs, whole.shows, whole.shows).weight
    chance = chances(weight, whole.records)
    same = truth[pairs.left] == truth[pairs.right]
    facts = {
        "candidates": len(pairs),
        "candidate_recall": float(same.sum() / true),
        "company": encoded.company.share,
    }
    seconds = time.perf_counter() - begin
    found = []
    for least in (LEAST, 0.95, 0.999):
        kept = chance >= least
        groups = components(pairs.left[kept], pairs.right[kept], len(truth))
        found.append({"tool": f"pseudolink, components at {least}", **judged(groups, truth, true), **facts})
    top = best(pairs.left, pairs.right, weight, truth, true)
    found.append({"tool": "pseudolink, components, best by truth", **top, **facts})
    return [one | {"seconds": seconds} for one in found]


def splink(data: Path, seed: int) -> list[dict[str, Any]]:
    """The same passes as blocking rules, in the clear."""
    import pandas as pd
    import pyarrow.parquet as pq
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    raw = pq.read_table(data / FILE).to_pandas()
    _, truth = np.unique(raw["cluster"].to_numpy(dtype=object).astype(str), return_inverse=True)
    frame = pd.DataFrame({name: raw[name] for name in COLUMNS})
    frame = frame.rename(columns={"first_name": "forename", "postcode_fake": "postcode"})
    frame["unique_id"] = np.arange(len(frame))
    begin = time.perf_counter()
    words = {
        "forename.first3": "substr(forename, 1, 3)",
        "surname.first3": "substr(surname, 1, 3)",
        "forename.initial": "substr(forename, 1, 1)",
        "surname.initial": "substr(surname, 1, 1)",
        "dob.year": "substr(dob, 1, 4)",
        "postcode.district": "split_part(postcode, ' ', 1)",
    }
    settings = SettingsCreator(
        link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[block_on(*(words.get(c, c) for c in on)) for on in PASSES],
        comparisons=[
            cl.NameComparison("forename").configure(term_frequency_adjustments=True),
            cl.NameComparison("surname").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("dob", [1, 2]),
            cl.LevenshteinAtThresholds("postcode", [1, 2]).configure(term_frequency_adjustments=True),
            cl.ExactMatch("birth_place").configure(term_frequency_adjustments=True),
            cl.ExactMatch("occupation").configure(term_frequency_adjustments=True),
        ],
    )
    database = DuckDBAPI()
    linker = Linker(database.register(frame, table_name="people"), settings, log_level="ERROR")
    certain = [block_on("forename", "surname", "dob"), block_on("dob", "postcode", "surname")]
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.6)
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=seed, min_count_per_level=None)
    for rule in (block_on("forename", "surname"), block_on("dob")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    pairs = linker.inference.predict(threshold_match_weight=-20).as_pandas_dataframe()
    seconds = time.perf_counter() - begin
    left, right = (pairs[f"unique_id_{side}"].to_numpy() for side in "lr")
    probability, weight = pairs["match_probability"].to_numpy(), pairs["match_weight"].to_numpy()
    same = truth[left] == truth[right]
    true = pairs_of(truth)
    facts = {
        "candidates": len(pairs),
        "candidate_recall": float(same.sum() / true),
        "seconds": seconds,
    }
    found = []
    for least in (0.5, 0.95):
        kept = probability >= least
        groups = components(left[kept], right[kept], len(truth))
        found.append({"tool": f"Splink, components at {least}", **judged(groups, truth, true), **facts})
    found.append(
        {"tool": "Splink, components, best by truth", **best(left, right, weight, truth, true), **facts}
    )
    return found


HEADINGS = ("tool", "P", "R", "F1", "groups", "candidates", "candidate recall", "company", "seconds")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", default=os.environ.get(peers.DATA))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--splink", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.data is None:
        print(f"nothing was run: give the folder of the data with --data or in {peers.DATA}", file=sys.stderr)
        return 0
    if given.splink and importlib.util.find_spec("splink") is None:
        print('Splink is not installed here: pip install "splink==5.*"', file=sys.stderr)
        return 1
    found = peers.apart(ours, Path(given.data), given.seed)
    if given.splink:
        found += peers.apart(splink, Path(given.data), given.seed)
    facts = header("splink", "duckdb")
    if given.json:
        print(json.dumps({"machine": facts, "seed": given.seed, "results": found}, indent=2))
        return 0
    show(facts)
    print("| " + " | ".join(HEADINGS) + " |\n|" + " --- |" * len(HEADINGS))
    for one in found:
        company = f"{one['company']:.4f}" if "company" in one else "-"
        print(
            f"| {one['tool']} | {one['precision']:.4f} | {one['recall']:.4f} | {one['f1']:.4f} "
            f"| {one['groups']:,} | {one['candidates']:,} | {one['candidate_recall']:.4f} | {company} "
            f"| {one['seconds']:.1f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
