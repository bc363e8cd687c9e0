"""
The motivated intruder: who can be picked out of a release by what others know of people.

Someone who knows people (a council its families, a journalist a case) holds a file of them with a
few facts: dates of a programme, arm, sex, year of birth, district, size of family, counts of
events. A row of the release is *singled out* when no other row has the same facts. It is *claimed*
when, besides, exactly one person of the file has them. Where the truth is known, claims are right
or wrong.

Source: specs/attacks-v1.md. The idea is that of the UK Information Commissioner's motivated
intruder test; the count of equal rows is Sweeney's k (2002).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.attacks.scoring import wilson
from pseudolink.errors import MissingColumnsError, Problem, UsageError

Index = npt.NDArray[np.int64]

PROGRAMME_ID: Final = "programme_id"
FAMILY_ID: Final = "family_id"
FAMILY_SIZE: Final = "family_size"
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")


@dataclass(frozen=True)
class Intrusion:
    """
    What an intruder achieves on a release of n rows with a file of m people.

    singled_out: rows that no other row is equal to in the facts. claimed: of those, rows that equal
    exactly one person of the file. named: the intruder's person for each row, or -1, (n,) int64.
    correct: claims that are right; None where the truth is not known. found: rows whose person is
    in the file at all; None likewise.
    expected: right claims to expect when the intruder also guesses among equal ones: the sum over
    rows of one over the people of the file with the same facts, rows whose facts nobody has aside.
    without: for each fact, rows that would be singled out without it: what hiding it is worth.
    by_id: rows whose programme ID stands in the file as it is (raw IDs): each names its person.
    """

    rows: int
    people: int
    facts: tuple[str, ...]
    singled_out: int
    claimed: int
    named: Index
    correct: int | None
    found: int | None
    expected: float
    without: Mapping[str, int]
    by_id: int | None

    def to_json(self) -> dict[str, Any]:
        """Counts, shares and 95 % intervals."""
        result: dict[str, Any] = {
            "rows": self.rows,
            "people": self.people,
            "facts": list(self.facts),
            "singled_out": _share(self.singled_out, self.rows),
            "claimed": _share(self.claimed, self.rows),
            "expected_correct_with_guessing": self.expected,
            "singled_out_without": {fact: _share(count, self.rows) for fact, count in self.without.items()},
        }
        if self.correct is not None:
            result["correct"] = _share(self.correct, self.rows)
            result["precision"] = self.correct / self.claimed if self.claimed else None
            result["found"] = self.found
        if self.by_id is not None:
            result["named_by_programme_id"] = _share(self.by_id, self.rows)
        return result

    def sentence(self) -> str:
        """One sentence for a data protection officer."""
        facts = ", ".join(self.facts)
        text = (
            f"Someone who knows {facts} of {self.people:,} people singles out {self.singled_out:,} of "
            f"{self.rows:,} rows and puts a name to {self.claimed:,}"
        )
        text += "." if self.correct is None else f", {self.correct:,} of them rightly."
        if self.by_id:
            text += f" Programme IDs as supplied name {self.by_id:,} rows without any of this."
        return text


def _share(count: int, of: int) -> dict[str, float]:
    low, high = wilson(count, of)
    return {"count": count, "share": count / of if of else 0.0, "lower": low, "upper": high}


def intrude(
    release: pa.Table,
    known: pa.Table,
    on: Sequence[str],
    *,
    truth: str | None = None,
    programme_id: str = PROGRAMME_ID,
) -> Intrusion:
    """
    Join a release with what an intruder knows.

    Args:
        release: one row a person. known: one row a person, with the intruder's facts.
        on: facts, each a column of both tables, or ``release_column=known_column``. Texts are
            compared without case and outer blanks; dates as far as the coarser side tells them
            (a month against a day). A missing value is a fact as well: it equals another.
            ``family_size`` is counted where a table has ``family_id`` and no such column.
        truth: a column of both tables, equal exactly for one person; looked at last.
        programme_id: where both tables have it, IDs that are equal as they are are counted.

    Raises:
        UsageError: no facts, or one twice. MissingColumnsError: every column that is not there.
    """
    release, known = _with_family_size(release), _with_family_size(known)
    pairs = [(left, right or left) for left, _, right in (one.partition("=") for one in on)]
    if not pairs:
        raise UsageError("an intruder who knows nothing", advice="Name at least one column with --on.")
    if len({left for left, _ in pairs}) < len(pairs):
        raise UsageError("a column is named twice")
    if truth is not None and truth in {name for pair in pairs for name in pair}:
        raise UsageError("the truth is no fact that an intruder knows")
    _require(release, known, pairs, truth)
    facts = [_coded(release.column(left), known.column(right)) for left, right in pairs]
    left, right = _together([one for one, _ in facts], [other for _, other in facts])
    ours, theirs = _sizes(left, right, left), _sizes(left, right, right)
    single, claim = ours == 1, (ours == 1) & (theirs == 1)
    named = np.full(len(left), -1, dtype=np.int64)
    place = {int(code): row for row, code in enumerate(right)}
    for row in np.flatnonzero(claim).tolist():
        named[row] = place[int(left[row])]
    without = {}
    for number, (name, _) in enumerate(pairs):
        rest = [pair for at, pair in enumerate(facts) if at != number]
        if rest:
            fewer, _ = _together([one for one, _ in rest], [other for _, other in rest])
            without[name] = int((np.bincount(fewer)[fewer] == 1).sum()) if len(fewer) else 0
    correct, found = _judged(release, known, truth, named)
    guessing = theirs > 0
    return Intrusion(
        rows=len(left),
        people=len(right),
        facts=tuple(name for name, _ in pairs),
        singled_out=int(single.sum()),
        claimed=int(claim.sum()),
        named=named,
        correct=correct,
        found=found,
        expected=float((1 / theirs[guessing]).sum()),
        without=without,
        by_id=_by_id(release, known, programme_id),
    )


def _with_family_size(table: pa.Table) -> pa.Table:
    if FAMILY_ID not in table.column_names or FAMILY_SIZE in table.column_names:
        return table
    family = table.column(FAMILY_ID).to_pylist()
    size = Counter(one for one in family if one is not None)
    return table.append_column(FAMILY_SIZE, pa.array([size.get(one) for one in family], pa.int64()))


def _require(release: pa.Table, known: pa.Table, pairs: Sequence[tuple[str, str]], truth: str | None) -> None:
    wanted = [(release, "release", left) for left, _ in pairs] + [(known, "known", r) for _, r in pairs]
    if truth is not None:
        wanted += [(release, "release", truth), (known, "known", truth)]
    problems = [
        Problem(f"{where}: {name}", "no such column")
        for table, where, name in wanted
        if name not in table.column_names
    ]
    if problems:
        raise MissingColumnsError(problems, source="the intruder's files")


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    values = column.to_pylist()
    return [None if v is None or not str(v).strip() else _plain(v) for v in values]


def _plain(value: Any) -> str:
    # 3 and 3.0 are one count; a date prints as YYYY-MM-DD.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().casefold()


def _coded(release: pa.ChunkedArray, known: pa.ChunkedArray) -> tuple[Index, Index]:
    """Numbers that are equal where the facts are."""
    left, right = _texts(release), _texts(known)
    there = [v for v in (*left, *right) if v is not None]
    if there and all(_DATE.fullmatch(v) for v in there):
        coarsest = min(len(v) for v in there)
        left = [v and v[:coarsest] for v in left]
        right = [v and v[:coarsest] for v in right]
    number: dict[str | None, int] = {}
    codes = [number.setdefault(v, len(number)) for v in (*left, *right)]
    both = np.asarray(codes, dtype=np.int64)
    return both[: len(left)], both[len(left) :]


def _together(left: Sequence[Index], right: Sequence[Index]) -> tuple[Index, Index]:
    """One number a row for all facts."""
    key = np.zeros(len(left[0]) + len(right[0]), dtype=np.int64)
    for one, other in zip(left, right, strict=True):
        codes = np.concatenate([one, other])
        _, key = np.unique(key * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)
        key = key.ravel().astype(np.int64)
    return key[: len(left[0])], key[len(left[0]) :]


def _sizes(left: Index, right: Index, of: Index) -> Index:
    """For each row of the release, how many rows of one side are equal to it in the facts."""
    width = int(max(left.max(initial=-1), right.max(initial=-1))) + 1
    return np.bincount(of, minlength=width)[left].astype(np.int64)


def _judged(
    release: pa.Table, known: pa.Table, truth: str | None, named: Index
) -> tuple[int | None, int | None]:
    if truth is None:
        return None, None
    ours, theirs = _texts(release.column(truth)), _texts(known.column(truth))
    there = {v for v in theirs if v is not None}
    found = sum(v in there for v in ours if v is not None)
    claims = np.flatnonzero(named >= 0).tolist()
    correct = sum(ours[row] is not None and ours[row] == theirs[int(named[row])] for row in claims)
    return int(correct), int(found)


def _by_id(release: pa.Table, known: pa.Table, name: str) -> int | None:
    if name not in release.column_names or name not in known.column_names:
        return None
    there = {v for v in _texts(known.column(name)) if v is not None}
    return sum(v in there for v in _texts(release.column(name)) if v is not None)
