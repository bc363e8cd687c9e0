"""
The cells of one field: each distinct one judged once, the common ones by compiled code.

Source: specs/cleaning-v1.md, sections 1 and 13.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.clean import compiled, date, forename, nhs, nino, postcode, sex, surname, text, uln, upn
from pseudolink.clean.verdict import BLANK, Verdict
from pseudolink.errors import FieldRuleError, Problem
from pseudolink.formats.cleaned import Codes, Column, FieldCount, Texts
from pseudolink.schema import SchemaField

Index = npt.NDArray[np.int64]
Judge = Callable[[str], Verdict]

JUDGES: Final[dict[str, Judge]] = {
    "forename": forename.judge,
    "surname": surname.judge,
    "date": date.judge,
    "postcode": postcode.judge,
    "sex": sex.judge,
    "nino": nino.judge,
    "upn": upn.judge,
    "nhs": nhs.judge,
    "uln": uln.judge,
    "text": text.judge,
}
MOST_PROBLEMS: Final = 50
#: Verdicts kept from chunk to chunk, a field.
_MOST_KEPT: Final = 50_000


@dataclass(frozen=True)
class Judged:
    """
    A column of n cells and what the rules say.

    index: (n,) which distinct cell each is. values: (distinct,) int32 into ``texts``, below 0
    where a cell has no value. texts: canonical values, each once.
    verdicts: distinct cell -> its verdict, of all but those that are a value and nothing else.
    """

    index: Index
    values: Codes
    texts: Texts
    verdicts: Mapping[int, Verdict]

    def column(self) -> Column:
        """The values of the cells."""
        return Column(self.texts, self.values[self.index])

    def count(self) -> FieldCount:
        """How the cells fared."""
        cells = np.bincount(self.index, minlength=len(self.values))
        filled = valid = int(cells.sum()) - sum(int(cells[at]) for at in self.verdicts)
        rules: Counter[str] = Counter()
        flags: Counter[str] = Counter()
        for at, verdict in self.verdicts.items():
            count = int(cells[at])
            if not count or verdict == BLANK:
                continue
            filled += count
            if verdict.rule is not None:
                rules[verdict.rule] += count
            elif verdict.value is not None:
                valid += count
            if verdict.flag is not None:
                flags[verdict.flag] += count
        return FieldCount(filled, valid, dict(sorted(rules.items())), dict(sorted(flags.items())))

    @property
    def breaks(self) -> bool:
        """Whether any cell breaks a rule."""
        return any(verdict.rule is not None for verdict in self.verdicts.values())


def added(one: FieldCount, other: FieldCount) -> FieldCount:
    """The counts of two parts of an extract together."""
    rules, flags = Counter(one.rules), Counter(one.flags)
    rules.update(other.rules)
    flags.update(other.flags)
    return FieldCount(
        one.filled + other.filled,
        one.valid + other.valid,
        dict(sorted(rules.items())),
        dict(sorted(flags.items())),
    )


class Judges:
    """
    Judges the columns of one field, chunk after chunk; verdicts that took effort are kept.

    Threads may share it: what is kept is only ever looked up whole.
    """

    def __init__(self, field: SchemaField, today: datetime.date) -> None:
        self._field, self._today = field, today
        self._judge = JUDGES[field.kind]
        self._cells = compiled.CELLS.get(field.kind)
        if field.kind == "date":
            self._judge = partial(date.judge, formats=field.formats, today=today)
            # A declared format is tried first and may read a cell otherwise.
            self._cells = None if field.formats else partial(compiled.date_cells, today=today)
        self._kept: dict[Hashable, Verdict] = {}

    def __call__(self, columns: Sequence[pa.ChunkedArray], rows: int) -> Judged:
        """Judge a column of cells; three where a date is in parts; none where there is no column."""
        if not columns:
            nothing = np.zeros(rows, dtype=np.int64)
            return Judged(nothing, np.full(1, -1, dtype=np.int32), Texts.of([]), {0: BLANK})
        if self._field.parts is not None:
            return self._in_parts(columns)
        cells, index = _distinct(columns[0])
        if self._cells is None:
            return self._judged(index, [self._of(cell) for cell in cells])
        found, done = self._cells(cells)
        rest = np.flatnonzero(~done)
        texts, codes = found.distinct()
        if not len(rest):
            return Judged(index, codes, texts, {})
        others = cells.array.take(pa.array(rest)).to_pylist()
        verdicts = {int(at): self._of(cell) for at, cell in zip(rest, others, strict=True)}
        further = sorted({v.value for v in verdicts.values() if v.value is not None})
        joined, codes = Texts(
            pa.concat_arrays([found.array, pa.array(further, pa.large_string())])
        ).distinct()
        place = {value: int(codes[len(found) + i]) for i, value in enumerate(further)}
        values = codes[: len(found)]
        for at, verdict in verdicts.items():
            values[at] = -1 if verdict.value is None else place[verdict.value]
        return _tidy(Judged(index, values, joined, verdicts))

    def _of(self, cell: str) -> Verdict:
        return self._remembered(cell, self._judge, cell)

    def _remembered(self, key: Hashable, judge: Callable[..., Verdict], *cells: str) -> Verdict:
        verdict = self._kept.get(key)
        if verdict is None:
            verdict = judge(*cells)
            if len(self._kept) >= _MOST_KEPT:
                self._kept = {}
            self._kept[key] = verdict
        return verdict

    def _in_parts(self, columns: Sequence[pa.ChunkedArray]) -> Judged:
        (years, year), (months, month), (days, day) = (_distinct(column) for column in columns)
        # Distinct triples as one number each: three 31-bit indices would not fit, their product does,
        # because pairs are numbered anew before the third part is added.
        pairs, pair = np.unique(year * len(months) + month, return_inverse=True)
        triples, index = np.unique(pair * len(days) + day, return_inverse=True)
        texts = [list(years), list(months), list(days)]
        judge = partial(date.judge_parts, today=self._today)
        verdicts = []
        for triple in triples.tolist():
            which, d = divmod(triple, len(days))
            y, m = divmod(int(pairs[which]), len(months))
            cells = (texts[0][y], texts[1][m], texts[2][d])
            verdicts.append(self._remembered(cells, judge, *cells))
        return self._judged(index.astype(np.int64), verdicts)

    def _judged(self, index: Index, verdicts: Sequence[Verdict]) -> Judged:
        values = sorted({verdict.value for verdict in verdicts if verdict.value is not None})
        place = {value: code for code, value in enumerate(values)}
        codes = [-1 if v.value is None else place[v.value] for v in verdicts]
        remarks = {at: v for at, v in enumerate(verdicts) if v.value is None or v.rule or v.flag}
        return Judged(index, np.asarray(codes, dtype=np.int32), Texts.of(values), remarks)


def _tidy(judged: Judged) -> Judged:
    """Without the text of no cell: those that the compiled code left have an empty one."""
    used = np.zeros(len(judged.texts), dtype=np.bool_)
    used[judged.values[judged.values >= 0]] = True
    if used.all():
        return judged
    place = np.full(len(used) + 1, -1, dtype=np.int32)
    place[:-1][used] = np.arange(int(used.sum()), dtype=np.int32)
    texts = Texts(judged.texts.array.filter(pa.array(used)))
    return Judged(judged.index, place[judged.values], texts, judged.verdicts)


def _distinct(column: pa.ChunkedArray) -> tuple[Texts, Index]:
    """The distinct texts of a column and, for each row, which one; null reads as empty."""
    whole = column.cast(pa.large_string()).combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], pa.large_string())
    if whole.null_count:
        whole = pc.fill_null(whole, "")
    encoded = pc.dictionary_encode(whole)
    return Texts(encoded.dictionary), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


class Broken:
    """The cells that break a rule: all counted, the first fifty by row kept for the message."""

    def __init__(self) -> None:
        self._total = 0
        self._first: list[tuple[int, int, str, str]] = []

    def add(self, name: str, order: int, judged: Judged, rows: Index) -> None:
        """Note the cells of a chunk; ``order`` is the place of the field in the schema."""
        breaks = np.zeros(len(judged.values), dtype=np.bool_)
        breaks[[at for at, verdict in judged.verdicts.items() if verdict.rule is not None]] = True
        found = np.flatnonzero(breaks[judged.index])
        self._total += len(found)
        for at in found[np.argsort(rows[found], kind="stable")][:MOST_PROBLEMS]:
            rule = judged.verdicts[int(judged.index[at])].rule or ""
            self._first.append((int(rows[at]), order, name, rule))
        self._first = sorted(self._first)[:MOST_PROBLEMS]

    def refuse(self, source: str) -> None:
        """
        Raises:
            FieldRuleError: a cell was noted.
        """
        if not self._total:
            return
        problems = [
            Problem(f"row {row + 1}, field {name!r}", f"breaks {rule}") for row, _, name, rule in self._first
        ]
        if self._total > len(problems):
            problems.append(Problem("", f"and {self._total - len(problems)} more"))
        raise FieldRuleError(
            problems, source=source or None, advice="Correct the cells, or leave out --strict."
        )
