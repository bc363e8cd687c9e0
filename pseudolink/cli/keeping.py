"""``pseudolink keys destroy``, ``certificate``, ``audit`` and ``linkage renew``; ``pseudolink expire``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pseudolink import files
from pseudolink.agreement import load_agreement, require_own_key, today_utc, verify_signatures
from pseudolink.cli.common import (
    FOLDER,
    NEW_PATH,
    READABLE,
    ask_passphrase,
    emit,
    json_option,
    passphrase_option,
    refusals,
    say,
)
from pseudolink.errors import UsageError
from pseudolink.keys import certificate, destruction, token, vault
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain

FAULTY = 3
"""Exit status of an audit that found faults: it did what it was asked, and all is not well."""


def _sure(question: str, *, yes: bool) -> None:
    if not yes and not click.confirm(question, default=False, err=True):
        raise UsageError("nothing was destroyed")


@click.command(
    epilog="Example: pseudolink keys destroy private/project.linkage.key --key private/council.party.key "
    "--agreement agreement.toml --ledger ledger.jsonl"
)
@click.argument("key_files", nargs=-1, required=True, type=READABLE, metavar="FILE...")
@click.option("--key", "own", type=READABLE, required=True, help="This party's private key; signs.")
@click.option("--agreement", type=READABLE, help="The agreement that they were made for.")
@click.option("--ledger", type=NEW_PATH, help="Also write a receipt into this ledger.")
@click.option("--pin-file", type=READABLE, help="File with the PIN of the token, for a key in one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@passphrase_option
@json_option
@refusals
def destroy(
    key_files: tuple[Path, ...],
    own: Path,
    agreement: Path | None,
    ledger: Path | None,
    pin_file: Path | None,
    yes: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Overwrite and remove key files; a signed certificate stands where each was.

    What was sealed to a destroyed key cannot be opened any more. There is no way back.
    """
    if ledger is not None and agreement is None:
        raise UsageError("--ledger needs --agreement")
    key = PartyKey.load(own, ask_passphrase(passphrase_file))
    digest = None
    if agreement is not None:
        agreed = load_agreement(agreement)
        require_own_key(agreed, key)
        digest = agreed.digest
    _sure(f"Destroy {', '.join(one.name for one in key_files)} for good?", yes=yes)
    pin = ask_pin(pin_file) if any(token.is_reference(one) for one in key_files) else None
    made = destruction.destroy(key_files, key, agreement=digest, pin=pin)
    if ledger is not None and digest is not None:
        details = {"destroyed": [vars(one) for one in made.destroyed]}
        chain.append(ledger, key, step="destroy", agreement=digest, details=details)
    say("Not covered, and for people to see to:")
    for one in made.not_covered:
        say(f"  {one}")
    result = {"party": made.party, "time": made.time, "destroyed": [vars(one) for one in made.destroyed]}
    emit(result, "\n".join(f"destroyed {one.name}" for one in made.destroyed), as_json=as_json)


def ask_pin(file: Path | None) -> str:
    """The PIN of a token, from a file or a prompt; never an argument."""
    if file is not None:
        return vault.read_passphrase(file)
    return str(click.prompt("PIN of the token", hide_input=True, err=True))


@click.command(
    epilog="Example: pseudolink keys linkage store private/project.linkage.key --module libsofthsm2.so "
    "--token council -o private/hsm/project.linkage.key"
)
@click.argument("key_file", type=READABLE, metavar="FILE")
@click.option("--module", required=True, help="The PKCS#11 library of the hardware module.")
@click.option("--token", "label", required=True, help="Label of the token.")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The new reference; use it as a key file.")
@click.option("--pin-file", type=READABLE, help="File with the PIN; without it a prompt asks.")
@passphrase_option
@json_option
@refusals
def store(
    key_file: Path,
    module: str,
    label: str,
    output: Path,
    pin_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Put a linkage key into a hardware module, from where it does not come out again."""
    key = LinkageKey.load(key_file, ask_passphrase(passphrase_file))
    token.store(key, output, module=module, token=label, pin=ask_pin(pin_file))
    say(f"Now destroy the file: pseudolink keys destroy {key_file.name}")
    result = {"fingerprint": key.fingerprint, "file": str(output), "token": label}
    emit(result, f"fingerprint {key.fingerprint}", as_json=as_json)


@click.command(
    "certificate",
    epilog="Example: pseudolink keys certificate council.party.key.destroyed.json --agreement agreement.toml",
)
@click.argument("file", type=READABLE)
@click.option("--agreement", type=READABLE, required=True, help="For the party's public key.")
@json_option
@refusals
def check_certificate(file: Path, agreement: Path, as_json: bool) -> None:
    """Check a certificate of destruction and show what it covers and what not."""
    made = certificate.read(file)
    agreed = load_agreement(agreement)
    made.verify({one.id: one.signing_key for one in agreed.parties})
    lines = [f"signed by {made.party} on {made.time}"]
    for one in made.destroyed:
        lines.append(f"destroyed: {one.name} ({one.purpose}) {one.fingerprint or ''}".rstrip())
    lines += ["not covered:", *(f"  {one}" for one in made.not_covered)]
    emit({**made.unsigned()}, "\n".join(lines), as_json=as_json)


@click.command(epilog="Example: pseudolink keys audit council linkage-unit shared --html keys.html")
@click.argument("folders", nargs=-1, required=True, type=FOLDER, metavar="FOLDER...")
@click.option("--html", type=NEW_PATH, help="Also write it as a page.")
@json_option
@refusals
def audit(folders: tuple[Path, ...], html: Path | None, as_json: bool) -> None:
    """
    List every key in FOLDERs, its protection and uses, and what should not be.

    Needs no passphrase and shows no secret. Exit status 3 when there are faults.
    """
    from pseudolink.report import keys as page
    from pseudolink.roles.audit import audit as run

    found = run([one.resolve() for one in folders])
    if html is not None:
        files.write_bytes(html, page.render(found).encode("utf-8"))
        say(f"page: {html}")
    emit(found, _audit_text(found), as_json=as_json)
    if found["faults"]:
        raise SystemExit(FAULTY)


def _audit_text(found: dict[str, Any]) -> str:
    lines = []
    for key in found["keys"]:
        age = "age unknown" if key["age_days"] is None else f"{key['age_days']} days old"
        uses = f"{len(key['uses'])} uses" if key["uses"] else "no receipt names it"
        lines.append(f"{key['file']}")
        lines.append(f"  {key['purpose']}  {key['fingerprint'] or 'fingerprint unknown'}  {age}")
        lines.append(f"  {key['protection']}; read by {key['readers']}; {uses}")
    lines += [
        f"destroyed {one['name']} by {one['party']} on {one['time'][:10]}" for one in found["destroyed"]
    ]
    lines += [f"{one['severity'].upper()} {one['place']}: {one['message']}" for one in found["findings"]]
    lines.append(f"{len(found['keys'])} keys, {found['faults']} faults")
    return "\n".join(lines)


RENEWING = """\
A linkage key is never changed under encodings that exist: tokens cannot be rotated without the extracts.
  - Encodings and packages made under the old key stay what they are, and are comparable with none made
    under the new one. `link` refuses a mixture: check values differ.
  - So every custodian encodes its extract again under the new key, from the extract and not from the old
    encodings; objections of the meantime apply.
  - Link maps and releases made before stay valid until they expire; record IDs are new, so earlier
    withdrawals are given again as objections before encoding.
  - The new key is made by the ceremony (contribute, reveal, combine) under the new agreement; everyone
    signs its check value (agreement sign --linkage-key).
  - When nobody needs the old encodings any more, each custodian destroys the old key (keys destroy)."""


@click.command(
    epilog="Example: pseudolink keys linkage renew private/project.linkage.key "
    "--agreement agreement-2.toml --ledger ledger.jsonl"
)
@click.argument("old", type=READABLE)
@click.option("--agreement", type=READABLE, required=True, help="The new agreement (or amendment).")
@click.option("--ledger", type=READABLE, help="To list what was encoded under the old key.")
@click.option("-o", "--output", type=NEW_PATH, help="Draw the new key alone, for trials; else the ceremony.")
@passphrase_option
@json_option
@refusals
def renew(
    old: Path,
    agreement: Path,
    ledger: Path | None,
    output: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Say what a new linkage key means for what was encoded under the old one."""
    agreed = load_agreement(agreement)
    before = vault.describe(old)
    if before["purpose"] != "linkage":
        raise UsageError(f"{old.name} is not a linkage key")
    fingerprint = before.get("fingerprint")
    made = []
    for receipt in chain.read(ledger) if ledger is not None else []:
        keys = receipt.details.get("keys")
        if isinstance(keys, dict) and keys.get("linkage") == fingerprint:
            made.append({"receipt": receipt.sequence, "time": receipt.time, "step": receipt.step})
    result: dict[str, Any] = {
        "old": fingerprint,
        "encoded_under_it": made,
        "agreement": agreed.digest,
        "project": agreed.project,
    }
    say(RENEWING)
    lines = [f"old key {fingerprint or '(fingerprint unknown)'}"]
    lines += [f"  to be encoded again: receipt {one['receipt']} of {one['time']}" for one in made]
    if output is not None:
        key = LinkageKey.generate()
        key.save(output, ask_passphrase(passphrase_file, new=True))
        result["new"] = key.fingerprint
        lines.append(f"new key {key.fingerprint}: {output}")
    emit(result, "\n".join(lines), as_json=as_json)


@click.command(
    epilog="Example: pseudolink expire council --destroy --key council/council.party.key "
    "--agreement agreement.toml"
)
@click.argument("folder", type=FOLDER)
@click.option(
    "--destroy", "destroying", is_flag=True, help="Destroy packages, releases and keys past their date."
)
@click.option("--key", "own", type=READABLE, help="This party's private key; signs certificate and receipt.")
@click.option("--agreement", type=READABLE, help="The agreement that it was under, signed by all.")
@click.option("--ledger", type=NEW_PATH, help="Where the receipt goes; default ledger.jsonl in FOLDER.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@passphrase_option
@json_option
@refusals
def expire(
    folder: Path,
    destroying: bool,
    own: Path | None,
    agreement: Path | None,
    ledger: Path | None,
    yes: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """List what is past its date in FOLDER, and destroy it on demand."""
    from pseudolink.roles import expiry as role

    today = today_utc()
    folder = folder.resolve()
    items = role.listed(folder, today)
    past = [one for one in items if one.past]
    destroyed: list[role.Item] = []
    if destroying:
        if own is None or agreement is None:
            raise UsageError("--destroy needs --key and --agreement")
        key = PartyKey.load(own, ask_passphrase(passphrase_file))
        agreed = verify_signatures(agreement)  # the day does not matter: it is over
        require_own_key(agreed, key)
        _sure(f"Destroy what is past its date in {folder.name} for good?", yes=yes)
        destroyed = role.destroy(
            folder, key, ledger=ledger or folder / "ledger.jsonl", agreement=agreed.digest, today=today
        )
    lines = [
        f"{'PAST' if one.past else 'until':<6} {one.expires}  {one.kind:<10} {one.name}" for one in items
    ]
    lines.append(f"{len(past)} of {len(items)} are past their date")
    lines += [f"destroyed {one.name}" for one in destroyed]
    result = {
        "items": [one.to_json() for one in items],
        "past": len(past),
        "destroyed": [one.name for one in destroyed],
    }
    emit(result, "\n".join(lines), as_json=as_json)
