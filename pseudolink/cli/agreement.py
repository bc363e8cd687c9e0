"""``pseudolink agreement``: write, check, sign and show an agreement."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from pseudolink import files
from pseudolink.agreement import (
    Agreement,
    load_agreement,
    load_signed,
    sign_agreement,
    signature_dates,
    signatures_path,
    today_utc,
    verify_signatures,
)
from pseudolink.agreement_rules import amendment_problems, last_day
from pseudolink.cli import drafting
from pseudolink.cli.common import (
    NEW_PATH,
    READABLE,
    ask_passphrase,
    emit,
    json_option,
    passphrase_option,
    refusals,
    say,
)
from pseudolink.errors import (
    AgreementAmendedError,
    AgreementError,
    AgreementExpiredError,
    AgreementUnsignedError,
    Problem,
    UsageError,
)
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.report import agreement as page
from pseudolink.schema import LinkageSchema, load_schema

TEMPLATE = """\
# An agreement to link records. Every party reads it, fills in its part and signs the same text:
#   pseudolink agreement check THIS-FILE
#   pseudolink agreement sign THIS-FILE --key ID.party.key [--linkage-key PROJECT.linkage.key]
# A signature is over what it says, not over comments or spacing.
format = "pseudolink/agreement/1"

project = "{project}"
# The one purpose. Packages carry it and are refused under any other.
purpose = ""
# Digest of the linkage schema: pseudolink schema check SCHEMA prints it.
schema = "{schema}"

# First and last day. Nothing is transferred before the first; nothing made under the agreement opens
# after the last one, at most five years later. On the days of review everyone reads it again.
starts = {starts}
expires = {expires}
reviews = [{reviews}]

# "pseudonym": a release carries a keyed pseudonym of the programme ID.
# "as-supplied": the ID itself; then say why: programme_ids_reason = "..."
programme_ids = "pseudonym"

# How people object, and what happens to their records before and after transfer.
objections = ""

# The security floor of the schema, for those who sign to see: the share of records that may have
# company (as text), and how many records may hang together.
[floor]
company = "{company}"
component = {component}

# Rules of disclosure control, kept as they stand. Rates as text or as two integers.
[disclosure]
profile = "strict"

# One [[parties]] for each party. Its keys: pseudolink keys party ID -o FOLDER writes ID.party.pub.
# A custodian names the fields it may encode and the attributes its payload may carry
# (beside programme_id and family_id); exactly one custodian holds the cohort. When one person
# objects, objections = "person" leaves out the person, "family" everyone with the same family_id.
[[parties]]
id = "council"
name = ""
role = "custodian"
cohort = true
objections = "person"
fields = [{fields}]
attributes = []
signing_key = ""
sealing_key = ""

[[parties]]
id = "schools"
name = ""
role = "custodian"
objections = "person"
fields = [{fields}]
attributes = []
signing_key = ""
sealing_key = ""

[[parties]]
id = "linkage-unit"
name = ""
role = "operator"
signing_key = ""
sealing_key = ""

[[parties]]
id = "research-environment"
name = ""
role = "releaser"
signing_key = ""
sealing_key = ""

[[parties]]
id = "university"
name = ""
role = "researcher"
signing_key = ""
sealing_key = ""

# Who receives what. A custodian never receives a link map or a release.
[recipients]
encodings = ["linkage-unit"]
payload = ["research-environment"]
link_map = ["research-environment"]
release = ["university"]
"""


@click.group()
def agreement() -> None:
    """Write, check, sign and show the agreement that every package is bound to."""


@agreement.command(
    epilog="Example: pseudolink agreement init -o agreement.toml --schema schema.toml --answers answers.toml"
)
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The new file.")
@click.option("--schema", "schema_file", type=READABLE, help="Linkage schema: its digest, floor and fields.")
@click.option("--project", default="", help="Name of the project.")
@click.option("--ask", "asked", is_flag=True, help="Ask for every term at the prompt.")
@click.option("--answers", type=READABLE, help="Take the terms from a TOML file.")
@click.option("--amends", type=READABLE, help="Write the next version of this agreement, to be edited.")
@json_option
@refusals
def init(
    output: Path,
    schema_file: Path | None,
    project: str,
    asked: bool,
    answers: Path | None,
    amends: Path | None,
    as_json: bool,
) -> None:
    """Draft an agreement: a file to fill in, by questions, from answers, or as an amendment."""
    if asked + (answers is not None) + (amends is not None) > 1:
        raise UsageError("--ask, --answers and --amends are three ways; choose one")
    schema = load_schema(schema_file) if schema_file else None
    files.refuse_existing(output)
    problems: list[Problem] = []
    today = today_utc()
    if asked:
        text, problems = drafting.ask(schema, project, today)
    elif answers is not None:
        text = drafting.from_file(answers, schema, today)
    elif amends is not None:
        text, old = drafting.amended(amends)
        say(f"version {old.version + 1}, amending {old.digest}; purpose and project have to stay")
    else:
        text = _template(schema, project, today)
    files.write_bytes(output, text.encode())
    for one in problems:
        say(f"  {one.place}: {one.message}")
    advice = "correct it" if problems else "read it" if asked or answers else "fill it in"
    result = {"file": str(output), "problems": [one._asdict() for one in problems]}
    emit(result, f"wrote {output}; {advice}, then: pseudolink agreement check", as_json=as_json)


def _template(schema: LinkageSchema | None, project: str, today: date) -> str:
    floor = drafting.floor_of(schema) if schema else {"company": "0.05", "component": 20}
    return TEMPLATE.format(
        project=project.replace("\\", "\\\\").replace('"', '\\"'),
        schema=schema.digest if schema else "",
        starts=today.isoformat(),
        expires=last_day(today).isoformat(),
        reviews=", ".join(one.isoformat() for one in drafting.yearly(today, last_day(today))),
        fields=", ".join(f'"{name}"' for name in schema.fields) if schema else "",
        **floor,
    )


def _against(agreed: Agreement, schema: LinkageSchema) -> list[Problem]:
    """What an agreement says that its linkage schema does not bear out."""
    found = []
    if schema.digest != agreed.schema:
        found.append(Problem("schema", "not the digest of the schema file given here"))
    if not agreed.floor_is(schema.floor.company, schema.floor.component):
        found.append(Problem("floor", "not the floor of the schema file given here"))
    for one in agreed.of_role("custodian"):
        for name in one.fields:
            if name not in schema.fields:
                found.append(Problem(f"parties {one.id!r}, fields", f"the schema has no field {name!r}"))
    return found


@agreement.command(epilog="Example: pseudolink agreement check agreement.toml --schema schema.toml --signed")
@click.argument("file", type=READABLE)
@click.option("--schema", "schema_file", type=READABLE, help="Also hold it against this linkage schema.")
@click.option("--amends", type=READABLE, help="Also hold it against the version that it amends.")
@click.option("--signed", is_flag=True, help="Also check every party's signature and the dates.")
@json_option
@refusals
def check(file: Path, schema_file: Path | None, amends: Path | None, signed: bool, as_json: bool) -> None:
    """List every problem of an agreement at once."""
    agreed = load_agreement(file)
    problems = _against(agreed, load_schema(schema_file)) if schema_file is not None else []
    if amends is not None:
        problems += amendment_problems(load_agreement(amends), agreed)
    if problems:
        raise AgreementError(problems, source=file.name)
    if signed:
        load_signed(file)
    text = f"no problems{' and every signature fits' if signed else ''}\ndigest {agreed.digest}"
    emit({"digest": agreed.digest, "signed": signed or None}, text, as_json=as_json)


@agreement.command(
    epilog="Example: pseudolink agreement sign agreement.toml --key council.party.key "
    "--linkage-key project.linkage.key"
)
@click.argument("file", type=READABLE)
@click.option("--key", "key_file", type=READABLE, required=True, help="This party's private key.")
@click.option("--linkage-key", type=READABLE, help="A custodian's linkage key, to sign its check value.")
@click.option("--amends", type=READABLE, help="The version that this one amends; that one is over then.")
@passphrase_option
@json_option
@refusals
def sign(
    file: Path,
    key_file: Path,
    linkage_key: Path | None,
    amends: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Sign an agreement as one of its parties."""
    agreed = load_agreement(file)
    passphrase = ask_passphrase(passphrase_file)
    key = PartyKey.load(key_file, passphrase)
    value = None
    if linkage_key is not None:
        value = LinkageKey.load(linkage_key, passphrase).check_value(agreed.project, agreed.schema)
    signed = sign_agreement(file, key, key_check=value, amends=amends)
    if amends is not None:
        say(f"{amends.name} is over; send {signatures_path(amends).name} to the other parties too")
    say(f"signed as {key.id}; send {signatures_path(file).name} to the other parties")
    result = {"party": key.id, "digest": signed.digest, "key_check": value}
    emit(result, f"digest {signed.digest}", as_json=as_json)


@agreement.command(epilog="Example: pseudolink agreement show agreement.toml --html agreement.html")
@click.argument("file", type=READABLE)
@click.option("--html", type=NEW_PATH, help="Also write it as a page that people can sign off.")
@json_option
@refusals
def show(file: Path, html: Path | None, as_json: bool) -> None:
    """Show who agreed to what, with the fingerprints to compare by voice."""
    facts = _facts(load_agreement(file), file)
    if html is not None:
        files.write_bytes(html, page.render(facts).encode("utf-8"))
        say(f"page: {html}")
    emit(facts, _text(facts), as_json=as_json)


def _state(file: Path) -> tuple[dict[str, str], list[str]]:
    """Who signed when, and what keeps the agreement from being used."""
    dates: dict[str, str] = {}
    try:
        agreed = verify_signatures(file)
        dates = signature_dates(file)
        try:
            load_signed(file)
        except (AgreementExpiredError, AgreementAmendedError) as error:
            return dates, [error.message]
    except AgreementUnsignedError as error:
        return signature_dates(file), [f"{one.place}: {one.message}" for one in error.problems]
    return {one.id: dates[one.id] for one in agreed.parties}, []


def _facts(agreed: Agreement, file: Path) -> dict[str, Any]:
    dates, obstacles = _state(file)
    return {
        "digest": agreed.digest,
        "version": agreed.version,
        "amends": agreed.amends,
        "signed": not obstacles,
        "obstacles": obstacles,
        "project": agreed.project,
        "purpose": agreed.purpose,
        "schema": agreed.schema,
        "floor": {"company": agreed.floor[0], "component": agreed.floor[1]},
        "starts": agreed.starts.isoformat(),
        "expires": agreed.expires.isoformat(),
        "first_transfer": agreed.first_transfer.isoformat(),
        "reviews": [one.isoformat() for one in agreed.reviews],
        "programme_ids": agreed.programme_ids,
        "programme_ids_reason": agreed.programme_ids_reason,
        "objections": agreed.objections,
        "disclosure": dict(agreed.disclosure or {}),
        "recipients": {artefact: list(ids) for artefact, ids in agreed.recipients.items()},
        "parties": [
            {
                "id": one.id,
                "name": one.name,
                "role": one.role,
                "cohort": one.cohort,
                "objections": one.objections,
                "fields": list(one.fields),
                "attributes": list(one.attributes),
                "fingerprint": one.public.fingerprint,
                "signed": dates.get(one.id),
            }
            for one in agreed.parties
        ],
    }


def _text(facts: dict[str, Any]) -> str:
    floor, reason, rules = facts["floor"], facts["programme_ids_reason"], facts["disclosure"]
    lines = [
        f"project     {facts['project']} (version {facts['version']})",
        f"purpose     {facts['purpose']}",
        f"in force    {facts['starts']} to {facts['expires']}; first transfer {facts['first_transfer']}",
        f"reviews     {', '.join(facts['reviews']) or 'none'}",
        f"schema      {facts['schema']}",
        f"floor       at most {float(floor['company']):.2%} with company, components of {floor['component']}",
        f"IDs         {facts['programme_ids']}{f': {reason}' if reason else ''}",
        f"objections  {facts['objections']}",
        "disclosure  " + (", ".join(f"{key} = {value}" for key, value in rules.items()) or "no rule"),
        f"digest      {facts['digest']}",
        *([f"amends      {facts['amends']}"] if facts["amends"] else []),
        f"signed      {'by every party, and in force' if facts['signed'] else 'not usable:'}",
        *(f"  {one}" for one in facts["obstacles"]),
        "parties",
    ]
    for one in facts["parties"]:
        lines.append(f"  {one['id']}  {one['role']}{' (cohort)' if one['cohort'] else ''}  {one['name']}")
        lines.append(f"    fingerprint {one['fingerprint']}")
        lines.append(f"    signed      {one['signed'] or 'no'}")
        if one["role"] == "custodian":
            lines.append(f"    may encode  {', '.join(one['fields'])}")
            lines.append(f"    attributes  {', '.join(one['attributes']) or 'none'}")
            lines.append(f"    objections  leave out the {one['objections']}")
    lines.append("recipients")
    lines += [f"  {artefact}: {', '.join(ids)}" for artefact, ids in facts["recipients"].items()]
    return "\n".join(lines)
