"""
Decoys: tokens of no value where an extract would otherwise show something about itself.

After decoys every token of an extract stands in one row alone, and what a record lacks is lacking in
at least nine others: whoever holds the encodings of one extract sees neither which records are alike
nor a person by what is missing. What equals what across extracts is left, because that is the linkage.

All of it is drawn by the linkage key from what the records hold, so the same extract has the same
decoys each time: two deliveries laid side by side do not show which tokens are decoys.

Source: specs/encoding-v1.md, section 10; specs/adr/0037 and 0040.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pseudolink.encode.alike import LEAST, Patterns, pass_of, presence_of, shown
from pseudolink.encode.bits import suspects
from pseudolink.encode.tokens import CONTENT, KeyRing
from pseudolink.errors import Problem
from pseudolink.formats.encodings import (
    TOKEN_BYTES,
    TOKEN_WORDS,
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
#: Row -> what its lots and decoys are drawn from.
Seeds = Mapping[int, bytes]
#: ``contents(rows) -> encodings of those rows``, a few at a time, in the order of the rows.
Contents = Callable[[Index], Iterable[Encodings]]


def _prf(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")[:TOKEN_BYTES]


@dataclass(frozen=True)
class Segment:
    """A segment of a filter: bits and budget (linkage-schema-v1, section 5)."""

    bits: int
    budget: int


def segments_of(schema: LinkageSchema) -> Mapping[str, tuple[Segment, ...]]:
    """Pass name -> the segments of its filter."""
    return {
        one.name: tuple(Segment(schema.fields[f].bits, schema.fields[f].budget) for f in one.compare)
        for one in schema.passes
    }


# ---------------------------------------------------------------- what is drawn from


def row_contents(encodings: Encodings, key: bytes) -> list[bytes]:
    """encoding-v1 §10.4, step 1: sixteen bytes a row that are equal where all its tokens and filters are."""
    parts = []
    for columns in encodings.passes.values():
        there = columns.present[:, None]
        tokens = np.ascontiguousarray(columns.tokens, dtype="<u8").view(np.uint8)
        parts += [there.astype(np.uint8), np.where(there, tokens.reshape(-1, TOKEN_BYTES), np.uint8(0))]
        if columns.filters is not None:
            parts.append(np.where(there, columns.filters, np.uint8(0)))
    messages = np.concatenate([np.ones((encodings.rows, 1), dtype=np.uint8), *parts], axis=1)
    return [_prf(key, message.tobytes()) for message in messages]


def seeds_of(rows: Index, record: Index, contents: Sequence[bytes], key: bytes) -> dict[int, bytes]:
    """
    encoding-v1 §10.4, steps 2 to 4.

    Args:
        rows: (k,) all rows of some records. record: (k,) which record. contents: theirs, by row.
    """
    together: dict[int, list[tuple[bytes, int]]] = {}
    for row, number, content in zip(rows.tolist(), record.tolist(), contents, strict=True):
        together.setdefault(number, []).append((content, row))
    seen: dict[bytes, int] = {}
    seeds = {}
    for members in together.values():
        members.sort()
        whole = _prf(key, b"\x02" + b"".join(content for content, _ in members))
        number = seen[whole] = seen.get(whole, -1) + 1
        for place, (_, row) in enumerate(members):
            seeds[row] = whole + number.to_bytes(8, "big") + place.to_bytes(8, "big")
    return seeds


# ---------------------------------------------------------------- who has one


def repeated(columns: PassColumns) -> tuple[Index, Index]:
    """
    Rows with a token that another row of the extract has too.

    Returns:
        (row, block): equal length, ordered by block; rows of one block have equal tokens.
    """
    rows = suspects(np.ascontiguousarray(columns.tokens[:, 0]), columns.present)
    rows = rows[np.lexsort(columns.tokens[rows].T)]
    tokens = columns.tokens[rows]
    block = np.cumsum((tokens[1:] != tokens[:-1]).any(axis=1))
    block = np.append(np.zeros(min(len(rows), 1), dtype=np.int64), block)
    several = np.bincount(block, minlength=1)[block] > 1
    return rows[several].astype(np.int64), block[several].astype(np.int64)


def losers(rows: Index, block: Index, seeds: Seeds, key: bytes) -> Index:
    """
    Of each block all rows but the one with the smallest lot: they give up their token.

    A rule such as "the first" would always cost the same people.

    Returns:
        (k,) int64, ascending.
    """
    best: dict[int, tuple[bytes, int]] = {}
    for row, number in zip(rows.tolist(), block.tolist(), strict=True):
        lot = _prf(key, seeds[row]), row
        if number not in best or lot < best[number]:
            best[number] = lot
    kept = np.asarray([row for _, row in best.values()], dtype=np.int64)
    return np.setdiff1d(rows, kept)


@dataclass(frozen=True)
class Plan:
    """
    Where decoys go.

    losers: pass -> rows that give up their token, ascending. wanted: (n,) patterns, the passes in
    which each row is to show a token.
    """

    losers: Mapping[str, Index]
    wanted: Patterns
    seeds: Seeds


def planned(
    record: Index, passes: Iterable[tuple[str, PassColumns]], contents: Contents, ring: KeyRing
) -> Plan:
    """
    See which rows get decoys. Memory holds one pass at a time, and what is drawn for those rows.

    Args:
        record: (n,) int64, equal exactly for the rows of one record.
    """
    again: dict[str, tuple[Index, Index]] = {}

    def present() -> Iterable[Flags]:
        for name, columns in passes:
            again[name] = repeated(columns)
            yield columns.present

    held = presence_of(present())
    wanted = shown(record, held)
    touched = np.unique(
        np.concatenate([np.flatnonzero(wanted != held), *(rows for rows, _ in again.values())])
    )
    rows = np.flatnonzero(np.isin(record, record[touched])).astype(np.int64)
    key = ring.shared(CONTENT)
    found = [content for some in contents(rows) for content in row_contents(some, key)]
    seeds = seeds_of(rows, record[rows], found, key)
    lost = {name: losers(*blocks, seeds, ring.named(name, "lot")) for name, blocks in again.items()}
    return Plan(lost, wanted, seeds)


# ---------------------------------------------------------------- placing them


def covered(
    columns: PassColumns,
    decoys: Mapping[int, bytes],
    segments: Sequence[Segment],
    ring: KeyRing,
    name: str,
) -> PassColumns:
    """
    One pass with decoys in the given rows, and no segment empty where there is a token.

    Args:
        decoys: row -> seed. segments: of the pass's filter, in its order; empty where it compares
            nothing.
    """
    rows = np.asarray(sorted(decoys), dtype=np.int64)
    present, tokens = columns.present.copy(), columns.tokens.copy()
    present[rows] = True
    key = ring.named(name, "decoy") if len(rows) else b""
    drawn = b"".join(_prf(key, decoys[row]) for row in rows.tolist())
    tokens[rows] = np.frombuffer(drawn, dtype="<u8").reshape(-1, TOKEN_WORDS)
    filters = columns.filters
    if filters is not None:
        filters, begin = filters.copy(), 0
        filters[rows] = 0
        for number, one in enumerate(segments):
            part = filters[:, begin : begin + one.bits // 8]
            begin += one.bits // 8
            empty = np.flatnonzero(present & ~part.any(axis=1))
            part[empty] = _filled(tokens[empty], number, one, ring.named(name, "fill"))
    return PassColumns(tokens, present, filters)


def _filled(tokens: Words, number: int, segment: Segment, key: bytes) -> Bytes:
    """encoding-v1 §10.7: (n, bits / 8) uint8, ``budget`` positions each."""
    rounds = range(-(-segment.budget // 16))
    tails = [bytes([number]) + at.to_bytes(4, "big") for at in rounds]
    raw = np.ascontiguousarray(tokens, dtype="<u8").view(np.uint8).reshape(-1, TOKEN_BYTES)
    drawn = b"".join(hmac.digest(key, token + tail, "sha256") for token in map(bytes, raw) for tail in tails)
    positions = np.frombuffer(drawn, dtype=">u2").reshape(len(raw), 16 * len(rounds))[:, : segment.budget]
    bits = np.zeros((len(raw), segment.bits), dtype=np.uint8)
    bits[np.arange(len(raw))[:, None], positions & (segment.bits - 1)] = 1
    return np.packbits(bits, axis=1)


def _placed(encodings: Encodings, plan: Plan, schema: LinkageSchema, ring: KeyRing, begin: int) -> Encodings:
    """Rows from number ``begin`` on, with their decoys."""
    end = begin + encodings.rows
    segments = segments_of(schema)
    passes = {}
    for number, (name, columns) in enumerate(encodings.passes.items()):
        lost = plan.losers[name]
        lost = lost[np.searchsorted(lost, begin) : np.searchsorted(lost, end)] - begin
        missing = np.flatnonzero(pass_of(plan.wanted[begin:end], number) & ~columns.present)
        rows = [*lost.tolist(), *missing.tolist()]
        decoys = {row: plan.seeds[row + begin] for row in rows}
        passes[name] = covered(columns, decoys, segments[name], ring, name)
    return replace(encodings, passes=passes)


def with_decoys(
    encodings: Encodings, schema: LinkageSchema, ring: KeyRing, record: Index | None = None
) -> Encodings:
    """
    A whole extract with decoys.

    Args:
        ring: made for the party whose extract it is.
        record: (n,) int64, equal exactly for the rows of one record; by the record IDs when None.

    Source: specs/encoding-v1.md, section 10.
    """
    record = _numbers(encodings.records) if record is None else record
    plan = planned(record, encodings.passes.items(), lambda rows: [encodings.take(rows)], ring)
    return _placed(encodings, plan, schema, ring, 0)


def rewrite(path: Path, schema: LinkageSchema, ring: KeyRing, record: Index) -> None:
    """
    The same for encodings in a file, a row group at a time.

    ``path`` is a temporary name of the caller; a neighbour of it is written and takes its place.
    """
    names = [one.name for one in schema.passes]

    def contents(rows: Index) -> Iterable[Encodings]:
        for begin, some in _row_groups(path, schema):
            own = rows[np.searchsorted(rows, begin) : np.searchsorted(rows, begin + some.rows)]
            if len(own):
                yield some.take(own - begin)

    plan = planned(record, read_tokens(path, names), contents, ring)
    beside = path.with_name(f"{path.name}.decoys")
    try:
        with Writer(beside) as writer:
            for begin, some in _row_groups(path, schema):
                writer.write(_placed(some, plan, schema, ring, begin))
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _row_groups(path: Path, schema: LinkageSchema) -> Iterable[tuple[int, Encodings]]:
    begin = 0
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            some = from_table(file.read_row_group(number), schema.layout)
            yield begin, some
            begin += some.rows


def _numbers(records: Bytes) -> Index:
    whole = np.ascontiguousarray(records).view(np.dtype((np.void, records.shape[1]))).ravel()
    return np.unique(whole, return_inverse=True)[1].ravel().astype(np.int64)


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
        rows, block = repeated(one)
        if len(rows):
            found.append(
                Problem(name, f"{len(rows) - len(np.unique(block)):,} rows have another row's token")
            )
    return found
