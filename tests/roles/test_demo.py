"""The demo: invented people, every role in its own folder, judged against the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from project_on_disk import CHEAP, CUSTODIANS, OPERATOR, RELEASER, Project

from pseudolink.agreement import load_signed
from pseudolink.cli.anyone import demo_schema
from pseudolink.errors import OutputExistsError, UsageError
from pseudolink.keys import vault
from pseudolink.roles import demo
from pseudolink.synthetic.population import ATTRIBUTES, IDENTIFIERS


def test_every_party_has_its_folder_and_nothing_else_is_left(project: Project) -> None:
    """Above all not the link map that was opened to judge it, and not the truth."""
    assert {p.name for p in project.folder.iterdir()} == {*demo.NAMES, "shared"}
    assert not list(project.folder.rglob("*truth*"))
    assert not list(project.folder.rglob(".pseudolink-tmp-*"))


def test_parties_hold_what_they_may(project: Project) -> None:
    held = {
        party: {p.name for p in (project.folder / party).rglob("*") if p.is_file() and "keys" not in p.parts}
        for party in demo.NAMES
    }
    assert held[OPERATOR] == {"ledger.jsonl", "linkmap.package", "model.json", "report.html", "summary.json"}
    assert held[RELEASER] == {
        "ledger.jsonl", "release.csv", "release.json", "release.parquet",
        "codebook.csv", "dictionary.csv", "linkage.csv", "linkage.json",
    }  # fmt: skip
    assert held["university"] == set()
    for party in CUSTODIANS:
        sent = {f"{party}.{what}.package" for what in ("encodings", "payload", "records")}
        own = {"extract.csv", "ledger.jsonl"} | sent
        assert held[party] == own | ({"objections.csv"} if party == "council" else set())


def test_only_custodians_hold_the_linkage_key_and_only_the_releaser_the_release_key(
    project: Project,
) -> None:
    for party in demo.NAMES:
        kinds = {p.name for p in project.keys(party).glob("*.key")}
        expected = {f"{party}.party.key"}
        expected |= {"linkage.key"} if party in CUSTODIANS else set()
        expected |= {"release.key"} if party == RELEASER else set()
        assert kinds == expected


def test_key_files_and_passphrases_are_their_owners_alone(project: Project) -> None:
    for path in project.folder.rglob("keys/*"):
        if not path.name.endswith(".pub"):
            assert path.stat().st_mode & 0o077 == 0, path.name


def test_the_agreement_permits_what_the_extracts_hold(project: Project) -> None:
    agreed = load_signed(project.agreement)
    assert agreed.key_check == project.linkage_key().check_value(agreed.project, agreed.schema)
    for party in CUSTODIANS:
        one = agreed.party(party)
        assert set(one.fields) <= set(IDENTIFIERS[party])
        assert set(one.attributes) == set(ATTRIBUTES[party])
        table = pd.read_csv(project.extract(party), dtype=str)
        assert {*one.fields, *one.attributes} <= set(table.columns)
    assert [one.id for one in agreed.recipients_of("link_map")] == [RELEASER]


def test_the_counts_are_those_of_the_extracts(project: Project) -> None:
    for agency in project.result.agencies:
        table = pd.read_csv(project.extract(agency.agency), dtype=str)
        assert agency.records == len(table)
        assert 0 < agency.true_pairs <= agency.records
        assert agency.links <= agency.records
        assert agency.precision == pytest.approx(round(agency.precision * agency.links) / agency.links)
        assert agency.recall == pytest.approx(round(agency.recall * agency.true_pairs) / agency.true_pairs)
        assert 0 <= agency.expected_precision <= 1
        assert 0 <= agency.expected_recall <= 1


def test_a_seed_gives_the_same_people_and_results(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and IDs are new, so files differ; who is linked with whom does not."""
    monkeypatch.setattr(vault, "_COST", CHEAP)
    again = demo.run(600, tmp_path / "again", schema=demo_schema(), seed=project.result.seed, rules=False)
    for first, second in zip(project.result.agencies, again.agencies, strict=True):
        # Which bits of two filters fall together depends on the key, and so a level now and then.
        assert first.expected_precision == pytest.approx(second.expected_precision, abs=1e-3)
        assert first.expected_recall == pytest.approx(second.expected_recall, abs=1e-3)
        near = {"expected_precision": 0.0, "expected_recall": 0.0}
        assert replace(first, **near) == replace(second, **near)
    assert project.extract("work").read_bytes() == (tmp_path / "again" / "work" / "extract.csv").read_bytes()
    assert (
        project.encodings("work").read_bytes()
        != (again.folder / "work" / "outbox" / "work.encodings.package").read_bytes()
    )


def test_too_few_people_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 500"):
        demo.run(499, tmp_path / "demo", schema=demo_schema())
    with pytest.raises(OutputExistsError):
        demo.run(600, tmp_path, schema=demo_schema())
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise UsageError("half-way")

    monkeypatch.setattr(vault, "_COST", CHEAP)
    monkeypatch.setattr(demo.operator, "link", fails)
    with pytest.raises(UsageError, match="half-way"):
        demo.run(500, tmp_path / "demo", schema=demo_schema())
    assert list(tmp_path.iterdir()) == []
