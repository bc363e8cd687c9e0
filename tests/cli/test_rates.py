"""rates: linkage rates by subgroup, from sealed packages."""

from __future__ import annotations

import json
from pathlib import Path

from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, leftovers, run


def arguments(project: Project, output: Path, *, role: str = RELEASER, by: str = "arm") -> list[object]:
    return [
        "rates",
        project.link_map,
        *(project.payload(party) for party in CUSTODIANS),
        "--by",
        by,
        "--agreement",
        project.agreement,
        "--key",
        project.keys(role) / f"{role}.party.key",
        "--passphrase-file",
        project.keys(role) / "passphrase",
        "--output",
        output,
        "--ledger",
        output.parent / "ledger.jsonl",
    ]


def test_rates_by_arm_are_counted_and_receipted(project: Project, tmp_path: Path) -> None:
    result = run(*arguments(project, tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)["rates"]
    kept = json.loads((tmp_path / "out" / "linkage-rates.json").read_text())
    assert kept["rates"] == told
    assert {(one["party"], one["attribute"]) for one in told} == {("council", "arm")}
    known = [one for one in told if one["records"] is not None]
    assert known
    for one in known:
        assert one["records"] % 5 == one["linked"] % 5 == 0
        assert 0 < one["linked"] < one["records"]
    assert '"rates"' in (tmp_path / "ledger.jsonl").read_text()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "linkage-rates.html",
        "linkage-rates.json",
    ]


def test_the_table_for_people_names_every_subgroup(project: Project, tmp_path: Path) -> None:
    result = run(*arguments(project, tmp_path / "out"))
    assert result.exit_code == 0, result.output
    assert "arm: participant" in result.stdout or "(not told)" in result.stdout


def test_only_the_releaser_counts(project: Project, tmp_path: Path) -> None:
    result = run(*arguments(project, tmp_path / "out", role=OPERATOR))
    assert result.exit_code != 0
    assert "PL-AGREE-05" in result.stderr
    assert leftovers(tmp_path) == []


def test_an_unknown_attribute_leaves_no_output(project: Project, tmp_path: Path) -> None:
    result = run(*arguments(project, tmp_path / "out", by="postcode"))
    assert result.exit_code != 0
    assert "PL-RELEASE-01" in result.stderr
    assert leftovers(tmp_path) == []
