"""
Resolution: three parties and more as clusters, greedy beside optimal, duplicates, families.

    python benchmarks/resolution.py [--data DIR] [--people 5000] [--seeds 2026 1 2] [--json]

The parties are those of the demo: a council's cohort, schools, work and offending, of invented
people (specs/synthetic.md). Without --data (or the environment variable
PSEUDOLINK_BENCHMARK_DATA) what needs essnet_di/{census,cis}.parquet is left out. The truth is looked
at after the last step alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _machine import header, show

from pseudolink.keys.linkage import LinkageKey
from pseudolink.release.families import family_links
from pseudolink.roles import duplicates
from pseudolink.roles.encoding import Options, coverage, encode_table
from pseudolink.roles.linkage import Delivery, PairLinkage, link_all
from pseudolink.roles.people import link_map
from pseudolink.roles.resolving import Rules
from pseudolink.schema import LinkageSchema, load_schema
from pseudolink.synthetic import population as synthetic

DATA = "PSEUDOLINK_BENCHMARK_DATA"
DEMO = Path(str(files("pseudolink").joinpath("synthetic", "uk-programme.toml")))
ESSNET = Path(__file__).parents[1] / "examples" / "schemas" / "essnet.toml"
Truth = dict[bytes, Any]


def delivered(
    name: str, table: pa.Table, truth: Sequence[Any], schema: LinkageSchema, key: LinkageKey, needed: Any
) -> tuple[Delivery, Truth]:
    """A party's encodings in the operator's memory, and who each record ID is."""
    options = Options(enforce_floor=False)
    encoded, cleaned = encode_table(table, schema, key.derive, "benchmark", options=options, needed=needed)
    delivery = Delivery(
        name, name, encoded.encodings, encoded.chance, encoded.company.to_json(), coverage(cleaned), schema
    )
    who = {bytes(r): truth[s] for r, s in zip(encoded.encodings.records, encoded.source, strict=True)}
    return delivery, who


def hidden_by_nothing() -> LinkageSchema:
    """The demo's schema without decoys."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schema.toml"
        path.write_text(DEMO.read_text(encoding="utf-8").replace("decoys = true", "decoys = false"), "utf-8")
        return load_schema(path)


def demo_parties(people: int, seed: int, repeated: float = 0.0) -> tuple[list[Delivery], dict[str, Truth]]:
    """
    The demo's four parties.

    repeated: share of the offending records that stand twice, the second with mistakes of its own.
    """
    # Decoys divide the tokens of records of one person between them: nobody would find any.
    schema, key = hidden_by_nothing() if repeated else load_schema(DEMO), LinkageKey.generate()
    made = synthetic.generate(people, seed)
    again = synthetic.generate(people, seed)
    deliveries, who = [], {}
    for party, frame in made.extracts.items():
        truth = list(made.truth[party])
        if repeated and party == "offending":
            frame, truth = twice(frame, truth, again, repeated, seed)
        text = frame.astype(object).where(frame.notna(), None)
        table = pa.table({n: pa.array([None if v is None else str(v) for v in text[n]]) for n in text})
        one, known = delivered(party, table, truth, schema, key, synthetic.IDENTIFIERS[party])
        deliveries.append(one)
        who[party] = known
    return deliveries, who


def twice(frame: Any, truth: list[int], again: Any, share: float, seed: int) -> tuple[Any, list[int]]:
    """Further records of some people: as the council or the work extract has them, mistakes and all."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    extra, who = [], []
    for party in ("council", "work"):
        other, known = again.extracts[party], list(again.truth[party])
        place = {person: row for row, person in enumerate(known)}
        for person in truth:
            if person in place and person not in who and rng.random() < share:
                extra.append(other.iloc[place[person]][["forename", "surname", "dob", "postcode"]])
                who.append(person)
    more = pd.DataFrame(extra).reset_index(drop=True)
    return pd.concat([frame, more], ignore_index=True), truth + who


def judged(linkages: list[PairLinkage], who: dict[str, Truth]) -> dict[str, Any]:
    """Persons of the link map against the truth."""
    rows = link_map(linkages).to_pylist()
    persons: dict[bytes, list[tuple[str, Any]]] = {}
    for row in rows:
        persons.setdefault(row["person"], []).append((row["party"], who[row["party"]][row["record"]]))
    linked = [members for members in persons.values() if len(members) > 1]
    cohort = linkages[0].left.party
    right = sum(len({person for _, person in members}) == 1 for members in linked)
    pairs = [(a, b) for members in linked for a, b in combinations(members, 2)]
    own = Counter(who[cohort].values())
    true_pairs = sum(own[p] for party, known in who.items() if party != cohort for p in known.values())
    with_cohort = [(a, b) for a, b in pairs if cohort in (a[0], b[0])]
    correct = sum(a[1] == b[1] for a, b in with_cohort)
    return {
        "persons": len(linked),
        "cluster_precision": right / max(len(linked), 1),
        "pair_precision": sum(a[1] == b[1] for a, b in pairs) / max(len(pairs), 1),
        "cohort_precision": correct / max(len(with_cohort), 1),
        "cohort_recall": correct / max(true_pairs, 1),
    }


def true_among_guarded(one: PairLinkage, who: dict[str, Truth]) -> int:
    """Pairs at or above the threshold that the guard of twins bars though they are one person."""
    barred = np.flatnonzero(one.decided.guarded & (one.scored.probability >= one.threshold))
    pairs = one.scored.candidates
    left, right = one.left.encodings.records, one.right.encodings.records
    here, there = who[one.left.party], who[one.right.party]
    return sum(here[bytes(left[pairs.left[n]])] == there[bytes(right[pairs.right[n]])] for n in barred)


def clusters(people: int, seed: int) -> list[dict[str, Any]]:
    """Three and four parties: each with the cohort alone, and all with one another."""
    deliveries, who = demo_parties(people, seed)
    found = []
    for count in (3, 4):
        some = deliveries[:count]
        known = {one.party: who[one.party] for one in some}
        for rules in (Rules(), Rules(guard=False), Rules(assignment="optimal"), Rules(every_pair=True)):
            linkages = link_all(some, rules=rules)
            found.append(
                {
                    "people": people,
                    "seed": seed,
                    "parties": count,
                    "links": rules.assignment
                    + (", every pair" if rules.every_pair else "")
                    + ("" if rules.guard else ", no guard"),
                    **judged(linkages, known),
                    "guarded": sum(one.guarded for one in linkages if one.left is linkages[0].left),
                    "guarded_true": sum(
                        true_among_guarded(one, known) for one in linkages if one.left is linkages[0].left
                    ),
                }
            )
    return found


def repeats(people: int, seed: int) -> list[dict[str, Any]]:
    """The offending extract with a second record of three in ten people, with and without merging."""
    deliveries, who = demo_parties(people, seed, repeated=0.3)
    some = [deliveries[0], deliveries[3]]
    known = {one.party: who[one.party] for one in some}
    found = []
    for rules in (Rules(), Rules(duplicates=frozenset({"offending"}))):
        merged, told = duplicates.merge(some, rules)
        groups = [[known["offending"][r] for r in ids] for ids in merged[1].merged.values()]
        pairs = [a == b for ids in groups for a, b in combinations(ids, 2)]
        counts = Counter(known["offending"].values()).values()
        all_pairs = sum(n * (n - 1) // 2 for n in counts)
        found.append(
            {
                "people": people,
                "seed": seed,
                "duplicates": bool(rules.duplicates),
                "groups": sum(one.groups for one in told),
                "duplicate_precision": sum(pairs) / len(pairs) if pairs else None,
                "duplicate_recall": sum(pairs) / all_pairs if rules.duplicates else None,
                **judged(link_all(merged, rules=rules), known),
            }
        )
    return found


def essnet(data: Path) -> tuple[list[Delivery], dict[str, Truth], dict[str, pa.Table]]:
    """Census and customer file; each file's household is its own family token, in its payload."""
    schema, key = load_schema(ESSNET), LinkageKey.generate()
    deliveries, who, payloads = [], {}, {}
    for name in ("census", "cis"):
        raw = pq.read_table(data / "essnet_di" / f"{name}.parquet")
        columns = ["forename", "surname", "sex", "dob_day", "dob_mon", "dob_year", "postcode"]
        table = pa.table({c: raw.column(c).cast(pa.string()) for c in columns})
        rows = list(range(raw.num_rows))
        one, row_of = delivered(name, table, rows, schema, key, None)
        entity, household = raw.column("entity_id").to_pylist(), raw.column("household_id").to_pylist()
        deliveries.append(one)
        who[name] = {record: entity[row] for record, row in row_of.items()}
        payloads[name] = pa.table(
            {
                "record": pa.array(list(row_of), pa.binary(16)),
                "family_id": pa.array([household[row] for row in row_of.values()], pa.string()),
            }
        )
    return deliveries, who, payloads


def families(data: Path) -> list[dict[str, Any]]:
    """Household links of census and customer file from links of people; greedy beside optimal."""
    deliveries, who, payloads = essnet(data)
    home = {
        name: dict(zip(t.column("record").to_pylist(), t.column("family_id").to_pylist(), strict=True))
        for name, t in payloads.items()
    }
    place = {person: home["census"][record] for record, person in who["census"].items()}
    true = {place[person] for person in who["cis"].values() if person in place}
    found = []
    for rules in (Rules(), Rules(assignment="optimal")):
        linkages = link_all(deliveries, rules=rules)
        links = family_links(link_map(linkages), payloads, "census").links
        right = {one.family for one in links if one.family == one.party_family}
        relations = Counter(one.relation for one in links)
        found.append(
            {
                "links": rules.assignment,
                **{k: v for k, v in judged(linkages, who).items() if k.startswith(("cohort", "persons"))},
                "guarded": linkages[0].guarded,
                "ambiguous": len(linkages[0].links.ambiguous),
                "household_links": len(links),
                "household_precision": sum(o.family == o.party_family for o in links) / len(links),
                "household_recall": len(right & true) / len(true),
                **{name.replace(" ", "_"): relations[name] for name in ("same", "split", "merged")},
            }
        )
    return found


def main() -> int:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get(DATA))
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2026, 1, 2])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    facts = header()
    results: dict[str, list[dict[str, Any]]] = {
        "clusters": [row for seed in options.seeds for row in clusters(options.people, seed)],
        "duplicates": [row for seed in options.seeds for row in repeats(options.people, seed)],
    }
    if options.data is not None:
        results["families"] = families(Path(options.data))
    if options.json:
        print(json.dumps({"machine": facts, **results}, indent=2))
        return 0
    show(facts)
    if options.data is None:
        print("families are left out: give --data DIR", file=sys.stderr)
    for name, rows in results.items():
        print(f"\n{name}\n")
        print("| " + " | ".join(rows[0]) + " |")
        print("|" + " --- |" * len(rows[0]))
        for row in rows:
            print("| " + " | ".join(shown(value) for value in row.values()) + " |")
    return 0


def shown(value: Any) -> str:
    """A cell of a table."""
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
