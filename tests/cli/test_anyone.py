"""demo, rehearse and doctor on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from project_on_disk import Project, leftovers, run

from pseudolink.roles import doctor as doctor_role
from pseudolink.synthetic.population import generate


@pytest.fixture(scope="module")
def rehearsed(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files with truth, and a schema whose numbers may be absent."""
    folder = tmp_path_factory.mktemp("rehearsed")
    population = generate(600, 11)
    for party in ("council", "work", "offending"):
        table = population.extracts[party].assign(truth=population.truth[party])
        table.to_csv(folder / f"{party}.csv", index=False)
    text = project.schema.read_text()
    for kind in ("nino", "upn"):
        text = text.replace(f'kind = "{kind}"', f'kind = "{kind}"\noptional = true')
    (folder / "schema.toml").write_text(text)
    return folder


def rehearse(folder: Path, *more: object, files: tuple[str, ...] = ("council", "work")) -> list[object]:
    paths = [folder / f"{name}.csv" for name in files]
    return ["rehearse", *paths, "--schema", folder / "schema.toml", "--truth", "truth", *more]


@pytest.mark.usefixtures("cheap_keys")
def test_the_demo_ends_with_a_table_and_three_paths(tmp_path: Path) -> None:
    """For every agency precision, recall, F1 and company; where release, report and rules are."""
    result = run("demo", "--people", 600, "--seed", 3, "--out", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    for agency, least in (("schools", 0.98), ("work", 0.98), ("offending", 0.9)):
        line = next(line for line in result.stdout.splitlines() if line.startswith(agency))
        *counts, precision, recall, f1, company = line.split()[1:]
        assert len(counts) == 3
        assert float(f1) >= least
        assert (
            abs(float(f1) - 2 * float(precision) * float(recall) / (float(precision) + float(recall))) < 2e-4
        )
        assert float(company.rstrip("%")) <= 5
    for name in ("release", "report", "rules"):
        path = re.search(rf"^{name}: +(.+)$", result.stdout, re.MULTILINE)
        assert path is not None
        assert Path(path[1]).is_file()


def test_a_demo_never_writes_over_a_folder(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine").write_text("kept")
    result = run("demo", "--people", 600, "--out", tmp_path / "demo")
    assert result.exit_code == 1
    assert "PL-OUT-01" in result.stderr
    assert [p.name for p in (tmp_path / "demo").iterdir()] == ["mine"]


@pytest.mark.usefixtures("cheap_keys")
def test_a_demo_under_a_schema_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    schema = tmp_path / "schema.toml"
    schema.write_text(
        'format = "pseudolink/linkage-schema/1"\nname = "other"\n'
        '[fields.surname]\nkind = "surname"\ncolumns = ["surname"]\n'
        '[[passes]]\nname = "surname"\non = ["surname"]\n[floor]\ncompany = 0.05\ncomponent = 20\n'
    )
    result = run("demo", "--people", 600, "--out", tmp_path / "demo", "--schema", schema)
    assert result.exit_code == 1
    assert "PL-FLOOR-01" in result.stderr
    assert leftovers(tmp_path) == ["schema.toml"]


def test_a_rehearsal_says_what_was_found_and_what_was_expected(rehearsed: Path) -> None:
    result = run(*rehearse(rehearsed))
    assert result.exit_code == 0, result.stderr
    as_json = json.loads(run(*rehearse(rehearsed, "--json")).stdout)
    for name in ("precision", "recall"):
        assert re.search(rf"^{name} +{as_json[name]:.4f} +expected", result.stdout, re.MULTILINE)
    assert f"of {as_json['true_pairs']:,} true pairs" in result.stdout
    assert "peak memory" in result.stdout


def test_a_rehearsal_of_three_files_names_the_pairs(rehearsed: Path) -> None:
    text = run(*rehearse(rehearsed, files=("council", "work", "offending"))).stdout
    assert "council and work" in text
    assert "council and offending" in text


@pytest.mark.parametrize(
    ("more", "files", "code"),
    [
        ([], ("council",), "PL-USE-01"),
        (["--truth", "nobody"], ("council", "work"), "PL-INPUT-03"),
        (["--truth", "surname"], ("council", "work"), "PL-INPUT-03"),
    ],
)
def test_rehearsals_that_are_refused_keep_nothing(
    rehearsed: Path, tmp_path: Path, more: list[str], files: tuple[str, ...], code: str
) -> None:
    result = run(*rehearse(rehearsed, "--keep", tmp_path / "kept", *more, files=files))
    assert result.exit_code == 1
    assert code in result.stderr
    assert result.stdout == ""
    assert leftovers(tmp_path) == []


def test_a_rehearsal_above_the_floor_is_refused_unless_it_is_ignored(rehearsed: Path, tmp_path: Path) -> None:
    for name in ("council", "work"):
        table = pd.read_csv(rehearsed / f"{name}.csv", dtype=str, keep_default_na=False)
        twice = table.head(30).assign(truth="x" + table["truth"])
        pd.concat([table, twice]).to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "schema.toml").write_text((rehearsed / "schema.toml").read_text())
    result = run(*rehearse(tmp_path))
    assert result.exit_code == 1
    assert "PL-FLOOR-01" in result.stderr
    found = json.loads(run(*rehearse(tmp_path, "--ignore-floor", "--json")).stdout)
    assert found["company"] > 0.05


def test_doctor_knows_its_versions_and_is_ready() -> None:
    result = run("doctor", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["missing"] == {}
    assert {"pseudolink", "python", "numpy", "pyarrow", "cryptography"} <= set(found["versions"])
    assert run("doctor").stdout.rstrip().endswith("ready")


def test_doctor_ends_with_a_status_when_something_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_role, "_sealing", lambda: "no ML-KEM here")
    result = run("doctor")
    assert result.exit_code == 1
    assert re.search(r"^wrong +sealing +no ML-KEM here$", result.stdout, re.MULTILINE)
    assert "pip install --upgrade cryptography" in result.stdout
    assert "not ready" in result.stdout
