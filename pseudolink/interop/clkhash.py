"""
CLKs as clkhash 0.18.3 makes them, bit for bit, and many times faster.

A token of a feature always sets the same bits, and there are few tokens: each is keyed once and
kept with its positions; compiled loops find the tokens of values and set their bits. Rows come in
chunks, so memory does not grow with their number.

A CLK lets every record be compared with every other. It is here for projects that use CLKs
already; see specs/clk-v1.md, section 1, for what it shows.

Source: specs/clk-v1.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.interop.clk_hash import derive_keys, drawing
from pseudolink.interop.clk_kernels import merge, set_bits
from pseudolink.interop.clk_rows import Chunk, Problems, chunks_of
from pseudolink.interop.clk_schema import ClkSchema, Feature, load_schema
from pseudolink.interop.clk_tokens import TokenTable
from pseudolink.interop.clk_values import Values

Filters = npt.NDArray[np.uint8]

_CHUNK_ROWS: Final = 1 << 14
_CHUNK_BYTES: Final = 1 << 25
_CHUNK_TOKENS: Final = 1 << 21
# Above this share of distinct cells, finding equal ones costs more than encoding them twice.
_WORTH_FINDING: Final = 0.6

__all__ = ["ClkEncoder", "ClkSchema", "encode", "encode_chunks", "load_schema"]


class _Column:
    """Encodes one feature."""

    def __init__(self, feature: Feature, keys: tuple[bytes, bytes], bits: int, *, validate: bool) -> None:
        self.feature = feature
        self._values = Values(feature, validate=validate)
        self._table = TokenTable(feature, drawing(feature, keys, bits))
        self._repeats = True

    def add(self, cells: pa.LargeStringArray, first: int, out: Filters, problems: Problems) -> None:
        """Set the bits of n cells in ``out``, (n, w) uint8; note cells that break a rule."""
        codes = None
        if self._repeats:
            found = pc.dictionary_encode(cells)
            codes = found.indices.to_numpy()
            self._repeats = len(found.dictionary) < _WORTH_FINDING * max(len(cells), 1)
            cells = found.dictionary
        judged = self._values.judge(cells)
        if not judged.broken or self.feature.comparison.kind == "numeric":
            tokens = self._table.tokens(judged)
        for rule, which in judged.broken.items():
            rows = np.flatnonzero(which if codes is None else which[codes])
            problems.add(first, rows, self.feature.identifier, rule)
        if judged.broken:
            return
        bits = out if codes is None else np.zeros((len(cells), out.shape[1]), dtype=np.uint8)
        set_bits(
            tokens.starts,
            tokens.numbers,
            self._table.positions,
            self.feature.per_token,
            self.feature.per_feature,
            bits,
        )
        if codes is not None:
            merge(codes, bits.view(np.uint64), out.view(np.uint64))


class ClkEncoder:
    """
    Encodes rows under one schema and one secret.

    Args:
        schema: what :func:`load_schema` takes or gives.
        secret: what the parties share; text is taken as UTF-8.
        validate: check cells against their formats, as clkhash does unless told otherwise.

    Raises:
        SchemaError: the schema is not valid.
        KeyFileError: the secret is empty.
    """

    __slots__ = ("_columns", "schema")

    def __init__(
        self,
        schema: ClkSchema | Mapping[str, Any] | str | Path,
        secret: bytes | str,
        *,
        validate: bool = True,
    ) -> None:
        self.schema = schema if isinstance(schema, ClkSchema) else load_schema(schema)
        keys = derive_keys(self.schema, secret)
        self._columns = [
            _Column(feature, keys[feature.index], self.schema.inner_bits, validate=validate)
            for feature in self.schema.features
        ]

    def __repr__(self) -> str:
        return f"<ClkEncoder of {len(self._columns)} features>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("ClkEncoder holds keys: it does not pickle and does not copy")

    @property
    def chunk_rows(self) -> int:
        """Rows that are encoded together; fewer for very long filters or very many tokens."""
        rows = min(_CHUNK_ROWS, 8 * _CHUNK_BYTES // self.schema.inner_bits)
        for feature in self.schema.features:
            if feature.comparison.kind == "numeric":
                rows = min(rows, _CHUNK_TOKENS // (2 * feature.comparison.resolution + 1))
        return max(rows, 1)

    def encode_chunk(self, chunk: Chunk, problems: Problems) -> Filters:
        """The CLKs of a chunk, (rows, ceil(l / 8)) uint8; of no meaning when there are problems."""
        inner = self.schema.inner_bits
        out = np.zeros((chunk.rows, -(-inner // 64) * 8), dtype=np.uint8)
        for column, cells in zip(self._columns, chunk.columns, strict=True):
            column.add(cells, chunk.first, out, problems)
        return fold(out, self.schema.bits, self.schema.folds)


def fold(filters: Filters, bits: int, folds: int) -> Filters:
    """
    XOR the halves of filters ``folds`` times.

    Args:
        filters: (n, w) uint8 of ``bits * 2**folds`` bits and padding.

    Returns:
        (n, ceil(bits / 8)) uint8; unused bits of the last byte are 0.

    Source: specs/clk-v1.md, section 6.
    """
    width = -(-bits // 8)
    if not folds:
        return filters[:, :width]
    if bits % 8:
        unpacked = np.unpackbits(filters, axis=1, count=bits << folds)
        return np.packbits(np.bitwise_xor.reduce(unpacked.reshape(len(filters), -1, bits), axis=1), axis=1)
    folded: Filters = np.bitwise_xor.reduce(
        filters[:, : width << folds].reshape(len(filters), -1, width), axis=1
    )
    return folded


def encode_chunks(
    rows: Any,
    schema: ClkSchema | Mapping[str, Any] | str | Path,
    secret: bytes | str,
    *,
    header: bool | str = True,
    validate: bool = True,
) -> Iterator[Filters]:
    """
    Encode rows chunk by chunk, in order.

    Args:
        rows: rows of as many strings as the schema has features; the path of a CSV file in UTF-8;
            or a table (pyarrow, pandas, anything with ``__arrow_c_stream__``) whose columns are
            the features, all text.
        schema: parsed JSON of a schema of version 1, 2 or 3, its path, or what
            :func:`load_schema` gives.
        secret: what the parties share.
        header: of a CSV file. True: it has one, which names the features in order; ``"ignore"``:
            it has one that is not looked at; False: it has none.
        validate: false skips the checks that the encoding itself does not need.

    Yields:
        (n, ceil(l / 8)) uint8. After the first problem nothing more is given; the rest of the
        rows is then only checked. What was given must be thrown away when this raises.

    Raises:
        SchemaError: the schema is not valid.
        KeyFileError: the secret is empty.
        FieldRuleError: rows of another length, cells that break a rule of their format.
        MissingColumnsError: the header or the table has other columns than the schema.
        InputError, EncodingOfTextError: the file cannot be read.

    Source: specs/clk-v1.md, section 7.
    """
    encoder = ClkEncoder(schema, secret, validate=validate)
    problems = Problems()
    for chunk in chunks_of(rows, encoder.schema, problems, size=encoder.chunk_rows, header=header):
        found = encoder.encode_chunk(chunk, problems)
        if not problems.total:
            yield found
    problems.refuse(Path(rows).name if isinstance(rows, (str, Path)) else None)


def encode(
    rows: Any,
    schema: ClkSchema | Mapping[str, Any] | str | Path,
    secret: bytes | str,
    *,
    header: bool | str = True,
    validate: bool = True,
) -> Filters:
    """
    Encode all rows; arguments and errors are those of :func:`encode_chunks`.

    Returns:
        (n, ceil(l / 8)) uint8, in the order of the rows; bit i is byte i // 8, mask
        ``0x80 >> (i % 8)``.

    Source: specs/clk-v1.md.
    """
    if not isinstance(schema, ClkSchema):
        schema = load_schema(schema)
    found = list(encode_chunks(rows, schema, secret, header=header, validate=validate))
    if not found:
        return np.zeros((0, -(-schema.bits // 8)), dtype=np.uint8)
    return np.concatenate(found)
