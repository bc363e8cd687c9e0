"""encode: what it reads, what it says, where it puts things."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from project_on_disk import RELEASER, Project, leftovers, run

from pseudolink.agreement import load_signed
from pseudolink.seal.package import open_package

HEADING = ("forename", "surname", "dob", "postcode", "offences", "offence_year")
ROWS = (
    ("Zoë", "Brontë", "1987-06-05", "DH7 9XY", "2", "2020"),
    ("Siân", "Llewelyn", "1990-01-31", "DH1 3AB", "1", "2021"),
)


def payload(project: Project, package: Path, plain: Path) -> pd.DataFrame:
    """What the releaser finds in a payload."""
    agreed = load_signed(project.agreement)
    key = project.party_key(RELEASER)
    open_package(package, plain, agreement=agreed, recipient=key, artefact="payload")
    return pq.read_table(plain).to_pandas()


def test_the_result_as_json_counts_and_names_both_packages(project: Project, tmp_path: Path) -> None:
    result = run(*project.encode(tmp_path / "out", "offending", "--json"))
    found = json.loads(result.stdout)
    table = pd.read_csv(project.extract("offending"), dtype=str, keep_default_na=False)
    assert found["rows"] == len(table)
    assert found["objections"] == found["unknown_objections"] == 0
    assert found["company"] <= 0.05
    assert found["fields"]["surname"]["filled"] == (table["surname"] != "").sum()
    for artefact in ("encodings", "payload"):
        path = Path(found[artefact])
        assert path == tmp_path / "out" / f"offending.{artefact}.package"
        assert path.is_file()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "offending.encodings.package",
        "offending.payload.package",
        "offending.records.package",
    ]


def test_the_receipt_is_beside_the_output(project: Project, tmp_path: Path) -> None:
    arguments = project.encode(tmp_path / "here" / "out")
    at = arguments.index("--ledger")
    result = run(*arguments[:at], *arguments[at + 2 :])
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "here" / "ledger.jsonl").is_file()


@pytest.mark.parametrize(
    ("delimiter", "encoding", "mark", "ends", "more"),
    [
        (",", "utf-8", b"", "\n", []),
        (",", "utf-8", b"\xef\xbb\xbf", "\r\n", []),
        (";", "utf-8", b"", "\r\n", []),
        ("\t", "utf-8", b"", "\n", []),
        ("|", "utf-8", b"", "\n", []),
        ("~", "utf-8", b"", "\n", ["--delimiter", "~"]),
        (";", "windows-1252", b"", "\r\n", ["--encoding", "windows-1252"]),
        (",", "utf-16", b"", "\r\n", ["--encoding", "utf-16"]),
    ],
)
def test_every_way_of_writing_a_table_is_read(
    project: Project, tmp_path: Path, delimiter: str, encoding: str, mark: bytes, ends: str, more: list[str]
) -> None:
    text = "".join(delimiter.join(row) + ends for row in (HEADING, *ROWS))
    (tmp_path / "extract.csv").write_bytes(mark + text.encode(encoding))
    result = run(
        *project.encode(
            tmp_path / "out", "offending", "--json", "--strict", *more, extract=tmp_path / "extract.csv"
        )
    )
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["rows"] == 2
    assert {name: one["valid"] for name, one in found["fields"].items()} == {
        "forename": 2, "surname": 2, "dob": 2, "postcode": 2, "nino": 0, "upn": 0,
    }  # fmt: skip
    held = payload(project, Path(found["payload"]), tmp_path / "plain.parquet")
    assert sorted(zip(held["offences"], held["offence_year"], strict=True)) == [("1", "2021"), ("2", "2020")]


def test_only_the_attributes_asked_for_are_packed(project: Project, tmp_path: Path) -> None:
    result = run(*project.encode(tmp_path / "out", "offending", "--attributes", " offences ,", "--json"))
    held = payload(project, Path(json.loads(result.stdout)["payload"]), tmp_path / "plain.parquet")
    assert sorted(held.columns) == ["offences", "record"]


def test_no_attribute_at_all_can_be_packed(project: Project, tmp_path: Path) -> None:
    result = run(*project.encode(tmp_path / "out", "offending", "--attributes", "", "--json"))
    held = payload(project, Path(json.loads(result.stdout)["payload"]), tmp_path / "plain.parquet")
    assert list(held.columns) == ["record"]


def test_the_payload_has_no_identifier_and_another_order_than_the_extract(
    project: Project, tmp_path: Path
) -> None:
    """Position attack: with the extract's order, a row's place would name the person."""
    table = pd.read_csv(project.extract("council"), dtype=str, keep_default_na=False)
    held = payload(project, project.payload("council"), tmp_path / "plain.parquet")
    assert not set(held.columns) & {"forename", "surname", "dob", "sex", "postcode", "nino", "upn"}
    order = [list(table["programme_id"]).index(one) for one in held["programme_id"]]
    assert order != sorted(order)
    assert len(set(order)) == len(order)


def test_columns_of_the_cohort_can_have_other_names(project: Project, tmp_path: Path) -> None:
    table = pd.read_csv(project.extract("council"), dtype=str, keep_default_na=False)
    table = table.rename(columns={"programme_id": "Case No", "family_id": "Household"})
    table.to_csv(tmp_path / "extract.csv", index=False)
    arguments = project.encode(tmp_path / "out", "council", extract=tmp_path / "extract.csv")
    result = run(*arguments, "--programme-id", "case no", "--family-id", "household", "--json")
    assert result.exit_code == 0, result.stderr
    held = payload(project, Path(json.loads(result.stdout)["payload"]), tmp_path / "plain.parquet")
    assert set(held["programme_id"]) == set(table["Case No"])
    assert set(held["family_id"]) == set(table["Household"])


# ---------------------------------------------------------------- objections and programme IDs


def test_a_person_who_objects_is_in_neither_package(project: Project, tmp_path: Path) -> None:
    table = pd.read_csv(project.extract("council"), dtype=str, keep_default_na=False)
    out = list(table["programme_id"][:3])
    (tmp_path / "objections.txt").write_text("\ufeff" + "\r\n".join([f" {out[0]} ", *out[1:], "", out[0]]))
    result = run(
        *project.encode(tmp_path / "out", "council", "--json", objections=tmp_path / "objections.txt")
    )
    found = json.loads(result.stdout)
    assert (found["rows"], found["objections"]) == (len(table) - 3, 3)
    assert found["unknown_objections"] == 0
    held = payload(project, Path(found["payload"]), tmp_path / "plain.parquet")
    assert set(held["programme_id"]) == set(table["programme_id"]) - set(out)


def test_an_objection_that_matches_nobody_is_said(project: Project, tmp_path: Path) -> None:
    """A mistyped ID would otherwise have the person linked, and nobody would know."""
    (tmp_path / "objections.txt").write_text("programme_id\nE06000047-00O001\n")
    result = run(
        *project.encode(tmp_path / "out", "council", "--json", objections=tmp_path / "objections.txt")
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["unknown_objections"] == 2
    assert "2 of the objections listed match no record" in result.stderr
    assert "00O001" not in result.stderr


def test_a_cohort_row_without_a_programme_id_is_refused_before_encoding(
    project: Project, tmp_path: Path
) -> None:
    """The release needs it; when the releaser finds out, it is too late to correct."""
    table = pd.read_csv(project.extract("council"), dtype=str, keep_default_na=False)
    table.loc[[4, 9], "programme_id"] = [" ", ""]
    table.to_csv(tmp_path / "extract.csv", index=False)
    result = run(*project.encode(tmp_path / "out", "council", extract=tmp_path / "extract.csv"))
    assert result.exit_code == 1
    assert "PL-INPUT-01: extract.csv: 2 rows without a programme ID, first row 5" in result.stderr
    assert leftovers(tmp_path) == ["extract.csv"]


def test_only_the_cohorts_custodian_gives_objections(project: Project, tmp_path: Path) -> None:
    (tmp_path / "objections.txt").write_text("E06000047-000001\n")
    result = run(*project.encode(tmp_path / "out", "offending", objections=tmp_path / "objections.txt"))
    assert result.exit_code == 1
    assert "PL-AGREE-05" in result.stderr
    assert leftovers(tmp_path) == ["objections.txt"]


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize("count", [0, 2])
def test_the_linkage_key_is_never_guessed(project: Project, tmp_path: Path, count: int) -> None:
    """With keys of two projects in one folder, the wrong one would be as good as any."""
    keys = tmp_path / "keys"
    shutil.copytree(project.keys("offending"), keys)
    if count:
        shutil.copy(keys / "linkage.key", keys / "another.linkage.key")
    else:
        (keys / "linkage.key").unlink()
    result = run(*project.encode(tmp_path / "out", keys=keys, **{"passphrase-file": keys / "passphrase"}))
    assert result.exit_code == 1
    assert "PL-KEY-01" in result.stderr
    assert "exactly one" in result.stderr
    assert leftovers(tmp_path) == ["keys"]


def test_the_linkage_key_may_carry_the_projects_name(project: Project, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    shutil.copytree(project.keys("offending"), keys)
    (keys / "linkage.key").rename(keys / "demo.linkage.key")
    result = run(*project.encode(tmp_path / "out", keys=keys))
    assert result.exit_code == 0, result.stderr


def test_a_key_that_others_can_read_is_not_used(project: Project, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    shutil.copytree(project.keys("offending"), keys)
    (keys / "linkage.key").chmod(0o644)
    result = run(*project.encode(tmp_path / "out", keys=keys))
    assert result.exit_code == 1
    assert "PL-KEY-04" in result.stderr
    assert leftovers(tmp_path) == ["keys"]


def test_another_partys_key_is_not_this_partys(project: Project, tmp_path: Path) -> None:
    """A custodian cannot encode in another's name by renaming a file."""
    keys = tmp_path / "keys"
    shutil.copytree(project.keys("offending"), keys)
    shutil.copy(keys / "offending.party.key", keys / "work.party.key")
    result = run(*project.encode(tmp_path / "out", "offending", "--party", "work", keys=keys))
    assert result.exit_code == 1
    assert "PL-KEY-03: work.party.key holds the key of 'offending'" in result.stderr
    assert leftovers(tmp_path) == ["keys"]


# ---------------------------------------------------------------- options that make no sense


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--encoding", "klingon"], "PL-USE-01"),
        (["--delimiter", "ab"], "PL-USE-01"),
        (["--delimiter", '"'], "PL-USE-01"),
        (["--party", "nobody"], "PL-KEY-01"),
        (["--attributes", "offences,absent"], "PL-AGREE-06"),
        (["--programme-id", "absent", "--party", "offending"], None),
    ],
)
def test_options_that_make_no_sense_are_refused(
    project: Project, tmp_path: Path, more: list[str], code: str | None
) -> None:
    result = run(*project.encode(tmp_path / "out", "offending", *more))
    if code is None:  # only the cohort has programme IDs: the option does not concern this party
        assert result.exit_code == 0, result.stderr
        return
    assert result.exit_code == 1
    assert code in result.stderr
    assert leftovers(tmp_path) == []


def test_a_torn_ledger_stops_the_step_with_no_output(project: Project, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text('{"half')
    result = run(*project.encode(tmp_path / "out"))
    assert result.exit_code == 1
    assert "PL-LEDGER-01" in result.stderr
    assert leftovers(tmp_path) == []
    assert (tmp_path / "ledger.jsonl").read_text() == '{"half'


def test_a_ledger_that_cannot_be_written_stops_the_step_with_no_output(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    result = run(*project.encode(tmp_path / "out", ledger=tmp_path / "folder"))
    assert result.exit_code == 1
    assert "PL-OUT-02" in result.stderr
    assert leftovers(tmp_path) == ["folder"]
