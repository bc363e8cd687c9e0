"""
A whole project on the command line, from nothing to a verified ledger, with invented people.

    python examples/walkthrough.py new-folder

Prints every command before it runs it. Five parties share one machine here; in a real project
each works on its own, and only the files in ``shared``, the ceremony's table, the packages and
the public keys travel. Passphrases are typed at a prompt, or stand in a file that its owner alone
can read, as here.
"""

from __future__ import annotations

import argparse
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

from pseudolink.keys.party import load_public
from pseudolink.synthetic import population as synthetic

SCHEMA = Path(__file__).resolve().parent / "schemas" / "uk-programme.toml"
CUSTODIANS = ("council", "schools")
PARTIES = {
    "council": "Two councils' family-support programme",
    "schools": "Schools data team",
    "linkage-unit": "Linkage unit",
    "research-environment": "Secure research environment",
    "university": "University research team",
}


def pseudolink(folder: Path, *arguments: str) -> None:
    """Show a command and run it in the project's folder."""
    print("\n$ pseudolink " + shlex.join(arguments), flush=True)
    subprocess.run([sys.executable, "-m", "pseudolink.cli.main", *arguments], cwd=folder, check=True)


def passphrase(folder: Path, party: str) -> list[str]:
    """The option that names a party's passphrase file; the file is made when it is missing."""
    path = folder / party / "passphrase"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
    return ["--passphrase-file", f"{party}/passphrase"]


def fill_in(folder: Path) -> None:
    """What people do in an editor: names, purpose, permissions, and the public keys pasted in."""
    path = folder / "shared" / "agreement.toml"
    text = path.read_text(encoding="utf-8")
    for party, name in PARTIES.items():
        public = load_public(folder / "shared" / f"{party}.party.pub")
        text = text.replace('name = ""', f'name = "{name}"', 1)
        text = text.replace('signing_key = ""', f'signing_key = "{public.signing_key}"', 1)
        text = text.replace('sealing_key = ""', f'sealing_key = "{public.sealing_key}"', 1)
    for party in CUSTODIANS:
        # The template offers every field of the schema to everyone: each keeps what it holds.
        held = ", ".join(f'"{name}"' for name in synthetic.IDENTIFIERS[party] if name != "sex")
        before, own = text.split(f'id = "{party}"')
        start, end = own.index("fields = ["), own.index("]\n", own.index("fields = ["))
        own = own[:start] + f"fields = [{held}" + own[end:]
        carried = ", ".join(f'"{name}"' for name in synthetic.ATTRIBUTES[party])
        text = f'{before}id = "{party}"' + own.replace("attributes = []", f"attributes = [{carried}]", 1)
    text = text.replace('purpose = ""', 'purpose = "Research: does family support change schooling?"')
    text = text.replace('objections = ""', 'objections = "By the council\'s list, before encoding."')
    path.write_text(text, encoding="utf-8")


def main(folder: Path) -> None:
    """Every step of a project, in order."""
    shared, table = folder / "shared", folder / "table"
    for place in (*(folder / party for party in PARTIES), table):
        place.mkdir(parents=True)
    shared.mkdir()
    (shared / "schema.toml").write_bytes(SCHEMA.read_bytes())

    print("# The custodians have extracts. These are of invented people.")
    people = synthetic.generate(600, seed=7)
    for party in CUSTODIANS:
        people.extracts[party].to_csv(folder / party / "extract.csv", index=False)
    lines = "".join(f"{one}\n" for one in people.objections)
    (folder / "council" / "objections.txt").write_text(lines, encoding="utf-8")

    print("\n# The linkage schema says how records are compared; each custodian looks at its data under it.")
    pseudolink(folder, "schema", "check", "shared/schema.toml")
    for party in CUSTODIANS:
        pseudolink(folder, "profile", f"{party}/extract.csv", "--schema", "shared/schema.toml")

    print("\n# Every party makes its keys and sends the public ones to whoever writes the agreement.")
    for party in PARTIES:
        pseudolink(folder, "keys", "party", party, "-o", party, *passphrase(folder, party))
        (folder / party / f"{party}.party.pub").rename(shared / f"{party}.party.pub")

    print("\n# One of them writes the agreement; everyone checks it and compares fingerprints by voice.")
    agreement = "shared/agreement.toml"
    pseudolink(
        folder,
        "agreement",
        "init",
        "-o",
        agreement,
        "--schema",
        "shared/schema.toml",
        "--project",
        "families",
    )
    fill_in(folder)
    pseudolink(folder, "agreement", "check", agreement, "--schema", "shared/schema.toml")
    pseudolink(folder, "agreement", "show", agreement)

    print("\n# The custodians make the linkage key together (keys/ceremony.md is the script for people).")
    for step in ("contribute", "reveal", "combine"):
        for party in CUSTODIANS:
            output = ["-o", f"{party}/families.linkage.key"] if step == "combine" else []
            pseudolink(
                folder, "keys", "linkage", step, agreement, "--key", f"{party}/{party}.party.key",
                "--secret", f"{party}/contribution.key", "--table", "table", *output,
                *passphrase(folder, party),
            )  # fmt: skip

    print("\n# Everyone signs; custodians sign with the linkage key, so that all see they hold the same one.")
    for party in PARTIES:
        linkage = ["--linkage-key", f"{party}/families.linkage.key"] if party in CUSTODIANS else []
        pseudolink(
            folder, "agreement", "sign", agreement, "--key", f"{party}/{party}.party.key", *linkage,
            *passphrase(folder, party),
        )  # fmt: skip
    pseudolink(folder, "agreement", "check", agreement, "--signed")

    print("\n# Each custodian encodes its extract and seals both halves of it.")
    for party in CUSTODIANS:
        objections = ["--objections", "council/objections.txt"] if party == "council" else []
        pseudolink(
            folder, "encode", f"{party}/extract.csv", "--agreement", agreement, "--schema",
            "shared/schema.toml", "--keys", party, "--party", party, *objections,
            "-o", f"{party}/outbox", *passphrase(folder, party),
        )  # fmt: skip

    print("\n# The linkage unit gets the encodings and nothing else; the payloads go to the releaser.")
    pseudolink(
        folder, "link", *(f"{party}/outbox/{party}.encodings.package" for party in CUSTODIANS),
        "--agreement", agreement, "--schema", "shared/schema.toml",
        "--key", "linkage-unit/linkage-unit.party.key", "-o", "linkage-unit/linkage",
        *passphrase(folder, "linkage-unit"),
    )  # fmt: skip

    print("\n# The research environment joins the link map with the payloads.")
    releaser = "research-environment"
    pseudolink(folder, "keys", "release", "-o", f"{releaser}/release.key", *passphrase(folder, releaser))
    pseudolink(
        folder, "release", "linkage-unit/linkage/linkmap.package",
        *(f"{party}/outbox/{party}.payload.package" for party in CUSTODIANS),
        "--agreement", agreement, "--key", f"{releaser}/{releaser}.party.key",
        "--release-key", f"{releaser}/release.key", "--accept", "-o", f"{releaser}/release",
        *passphrase(folder, releaser),
    )  # fmt: skip

    print("\n# Each step left a signed receipt; anyone with the agreement verifies them.")
    for party in (*CUSTODIANS, "linkage-unit", releaser):
        pseudolink(folder, "ledger", "verify", f"{party}/ledger.jsonl", "--agreement", agreement)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a new folder")
    main(parser.parse_args().folder)
