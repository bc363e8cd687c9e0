"""
The demo: every role end to end on invented people with known truth.

Each party works in its own folder with what that party may hold. Only the last step, which
compares the result with the truth, knows who is who: it stands in for nobody.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pseudolink import files
from pseudolink.agreement import load_agreement, sign_agreement, today_utc, verify_signatures
from pseudolink.errors import UsageError
from pseudolink.formats import linkmap
from pseudolink.formats.released import DISCLOSURE_PAGE, PARQUET
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.keys.release import ReleaseKey
from pseudolink.ledger import chain
from pseudolink.roles import custodian, operator, releaser
from pseudolink.roles.custodian import Delivered
from pseudolink.roles.encoding import Options
from pseudolink.roles.linkage import Report, quiet
from pseudolink.schema import LinkageSchema, load_schema
from pseudolink.seal.package import open_package
from pseudolink.synthetic import population as synthetic

OPERATOR, RELEASER, RESEARCHER = "linkage-unit", "research-environment", "university"
NAMES = {
    "council": "Two councils' family-support programme",
    "schools": "Schools data team",
    "work": "Work and earnings data team",
    "offending": "Offending data team",
    OPERATOR: "Linkage unit",
    RELEASER: "Secure research environment",
    RESEARCHER: "University research team",
}
PURPOSE = "research: whether family support changes schooling, work and offending"
#: What a council or a neighbour may know of a person of the release.
KNOWN_TO_OTHERS = (
    "council_programme_start",
    "council_programme_end",
    "council_arm",
    "offending_offence_year",
    "family_size",
)
SCHEMA_FILE = "schema.toml"
AGREEMENT_FILE = "agreement.toml"


@dataclass(frozen=True)
class AgencyResult:
    """How well one agency's records were linked, against the truth, and its records with company."""

    agency: str
    records: int
    true_pairs: int
    links: int
    precision: float
    recall: float
    f1: float
    company: float
    expected_precision: float
    expected_recall: float


@dataclass(frozen=True)
class DemoResult:
    """What the demo ends with."""

    people: int
    seed: int
    objections: int
    agencies: tuple[AgencyResult, ...]
    cohort_company: float
    release: Path
    report: Path
    disclosure: Path | None
    folder: Path

    def to_json(self) -> dict[str, Any]:
        """JSON-able data."""
        raw = asdict(self)
        paths = ("release", "report", "disclosure", "folder")
        return {**raw, **{name: str(raw[name]) for name in paths if raw[name]}}


def _quoted(items: Any) -> str:
    return "[" + ", ".join(json.dumps(item) for item in items) + "]"


def _rules() -> list[str]:
    return [
        "[disclosure]",
        'profile = "strict"',
        f"quasi = {_quoted(KNOWN_TO_OTHERS)}",
        "top = { schools_exclusions = 5, offending_offences = 5 }",
        'steps.council_programme_start = ["quarter", "year"]',
        'steps.council_programme_end = ["quarter", "year"]',
        "",
    ]


def agreement_text(
    schema: LinkageSchema, keys: Mapping[str, PartyKey], today: date, *, rules: bool = True
) -> str:
    """The agreement of the demo, as TOML, with rules of disclosure or without any."""
    lines = [
        "# Made by the demo: what the parties agree on.",
        'format = "pseudolink/agreement/1"',
        'project = "demo"',
        f"purpose = {json.dumps(PURPOSE)}",
        f'schema = "{schema.digest}"',
        f"starts = {today.isoformat()}",
        f"expires = {(today + timedelta(days=3 * 365)).isoformat()}",
        'programme_ids = "pseudonym"',
        'objections = "People who object are left out before encoding, by the council\'s list."',
        "",
        "[floor]",
        f'company = "{float(schema.floor.company):g}"',
        f"component = {schema.floor.component}",
        "",
    ]
    lines += _rules() if rules else []
    for party, name in NAMES.items():
        role = {OPERATOR: "operator", RELEASER: "releaser", RESEARCHER: "researcher"}.get(party, "custodian")
        lines += ["[[parties]]", f'id = "{party}"', f"name = {json.dumps(name)}", f'role = "{role}"']
        if role == "custodian":
            if party == synthetic.COHORT:
                lines.append("cohort = true")
            fields = [name for name in schema.fields if name in synthetic.IDENTIFIERS[party]]
            lines.append(f"fields = {_quoted(fields)}")
            lines.append(f"attributes = {_quoted(synthetic.ATTRIBUTES[party])}")
        public = keys[party].public
        lines += [f'signing_key = "{public.signing_key}"', f'sealing_key = "{public.sealing_key}"', ""]
    lines += [
        "[recipients]",
        f'encodings = ["{OPERATOR}"]',
        f'payload = ["{RELEASER}"]',
        f'link_map = ["{RELEASER}"]',
        f'release = ["{RESEARCHER}"]',
        "",
    ]
    return "\n".join(lines)


class _Stage:
    """The folder of the demo and who holds what in it."""

    def __init__(self, folder: Path, schema: Path, report: Report) -> None:
        self.folder = folder
        self.report = report
        self.shared = folder / "shared"
        self.schema = self.shared / SCHEMA_FILE
        self.agreement = self.shared / AGREEMENT_FILE
        files.write_bytes(self.schema, schema.read_bytes())

    def keys(self, party: str) -> Path:
        """Where a party keeps its keys."""
        return self.folder / party / "keys"

    def prepare(self, rules: bool) -> tuple[dict[str, PartyKey], dict[str, str]]:
        """Identities, the agreement and its signatures, the linkage key at every custodian."""
        phrases = {party: secrets.token_urlsafe(24) for party in NAMES}
        keys = {party: PartyKey.generate(party) for party in NAMES}
        for number, (party, key) in enumerate(keys.items()):
            self.report("keys", number, len(keys))
            key.save(self.keys(party), phrases[party])
            files.write_bytes(self.keys(party) / "passphrase", phrases[party].encode() + b"\n")
        text = agreement_text(load_schema(self.schema), keys, today_utc(), rules=rules)
        files.write_bytes(self.agreement, text.encode())
        agreed = load_agreement(self.agreement)
        # The ceremony between people is keys/ceremony.md; here one draw stands for all of them.
        linkage = LinkageKey.from_contributions(
            [secrets.token_bytes(32) for _ in agreed.of_role("custodian")], agreed.digest
        )
        check = linkage.check_value(agreed.project, agreed.schema)
        for party, key in keys.items():
            custodial = agreed.party(party).role == "custodian"
            if custodial:
                linkage.save(self.keys(party) / "linkage.key", phrases[party])
            sign_agreement(self.agreement, key, check if custodial else None)
        ReleaseKey.generate().save(self.keys(RELEASER) / "release.key", phrases[RELEASER])
        self.report("keys", len(keys), len(keys))
        return keys, phrases

    def encode(self, party: str, phrase: str, options: Options) -> Delivered:
        """One custodian's work, with its own folder and its own key files."""
        own = self.folder / party
        objections = own / synthetic.OBJECTIONS_FILE
        return custodian.encode(
            own / synthetic.EXTRACT_FILE,
            agreement=self.agreement,
            schema=self.schema,
            key=PartyKey.load(self.keys(party) / f"{party}.party.key", phrase),
            linkage_key=LinkageKey.load(self.keys(party) / "linkage.key", phrase),
            output=own / "outbox",
            ledger=own / "ledger.jsonl",
            objections=objections if objections.exists() else None,
            options=options,
        )


def run(
    people: int,
    folder: Path,
    *,
    schema: Path,
    seed: int = 2026,
    rules: bool = True,
    options: Options | None = None,
    report: Report = quiet,
) -> DemoResult:
    """
    Run the demo in a new folder.

    Args:
        people: size of the invented population.
        schema: linkage schema with the fields of the demo's extracts.
        rules: whether the agreement has rules of disclosure, and the release its report.

    Raises:
        OutputExistsError: the folder is there already.
    """
    files.refuse_existing(folder)
    if people < 500:
        raise UsageError("the demo needs at least 500 people: too few families overlap below that")
    with files.new_folder(folder) as place:
        made = _run(people, place, schema, seed, rules, options or Options(), report)
    agencies, cohort_company, objections = made
    return DemoResult(
        people,
        seed,
        objections,
        agencies,
        cohort_company,
        folder / RELEASER / "release" / PARQUET,
        folder / OPERATOR / "linkage" / operator.REPORT_FILE,
        folder / RELEASER / "release" / DISCLOSURE_PAGE if rules else None,
        folder,
    )


def _run(
    people: int, place: Path, schema: Path, seed: int, rules: bool, options: Options, report: Report
) -> tuple[tuple[AgencyResult, ...], float, int]:
    stage = _Stage(place, schema, report)
    report("people", 0, 1)
    population = synthetic.generate(people, seed)
    synthetic.write(population, place)
    report("people", 1, 1)
    keys, phrases = stage.prepare(rules)
    delivered = {}
    for number, party in enumerate(population.extracts):
        report("encode", number, len(population.extracts))
        delivered[party] = stage.encode(party, phrases[party], options)
    report("encode", len(population.extracts), len(population.extracts))
    linked = operator.link(
        [one.encodings for one in delivered.values()],
        agreement=stage.agreement,
        schema=stage.schema,
        key=PartyKey.load(stage.keys(OPERATOR) / f"{OPERATOR}.party.key", phrases[OPERATOR]),
        output=place / OPERATOR / "linkage",
        ledger=place / OPERATOR / "ledger.jsonl",
        report=report,
    )
    releaser.release(
        linked.link_map,
        [one.payload for one in delivered.values()],
        agreement=stage.agreement,
        key=PartyKey.load(stage.keys(RELEASER) / f"{RELEASER}.party.key", phrases[RELEASER]),
        release_key=ReleaseKey.load(stage.keys(RELEASER) / "release.key", phrases[RELEASER]),
        output=place / RELEASER / "release",
        ledger=place / RELEASER / "ledger.jsonl",
        accept=_accepted,
    )
    agreed = verify_signatures(stage.agreement)
    publics = {one.id: one.signing_key for one in agreed.parties}
    for party in (*delivered, OPERATOR, RELEASER):
        chain.verify(place / party / "ledger.jsonl", publics)
    found = _judge(stage, linked, delivered, population, keys[RELEASER])
    cohort = delivered[synthetic.COHORT]
    return found, cohort.company, cohort.objections


def _accepted(report: Mapping[str, Any]) -> bool:
    """A releaser reads the report and decides; the demo's takes whatever the rules achieved."""
    return True


def _judge(
    stage: _Stage,
    linked: operator.Linked,
    delivered: Mapping[str, Delivered],
    population: synthetic.Population,
    releaser_key: PartyKey,
) -> tuple[AgencyResult, ...]:
    """Compare the link map with the truth: what nobody could do outside a demo."""
    plain = stage.folder / "judged.parquet"
    open_package(
        linked.link_map,
        plain,
        agreement=verify_signatures(stage.agreement),
        recipient=releaser_key,
        artefact="link_map",
    )
    rows = linkmap.load(plain).to_pylist()
    plain.unlink()
    who = {
        party: {
            bytes(record): int(population.truth[party][row])
            for record, row in zip(one.records, one.source, strict=True)
        }
        for party, one in delivered.items()
    }
    person = {
        row["person"]: who[synthetic.COHORT][row["record"]]
        for row in rows
        if row["party"] == synthetic.COHORT
    }
    cohort = set(who[synthetic.COHORT].values())
    estimates = {pair.right: pair for pair in linked.summary.pairs}
    results = []
    for party, one in delivered.items():
        if party == synthetic.COHORT:
            continue
        mine = [row for row in rows if row["party"] == party]
        right = sum(who[party][row["record"]] == person[row["person"]] for row in mine)
        true_pairs = sum(p in cohort for p in who[party].values())
        precision = right / len(mine) if mine else 0.0
        recall = right / true_pairs if true_pairs else 0.0
        results.append(
            AgencyResult(
                party,
                one.rows,
                true_pairs,
                len(mine),
                precision,
                recall,
                2 * precision * recall / (precision + recall) if right else 0.0,
                one.company,
                estimates[party].expected_precision,
                estimates[party].expected_recall,
            )
        )
    return tuple(results)
