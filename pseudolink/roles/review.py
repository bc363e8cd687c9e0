"""
Blind clerical review: which pairs to show, a session of labels, and two reviewers compared.

Source: specs/review-v1.md, sections 3 to 5.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pseudolink.errors import ReviewError
from pseudolink.formats import reviews
from pseudolink.formats.reviews import Candidates, Head, Label, LabelFile, Labels, Pair

EDGES = (0.0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
_LEAST = 2
_LEAST_SPREAD = 0.01
_NORMAL = 1.96


@dataclass(frozen=True)
class Stratum:
    """
    Pairs of two parties that are alike in standing.

    parties: number of the two parties. resolved: links without a threshold. edge: lower end of the
    interval of probability. rows: (n,) into the candidates.
    """

    parties: int
    resolved: bool
    edge: float
    rows: np.ndarray[tuple[int], np.dtype[np.int64]]


def strata(candidates: Candidates) -> list[Stratum]:
    """Strata in order of parties, resolved or not, and probability (3.1)."""
    table = candidates.table
    probability = table.column("probability").to_numpy()
    resolved = table.column("resolved").to_numpy(zero_copy_only=False)
    ends = list(zip(*(table.column(n).to_pylist() for n in ("left_party", "right_party")), strict=True))
    found = []
    for number, one in enumerate(candidates.expected):
        mine = np.asarray([end == (one.left, one.right) for end in ends], dtype=bool)
        edges = edges_of(one.threshold)
        interval = np.searchsorted(edges, probability, side="right") - 1
        for standing in (False, True):
            for at, edge in enumerate(edges):
                rows = np.flatnonzero(mine & (resolved == standing) & (interval == at))
                if len(rows):
                    found.append(Stratum(number, standing, float(edge), rows))
    return found


def edges_of(threshold: float) -> list[float]:
    """Lower ends of the intervals of probability for two parties with this threshold."""
    return sorted({*EDGES, threshold})


def allocate(sizes: Sequence[int], uncertainty: Sequence[float], wanted: int) -> list[int]:
    """
    How many pairs of each stratum a sample of ``wanted`` takes (3.2).

    Args:
        uncertainty: of each stratum, the root of its pairs times their mean p(1 - p).
    """
    given = [0] * len(sizes)
    left = min(wanted, sum(sizes))
    for at in sorted(range(len(sizes)), key=lambda n: (-uncertainty[n], n)):
        given[at] = min(_LEAST, sizes[at], left)
        left -= given[at]
    while left:
        open_ = [n for n in range(len(sizes)) if given[n] < sizes[n]]
        total = sum(uncertainty[n] for n in open_)
        share = {n: left * (uncertainty[n] / total if total else 1 / len(open_)) for n in open_}
        whole = {n: math.floor(share[n]) for n in open_}
        short = max(left - sum(whole.values()), 0)
        for n in sorted(open_, key=lambda n: (whole[n] - share[n], n))[:short]:
            whole[n] += 1
        for n in open_:
            more = min(whole[n], sizes[n] - given[n], left)
            given[n] += more
            left -= more
    return given


def sample(candidates: Candidates, pairs: int, seed: int) -> list[int]:
    """Rows of the candidates to judge, in the order in which they are shown (3.3)."""
    probability = candidates.table.column("probability").to_numpy()
    ids = [candidates.table.column(name).to_pylist() for name in ("left", "right")]
    groups = strata(candidates)
    spread = []
    for group in groups:
        p = probability[group.rows]
        # A model may be too sure: the largest stratum must not rest on two labels because of it.
        spread.append(math.sqrt(len(p) * max(float((p * (1 - p)).mean()), _LEAST_SPREAD)))
    chosen: list[int] = []
    for group, count in zip(groups, allocate([len(g.rows) for g in groups], spread, pairs), strict=True):
        ordered = sorted(
            (_place("sample", seed, ids[0][row], ids[1][row]), row) for row in group.rows.tolist()
        )
        chosen += [row for _, row in ordered[:count]]
    # Another order than the one that chose: there, pairs of strata of which few are taken come first.
    return sorted(chosen, key=lambda row: _place("order", seed, ids[0][row], ids[1][row]))


def _place(use: str, seed: int, left: bytes, right: bytes) -> bytes:
    text = f"{reviews.LABELS_FORMAT}\0{use}\0{seed}\0".encode()
    return hashlib.sha256(text + left + right).digest()


@dataclass
class Session:
    """
    One reviewer at work on a sample. Use it as a context: it holds the file open.

    at: number of the pair in front of the reviewer, from 0.
    """

    candidates: Candidates
    rows: list[int]
    labels: dict[Pair, str]
    file: LabelFile
    at: int = 0
    shown: set[int] = field(default_factory=set)

    def pair(self) -> Pair:
        """Record IDs of the pair in front."""
        row = self.rows[self.at]
        left, right = (self.candidates.table.column(n)[row].as_py() for n in ("left", "right"))
        return left, right

    def view(self) -> dict[str, Any]:
        """What may be seen of the pair in front: levels, passes, its label; scores if asked for."""
        row = self.candidates.table.slice(self.rows[self.at], 1).to_pylist()[0]
        found: dict[str, Any] = {
            "levels": {name: row[reviews.LEVEL + name] for name in self.candidates.fields},
            "passes": row["passes"],
            "parties": (row["left_party"], row["right_party"]),
            "label": self.labels.get(self.pair()),
        }
        if self.at in self.shown:
            found |= {"weight": row["weight"], "probability": row["probability"]}
        return found

    @property
    def done(self) -> bool:
        """Whether no pair is left in front."""
        return self.at >= len(self.rows)

    def show(self) -> None:
        """Ask for the scores of the pair in front."""
        self.shown.add(self.at)

    def say(self, label: str) -> None:
        """Label the pair in front; on disk when this returns. Then the next one is in front."""
        left, right = self.pair()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.file.add(Label(left, right, label, self.at in self.shown, now))
        self.labels[left, right] = label
        self.at += 1

    def back(self) -> None:
        """Put the pair before in front again."""
        self.at = max(self.at - 1, 0)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def begin(path: Path, labels: Path, *, reviewer: str, pairs: int, seed: int) -> Session:
    """
    Begin a review, or go on with one where its file of labels is there.

    Raises:
        ArtefactError: candidates or labels that are none.
        ReviewError: nothing to judge; or the labels are of another review.
    """
    candidates = reviews.load_candidates(path)
    head = Head(candidates.digest, reviewer, pairs, seed)
    if not head.sound:
        raise ReviewError("a reviewer's name has 1 to 64 characters and no control characters")
    rows = sample(candidates, pairs, seed)
    if not rows:
        raise ReviewError("there are no candidate pairs to judge")
    if not labels.exists():
        return Session(candidates, rows, {}, LabelFile(labels, head))
    found = reviews.read_labels(labels, _pairs(candidates))
    if found.head != head:
        differing = [k for k, v in found.head.__dict__.items() if v != getattr(head, k)]
        raise ReviewError(
            f"{labels.name} is of another review: other {', '.join(differing)}",
            advice="Choose another file of labels, or the options that it was begun with.",
        )
    given = {pair: one.label for pair, one in found.last.items()}
    session = Session(candidates, rows, given, LabelFile(labels, head, keep=found.whole))
    while not session.done and session.pair() in given:
        session.at += 1
    return session


def _pairs(candidates: Candidates) -> list[Pair]:
    lefts, rights = (candidates.table.column(n).to_pylist() for n in ("left", "right"))
    return list(zip(lefts, rights, strict=True))


@dataclass(frozen=True)
class Agreement:
    """
    Two reviewers compared on the pairs that both labelled.

    kappa, low, high: None where it is not defined. table: (first's label, second's label) -> pairs.
    differing: pairs on which they differ.
    """

    both: int
    equal: int
    kappa: float | None
    low: float | None
    high: float | None
    table: dict[tuple[str, str], int]
    differing: tuple[Pair, ...]


def compare(first: Labels, second: Labels) -> Agreement:
    """
    Cohen's kappa with its 95 % interval.

    Raises:
        ReviewError: labels of different candidates, or no pair in common.

    Source: specs/review-v1.md, 5.1.
    """
    if first.head.candidates != second.head.candidates:
        raise ReviewError("the two files label candidates of different linkages")
    a, b = first.last, second.last
    common = sorted(set(a) & set(b))
    if not common:
        raise ReviewError("no pair was labelled by both", advice="Give both the same --pairs and --seed.")
    table = {(x, y): 0 for x in reviews.LABELS for y in reviews.LABELS}
    for pair in common:
        table[a[pair].label, b[pair].label] += 1
    kappa, low, high = _kappa(np.asarray([[table[x, y] for y in reviews.LABELS] for x in reviews.LABELS]))
    differing = tuple(pair for pair in common if a[pair].label != b[pair].label)
    return Agreement(len(common), len(common) - len(differing), kappa, low, high, table, differing)


def _kappa(
    counts: np.ndarray[tuple[int, int], np.dtype[np.int64]],
) -> tuple[float | None, float | None, float | None]:
    total = counts.sum()
    p = counts / total
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    agreed, chance = float(np.trace(p)), float(rows @ columns)
    if chance >= 1 - 1e-12:
        return None, None, None
    kappa = (agreed - chance) / (1 - chance)
    diagonal = sum(
        p[i, i] * ((1 - chance) - (rows[i] + columns[i]) * (1 - agreed)) ** 2 for i in range(len(p))
    )
    others = (1 - agreed) ** 2 * sum(
        p[i, j] * (columns[i] + rows[j]) ** 2 for i in range(len(p)) for j in range(len(p)) if i != j
    )
    variance = (diagonal + others - (agreed * chance - 2 * chance + agreed) ** 2) / (
        total * (1 - chance) ** 4
    )
    error = math.sqrt(max(float(variance), 0.0))
    return kappa, max(kappa - _NORMAL * error, -1.0), min(kappa + _NORMAL * error, 1.0)


def together(files: Sequence[Labels]) -> dict[Pair, str]:
    """
    Labels of several reviewers as one: ``unsure`` where they differ (5.2).

    Raises:
        ReviewError: labels of different candidates.
    """
    if len({one.head.candidates for one in files}) > 1:
        raise ReviewError("the files label candidates of different linkages")
    found: dict[Pair, str] = {}
    for one in files:
        for pair, given in one.last.items():
            found[pair] = given.label if found.get(pair, given.label) == given.label else reviews.UNSURE
    return found


def constraints(files: Sequence[Path]) -> dict[Pair, bool]:
    """
    Labels for a linkage: (smaller record ID, larger) -> whether they are one person.

    Raises:
        ArtefactError, ReviewError: files that are no labels, or of different candidates.
    """
    said = together([reviews.read_labels(path) for path in files])
    return {
        (min(pair), max(pair)): label == reviews.MATCH
        for pair, label in said.items()
        if label != reviews.UNSURE
    }


def page_rows(candidates: Candidates, rows: Sequence[int]) -> list[dict[str, Any]]:
    """What the page needs of each pair: IDs, levels, passes and, to be shown when asked for, scores."""
    table: pa.Table = candidates.table.take(pa.array(rows, pa.int64()))
    return [
        {
            "left": row["left"].hex(),
            "right": row["right"].hex(),
            "parties": [row["left_party"], row["right_party"]],
            "levels": [row[reviews.LEVEL + name] for name in candidates.fields],
            "passes": row["passes"],
            "weight": round(row["weight"], 2),
            "probability": round(row["probability"], 4),
        }
        for row in table.to_pylist()
    ]
