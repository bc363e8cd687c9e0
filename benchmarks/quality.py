"""
What scoring claims, against the truth: quality and expected quality, on whole files and on samples.

    python benchmarks/quality.py --data DIR [--cases essnet …] [--seeds 3] [--splink] [--json]

DIR (or the environment variable PSEUDOLINK_BENCHMARK_DATA) is that of benchmarks/linkage.py, which
also says what Splink is given. Cases:

    essnet, essnet-10, essnet-1   all of the right file, and a tenth and a hundredth of it by seed,
                                  with examples/schemas/essnet.toml
    essnet-apart                  halves of the left people against the other half on the right:
                                  nobody is in both
    febrl                         four fields, with examples/schemas/febrl.toml
    febrl-soc-sec                 and the social security number, with its example schema
    gecko, gecko-10, pseudopeople planned as in benchmarks/linkage.py, at company 5 %
    demo                          the agencies of the demo, other people at each seed

Samples are drawn by seed (1, 2, …); a case that draws nothing is run once. Every run is measured
under the floor without refusing. The truth is taken out before anything else and looked at after.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import linkage as peers
from _machine import header, show

HERE = Path(__file__).resolve().parent
SCHEMAS = HERE.parent / "examples" / "schemas"
COMPANY = 0.05
NUMBER = '\n[fields.soc_sec_id]\nkind = "text"\ncolumns = ["soc_sec_id"]\n'
FEBRL = peers.SETS["febrl"]
SOC_SEC = peers.Set(FEBRL.left, FEBRL.right, FEBRL.truth, FEBRL.fields + NUMBER)

#: case -> (set, share of the right file, schema that ships, or None to plan).
CASES: dict[str, tuple[str, float, str | None]] = {
    "essnet": ("essnet", 1.0, "essnet.toml"),
    "essnet-10": ("essnet", 0.1, "essnet.toml"),
    "essnet-1": ("essnet", 0.01, "essnet.toml"),
    "essnet-apart": ("essnet", 0.0, "essnet.toml"),
    "febrl": ("febrl", 1.0, "febrl.toml"),
    "febrl-soc-sec": ("febrl-soc-sec", 1.0, "febrl-soc-sec.toml"),
    "pseudopeople": ("pseudopeople", 1.0, None),
    "gecko": ("gecko", 1.0, None),
    "gecko-10": ("gecko", 0.1, None),
}
#: Cases that draw nothing by seed.
WHOLE = {case for case, (_, share, _) in CASES.items() if share == 1.0}


def sampled(data: Path, name: str, share: float, seed: int, folder: Path) -> Path:
    """A folder like DIR in which the right file holds a share of its rows; of 0, of people not left."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    one = peers.SETS[name]
    rng = np.random.default_rng(seed)
    tables = [pq.read_table(path) for path in one.paths(data)]
    if share:
        chosen = np.sort(rng.choice(tables[1].num_rows, round(share * tables[1].num_rows), replace=False))
        tables[1] = tables[1].take(chosen)
    else:
        truths = [table.column(one.truth).to_pylist() for table in tables]
        people = sorted(set(truths[0]) | set(truths[1]), key=str)
        left = {p for p, here in zip(people, rng.random(len(people)) < 0.5, strict=True) if here}
        for side, here in ((0, True), (1, False)):
            mask = [(p in left) == here for p in truths[side]]
            tables[side] = tables[side].filter(pa.array(mask))
    for table, path in zip(tables, one.paths(folder), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    return folder


def planned(data: Path, name: str) -> str:
    """The schema of a set, planned without truth from the whole left file."""
    import pyarrow.parquet as pq

    from pseudolink.roles import designer

    one = peers.SETS[name]
    left, right = one.paths(data)
    with tempfile.TemporaryDirectory() as folder:
        plan = designer.plan(
            [left],
            one.schema(name, folder),
            company=COMPANY,
            population=max(pq.read_metadata(path).num_rows for path in (left, right)),
        )
        path = Path(folder) / "planned.toml"
        designer.write(plan, path)
        return path.read_text(encoding="utf-8")


def ours(data: Path, name: str, schema: str) -> dict[str, Any]:
    """One rehearsal."""
    from pseudolink.roles import rehearsal
    from pseudolink.roles.encoding import Options
    from pseudolink.schema import load_schema

    one = peers.SETS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schema.toml"
        path.write_text(schema, encoding="utf-8")
        return rehearsal.rehearse(
            one.paths(data), load_schema(path), one.truth, options=Options(enforce_floor=False)
        )


def the_demo(seed: int) -> list[dict[str, Any]]:
    """Every agency of the demo of 5,000 people."""
    from importlib.resources import files

    from pseudolink.roles import demo

    schema = Path(str(files("pseudolink").joinpath("synthetic", "uk-programme.toml")))
    with tempfile.TemporaryDirectory() as folder:
        found = demo.run(5000, Path(folder) / "demo", schema=schema, seed=seed)
    return [
        {
            "case": f"demo {one.agency}",
            "tool": "pseudolink",
            "seed": seed,
            **{
                key: getattr(one, key)
                for key in (
                    "precision", "recall", "f1", "expected_precision", "expected_recall", "links",
                    "true_pairs", "company",
                )
            },
        }
        for one in found.agencies
    ]  # fmt: skip


KEPT = (
    "precision", "recall", "f1", "expected_precision", "expected_recall", "precision_interval",
    "recall_interval", "threshold", "links", "true_pairs", "candidate_recall", "company", "nobody",
)  # fmt: skip


def run(data: Path, case: str, seed: int, schema: str, *, splink: bool) -> list[dict[str, Any]]:
    """One case at one seed: pseudolink, and Splink beside it."""
    name, share, _ = CASES[case]
    peers.SETS.setdefault("febrl-soc-sec", SOC_SEC)
    with tempfile.TemporaryDirectory() as folder:
        at = data if share == 1.0 else sampled(data, name, share, seed, Path(folder))
        found = [{"tool": "pseudolink", **ours(at, name, schema)}]
        if splink and share:
            found += peers.splink(at, name)
    return [
        {"case": case, "seed": seed, "tool": one["tool"], **{k: one[k] for k in KEPT if k in one}}
        for one in found
    ]


def schema_of(data: Path, case: str) -> str:
    """The text of the schema that a case links by."""
    name, _, shipped = CASES[case]
    peers.SETS.setdefault("febrl-soc-sec", SOC_SEC)
    return planned(data, name) if shipped is None else (SCHEMAS / shipped).read_text(encoding="utf-8")


HEADINGS = (
    "case", "tool", "seeds", "P mean (min, max)", "R mean (min, max)", "F1 mean (min, max)",
    "expected P off by", "expected R off by", "P in its interval", "R in its interval", "links", "true pairs",
    "company",
)  # fmt: skip


def spread(values: list[float]) -> str:
    """Mean, and least and most where there are several."""
    mean = sum(values) / len(values)
    return f"{mean:.4f}" + (f" ({min(values):.4f}, {max(values):.4f})" if len(values) > 1 else "")


def row(runs: list[dict[str, Any]]) -> str:
    """One line of the table: a case and tool over its seeds."""

    def off(what: str) -> str:
        apart = [one[f"expected_{what}"] - one[what] for one in runs if f"expected_{what}" in one]
        return f"{min(apart):+.4f} to {max(apart):+.4f}" if apart else "-"

    def inside(what: str) -> str:
        known = [one for one in runs if f"{what}_interval" in one]
        held = sum(one[f"{what}_interval"][0] <= one[what] <= one[f"{what}_interval"][1] for one in known)
        return f"{held} of {len(known)}" if known else "-"

    some = runs[0]["true_pairs"] > 0
    company = [one["company"] for one in runs if "company" in one]
    cells = [
        runs[0]["case"],
        runs[0]["tool"],
        str(len(runs)),
        *(spread([one[k] for one in runs]) if some else "-" for k in ("precision", "recall", "f1")),
        *(off(what) if some else "-" for what in ("precision", "recall")),
        *(inside(what) if some else "-" for what in ("precision", "recall")),
        f"{sum(one['links'] for one in runs) / len(runs):,.0f}",
        f"{sum(one['true_pairs'] for one in runs) / len(runs):,.0f}",
        f"{max(company):.4f}" if company else "-",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"without it, ${peers.DATA}")
    parser.add_argument("--cases", nargs="+", choices=[*CASES, "demo"], default=[*CASES, "demo"])
    parser.add_argument("--seeds", type=int, default=3, help="samples of each case that draws one")
    parser.add_argument("--splink", action="store_true", help="also run Splink, which must be installed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = options.data or (Path(os.environ[peers.DATA]) if os.environ.get(peers.DATA) else None)
    if data is None:
        print(f"nothing was run: give the folder of the data with --data or in {peers.DATA}", file=sys.stderr)
        return 0
    if options.splink and importlib.util.find_spec("splink") is None:
        print('Splink is not installed here: pip install "splink==5.*"', file=sys.stderr)
        return 1
    facts = header("splink", "duckdb")
    if not options.json:
        show(facts)
        print("\n| " + " | ".join(HEADINGS) + " |")
        print("|" + " --- |" * len(HEADINGS))
    results: list[dict[str, Any]] = []
    for case in options.cases:
        found: list[dict[str, Any]] = []
        seeds = range(1, 2) if case in WHOLE else range(1, options.seeds + 1)
        schema = "" if case == "demo" else peers.apart(schema_of, data, case)
        for seed in seeds:
            if case == "demo":
                found += peers.apart(the_demo, seed)
            else:
                found += peers.apart(run_one, data, case, seed, schema, options.splink)
        results += found
        groups = dict.fromkeys((one["case"], one["tool"]) for one in found)
        if not options.json:
            for group in groups:
                print(row([one for one in found if (one["case"], one["tool"]) == group]), flush=True)
    if options.json:
        print(json.dumps({"machine": facts, "results": results}, indent=2))
    return 0


def run_one(data: Path, case: str, seed: int, schema: str, splink: bool) -> list[dict[str, Any]]:
    """:func:`run` with arguments by place, for a process of its own."""
    return run(data, case, seed, schema, splink=splink)


if __name__ == "__main__":
    sys.exit(main())
