"""
The reviewer's motivated intruder: a release joined with what others could know of people.

Source: specs/attacks-v1.md, section 7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pseudolink.agreement import today_utc
from pseudolink.attacks.intruder import PROGRAMME_ID, intrude
from pseudolink.clean.headings import columns_told
from pseudolink.clean.reader import read_extract
from pseudolink.errors import MissingColumnsError

FORMAT: Final = "pseudolink/intruder-report/1"
PASS, FAIL = "PASS", "FAIL"
NOT_TESTED: Final = (
    "facts that are in no column named here: sequences of events, what a family tells of itself",
    "guesses among people who are equal in what is known; their expected number is stated",
    "values that are nearly right: a date a day off, a name spelt otherwise",
    "joins with another release, or with tables that were published",
)


def trial(
    release: Path,
    known: Path,
    on: Sequence[str],
    *,
    truth: str | None = None,
    programme_id: str = PROGRAMME_ID,
    at_most: float | None = None,
    today: date | None = None,
) -> dict[str, Any]:
    """
    Run the intruder on a release, and report.

    Args:
        release: the file of a release, one row a person. known: what the intruder holds.
        on, truth, programme_id: see :func:`pseudolink.attacks.intruder.intrude`.
        at_most: the largest share of the rows that may get a name, for a verdict.

    Returns:
        the report as data; it holds counts and names of columns, and no value.

    Raises:
        PseudolinkError: files that cannot be read, or columns that are not there.
    """
    left, right = read_extract(release), read_extract(known)
    try:
        found = intrude(left, right, on, truth=truth, programme_id=programme_id)
    except MissingColumnsError as error:
        sides = (("release", left), ("known", right))
        told = " ".join(columns_told(name, one.column_names) for name, one in sides)
        raise MissingColumnsError(error.problems, source=error.source, advice=told) from None
    result = found.to_json()
    named = max(found.claimed, found.by_id or 0)
    verdict = None
    if at_most is not None:
        verdict = FAIL if named > at_most * found.rows else PASS
    return {
        "format": FORMAT,
        "created": (today or today_utc()).isoformat(),
        "software": f"pseudolink {version('pseudolink')}",
        "verdict": verdict,
        "at_most": at_most,
        "named": named,
        "sentence": found.sentence(),
        "release_digest": _digest(release),
        "known_digest": _digest(known),
        "not_tested": list(NOT_TESTED),
        **result,
    }


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
