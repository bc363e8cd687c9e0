"""
From an extract to encodings and a payload: clean, encode, split, chunk by chunk.

The custodian's role writes and seals the result; a rehearsal and the Python interface keep it in
memory, with keys of their own. It is the same road for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pseudolink.clean.common import Common, CommonCount, common_values, missing_where_common
from pseudolink.clean.extract import Cleaning
from pseudolink.clean.reader import Extract, column_key, open_extract
from pseudolink.encode.extract import CHUNK_ROWS, Encoded, Encoding, Part, Written
from pseudolink.encode.shuffle import MEMORY
from pseudolink.encode.tokens import KeyRing
from pseudolink.engines import threads
from pseudolink.engines.spill import Spill
from pseudolink.errors import InputError, UsageError
from pseudolink.formats.cleaned import Cleaned, FieldCount
from pseudolink.formats.encodings import PassColumns
from pseudolink.portable import processors
from pseudolink.roles.payload import Piece
from pseudolink.roles.streams import Kept
from pseudolink.schema import LinkageSchema, SchemaField

#: ``derive(label, *context) -> 32 bytes``; the linkage key's ``derive``.
Derive = Callable[..., bytes]
Index = npt.NDArray[np.int64]
#: ``report(stage, done, total)``.
Report = Callable[[str, int, int], None]
#: ``away(schema, project, cleaned)``: as ``extract.Away``, for any schema and project.
Away = Callable[[LinkageSchema, str, Cleaned], dict[str, PassColumns]]


def quiet(stage: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Options:
    """
    How to read and encode an extract.

    sheet: of a workbook; see :func:`~pseudolink.clean.reader.open_extract`.
    workers: threads that encode; as many as there are processors when None.
    strict: refuse cells that break a rule, instead of counting them as missing.
    enforce_floor: refuse an extract above the security floor.
    memory: bytes of encodings, and of payload, beyond which they wait on disk, encrypted.
    audit: the report of an audit (`pseudolink attack`), for schemas that require one.
    away: another engine that encodes chunks, as many at a time as there are workers; None for this
        process.
    """

    strict: bool = False
    workers: int | None = None
    chunk_rows: int = CHUNK_ROWS
    enforce_floor: bool = True
    today: date | None = None
    memory: int = MEMORY
    audit: Path | None = None
    sheet: str | None = None
    away: Away | None = None


@dataclass(frozen=True)
class Fared:
    """
    How an extract fared in cleaning.

    counts: field -> its cells. usable: field -> records that have a value.
    """

    counts: dict[str, FieldCount]
    usable: dict[str, int]


@dataclass(frozen=True)
class _Seen:
    """Of a chunk: its records; by field those with a value, and those that hold a common one."""

    records: int
    usable: dict[str, int]
    held: dict[str, int]


#: Changes what is encoded of an extract; gives the rows that stay.
Prepare = Callable[[Piece], Piece]


class Encoder:
    """
    One extract, from its chunks to encodings.

    Args:
        party: whose extract it is. Decoys are drawn for it: each extract of a linkage has its own.
        needed: fields that must be there; every field when None.
        prepare: what to leave out of every chunk, before anything else is done with it.
        columns: names of the columns that ``prepare`` leaves; all of them when None.
        taken: called with every chunk, in order, with the IDs of its rows (n, 16).
        common: values that are taken as missing, by field; see :func:`settled`.
        spill: a place for what memory should not hold; None keeps all of it there.

    Raises:
        UsageError: chunks or workers below 1.
        MissingColumnsError, SchemaError: the columns do not fit the schema.
    """

    def __init__(
        self,
        extract: Extract,
        schema: LinkageSchema,
        derive: Derive,
        project: str,
        *,
        party: str = "",
        options: Options,
        needed: Collection[str] | None = None,
        source: str = "",
        prepare: Prepare | None = None,
        columns: Sequence[str] | None = None,
        taken: Callable[[Piece, npt.NDArray[np.uint8]], None] | None = None,
        common: Common | None = None,
        spill: Callable[[], Spill] | None = None,
        report: Report = quiet,
    ) -> None:
        if options.chunk_rows < 1 or (options.workers is not None and options.workers < 1):
            raise UsageError("chunks and workers are counted from 1")
        self._extract, self._options, self._report, self._taken = extract, options, report, taken
        self._prepare = prepare or (lambda piece: piece)
        self._run = partial(threads.run, threads=options.workers or processors())
        self._clean = partial(
            Cleaning,
            extract.columns if columns is None else columns,
            schema,
            today=options.today or date.today(),
            needed=needed,
            source=source,
        )
        self._cleaning = self._clean(strict=options.strict)
        ring = KeyRing.derived(derive, schema, project, party)
        away = partial(options.away, schema, project) if options.away else None
        self._encoding = Encoding(schema, ring, spill=spill, memory=options.memory, away=away)
        self._usable = dict.fromkeys(schema.fields, 0)
        self._schema, self._common = schema, dict(common or {})
        self._records = 0
        self._held = dict.fromkeys(self._common, 0)

    def _pieces(self) -> Iterator[Piece]:
        first = 0
        for table in self._extract.chunks(self._options.chunk_rows):
            rows = np.arange(first, first + table.num_rows, dtype=np.int64)
            first += table.num_rows
            self._report("encode", first, max(first, self._extract.rows or 0))
            yield self._prepare(Piece(table, rows))

    def _encoded(self, piece: Piece) -> tuple[Piece, Part, _Seen]:
        cleaned = self._cleaning.chunk(piece.table, piece.rows)
        records = cleaned.one_a_record()
        held: dict[str, int] = {}
        if self._common:
            cleaned, held = missing_where_common(cleaned, self._common)
            records = cleaned.one_a_record()
        usable = {name: int((column.codes >= 0).sum()) for name, column in records.fields.items()}
        return piece, self._encoding.part(cleaned), _Seen(len(records.source), usable, held)

    def _gather(self) -> None:
        for piece, part, seen in self._run(self._encoded, self._pieces()):
            self._encoding.add(part)
            self._records += seen.records
            for name, count in seen.usable.items():
                self._usable[name] += count
            for name, count in seen.held.items():
                self._held[name] += count
            if self._taken is not None:
                self._taken(piece, part.records[: len(piece.rows)])

    def _again(self) -> Iterator[Cleaned]:
        return (missing_where_common(cleaned, self._common)[0] for cleaned in self._again_bare())

    def _fared(self) -> Fared:
        counts = dict(self._cleaning.counts)
        for name, values in self._common.items():
            told = {"values": len(values), "records": self._held[name]}
            counts[name] = replace(counts[name], common=told)
        return Fared(counts, dict(self._usable))

    def common(self) -> Common:
        """
        Values that turned out to be common when every chunk had been seen (cleaning-v1, section 16).

        Raises:
            InputError: the extract would have to be read twice to tell, and cannot be.
        """
        fields = [
            name
            for name, field in self._schema.fields.items()
            if common_values(self._encoding.held(name), field.kind, self._records, field.common)
        ]
        if not fields:
            return {}
        if not self._extract.again:
            raise InputError(
                f"in this stream some values of {', '.join(fields)} are common; to encode it without them "
                "it has to be read twice",
                advice="Save it as a Parquet or CSV file, or read it into a table first.",
            )
        counted = CommonCount(self._schema, fields)
        for cleaned in self._again_bare():
            counted.add(cleaned.one_a_record())
        return counted.found()

    def _again_bare(self) -> Iterator[Cleaned]:
        cleaning = self._clean()
        return (cleaning.chunk(piece.table, piece.rows) for piece in self._pieces())

    def gather(self, check: Callable[[], None] | None = None) -> None:
        """
        Read, clean and encode every chunk.

        Args:
            check: raises what the caller found wrong on the way, before cleaning says what it found.

        Raises:
            FieldRuleError, UnusableFieldError: cells do not fit the schema.
            EmptyInputError: no rows.
        """
        self._gather()
        if check is not None:
            check()
        self._cleaning.finish()

    def finish(self) -> tuple[Encoded, Fared]:
        """
        The encodings, in memory.

        Raises:
            FloorError: too many records would have company.
        """
        found = self._encoding.finish(
            run=self._run,
            enforce_floor=self._options.enforce_floor,
            again=self._again if self._extract.again else None,
        )
        return found, self._fared()

    def write(self, path: Path) -> tuple[Written, Fared]:
        """
        The encodings, in a file. The floor is always enforced.

        Raises:
            FloorError: too many records would have company.
        """
        again = self._again if self._extract.again else None
        return self._encoding.write(path, run=self._run, again=again), self._fared()


def encode_table(
    extract: Any,
    schema: LinkageSchema,
    derive: Derive,
    project: str,
    *,
    party: str = "",
    options: Options,
    needed: Collection[str] | None = None,
    source: str = "",
) -> tuple[Encoded, Fared]:
    """
    Clean and encode an extract in memory.

    Args:
        extract: what :func:`~pseudolink.clean.reader.open_extract` takes or gives.
        party: whose extract it is. Decoys are drawn for it: each extract of a linkage has its own.

    Raises:
        MissingColumnsError, FieldRuleError, UnusableFieldError: the table does not fit the schema.
        FloorError: too many records would have company.
    """
    opened = extract if isinstance(extract, Extract) else open_extract(extract)
    if not opened.again:
        opened = Kept(opened, columns_of(schema.fields.values()))

    def gathered(common: Common) -> Encoder:
        encoder = Encoder(
            opened,
            schema,
            derive,
            project,
            party=party,
            options=options,
            needed=needed,
            source=source,
            common=common,
        )
        encoder.gather()
        return encoder

    return settled(gathered).finish()


def settled(gathered: Callable[[Common], Encoder]) -> Encoder:
    """
    An encoder that has gathered its extract with every common value missing.

    Which values are common is known when all have been counted. Hardly any extract has one, so the
    extract is encoded as if it had none, and anew in the rare case that it has.

    Args:
        gathered: makes an encoder for the common values given, and lets it gather.
    """
    encoder = gathered({})
    common = encoder.common()
    if not common:
        return encoder
    del encoder  # what it gathered is of no more use
    return gathered(common)


def columns_of(fields: Iterable[SchemaField]) -> set[str]:
    """Every column that fields may be read from, as column names are compared."""
    names = (name for one in fields for name in (*one.columns, *(one.parts or ()), *one.also))
    return {column_key(name) for name in names}


def coverage(fared: Fared) -> dict[str, int]:
    """Field -> records that have a value."""
    return dict(fared.usable)
