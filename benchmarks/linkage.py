"""
Linkage quality on public data with truth, planned without truth; beside it Splink in the clear.

    python benchmarks/linkage.py --data DIR [--sets essnet febrl …] [--company 0.03 0.05] [--splink]

DIR holds essnet_di/{census,cis}.parquet, febrl/febrl4{a,b}.parquet, uk_gecko_100k/{a,b}.parquet and
pseudopeople/{census2020,ssa2020}.parquet. For each set the passes are planned from the left file
alone (uk_gecko_100k: from both, because a tenth of the postcodes of file b are one and the same,
which file a cannot foretell), for a population as large as the larger file; then the files are
linked. The truth column is taken out before anything else and looked at after.

Splink is no dependency: install `splink==5.*` beside pseudolink to compare. It gets the same columns
in the clear, blocking rules and comparisons as below, trained without labels, links one to one by
weight; its figures are at probability 0.5 and at the threshold that is best by truth.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _machine import header, show

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
    plan_from_both: bool = False


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
        plan_from_both=True,
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
    left, right = (data / f"{path}.parquet" for path in (one.left, one.right))
    rows = [pq.read_metadata(path).num_rows for path in (left, right)]
    with tempfile.TemporaryDirectory() as folder:
        fields = Path(folder) / "fields.toml"
        fields.write_text(f'format = "pseudolink/linkage-schema/1"\nname = "{name}"\n{one.fields}')
        begin = time.perf_counter()
        plan = designer.plan(
            [left, right] if one.plan_from_both else [left], fields, company=company, population=max(rows)
        )
        planned = time.perf_counter() - begin
    # Measured, not refused: the figures show where the right file is above the floor.
    found = rehearsal.rehearse([left, right], plan.schema, one.truth, options=Options(enforce_floor=False))
    seconds = found.pop("seconds")
    return {
        "set": name,
        "tool": f"pseudolink {company:.0%}",
        "rows": rows,
        "passes": len(plan.passes),
        "bytes_per_record": plan.bytes_per_record,
        "planned_recall": plan.to_json()["expected_recall"],
        "plan_seconds": planned,
        "seconds": seconds["total"],
        **{key: value for key, value in found.items() if key not in ("versions", "engine")},
    }


def _cleaned(path: Path, one: Set, fields: Path) -> Any:
    """The same cleaned values that pseudolink encodes, in the clear, with the truth beside them."""
    import numpy as np
    import pandas as pd

    from pseudolink.clean.extract import clean_table
    from pseudolink.clean.reader import read_extract
    from pseudolink.schema import load_schema

    table = read_extract(path)
    cleaned = clean_table(table, load_schema(fields, passes_needed=False)).one_a_record()
    columns = {
        name: np.asarray([*column.values, None], dtype=object)[column.codes]
        for name, column in cleaned.fields.items()
    }
    frame = pd.DataFrame(columns)
    frame["unique_id"] = np.arange(len(frame))
    return frame, np.asarray(table.column(one.truth).to_pylist(), dtype=object)


def splink(data: Path, name: str) -> list[dict[str, Any]]:
    """Splink in the clear on the same values."""
    import numpy as np
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    one = SETS[name]
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fields = Path(folder) / "fields.toml"
        fields.write_text(f'format = "pseudolink/linkage-schema/1"\nname = "{name}"\n{one.fields}')
        (left, truth_left), (right, truth_right) = (
            _cleaned(data / f"{path}.parquet", one, fields) for path in (one.left, one.right)
        )
    has_postcode, has_sex = "postcode" in left, "sex" in left
    comparisons = [
        cl.ForenameSurnameComparison("forename", "surname"),
        # As text, so that a date without its day still counts for its year and month.
        cl.DamerauLevenshteinAtThresholds("dob", [1, 2]),
    ]
    if has_postcode:
        comparisons.append(cl.LevenshteinAtThresholds("postcode", [1, 2]))
    if has_sex:
        comparisons.append(cl.ExactMatch("sex"))
    rules = [
        block_on("dob"),
        block_on("forename", "surname"),
        block_on("forename", "substr(dob, 1, 7)"),
        block_on("surname", "substr(dob, 1, 7)"),
        block_on("forename", "substr(dob, 6, 5)"),
        block_on("surname", "substr(dob, 6, 5)"),
    ]
    if has_postcode:
        rules += [block_on("forename", "postcode"), block_on("surname", "postcode")]
    settings = SettingsCreator(
        link_type="link_only", comparisons=comparisons, blocking_rules_to_generate_predictions=rules
    )
    database = DuckDBAPI()
    tables = [database.register(left, table_name="people_a"), database.register(right, table_name="people_b")]
    linker = Linker(tables, settings, log_level="ERROR")
    linker.training.estimate_probability_two_random_records_match(
        [block_on("forename", "surname", "dob")], recall=0.5
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    for rule in (block_on("dob"), block_on("forename", "surname")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    pairs = linker.inference.predict(threshold_match_probability=0.001).as_pandas_dataframe()
    links = _one_to_one(pairs)
    seconds = time.perf_counter() - begin
    right_ones = truth_left[links["unique_id_l"]] == truth_right[links["unique_id_r"]]
    known = set(truth_left) & set(truth_right)
    true_pairs = sum(t in known for t in truth_right)
    found = []
    for label, chosen in (("0.5", links["match_probability"] >= 0.5), ("best by truth", None)):
        if chosen is None:
            order = right_ones[np.argsort(-links["match_weight"], kind="stable")]
            hits, counts = np.cumsum(order), np.arange(1, len(order) + 1)
            f1 = 2 * hits / (counts + true_pairs)
            best = int(f1.argmax())
            hit, count = int(hits[best]), int(counts[best])
        else:
            hit, count = int(right_ones[chosen].sum()), int(chosen.sum())
        precision, recall = hit / max(count, 1), hit / true_pairs
        found.append(
            {
                "set": name,
                "tool": f"Splink, clear, {label}",
                "rows": [len(left), len(right)],
                "precision": precision,
                "recall": recall,
                "f1": 2 * hit / (count + true_pairs),
                "seconds": seconds,
                "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    return found


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
    finally:
        process.join()


def row(found: dict[str, Any]) -> str:
    """One line of the table."""

    def number(key: str, form: str) -> str:
        return format(found[key], form) if key in found else "-"

    cells = [
        found["set"],
        found["tool"],
        number("precision", ".4f"),
        number("recall", ".4f"),
        number("f1", ".4f"),
        number("expected_precision", ".4f"),
        number("expected_recall", ".4f"),
        number("planned_recall", ".4f"),
        number("candidate_recall", ".4f"),
        number("company", ".4f"),
        number("passes", "d"),
        number("bytes_per_record", "d"),
        number("plan_seconds", ".0f"),
        number("seconds", ".0f"),
        f"{found['peak_memory_bytes'] / 2**20:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEADINGS = (
    "set", "tool", "P", "R", "F1", "expected P", "expected R", "planned R", "candidates", "company", "passes",
    "bytes", "plan s", "link s", "MiB",
)  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--company", nargs="+", type=float, default=[0.03, 0.05])
    parser.add_argument("--splink", action="store_true", help="also run Splink, which must be installed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    facts = header("splink", "duckdb")
    results: list[dict[str, Any]] = []
    if not options.json:
        show(facts)
        print("| " + " | ".join(HEADINGS) + " |")
        print("|" + " --- |" * len(HEADINGS))
    for name in options.sets:
        found = [apart(ours, options.data, name, company) for company in options.company]
        if options.splink:
            found += apart(splink, options.data, name)
        results += found
        if not options.json:
            for one in found:
                print(row(one), flush=True)
    if options.json:
        print(json.dumps({"machine": facts, "results": results}, indent=2))


if __name__ == "__main__":
    main()
