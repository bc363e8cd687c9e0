"""
Cleaning a whole extract: columns to fields, each distinct cell judged once.

Source: specs/cleaning-v1.md, sections 1 and 13.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.clean import date, forename, nhs, nino, postcode, sex, surname, text, uln, upn
from pseudolink.clean.formats import compile_format
from pseudolink.clean.reader import column_key
from pseudolink.clean.verdict import BLANK, Verdict
from pseudolink.clean.versions import hyphen_parts, with_versions
from pseudolink.errors import (
    EmptyInputError,
    FieldRuleError,
    InputError,
    MissingColumnsError,
    Problem,
    SchemaError,
    UnusableFieldError,
)
from pseudolink.formats.cleaned import Cleaned, Column, FieldCount
from pseudolink.schema import LinkageSchema, SchemaField

Judge = Callable[[str], Verdict]
Index = npt.NDArray[np.int64]

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


@dataclass(frozen=True)
class _Judged:
    """
    A column before its verdicts become values.

    verdicts: one a distinct cell (or triple of cells).
    index: (n,) int64 into them.
    """

    verdicts: Sequence[Verdict]
    index: Index


def clean_table(
    table: pa.Table,
    schema: LinkageSchema,
    *,
    strict: bool = False,
    today: datetime.date | None = None,
    needed: Collection[str] | None = None,
    source: str = "",
) -> Cleaned:
    """
    Clean the rows of an extract under a schema.

    A cell that breaks a rule becomes missing and is counted; with ``strict`` it is an error.

    Args:
        table: n rows, columns of text (``read_extract``).
        today: the day after which a date is in the future; the real one when None.
        needed: fields whose columns must be there and usable; every field when None. A field
            that the schema calls optional may be absent all the same. Every field whose columns
            are there is read.
        source: name of the extract in messages.

    Raises:
        EmptyInputError: no rows.
        InputError: two columns have one name.
        MissingColumnsError: needed fields without their columns; all listed.
        SchemaError: a date format that cannot be read.
        UnusableFieldError: needed fields with filled cells and not one value; all listed.
        FieldRuleError: strict, and cells break rules; rows are counted from 1.

    Returns:
        One row a record, then further versions of records with several values (section 15).

    Source: specs/cleaning-v1.md, sections 13 and 15.
    """
    if table.num_rows == 0:
        raise EmptyInputError(f"{source or 'the table'} has no rows")
    _check_formats(schema)
    wanted = {
        field.name
        for field in schema.fields.values()
        if not field.optional and (needed is None or field.name in needed)
    }
    columns = _find_columns(table, schema, wanted, source)
    day = today or datetime.date.today()
    fields: dict[str, Column] = {}
    counts: dict[str, FieldCount] = {}
    broken: dict[str, tuple[Sequence[Verdict], Index]] = {}
    for name, field in schema.fields.items():
        judged = _judge(field, [table.column(c) for c in columns[name]], day, table.num_rows)
        fields[name] = _column(judged)
        counts[name] = _count(judged)
        if strict:
            broken[name] = _broken(judged)
    if strict:
        _refuse_broken(broken, source)
    _refuse_unusable(wanted, fields, counts, source)
    base = Cleaned(table.num_rows, np.arange(table.num_rows, dtype=np.int64), fields, counts)
    return with_versions(base, _further(table, schema, fields, day))


def _further(
    table: pa.Table, schema: LinkageSchema, fields: dict[str, Column], day: datetime.date
) -> dict[str, list[Column]]:
    """Field -> further values: of the columns in ``also``, then the parts of hyphenated surnames."""
    there = {column_key(name): index for index, name in enumerate(table.column_names)}
    found = {}
    for name, field in schema.fields.items():
        further = [
            _column(_judge(field, [table.column(there[key])], day, table.num_rows))
            for key in map(column_key, field.also)
            if key in there
        ]
        if field.kind == "surname":
            further += [part for column in (fields[name], *further) for part in hyphen_parts(column)]
        found[name] = further
    return found


# ---------------------------------------------------------------- columns to fields


def _check_formats(schema: LinkageSchema) -> None:
    problems = []
    for field in schema.fields.values():
        for index, one in enumerate(field.formats):
            try:
                compile_format(one)
            except ValueError as error:
                problems.append(Problem(f"fields.{field.name}.formats[{index}]", str(error)))
    if problems:
        raise SchemaError(problems, source=schema.name)


def _find_columns(
    table: pa.Table, schema: LinkageSchema, wanted: Collection[str], source: str
) -> dict[str, list[int]]:
    """Field -> positions of its columns: one, three for a date in parts, none where absent."""
    there: dict[str, int] = {}
    for position, name in enumerate(table.column_names):
        if column_key(name) in there:
            raise InputError(f"{source or 'the table'}: two columns are called {column_key(name)!r}")
        there[column_key(name)] = position
    found: dict[str, list[int]] = {}
    problems = []
    for field in schema.fields.values():
        aliases = field.parts or field.columns
        present = [there[key] for key in map(column_key, aliases) if key in there]
        if field.parts is None:
            found[field.name] = present[:1]
            complete = bool(present)
        else:
            found[field.name] = present
            complete = len(present) == len(aliases)
        # Some of three parts without the others is a mistake even where the field is optional.
        if not complete and (field.name in wanted or (field.parts is not None and present)):
            what = "columns" if field.parts else "a column, one of"
            problems.append(Problem(f"field {field.name!r}", f"needs {what} {', '.join(aliases)}"))
    if problems:
        raise MissingColumnsError(
            problems,
            source=source or None,
            advice=f"The columns that are there: {', '.join(table.column_names)}.",
        )
    return found


# ---------------------------------------------------------------- cells to verdicts


def _distinct(column: pa.ChunkedArray) -> tuple[list[str], Index]:
    """The distinct texts of a column and, for each row, which one; null reads as empty."""
    whole = column.cast(pa.large_string()).combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    encoded = pc.dictionary_encode(whole)
    values: list[str] = encoded.dictionary.to_pylist()
    index = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False).astype(np.int64)
    return [*values, ""], index


def _judge(field: SchemaField, columns: list[pa.ChunkedArray], today: datetime.date, rows: int) -> _Judged:
    if not columns:
        return _Judged([BLANK], np.zeros(rows, dtype=np.int64))
    if field.parts is not None:
        return _judge_parts(columns, today)
    judge = JUDGES[field.kind]
    if field.kind == "date":
        judge = partial(date.judge, formats=field.formats, today=today)
    values, index = _distinct(columns[0])
    return _Judged([judge(value) for value in values], index)


def _judge_parts(columns: list[pa.ChunkedArray], today: datetime.date) -> _Judged:
    (years, year), (months, month), (days, day) = (_distinct(column) for column in columns)
    # Distinct triples as one number each: three 31-bit indices would not fit, their product does,
    # because pairs are numbered anew before the third part is added.
    pairs, pair = np.unique(year * len(months) + month, return_inverse=True)
    triples, index = np.unique(pair * len(days) + day, return_inverse=True)
    verdicts = []
    for triple in triples.tolist():
        which, d = divmod(triple, len(days))
        y, m = divmod(int(pairs[which]), len(months))
        verdicts.append(date.judge_parts(years[y], months[m], days[d], today=today))
    return _Judged(verdicts, index.astype(np.int64))


# ---------------------------------------------------------------- verdicts to a column and counts


def _column(judged: _Judged) -> Column:
    values = sorted({verdict.value for verdict in judged.verdicts if verdict.value is not None})
    position = {value: code for code, value in enumerate(values)}
    codes = np.array([-1 if v.value is None else position[v.value] for v in judged.verdicts], dtype=np.int32)
    return Column(tuple(values), codes[judged.index])


def _count(judged: _Judged) -> FieldCount:
    cells = np.bincount(judged.index, minlength=len(judged.verdicts)).tolist()
    rules: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    filled = valid = 0
    for verdict, count in zip(judged.verdicts, cells, strict=True):
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


# ---------------------------------------------------------------- refusals


def _broken(judged: _Judged) -> tuple[Sequence[Verdict], Index]:
    """The verdict and the row of every cell that breaks a rule, in the order of the rows."""
    breaks = np.array([verdict.rule is not None for verdict in judged.verdicts], dtype=bool)
    rows = np.flatnonzero(breaks[judged.index])
    return [judged.verdicts[i] for i in judged.index[rows[:MOST_PROBLEMS]]], rows


def _refuse_broken(broken: dict[str, tuple[Sequence[Verdict], Index]], source: str) -> None:
    total = sum(len(rows) for _, rows in broken.values())
    if not total:
        return
    listed = sorted(
        (int(row), order, name, verdict.rule)
        for order, (name, (verdicts, rows)) in enumerate(broken.items())
        for verdict, row in zip(verdicts, rows[:MOST_PROBLEMS], strict=True)
    )[:MOST_PROBLEMS]
    problems = [Problem(f"row {row + 1}, field {name!r}", f"breaks {rule}") for row, _, name, rule in listed]
    if total > len(problems):
        problems.append(Problem("", f"and {total - len(problems)} more"))
    raise FieldRuleError(problems, source=source or None, advice="Correct the cells, or leave out --strict.")


def _refuse_unusable(
    wanted: Collection[str],
    fields: dict[str, Column],
    counts: dict[str, FieldCount],
    source: str,
) -> None:
    problems = []
    for name, column in fields.items():
        if name in wanted and counts[name].filled and not column.values:
            rules = ", ".join(f"{rule} ({count})" for rule, count in counts[name].rules.items())
            why = f": {rules}" if rules else ""
            problems.append(
                Problem(f"field {name!r}", f"{counts[name].filled} filled cells and not one valid{why}")
            )
    if problems:
        raise UnusableFieldError(
            problems,
            source=source or None,
            advice="The field may be mapped to another column, or a date format may need declaring.",
        )
