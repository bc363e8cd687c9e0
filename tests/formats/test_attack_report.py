"""attacks-v1 section 6: which reports let an encoder go on."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pseudolink.errors import ArtefactError, AuditError
from pseudolink.formats import attack_report

SCHEMA = "ab" * 32
TODAY = date(2026, 11, 25)


def written(path: Path, **changes: Any) -> Path:
    report = {
        "format": attack_report.FORMAT,
        "created": "2026-11-01",
        "verdict": "PASS",
        "schema": SCHEMA,
        "records": 1000,
        "scheme": "keyed",
        "partial": False,
        "self": True,
        **changes,
    }
    path.write_text(json.dumps({k: v for k, v in report.items() if v is not ...}), encoding="utf-8")
    return path


def require(path: Path | None, *, schema: str = SCHEMA, records: int = 1000) -> None:
    attack_report.require(path, schema=schema, records=records, today=TODAY)


def test_a_fresh_pass_for_this_schema_and_size_is_enough(tmp_path: Path) -> None:
    require(written(tmp_path / "report.json"))
    require(written(tmp_path / "report.json"), records=1250)
    require(written(tmp_path / "report.json", created="2026-08-27"))
    require(written(tmp_path / "report.json", created=TODAY.isoformat()), records=1)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"verdict": "FAIL"}, "verdict"),
        ({"verdict": "INVALID"}, "verdict"),
        ({"schema": "cd" * 32}, "schema"),
        ({"records": 799}, "records"),
        ({"created": "2026-08-26"}, "created"),
        ({"created": "2026-11-26"}, "created"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    with pytest.raises(AuditError) as caught:
        require(written(tmp_path / "report.json", **changes))
    assert [p.place for p in caught.value.problems] == [place]
    assert caught.value.code == "PL-AUDIT-01"


def test_every_reason_is_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path / "report.json", verdict="FAIL", created="2020-01-01")
    with pytest.raises(AuditError) as caught:
        require(path, schema="cd" * 32, records=5000)
    assert [p.place for p in caught.value.problems] == ["verdict", "schema", "records", "created"]


def test_no_report_is_no_pass() -> None:
    with pytest.raises(AuditError, match="requires one"):
        require(None)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"format": "pseudolink/attack-report/2"}, "format"),
        ({"verdict": "pass"}, "verdict"),
        ({"verdict": ...}, "verdict"),
        ({"schema": "no digest"}, "schema"),
        ({"records": 0}, "records"),
        ({"records": True}, "records"),
        ({"records": "1000"}, "records"),
        ({"scheme": "bare"}, "scheme"),
        ({"partial": True}, "partial"),
        ({"partial": ...}, "partial"),
        ({"self": False}, "self"),
        ({"created": "yesterday"}, "created"),
        ({"created": 20261101}, "created"),
    ],
)
def test_a_report_that_leaves_something_out_does_not_count(
    tmp_path: Path, changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(ArtefactError) as caught:
        require(written(tmp_path / "report.json", **changes))
    assert [p.place for p in caught.value.problems] == [place]


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "\x00", "[" * 100_000])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(ArtefactError):
        require(path)
    with pytest.raises(ArtefactError):
        require(tmp_path / "missing.json")
