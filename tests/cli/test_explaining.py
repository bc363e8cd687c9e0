"""explain: the weight of one pair and the model, from what a rehearsal keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from project_on_disk import Project, run

from pseudolink.formats import model as models


@pytest.fixture(scope="module")
def kept(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pseudolink.synthetic.population import generate

    folder = tmp_path_factory.mktemp("explained")
    population = generate(600, 5)
    paths = []
    for party in ("council", "schools"):
        table = population.extracts[party].copy()
        table["truth"] = population.truth[party]
        paths.append(folder / f"{party}.csv")
        table.to_csv(paths[-1], index=False)
    schema = folder / "schema.toml"
    text = project.schema.read_text().replace('kind = "nino"', 'kind = "nino"\noptional = true')
    schema.write_text(text)
    result = run("rehearse", *paths, "--schema", schema, "--truth", "truth", "--keep", folder / "kept")
    assert result.exit_code == 0, result.output
    return folder / "kept"


def test_contributions_add_up_to_the_weight_of_the_pair(kept: Path) -> None:
    table = pq.read_table(kept / "candidates.parquet").to_pylist()
    for number in (1, len(table)):
        result = run("explain", kept / "candidates.parquet", "--pair", number, "--json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert found["weight_bits"] == pytest.approx(table[number - 1]["weight"], abs=1e-6)
        assert found["base_bits"] + sum(found["field_bits"].values()) == pytest.approx(found["weight_bits"])
        assert found["probability"] == table[number - 1]["probability"]


def test_a_person_sees_bars_and_a_page(kept: Path, tmp_path: Path) -> None:
    page = tmp_path / "pair.html"
    result = run("explain", kept / "candidates.parquet", "--pair", 1, "--html", page)
    assert result.exit_code == 0, result.output
    assert "match weight" in result.stdout
    assert "+++" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert "Where the weight comes from" in text


def test_without_a_pair_the_model_is_shown_and_read_back(kept: Path, tmp_path: Path) -> None:
    result = run("explain", kept / "candidates.parquet", "--json")
    assert result.exit_code == 0, result.output
    raw = json.loads(result.stdout)
    assert models.from_json(raw).to_json() == raw
    assert [(one["left"], one["right"]) for one in raw["pairs"]] == [("council", "schools")]
    shown = run("explain", kept / "candidates.parquet", "--html", tmp_path / "model.html")
    assert "forename" in shown.stdout
    assert "Where the weight comes from" not in (tmp_path / "model.html").read_text(encoding="utf-8")


def test_no_record_is_shown(kept: Path) -> None:
    rows = pq.read_table(kept / "candidates.parquet").to_pylist()
    result = run("explain", kept / "candidates.parquet", "--pair", 1, "--json")
    assert rows[0]["left"].hex() not in result.stdout
    assert rows[0]["right"].hex() not in result.stdout


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda text: "[]", "PL-FORMAT-01"),
        (lambda text: text.replace("linkage-model/1", "linkage-model/2"), "PL-FORMAT-01"),
        (lambda text: text.replace('"matches"', '"hits"'), "PL-FORMAT-01"),
        (lambda text: text.replace('"left": "council"', '"left": "other"'), "PL-FORMAT-01"),
        (lambda text: text[:100], "PL-FORMAT-01"),
    ],
    ids=["no object", "another version", "a key renamed", "other parties", "cut off"],
)
def test_another_model_is_refused(kept: Path, tmp_path: Path, make, code: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(make((kept / "model.json").read_text()))
    result = run("explain", kept / "candidates.parquet", "--pair", 1, "--model", path)
    assert result.exit_code != 0
    assert code in result.stderr


def test_a_pair_that_is_not_there_is_refused(kept: Path) -> None:
    result = run("explain", kept / "candidates.parquet", "--pair", 10**6)
    assert result.exit_code != 0
    assert "PL-USE-01" in result.stderr


def test_a_file_of_something_else_is_refused(kept: Path) -> None:
    result = run("explain", kept / "linkmap.parquet", "--pair", 1, "--model", kept / "model.json")
    assert result.exit_code != 0
    assert "probability: is missing" in result.stderr
