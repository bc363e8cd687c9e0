"""
Decoys: random tokens where an extract would otherwise show something about itself.

After decoys every token of an extract stands in one row alone, and what a record lacks is lacking in
at least nine others: whoever holds the encodings of one extract sees neither which records are alike
nor a person by what is missing. What equals what across extracts is left, because that is the linkage.

Source: specs/encoding-v1.md, section 10; specs/adr/0025.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    fixed_values,
    from_table,
    read_tokens,
)
from pseudolink.schema import LinkageSchema

Index = npt.NDArray[np.int64]
#: Presence patterns: bit p for pass number p. A schema has at most 64 passes.
Patterns = npt.NDArray[np.uint64]

#: ``random(n) -> n bytes`` from the operating system; tests give another.
Random = Callable[[int], bytes]

#: Fewest records that may share a number of versions, or what they lack (encoding-v1 §10.3, 10.4).
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
    wanted: Flags,
    segments: Sequence[Segment],
    random: Random = secrets.token_bytes,
) -> PassColumns:
    """
    One pass with decoys in the given rows, and in rows without a token that are to have one.

    A decoy's filter, and every empty segment of any filter, has as many positions drawn as a real
    one, so that neither fill nor emptiness tells them apart.

    Args:
        losers: rows whose token is replaced. wanted: (n,) bool, rows that are to show a token.
        segments: of the pass's filter, in its order; empty where it compares nothing.
    """
    replaced = wanted & ~columns.present
    replaced[losers] = True
    present = columns.present | replaced
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
            empty = np.flatnonzero(replaced | (present & ~part.any(axis=1)))
            part[empty] = _drawn(len(empty), one, random)
            parts.append(part)
        filters = np.concatenate(parts, axis=1)
    return PassColumns(tokens, present, filters)


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

    Source: specs/encoding-v1.md, section 10.
    """
    segments = segments_of(schema)
    held = presence_of(p.present for p in encodings.passes.values())
    wanted = shown(_numbers(encodings.records), held)
    passes = {
        name: covered(p, surplus(p.tokens, p.present, random), _bit(wanted, number), segments[name], random)
        for number, (name, p) in enumerate(encodings.passes.items())
    }
    return Encodings(encodings.records, passes)


def presence_of(columns: Iterable[Flags]) -> Patterns:
    """(n,) uint64: bit p is set where the row has a token in pass number p."""
    found: Patterns | None = None
    for number, present in enumerate(columns):
        bit = present.astype(np.uint64) << np.uint64(number)
        found = bit if found is None else found | bit
    return np.zeros(0, dtype=np.uint64) if found is None else found


def _bit(patterns: Patterns, number: int) -> Flags:
    return ((patterns >> np.uint64(number)) & np.uint64(1)).astype(np.bool_)


def _numbers(records: Bytes) -> Index:
    whole = np.ascontiguousarray(records).view(np.dtype((np.void, records.shape[1]))).ravel()
    return np.unique(whole, return_inverse=True)[1].ravel().astype(np.int64)


def shown(record: Index, held: Patterns, least: int = LEAST) -> Patterns:
    """
    Which passes each row is to show a token in, so that no record is known by what it lacks.

    Records with equally many rows are alike when their rows have tokens in the same passes. A record
    that is alike to fewer than ``least`` gains decoys, never loses a token: a single row gains as
    few as it takes to be like ``least`` others, and otherwise all that any row of the extract has.

    Args:
        record: (n,) the record of each row. held: (n,) presence patterns.

    Returns:
        (n,) patterns, each with all the bits of the one held.
    """
    out = held.copy()
    whole = np.bitwise_or.reduce(held, initial=np.uint64(0))
    _, of, count = np.unique(record, return_inverse=True, return_counts=True)
    versions = count[of.ravel()]
    for number in np.unique(versions).tolist():
        rows = np.flatnonzero(versions == number)
        together = rows[np.lexsort((held[rows], record[rows]))].reshape(-1, number)
        out[together] = _common(held[together], whole, least)
    return out


def _common(held: Patterns, whole: np.uint64, least: int) -> Patterns:
    """The same for (r, v) patterns of r records with v rows each."""
    groups, of, size = np.unique(held, axis=0, return_inverse=True, return_counts=True)
    of = of.ravel()
    full = np.full(groups.shape[1], whole, dtype=np.uint64)
    target = groups.copy()
    common = groups[size >= least]
    for at in np.flatnonzero(size < least).tolist():
        target[at] = full
        above = common[((common & groups[at]) == groups[at]).all(axis=1)]
        if groups.shape[1] == 1 and len(above):
            target[at] = above[int(np.argmin(np.bitwise_count(above ^ groups[at])))]
    # Whoever was filled up to the full pattern must have company there too: the smallest group joins.
    while 0 < size[(target == full).all(axis=1)].sum() < least:
        others = np.flatnonzero((target != full).any(axis=1))
        if not len(others):
            break
        names, where = np.unique(target[others], axis=0, return_inverse=True)
        total = np.bincount(where.ravel(), weights=size[others], minlength=len(names))
        target[others[where.ravel() == int(np.argmin(total))]] = full
    return target[of]


def rewrite(path: Path, schema: LinkageSchema, random: Random = secrets.token_bytes) -> None:
    """
    The same for encodings in a file, a row group at a time.

    Memory holds the tokens of one pass, and one row group. ``path`` is a temporary name of the
    caller; a neighbour of it is written and takes its place.
    """
    segments = segments_of(schema)
    losers: dict[str, Index] = {}
    present: list[Flags] = []
    for name, columns in read_tokens(path, list(segments)):
        losers[name] = surplus(columns.tokens, columns.present, random)
        present.append(columns.present)
    with pq.ParquetFile(path) as file:
        records, _ = fixed_values(file.read(["record"]).column(0))
    wanted = shown(_numbers(records), presence_of(present))
    beside = path.with_name(f"{path.name}.decoys")
    try:
        with pq.ParquetFile(path) as file, Writer(beside) as writer:
            begin = 0
            for number in range(file.num_row_groups):
                some = from_table(file.read_row_group(number), schema.layout)
                end = begin + some.rows
                passes = {}
                for at, (name, columns) in enumerate(some.passes.items()):
                    own = losers[name]
                    here = own[np.searchsorted(own, begin) : np.searchsorted(own, end)] - begin
                    bits = _bit(wanted[begin:end], at)
                    passes[name] = covered(columns, here, bits, segments[name], random)
                writer.write(Encodings(some.records, passes))
                begin = end
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def problems(encodings: Encodings, least: int = LEAST) -> list[Problem]:
    """
    What an extract with decoys still shows of itself: nothing, or passes with what they show.

    For reviewers, and for whoever receives encodings under a schema with decoys.
    """
    found = []
    held = presence_of(one.present for one in encodings.passes.values())
    record = _numbers(encodings.records)
    # Fewer records than are needed have nobody to hide among: they can but show the same.
    rare = int((shown(record, held, least) != held).sum()) if encodings.rows else 0
    if rare:
        found.append(Problem("", f"{rare:,} rows lack tokens that too few others lack"))
    for name, one in encodings.passes.items():
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
