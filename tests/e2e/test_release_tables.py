"""A release with events, under disclosure rules, from extracts to what an analyst opens."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from project_on_disk import RELEASER, Project, run, sign_again

from pseudolink.agreement import load_signed
from pseudolink.release.r_metadata import labels
from pseudolink.seal.package import open_package

RULES = """
[disclosure]
profile = "strict"
quasi = ["council_arm", "family_size"]
events = ["schools_absences"]
subgroups = ["arm"]
[disclosure.steps]
family_size = ["band-5", "drop"]
"schools_absences.from" = ["quarter", "year", "drop"]
[disclosure.top]
schools_absences = 3
"""
PARTIES = ("council", "schools")
KINDS = ("ill", "holiday", "other")


class Made:
    """The folder of a release, and what went into it."""

    def __init__(self, folder: Path, said: dict[str, Any], absences: pd.DataFrame) -> None:
        self.folder, self.said, self.absences = folder, said, absences

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / f"{name}.parquet")

    def json(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def made(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Made:
    tmp_path = tmp_path_factory.mktemp("events")
    shutil.copytree(project.folder, tmp_path / "copy")
    copied = Project(tmp_path / "copy", project.result)
    text = copied.agreement.read_text(encoding="utf-8")
    text = text.replace(
        'id = "schools"\n', 'id = "schools"\nevents = {absences = ["from", "days", "reason"]}\n'
    )
    copied.agreement.write_text(text + RULES, encoding="utf-8")
    sign_again(copied)
    pupils = pd.read_csv(copied.extract("schools"), dtype=str, keep_default_na=False)
    pupils["pupil"] = [f"pupil-{n}" for n in range(len(pupils))]
    pupils.to_csv(copied.extract("schools"), index=False)
    rng = np.random.default_rng(9)
    absences = pd.DataFrame(
        {
            "pupil": rng.choice(pupils["pupil"], 6 * len(pupils)),
            "from": [f"2023-{m:02}-{d:02}" for m, d in rng.integers(1, 13, (6 * len(pupils), 2))],
            "days": rng.integers(1, 3, 6 * len(pupils)),
            "reason": rng.choice(KINDS, 6 * len(pupils)),
            "teacher": "Mr Ọlá Nobody",
        }
    )
    absences.to_csv(tmp_path / "absences.csv", index=False)
    more = ("--events", f"absences={tmp_path / 'absences.csv'}", "--local-id", "pupil")
    for party in PARTIES:
        done = run(*copied.encode(tmp_path / party, party, *(more if party == "schools" else ())))
        assert done.exit_code == 0, done.stderr
    packages = [tmp_path / party / f"{party}.encodings.package" for party in PARTIES]
    done = run(*copied.link(tmp_path / "linkage", *packages))
    assert done.exit_code == 0, done.stderr
    payloads = [tmp_path / party / f"{party}.payload.package" for party in PARTIES]
    out = tmp_path / "release"
    done = run(
        *copied.release(out, tmp_path / "linkage" / "linkmap.package", *payloads), "--accept", "--json"
    )
    assert done.exit_code == 0, done.stderr
    return Made(out, json.loads(done.stdout), absences)


def test_the_release_holds_what_an_analyst_expects(made: Made) -> None:
    assert made.said["further"] == ["schools_absences"]
    assert sorted(p.name for p in made.folder.iterdir()) == [
        "codebook.csv", "dictionary.csv", "disclosure.html", "disclosure.json",
        "linkage.csv", "linkage.json", "release.csv",
        "release.json", "release.parquet", "schools_absences.csv", "schools_absences.parquet",
    ]  # fmt: skip
    described = made.json("release.json")
    assert described["recipient"] == "university"
    assert set(described["further"]) == {"schools_absences"}


def test_events_belong_to_people_of_the_release_and_never_more_than_are_told(made: Made) -> None:
    people, events = made.table("release").to_pylist(), made.table("schools_absences").to_pylist()
    counted = Counter(row["programme_id"] for row in events)
    for row in people:
        rows, told = counted.pop(row["programme_id"], 0), row["schools_absences"]
        assert told == (None if not row["schools_linked"] else "3+" if told == "3+" else str(rows))
        assert rows <= 3
    assert not counted


def test_every_event_stands_for_ten_people_and_no_day_is_left(made: Made) -> None:
    who: dict[tuple[Any, ...], set[str]] = {}
    for row in made.table("schools_absences").to_pylist():
        person = row.pop("programme_id")
        assert row["from"] is None or len(row["from"]) < 10
        who.setdefault(tuple(row.values()), set()).add(person)
    assert min(map(len, who.values())) >= 10


def test_nothing_that_was_not_agreed_and_no_local_id_is_anywhere(made: Made) -> None:
    for path in made.folder.iterdir():
        data = path.read_bytes()
        assert b"pupil-" not in data
        assert "Ọlá".encode() not in data


def test_opened_payloads_are_gone(made: Made) -> None:
    assert not list(made.folder.parent.rglob("payload-*.parquet"))
    assert not list(made.folder.parent.rglob("spill"))


def test_pandas_and_duckdb_read_the_same_types_values_and_missing_values(made: Made) -> None:
    for name in ("release", "schools_absences"):
        path = made.folder / f"{name}.parquet"
        table = made.table(name)
        frame = pd.read_parquet(path)
        with duckdb.connect() as engine:
            other = engine.sql(f"FROM '{path}'").to_arrow_table()
        assert list(frame.columns) == other.column_names == table.column_names
        assert other.cast(table.schema.remove_metadata()).equals(table.replace_schema_metadata(None))
        assert frame.isna().sum().tolist() == [table.column(n).null_count for n in table.column_names]
        again = pd.read_csv(made.folder / f"{name}.csv", dtype=str, keep_default_na=False)
        assert (again == "").sum().tolist() == frame.isna().sum().tolist()


def test_r_finds_a_label_for_every_column_and_types_without_an_extension(made: Made) -> None:
    """What R's arrow package does: attributes from the key r; types to vectors of R."""
    plain = {"string", "int64", "double", "bool", "date32[day]"}
    for name in ("release", "schools_absences"):
        schema = made.table(name).schema
        assert {str(kind) for kind in schema.types} <= plain
        said = {field.name: field.metadata[b"label"].decode() for field in schema}
        assert all(said.values())
        assert schema.metadata[b"r"] == labels(said)
        assert b"pandas" not in schema.metadata


def test_the_dictionary_names_every_column_and_the_codebook_no_rare_value(made: Made) -> None:
    told = pd.read_csv(made.folder / "dictionary.csv", dtype=str, keep_default_na=False)
    for name in ("release", "schools_absences"):
        schema = made.table(name).schema
        mine = told[told["table"] == name]
        assert list(mine["column"]) == schema.names
        assert list(mine["type"]) == [str(kind) for kind in schema.types]
    assert told.set_index("column").loc["family_size", "changed_by_rules"]
    codes = pd.read_csv(made.folder / "codebook.csv", dtype=str, keep_default_na=False)
    table = made.table("release")
    for row in codes[(codes["table"] == "release") & (codes["value"] != "")].to_dict("records"):
        if row["value"] != "(other values)" and row["column"] in ("council_arm", "family_size"):
            assert [str(v) for v in table.column(row["column"]).to_pylist()].count(row["value"]) >= 10
    assert set(codes[codes["column"] == "reason"]["value"]) <= {*KINDS, "", "(other values)"}


def test_the_quality_of_the_linkage_goes_with_it_by_subgroup(made: Made) -> None:
    """Whom the linkage misses is told, and never by fewer than ten people."""
    found = made.json("linkage.json")
    assert {item["guideline"] for item in found["items"]} == {"RECORD", "GUILD"}
    assert found["pairs"][0]["expected_recall"]
    overall = [one for one in found["rates"] if one["attribute"] == "(all)" and one["party"] == "council"]
    assert overall
    for one in found["rates"]:
        if one["records"] is not None:
            assert one["records"] % 5 == one["linked"] % 5 == 0
            assert one["linked"] >= 10
            assert one["records"] - one["linked"] >= 10
    listed = pd.read_csv(made.folder / "linkage.csv")
    assert len(listed) == len(found["rates"])


def test_no_column_follows_the_order_of_rows_through_the_whole_pipeline(made: Made) -> None:
    from scipy.stats import spearmanr

    table = made.table("release")
    most = 5 / table.num_rows**0.5
    for name in table.column_names:
        ranks = np.unique([str(v) for v in table.column(name).to_pylist()], return_inverse=True)[1]
        if ranks.max():
            assert abs(spearmanr(ranks, np.arange(table.num_rows)).statistic) < most, name


def test_an_extract_with_a_row_an_event_is_encoded_with_a_record_a_person(
    copied: Project, tmp_path: Path
) -> None:
    """Rows with one local ID are one record; each event is sent once, under that record's ID."""
    text = copied.agreement.read_text(encoding="utf-8")
    events = 'id = "schools"\nevents = {absences = ["from", "days"]}\n'
    copied.agreement.write_text(text.replace('id = "schools"\n', events), encoding="utf-8")
    sign_again(copied)
    pupils = pd.read_csv(copied.extract("schools"), dtype=str, keep_default_na=False)
    pupils["pupil"] = [f"pupil-{n}" for n in range(len(pupils))]
    again = pd.concat([pupils, pupils.iloc[::3], pupils.iloc[::7]], ignore_index=True)
    again["from"], again["days"] = "2023-01-09", [str(n % 9 + 1) for n in range(len(again))]
    again.to_csv(copied.extract("schools"), index=False)
    done = run(*copied.encode(tmp_path / "out", "schools", "--local-id", "pupil", "--json"))
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["rows"] == len(pupils)
    assert said["events"] == {"absences": len(again)}
    open_package(
        tmp_path / "out" / "schools.payload.package",
        tmp_path / "plain.parquet",
        agreement=load_signed(copied.agreement),
        recipient=copied.party_key(RELEASER),
        artefact="payload",
    )
    table = pq.read_table(tmp_path / "plain.parquet")
    sent = {name: Counter() for name in ("here", "there")}
    for row in table.to_pylist():
        sent["there"][row["attendance"], *sorted(e["days"] for e in row["events.absences"])] += 1
    for _, rows in again.groupby("pupil"):
        sent["here"][rows["attendance"].iloc[0] or None, *sorted(rows["days"])] += 1
    assert sent["here"] == sent["there"]
