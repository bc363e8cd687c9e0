"""
Cleaning a whole extract: columns to fields, each distinct cell judged once.

Source: specs/cleaning-v1.md, sections 1 and 13.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.clean.cells import JUDGES, Broken, Judged, Judges, added
from pseudolink.clean.csv_file import refuse_duplicates
from pseudolink.clean.formats import compile_format
from pseudolink.clean.headings import column_key, expected_columns, lacking_fields, missing_columns
from pseudolink.clean.versions import hyphen_parts, with_versions
from pseudolink.errors import (
    EmptyInputError,
    Problem,
    SchemaError,
    UnusableFieldError,
)
from pseudolink.formats.cleaned import Cleaned, Column, FieldCount
from pseudolink.schema import LinkageSchema

Index = npt.NDArray[np.int64]

__all__ = ["JUDGES", "Cleaning", "clean_table"]


class Cleaning:
    """
    The cleaning of one extract, chunk by chunk; chunks may be cleaned on several threads.

    Args:
        names: the columns of the extract.
        strict: cells that break a rule are an error; see :meth:`finish`.
        today: the day after which a date is in the future; the real one when None.
        needed: fields whose columns must be there and usable; every field when None. A field
            that the schema calls optional may be absent all the same. Every field whose columns
            are there is read.
        source: name of the extract in messages.

    Raises:
        InputError: two columns have one name.
        MissingColumnsError: needed fields without their columns; all listed.
        SchemaError: a date format that cannot be read.

    Source: specs/cleaning-v1.md, sections 13 and 15.
    """

    def __init__(
        self,
        names: Sequence[str],
        schema: LinkageSchema,
        *,
        strict: bool = False,
        today: datetime.date | None = None,
        needed: Collection[str] | None = None,
        source: str = "",
    ) -> None:
        self._names, self._schema, self._strict, self._source = list(names), schema, strict, source
        _check_formats(schema)
        self._wanted = {
            field.name
            for field in schema.fields.values()
            if not field.optional and (needed is None or field.name in needed)
        }
        self._columns = _find_columns(self._names, schema, self._wanted, source)
        self._also = _further_columns(self._names, schema)
        day = today or datetime.date.today()
        self._judges = {name: Judges(field, day) for name, field in schema.fields.items()}
        self._counts = {name: FieldCount(0, 0, {}, {}) for name in schema.fields}
        self._usable: set[str] = set()
        self._broken = Broken()
        self._rows = 0
        self._lock = threading.Lock()

    def chunk(self, table: pa.Table, rows: Index) -> Cleaned:
        """
        Clean some rows of the extract.

        Args:
            table: n rows, columns of text with the names of the extract.
            rows: (n,) int64, which rows of the extract they are, from 0.

        Returns:
            One row a record, then further versions of records with several values. ``source``
            is of ``rows``.
        """
        fields: dict[str, Column] = {}
        counts: dict[str, FieldCount] = {}
        broken: dict[str, Judged] = {}
        for name, judge in self._judges.items():
            judged = judge([table.column(c) for c in self._columns[name]], table.num_rows)
            fields[name], counts[name] = judged.column(), judged.count()
            if self._strict and judged.breaks:
                broken[name] = judged
        with self._lock:
            self._rows += table.num_rows
            for order, (name, count) in enumerate(counts.items()):
                self._counts[name] = added(self._counts[name], count)
                if len(fields[name].values):
                    self._usable.add(name)
                if name in broken:
                    self._broken.add(name, order, broken[name], rows)
        base = Cleaned(table.num_rows, rows, fields, counts)
        return with_versions(base, self._further(table, fields))

    def _further(self, table: pa.Table, fields: dict[str, Column]) -> dict[str, list[Column]]:
        """Field -> further values: of the columns in ``also``, then the parts of hyphenated surnames."""
        found = {}
        for name, field in self._schema.fields.items():
            judge = self._judges[name]
            further = [judge([table.column(at)], table.num_rows).column() for at in self._also[name]]
            if field.kind == "surname":
                further += [part for column in (fields[name], *further) for part in hyphen_parts(column)]
            found[name] = further
        return found

    @property
    def counts(self) -> dict[str, FieldCount]:
        """How the cells fared so far, by field."""
        return dict(self._counts)

    @property
    def rows(self) -> int:
        """Rows cleaned so far."""
        return self._rows

    def finish(self) -> None:
        """
        Refuse what can only be judged when all chunks are cleaned.

        Raises:
            EmptyInputError: no rows.
            FieldRuleError: strict, and cells break rules; rows are counted from 1.
            UnusableFieldError: needed fields with filled cells and not one value; all listed.
        """
        if not self._rows:
            raise EmptyInputError(f"{self._source or 'the table'} has no rows")
        self._broken.refuse(self._source)
        _refuse_unusable(self._wanted, self._usable, self._counts, self._source)


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
    Clean the rows of a whole extract under a schema.

    A cell that breaks a rule becomes missing and is counted; with ``strict`` it is an error.

    Args:
        table: n rows, columns of text (``read_extract``).
        strict, today, needed, source: as of :class:`Cleaning`.

    Raises:
        As :class:`Cleaning`, its ``finish`` included.

    Returns:
        One row a record, then further versions of records with several values (section 15);
        the values of each field sorted.

    Source: specs/cleaning-v1.md, sections 13 and 15.
    """
    if table.num_rows == 0:
        raise EmptyInputError(f"{source or 'the table'} has no rows")
    cleaning = Cleaning(table.column_names, schema, strict=strict, today=today, needed=needed, source=source)
    cleaned = cleaning.chunk(table, np.arange(table.num_rows, dtype=np.int64))
    cleaning.finish()
    fields = {name: column.in_order() for name, column in cleaned.fields.items()}
    return Cleaned(cleaned.rows, cleaned.source, fields, cleaned.counts)


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


def _further_columns(names: Sequence[str], schema: LinkageSchema) -> dict[str, list[int]]:
    """Field -> positions of the columns with further values that are there."""
    there = {column_key(name): position for position, name in enumerate(names)}
    return {
        field.name: [there[key] for key in map(column_key, field.also) if key in there]
        for field in schema.fields.values()
    }


def _find_columns(
    names: Sequence[str], schema: LinkageSchema, wanted: Collection[str], source: str
) -> dict[str, list[int]]:
    """Field -> positions of its columns: one, three for a date in parts, none where absent."""
    refuse_duplicates(list(names), source or "the table")
    lacking = lacking_fields(names, schema, wanted)
    if lacking:
        raise missing_columns(names, lacking, expected=expected_columns(schema), source=source)
    there = {column_key(name): position for position, name in enumerate(names)}
    found: dict[str, list[int]] = {}
    for field in schema.fields.values():
        present = [there[key] for key in map(column_key, field.parts or field.columns) if key in there]
        found[field.name] = present if field.parts else present[:1]
    return found


# ---------------------------------------------------------------- refusals


def _refuse_unusable(
    wanted: Collection[str], usable: Collection[str], counts: Mapping[str, FieldCount], source: str
) -> None:
    problems = []
    for name, count in counts.items():
        if name in wanted and count.filled and name not in usable:
            rules = ", ".join(f"{rule} ({cells})" for rule, cells in count.rules.items())
            why = f": {rules}" if rules else ""
            problems.append(Problem(f"field {name!r}", f"{count.filled} filled cells and not one valid{why}"))
    if problems:
        raise UnusableFieldError(
            problems,
            source=source or None,
            advice="The field may be mapped to another column, or a date format may need declaring.",
        )
