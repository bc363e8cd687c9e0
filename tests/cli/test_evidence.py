"""``pseudolink evidence``: what a project's artefacts show, and what they do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project_on_disk import OPERATOR, RELEASER, Project, run


def everything(project: Project) -> list[str | Path]:
    words: list[str | Path] = [project.agreement, "--schema", project.schema]
    for ledger in sorted(project.folder.glob("*/ledger.jsonl")):
        words += ["--ledger", ledger]
    words += ["--report", project.folder / OPERATOR / "linkage" / "summary.json"]
    words += ["--report", project.folder / RELEASER / "release" / "release.json"]
    return words


def written(folder: Path) -> tuple[str, str]:
    return tuple((folder / f"evidence.{end}").read_text(encoding="utf-8") for end in ("html", "md"))  # type: ignore[return-value]


def test_every_section_is_there_and_what_people_decide_is_blank(project: Project, tmp_path: Path) -> None:
    done = run("evidence", *everything(project), "-o", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    for text in written(tmp_path / "out"):
        for title in (
            "Record of processing",
            "Data-flow",
            "privacy notice",
            "DPIA",
            "Objections",
            "Keys",
            "Retention",
        ):
            assert title in text
        assert text.count("To be decided by people") >= 6
        for promise in ("P1 ", "P5 ", "P8 ", "P12 "):
            assert promise in text


def test_counts_are_those_of_the_receipts(project: Project, tmp_path: Path) -> None:
    run("evidence", *everything(project), "-o", tmp_path / "out")
    _, text = written(tmp_path / "out")
    receipt = json.loads((project.folder / "council" / "ledger.jsonl").read_text().splitlines()[0])
    assert f"{receipt['details']['objections']:,} records left out before encoding" in text
    assert f"rows {receipt['details']['rows']:,}" in text


def test_it_needs_no_key_and_no_passphrase(copied: Project, tmp_path: Path) -> None:
    for path in copied.folder.rglob("*.key"):
        path.unlink()
    assert run("evidence", *everything(copied), "-o", tmp_path / "out").exit_code == 0


def test_what_was_not_given_is_said_and_never_inferred(project: Project, tmp_path: Path) -> None:
    assert run("evidence", project.agreement, "-o", tmp_path / "out").exit_code == 0
    _, text = written(tmp_path / "out")
    assert "no ledger given" in text
    assert text.count("not given") >= 5
    assert "0 records left out" in text


@pytest.mark.parametrize("broken", ["ledger", "summary", "noise", "schema"])
def test_what_is_broken_is_named_in_the_document_and_by_the_exit_status(
    copied: Project, tmp_path: Path, broken: str
) -> None:
    target = {
        "ledger": copied.folder / "council" / "ledger.jsonl",
        "summary": copied.folder / OPERATOR / "linkage" / "summary.json",
        "noise": copied.folder / RELEASER / "release" / "release.json",
        "schema": copied.schema,
    }[broken]
    text = target.read_text(encoding="utf-8")
    target.write_text(
        {
            "ledger": text.replace('"rows":', '"rows": 1', 1),
            "summary": text.replace('"rows": ', '"rows": -', 1),
            "noise": "[]",
            "schema": text.replace("component = ", "component = 1", 1),
        }[broken],
        encoding="utf-8",
    )
    done = run("evidence", *everything(copied), "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "PL-EVID-01" in done.stderr
    assert target.name in done.stderr
    page, _ = written(tmp_path / "out")
    assert "What was given and is broken" in page


def test_names_of_parties_never_become_markup(copied: Project, tmp_path: Path) -> None:
    from project_on_disk import sign_again

    sign_again(copied, ("Linkage unit", "<script>x</script> | [a](http://b) `c`"))
    run("evidence", copied.agreement, "-o", tmp_path / "out")
    page, text = written(tmp_path / "out")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "[a](" not in text
    assert "\\| \\[a\\]" in text


def test_an_existing_folder_is_not_touched(project: Project, tmp_path: Path) -> None:
    done = run("evidence", project.agreement, "-o", tmp_path)
    assert done.exit_code == 1
    assert "PL-OUT-01" in done.stderr


def test_an_agreement_with_a_custodian_that_received_links_would_show() -> None:
    """P5 is looked for in receipts too: a data team's receipt of a link step is called broken."""
    from dataclasses import replace
    from datetime import date
    from types import SimpleNamespace

    from pseudolink.formats.receipt import FIRST, Receipt
    from pseudolink.roles.observed import Observed
    from pseudolink.roles.promised import promises

    council = SimpleNamespace(id="council", role="custodian")
    agreed = SimpleNamespace(
        digest="0" * 64, recipients={}, starts=date(2026, 1, 1), expires=date(2027, 1, 1),
        programme_ids="pseudonym", parties=(council,), of_role=lambda _: (council,),
    )  # fmt: skip
    receipt = Receipt(1, FIRST, "council", "encode", "2026-02-01T00:00:00Z", "0" * 64, {}, "")

    def fifth(step: str) -> str:
        seen = Observed(agreed, None, {"l": [replace(receipt, step=step)]}, {})  # type: ignore[arg-type]
        return next(row[2] for row in promises(seen, date(2026, 3, 1)) if row[0].startswith("P5"))

    assert "BROKEN" not in fifth("encode")
    assert "BROKEN" in fifth("link")


def test_a_certificate_stands_in_the_document_only_when_its_party_signed_it(
    copied: Project, tmp_path: Path
) -> None:
    keys = copied.keys(RELEASER)
    destroyed = run(
        "keys", "destroy", keys / "release.key", "--key", keys / f"{RELEASER}.party.key", "--agreement",
        copied.agreement, "--passphrase-file", keys / "passphrase", "--yes",
    )  # fmt: skip
    assert destroyed.exit_code == 0, destroyed.stderr
    certificate = keys / "release.key.destroyed.json"
    words = everything(copied)
    done = run("evidence", *words, "--report", certificate, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    _, text = written(tmp_path / "out")
    assert "1 destruction certificates given" in text
    fingerprint = json.loads(certificate.read_text())["destroyed"][0]["fingerprint"]
    line = next(one for one in text.splitlines() if fingerprint in one and "receipts" in one)
    assert "| destroyed " in line  # the inventory says which of the keys in use is gone
    changed = tmp_path / "release.key.destroyed.json"
    changed.write_text(certificate.read_text().replace('"release"', '"linkage"'))
    refused = run("evidence", *words, "--report", changed, "-o", tmp_path / "other")
    assert refused.exit_code == 1
    assert "0 destruction certificates given" in written(tmp_path / "other")[1]


def test_published_tables_and_the_quality_of_the_linkage_are_told(copied: Project, tmp_path: Path) -> None:
    folder = copied.folder / RELEASER / "release"
    made = run("tables", folder / "release.parquet", "--rows", "council_arm", "-o", tmp_path / "tables")
    assert made.exit_code == 0, made.stderr
    words = [*everything(copied), "--report", folder / "tables.jsonl", "--report", folder / "linkage.json"]
    assert run("evidence", *words, "-o", tmp_path / "out").exit_code == 0
    _, text = written(tmp_path / "out")
    assert "1 tables with 3 cells published in 1 verified ledgers" in text
    assert "council with schools" in text
    ledger = folder / "tables.jsonl"
    ledger.write_text(ledger.read_text().replace('"created": "2', '"created": 2', 1))
    assert run("evidence", *words, "-o", tmp_path / "other").exit_code == 1
    assert "no ledger of published tables given" in written(tmp_path / "other")[1]
