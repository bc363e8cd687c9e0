"""A whole project on disk: the demo's parties, keys, agreement and deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pseudolink.agreement import load_agreement, sign_agreement, signatures_path
from pseudolink.cli.anyone import demo_schema
from pseudolink.cli.main import cli
from pseudolink.keys import vault
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.roles import demo

OPERATOR, RELEASER = demo.OPERATOR, demo.RELEASER
CUSTODIANS = ("council", "schools", "work", "offending")


@dataclass(frozen=True)
class Project:
    """The folder of a demo, and its commands as its parties would type them."""

    folder: Path
    result: demo.DemoResult

    @property
    def agreement(self) -> Path:
        return self.folder / "shared" / "agreement.toml"

    @property
    def schema(self) -> Path:
        return self.folder / "shared" / "schema.toml"

    def extract(self, party: str) -> Path:
        return self.folder / party / "extract.csv"

    def keys(self, party: str) -> Path:
        return self.folder / party / "keys"

    def phrase(self, party: str) -> str:
        return (self.keys(party) / "passphrase").read_text().strip()

    def party_key(self, party: str) -> PartyKey:
        return PartyKey.load(self.keys(party) / f"{party}.party.key", self.phrase(party))

    def linkage_key(self, party: str = "council") -> LinkageKey:
        return LinkageKey.load(self.keys(party) / "linkage.key", self.phrase(party))

    def encodings(self, party: str) -> Path:
        return self.folder / party / "outbox" / f"{party}.encodings.package"

    def payload(self, party: str) -> Path:
        return self.folder / party / "outbox" / f"{party}.payload.package"

    @property
    def link_map(self) -> Path:
        return self.folder / OPERATOR / "linkage" / "linkmap.package"

    def encode(self, output: Path, party: str = "offending", *more: object, **changed: object) -> list[str]:
        """Arguments of ``encode``; ``changed`` replaces options by name."""
        options = {
            "extract": self.extract(party),
            "agreement": self.agreement,
            "schema": self.schema,
            "keys": self.keys(party),
            "party": party,
            "output": output,
            "ledger": output.parent / "ledger.jsonl",
            "passphrase-file": self.keys(party) / "passphrase",
            **changed,
        }
        return ["encode", *_arguments(options, "extract"), *map(str, more)]

    def link(self, output: Path, *packages: Path, **changed: object) -> list[str]:
        options = {
            "agreement": self.agreement,
            "schema": self.schema,
            "key": self.keys(OPERATOR) / f"{OPERATOR}.party.key",
            "output": output,
            "ledger": output.parent / "ledger.jsonl",
            "passphrase-file": self.keys(OPERATOR) / "passphrase",
            **changed,
        }
        chosen = packages or tuple(self.encodings(party) for party in CUSTODIANS)
        return ["link", *map(str, chosen), *_arguments(options)]

    def release(
        self, output: Path, link_map: Path | None = None, *payloads: Path, **changed: object
    ) -> list[str]:
        options = {
            "agreement": self.agreement,
            "key": self.keys(RELEASER) / f"{RELEASER}.party.key",
            "release-key": self.keys(RELEASER) / "release.key",
            "output": output,
            "ledger": output.parent / "ledger.jsonl",
            "passphrase-file": self.keys(RELEASER) / "passphrase",
            **changed,
        }
        chosen = payloads or tuple(self.payload(party) for party in CUSTODIANS)
        return ["release", str(link_map or self.link_map), *map(str, chosen), *_arguments(options)]


def sign_again(project: Project, *changes: tuple[str, str], check: bool = True) -> None:
    """
    Change the agreement's text and have every party sign it.

    check: custodians sign the check value of their linkage key too.
    """
    text = project.agreement.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    project.agreement.write_text(text, encoding="utf-8")
    signatures_path(project.agreement).unlink()
    agreed = load_agreement(project.agreement)
    value = project.linkage_key().check_value(agreed.project, agreed.schema)
    for party in agreed.parties:
        own = value if check and party.role == "custodian" else None
        sign_agreement(project.agreement, project.party_key(party.id), own, today=agreed.starts)


CHEAP = vault.Cost(1, 1, 8)


def build(folder: Path, people: int = 1200, schema: Path | None = None) -> Project:
    """A demo in a new folder, with key files that are cheap to open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "_COST", CHEAP)
        return Project(folder, demo.run(people, folder, schema=schema or demo_schema(), rules=False))


def _arguments(options: dict[str, object], *positional: str) -> list[str]:
    found = [str(options[name]) for name in positional]
    for name, value in options.items():
        if name not in positional:
            found += [f"--{name}", str(value)]
    return found


def run(*arguments: object) -> Result:
    """A command in this process."""
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def leftovers(folder: Path) -> list[str]:
    """Everything in a folder that is no ledger."""
    return sorted(p.name for p in folder.iterdir() if p.name != "ledger.jsonl")
