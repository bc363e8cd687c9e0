"""
Evidence documents of a project, from what its own artefacts say.

Source: specs/evidence-v1.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

from pseudolink import files
from pseudolink.agreement import Agreement, today_utc
from pseudolink.errors import Problem
from pseudolink.report.evidence import (
    Blank,
    Flow,
    Grid,
    Node,
    Picture,
    Section,
    render_html,
    render_markdown,
)
from pseudolink.roles.observed import Observed, observe
from pseudolink.roles.promised import promises

HTML = "evidence.html"
MARKDOWN = "evidence.md"
NOT_GIVEN = "not given"

_CERTIFICATE = ("file", "time (UTC)", "party", "purpose", "fingerprint")
_KEYS = ("party", "purpose", "fingerprint", "uses", "state")
_COLUMN = {"custodian": 0, "operator": 1, "releaser": 2, "researcher": 3}
_CARRIED = {
    "encodings": "keyed tokens and filters, sealed; no identifier, no attribute",
    "payload": "programme IDs and permitted attributes, sealed; no identifier",
    "link_map": "which records belong to one person, sealed",
    "release": "programme pseudonyms and permitted attributes",
}


@dataclass(frozen=True)
class Written:
    """Where the documents are, and what was given and is broken."""

    folder: Path
    broken: Sequence[Problem]


def evidence(
    agreement: Path,
    *,
    output: Path,
    schema: Path | None = None,
    ledgers: Sequence[Path] = (),
    reports: Sequence[Path] = (),
    today: date | None = None,
) -> Written:
    """
    Write the documents into a new folder.

    Raises:
        PseudolinkError: the agreement cannot be used, or the folder is already there.
    """
    files.refuse_existing(output)
    day = today or today_utc()
    seen = observe(agreement, schema=schema, ledgers=ledgers, reports=reports)
    title = f"Evidence: {seen.agreement.project}"
    lead = (
        f"Written on {day.isoformat()} by pseudolink {version('pseudolink')} from the project's own "
        "artefacts. What is stated was observed in them; what they do not show is said to be missing. The "
        "data are pseudonymised personal data. This is no legal advice; the marked parts are for people."
    )
    sections = _sections(seen, day)
    with files.new_folder(output) as folder:
        (folder / HTML).write_text(render_html(title, lead, sections), encoding="utf-8", newline="\n")
        (folder / MARKDOWN).write_text(render_markdown(title, lead, sections), encoding="utf-8", newline="\n")
    return Written(output, seen.broken)


def _sections(seen: Observed, today: date) -> list[Section]:
    return [
        *([_broken(seen)] if seen.broken else []),
        _processing(seen),
        Section("Data-flow diagram", (_picture(seen.agreement),)),
        _fields(seen),
        _assessment(seen),
        _objections(seen),
        _keys(seen),
        _retention(seen, today),
        Section(
            "Promises, and what was observed for each",
            (
                Grid(
                    "The promises made to families", ("promise", "kept by", "observed"), promises(seen, today)
                ),
            ),
        ),
    ]


def _broken(seen: Observed) -> Section:
    rows = tuple((one.place, one.message) for one in seen.broken)
    return Section(
        "What was given and is broken",
        (
            "Nothing below rests on these files.",
            Grid("Broken artefacts", ("file", "what is wrong"), rows),
        ),
    )


def _processing(seen: Observed) -> Section:
    agreed = seen.agreement
    parties = tuple((one.name, one.id, one.role) for one in agreed.parties)
    recipients = tuple(
        (artefact, ", ".join(agreed.party(one).name for one in ids))
        for artefact, ids in sorted(agreed.recipients.items())
    )
    done = tuple((one.time, one.party, one.step, _counts(one.details)) for one in seen.receipts)
    given = ", ".join(seen.ledgers) or NOT_GIVEN
    return Section(
        "Record of processing (Article 30)",
        (
            f"Purpose: {agreed.purpose}.",
            f"Agreement {agreed.digest}, from {agreed.starts.isoformat()} to {agreed.expires.isoformat()}.",
            Grid("Controllers and processors that take part", ("name", "party", "role"), parties),
            Blank("Who of these is controller, joint controller or processor, and their contacts."),
            Grid("Recipients of each artefact", ("artefact", "who"), recipients),
            f"Steps below are those of the ledgers given: {given}.",
            Grid("Steps done", ("time (UTC)", "party", "step", "counts"), done),
            Blank("Lawful basis under Article 6, and under Article 9 or Schedule 1 for special categories."),
        ),
    )


def _counts(details: object) -> str:
    """The numbers of a receipt; digests are in the ledger."""
    if not isinstance(details, dict):
        return ""
    found = [f"{name} {value:,}" for name, value in sorted(details.items()) if type(value) is int]
    for one in details.get("links", ()) if isinstance(details.get("links"), list) else ():
        found.append(f"{one['left']} with {one['right']}: {one['links']:,} links")
    return "; ".join(found)


def _picture(agreed: Agreement) -> Picture:
    names = {one.id: one.name for one in agreed.parties}
    nodes = tuple(Node(_COLUMN[one.role], one.name) for one in agreed.parties if one.role in _COLUMN)
    flows = []
    for artefact, role in (
        ("encodings", "custodian"),
        ("payload", "custodian"),
        ("link_map", "operator"),
        ("release", "releaser"),
    ):
        for sender in agreed.of_role(role):
            flows += [
                Flow(sender.name, names[one], f"{artefact.replace('_', ' ')}: {_CARRIED[artefact]}")
                for one in agreed.recipients.get(artefact, ())
            ]
    return Picture(nodes, tuple(flows))


def _fields(seen: Observed) -> Section:
    rows = []
    for one in seen.agreement.of_role("custodian"):
        for name in one.fields:
            kind = seen.schema.fields[name].kind if seen.schema and name in seen.schema.fields else NOT_GIVEN
            rows.append(
                (one.name, name, kind, "encoded under a key; the value itself never leaves this body")
            )
        rows += [
            (one.name, name, "attribute", "sealed to the research environment") for name in one.attributes
        ]
        rows += [
            (one.name, f"{name}: {column}", "event", "sealed to the research environment")
            for name, columns in one.events
            for column in columns
        ]
    return Section(
        "Fields, for a privacy notice",
        (
            Grid(
                "What each body shares, and in what form",
                ("body", "field", "kind", "how it leaves"),
                tuple(rows),
            ),
        ),
    )


def _assessment(seen: Observed) -> Section:
    blocks: list[str | Grid | Blank] = [
        "Separation: identifiers and attributes of one person never travel together; the linkage unit holds "
        "no key and no attribute, the research environment no identifier and no linkage key, and the two "
        "halves share a random record ID that is new for every delivery.",
    ]
    summaries = seen.of("summary")
    rows = tuple(
        (
            str(party["name"]),
            f"{party['rows']:,}",
            f"{party['company'] / party['rows']:.2%}" if party["rows"] else "-",
            f"{party['largest_component']:,}",
        )
        for report in summaries
        for party in report.data.get("parties", ())
    )
    if rows:
        heads = ("body", "records", "with company", "largest component")
        blocks.append(
            Grid("Security floor as measured: records that share a token with another", heads, rows)
        )
    else:
        blocks.append(f"Security floor as measured: {NOT_GIVEN} (the linkage's summary.json).")
    blocks += _risk(seen)
    blocks += [
        Blank("Why the processing is necessary and proportionate, and what was considered instead."),
        Blank("Consultation with families and with those who represent them."),
        Blank("Residual risk accepted, by whom, and the date of the next review."),
    ]
    return Section("DPIA annex: flows, fields, retention and measured risk", tuple(blocks))


def _risk(seen: Observed) -> list[str | Grid | Blank]:
    found: list[str | Grid | Blank] = []
    attacks = seen.of("attack")
    if not attacks:
        found.append(f"Measured risk of re-identification from encodings: {NOT_GIVEN} (an attack report).")
    for report in attacks:
        verdict = str(report.data.get("verdict", NOT_GIVEN))
        found.append(
            f"Attack report {report.source}: verdict {verdict}, made {report.data.get('created', '')}."
        )
        rows = tuple(
            (str(one.get("number", "")), str(one.get("sentence", "")), str(one.get("figure", "")))
            for one in report.data.get("attacks", ())
            if isinstance(one, dict)
        )
        if rows:
            found.append(Grid("Attacks that were run", ("attack", "what it means", "figure"), rows))
    found += _quality(seen)
    disclosures = seen.of("disclosure")
    if not disclosures:
        found.append(f"Microdata rules applied to the release: {NOT_GIVEN} (a disclosure report).")
    risks = tuple(
        (
            report.source,
            f"{report.data['people']:,}",
            f"{report.data['before']['below_k']:,} / {report.data['after']['below_k']:,}",
            f"{report.data['before']['expected']:,.1f} / {report.data['after']['expected']:,.1f}",
            f"{report.data['before']['household_risk']:.1%} / {report.data['after']['household_risk']:.1%}",
        )
        for report in disclosures
    )
    if risks:
        heads = ("report", "people", "in classes below k", "expected singled out", "largest household risk")
        found.append(Grid("Disclosure risk of the release, before and after the rules", heads, risks))
    return found


def _quality(seen: Observed) -> list[str | Grid | Blank]:
    """Whom the linkage misses, as a release tells it."""
    reports = seen.of("quality")
    if not reports:
        return [f"Quality of the linkage by subgroup: {NOT_GIVEN} (a release's linkage.json)."]
    rows = tuple(
        (
            f"{one['party']} with {one['linked_with']}",
            f"{one['attribute']}: {one['group']}",
            "not told" if one["records"] is None else f"{one['linked']:,} of about {one['records']:,}",
            "" if one["rate"] is None else f"{one['rate']} %",
        )
        for report in reports
        for one in report.data["rates"]
    )
    return [Grid("Records linked, by subgroup", ("parties", "subgroup", "records", "rate"), rows)]


def _objections(seen: Observed) -> Section:
    rows = tuple(
        (one.time, one.party, f"{one.details['objections']:,}")
        for one in seen.steps("encode")
        if type(one.details.get("objections")) is int
    )
    withdrawn = tuple((one.time, one.party, _counts(dict(one.details))) for one in seen.steps("withdraw"))
    return Section(
        "Objections",
        (
            f"Policy: {seen.agreement.objections}",
            Grid("Records left out before encoding", ("time (UTC)", "party", "records"), rows),
            Grid("Withdrawals after transfer", ("time (UTC)", "party", "counts"), withdrawn),
        ),
    )


def _keys(seen: Observed) -> Section:
    agreed = seen.agreement
    rows = tuple(
        (
            one.name,
            "identity: signs and opens",
            one.public.fingerprint,
            "its own; private half under a passphrase",
        )
        for one in agreed.parties
    )
    linkage = agreed.key_check or NOT_GIVEN
    return Section(
        "Keys",
        (
            Grid("Identities", ("party", "purpose", "fingerprint", "held by"), rows),
            f"Linkage key: made by the data teams together, held by them alone; check value {linkage}.",
            f"Release keys used: {', '.join(_release_keys(seen)) or NOT_GIVEN}.",
            Grid(
                "Keys that receipts name", ("party", "purpose", "fingerprint", "uses", "state"), _used(seen)
            ),
        ),
    )


def _used(seen: Observed) -> tuple[tuple[str, ...], ...]:
    """Every key that a receipt under this agreement names, and whether a certificate says it is gone."""
    uses: dict[tuple[str, str, str], int] = {}
    for one in seen.receipts:
        keys = one.details.get("keys")
        if one.agreement == seen.agreement.digest and isinstance(keys, dict):
            for purpose, fingerprint in keys.items():
                place = (one.party, str(purpose), str(fingerprint))
                uses[place] = uses.get(place, 0) + 1
    gone = {
        (one.party, key.fingerprint): one.time for one in seen.certificates.values() for key in one.destroyed
    }
    return tuple(
        (
            party,
            purpose,
            fingerprint,
            f"{count:,} receipts",
            f"destroyed {gone[party, fingerprint]}" if (party, fingerprint) in gone else "no certificate",
        )
        for (party, purpose, fingerprint), count in sorted(uses.items())
    )


def _release_keys(seen: Observed) -> list[str]:
    found = [str(report.data.get("release_key")) for report in seen.of("release")]
    return list(dict.fromkeys(key for key in found if key != "None"))


def _retention(seen: Observed, today: date) -> Section:
    agreed = seen.agreement
    left = (agreed.expires - today).days
    state = (
        f"{left:,} days are left"
        if left >= 0
        else f"ended {-left:,} days ago: what was made must be destroyed"
    )
    rows = tuple(
        (name, one.time, one.party, key.purpose, key.fingerprint or "-")
        for name, one in seen.certificates.items()
        for key in one.destroyed
    )
    certificates = (
        Grid("Destruction certificates, signatures verified", _CERTIFICATE, rows)
        if rows
        else f"Destruction certificates: {NOT_GIVEN}."
    )
    return Section(
        "Retention and destruction",
        (
            f"Everything made under the agreement ends on {agreed.expires.isoformat()}; {state}. Packages "
            "are refused after that day by the software that opens them.",
            certificates,
            "Destruction of keys makes sealed copies unreadable. It does not reach plain copies, backups "
            "outside the parties' folders, or what was printed.",
            Blank("Where backups are kept, and when they are overwritten."),
        ),
    )
