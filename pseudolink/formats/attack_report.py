"""
The report of an audit as a file: JSON that `encode` can ask for, bound to schema, rows and day.

Source: specs/attacks-v1.md, sections 5 and 6.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from pseudolink.errors import ArtefactError, AuditError, Problem
from pseudolink.formats.binary import is_digest

FORMAT: Final = "pseudolink/attack-report/1"
VERDICTS: Final = ("PASS", "FAIL", "INVALID")
#: A report is good for so long.
MOST_DAYS: Final = 90
#: An extract may be so many times as large as the one that was audited.
MOST_GROWTH: Final = 1.25
_LARGEST: Final = 64 << 20


def load(path: Path) -> dict[str, Any]:
    """
    Read a report and check what `encode` relies on.

    Raises:
        ArtefactError: not a report of this format; every problem listed.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
        raw = json.loads(data) if len(data) <= _LARGEST else None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ArtefactError([Problem("", f"cannot be read: {reason}")], source=path.name) from None
    except (ValueError, RecursionError):
        raise ArtefactError([Problem("", "not JSON")], source=path.name) from None
    problems = _problems(raw)
    if problems:
        raise ArtefactError(problems, source=path.name)
    return dict(raw or {})


def _problems(raw: Any) -> list[Problem]:
    if not isinstance(raw, dict):
        return [Problem("", "not a report")]
    problems = []
    if raw.get("format") != FORMAT:
        problems.append(Problem("format", f"must be {FORMAT!r}"))
    if raw.get("verdict") not in VERDICTS:
        problems.append(Problem("verdict", f"must be one of {', '.join(VERDICTS)}"))
    if not isinstance(raw.get("schema"), str) or not is_digest(raw["schema"]):
        problems.append(Problem("schema", "must be a digest"))
    if type(raw.get("records")) is not int or raw["records"] < 1:
        problems.append(Problem("records", "must be a count from 1"))
    if raw.get("scheme") != "keyed":
        problems.append(Problem("scheme", "must be the project's own, 'keyed'"))
    if raw.get("partial") is not False:
        problems.append(Problem("partial", "must be false: all attacks, at the settings that count"))
    if raw.get("self") is not True:
        problems.append(Problem("self", "must be true: `pseudolink attack --self`, which leaves nothing out"))
    try:
        date.fromisoformat(raw.get("created", ""))
    except (TypeError, ValueError):
        problems.append(Problem("created", "must be a date, YYYY-MM-DD"))
    return problems


def require(path: Path | None, *, schema: str, records: int, today: date) -> None:
    """
    Refuse to go on without a fresh PASS for this schema and an extract of this size.

    Args:
        schema: digest of the linkage schema in use. records: of the extract.

    Raises:
        AuditError: no report, not a PASS, another schema, a much smaller extract, too old, or from
            the future; every reason listed.
        ArtefactError: not a report.
    """
    if path is None:
        raise AuditError(
            [Problem("report", "the schema requires one, and none was given")],
            advice="Run `pseudolink attack --self`, and give its report: encode --audit REPORT.json.",
        )
    problems = unfit(load(path), schema=schema, records=records, today=today)
    if problems:
        raise AuditError(problems, source=path.name, advice="Run `pseudolink attack --self` again.")


def unfit(report: Mapping[str, Any], *, schema: str, records: int, today: date) -> list[Problem]:
    """Why a report does not do for this schema, size and day; empty where it does."""
    problems = []
    if report["verdict"] != "PASS":
        problems.append(Problem("verdict", f"is {report['verdict']}, not PASS"))
    if report["schema"] != schema:
        problems.append(Problem("schema", "is another linkage schema than the one in use"))
    if records > MOST_GROWTH * report["records"]:
        problems.append(
            Problem("records", f"{report['records']:,} were audited; the extract has {records:,}")
        )
    made = date.fromisoformat(report["created"])
    if made > today:
        problems.append(Problem("created", "is after today"))
    elif today - made > timedelta(days=MOST_DAYS):
        problems.append(Problem("created", f"is more than {MOST_DAYS} days ago"))
    return problems
