"""``pseudolink agreement``: write, check, sign and show an agreement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pseudolink import files
from pseudolink.agreement import (
    Agreement,
    load_agreement,
    load_signed,
    sign_agreement,
    signatures_path,
    today_utc,
    verify_signatures,
)
from pseudolink.agreement_rules import last_day
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
from pseudolink.errors import AgreementError, AgreementUnsignedError, Problem
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
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

# First and last day. Nothing made under the agreement opens after the last one; at most five years.
starts = {starts}
expires = {expires}

# "pseudonym": a release carries a keyed pseudonym of the programme ID.
# "as-supplied": the ID itself; then say why: programme_ids_reason = "..."
programme_ids = "pseudonym"

# How people object, and what happens to their records before and after transfer.
objections = ""

# Optional: rules of disclosure control, kept as they stand. Rates as text or as two integers.
# [disclosure]
# smallest_count = 10

# One [[parties]] for each party. Its keys: pseudolink keys party ID -o FOLDER writes ID.party.pub.
# A custodian names the fields it may encode and the attributes its payload may carry
# (beside programme_id and family_id); exactly one custodian holds the cohort.
[[parties]]
id = "council"
name = ""
role = "custodian"
cohort = true
fields = [{fields}]
attributes = []
signing_key = ""
sealing_key = ""

[[parties]]
id = "schools"
name = ""
role = "custodian"
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


@agreement.command(epilog="Example: pseudolink agreement init -o agreement.toml --schema schema.toml")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The new file.")
@click.option("--schema", "schema_file", type=READABLE, help="Linkage schema whose digest to fill in.")
@click.option("--project", default="", help="Name of the project.")
@json_option
@refusals
def init(output: Path, schema_file: Path | None, project: str, as_json: bool) -> None:
    """Write an annotated agreement to fill in."""
    schema = load_schema(schema_file) if schema_file else None
    today = today_utc()
    text = TEMPLATE.format(
        project=project.replace("\\", "\\\\").replace('"', '\\"'),
        schema=schema.digest if schema else "",
        starts=today.isoformat(),
        expires=last_day(today).isoformat(),
        fields=", ".join(f'"{name}"' for name in schema.fields) if schema else "",
    )
    files.write_bytes(output, text.encode())
    emit(
        {"file": str(output)},
        f"wrote {output}; fill it in, then: pseudolink agreement check",
        as_json=as_json,
    )


def _against(agreed: Agreement, schema: LinkageSchema) -> list[Problem]:
    """What an agreement says that its linkage schema does not bear out."""
    found = []
    if schema.digest != agreed.schema:
        found.append(Problem("schema", "not the digest of the schema file given here"))
    for one in agreed.of_role("custodian"):
        for name in one.fields:
            if name not in schema.fields:
                found.append(Problem(f"parties {one.id!r}, fields", f"the schema has no field {name!r}"))
    return found


@agreement.command(epilog="Example: pseudolink agreement check agreement.toml --schema schema.toml --signed")
@click.argument("file", type=READABLE)
@click.option("--schema", "schema_file", type=READABLE, help="Also hold it against this linkage schema.")
@click.option("--signed", is_flag=True, help="Also check every party's signature and the dates.")
@json_option
@refusals
def check(file: Path, schema_file: Path | None, signed: bool, as_json: bool) -> None:
    """List every problem of an agreement at once."""
    agreed = load_agreement(file)
    if schema_file is not None:
        problems = _against(agreed, load_schema(schema_file))
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
@passphrase_option
@json_option
@refusals
def sign(
    file: Path, key_file: Path, linkage_key: Path | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Sign an agreement as one of its parties."""
    agreed = load_agreement(file)
    passphrase = ask_passphrase(passphrase_file)
    key = PartyKey.load(key_file, passphrase)
    value = None
    if linkage_key is not None:
        value = LinkageKey.load(linkage_key, passphrase).check_value(agreed.project, agreed.schema)
    signed = sign_agreement(file, key, key_check=value)
    say(f"signed as {key.id}; send {signatures_path(file).name} to the other parties")
    result = {"party": key.id, "digest": signed.digest, "key_check": value}
    emit(result, f"digest {signed.digest}", as_json=as_json)


@agreement.command(epilog="Example: pseudolink agreement show agreement.toml")
@click.argument("file", type=READABLE)
@json_option
@refusals
def show(file: Path, as_json: bool) -> None:
    """Show who agreed to what, with the fingerprints to compare by voice."""
    agreed = load_agreement(file)
    signed: str | None = None
    try:
        verify_signatures(file)
    except AgreementUnsignedError as error:
        signed = f"{len(error.problems)} problems with the signatures"
    emit(_facts(agreed, signed), _text(agreed, signed), as_json=as_json)


def _facts(agreed: Agreement, signed: str | None) -> dict[str, Any]:
    return {
        "digest": agreed.digest,
        "signed": signed is None,
        "project": agreed.project,
        "purpose": agreed.purpose,
        "schema": agreed.schema,
        "starts": agreed.starts.isoformat(),
        "expires": agreed.expires.isoformat(),
        "programme_ids": agreed.programme_ids,
        "recipients": {artefact: list(ids) for artefact, ids in agreed.recipients.items()},
        "parties": [
            {
                "id": one.id,
                "name": one.name,
                "role": one.role,
                "cohort": one.cohort,
                "fields": list(one.fields),
                "attributes": list(one.attributes),
                "fingerprint": one.public.fingerprint,
            }
            for one in agreed.parties
        ],
    }


def _text(agreed: Agreement, signed: str | None) -> str:
    lines = [
        f"project   {agreed.project}",
        f"purpose   {agreed.purpose}",
        f"in force  {agreed.starts} to {agreed.expires}",
        f"schema    {agreed.schema}",
        f"digest    {agreed.digest}",
        f"signed    {signed or 'by every party'}",
        "parties",
    ]
    for one in agreed.parties:
        lines.append(f"  {one.id}  {one.role}{' (cohort)' if one.cohort else ''}  {one.name}")
        lines.append(f"    fingerprint {one.public.fingerprint}")
        if one.role == "custodian":
            lines.append(f"    may encode {', '.join(one.fields)}")
            lines.append(f"    attributes {', '.join(one.attributes) or 'none'}")
    lines.append("recipients")
    lines += [f"  {artefact}: {', '.join(ids)}" for artefact, ids in agreed.recipients.items()]
    return "\n".join(lines)
