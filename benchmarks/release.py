"""
A release of a million people: from sealed packages to the finished folder, beside a join by pandas.

    python benchmarks/release.py [--people 1000000] [--disclosure] [--json]

Everything is drawn at random: a cohort of so many people in families of three, and three agencies that
know half of them each, with attributes and with event tables (absences, spells of work). The packages
are made first; then `roles.releaser.release` runs in a process of its own, and so does pandas, which
gets the payloads in the clear and does nothing but the join, the pseudonyms and the writing of the table
of people. What is printed of each: wall-clock time, time of processors (what counts
on a machine with other work), largest resident set; and the ratio of the wall-clock times.

--disclosure adds microdata rules (k-anonymity over four quasi-identifiers) to the agreement.

Goal: a million people in under a minute and 4 GiB, with or without the rules.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _machine import header, show

from pseudolink.agreement import load_agreement, sign_agreement
from pseudolink.formats import linkmap
from pseudolink.formats import payload as payloads
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey
from pseudolink.keys.release import ReleaseKey
from pseudolink.roles import releaser
from pseudolink.seal.package import seal

SEED = 2026
PHRASE = "invented for this benchmark"
SECONDS, GIB = 60.0, 4.0
ROLES = {
    "council": "custodian", "schools": "custodian", "work": "custodian", "offending": "custodian",
    "unit": "operator", "environment": "releaser", "university": "researcher",
}  # fmt: skip
ATTRIBUTES = {
    "council": ["arm", "programme_start", "born", "sex", "region"],
    "schools": ["attendance", "exclusions"],
    "work": ["earnings_band"],
    "offending": ["offences"],
}
EVENTS = {"schools": {"absences": ["from", "days", "reason"]}, "work": {"spells": ["from", "sector"]}}
RULES = """
[disclosure]
profile = "strict"
quasi = ["council_born", "council_sex", "council_region", "council_programme_start"]
events = ["schools_absences", "work_spells"]
subgroups = ["arm", "sex"]
[disclosure.steps]
council_born = ["month", "quarter", "year"]
council_programme_start = ["month", "quarter", "year"]
"schools_absences.from" = ["month", "quarter", "year", "drop"]
"schools_absences.days" = ["band-5"]
"work_spells.from" = ["quarter", "year", "drop"]
[disclosure.top]
schools_absences = 4
"""


def agreement_text(keys: dict[str, PartyKey], disclosure: bool) -> str:
    """The agreement of the benchmark."""
    today = date.today()
    lines = [
        'format = "pseudolink/agreement/1"', 'project = "benchmark"', 'purpose = "measuring"',
        f'schema = "{"0" * 64}"', f"starts = {today}", f"expires = {today + timedelta(days=30)}",
        'objections = "none"',
    ]  # fmt: skip
    for party, role in ROLES.items():
        public = keys[party].public
        lines += ["[[parties]]", f'id = "{party}"', f'name = "{party}"', f'role = "{role}"']
        lines += [f'signing_key = "{public.signing_key}"', f'sealing_key = "{public.sealing_key}"']
        if role == "custodian":
            lines += ['fields = ["surname"]', f"attributes = {json.dumps(ATTRIBUTES[party])}"]
            lines += ["cohort = true"] if party == "council" else []
            for name, columns in EVENTS.get(party, {}).items():
                lines += ["[parties.events]", f"{name} = {json.dumps(columns)}"]
    lines += ["[floor]", 'company = "0.05"', "component = 10"]
    lines += ["[recipients]", 'encodings = ["unit"]', 'payload = ["environment"]']
    lines += ['link_map = ["environment"]', 'release = ["university"]']
    return "\n".join(lines) + "\n" + (RULES if disclosure else "")


def identifiers(count: int, rng: np.random.Generator) -> pa.Array:
    """Random record or person IDs."""
    raw = rng.bytes(16 * count)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, pa.py_buffer(raw)])


def texts(values: np.ndarray) -> pa.Array:
    """Numbers as an extract has them."""
    return pa.array(values).cast(pa.string())


def days(rng: np.random.Generator, count: int, first: str, most: int) -> pa.Array:
    """Days as an extract has them."""
    return pa.array(np.datetime64(first, "D") + rng.integers(0, most, count)).cast(pa.string())


def events(rng: np.random.Generator, rows: int, mean: float, **columns: pa.Array) -> pa.Array:
    """Lists of events, so many a row on average; columns are made for all events."""
    counts = rng.poisson(mean, rows)
    total = int(counts.sum())
    made = {name: make(total) for name, make in columns.items()}
    struct = pa.StructArray.from_arrays(list(made.values()), names=list(made))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), struct, type=payloads.event_type(list(made)))


def draw(people: int) -> tuple[pa.Table, dict[str, pa.Table]]:
    """A link map and payloads."""
    rng = np.random.default_rng(SEED)
    persons = identifiers(people, rng)
    tables: dict[str, pa.Table] = {}
    maps = []
    for party in ATTRIBUTES:
        whole = party == "council"
        chosen = rng.permutation(people)[: people if whole else people // 2]
        rows = len(chosen)
        records = identifiers(rows, rng)
        columns: dict[str, Any] = {"record": records}
        if whole:
            columns["programme_id"] = pa.array([f"P{n:08d}" for n in chosen])
            columns["family_id"] = pa.array([f"F{n // 3:08d}" for n in chosen])
            columns["arm"] = pa.array(rng.choice(["participant", "comparison"], rows))
            columns["programme_start"] = days(rng, rows, "2021-01-01", 700)
            columns["born"] = days(rng, rows, "2004-01-01", 4000)
            columns["sex"] = texts(rng.integers(1, 3, rows))
            columns["region"] = texts(rng.integers(1, 10, rows))
        elif party == "schools":
            columns["attendance"] = texts(np.round(rng.uniform(40, 100, rows), 1))
            columns["exclusions"] = texts(rng.poisson(0.3, rows))
            columns["events.absences"] = events(
                rng, rows, 1.5,
                **{
                    "days": lambda n: texts(rng.integers(1, 20, n)),
                    "from": lambda n: days(rng, n, "2022-09-01", 300),
                    "reason": lambda n: pa.array(rng.choice(["ill", "holiday", "other"], n)),
                },
            )  # fmt: skip
        elif party == "work":
            columns["earnings_band"] = pa.array(rng.choice(["a", "b", "c"], rows))
            columns["events.spells"] = events(
                rng, rows, 0.8,
                **{
                    "from": lambda n: days(rng, n, "2020-01-01", 1000),
                    "sector": lambda n: pa.array(rng.choice(list("ABCDEFG"), n)),
                },
            )  # fmt: skip
        else:
            columns["offences"] = texts(rng.poisson(0.2, rows))
        table = pa.table(columns)
        tables[party] = table.take(pa.array(rng.permutation(rows)))
        maps.append(
            pa.table(
                {
                    "party": pa.array([party] * rows),
                    "record": records,
                    "person": persons.take(pa.array(chosen)),
                    "family": pa.nulls(rows, pa.binary(16)),
                    "band": pa.array(np.zeros(rows, dtype=np.int16)),
                }
            )
        )
    link_map = pa.concat_tables(maps)
    return link_map.take(pa.array(rng.permutation(link_map.num_rows))), tables


def prepare(folder: Path, people: int, disclosure: bool) -> None:
    """Keys, a signed agreement, sealed packages, and payloads in the clear for the peer."""
    keys = {party: PartyKey.generate(party) for party in ROLES}
    agreement = folder / "agreement.toml"
    agreement.write_text(agreement_text(keys, disclosure), encoding="utf-8")
    agreed = load_agreement(agreement)
    for key in keys.values():
        sign_agreement(agreement, key)
    keys["environment"].save(folder / "keys", PHRASE)
    link_map, tables = draw(people)

    def sealed(table: pa.Table, sender: str, artefact: str, name: str) -> None:
        plain = folder / f"{name}.parquet"
        (linkmap if artefact == "link_map" else payloads).save(table, plain)
        manifest = Manifest(
            artefact=artefact, project=agreed.project, agreement=agreed.digest, schema=agreed.schema,
            key_check="0" * 32, sender=sender,
            recipients=tuple(one.id for one in agreed.recipients_of(artefact)), purpose=agreed.purpose,
            created=date.today().isoformat(), expires=agreed.expires.isoformat(), rows=table.num_rows,
            software="benchmark", statistics={},
        )  # fmt: skip
        seal(plain, folder / f"{name}.package", manifest, agreed, keys[sender], today=date.today())

    sealed(link_map, "unit", "link_map", "linkmap")
    for party, table in tables.items():
        sealed(table, party, "payload", party)


def run_release(folder: Path) -> None:
    """The releaser's role, as the command calls it."""
    releaser.release(
        folder / "linkmap.package",
        [folder / f"{party}.package" for party in ATTRIBUTES],
        agreement=folder / "agreement.toml",
        key=PartyKey.load(folder / "keys" / "environment.party.key", PHRASE),
        release_key=ReleaseKey.generate(),
        output=folder / "release",
        ledger=folder / "ledger.jsonl",
        accept=lambda _: True,
    )


def run_pandas(folder: Path) -> None:
    """The table of people by pandas merges, with pseudonyms, as Parquet and CSV."""
    import pandas as pd

    key = ReleaseKey.generate()
    links = pd.read_parquet(folder / "linkmap.parquet")
    found: Any = None
    for party in ATTRIBUTES:
        own = pd.read_parquet(folder / f"{party}.parquet")
        own = own.drop(columns=[one for one in own if one.startswith("events.")])
        mine = links.loc[links["party"] == party, ["record", "person"]].merge(own, on="record")
        mine = mine.drop(columns="record")
        found = mine if found is None else found.merge(mine, on="person", how="left")
    for name in ("programme_id", "family_id"):
        found[name] = found[name].map(lambda one: key.pseudonym("benchmark", one))
    found = found.drop(columns="person").sample(frac=1)
    found.to_parquet(folder / "pandas.parquet")
    found.to_csv(folder / "pandas.csv", index=False)


def measured(what: str, folder: Path) -> dict[str, Any]:
    """Run one of them in a process of its own."""
    command = [sys.executable, __file__, "--run", what, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--disclosure", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        start, busy = time.perf_counter(), time.process_time()
        {"release": run_release, "pandas": run_pandas}[options.run](options.folder)
        seconds = time.perf_counter() - start
        processor = time.process_time() - busy
        gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"seconds": seconds, "processor": processor, "gib": gib}))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.people, options.disclosure)
        found = {what: measured(what, folder) for what in ("release", "pandas")}
        tables = {
            path.stem: pq.read_metadata(path).num_rows for path in (folder / "release").glob("*.parquet")
        }
    ratio = found["release"]["seconds"] / found["pandas"]["seconds"]
    good = found["release"]["seconds"] < SECONDS and found["release"]["gib"] < GIB
    result = {"people": options.people, "disclosure": options.disclosure, "tables": tables, **found}
    if options.json:
        print(json.dumps({**header("duckdb", "pandas"), **result, "ratio": ratio, "goal": good}))
    else:
        show(header("duckdb", "pandas"))
        print("  ".join(f"{name} {rows:,} rows" for name, rows in sorted(tables.items())))
        for what, one in found.items():
            print(
                f"{what:<10}{one['seconds']:>8.1f} s{one['processor']:>8.1f} s of processors"
                f"{one['gib']:>8.2f} GiB"
            )
        print(f"ratio of the times {ratio:.2f}; goal (under {SECONDS:.0f} s and {GIB:.0f} GiB): {good}")
    return 0 if good or options.people != 1_000_000 else 1


if __name__ == "__main__":
    sys.exit(main())
