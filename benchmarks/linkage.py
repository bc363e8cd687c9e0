"""
Linkage quality on public data with truth, planned without truth; beside it Splink in the clear.

    python benchmarks/linkage.py --data DIR [--sets essnet febrl …] [--company 0.03 0.05] [--splink] [--json]

DIR (or the environment variable PSEUDOLINK_BENCHMARK_DATA) holds essnet_di/{census,cis}.parquet,
febrl/febrl4{a,b}.parquet, uk_gecko_100k/{a,b}.parquet and pseudopeople/{census2020,ssa2020}.parquet.
For each set the passes are planned from the left file alone, for a population as large as the larger
file; then the files are linked. The truth column is taken out before anything else and looked at
after.

Splink is no dependency: `pip install "splink==5.*"` into an environment that has pseudolink, and run
this file with that environment's python. Splink gets the same columns in the clear, is trained
without labels and links one to one by weight; its figures are at probability 0.5 and at the threshold
that is best by truth. Its blocking rules and comparisons are the best of those that were tried on
these sets, one choice for all of them: a choice made with the truth in hand, in Splink's favour.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _machine import header, show

DATA = "PSEUDOLINK_BENCHMARK_DATA"

NAMES = """
[fields.forename]
kind = "forename"
columns = ["forename", "given_name", "first_name"]

[fields.surname]
kind = "surname"
columns = ["surname", "last_name"]
"""
SEX = '\n[fields.sex]\nkind = "sex"\ncolumns = ["sex"]\n'
POSTCODE = '\n[fields.postcode]\nkind = "postcode"\ncolumns = ["postcode"]\n'


@dataclass(frozen=True)
class Set:
    """Two files, their truth column and the fields to link on."""

    left: str
    right: str
    truth: str
    fields: str

    def paths(self, data: Path) -> tuple[Path, Path]:
        """Both files."""
        return data / f"{self.left}.parquet", data / f"{self.right}.parquet"

    def schema(self, name: str, folder: str) -> Path:
        """The fields, written as a schema without passes."""
        path = Path(folder) / "fields.toml"
        path.write_text(f'format = "pseudolink/linkage-schema/1"\nname = "{name}"\n{self.fields}')
        return path


SETS = {
    "essnet": Set(
        "essnet_di/census",
        "essnet_di/cis",
        "entity_id",
        NAMES
        + '\n[fields.dob]\nkind = "date"\nparts = ["dob_year", "dob_mon", "dob_day"]\n'
        + POSTCODE
        + SEX,
    ),
    "febrl": Set(
        "febrl/febrl4a",
        "febrl/febrl4b",
        "entity_id",
        NAMES
        + '\n[fields.dob]\nkind = "date"\ncolumns = ["date_of_birth"]\n'
        + '\n[fields.postcode]\nkind = "text"\ncolumns = ["postcode"]\n',
    ),
    "gecko": Set(
        "uk_gecko_100k/a",
        "uk_gecko_100k/b",
        "entity_id",
        NAMES + '\n[fields.dob]\nkind = "date"\ncolumns = ["dob"]\n' + POSTCODE + SEX,
    ),
    "pseudopeople": Set(
        "pseudopeople/census2020",
        "pseudopeople/ssa2020",
        "simulant_id",
        NAMES
        + '\n[fields.dob]\nkind = "date"\ncolumns = ["date_of_birth"]\nformats = ["%m/%d/%Y", "%Y%m%d"]\n'
        + SEX,
    ),
}


def ours(data: Path, name: str, company: float) -> dict[str, Any]:
    """Plan and rehearse one set."""
    import pyarrow.parquet as pq

    from pseudolink.roles import designer, rehearsal
    from pseudolink.roles.encoding import Options

    one = SETS[name]
    left, right = one.paths(data)
    rows = [pq.read_metadata(path).num_rows for path in (left, right)]
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        plan = designer.plan(
            [left],
            one.schema(name, folder),
            company=company,
            population=max(rows),
        )
        planned = time.perf_counter() - begin
    # Measured, not refused: the figures show where the right file is above the floor.
    found = rehearsal.rehearse([left, right], plan.schema, one.truth, options=Options(enforce_floor=False))
    return {
        **{key: value for key, value in found.items() if key not in ("versions", "engine")},
        "set": name,
        "tool": f"pseudolink {company:.0%}",
        "rows": rows,
        "floor": company,
        "passes": len(plan.passes),
        "bytes_per_record": plan.bytes_per_record,
        "planned_recall": plan.to_json()["expected_recall"],
        "planned_careful": plan.careful,
        "planned_careless": plan.careless,
        "seconds": {"plan": planned, **found["seconds"]},
    }


def _clear(path: Path, one: Set, fields: Path) -> Any:
    """
    What Splink gets: the values that pseudolink encodes and, where cleaning leaves none, the cell
    as it stands: a postcode with a figure too few is missing for a token, but evidence for a
    comparison of texts. The truth comes apart from it.
    """
    import numpy as np
    import pandas as pd

    from pseudolink.clean.extract import clean_table
    from pseudolink.clean.reader import read_extract
    from pseudolink.schema import load_schema

    table = read_extract(path)
    design = load_schema(fields, passes_needed=False)
    cleaned = clean_table(table, design).one_a_record()
    frame = pd.DataFrame({"unique_id": np.arange(table.num_rows)})
    there = {column.lower(): column for column in table.column_names}
    for name, field in design.fields.items():
        column = cleaned.fields[name]
        values = pd.Series(np.asarray([*column.values, None], dtype=object)[column.codes])
        if not field.parts:
            cells = table.column(next(there[c] for c in field.columns if c in there)).to_pylist()
            raw = pd.Series([(cell or "").strip().upper() or None for cell in cells], dtype=object)
            values = values.where(values.notna(), raw)
        frame[name] = values
    return frame, np.asarray(table.column(one.truth).to_pylist(), dtype=object)


def _linker(left: Any, right: Any) -> Any:
    """Splink, trained without labels."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    has_postcode, has_sex = "postcode" in left, "sex" in left
    year, year_month, month_day = "substr(dob, 1, 4)", "substr(dob, 1, 7)", "substr(dob, 6, 5)"
    comparisons: list[Any] = [
        cl.NameComparison(name).configure(term_frequency_adjustments=True) for name in ("forename", "surname")
    ]
    # As text, so that a date without its day still counts for its year and month.
    comparisons.append(cl.DamerauLevenshteinAtThresholds("dob", [1, 2]))
    rules: list[Any] = [
        block_on("dob"),
        block_on("forename", "surname"),
        block_on("surname", year),
        block_on("surname", month_day),
        block_on("forename", year_month),
        block_on("forename", month_day),
        block_on("substr(forename, 1, 3)", "substr(surname, 1, 3)", year),
        "l.forename = r.surname and l.surname = r.forename",
    ]
    certain = [block_on("forename", "surname", "dob")]
    if has_postcode:
        postcode = cl.LevenshteinAtThresholds("postcode", [1, 2])
        comparisons.append(postcode.configure(term_frequency_adjustments=True))
        rules += [block_on(name, "postcode") for name in ("forename", "surname", year, month_day)]
        certain += [block_on(name, "dob", "postcode") for name in ("forename", "surname")]
    if has_sex:
        comparisons.append(cl.ExactMatch("sex"))
    if "soc_sec_id" in left:
        comparisons.append(cl.LevenshteinAtThresholds("soc_sec_id", [1, 2]))
        rules.append(block_on("soc_sec_id"))
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=rules,
        max_iterations=50,
    )
    database = DuckDBAPI()
    tables = [database.register(left, table_name="people_a"), database.register(right, table_name="people_b")]
    linker = Linker(tables, settings, log_level="ERROR")
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1, min_count_per_level=None)
    for rule in (block_on("dob"), block_on("forename", "surname")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    return linker


def splink(data: Path, name: str) -> list[dict[str, Any]]:
    """Splink in the clear on the same columns."""
    import numpy as np

    from pseudolink.roles.rehearsal import peak_memory

    one = SETS[name]
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fields = one.schema(name, folder)
        (left, truth_left), (right, truth_right) = (_clear(path, one, fields) for path in one.paths(data))
    pairs = _linker(left, right).inference.predict(threshold_match_weight=-20).as_pandas_dataframe()
    links = _one_to_one(pairs)
    seconds = time.perf_counter() - begin
    found_pairs = truth_left[pairs["unique_id_l"]] == truth_right[pairs["unique_id_r"]]
    right_ones = truth_left[links["unique_id_l"]] == truth_right[links["unique_id_r"]]
    # The same count of true pairs as a rehearsal's: a person may have several records in a file.
    _, numbers = np.unique(np.concatenate([truth_left, truth_right]).astype(str), return_inverse=True)
    counts = [np.bincount(part, minlength=numbers.max() + 1) for part in np.split(numbers, [len(left)])]
    true_pairs = int((counts[0] * counts[1]).sum())
    hits, linked = np.cumsum(right_ones), np.arange(1, len(right_ones) + 1)
    # Links of equal weight are taken or left together.
    ends = np.flatnonzero(np.diff(links["match_weight"], append=-np.inf))
    best = int(ends[(2 * hits / (linked + true_pairs))[ends].argmax()])
    half = int((links["match_probability"] >= 0.5).sum()) - 1
    return [
        {
            "set": name,
            "tool": f"Splink {label}",
            "rows": [len(left), len(right)],
            "precision": hits[last] / linked[last],
            "recall": hits[last] / true_pairs,
            "f1": 2 * hits[last] / (linked[last] + true_pairs),
            "threshold": float(links["match_probability"][last]),
            "true_pairs": true_pairs,
            "links": int(linked[last]),
            "candidates": len(pairs),
            "candidate_recall": float(found_pairs.sum()) / true_pairs,
            "seconds": {"total": seconds},
            "peak_memory_bytes": peak_memory(),
        }
        for label, last in (("at 0.5", half), ("best by truth", best))
    ]


def _one_to_one(pairs: Any) -> Any:
    """Greedy by weight; equal weights in the order of the records."""
    pairs = pairs.sort_values(["match_weight", "unique_id_l", "unique_id_r"], ascending=[False, True, True])
    left: set[int] = set()
    right: set[int] = set()
    kept = []
    for a, b in zip(pairs["unique_id_l"], pairs["unique_id_r"], strict=True):
        free = a not in left and b not in right
        kept.append(free)
        if free:
            left.add(a)
            right.add(b)
    chosen = pairs[kept]
    return {name: chosen[name].to_numpy() for name in chosen.columns}


def _apart(pipe: Any, function: Any, arguments: tuple[Any, ...]) -> None:
    pipe.send(function(*arguments))
    pipe.close()


def apart(function: Any, *arguments: Any) -> Any:
    """Run in a process of its own, so that its memory is its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_apart, args=(there, function, arguments))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise SystemExit(f"{function.__name__} {arguments[1:2]}: failed; see above") from None
    finally:
        process.join()


def with_ratios(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Our F1 over Splink's, at 0.5 and at its best, where both ran."""
    peers = {one["tool"]: one["f1"] for one in found if one["tool"].startswith("Splink")}
    for one in found:
        if peers and one["tool"] not in peers:
            one["ratio_at_half"] = one["f1"] / peers["Splink at 0.5"]
            one["ratio_at_best"] = one["f1"] / peers["Splink best by truth"]
    return found


HEADINGS = (
    "set", "rows", "tool", "P", "R", "F1", "F1 ÷ Splink's at 0.5", "at best", "expected P", "expected R",
    "planned R", "careful", "careless", "candidates", "company", "passes", "bytes", "plan s", "encode s",
    "link s", "all s", "MiB",
)  # fmt: skip


def row(found: dict[str, Any]) -> str:
    """One line of the table."""

    def number(key: str, form: str, inside: dict[str, Any] = found) -> str:
        return format(inside[key], form) if key in inside else "-"

    seconds = found["seconds"]
    company = number("company", ".4f")
    if found.get("company", 0) > found.get("floor", 1):
        company += " (over)"
    cells = [
        found["set"],
        " + ".join(f"{n:,}" for n in found["rows"]),
        found["tool"],
        *(number(key, ".4f") for key in ("precision", "recall", "f1")),
        *(number(key, ".3f") for key in ("ratio_at_half", "ratio_at_best")),
        *(number(key, ".4f") for key in ("expected_precision", "expected_recall", "planned_recall")),
        *(number(key, ".4f") for key in ("planned_careful", "planned_careless", "candidate_recall")),
        company,
        number("passes", "d"),
        number("bytes_per_record", "d"),
        *(number(key, ".1f", seconds) for key in ("plan", "encode", "link")),
        format(seconds["total"] + seconds.get("plan", 0), ".1f"),
        "-" if found["peak_memory_bytes"] is None else f"{found['peak_memory_bytes'] / 2**20:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"without it, ${DATA}")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--company", nargs="+", type=float, default=[0.03, 0.05])
    parser.add_argument("--splink", action="store_true", help="also run Splink, which must be installed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = options.data or (Path(os.environ[DATA]) if os.environ.get(DATA) else None)
    if data is None:
        # `make bench` runs every benchmark; this one needs files that it cannot make.
        print(f"nothing was run: give the folder of the data with --data or in {DATA}", file=sys.stderr)
        return 0
    files = [path for name in options.sets for path in SETS[name].paths(data)]
    missing = [path for path in files if not path.is_file()]
    if missing:
        print("not there: " + ", ".join(map(str, missing)), file=sys.stderr)
        return 1
    if options.splink and importlib.util.find_spec("splink") is None:
        print('Splink is not installed here: pip install "splink==5.*"', file=sys.stderr)
        return 1
    facts = header("splink", "duckdb")
    digests = {
        path.relative_to(data).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
    results: list[dict[str, Any]] = []
    if not options.json:
        show(facts)
        print("\n".join(f"sha256 {digest[:16]}  {name}" for name, digest in digests.items()), end="\n\n")
        print("| " + " | ".join(HEADINGS) + " |")
        print("|" + " --- |" * len(HEADINGS))
    for name in options.sets:
        found = [apart(ours, data, name, company) for company in options.company]
        if options.splink:
            found += apart(splink, data, name)
        results += with_ratios(found)
        if not options.json:
            print("\n".join(row(one) for one in found), flush=True)
    if options.json:
        print(json.dumps({"machine": facts, "sha256": digests, "results": results}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
