"""
A plan from a sample, for a population far larger: is the floor kept there, and what is found?

    python benchmarks/planning.py [--people 1000000] [--samples 20000 100000] [--company 0.05] [--json]

Invents people (specs/synthetic.md) and what two agencies hold of all of them, with the mistakes of
the council's and the schools' extracts. Passes are planned from a sample of the one for the whole
population; then company is measured in the whole of both extracts, and how many people's two
records share a token. No numbers (NINO, UPN) are used.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from _machine import header, show

from pseudolink.clean.common import without_common
from pseudolink.clean.extract import clean_table
from pseudolink.encode import floor
from pseudolink.encode.planning_floor import Keys
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import PassColumns
from pseudolink.roles import designer
from pseudolink.schema import LinkageSchema
from pseudolink.synthetic import extracts
from pseudolink.synthetic.people import make
from pseudolink.synthetic.streams import stream

FIELDS = """
format = "pseudolink/linkage-schema/1"
name = "population"
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
NAMES = ("forename", "surname", "dob", "postcode", "sex")
PARTIES = ("council", "schools")


def tables(people: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """What two agencies hold of everybody: row i of both is person i."""
    everybody = make(people, seed)
    rows = np.arange(people)
    made = []
    for number, party in enumerate(PARTIES):
        columns = extracts.identify(everybody, rows, extracts.RATES[party], stream(seed, 3, number))
        made.append(pa.table({name: pa.array(columns[name]) for name in NAMES}))
    return made[0], made[1]


def whole(cleaned: Cleaned, schema: LinkageSchema, components: list[str]) -> floor.Company:
    """Company over all passes."""
    keys = Keys(cleaned, schema, components)

    def columns() -> Any:
        for one in schema.passes:
            words, present = keys.of(one.on)
            yield one.name, PassColumns(np.stack([words, words], axis=1), present, None)

    records = np.ascontiguousarray(cleaned.source).view(np.uint8).reshape(cleaned.rows, 8)
    return floor.measure_passes(records, columns())


def measured(sides: list[Cleaned], plan: designer.Plan) -> dict[str, Any]:
    """Company in both extracts, and the share of people of whom a token is shared."""
    schema = plan.schema
    components = sorted({name for one in schema.passes for name in one.on})
    found = [whole(cleaned, schema, components) for cleaned in sides]
    people = sides[0].one_a_record().rows
    # The first version of every record stands in the first rows, in the order of the extract.
    both = designer.joined([one.one_a_record() for one in sides], NAMES)
    keys = Keys(both, schema, components)
    shared = np.zeros(people, dtype=bool)
    for one in schema.passes:
        words, present = keys.of(one.on)
        shared |= present[:people] & present[people:] & (words[:people] == words[people:])
    return {
        "company": [company.share for company in found],
        "largest_component": [company.largest_component for company in found],
        "largest_block": [max(p.largest_block for p in company.passes) for company in found],
        "found": float(shared.mean()),
    }


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--company", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    both = tables(options.people, options.seed)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        fields = Path(folder) / "fields.toml"
        fields.write_text(FIELDS, encoding="utf-8")
        design = designer.load_schema(fields, passes_needed=False)
        sides = [without_common(clean_table(table, design), design) for table in both]
        for sample in options.samples:
            rows = np.sort(stream(options.seed, 9).choice(options.people, sample, replace=False))
            begin = time.perf_counter()
            plan = designer.plan(
                [both[0].take(rows)], fields, population=options.people, company=options.company
            )
            seconds = time.perf_counter() - begin
            stated = plan.to_json()
            results.append(
                {
                    "people": options.people,
                    "sample": sample,
                    "passes": len(plan.passes),
                    "planned": {key: stated[key] for key in ("expected_recall", "company", "largest_block")},
                    "measured": measured(sides, plan),
                    "seconds": seconds,
                }
            )
    if options.json:
        print(json.dumps({"machine": header(), "results": results}, indent=2))
        return 0
    show(header())
    print("| sample | passes | planned recall | found | planned company | council | schools | largest block "
          "planned | measured | largest component | s |")  # fmt: skip
    print("|" + " --- |" * 11)
    for one in results:
        planned, real = one["planned"], one["measured"]
        print(
            f"| {one['sample']:,} | {one['passes']} | {planned['expected_recall']:.4f} | {real['found']:.4f} "
            f"| {planned['company']:.4f} | {real['company'][0]:.4f} | {real['company'][1]:.4f} "
            f"| {planned['largest_block']} | {max(real['largest_block'])} "
            f"| {max(real['largest_component'])} | {one['seconds']:.1f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
