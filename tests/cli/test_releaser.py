"""release: what it says, what it refuses, and what stands in its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, leftovers, run

from pseudolink.keys.release import ReleaseKey


def test_the_result_as_json_says_what_is_in_the_folder(project: Project, tmp_path: Path) -> None:
    result = run(*project.release(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    table = pq.read_table(found["parquet"])
    assert (found["rows"], found["columns"]) == (table.num_rows, table.column_names)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "codebook.csv", "dictionary.csv", "linkage.csv", "linkage.json",
        "release.csv", "release.json", "release.parquet",
    ]  # fmt: skip


def test_the_receipt_is_beside_the_output(project: Project, tmp_path: Path) -> None:
    arguments = project.release(tmp_path / "here" / "out")
    at = arguments.index("--ledger")
    result = run(*arguments[:at], *arguments[at + 2 :])
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "here" / "ledger.jsonl").is_file()


def test_two_releases_cannot_be_joined_although_one_key_made_both(project: Project, tmp_path: Path) -> None:
    """The same people, in another order, under pseudonyms of which no two are equal."""
    tables = []
    for name in ("one", "two"):
        assert run(*project.release(tmp_path / name)).exit_code == 0
        tables.append(pq.read_table(tmp_path / name / "release.parquet"))
    for column in ("programme_id", "family_id"):
        assert not set(tables[0].column(column).to_pylist()) & set(tables[1].column(column).to_pylist())
    rest = [
        [tuple(row.values()) for row in table.drop_columns(["programme_id", "family_id"]).to_pylist()]
        for table in tables
    ]
    assert sorted(rest[0], key=repr) == sorted(rest[1], key=repr)
    assert rest[0] != rest[1]


def refused(result: object, tmp_path: Path, *kept: str) -> str:
    assert result.exit_code == 1  # type: ignore[attr-defined]
    assert result.stdout == ""  # type: ignore[attr-defined]
    assert leftovers(tmp_path) == sorted(kept)
    assert not (tmp_path / "ledger.jsonl").exists()
    return str(result.stderr)  # type: ignore[attr-defined]


@pytest.mark.parametrize("party", ["council", "offending", OPERATOR, "university"])
def test_nobody_but_the_releaser_opens_a_link_map_through_the_command(
    project: Project, tmp_path: Path, party: str
) -> None:
    """A custodian least of all, with whatever release key it makes for itself."""
    keys = project.keys(party)
    own = tmp_path / "own.key"
    ReleaseKey.generate().save(own, project.phrase(party))
    changed = {
        "key": keys / f"{party}.party.key",
        "release-key": own,
        "passphrase-file": keys / "passphrase",
    }
    said = refused(run(*project.release(tmp_path / "out", **changed)), tmp_path, "own.key")
    assert "PL-AGREE-05" in said


def test_a_payload_is_no_link_map(project: Project, tmp_path: Path) -> None:
    said = refused(run(*project.release(tmp_path / "out", project.payload("council"))), tmp_path)
    assert "PL-SEAL-01" in said


def test_encodings_are_no_payload_and_not_for_the_releaser(project: Project, tmp_path: Path) -> None:
    result = run(*project.release(tmp_path / "out", None, project.encodings("work")))
    assert "PL-AGREE-05" in refused(result, tmp_path)


def test_two_payloads_of_one_party_are_refused(project: Project, tmp_path: Path) -> None:
    payloads = [project.payload(party) for party in (*CUSTODIANS, "work")]
    said = refused(run(*project.release(tmp_path / "out", None, *payloads)), tmp_path)
    assert "PL-LINK-02" in said
    assert "work" in said


@pytest.mark.parametrize("which", ["map", "payload"])
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damaged_packages_are_not_released(project: Project, tmp_path: Path, which: str, how: str) -> None:
    source = project.link_map if which == "map" else project.payload("work")
    data = bytearray(source.read_bytes())
    if how == "cut":
        del data[len(data) // 2 :]
    else:
        data[-40] ^= 1
    damaged = tmp_path / "damaged.package"
    damaged.write_bytes(bytes(data))
    link_map = damaged if which == "map" else None
    payloads = [damaged if which == "payload" and p == "work" else project.payload(p) for p in CUSTODIANS]
    said = refused(run(*project.release(tmp_path / "out", link_map, *payloads)), tmp_path, "damaged.package")
    assert "PL-SEAL-0" in said


def test_a_key_of_another_kind_makes_no_pseudonyms(project: Project, tmp_path: Path) -> None:
    """The linkage key as release key would let every custodian compute the pseudonyms."""
    linkage = tmp_path / "linkage.key"
    project.linkage_key().save(linkage, project.phrase(RELEASER))
    result = run(*project.release(tmp_path / "out", **{"release-key": linkage}))
    said = refused(result, tmp_path, "linkage.key")
    assert "PL-KEY-01" in said
    assert "not a release key" in said


def test_no_pseudonym_can_be_made_with_the_linkage_key(project: Project) -> None:
    """What a custodian could compute from what it holds is in no release."""
    import pandas as pd

    key = ReleaseKey(project.linkage_key().derive("release"))
    ids = pd.read_csv(project.extract("council"), dtype=str)["programme_id"]
    released = pq.read_table(project.folder / RELEASER / "release" / "release.parquet")
    made = {key.pseudonym("demo", one) for one in ids}
    assert not made & set(released.column("programme_id").to_pylist())
