"""
Clerical review as files: candidates to judge, labels as they are given.

Source: specs/review-v1.md, sections 2 and 4.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, OutputError, OutputExistsError, Problem
from pseudolink.formats import parquet
from pseudolink.portable import BINARY

CANDIDATES_FORMAT: Final = "pseudolink/candidates/1"
LABELS_FORMAT: Final = "pseudolink/review/1"
METADATA: Final = b"pseudolink"
LEVEL: Final = "level."
#: Comparison levels in words, best first (specs/matching-v1.md, 3.2).
LEVELS: Final = (
    "equal",
    "similar 0.85",
    "similar 0.70",
    "dissimilar",
    "equal in part",
    "different",
    "not shown",
)
MATCH, NON_MATCH, UNSURE = "match", "non-match", "unsure"
LABELS: Final = (MATCH, NON_MATCH, UNSURE)
_COLUMNS: Final = {
    "left_party": pa.string(),
    "left": pa.binary(16),
    "right_party": pa.string(),
    "right": pa.binary(16),
    "passes": pa.int16(),
    "weight": pa.float64(),
    "probability": pa.float64(),
    "resolved": pa.bool_(),
    "link": pa.bool_(),
    "ambiguous": pa.bool_(),
    "guarded": pa.bool_(),
}
_HEAD: Final = {"format", "candidates", "reviewer", "pairs", "seed"}
_LINE: Final = {"left", "right", "label", "shown", "at"}
_ID = re.compile(r"[0-9a-f]{32}")
_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_REVIEWER = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

#: (left record ID, right record ID) as in the candidates.
Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class Expected:
    """Two parties of a linkage: the threshold and the expected number of matching pairs."""

    left: str
    right: str
    threshold: float
    matches: float


@dataclass(frozen=True)
class Candidates:
    """A file of candidates: its rows, what is expected of each two parties, and its digest."""

    table: pa.Table
    expected: tuple[Expected, ...]
    digest: str

    @property
    def fields(self) -> list[str]:
        """Fields whose comparison levels are known."""
        return [name.removeprefix(LEVEL) for name in self.table.column_names if name.startswith(LEVEL)]


#: What ``explain`` reads, and review does not look at: what a pair shares and could have shared.
EVIDENCE = {"shared": pa.uint64(), "levels": pa.int64(), "held": pa.uint64(), "compared": pa.int64()}


def save_candidates(table: pa.Table, expected: Sequence[Expected], path: Path) -> None:
    """Write candidates to ``path`` (the caller gives a temporary name)."""
    note = {"format": CANDIDATES_FORMAT, "pairs": [asdict(one) for one in expected]}
    pq.write_table(
        table.replace_schema_metadata({METADATA: json.dumps(note).encode()}), path, compression="zstd"
    )


def load_candidates(path: Path) -> Candidates:
    """
    Read and check candidates.

    Raises:
        ArtefactError: not candidates of this form; lists every problem.
    """
    source = path.name
    table = parquet.read(path, source=source)
    problems = []
    wanted = {**_COLUMNS, **(EVIDENCE if set(EVIDENCE) & set(table.column_names) else {})}
    for name, kind in wanted.items():
        if name not in table.column_names:
            problems.append(Problem(name, "column is missing"))
        elif table.schema.field(name).type != kind:
            problems.append(Problem(name, f"must be {kind}"))
    for name in table.column_names:
        if name.startswith(LEVEL):
            if table.schema.field(name).type != pa.string():
                problems.append(Problem(name, "must be text"))
            elif set(pc.unique(table.column(name)).to_pylist()) - {*LEVELS, None}:
                problems.append(Problem(name, "has words that are no comparison level"))
        elif name not in wanted:
            problems.append(Problem(name, "column is not in the format"))
        if table.column(name).null_count:
            problems.append(Problem(name, "has nulls"))
    expected, wrong = _expected(table)
    problems += wrong
    if not problems:
        probability = table.column("probability")
        bad = pc.sum(pc.invert(pc.and_(pc.greater_equal(probability, 0), pc.less_equal(probability, 1))))
        if bad.as_py():
            problems.append(Problem("probability", f"{bad.as_py():,} are not between 0 and 1"))
        if table.group_by(["left", "right"]).aggregate([]).num_rows != table.num_rows:
            problems.append(Problem("left", "a pair stands twice"))
        ends = set(zip(*(table.column(n).to_pylist() for n in ("left_party", "right_party")), strict=True))
        if ends - {(one.left, one.right) for one in expected}:
            problems.append(Problem("metadata", "does not tell of every two parties"))
    if problems:
        raise ArtefactError(problems, source=source)
    return Candidates(table, expected, hashlib.sha256(path.read_bytes()).hexdigest())


def _expected(table: pa.Table) -> tuple[tuple[Expected, ...], list[Problem]]:
    try:
        note = json.loads((table.schema.metadata or {})[METADATA])
        if note["format"] != CANDIDATES_FORMAT:
            raise ValueError
        found = tuple(
            Expected(str(one["left"]), str(one["right"]), float(one["threshold"]), float(one["matches"]))
            for one in note["pairs"]
        )
    except (KeyError, TypeError, ValueError):
        return (), [Problem("metadata", f"is not that of {CANDIDATES_FORMAT}")]
    return found, []


# ---------------------------------------------------------------- labels


@dataclass(frozen=True)
class Head:
    """The first line of a file of labels."""

    candidates: str
    reviewer: str
    pairs: int
    seed: int

    @property
    def sound(self) -> bool:
        """Whether a reader would take it."""
        return _head({"format": LABELS_FORMAT, **asdict(self)}) is not None

    def line(self) -> str:
        """As it is written."""
        return json.dumps({"format": LABELS_FORMAT, **asdict(self)}, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Label:
    """What a reviewer said of a pair; ``shown``: the scores had been asked for."""

    left: bytes
    right: bytes
    label: str
    shown: bool
    at: str

    def line(self) -> str:
        """As it is written."""
        raw = {"left": self.left.hex(), "right": self.right.hex(), "label": self.label}
        return json.dumps({**raw, "shown": self.shown, "at": self.at}) + "\n"


@dataclass(frozen=True)
class Labels:
    """A file of labels; ``whole``: bytes up to the last line that was written completely."""

    head: Head
    given: tuple[Label, ...]
    whole: int

    @property
    def last(self) -> dict[Pair, Label]:
        """The label that counts, of each pair."""
        return {(one.left, one.right): one for one in self.given}


def read_labels(path: Path, known: Iterable[Pair] | None = None) -> Labels:
    """
    Read and check labels.

    Args:
        known: pairs that may be labelled.

    Raises:
        ArtefactError: not labels of this form; names every line.
    """
    source = path.name
    try:
        raw = path.read_bytes()
        # What an interrupted program leaves is a last line without an end.
        whole = raw.rfind(b"\n") + 1
        lines = raw[:whole].decode("utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError):
        raise ArtefactError([Problem("", "not readable as text")], source=source) from None
    if not lines:
        raise ArtefactError([Problem("line 1", "is missing")], source=source)
    problems: list[Problem] = []
    head = _head(_json(lines[0]))
    if head is None:
        problems.append(Problem("line 1", f"is not the head of {LABELS_FORMAT}"))
    pairs = None if known is None else set(known)
    given = []
    for number, line in enumerate(lines[1:], 2):
        one = _label(_json(line))
        if one is None:
            problems.append(Problem(f"line {number}", "is not a label"))
        elif pairs is not None and (one.left, one.right) not in pairs:
            problems.append(Problem(f"line {number}", "labels a pair that is not among the candidates"))
        else:
            given.append(one)
    if problems or head is None:
        raise ArtefactError(problems, source=source)
    return Labels(head, tuple(given), whole)


def _json(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _head(raw: Mapping[str, Any]) -> Head | None:
    numbers = raw.get("pairs"), raw.get("seed")
    fits = (
        set(raw) == _HEAD
        and raw["format"] == LABELS_FORMAT
        and _matches(_DIGEST, raw["candidates"])
        and _matches(_REVIEWER, raw["reviewer"])
        and all(type(n) is int and n >= 0 for n in numbers)
    )
    return Head(raw["candidates"], raw["reviewer"], raw["pairs"], raw["seed"]) if fits else None


def _label(raw: Mapping[str, Any]) -> Label | None:
    fits = (
        set(raw) == _LINE
        and _matches(_ID, raw["left"])
        and _matches(_ID, raw["right"])
        and raw["label"] in LABELS
        and type(raw["shown"]) is bool
        and _matches(_AT, raw["at"])
    )
    if not fits:
        return None
    return Label(
        bytes.fromhex(raw["left"]), bytes.fromhex(raw["right"]), raw["label"], raw["shown"], raw["at"]
    )


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


class LabelFile:
    """A file of labels that is written to; each label is on disk when :meth:`add` returns."""

    def __init__(self, path: Path, head: Head, *, keep: int | None = None) -> None:
        """
        Args:
            keep: bytes of a file that is there already and to be continued; a new file without it.

        Raises:
            OutputExistsError: a new file's name is taken. OutputError: it cannot be written.
        """
        self._name = path.name
        try:
            if keep is None:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
            else:
                handle = os.open(path, os.O_WRONLY | BINARY)
                os.ftruncate(handle, keep)
                os.lseek(handle, 0, os.SEEK_END)
        except FileExistsError:
            raise OutputExistsError(f"{path} is already there") from None
        except OSError as error:
            raise self._refused(error) from None
        self._handle = handle
        if keep is None:
            self._write(head.line())

    def add(self, label: Label) -> None:
        """
        Write one label and wait until it is on disk.

        Raises:
            OutputError: it cannot be written.
        """
        self._write(label.line())

    def _write(self, line: str) -> None:
        data = line.encode("utf-8")
        try:
            while data:
                data = data[os.write(self._handle, data) :]
            os.fsync(self._handle)
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> OutputError:
        reason = error.strerror or type(error).__name__
        return OutputError(
            f"{self._name} cannot be written: {reason}", advice="Labels that were given before are in it."
        )

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def __enter__(self) -> LabelFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
