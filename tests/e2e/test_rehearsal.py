"""rehearse: the pipeline on files with known truth, which no stage ever sees."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest
from project_on_disk import Project, run

from pseudolink.clean import extract as cleaning
from pseudolink.formats import linkmap

KEYS = {
    "precision",
    "recall",
    "f1",
    "expected_precision",
    "expected_recall",
    "threshold",
    "links",
    "true_pairs",
    "candidate_recall",
    "company",
    "largest_component",
}
COST = {"seconds", "peak_memory_bytes", "engine", "versions"}


@pytest.fixture(scope="module")
def files(project: Project, tmp_path_factory):
    """Three files of the demo with a truth column, and a schema of names, date and postcode."""
    from pseudolink.synthetic.population import generate

    folder = tmp_path_factory.mktemp("rehearsal")
    population = generate(1200, 2026)
    for party in ("council", "offending", "schools"):
        table = population.extracts[party].copy()
        table["truth"] = [f"person-{n}" for n in population.truth[party]]
        table.to_csv(folder / f"{party}.csv", index=False)
    text = project.schema.read_text()
    for field in ("nino", "upn"):
        text = text.replace(f'kind = "{field}"', f'kind = "{field}"\noptional = true')
    (folder / "schema.toml").write_text(text)
    return folder


def rehearse(files, *names, more=()):
    paths = [files / f"{name}.csv" for name in names]
    return run("rehearse", *paths, "--schema", files / "schema.toml", "--truth", "truth", "--json", *more)


def test_two_files_give_every_key(files):
    result = rehearse(files, "council", "offending")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) >= KEYS | COST
    assert "total" in found["seconds"]
    assert found["f1"] > 0.95
    assert found["peak_memory_bytes"] > 1 << 20  # of this process, whatever else it has done


def test_more_files_give_the_same_by_pair(files):
    found = json.loads(rehearse(files, "council", "offending", "schools").stdout)
    assert set(found) >= COST | {"pairs"}
    assert [(p["left"], p["right"]) for p in found["pairs"]] == [
        ("council", "offending"),
        ("council", "schools"),
    ]
    for pair in found["pairs"]:
        assert set(pair) >= KEYS


def test_the_truth_reaches_no_stage(files, monkeypatch, tmp_path):
    """Neither cleaning nor encoding nor any artefact that is kept."""
    seen = []
    real = cleaning.Cleaning.chunk

    def spy(self, table, rows):
        seen.append(table)
        return real(self, table, rows)

    monkeypatch.setattr(cleaning.Cleaning, "chunk", spy)
    result = rehearse(files, "council", "offending", more=["--keep", tmp_path / "kept"])
    assert result.exit_code == 0, result.output
    assert len(seen) == 2
    for table in seen:
        assert "truth" not in table.column_names
    assert "person-" not in (tmp_path / "kept" / "model.json").read_text()
    for path in (tmp_path / "kept").glob("*.parquet"):
        table = pq.read_table(path)
        assert "truth" not in table.column_names
        text = table.to_pandas().to_csv()
        assert "person-" not in text


def test_kept_artefacts_are_whole_and_fit_together(files, tmp_path):
    result = rehearse(files, "council", "offending", more=["--keep", tmp_path / "kept"])
    found = json.loads(result.stdout)
    kept = tmp_path / "kept"
    assert {p.name for p in kept.iterdir()} == {
        "council.encodings.parquet",
        "council.payload.parquet",
        "offending.encodings.parquet",
        "offending.payload.parquet",
        "linkmap.parquet",
        "candidates.parquet",
        "model.json",
    }
    candidates = pq.read_table(kept / "candidates.parquet")
    assert candidates.num_rows == found["candidates"]
    assert {"left", "right", "weight", "probability"} <= set(candidates.column_names)
    assert [n for n in candidates.column_names if n.startswith("level.")]
    records = set(pq.read_table(kept / "council.encodings.parquet").column("record").to_pylist())
    assert set(candidates.column("left").to_pylist()) <= records
    links = linkmap.load(kept / "linkmap.parquet").to_pandas()
    assert (links["party"] == "offending").sum() == found["links"]
    assert set(links.loc[links["party"] == "council", "record"]) == records


def test_the_truth_is_kept_apart_and_only_where_it_is_asked_for(files, tmp_path):
    """For a reviewer who attacks what was kept; record by record, beside nothing else."""
    more = ["--keep", tmp_path / "kept", "--keep-truth", tmp_path / "truth"]
    result = rehearse(files, "council", "offending", more=more)
    assert result.exit_code == 0, result.output
    assert {p.name for p in (tmp_path / "truth").iterdir()} == {
        "council.truth.parquet",
        "offending.truth.parquet",
    }
    table = pq.read_table(tmp_path / "truth" / "council.truth.parquet")
    records = pq.read_table(tmp_path / "kept" / "council.encodings.parquet").column("record").to_pylist()
    assert set(table.column("record").to_pylist()) == set(records)
    people = pd.read_csv(files / "council.csv", dtype=str)["truth"]
    assert sorted(table.column("truth").to_pylist()) == sorted(people)
    assert "truth.parquet" not in str(list((tmp_path / "kept").iterdir()))


def test_precision_and_recall_are_what_counting_by_hand_gives(files, tmp_path):
    """From the link map and the payloads alone, by a column that the payload kept."""
    for name in ("council", "offending"):
        table = pd.read_csv(files / f"{name}.csv", dtype=str, keep_default_na=False)
        table["row"] = table["truth"]
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    result = run(
        "rehearse",
        tmp_path / "council.csv",
        tmp_path / "offending.csv",
        "--schema",
        files / "schema.toml",
        "--truth",
        "truth",
        "--json",
        "--keep",
        tmp_path / "kept",
    )
    found = json.loads(result.stdout)
    who = {}
    for name in ("council", "offending"):
        payload = pq.read_table(tmp_path / "kept" / f"{name}.payload.parquet")
        who[name] = dict(
            zip(payload.column("record").to_pylist(), payload.column("row").to_pylist(), strict=True)
        )
    links = pq.read_table(tmp_path / "kept" / "linkmap.parquet").to_pylist()
    person = {row["person"]: who["council"][row["record"]] for row in links if row["party"] == "council"}
    made = [row for row in links if row["party"] == "offending"]
    right = sum(person[row["person"]] == who["offending"][row["record"]] for row in made)
    both = len(set(who["council"].values()) & set(who["offending"].values()))
    assert found["true_pairs"] == both
    assert found["precision"] == pytest.approx(right / len(made))
    assert found["recall"] == pytest.approx(right / both)


def test_a_truth_column_that_is_not_there_is_refused(files):
    result = run(
        "rehearse",
        files / "council.csv",
        files / "schools.csv",
        "--schema",
        files / "schema.toml",
        "--truth",
        "nobody",
    )
    assert result.exit_code == 1
    assert "PL-INPUT-03" in result.stderr


def test_two_files_of_one_name_are_refused(files, tmp_path):
    (tmp_path / "council.csv").write_bytes((files / "council.csv").read_bytes())
    result = run(
        "rehearse",
        files / "council.csv",
        tmp_path / "council.csv",
        "--schema",
        files / "schema.toml",
        "--truth",
        "truth",
    )
    assert result.exit_code == 1
    assert "PL-USE-01" in result.stderr


def test_a_precision_that_is_asked_for_is_expected(files):
    found = json.loads(rehearse(files, "council", "offending", more=["--min-precision", "0.99"]).stdout)
    assert found["expected_precision"] >= 0.99
