"""
What attacks achieve: canaries and bounds, growth with size, and the curve of quality against risk.

    python benchmarks/attacks.py --data DIR [--parts audit-essnet …] [--write FOLDER] [--json]

DIR (or the environment variable PSEUDOLINK_BENCHMARK_DATA) holds essnet_di/{census,cis}.parquet and
febrl/febrl4{a,b}.parquet. Parts:

    audit-…  `pseudolink attack run --self` on the ESSnet census with examples/schemas/essnet.toml, or on
             the cohort of the demo of 30,000 invented people with the demo's schema: every attack under
             its settings, and every canary on the same people
    growth   A3 and A6 at 1,000, 2,000, 10,000 and 25,000 people of the census; A3 on 25,000 CLKs takes
             some 10 GiB of memory
    curve-…  F1 of census against CIS, or of Febrl 4, beside the share of the left file that the best
             attack names: CLKs with every hardening, broad match-keys, and passes planned at several
             floors with decoys, and at 5 % without; by A3 on 2,000 people, and on tokens by A6 and A11 on
             all. CLKs are compared all with all and linked one to one at the threshold that is best by
             truth, a choice in their favour, and at the usual 0.8; passes by `rehearse`, which chooses
             without truth

With --write the figures go to FOLDER/attacks.json and the curves to FOLDER/attacks-SET.svg; a part that is
not run keeps what attacks.json has of it. Seeds are fixed. Truth is looked at by the scorer alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from _machine import header, show
from _risk_curve import drawn

from pseudolink.attacks import registry, suite
from pseudolink.attacks.attack import Setting, Wanted
from pseudolink.attacks.laboratory import Laboratory
from pseudolink.attacks.schemes.keyed_passes import without_decoys
from pseudolink.clean.extract import clean_table
from pseudolink.clean.reader import read_extract
from pseudolink.formats.cleaned import Cleaned
from pseudolink.match.dice import dice_pairs
from pseudolink.roles import auditor, designer, rehearsal
from pseudolink.roles.encoding import Options
from pseudolink.schema import LinkageSchema, load_schema
from pseudolink.synthetic import population as synthetic

DATA = "PSEUDOLINK_BENCHMARK_DATA"
ROOT = Path(__file__).parents[1]
ESSNET = ROOT / "examples" / "schemas" / "essnet.toml"
#: name -> left and right file, and the name of schema and fields in examples/schemas.
CURVES = {
    "essnet": ("essnet_di/census.parquet", "essnet_di/cis.parquet"),
    "febrl": ("febrl/febrl4a.parquet", "febrl/febrl4b.parquet"),
}
DEMO = Path(str(files("pseudolink").joinpath("synthetic", "uk-programme.toml")))
TRUTH = "entity_id"
SECRET = bytes(range(32))
SEED = 1
CLKS = ("clk", "balanced", "folded", "rule90", "flips", "salted", "diffused2", "diffused")
FLOORS = (0.005, 0.01, 0.03, 0.05, 0.20, 0.50)
SIZES = (1_000, 2_000, 10_000, 25_000)
ATTACKS = {one.number: one for one in registry.attacks()}


def told(text: str) -> None:
    """Progress, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def cleaned(path: Path, schema: LinkageSchema) -> tuple[Cleaned, list[Any]]:
    """The rows of a file without its truth; and the truth."""
    table = read_extract(path)
    return clean_table(table.drop_columns([TRUTH]), schema, source=path.name), table.column(TRUTH).to_pylist()


# ---------------------------------------------------------------- audits


def audit(name: str, data: Path) -> dict[str, Any]:
    """An audit, as a report."""
    with tempfile.TemporaryDirectory() as folder:
        if name == "essnet":
            reference, schema = Path(folder) / "census.parquet", ESSNET
            pq.write_table(pq.read_table(data / CURVES["essnet"][0]).drop_columns([TRUTH]), reference)
        else:
            reference, schema = Path(folder) / "cohort.csv", DEMO
            made = synthetic.generate(30_000, 2026).extracts["council"]
            made.loc[:, list(synthetic.IDENTIFIERS["council"])].to_csv(reference, index=False)
        begin = time.perf_counter()
        request = auditor.Request(reference, schema, wanted=Wanted(seed=SEED))
        report = auditor.audit(request, lambda stage, done, total: told(f"{stage} ({done} of {total})"))
    report["seconds"] = round(time.perf_counter() - begin, 1)
    return report


def audit_lines(name: str, report: dict[str, Any]) -> list[str]:
    """A report as rows of a table."""
    lines = [
        f"{name}: {report['verdict']}, {report['records']:,} records, {report['seconds']:.0f} s",
        *(f"  {reason}" for reason in report["reasons"]),
        "",
        "| attack | on | conditions | figure | reached | wanted | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in report["attacks"]:
        for trial in one["canaries"]:
            what = {True: "broken", False: "NOT BROKEN", None: "not run"}[trial["broke"]]
            cells = (trial["figure"], of(trial, trial["figure"]), f"at least {trial['at_least']:g}", what)
            lines.append(row(one["number"], f"canary {trial['scheme']}", trial["conditions"], *cells))
        for run in one["runs"]:
            for bound in one["bounds"]:
                beaten = any(b["figure"] == bound["figure"] for b in run["bounds_beaten"])
                what = run["skipped"] or ("BEATEN" if beaten else "held")
                cells = (bound["figure"], of(run, bound["figure"]), f"at most {bound['at_most']:g}", what)
                lines.append(row(one["number"], run["scheme"], run["conditions"], *cells))
            if not one["bounds"]:
                cells = ("rate", of(run, "rate"), "no bound", run["skipped"])
                lines.append(row(one["number"], run["scheme"], run["conditions"], *cells))
    return [*lines, ""]


def of(run: dict[str, Any], figure: str) -> str:
    """A figure of a run, or a dash."""
    value = (run["result"] or {"figures": {}})["figures"].get(figure)
    return "-" if value is None else f"{value:.5g}"


def row(*cells: str) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


# ---------------------------------------------------------------- one attack on one scheme


def attacked(
    number: str, population: Cleaned, schema: LinkageSchema, scheme: str, setting: Setting
) -> dict[str, Any]:
    """Rate of right guesses of all scored records, with its interval, and what it took."""
    lab = Laboratory(population, schema, registry.scheme(scheme), SECRET)
    found = suite.run(ATTACKS[number], lab, setting, SEED, bounds=())
    figures = found.result.figures if found.result else {}
    rate = figures.get("rate", float("nan"))
    told(f"{number} on {scheme}, {setting.label()}: {rate:.4f}, {found.seconds:.0f} s {found.skipped}")
    kept = {key: round(figures[key], 6) for key in ("rate", "rate_lower", "rate_upper") if key in figures}
    records = found.result.records if found.result else 0
    return {"records": records, **kept, "seconds": round(found.seconds, 1), "skipped": found.skipped}


def growth(data: Path) -> list[dict[str, Any]]:
    """A3 and A6 by size."""
    schema = load_schema(ESSNET)
    population, _ = cleaned(data / "essnet_di" / "census.parquet", schema)
    found = []
    for number, scheme, sizes in (
        ("A3", "clk", SIZES),
        ("A3", "diffused", SIZES[:3]),
        ("A3", "keyed", SIZES),
        ("A6", "broad", SIZES),
        ("A6", "bare", SIZES),
        ("A6", "keyed", SIZES),
    ):
        for size in sizes:
            setting = Setting(size)
            one = attacked(number, population, schema, scheme, setting)
            found.append({"attack": number, "scheme": scheme, "n": size, **one})
    return found


# ---------------------------------------------------------------- the curve


def among_strangers(left: Any, right: Any) -> float:
    """The Dice coefficient that one in five hundred random pairs reaches."""
    rng = np.random.default_rng(SEED)
    a, b = left[rng.integers(0, len(left), 100_000)], right[rng.integers(0, len(right), 100_000)]
    both = np.bitwise_count(a & b).sum(axis=1)
    each = np.bitwise_count(a).sum(axis=1, dtype=np.int64) + np.bitwise_count(b).sum(axis=1, dtype=np.int64)
    return float(np.quantile(2 * both / np.maximum(each, 1), 0.998))


def clk_quality(
    schema: LinkageSchema, left: Cleaned, right: Cleaned, truths: Sequence[list[Any]], scheme: str
) -> dict[str, Any]:
    """F1 of all with all, one to one by Dice: at the threshold that is best by truth, and at 0.8."""
    start = registry.scheme(scheme).start(schema, SECRET, "benchmark")
    bits = [start(side).bits for side in (left, right)]
    words = [np.ascontiguousarray(side).view(np.uint64) for side in bits if side is not None]
    # Below this Dice pairs of strangers are too many to be of use: five of each record are enough.
    i, j, dice = dice_pairs(*words, f"{among_strangers(*words):.3f}", best=5)
    # A name of two words has further rows; links are of records.
    i, j = left.source[i], right.source[j]
    used = np.zeros(len(truths[0]), dtype=bool), np.zeros(len(truths[1]), dtype=bool)
    order = np.argsort(-dice, kind="stable")
    taken = []
    for at, a, b in zip(order.tolist(), i[order].tolist(), j[order].tolist(), strict=True):
        if not used[0][a] and not used[1][b]:
            used[0][a] = used[1][b] = True
            taken.append(at)
    links = np.asarray(taken, dtype=np.int64)
    sides = [np.asarray(one, dtype=object) for one in truths]
    right_ones = sides[0][i[links]] == sides[1][j[links]]
    counts: dict[Any, int] = {}
    for value in truths[1]:
        counts[value] = counts.get(value, 0) + 1
    pairs = sum(counts.get(value, 0) for value in truths[0])
    hits = np.cumsum(right_ones)
    f1 = 2 * hits / (np.arange(1, len(links) + 1) + pairs)
    best = int(f1.argmax())
    precision, recall = float(hits[best] / (best + 1)), float(hits[best] / pairs)
    usual = int((dice[links] >= 0.8).sum())
    return {
        "f1": round(float(f1[best]), 4),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "threshold": round(float(dice[links[best]]), 3),
        "f1_at_0.8": round(float(f1[usual - 1]), 4) if usual else 0.0,
    }


def pass_quality(sources: Sequence[Path], schema: LinkageSchema) -> dict[str, Any]:
    """F1 of `rehearse`."""
    found = rehearsal.rehearse(sources, schema, TRUTH, options=Options(enforce_floor=False))
    kept = ("f1", "precision", "recall", "threshold", "company")
    return {key: round(found[key], 4) for key in kept}


def risks(
    population: Cleaned, schema: LinkageSchema, scheme: str, chosen: Sequence[tuple[str, Setting]]
) -> dict[str, Any]:
    """The most that any of the attacks achieved, and all of them."""
    found = {
        f"{number}, {setting.label()}": attacked(number, population, schema, scheme, setting)
        for number, setting in chosen
    }
    best = max(found, key=lambda name: found[name].get("rate", 0.0))
    return {"risk": found[best].get("rate", 0.0), "by": best, "attacks": found}


ON_CLKS = [("A3", Setting(2_000))]
ON_TOKENS = [("A3", Setting(2_000)), ("A6", Setting()), ("A11", Setting())]
#: The floor at which passes are shown without decoys too.
BARE = 0.05
KNOWN = ("A2", Setting(4_000, known=1_000))


def planned(sources: Sequence[Path], fields: Path, company: float) -> LinkageSchema:
    """Passes for the left file at a floor, without truth; the larger file is the population."""
    rows = max(pq.read_metadata(path).num_rows for path in sources)
    # A wide floor is only there to be shown: components grow with it.
    component = 20 if company <= 0.05 else rows
    plan = designer.plan([sources[0]], fields, company=company, component=component, population=rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planned.toml"
        designer.write(plan, path)
        return load_schema(path)


def opened(schema: LinkageSchema) -> LinkageSchema:
    """The schema with a floor that refuses nothing: schemes that exist to be attacked are over it."""
    floor = replace(schema.floor, company=Decimal(1), component=1_000_000_000)
    return replace(schema, floor=floor)


def curve(name: str, data: Path) -> list[dict[str, Any]]:
    """Every scheme on one set: quality, and risk."""
    sources = [data / path for path in CURVES[name]]
    schemas = ROOT / "examples" / "schemas"
    schema = load_schema(schemas / f"{name}.toml")
    (left, left_truth), (right, right_truth) = (cleaned(path, schema) for path in sources)
    found = []

    def add(scheme: str, title: str, used: LinkageSchema, quality: dict[str, Any], **more: Any) -> None:
        told(f"{name}, {title}: {quality}")
        chosen = ON_CLKS if registry.scheme(scheme).clk else ON_TOKENS
        risk = risks(left, used, scheme, chosen)
        known = attacked(KNOWN[0], left, used, scheme, KNOWN[1])
        found.append({"scheme": scheme, "title": title, **more, **quality, **risk, "known_plaintext": known})

    for one in CLKS:
        quality = clk_quality(schema, left, right, (left_truth, right_truth), one)
        add(one, registry.scheme(one).title, schema, quality)
    broad = registry.scheme("broad")
    add("broad", broad.title, schema, pass_quality(sources, opened(broad.schema(schema))))
    for company in FLOORS:
        plan = planned(sources, schemas / "fields" / f"{name}.toml", company)
        more = {"floor": company, "passes": len(plan.passes)}
        title = f"planned passes, {company:.1%}"
        add("keyed", title, plan, pass_quality(sources, opened(plan)), **more)
        if company == BARE:
            title = f"planned passes without decoys, {company:.1%}"
            add("bare", title, plan, pass_quality(sources, opened(without_decoys(plan))), **more)
    return found


def growth_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Growth as a table."""
    sizes = sorted({one["n"] for one in rows})
    lines = [row("attack", "scheme", *(f"n = {n:,}" for n in sizes)), row(*["---"] * (2 + len(sizes)))]
    for number, scheme in dict.fromkeys((one["attack"], one["scheme"]) for one in rows):
        by = {one["n"]: one for one in rows if (one["attack"], one["scheme"]) == (number, scheme)}
        cells = [
            f"{by[n]['rate']:.2%} (≤ {by[n]['rate_upper']:.2%})" if n in by else "not run" for n in sizes
        ]
        lines.append(row(number, scheme, *cells))
    return [*lines, ""]


def curve_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The curve as a table."""
    heads = (
        "scheme",
        "P",
        "R",
        "F1",
        "F1 at 0.8",
        "best attack names",
        "which",
        "with 1,000 known pairs",
        "company",
    )
    lines = [row(*heads), row(*["---"] * len(heads))]
    for one in rows:
        known = one["known_plaintext"].get("rate")
        cells = (
            one["title"],
            f"{one['precision']:.4f}",
            f"{one['recall']:.4f}",
            f"{one['f1']:.4f}",
            f"{one['f1_at_0.8']:.4f}" if "f1_at_0.8" in one else "-",
            f"{one['risk']:.2%}",
            one["by"],
            "-" if known is None else f"{known:.2%}",
            f"{one['company']:.2%}" if "company" in one else "-",
        )
        lines.append(row(*cells))
    return [*lines, ""]


PARTS: dict[str, Callable[[Path], Any]] = {
    **{f"audit-{name}": partial(audit, name) for name in ("essnet", "demo")},
    "growth": growth,
    **{f"curve-{name}": partial(curve, name) for name in CURVES},
}


def main() -> None:
    """Run the parts, print them, write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=os.environ.get(DATA), help=f"without it, ${DATA}")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.data is None:
        parser.error(f"--data DIR, or the environment variable {DATA}")
    target = None if options.write is None else options.write / "attacks.json"
    found = json.loads(target.read_text()) if target is not None and target.exists() else {}
    for name in options.parts:
        begin = time.process_time()
        found[name] = {"machine": header(), "figures": PARTS[name](Path(options.data))}
        found[name]["cpu_seconds"] = round(time.process_time() - begin)
        if target is not None:
            target.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if target is not None and name.startswith("curve-"):
            data_set = name.removeprefix("curve-")
            picture = drawn(found[name]["figures"], data_set)
            target.with_name(f"attacks-{data_set}.svg").write_text(picture, encoding="utf-8")
    if options.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    show(header())
    for name in options.parts:
        figures = found[name]["figures"]
        if name.startswith("audit-"):
            lines = audit_lines(name, figures)
        elif name == "growth":
            lines = growth_lines(figures)
        else:
            lines = [name, "", *curve_lines(figures)]
        print("\n".join(lines))


if __name__ == "__main__":
    main()
