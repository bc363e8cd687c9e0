"""The releaser's role: what it joins, what it names people by, what it describes."""

from __future__ import annotations

import json
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, leftovers, sign_again

from pseudolink.agreement import load_signed
from pseudolink.errors import (
    AgreementExpiredError,
    MixedArtefactsError,
    NotPermittedError,
    PseudolinkError,
    ReleaseError,
)
from pseudolink.formats import released
from pseudolink.keys.release import ReleaseKey
from pseudolink.ledger import chain
from pseudolink.roles import custodian, operator, releaser
from pseudolink.roles.releaser import Released
from pseudolink.seal.package import file_digest

# Not bytes(range(32)): such a run stands in many a Parquet file by itself.
SECRET = sha256(b"a release key of tests").digest()
KEY = ReleaseKey(SECRET)


def release(project: Project, tmp_path: Path, *payloads: Path, **changed: Any) -> Released:
    arguments = {
        "link_map": project.link_map,
        "agreement": project.agreement,
        "key": project.party_key(RELEASER),
        "release_key": KEY,
        "output": tmp_path / "out",
        "ledger": tmp_path / "ledger.jsonl",
        **changed,
    }
    chosen = payloads or tuple(project.payload(party) for party in CUSTODIANS)
    return releaser.release(arguments.pop("link_map"), chosen, **arguments)


def council(project: Project) -> pd.DataFrame:
    """The cohort's extract without the people who object."""
    table = pd.read_csv(project.extract("council"), dtype=str, keep_default_na=False)
    objecting = (project.folder / "council" / "objections.csv").read_text().split()
    return table[~table["programme_id"].isin(objecting)]


# ---------------------------------------------------------------- what it makes


def test_everybody_of_the_cohort_is_in_it_under_a_pseudonym(project: Project, tmp_path: Path) -> None:
    """The pseudonym is the release key's; the attributes are that person's own."""
    made = release(project, tmp_path)
    rows = pq.read_table(made.parquet).to_pylist()
    described = json.loads((made.folder / released.DESCRIPTION).read_text())
    own = KEY.of_release("demo", described["recipient"], described["release"])
    people = council(project)
    assert len(rows) == len(people)
    found = {row["programme_id"]: row for row in rows}
    for one in people.to_dict("records"):
        row = found[own.pseudonym("demo", str(one["programme_id"]))]
        assert row["family_id"] == own.family("demo", str(one["family_id"]))
        assert row["council_arm"] == one["arm"]
        start = row["council_programme_start"]
        assert (start.isoformat() if start else "") == one["programme_start"]


def test_families_stay_together(project: Project, tmp_path: Path) -> None:
    """D8: people of one family share its pseudonym, and no others do."""
    table = pq.read_table(release(project, tmp_path).parquet).to_pandas()
    sizes = sorted(table.groupby("family_id").size())
    assert sizes == sorted(council(project).groupby("family_id").size())


def test_attributes_of_other_parties_are_there_where_somebody_is_linked_and_only_there(
    project: Project, tmp_path: Path
) -> None:
    table = pq.read_table(release(project, tmp_path).parquet).to_pandas()
    for agency in project.result.agencies:
        assert table[f"{agency.agency}_linked"].sum() == agency.links
    extract = pd.read_csv(project.extract("schools"), dtype=str, keep_default_na=False)
    linked = table[table["schools_linked"]]
    assert set(linked["schools_attendance"].dropna()) <= set(
        extract["attendance"].replace("", "nan").astype(float)
    )
    assert (
        table.loc[~table["schools_linked"], ["schools_attendance", "schools_exclusions"]]
        .isna()
        .all(axis=None)
    )


def test_parquet_and_csv_hold_the_same(project: Project, tmp_path: Path) -> None:
    found = release(project, tmp_path)
    table = pq.read_table(found.parquet).to_pandas()
    again = pd.read_csv(found.folder / released.CSV, dtype=str, keep_default_na=False)
    assert list(again.columns) == list(table.columns)
    assert list(again["programme_id"]) == list(table["programme_id"])
    assert (again["offending_linked"] == "true").tolist() == table["offending_linked"].tolist()
    assert again["work_earnings_band"].tolist() == table["work_earnings_band"].fillna("").tolist()


def test_the_description_carries_purpose_statement_and_expiry(project: Project, tmp_path: Path) -> None:
    """P2, P3, P5, P8: what may not be done with it travels with it; it never says anonymous."""
    found = release(project, tmp_path)
    described = json.loads((found.folder / released.DESCRIPTION).read_text())
    agreed = load_signed(project.agreement)
    assert described["purpose"] == agreed.purpose
    assert described["expires"] == agreed.expires.isoformat()
    assert described["agreement"] == agreed.digest
    assert "decisions about individuals" in described["statement"]
    assert "local authority" in described["statement"]
    assert "anonym" not in json.dumps(described).lower().replace("pseudonym", "")
    assert described["rows"] == found.rows
    assert [c["name"] for c in described["columns"]] == list(found.columns)
    assert {(p["left"], p["right"]) for p in described["linkage"]} == {("council", p) for p in CUSTODIANS[1:]}
    assert described["release_key"] == KEY.fingerprint


def test_the_key_is_in_no_output(project: Project, tmp_path: Path) -> None:
    found = release(project, tmp_path)
    for path in (*found.folder.iterdir(), tmp_path / "ledger.jsonl"):
        data = path.read_bytes()
        assert SECRET not in data
        assert SECRET.hex().encode() not in data


def test_no_record_id_and_no_person_id_is_in_a_release(project: Project, tmp_path: Path) -> None:
    from pseudolink.formats import linkmap
    from pseudolink.seal.package import open_package

    found = release(project, tmp_path)
    open_package(
        project.link_map,
        tmp_path / "map.parquet",
        agreement=load_signed(project.agreement),
        recipient=project.party_key(RELEASER),
        artefact="link_map",
    )
    table = pq.read_table(found.parquet)
    assert all(str(t) != "fixed_size_binary[16]" for t in table.schema.types)
    shown = (found.folder / released.CSV).read_bytes()
    for row in linkmap.load(tmp_path / "map.parquet").to_pylist():
        for secret in (row["record"], row["person"]):
            assert secret not in shown
            assert SECRET.hex().encode() not in shown


def test_the_receipt_names_what_went_in_and_what_came_out(project: Project, tmp_path: Path) -> None:
    found = release(project, tmp_path)
    (receipt,) = chain.read(tmp_path / "ledger.jsonl")
    assert receipt.step == "release"
    assert receipt.details["link_map"] == file_digest(project.link_map)
    assert receipt.details["payloads"] == {p: file_digest(project.payload(p)) for p in sorted(CUSTODIANS)}
    for name in (released.PARQUET, released.CSV):
        assert receipt.details[name] == file_digest(found.folder / name)


def test_programme_ids_are_carried_as_supplied_when_the_agreement_says_why(
    copied: Project, tmp_path: Path
) -> None:
    """The whole path again under another agreement: its packages are bound to it."""
    reason = "The councils' evaluators already hold these IDs under an earlier agreement."
    sign_again(
        copied,
        ('programme_ids = "pseudonym"', f'programme_ids = "as-supplied"\nprogramme_ids_reason = "{reason}"'),
    )
    sent = [
        custodian.encode(
            copied.extract(party),
            agreement=copied.agreement,
            schema=copied.schema,
            key=copied.party_key(party),
            linkage_key=copied.linkage_key(),
            output=tmp_path / party,
            ledger=tmp_path / "ledger.jsonl",
        )
        for party in ("council", "offending")
    ]
    linked = operator.link(
        [one.encodings for one in sent],
        agreement=copied.agreement,
        schema=copied.schema,
        key=copied.party_key(OPERATOR),
        output=tmp_path / "linkage",
        ledger=tmp_path / "ledger.jsonl",
    )
    found = release(copied, tmp_path, *(one.payload for one in sent), link_map=linked.link_map)
    table = pq.read_table(found.parquet)
    extract = pd.read_csv(copied.extract("council"), dtype=str)
    assert set(table.column("programme_id").to_pylist()) == set(extract["programme_id"])
    assert not set(table.column("family_id").to_pylist()) & set(extract["family_id"])
    described = json.loads((found.folder / released.DESCRIPTION).read_text())
    assert described["programme_ids_reason"] == reason
    assert described["release_key"] is None


# ---------------------------------------------------------------- what it refuses


def refused(
    kind: type[PseudolinkError], match: str, project: Project, tmp_path: Path, *payloads: Path, **more: Any
) -> None:
    with pytest.raises(kind, match=match):
        release(project, tmp_path, *payloads, **more)
    assert leftovers(tmp_path) == []
    assert not (tmp_path / "ledger.jsonl").exists()


@pytest.mark.parametrize("party", ["council", OPERATOR, "university"])
def test_only_the_releaser_releases(project: Project, tmp_path: Path, party: str) -> None:
    refused(NotPermittedError, "only the releaser", project, tmp_path, key=project.party_key(party))


@pytest.mark.parametrize("missing", CUSTODIANS)
def test_every_partys_payload_is_needed(project: Project, tmp_path: Path, missing: str) -> None:
    payloads = [project.payload(party) for party in CUSTODIANS if party != missing]
    refused(ReleaseError, missing, project, tmp_path, *payloads)


def test_one_delivery_of_each_party_is_released(project: Project, tmp_path: Path) -> None:
    payloads = [project.payload(party) for party in (*CUSTODIANS, "schools")]
    refused(MixedArtefactsError, "schools", project, tmp_path, *payloads)


@pytest.mark.parametrize("day", [date(2000, 1, 1), date(2099, 1, 1)])
def test_nothing_is_released_outside_the_dates_of_the_agreement(
    project: Project, tmp_path: Path, day: date
) -> None:
    refused(AgreementExpiredError, "agreement", project, tmp_path, today=day)
