"""attack run, attack keys, attack release; and encode under a schema that requires an audit."""

from __future__ import annotations

import json
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from project_on_disk import Project, leftovers, run, sign_again

from pseudolink.formats import attack_report
from pseudolink.schema import load_schema
from pseudolink.synthetic.population import generate

SCHEMA = """
format = "pseudolink/linkage-schema/1"
name = "trial"
[fields.forename]
kind = "forename"
columns = ["forename"]
[fields.surname]
kind = "surname"
columns = ["surname"]
[fields.dob]
kind = "date"
columns = ["dob"]
[[passes]]
name = "whole"
on = ["forename", "surname", "dob"]
[[passes]]
name = "born"
on = ["surname.soundex", "forename.initial", "dob"]
[floor]
company = 0.2
decoys = true
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files with truth, what a rehearsal keeps of them, and a schema."""
    folder = tmp_path_factory.mktemp("attack")
    population = generate(600, 11)
    for party in ("council", "work"):
        table = population.extracts[party].assign(truth=[f"person-{n}" for n in population.truth[party]])
        table[["forename", "surname", "dob", "truth"]].to_csv(folder / f"{party}.csv", index=False)
    (folder / "schema.toml").write_text(SCHEMA)
    kept = ("--keep", folder / "kept", "--keep-truth", folder / "truth")
    done = rehearse(folder, *kept)
    assert done.exit_code == 0, done.output
    return folder


def rehearse(folder: Path, *more: object) -> Any:
    sources = [folder / f"{name}.csv" for name in ("council", "work")]
    return run("rehearse", *sources, "--schema", folder / "schema.toml", "--truth", "truth", *more)


def attack(files: Path, *more: object, start: tuple[object, ...] = ("run",)) -> Any:
    given = ("--reference", files / "council.csv", "--schema", files / "schema.toml")
    return run("attack", *start, *more, *given)


def test_an_audit_that_could_not_be_checked_is_invalid_and_says_why(files: Path, tmp_path: Path) -> None:
    """600 people are too few for the canaries of A7: nothing is shown to work, so nothing passes."""
    page, report = tmp_path / "report.html", tmp_path / "report.json"
    done = attack(files, "--self", "--attacks", "a7", "-o", report, "--html", page, "--json")
    assert done.exit_code == 3, done.output
    found = json.loads(done.stdout)
    assert found["verdict"] == "INVALID"
    assert found["partial"] is True
    assert found == json.loads(report.read_text())
    assert [one["number"] for one in found["attacks"]] == ["A7"]
    assert any("canar" in reason for reason in found["reasons"])
    assert "INVALID" in page.read_text()


def test_run_need_not_be_named(files: Path) -> None:
    done = attack(files, "--self", "--attacks", "A10", start=())
    assert done.exit_code == 3
    assert "A10 missing values" in done.stdout


def test_encodings_from_a_file_are_scored_by_a_truth_that_was_kept_apart(files: Path) -> None:
    more = ("--truth", "truth", "--truth-file", files / "truth" / "council.truth.parquet")
    kept = files / "kept" / "council.encodings.parquet"
    found = json.loads(attack(files, kept, *more, "--attacks", "A6", "--json").stdout)
    (one,) = found["attacks"]
    assert one["runs"][0]["result"]["records"] == found["records"] == len(pd.read_csv(files / "council.csv"))
    assert one["runs"][0]["result"]["figures"]["rate"] < 0.01
    assert found["truth_known"]


def test_without_the_truth_guesses_are_not_scored_and_nothing_passes(files: Path) -> None:
    kept = files / "kept" / "council.encodings.parquet"
    found = json.loads(attack(files, kept, "--attacks", "A6", "--json").stdout)
    assert found["verdict"] == "INVALID"
    assert not found["truth_known"]
    done = attack(files, kept, "--attacks", "A6", "--truth", "truth")
    assert done.exit_code == 1
    assert "--keep-truth" in done.stderr


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--self", "--attacks", "A99"),
        ("--self", "--scheme", "rot13"),
        ("--self", "-o", "same", "--html", "same"),
    ],
    ids=["neither", "attack", "scheme", "names"],
)
def test_what_cannot_be_is_refused_with_nothing_left(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = attack(files, *more)
    assert done.exit_code == 1
    assert "PL-USE-01" in done.stderr
    assert leftovers(tmp_path) == []


def test_no_report_shows_a_cell_a_token_or_a_key(files: Path) -> None:
    text = attack(files, "--self", "--attacks", "A6,A10", "--json").stdout
    table = pd.read_csv(files / "council.csv", dtype=str)
    for cell in {*table["surname"].dropna(), *table["dob"].dropna(), *table["truth"]}:
        assert f'"{cell}"' not in text
    for token in pq.read_table(files / "kept" / "council.encodings.parquet").column(1).to_pylist()[:50]:
        assert token is None or token.hex() not in text


class _Outside(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "link", "iframe", "a"):
            self.found.append(tag)


def test_the_page_needs_nothing_but_itself(files: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    attack(files, "--self", "--attacks", "A10", "--html", page)
    parser = _Outside()
    parser.feed(page.read_text(encoding="utf-8"))
    assert parser.found == []


# ---------------------------------------------------------------- keys


def test_weak_and_earlier_keys_are_tried_and_a_drawn_one_does_not_fit(files: Path) -> None:
    kept = files / "kept" / "council.encodings.parquet"
    done = attack(files, kept, "--json", start=("keys",))
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["verdict"] == "PASS"
    assert found["keys_tried"] > 100


def test_an_earlier_key_that_was_used_again_is_found_through_decoys(
    files: Path, tmp_path: Path, cheap_keys: None
) -> None:
    from pseudolink import encode
    from pseudolink.formats import encodings as encoding_files
    from pseudolink.keys.linkage import LinkageKey

    key = LinkageKey.generate()
    key.save(tmp_path / "old.key", "five words of no account")
    (tmp_path / "phrase").write_text("five words of no account\n")
    (tmp_path / "phrase").chmod(0o600)
    table = pd.read_csv(files / "council.csv", dtype=str, keep_default_na=False).drop(columns=["truth"])
    encoded = encode(table, load_schema(files / "schema.toml"), key, project="families", party="council")
    encoding_files.save(encoded.encodings, tmp_path / "sent.parquet")
    more = ("--project", "families", "--earlier", tmp_path / "old.key")
    phrase = ("--passphrase-file", tmp_path / "phrase")
    done = attack(files, tmp_path / "sent.parquet", *more, *phrase, "--json", start=("keys",))
    assert done.exit_code == 3, done.output
    (fits,) = json.loads(done.stdout)["fit"]
    assert fits["key"] == "earlier key old.key"
    assert fits["share_of_tokens"] > 0.9


# ---------------------------------------------------------------- releases


@pytest.fixture
def released(tmp_path: Path) -> tuple[Path, Path]:
    """Five rows of which three stand out, and six people known."""
    (tmp_path / "release.csv").write_text(
        "id,sex,born\np1,M,1990\np2,M,1990\np3,F,1990\np4,M,1980\np5,,1970\n"
    )
    (tmp_path / "known.csv").write_text(
        "name,sex,born\nA,m,1990\nB,m,1990\nC,f,1990\nD,m,1980\nE,,1970\nF,f,1950\n"
    )
    return tmp_path / "release.csv", tmp_path / "known.csv"


def test_the_motivated_intruder_is_counted_by_hand(released: tuple[Path, Path], tmp_path: Path) -> None:
    release, known = released
    more = ("--on", "sex", "--on", "born", "--at-most", "0.5", "--html", tmp_path / "page.html")
    done = run("attack", "release", release, "--known", known, *more, "-o", tmp_path / "out.json", "--json")
    assert done.exit_code == 3, done.output
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "out.json").read_text())
    assert (found["rows"], found["people"], found["named"]) == (5, 6, 3)
    assert found["verdict"] == "FAIL"
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "puts a name to 3" in page
    assert "1990" not in page


def test_a_release_within_what_is_allowed_passes(released: tuple[Path, Path]) -> None:
    release, known = released
    done = run("attack", "release", release, "--known", known, "--on", "sex", "--at-most", "0.5", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["verdict"] == "PASS"
    without = run("attack", "release", release, "--known", known, "--on", "sex", "--json")
    assert json.loads(without.stdout)["verdict"] is None


def test_a_fact_that_is_in_no_column_is_refused(released: tuple[Path, Path], tmp_path: Path) -> None:
    release, known = released
    page = tmp_path / "page.html"
    done = run("attack", "release", release, "--known", known, "--on", "height", "--html", page)
    assert done.exit_code == 1
    assert "PL-INPUT-03" in done.stderr
    assert not page.exists()


# ---------------------------------------------------------------- an audit required before encoding


def required(project: Project) -> str:
    """The project with a schema that requires an audit; its digest."""
    before = load_schema(project.schema).digest
    text = project.schema.read_text(encoding="utf-8").replace("[floor]", '[floor]\naudit = "required"')
    project.schema.write_text(text, encoding="utf-8")
    after = load_schema(project.schema).digest
    assert after != before, "the agreement says whether an audit is needed"
    sign_again(project, (before, after))
    return after


def report(path: Path, digest: str, **changes: Any) -> Path:
    found = {
        "format": attack_report.FORMAT,
        "created": date.today().isoformat(),
        "verdict": "PASS",
        "schema": digest,
        "records": 10_000,
        "scheme": "keyed",
        "partial": False,
        "self": True,
        **changes,
    }
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def test_an_extract_is_encoded_with_a_fresh_pass(copied: Project, tmp_path: Path) -> None:
    passed = report(tmp_path / "report.json", required(copied))
    done = run(*copied.encode(tmp_path / "out"), "--audit", passed)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (None, "PL-AUDIT-01"),
        ({"verdict": "FAIL"}, "PL-AUDIT-01"),
        ({"schema": "00" * 32}, "PL-AUDIT-01"),
        ({"records": 3}, "PL-AUDIT-01"),
        ({"created": "2020-01-01"}, "PL-AUDIT-01"),
        ({"partial": True}, "PL-FORMAT-01"),
    ],
    ids=["none", "fail", "schema", "size", "old", "partial"],
)
def test_nothing_is_sealed_without_a_fresh_pass(
    copied: Project, tmp_path: Path, changes: dict[str, Any] | None, code: str
) -> None:
    digest = required(copied)
    more: tuple[object, ...] = ()
    if changes is not None:
        more = ("--audit", report(tmp_path / "report.json", digest, **changes))
    done = run(*copied.encode(tmp_path / "out"), *more)
    assert done.exit_code == 1
    assert code in done.stderr
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "ledger.jsonl").exists()


def test_a_report_is_of_no_consequence_where_none_is_required(project: Project, tmp_path: Path) -> None:
    done = run(*project.encode(tmp_path / "out"), "--audit", report(tmp_path / "r.json", "00" * 32))
    assert done.exit_code == 0, done.stderr
