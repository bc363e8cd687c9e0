"""``pseudolink keys``: identities, the linkage key and its ceremony, the release key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pseudolink.agreement import load_agreement
from pseudolink.cli import keeping
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
from pseudolink.errors import KeyFileError, UsageError
from pseudolink.keys import ceremony, token, vault
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey, load_public
from pseudolink.keys.release import ReleaseKey


@click.group()
def keys() -> None:
    """Make, show, audit and destroy keys. Every private key stays in a file that a passphrase protects."""


keys.add_command(keeping.destroy)
keys.add_command(keeping.check_certificate)
keys.add_command(keeping.audit)


@keys.command(epilog="Example: pseudolink keys party council -o keys/council")
@click.argument("party_id", metavar="ID")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="Folder for the two files.")
@passphrase_option
@json_option
@refusals
def party(party_id: str, output: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Make the identity of the party ID: a private key file and a public one for the agreement."""
    key = PartyKey.generate(party_id)
    private, public = key.save(output, ask_passphrase(passphrase_file, new=True))
    say(f"private: {private}\npublic:  {public}")
    say("Paste the public file into the agreement and compare the fingerprint by voice.")
    result = {
        "id": key.id,
        "fingerprint": key.public.fingerprint,
        "private": str(private),
        "public": str(public),
    }
    emit(result, f"fingerprint {key.public.fingerprint}", as_json=as_json)


@keys.command(epilog="Example: pseudolink keys release -o keys/project.release.key")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The new key file.")
@passphrase_option
@json_option
@refusals
def release(output: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a release key, the releaser's own: a new one for every release."""
    key = ReleaseKey.generate()
    key.save(output, ask_passphrase(passphrase_file, new=True))
    result = {"fingerprint": key.fingerprint, "file": str(output)}
    emit(result, f"fingerprint {key.fingerprint}", as_json=as_json)


@keys.group()
def linkage() -> None:
    """Make the linkage key: alone (new), or together (contribute, reveal, combine)."""


linkage.add_command(keeping.renew)
linkage.add_command(keeping.store)


def _say_key(key: LinkageKey, output: Path, agreement: Path | None, *, as_json: bool) -> None:
    result = {"fingerprint": key.fingerprint, "file": str(output)}
    text = f"fingerprint {key.fingerprint}"
    if agreement is not None:
        agreed = load_agreement(agreement)
        result["key_check"] = key.check_value(agreed.project, agreed.schema)
        text += f"\ncheck value {result['key_check']}"
    say("Compare the fingerprint with every other custodian by voice, then sign the agreement with it.")
    emit(result, text, as_json=as_json)


@linkage.command(epilog="Example: pseudolink keys linkage new -o keys/project.linkage.key")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The new key file.")
@passphrase_option
@json_option
@refusals
def new(output: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a linkage key alone: for trials, or where one custodian is trusted to draw it."""
    key = LinkageKey.generate()
    key.save(output, ask_passphrase(passphrase_file, new=True))
    _say_key(key, output, None, as_json=as_json)


def _ceremony(command: Any) -> Any:
    for option in (
        json_option,
        passphrase_option,
        click.option(
            "--table",
            type=click.Path(file_okay=False, path_type=Path),
            required=True,
            help="Folder that all custodians see; made by the first who contributes.",
        ),
        click.option("--secret", type=NEW_PATH, required=True, help="This party's contribution file."),
        click.option("--key", "key_file", type=READABLE, required=True, help="This party's private key."),
        click.argument("agreement", type=READABLE),
    ):
        command = option(command)
    return command


def _table(agreement: Path, table: Path) -> ceremony.Table:
    agreed = load_agreement(agreement)
    custodians = {one.id: one.public for one in agreed.of_role("custodian")}
    return ceremony.Table(table, agreed.digest, custodians)


@linkage.command(
    epilog="Example: pseudolink keys linkage contribute agreement.toml --key council.party.key "
    "--secret council.contribution.key --table ceremony"
)
@_ceremony
@refusals
def contribute(
    agreement: Path,
    key_file: Path,
    secret: Path,
    table: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """First: draw this custodian's share, and put a commitment to it on the table."""
    place = _table(agreement, table)
    passphrase = ask_passphrase(passphrase_file)
    key = PartyKey.load(key_file, passphrase)
    commitment = ceremony.contribute(place, key, secret, passphrase)
    say("Wait until every custodian's commitment is on the table, then reveal.")
    path = place.commitment_path(key.id)
    emit({"commitment": commitment, "file": str(path)}, f"commitment {commitment}", as_json=as_json)


@linkage.command(
    epilog="Example: pseudolink keys linkage reveal agreement.toml --key council.party.key "
    "--secret council.contribution.key --table ceremony"
)
@_ceremony
@refusals
def reveal(
    agreement: Path,
    key_file: Path,
    secret: Path,
    table: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Second: seal this custodian's share to the other custodians, once all have committed."""
    place = _table(agreement, table)
    passphrase = ask_passphrase(passphrase_file)
    path = ceremony.reveal(place, PartyKey.load(key_file, passphrase), secret, passphrase)
    emit({"file": str(path)}, f"revealed to the other custodians in {path}", as_json=as_json)


@linkage.command(
    epilog="Example: pseudolink keys linkage combine agreement.toml --key council.party.key "
    "--secret council.contribution.key --table ceremony -o project.linkage.key"
)
@_ceremony
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The new key file.")
@refusals
def combine(
    agreement: Path,
    key_file: Path,
    secret: Path,
    table: Path,
    output: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Third: hold every share against its commitment and derive the linkage key."""
    place = _table(agreement, table)
    passphrase = ask_passphrase(passphrase_file)
    key = ceremony.combine(place, PartyKey.load(key_file, passphrase), secret, passphrase)
    key.save(output, passphrase)
    _say_key(key, output, agreement, as_json=as_json)
    say(f"Then destroy the contribution: pseudolink keys destroy {secret} --key {key_file}")


@keys.command(epilog="Example: pseudolink keys show keys/council/council.party.pub")
@click.argument("file", type=READABLE)
@click.option("--fingerprint", is_flag=True, help="Open the key file (asks its passphrase) and name the key.")
@click.option("--agreement", type=READABLE, help="With a linkage key: its check value under this agreement.")
@passphrase_option
@json_option
@refusals
def show(
    file: Path, fingerprint: bool, agreement: Path | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Say what a key file is and how it is protected. No secret is ever shown."""
    if file.name.endswith(".pub"):
        public = load_public(file)
        result: dict[str, Any] = {"id": public.id, "fingerprint": public.fingerprint, "holds": "public keys"}
    else:
        result = token.describe(file) if token.is_reference(file) else vault.describe(file)
        if agreement is not None and result["purpose"] != "linkage":
            raise UsageError("--agreement goes with a linkage key")
        if fingerprint or agreement is not None:
            result |= _opened(file, result["purpose"], ask_passphrase(passphrase_file), agreement)
    text = "\n".join(f"{name}: {value}" for name, value in result.items() if not isinstance(value, dict))
    emit(result, text, as_json=as_json)


def _opened(file: Path, purpose: str, passphrase: str, agreement: Path | None) -> dict[str, str]:
    if purpose == "party":
        party_key = PartyKey.load(file, passphrase)
        return {"id": party_key.id, "fingerprint": party_key.public.fingerprint}
    if purpose == "release":
        return {"fingerprint": ReleaseKey.load(file, passphrase).fingerprint}
    if purpose == "linkage":
        key = LinkageKey.load(file, passphrase)
        if agreement is None:
            return {"fingerprint": key.fingerprint}
        agreed = load_agreement(agreement)
        return {"fingerprint": key.fingerprint, "key_check": key.check_value(agreed.project, agreed.schema)}
    raise KeyFileError(f"{file.name}: a contribution has no fingerprint; its commitment is on the table")
