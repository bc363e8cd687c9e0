"""
The custodian's encoding on a Spark cluster of its own: every executor reads the key file itself.

A closure holds the paths of two files and public values; never a key, a passphrase or what either
could be computed from. The extract is cleaned here, because what is common is a matter of the whole.

Source: specs/engines-v1.md, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pseudolink.encode.extract import Index, Passes
from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.engines import spark
from pseudolink.errors import WrongKeyError
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.formats.encodings import TOKEN_BYTES, TOKEN_WORDS, PassColumns, fixed_column, fixed_values
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.vault import read_passphrase
from pseudolink.schema import LinkageSchema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Rows that are on their way to the cluster at a time.
WAVE_ROWS = 500_000
_AT = "at"


def encode_batches(
    schema: LinkageSchema,
    project: str,
    key_file: str,
    passphrase_file: str,
    check: str,
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """
    On an executor: canonical values to tokens and filters.

    Raises:
        WrongKeyError: the key file that this machine sees holds another key.
    """
    ring = None
    for batch in batches:
        if not batch.num_rows:
            continue
        if ring is None:
            key = LinkageKey.load(Path(key_file), read_passphrase(Path(passphrase_file)))
            if key.check_value(project, schema.digest) != check:
                raise WrongKeyError("an executor sees another key file under this path")
            ring = KeyRing.derived(key.derive, schema, project)
        fields = {
            name: _column(batch.column(f"v{number}"))
            for number, name in enumerate(schema.fields)
            if f"v{number}" in batch.schema.names
        }
        rows = np.arange(batch.num_rows, dtype=np.int64)
        passes = encode_chunk(Cleaned(batch.num_rows, rows, fields, {}), schema, ring)
        columns = {_AT: batch.column(_AT)}
        for number, one in enumerate(passes.values()):
            raw = np.ascontiguousarray(one.tokens, dtype="<u8").view(np.uint8)
            columns[f"t{number}"] = fixed_column(raw.reshape(-1, TOKEN_BYTES), one.present).cast(pa.binary())
            if one.filters is not None:
                columns[f"f{number}"] = fixed_column(one.filters, one.present).cast(pa.binary())
        yield pa.RecordBatch.from_pydict(columns)


def _column(values: pa.Array) -> Column:
    cells = values.to_pylist()
    distinct = tuple(sorted({cell for cell in cells if cell is not None}))
    place = {value: number for number, value in enumerate(distinct)}
    return Column(distinct, np.asarray([-1 if c is None else place[c] for c in cells], dtype=np.int32))


@dataclass(frozen=True)
class SparkEncoder:
    """
    What ``encoding.Away`` asks for, on a cluster.

    key_file, passphrase_file: paths that every executor sees. key: what they must find there; its
    check value, which is public, is all of it that travels.
    """

    session: SparkSession
    key_file: Path
    passphrase_file: Path
    key: LinkageKey

    def __call__(
        self, schema: LinkageSchema, project: str, cleaned: Cleaned, chunks: Sequence[Index]
    ) -> Iterable[Passes]:
        """Tokens and filters of every chunk of rows, in order."""
        function = partial(
            encode_batches,
            schema,
            project,
            str(self.key_file.absolute()),
            str(self.passphrase_file.absolute()),
            self.key.check_value(project, schema.digest),
        )
        columns = [
            f"t{n} binary" + (f", f{n} binary" if w else "") for n, w in enumerate(schema.layout.values())
        ]
        result = ", ".join([f"{_AT} long", *columns])
        waiting = list(chunks)
        while waiting:
            wave = [waiting.pop(0)]
            while waiting and sum(map(len, wave)) + len(waiting[0]) <= WAVE_ROWS:
                wave.append(waiting.pop(0))
            rows = np.concatenate(wave)
            if not len(rows):
                passes = encode_none(schema)
            else:
                with spark.jobs("encode"):
                    frame = spark.spread(self.session, _values(cleaned, schema, rows))
                    passes = _passes(spark.collected(frame.mapInArrow(function, result)), schema)
            start = 0
            for chunk in wave:
                some = slice(start, start + len(chunk))
                yield {
                    name: PassColumns(
                        one.tokens[some],
                        one.present[some],
                        None if one.filters is None else one.filters[some],
                    )
                    for name, one in passes.items()
                }
                start += len(chunk)


def encode_none(schema: LinkageSchema) -> Passes:
    """The passes of no rows."""
    return {
        name: PassColumns(
            np.zeros((0, TOKEN_WORDS), np.uint64),
            np.zeros(0, bool),
            np.zeros((0, width), np.uint8) if width else None,
        )
        for name, width in schema.layout.items()
    }


def _values(cleaned: Cleaned, schema: LinkageSchema, rows: Index) -> pa.Table:
    """Canonical values of rows, and the place of each; columns are numbered, not named."""
    columns: dict[str, pa.Array] = {_AT: pa.array(np.arange(len(rows), dtype=np.int64))}
    for number, name in enumerate(schema.fields):
        if name in cleaned.fields:
            column = cleaned.fields[name]
            codes = column.codes[rows]
            columns[f"v{number}"] = pa.array(column.values, pa.string()).take(
                pa.array(codes.astype(np.int64), mask=codes < 0)
            )
    return pa.table(columns)


def _passes(table: pa.Table, schema: LinkageSchema) -> Passes:
    table = table.sort_by(_AT).combine_chunks()
    passes = {}
    for number, (name, width) in enumerate(schema.layout.items()):
        raw, present = fixed_values(table.column(f"t{number}").cast(pa.binary(TOKEN_BYTES)))
        tokens = raw.view("<u8").astype(np.uint64).reshape(len(raw), TOKEN_WORDS)
        filters = fixed_values(table.column(f"f{number}").cast(pa.binary(width)))[0] if width else None
        passes[name] = PassColumns(tokens, present, filters)
    return passes
