"""
Decoys: random tokens where an extract would otherwise show something about itself.

After decoys every token of an extract stands in one row alone, and every row has a token in every
pass: whoever holds the encodings of one extract sees neither which records are alike nor which
values are missing. What equals what across extracts is left, because that is the linkage.

Source: specs/encoding-v1.md, section 10; specs/adr/0031.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pseudolink.errors import Problem
from pseudolink.formats.encodings import (
    TOKEN_BYTES,
    Bytes,
    Encodings,
    Flags,
    PassColumns,
    Words,
    Writer,
    from_table,
    read_tokens,
)
from pseudolink.schema import LinkageSchema

Index = npt.NDArray[np.int64]

#: ``random(n) -> n bytes`` from the operating system; tests give another.
Random = Callable[[int], bytes]

#: Fewest records that may share a number of versions (encoding-v1 §10.4).
LEAST: Final = 10


@dataclass(frozen=True)
class Segment:
    """A segment of a filter: bits and budget (linkage-schema-v1, section 5)."""

    bits: int
    budget: int


def surplus(tokens: Words, present: Flags, random: Random = secrets.token_bytes) -> Index:
    """
    Rows that must give up their token, because another row keeps it.

    Of the rows with equal tokens one is drawn to keep it, each with the same chance: a rule such as
    "the first" would always cost the same people.

    Args:
        tokens: (n, 2) uint64. present: (n,) bool.

    Returns:
        (k,) int64, ascending.
    """
    rows = np.flatnonzero(present)
    draw = np.frombuffer(random(8 * len(rows)), dtype="<u8")
    order = np.lexsort((draw, tokens[rows, 1], tokens[rows, 0]))
    found = tokens[rows[order]]
    again = np.zeros(len(order), dtype=bool)
    again[1:] = (found[1:] == found[:-1]).all(axis=1)
    return np.sort(rows[order[again]]).astype(np.int64)


def covered(
    columns: PassColumns,
    losers: Index,
    segments: Sequence[Segment],
    random: Random = secrets.token_bytes,
) -> PassColumns:
    """
    One pass with decoys in the given rows and in every row without a token.

    A decoy's filter, and every empty segment of any filter, has as many positions drawn as a real
    one, so that neither fill nor emptiness tells them apart.

    Args:
        losers: rows whose token is replaced.
        segments: of the pass's filter, in its order; empty where it compares nothing.
    """
    replaced = ~columns.present
    replaced[losers] = True
    rows = np.flatnonzero(replaced)
    tokens = columns.tokens.copy()
    # A decoy equals a token of another extract with a chance of one in 2**128 (encoding-v1 §10.2).
    tokens[rows] = np.frombuffer(random(TOKEN_BYTES * len(rows)), dtype="<u8").reshape(-1, 2)
    filters = columns.filters
    if filters is not None:
        parts, begin = [], 0
        for one in segments:
            part = filters[:, begin : begin + one.bits // 8].copy()
            begin += one.bits // 8
            empty = np.flatnonzero(replaced | ~part.any(axis=1))
            part[empty] = _drawn(len(empty), one, random)
            parts.append(part)
        filters = np.concatenate(parts, axis=1)
    return PassColumns(tokens, np.ones(len(tokens), dtype=bool), filters)


def _drawn(rows: int, segment: Segment, random: Random) -> Bytes:
    """(rows, bits / 8) uint8: ``budget`` positions each, drawn like those of a real segment."""
    positions = np.frombuffer(random(2 * rows * segment.budget), dtype="<u2") & (segment.bits - 1)
    bits = np.zeros((rows, segment.bits), dtype=np.uint8)
    bits[np.repeat(np.arange(rows), segment.budget), positions] = 1
    return np.packbits(bits, axis=1)


def segments_of(schema: LinkageSchema) -> Mapping[str, tuple[Segment, ...]]:
    """Pass name -> the segments of its filter."""
    return {
        one.name: tuple(Segment(schema.fields[f].bits, schema.fields[f].budget) for f in one.compare)
        for one in schema.passes
    }


def with_decoys(
    encodings: Encodings, schema: LinkageSchema, random: Random = secrets.token_bytes
) -> Encodings:
    """
    A whole extract with decoys.

    A pass in which no row has a token is left as it is: it shows that the extract lacks a field,
    which everybody knows, and a decoy would read as a value that differs.
    """
    segments = segments_of(schema)
    passes = {
        name: covered(p, surplus(p.tokens, p.present, random), segments[name], random)
        if p.present.any()
        else p
        for name, p in encodings.passes.items()
    }
    return Encodings(encodings.records, passes)


def rewrite(path: Path, schema: LinkageSchema, random: Random = secrets.token_bytes) -> None:
    """
    The same for encodings in a file, a row group at a time.

    Memory holds the tokens of one pass, and one row group. ``path`` is a temporary name of the
    caller; a neighbour of it is written and takes its place.
    """
    segments = segments_of(schema)
    losers: dict[str, Index] = {}
    for name, columns in read_tokens(path, list(segments)):
        if columns.present.any():
            losers[name] = surplus(columns.tokens, columns.present, random)
    beside = path.with_name(f"{path.name}.decoys")
    try:
        with pq.ParquetFile(path) as file, Writer(beside) as writer:
            begin = 0
            for number in range(file.num_row_groups):
                some = from_table(file.read_row_group(number), schema.layout)
                end = begin + some.rows
                passes = {}
                for name, columns in some.passes.items():
                    if name in losers:
                        own = losers[name]
                        here = own[np.searchsorted(own, begin) : np.searchsorted(own, end)] - begin
                        columns = covered(columns, here, segments[name], random)
                    passes[name] = columns
                writer.write(Encodings(some.records, passes))
                begin = end
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def problems(encodings: Encodings) -> list[Problem]:
    """
    What an extract with decoys still shows of itself: nothing, or passes with what they show.

    For reviewers, and for whoever receives encodings under a schema with decoys.
    """
    found = []
    for name, one in encodings.passes.items():
        if not one.present.any():
            continue
        if not one.present.all():
            found.append(Problem(name, f"{int((~one.present).sum()):,} rows have no token"))
        again = len(surplus(one.tokens, one.present, bytes))
        if again:
            found.append(Problem(name, f"{again:,} rows have another row's token"))
    return found


def kept_versions(source: Index, least: int = LEAST) -> Index:
    """
    Rows to keep so that every number of versions is shared by at least so many records.

    How many rows a record has is seen. Where fewer than ``least`` records have so many, each of
    them gives up its last ones, down to a number that is common.

    Args:
        source: (n,) the row of the extract behind each row; of a record the first row is the
            record as supplied, and versions follow in order of their worth.

    Returns:
        rows, ascending.
    """
    _, record, count = np.unique(source, return_inverse=True, return_counts=True)
    record = record.ravel()
    allowed = count.copy()
    for most in range(int(count.max(initial=1)), 1, -1):
        having = allowed == most
        if 0 < having.sum() < least:
            allowed[having] = most - 1
    order = np.argsort(record, kind="stable")
    starts = np.cumsum(count) - count
    place = np.empty(len(source), dtype=np.int64)
    place[order] = np.arange(len(source)) - np.repeat(starts, count)
    return np.flatnonzero(place < allowed[record]).astype(np.int64)
