"""
The custodian's encoding on a Spark cluster of its own: every executor reads the key file itself.

A closure holds the paths of two files and public values; never a key, a passphrase or what either
could be computed from. A chunk of the extract is cleaned here, sent as one task, and comes back as tokens
and filters; what is common, the floor, decoys, order and record IDs are matters of the whole, and stay.

Source: specs/engines-v1.md, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.encode.tokens import Encoder, KeyRing
from pseudolink.engines import spark
from pseudolink.errors import WrongKeyError
from pseudolink.formats.cleaned import Cleaned, Column, Texts
from pseudolink.formats.encodings import TOKEN_BYTES, TOKEN_WORDS, PassColumns, fixed_column, fixed_values
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.vault import read_passphrase
from pseudolink.schema import LinkageSchema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Passes = dict[str, PassColumns]
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
    encoder = None
    for batch in batches:
        if not batch.num_rows:
            continue
        if encoder is None:
            key = LinkageKey.load(Path(key_file), read_passphrase(Path(passphrase_file)))
            if key.check_value(project, schema.digest) != check:
                raise WrongKeyError("an executor sees another key file under this path")
            encoder = Encoder(schema, KeyRing.derived(key.derive, schema, project))
        fields = {
            name: _column(batch.column(f"v{number}"))
            for number, name in enumerate(schema.fields)
            if f"v{number}" in batch.schema.names
        }
        rows = np.arange(batch.num_rows, dtype=np.int64)
        passes = encoder.encode(encoder.components(Cleaned(batch.num_rows, rows, fields, {})))
        columns = {_AT: batch.column(_AT)}
        for number, one in enumerate(passes.values()):
            raw = np.ascontiguousarray(one.tokens, dtype="<u8").view(np.uint8)
            columns[f"t{number}"] = fixed_column(raw.reshape(-1, TOKEN_BYTES), one.present).cast(pa.binary())
            if one.filters is not None:
                columns[f"f{number}"] = fixed_column(one.filters, one.present).cast(pa.binary())
        yield pa.RecordBatch.from_pydict(columns)


def _column(values: pa.Array) -> Column:
    encoded = pc.dictionary_encode(values)
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return Column(Texts(encoded.dictionary.cast(pa.large_string())), codes)


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

    def __call__(self, schema: LinkageSchema, project: str, cleaned: Cleaned) -> Passes:
        """
        Tokens and filters of a chunk. Several threads may ask at once.

        Raises:
            ClusterError: the job failed, or an executor sees another key.
        """
        if not cleaned.rows:
            return encode_none(schema)
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
        with spark.jobs("encode"):
            frame = spark.one_task(self.session, _values(cleaned, schema))
            return _passes(spark.collected(frame.mapInArrow(function, result)), schema)


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


def _values(cleaned: Cleaned, schema: LinkageSchema) -> pa.Table:
    """Canonical values of rows, and the place of each; columns are numbered, not named."""
    columns: dict[str, pa.Array] = {_AT: pa.array(np.arange(cleaned.rows, dtype=np.int64))}
    for number, name in enumerate(schema.fields):
        if name in cleaned.fields:
            column = cleaned.fields[name]
            codes = pa.array(column.codes.astype(np.int64), mask=column.codes < 0)
            columns[f"v{number}"] = Texts.of(column.values).array.take(codes).cast(pa.string())
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
