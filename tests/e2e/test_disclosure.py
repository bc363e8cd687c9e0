"""Disclosure rules of an agreement, from extracts to a dataset that keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from project_on_disk import CUSTODIANS, Project, run, sign_again

RULES = """
[disclosure]
profile = "strict"
quasi = ["council_arm", "council_programme_start", "family_size"]
events = ["schools_exclusions", "offending_offences"]
[disclosure.steps]
council_programme_start = ["month", "quarter", "year"]
[disclosure.top]
family_size = 5
schools_exclusions = 3
"""


def linked_anew(project: Project, folder: Path) -> tuple[Path, list[Path]]:
    """Deliveries and a link map under the agreement as it is now."""
    for party in CUSTODIANS:
        done = run(*project.encode(folder / party, party))
        assert done.exit_code == 0, done.stderr
    packages = [folder / party / f"{party}.encodings.package" for party in CUSTODIANS]
    done = run(*project.link(folder / "linkage", *packages))
    assert done.exit_code == 0, done.stderr
    return folder / "linkage" / "linkmap.package", [
        folder / party / f"{party}.payload.package" for party in CUSTODIANS
    ]


def test_a_release_keeps_the_rules_of_its_agreement(copied: Project, tmp_path: Path) -> None:
    copied.agreement.write_text(copied.agreement.read_text(encoding="utf-8") + RULES, encoding="utf-8")
    sign_again(copied)
    link_map, payloads = linked_anew(copied, tmp_path)
    out = tmp_path / "release"

    refused = run(*copied.release(out, link_map, *payloads))
    assert refused.exit_code == 1
    assert "PL-DISC-03" in refused.stderr
    assert "people in classes below k" in refused.stderr
    assert not out.exists()

    done = run(*copied.release(out, link_map, *payloads), "--accept")
    assert done.exit_code == 0, done.stderr
    table = pq.read_table(out / "release.parquet")
    names = ["council_arm", "council_programme_start", "family_size"]
    sizes = table.group_by(names).aggregate([([], "count_all")]).column("count_all").to_pylist()
    assert min(sizes) >= 10
    report = json.loads((out / "disclosure.json").read_text())
    assert report["after"]["smallest"] == min(sizes)
    assert report["columns"]["council_programme_start"]["step"] in ("month", "quarter", "year")
    assert len({len(v) for v in table.column("council_programme_end").to_pylist() if v}) == 1  # months
    assert json.loads((out / "release.json").read_text())["disclosure_rules"] == report["rules"]


def test_rules_that_do_not_fit_the_release_leave_nothing(copied: Project, tmp_path: Path) -> None:
    copied.agreement.write_text(
        copied.agreement.read_text(encoding="utf-8")
        + '\n[disclosure]\nquasi = ["council_arm", "shoe_size"]\nk = 3\n',
        encoding="utf-8",
    )
    sign_again(copied)
    link_map, payloads = linked_anew(copied, tmp_path)
    refused = run(*copied.release(tmp_path / "release", link_map, *payloads), "--accept")
    assert refused.exit_code == 1
    assert "PL-DISC-01" in refused.stderr
    assert not (tmp_path / "release").exists()
