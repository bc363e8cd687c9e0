"""link: what it says, what it refuses, and what stands in its folder."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from project_on_disk import CUSTODIANS, OPERATOR, Project, leftovers, run

from pseudolink.cli.common import size_in_bytes


def test_the_result_as_json_is_the_summary_of_the_report(project: Project, tmp_path: Path) -> None:
    result = run(*project.link(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["summary"] == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "linkmap.package", "model.json", "report.html", "summary.json",
    ]  # fmt: skip
    assert {(p["left"], p["right"]) for p in found["summary"]["pairs"]} == {
        ("council", other) for other in CUSTODIANS[1:]
    }


def test_the_text_names_every_pair_with_what_to_expect(project: Project, tmp_path: Path) -> None:
    text = run(*project.link(tmp_path / "out")).stdout
    for other in CUSTODIANS[1:]:
        line = next(line for line in text.splitlines() if line.startswith(f"council and {other}: "))
        assert "expected precision" in line
        assert "recall" in line


def test_the_order_of_the_packages_does_not_count(project: Project, tmp_path: Path) -> None:
    """The cohort is the agreement's, not the first on the command line."""
    summaries = []
    for number, order in enumerate((CUSTODIANS, CUSTODIANS[::-1])):
        packages = [project.encodings(party) for party in order]
        found = run(*project.link(tmp_path / f"out{number}", *packages), "--json")
        summaries.append(json.loads(found.stdout)["summary"])
    assert summaries[0] == summaries[1]


def test_the_receipt_is_beside_the_output(project: Project, tmp_path: Path) -> None:
    arguments = project.link(tmp_path / "here" / "out")
    at = arguments.index("--ledger")
    result = run(*arguments[:at], *arguments[at + 2 :])
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "here" / "ledger.jsonl").is_file()


def refused(project: Project, tmp_path: Path, *packages: Path, kept: tuple[str, ...] = ()) -> str:
    result = run(*project.link(tmp_path / "out", *packages))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert leftovers(tmp_path) == sorted(kept)
    assert not (tmp_path / "ledger.jsonl").exists()
    return result.stderr


def test_one_package_is_no_linkage(project: Project, tmp_path: Path) -> None:
    assert "PL-LINK-01" in refused(project, tmp_path, project.encodings("council"))


def test_a_file_that_is_no_package_is_refused(project: Project, tmp_path: Path) -> None:
    said = refused(project, tmp_path, project.encodings("council"), project.agreement)
    assert "PL-SEAL-01" in said


def test_a_link_map_is_no_encodings(project: Project, tmp_path: Path) -> None:
    assert "PL-AGREE-05" in refused(project, tmp_path, project.encodings("council"), project.link_map)


@pytest.mark.parametrize("kilobytes", [0, 1, 5, -1])
def test_truncation_attack_through_the_command(project: Project, tmp_path: Path, kilobytes: int) -> None:
    whole = project.encodings("offending").read_bytes()
    cut = whole[: kilobytes * 1024] if kilobytes >= 0 else whole[:-1]
    (tmp_path / "cut.package").write_bytes(cut)
    said = refused(
        project, tmp_path, project.encodings("council"), tmp_path / "cut.package", kept=("cut.package",)
    )
    assert "PL-SEAL-01" in said


def test_bit_flip_attack_through_the_command(project: Project, tmp_path: Path) -> None:
    whole = project.encodings("offending").read_bytes()
    rng = random.Random(7)
    for _ in range(12):
        at = rng.randrange(len(whole))
        changed = bytearray(whole)
        changed[at] ^= 1 << rng.randrange(8)
        (tmp_path / "flipped.package").write_bytes(bytes(changed))
        said = refused(
            project, tmp_path, project.encodings("council"), tmp_path / "flipped.package",
            kept=("flipped.package",),
        )  # fmt: skip
        assert re.search(r"^PL-(SEAL|FORMAT|AGREE|SCHEMA|KEY)-\d\d: .{10,}", said, re.MULTILINE)


def test_signature_of_another_package_does_not_fit(project: Project, tmp_path: Path) -> None:
    """A signature is over one package: that of the payload does not make the encodings good."""
    whole = bytearray(project.encodings("offending").read_bytes())
    whole[-64:] = project.payload("offending").read_bytes()[-64:]
    (tmp_path / "exchanged.package").write_bytes(bytes(whole))
    said = refused(
        project, tmp_path, project.encodings("council"), tmp_path / "exchanged.package",
        kept=("exchanged.package",),
    )  # fmt: skip
    assert "PL-SEAL-02" in said


def test_a_custodian_cannot_act_as_the_operator(project: Project, tmp_path: Path) -> None:
    keys = project.keys("council")
    changed = {"key": keys / "council.party.key", "passphrase-file": keys / "passphrase"}
    result = run(*project.link(tmp_path / "out", **changed))
    assert result.exit_code == 1
    assert "PL-AGREE-05" in result.stderr
    assert leftovers(tmp_path) == []


def test_the_operators_command_needs_no_linkage_key(project: Project) -> None:
    """There is nowhere to put one in."""
    shown = run("link", "--help").output
    assert "linkage-key" not in shown
    assert not list(project.keys(OPERATOR).glob("*linkage.key"))


def test_a_dry_run_says_what_to_expect_and_writes_nothing(project: Project, tmp_path: Path) -> None:
    result = run(*project.link(tmp_path / "out"), "--dry-run", "--memory", "512M")
    assert result.exit_code == 0, result.stderr
    for other in CUSTODIANS[1:]:
        assert f"council and {other}, from " in result.stdout
    assert "candidate pairs" in result.stdout
    assert "shards" in result.stdout
    assert leftovers(tmp_path) == []
    found = json.loads(run(*project.link(tmp_path / "out"), "--dry-run", "--json").stdout)
    assert [one["left"] for one in found["expected"]] == ["council"] * len(CUSTODIANS[1:])
    assert {one["right"] for one in found["expected"]} == set(CUSTODIANS[1:])
    every = json.loads(run(*project.link(tmp_path / "out"), "--dry-run", "--every-pair", "--json").stdout)
    assert len(every["expected"]) == len(CUSTODIANS) * (len(CUSTODIANS) - 1) // 2
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("size", ["0", "much", "-4G", "4X", "1e9", ""])
def test_what_is_no_size_of_memory_is_refused(size: str, project: Project, tmp_path: Path) -> None:
    result = run(*project.link(tmp_path / "out"), "--memory", size)
    assert result.exit_code == 1
    assert "PL-USE-01" in result.stderr
    assert leftovers(tmp_path) == []


def test_a_size_of_memory_is_read_in_every_unit() -> None:
    sizes = ["1000000", "512M", "4G", "4 GiB", "1.5g", "2T", "3kB"]
    expected = [10**6, 1 << 29, 1 << 32, 1 << 32, 3 << 29, 1 << 41, 3 << 10]
    assert expected == [size_in_bytes(size) for size in sizes]
