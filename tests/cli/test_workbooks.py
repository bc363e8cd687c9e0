"""Every command that takes an extract takes a workbook, and says what may be wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from project_on_disk import RELEASER, Project, leftovers, run

from pseudolink.agreement import load_signed
from pseudolink.seal.package import open_package

pytest.importorskip("openpyxl", reason="needs: pip install 'pseudolink[excel]'")


def table_of(project: Project, party: str) -> pd.DataFrame:
    return pd.read_csv(project.extract(party), dtype=str, keep_default_na=False)


def workbook(table: pd.DataFrame, path: Path, **more: pd.DataFrame) -> Path:
    """An extract as a council keeps it: days are days, empty cells are empty; sheets of lists beside it."""
    table = table.replace("", None)
    if "dob" in table:
        days = pd.to_datetime(table["dob"], errors="coerce")
        table = table.assign(
            dob=[t if pd.isna(d) else d.date() for t, d in zip(table["dob"], days, strict=True)]
        )
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        table.to_excel(writer, sheet_name="people", index=False)
        for name, one in more.items():
            one.to_excel(writer, sheet_name=name, index=False)
    return path


def payload(project: Project, package: Path, plain: Path) -> list[tuple[str, ...]]:
    key = project.party_key(RELEASER)
    agreed = load_signed(project.agreement)
    open_package(package, plain, agreement=agreed, recipient=key, artefact="payload")
    held = pq.read_table(plain).drop_columns(["record"]).to_pandas().fillna("")
    return sorted(held.itertuples(index=False, name=None))


def test_a_workbook_is_encoded_as_the_csv_file_of_its_cells(project: Project, tmp_path: Path) -> None:
    path = workbook(table_of(project, "council"), tmp_path / "extract.xlsx")
    found = [
        json.loads(run(*project.encode(tmp_path / one.suffix[1:], "council", "--json", extract=one)).stdout)
        for one in (path, project.extract("council"))
    ]
    assert found[0]["rows"] > 200
    for name in ("rows", "company", "largest_component", "fields"):
        assert found[0][name] == found[1][name]
    held = [payload(project, Path(one["payload"]), tmp_path / f"plain-{n}") for n, one in enumerate(found)]
    assert held[0] == held[1]


def test_of_several_sheets_one_is_named_and_nothing_is_left_without(project: Project, tmp_path: Path) -> None:
    table = table_of(project, "offending")
    path = workbook(table, tmp_path / "extract.xlsx", lists=pd.DataFrame({"ward": ["a", "b"]}))
    refused = run(*project.encode(tmp_path / "out", "offending", extract=path))
    assert refused.exit_code == 1
    assert "PL-INPUT-01" in refused.stderr
    assert "--sheet" in refused.stderr
    assert leftovers(tmp_path) == ["extract.xlsx"]
    done = run(*project.encode(tmp_path / "out", "offending", "--sheet", "people", extract=path))
    assert done.exit_code == 0, done.stderr


def test_a_profile_of_a_workbook_counts_what_that_of_a_csv_file_counts(
    project: Project, tmp_path: Path
) -> None:
    path = workbook(table_of(project, "council"), tmp_path / "extract.xlsx", lists=pd.DataFrame({"a": ["b"]}))
    csv, book = (
        json.loads(run("profile", one, "--schema", project.schema, "--json", *more).stdout)
        for one, more in ((project.extract("council"), ()), (path, ("--sheet", 1)))
    )
    assert {**book, "source": ""} == {**csv, "source": ""}


def test_what_excel_lost_is_said_on_standard_error_and_the_result_stays_data(
    project: Project, tmp_path: Path
) -> None:
    table = table_of(project, "council").assign(
        case=[10**9 + n for n in range(len(table_of(project, "council")))]
    )
    table.loc[3, "case"] = 7
    path = workbook(table, tmp_path / "extract.xlsx")
    result = run("profile", path, "--schema", project.schema, "--json")
    assert json.loads(result.stdout)["rows"] == len(table)
    assert result.stderr.count("warning: extract.xlsx, column ") == 1
    assert "fewer figures than most of the column: 1;" in result.stderr


def test_lists_of_objections_may_be_workbooks(project: Project, tmp_path: Path) -> None:
    table = table_of(project, "council")
    ids = table["programme_id"].tolist()[:3]
    by_id = workbook(pd.DataFrame({"who": ids, "when": ["May"] * 3}), tmp_path / "ids.xlsx")
    people = table.loc[:1, ["forename", "surname", "dob"]]
    by_name = workbook(people, tmp_path / "people.xlsx")
    for listed, least in ((by_id, 3), (by_name, 1)):
        out = tmp_path / listed.stem
        result = run(*project.encode(out, "council", "--json", objections=listed))
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["objections"] >= least
    index = project.folder / "council" / "outbox" / "council.records.package"
    common = ["--agreement", project.agreement, "--key", project.keys("council") / "council.party.key"]
    common += ["--passphrase-file", project.keys("council") / "passphrase"]
    done = run("withdraw", by_id, "--index", index, *common, "-o", tmp_path / "w.package", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["records"] >= 1


def test_a_delivered_workbook_is_known_again_at_a_withdrawal(project: Project, tmp_path: Path) -> None:
    table = table_of(project, "council")
    path = workbook(table, tmp_path / "extract.xlsx", lists=pd.DataFrame({"a": ["b"]}))
    done = run(*project.encode(tmp_path / "out", "council", "--sheet", "people", extract=path))
    assert done.exit_code == 0, done.stderr
    listed = workbook(table.loc[:0, ["forename", "surname", "dob"]], tmp_path / "people.xlsx")
    arguments = [
        *("withdraw", listed, "--index", tmp_path / "out" / "council.records.package", "--extract", path),
        *("--schema", project.schema, "--agreement", project.agreement, "-o", tmp_path / "w.package"),
        *("--key", project.keys("council") / "council.party.key"),
        *("--passphrase-file", project.keys("council") / "passphrase"),
    ]
    refused = run(*arguments)
    assert (refused.exit_code, "--sheet" in refused.stderr) == (1, True)
    done = run(*arguments, "--sheet", "people", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["records"] >= 1


def test_events_may_be_a_workbook(project: Project, tmp_path: Path) -> None:
    path = workbook(pd.DataFrame({"id": ["a"], "b": ["c"]}), tmp_path / "events.xlsx")
    result = run(*project.encode(tmp_path / "out", "offending", "--events", f"nothing={path}"))
    assert "names no event table" in result.stderr


def test_rehearsals_plans_and_audits_take_workbooks(project: Project, tmp_path: Path) -> None:
    lists = pd.DataFrame({"a": ["b"]})
    table = table_of(project, "council").assign(truth=lambda t: "p" + t["programme_id"])
    left, right = (workbook(table, tmp_path / name, lists=lists) for name in ("l.xlsx", "r.xlsx"))
    sheet = ("--sheet", "people")
    rehearsed = run(
        *(
            "rehearse",
            left,
            right,
            "--schema",
            project.schema,
            "--truth",
            "truth",
            "--ignore-floor",
            "--json",
        ),
        *sheet,
    )
    assert rehearsed.exit_code == 0, rehearsed.stderr
    assert json.loads(rehearsed.stdout)["recall"] > 0.9
    planned = run(
        *("schema", "plan", left, "--schema", project.schema, "--passes", 3, "-o", tmp_path / "s.toml"),
        *("--company", 0.5, *sheet),
    )
    assert planned.exit_code == 0, planned.stderr
    audited = run(
        *("attack", "--self", "--reference", left, "--schema", project.schema, "--attacks", "A1", "--json"),
        *sheet,
    )
    assert audited.exit_code in (0, 3), audited.stderr
    for command in (
        ("rehearse", left, right, "--schema", project.schema, "--truth", "truth"),
        ("schema", "plan", left, "--schema", project.schema, "-o", tmp_path / "t.toml"),
        ("attack", "--self", "--reference", left, "--schema", project.schema),
    ):
        refused = run(*command)
        assert refused.exit_code == 1
        assert "cells in 2 sheets" in refused.stderr


# ---------------------------------------------------------------- the first error a person makes


def test_wrong_names_of_columns_are_told_at_once_with_the_line_to_add(
    project: Project, tmp_path: Path
) -> None:
    """Those of fields and those of the payload in one go, before any work is done."""
    table = table_of(project, "council").rename(
        columns={"forename": "First Name", "dob": "Birth Date", "programme_id": "Programme ID"}
    )
    table.to_csv(tmp_path / "extract.csv", index=False, sep=";")
    result = run(*project.encode(tmp_path / "out", "council", extract=tmp_path / "extract.csv"))
    assert result.exit_code == 1
    for part in (
        "PL-INPUT-03: 3 problems with the columns in extract.csv",
        "field 'forename': needs a column, one of forename, first_name, given_name; perhaps 'First Name'",
        "field 'dob': needs a column, one of dob, date_of_birth; perhaps 'Birth Date'",
        "programme_id: no such column; perhaps 'Programme ID'",
        '    [fields.dob]\n    columns = ["dob", "date_of_birth", "Birth Date"]\n',
    ):
        assert part in result.stderr
    assert leftovers(tmp_path) == ["extract.csv"]


def test_an_extract_without_a_heading_is_refused_without_its_first_person(
    project: Project, tmp_path: Path
) -> None:
    table = table_of(project, "council")
    table.to_csv(tmp_path / "extract.csv", index=False, header=False)
    for more in ([], ["--json"]):
        result = run(*project.encode(tmp_path / "out", "council", *more, extract=tmp_path / "extract.csv"))
        assert result.exit_code == 1
        said = result.stderr + result.stdout
        assert [cell for cell in table.iloc[0] if len(cell) > 2 and cell in said] == []
    assert leftovers(tmp_path) == ["extract.csv"]


def test_a_profile_says_which_names_would_fit_and_stays_a_finding(project: Project, tmp_path: Path) -> None:
    """The first thing that a data team does with a file."""
    table = table_of(project, "council").rename(columns={"forename": "First Name"})
    table.to_csv(tmp_path / "extract.csv", index=False)
    result = run("profile", tmp_path / "extract.csv", "--schema", project.schema, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["fields"]["forename"]["missing"] == len(table)
    assert "perhaps 'First Name'" in result.stderr
    table.to_csv(tmp_path / "bare.csv", index=False, header=False)
    result = run("profile", tmp_path / "bare.csv", "--schema", project.schema)
    said = result.stdout + result.stderr
    assert [cell for cell in table.iloc[0] if len(cell) > 3 and cell in said] == []
