"""
P5: linked data are never shared with the local authority or any other public agency that sent some.

No package, no count, no rate: whatever a custodian's folder holds after the whole path, it held
before anybody linked. The limit: people who hand plain copies over; no software sees that.
"""

from __future__ import annotations

import ast
import hashlib
import random
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parties_in_memory import KEY_CHECK, TODAY, key_of, manifest_of, raw_agreement
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, run

from pseudolink.agreement import parse_agreement
from pseudolink.agreement_rules import RECEIVERS, SENDERS
from pseudolink.cli.main import cli
from pseudolink.errors import AgreementError, NotPermittedError
from pseudolink.formats.manifest import ARTEFACTS
from pseudolink.ledger import chain
from pseudolink.seal import rules
from pseudolink.seal.package import seal

ROOT = Path(__file__).parents[2]
NAMES = ("council", "schools", "police", "unit", "vault", "university", "auditor")
ROLES = ("custodian", "operator", "releaser", "researcher", "reviewer")
#: What is derived from links.
LINKED = ("link_map", "release")


@st.composite
def agreements(draw: st.DrawFn) -> dict[str, Any]:
    """Any distribution of roles and recipients over seven parties; most are not valid."""
    raw = raw_agreement()
    sane = draw(st.booleans())
    for party in raw["parties"]:
        for key in ("fields", "attributes", "cohort", "objections"):
            party.pop(key, None)
        fixed = {"council": "custodian", "schools": "custodian", "unit": "operator", "vault": "releaser"}
        role = fixed.get(party["id"]) if sane else None
        party["role"] = role or draw(st.sampled_from([one for one in ROLES if one != "operator" or not sane]))
        if party["role"] == "custodian":
            party |= {"fields": ["forename"], "objections": draw(st.sampled_from(["person", "family"]))}
            party["cohort"] = party["id"] == "council"
    some = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)
    raw["recipients"] = {artefact: draw(some) for artefact in ("encodings", "payload", *LINKED)}
    if sane:
        raw["recipients"] |= {"encodings": ["unit"], "payload": ["vault"]}
        researchers = [one["id"] for one in raw["parties"] if one["role"] in ("researcher", "releaser")]
        if draw(st.booleans()):
            raw["recipients"] |= {"link_map": ["vault"], "release": [draw(st.sampled_from(researchers))]}
    return raw


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(raw=agreements(), artefact=st.sampled_from(ARTEFACTS), sender=st.sampled_from(NAMES), data=st.data())
def test_no_agreement_lets_anything_linked_reach_a_custodian(
    raw: dict[str, Any], artefact: str, sender: str, data: st.DataObject
) -> None:
    """
    Whatever parties sign: an agreement that parses has no custodian among the recipients of linked
    data, and no manifest that any of them could write passes with one.
    """
    try:
        agreement = parse_agreement(raw)
    except AgreementError:
        return
    custodians = {one.id for one in agreement.of_role("custodian")}
    for linked in LINKED:
        assert not custodians & set(agreement.recipients[linked])
    recipients = tuple(sorted(data.draw(st.sets(st.sampled_from(NAMES), min_size=1, max_size=3))))
    check = KEY_CHECK if artefact == "encodings" else None
    manifest = manifest_of(agreement, artefact, sender=sender, recipients=recipients, key_check=check)
    try:
        rules.require_permitted(manifest, agreement)
    except NotPermittedError:
        return
    reached = custodians & set(recipients)
    # What a custodian may get at all is the index that it made itself.
    assert not reached or (artefact == "records" and reached == {sender} == set(recipients))
    # And nobody who holds links may send a custodian anything.
    assert agreement.party(sender).role == "custodian" or not reached


@pytest.mark.parametrize("artefact", LINKED)
@pytest.mark.parametrize("who", ["council", "schools", "police"])
def test_nothing_linked_is_sealed_to_a_custodian(tmp_path: Path, artefact: str, who: str) -> None:
    agreement = parse_agreement(raw_agreement())
    (tmp_path / "source").write_bytes(b"x")
    manifest = manifest_of(agreement, artefact, recipients=(who,))
    with pytest.raises(NotPermittedError, match="do not go back"):
        seal(tmp_path / "source", tmp_path / "p", manifest, agreement, key_of(manifest.sender), today=TODAY)
    assert not (tmp_path / "p").exists()


def test_no_kind_of_package_goes_from_the_linking_side_to_a_custodian() -> None:
    """A new kind of artefact has to pass here first."""
    for artefact, senders in SENDERS.items():
        if {"operator", "releaser"} & set(senders):
            assert "custodian" not in RECEIVERS[artefact], artefact
    assert set(SENDERS) == set(RECEIVERS) == set(ARTEFACTS)


def state(folder: Path) -> dict[str, str]:
    return {
        str(one.relative_to(folder)): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    }


#: Commands that may read what is derived from links, and how each is kept from a custodian: it is run in
#: the test below, or it is of a reader who has opened the artefact already.
READS_LINKS = {
    "link", "release", "rates", "tables", "evidence", "ledger show", "ledger stamp", "ledger verify",
    "explain", "review apply", "review compare", "review label", "review page", "attack keys", "attack run",
    "attack release", "check", "keys audit", "expire", "shards plan", "shards run", "shards show",
}  # fmt: skip
#: Commands that see an agreement, keys or one's own extract, or invented or own test data with the truth.
READS_NONE = {
    "demo", "rehearse", "doctor", "profile", "encode", "withdraw",
    "schema check", "schema plan", "schema start",
    "agreement check", "agreement init", "agreement show", "agreement sign",
    "keys certificate", "keys destroy", "keys party", "keys release", "keys show",
    "keys linkage combine", "keys linkage contribute", "keys linkage new", "keys linkage renew",
    "keys linkage reveal", "keys linkage store", "clk diffuse", "clk encode", "clk match",
}  # fmt: skip


def _commands(group: click.Group, context: click.Context, path: str = "") -> set[str]:
    found: set[str] = set()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        here = f"{path} {name}".strip()
        found |= _commands(command, context, here) if isinstance(command, click.Group) else {here}
    return found


def test_every_command_was_asked_whether_it_reads_links() -> None:
    """A new command has to be put on one side or the other, and on the first be tried below."""
    assert _commands(cli, click.Context(cli)) == READS_LINKS | READS_NONE
    assert not READS_LINKS & READS_NONE


def _as_council(project: Project) -> tuple[object, ...]:
    keys = project.keys("council")
    own = ("--key", keys / "council.party.key", "--passphrase-file", keys / "passphrase")
    return ("--agreement", project.agreement, *own)


@pytest.mark.parametrize("command", ["link", "release", "rates", "shards plan"])
def test_a_custodian_that_runs_the_linking_side_itself_gets_nothing(
    project: Project, tmp_path: Path, command: str
) -> None:
    """With its own key, every package at hand: refused, and no output."""
    packages = [project.encodings(party) for party in CUSTODIANS]
    payloads = [project.payload(party) for party in CUSTODIANS]
    words = {
        "link": [*packages, "--schema", project.schema],
        "release": [project.link_map, *payloads, "--release-key", tmp_path / "own.key"],
        "rates": [project.link_map, *payloads, "--by", "arm"],
        "shards plan": [*packages, "--schema", project.schema],
    }[command]
    phrase = ("--passphrase-file", project.keys("council") / "passphrase")
    assert run("keys", "release", "-o", tmp_path / "own.key", *phrase).exit_code == 0
    done = run(*command.split(), *words, *_as_council(project), "-o", tmp_path / "out")
    assert done.exit_code == 1, done.output + done.stderr
    assert "PL-AGREE-05" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["own.key"]


def test_no_command_of_the_linking_side_writes_into_a_custodians_folder(
    project: Project, tmp_path: Path
) -> None:
    """Link, release and everything that can be done with them afterwards: not a byte, not a new file."""
    shutil.copytree(project.folder, tmp_path / "demo")
    here = Project(tmp_path / "demo", project.result)
    before = {party: state(here.folder / party) for party in CUSTODIANS}
    unit, vault = here.folder / OPERATOR, here.folder / RELEASER
    assert run(*here.link(unit / "again", ledger=unit / "ledger.jsonl")).exit_code == 0
    link_map = unit / "again" / "linkmap.package"
    assert run(*here.release(vault / "again", link_map, ledger=vault / "ledger.jsonl")).exit_code == 0
    ledgers = [here.folder / party / "ledger.jsonl" for party in (*CUSTODIANS, OPERATOR, RELEASER)]
    run("ledger", "verify", *ledgers, "--agreement", here.agreement)
    run("ledger", "show", unit / "ledger.jsonl")
    run("keys", "audit", here.folder)
    run("expire", here.folder)
    run("agreement", "show", here.agreement)
    payloads = [here.payload(party) for party in CUSTODIANS]
    own = ("--agreement", here.agreement, "--key", here.keys(RELEASER) / f"{RELEASER}.party.key")
    own = (*own, "--passphrase-file", here.keys(RELEASER) / "passphrase")
    rates = run("rates", link_map, *payloads, "--by", "arm", *own, "-o", vault / "rates")
    assert rates.exit_code == 0, rates.output
    found = run("evidence", here.agreement, "--schema", here.schema, "-o", vault / "evidence")
    assert found.exit_code == 0, found.output
    table = run("tables", vault / "again" / "release.parquet", "--rows", "council_arm", "-o", vault / "t")
    assert (vault / "t").exists() == (table.exit_code == 0), table.output
    refused = run("rates", here.link_map, *payloads, "--by", "arm", *_as_council(here), "-o", tmp_path / "r")
    assert refused.exit_code == 1
    assert not (tmp_path / "r").exists()
    assert before == {party: state(here.folder / party) for party in CUSTODIANS}


def test_timing_attack_a_custodians_receipts_are_the_same_whatever_is_linked(project: Project) -> None:
    """What a custodian writes down is made before anything is linked, and is of its own extract alone."""
    known = {
        "rows",
        "objections",
        "objections_unknown",
        "schema",
        "keys",
        "encodings",
        "payload",
        "records",
        "do_not_link",
        "known_links",
    }
    for party in CUSTODIANS:
        for receipt in chain.read(project.folder / party / "ledger.jsonl"):
            assert receipt.step == "encode"
            assert set(receipt.details) <= known


def reached(module: str, seen: set[str]) -> set[str]:
    """Modules of ours that a module imports, directly or through others."""
    path = ROOT / (module.replace(".", "/") + ".py")
    if module in seen or not path.is_file():
        return seen
    seen.add(module)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        for name in names:
            if name.startswith("pseudolink"):
                reached(name, seen)
    return seen


@pytest.mark.parametrize(
    "module", ["pseudolink.roles.custodian", "pseudolink.roles.withdrawing", "pseudolink.cli.custodian"]
)
def test_the_custodians_program_cannot_even_read_a_link_map_or_a_release(module: str) -> None:
    seen = reached(module, set())
    assert len(seen) > 20
    barred = (
        "pseudolink.formats.linkmap",
        "pseudolink.roles.operator",
        "pseudolink.roles.releaser",
        "pseudolink.release",
        "pseudolink.match",
        "pseudolink.score",
        "pseudolink.resolve",
    )
    assert not [one for one in seen if one.startswith(barred)]


def test_a_custodian_opens_no_package_of_another_whoever_sealed_it(tmp_path: Path) -> None:
    chance = random.Random(5)
    agreement = parse_agreement(raw_agreement())
    for _ in range(200):
        artefact, who = chance.choice(ARTEFACTS), chance.choice(("council", "schools", "police"))
        party = agreement.party(who)
        if artefact == "records":
            continue
        with pytest.raises(NotPermittedError):
            rules.refuse_receiver(party, artefact)
