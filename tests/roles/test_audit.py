from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from parties_in_memory import PASSPHRASE
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, build, run

from pseudolink.errors import KeyFileError
from pseudolink.keys import destruction, vault
from pseudolink.keys.linkage import LinkageKey
from pseudolink.ledger import chain, together
from pseudolink.roles.audit import audit
from pseudolink.roles.expiry import destroy, listed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return build(tmp_path_factory.mktemp("audited") / "demo", 500)


@pytest.fixture
def project(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy that a test may spoil."""
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))
    shutil.copytree(made.folder, tmp_path / "demo")
    return Project(tmp_path / "demo", made.result)


def faults(project: Project) -> set[str]:
    return {one["code"] for one in audit([project.folder])["findings"] if one["severity"] == "fault"}


def test_a_project_in_order_has_no_fault_and_every_use_is_traced(project: Project) -> None:
    found = audit([project.folder])
    assert found["faults"] == 0, found["findings"]
    by_file = {one["file"]: one for one in found["keys"]}
    assert len(by_file) == 7 + 4 + 1
    for party in CUSTODIANS:
        key = by_file[f"{party}/keys/linkage.key"]
        assert [one["step"] for one in key["uses"]] == ["encode"]
        assert key["role"] == "custodian"
    assert [one["step"] for one in by_file[f"{RELEASER}/keys/release.key"]["uses"]] == ["release"]
    assert {key["age_days"] for key in found["keys"]} <= {0, 1}


def test_the_audit_needs_no_passphrase_and_shows_no_secret(project: Project, tmp_path: Path) -> None:
    secrets = [
        (path.parent / "passphrase").read_text().strip() for path in project.folder.glob("*/keys/passphrase")
    ]
    for path in project.folder.glob("*/keys/*.key"):
        secrets.append(json.loads(path.read_text())["sealed"])
    done = run("keys", "audit", project.folder, "--html", tmp_path / "k.html")
    assert done.exit_code == 0, done.output
    shown = (
        done.output
        + run("keys", "audit", project.folder, "--json").output
        + (tmp_path / "k.html").read_text()
    )
    assert not [one for one in secrets if one in shown]


def test_the_linkage_key_in_the_operators_folder_is_a_fault(project: Project) -> None:
    shutil.copy2(project.keys("council") / "linkage.key", project.folder / OPERATOR / "harmless-name.txt")
    assert "wrong-role" in faults(project)
    assert run("keys", "audit", project.folder).exit_code == 3


@pytest.mark.parametrize(
    ("role", "party"), [("release key at a custodian", "council"), ("release key at the operator", OPERATOR)]
)
def test_a_release_key_is_the_releasers_alone(project: Project, role: str, party: str) -> None:
    shutil.copy2(project.keys(RELEASER) / "release.key", project.folder / party / "r.key")
    assert {"wrong-role", "copy"} <= faults(project), role


def test_a_copy_in_the_same_folder_is_a_fault_even_under_another_passphrase(project: Project) -> None:
    project.linkage_key().save(project.folder / "council" / "spare.key", PASSPHRASE)
    assert faults(project) == {"copy"}


def test_keys_and_passphrases_that_others_can_read_are_faults(project: Project) -> None:
    (project.keys("council") / "linkage.key").chmod(0o640)
    (project.keys("schools") / "passphrase").chmod(0o644)
    assert faults(project) == {"key-exposed", "passphrase-exposed"}


def test_keys_of_two_parties_in_one_folder_are_a_fault(project: Project) -> None:
    shutil.copy2(project.keys(OPERATOR) / f"{OPERATOR}.party.key", project.keys("council"))
    assert {"two-parties", "wrong-role", "copy"} <= faults(project)


def test_a_package_without_a_receipt_is_a_fault(project: Project) -> None:
    run(
        *project.encode(
            project.folder / "offending" / "again", ledger=project.folder.parent / "elsewhere.jsonl"
        )
    )
    assert faults(project) == {"use-without-receipt"}


def test_a_receipt_without_its_key_is_a_fault_unless_a_certificate_says_why(
    project: Project,
) -> None:
    keys = project.keys("work")
    kept = (keys / "linkage.key").read_bytes()
    for party in CUSTODIANS:
        (project.keys(party) / "linkage.key").unlink()
    assert faults(project) == {"receipt-without-key"}
    (keys / "linkage.key").write_bytes(kept)
    (keys / "linkage.key").chmod(0o600)
    done = run(
        "keys",
        "destroy",
        keys / "linkage.key",
        "--key",
        keys / "work.party.key",
        "--agreement",
        project.agreement,
        "--ledger",
        project.folder / "work" / "ledger.jsonl",
        "--passphrase-file",
        keys / "passphrase",
        "--yes",
    )
    assert done.exit_code == 0, done.output
    assert faults(project) == set()
    assert len(audit([project.folder])["destroyed"]) == 1
    again = run(*project.encode(project.folder.parent / "again", "work"))
    assert "PL-KEY-01" in again.stderr or "PL-KEY-05" in again.stderr


def test_a_contribution_left_after_the_ceremony_is_a_fault(project: Project) -> None:
    vault.write(project.keys("council") / "contribution.key", b"{}", PASSPHRASE, "contribution")
    assert faults(project) == {"contribution-left"}


def test_ledgers_of_a_project_verify_together(project: Project) -> None:
    from pseudolink.agreement import load_agreement

    publics = {one.id: one.signing_key for one in load_agreement(project.agreement).parties}
    found = together.verify(sorted(project.folder.glob("*/ledger.jsonl")), publics)
    assert found.seen >= 8


# ---------------------------------------------------------------- expiry


def test_what_is_past_its_date_is_listed_and_destroyed_on_demand(project: Project) -> None:
    """P8 and P12: afterwards packages, releases and keys are gone, and the evidence is not."""
    later = datetime.now(UTC).date() + timedelta(days=6 * 365)
    unit = project.folder / OPERATOR
    assert not any(one.past for one in listed(project.folder, later - timedelta(days=6 * 365)))
    assert all(one.past for one in listed(project.folder, later))
    shutil.copy2(project.agreement, unit)
    key = project.party_key(OPERATOR)
    gone = destroy(unit, key, ledger=unit / "ledger.jsonl", agreement="ab" * 32, today=later)
    assert {one.kind for one in gone} == {"package", "key"}
    left = sorted(path.name for path in unit.rglob("*") if path.is_file())
    assert "linkmap.package" not in left
    assert f"{OPERATOR}.party.key" not in left
    assert {"ledger.jsonl", f"{OPERATOR}.party.key.destroyed.json", "agreement.toml"} <= set(left)
    assert chain.read(unit / "ledger.jsonl")[-1].step == "destroy"
    done = run(*project.link(project.folder.parent / "out"))
    assert "PL-KEY-05" in done.stderr or "no such" in done.stderr.lower() or done.exit_code == 2


def test_a_release_past_its_date_is_destroyed_and_nothing_else_in_its_folder(project: Project) -> None:
    later = datetime.now(UTC).date() + timedelta(days=6 * 365)
    place = project.folder / RELEASER
    (place / "release" / "notes.txt").write_text("the team's own")
    # A further table, as a release with events or families has.
    description = place / "release" / "release.json"
    told = json.loads(description.read_text())
    description.write_text(json.dumps({**told, "further": {"schools_absences": {}}}))
    (place / "release" / "schools_absences.csv").write_text("programme_id\n")
    shutil.copy2(project.agreement, place)
    destroy(
        place, project.party_key(RELEASER), ledger=place / "ledger.jsonl", agreement="ab" * 32, today=later
    )
    assert [path.name for path in (place / "release").iterdir()] == ["notes.txt"]


def test_a_party_destroys_no_key_of_another_and_its_own_last(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = datetime.now(UTC).date() + timedelta(days=6 * 365)
    before = sorted(project.folder.rglob("*"))
    own = {"ledger": project.folder / "council" / "ledger.jsonl", "agreement": "ab" * 32, "today": later}
    with pytest.raises(KeyFileError, match=OPERATOR):
        destroy(project.folder, project.party_key("council"), **own)
    assert sorted(project.folder.rglob("*")) == before

    council = project.folder / "council"
    shutil.copy2(project.agreement, council)
    order: list[str] = []
    overwrite = destruction.overwrite
    monkeypatch.setattr(destruction, "overwrite", lambda path: (order.append(path.name), overwrite(path))[1])
    destroy(council, project.party_key("council"), **own)
    assert order[-1] == "council.party.key"
    assert "linkage.key" in order


def test_expire_lists_and_destroys_nothing_by_itself(project: Project) -> None:
    before = sorted(project.folder.rglob("*"))
    done = run("expire", project.folder, "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["past"] == 0
    assert {one["kind"] for one in found["items"]} >= {"package", "release", "key", "agreement"}
    assert sorted(project.folder.rglob("*")) == before


def test_renewing_says_what_has_to_be_encoded_again(project: Project) -> None:
    done = run(
        "keys",
        "linkage",
        "renew",
        project.keys("work") / "linkage.key",
        "--agreement",
        project.agreement,
        "--ledger",
        project.folder / "work" / "ledger.jsonl",
        "--json",
    )
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["old"] == project.linkage_key().fingerprint
    assert [one["step"] for one in found["encoded_under_it"]] == ["encode"]
    assert "cannot be rotated" in done.stderr
    assert LinkageKey.generate().fingerprint != found["old"]
