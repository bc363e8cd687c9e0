"""
A whole extract encoded, chunk by chunk: shuffled rows, fresh record IDs, tokens, filters, floor, chance.

There is one road, for extracts in memory and for those that do not fit. Cleaned rows come in
chunks; a chunk leaves rows of encodings, which are shuffled, and counts.

Source: specs/encoding-v1.md, sections 6 and 7.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.encode import chance, decoys, floor
from pseudolink.encode.advice import Numbered, Trial, additions
from pseudolink.encode.alike import kept_versions
from pseudolink.encode.parts import Components
from pseudolink.encode.shuffle import MEMORY, Shuffle, Spill, Thrown, fetch, move, shuffled, throw
from pseudolink.encode.tokens import Encoder, KeyRing
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import (
    RECORD_BYTES,
    TOKEN_WORDS,
    Encodings,
    PassColumns,
    Writer,
    read_tokens,
)
from pseudolink.formats.statistics import Statistics
from pseudolink.schema import LinkageSchema

Bytes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

#: ``away(cleaned) -> tokens and filters``: an engine whose workers make encoders of their own, because
#: a key is never sent to them.
Away = Callable[[Cleaned], dict[str, PassColumns]]

CHUNK_ROWS = 50_000
#: Rows that are shuffled and written together, at least.
_GROUP_ROWS = 50_000
_ID_WORDS = RECORD_BYTES // 8
_LARGE_ROWS = 2_000_000

__all__ = ["CHUNK_ROWS", "Encoded", "Encoding", "Part", "Written", "encode", "fresh_ids", "shuffled"]


class Run(Protocol):
    """``run(function, chunks)``: how an engine runs chunks, the results in order."""

    def __call__(self, function: Callable[[Any], Any], chunks: Iterable[Any]) -> Iterator[Any]: ...


def in_turn(function: Callable[[Any], Any], chunks: Iterable[Any]) -> Iterator[Any]:
    """One chunk after another."""
    return map(function, chunks)


def _done(task: Callable[[], Any]) -> Any:
    return task()


@dataclass(frozen=True)
class Encoded:
    """
    An encoded extract, before it is sealed.

    encodings: n rows in random order; versions of a record share its ID.
    source: (n,) int64, the row of the extract behind each; it never leaves the custodian.
    company: the floor's measure. chance: agreement of random pairs.
    """

    encodings: Encodings
    source: Index
    company: floor.Company
    chance: Statistics


@dataclass(frozen=True)
class Written:
    """
    An encoded extract whose encodings are in a file.

    records: (n, 16) uint8, the record IDs in the order of the file. The rest as in :class:`Encoded`.
    """

    records: Bytes
    source: Index
    company: floor.Company
    chance: Statistics


@dataclass(frozen=True)
class Part:
    """
    What a chunk became.

    source: (n,) int64, the row of the extract behind each row. records: (n, 16) uint8, their IDs.
    """

    source: Index
    records: Bytes
    thrown: Thrown
    counts: chance.Chunk


class Encoding:
    """
    The encoding of one extract.

    ``part`` may run on several threads; ``add`` takes what it gives in the order of the extract,
    on one. Holds derived keys: see :class:`~pseudolink.encode.tokens.Encoder`.

    Args:
        spill: makes a place for encodings that memory should not hold; None keeps them there.
        away: encodes rows elsewhere, with the same keys; None for this process.
    """

    def __init__(
        self,
        schema: LinkageSchema,
        ring: KeyRing,
        *,
        spill: Callable[[], Spill] | None = None,
        memory: int = MEMORY,
        away: Away | None = None,
    ) -> None:
        self._schema, self._ring, self._away = schema, ring, away
        self._encoder = Encoder(schema, ring)
        self._tally = chance.Tally(schema)
        self._flags = -(-len(schema.passes) // 64)
        self._width = _ID_WORDS + self._flags + sum(TOKEN_WORDS + w // 8 for w in schema.layout.values())
        self._shuffle = Shuffle(self._width, spill, memory=memory)
        self._source: list[npt.NDArray[np.uint32]] = []
        self._rows = 0
        self._kept: npt.NDArray[np.bool_] | None = None

    def part(self, cleaned: Cleaned) -> Part:
        """Encode the cleaned rows of one chunk; all versions of a record are in one."""
        parts = self._encoder.components(cleaned)
        ids = fresh_ids(cleaned.source)
        order, ends = throw(len(ids))
        passes = self._away(cleaned) if self._away else self._encoder.encode(parts)
        rows = self._packed(ids, passes, order)
        return Part(cleaned.source, ids, Thrown(rows, order, ends), self._tally.of(parts))

    def held(self, field: str) -> Index:
        """How many records have each value of a field, of all that was added; before ``finish``."""
        return self._tally.held(field)

    def add(self, part: Part) -> None:
        """Take a chunk that was encoded."""
        self._shuffle.add(part.thrown, self._rows)
        self._tally.add(part.counts)
        self._source.append(part.source.astype(np.uint32))
        self._rows += len(part.source)

    def _packed(self, ids: Bytes, passes: dict[str, PassColumns], order: Index) -> Words:
        """
        Rows of words, in the given order: the ID, a bit a pass for whether there is a token, then
        token and filter of every pass.
        """
        rows = np.zeros((len(ids), self._width), dtype=np.uint64)
        move(ids.view(np.uint64), order, rows, 0)
        at = _ID_WORDS + self._flags
        for number, columns in enumerate(passes.values()):
            flags = rows[:, _ID_WORDS + number // 64]
            flags |= columns.present[order].astype(np.uint64) << np.uint64(number % 64)
            move(columns.tokens, order, rows, at)
            at += TOKEN_WORDS
            if columns.filters is not None:
                move(columns.filters.view(np.uint64), order, rows, at)
                at += columns.filters.shape[1] // 8
        return rows

    def _unpacked(self, rows: Words, order: Index) -> Encodings:
        """The same taken apart, in the given order."""
        passes = {}
        at = _ID_WORDS + self._flags
        for number, (name, width) in enumerate(self._schema.layout.items()):
            flags = rows[order, _ID_WORDS + number // 64] >> np.uint64(number % 64)
            tokens = fetch(rows, order, at, TOKEN_WORDS)
            at += TOKEN_WORDS
            filters = fetch(rows, order, at, width // 8).view(np.uint8) if width else None
            passes[name] = PassColumns(tokens, (flags & np.uint64(1)).astype(np.bool_), filters)
            at += width // 8
        return Encodings(fetch(rows, order, 0, _ID_WORDS).view(np.uint8), passes)

    def _taken(self, batch: tuple[list[Words], Index]) -> tuple[Encodings, Index]:
        parts, order = batch
        if self._kept is None:
            by_chance = shuffled(len(order))
        else:
            rows = np.flatnonzero(self._kept[order])
            by_chance = rows[shuffled(len(rows))]
        return self._unpacked(np.concatenate(parts), by_chance), order[by_chance]

    def _trim(self) -> None:
        """encoding-v1 §10.6: rare numbers of versions are trimmed where decoys are in use."""
        source = self._sources()
        if self._schema.floor.decoys and (source[1:] <= source[:-1]).any():  # else nobody has versions
            self._kept = np.zeros(len(source), dtype=np.bool_)
            self._kept[kept_versions(source.astype(np.int64))] = True

    def finish(
        self, *, run: Run = in_turn, enforce_floor: bool = True, again: Again | None = None
    ) -> Encoded:
        """
        All of it in memory.

        Args:
            again: cleans the extract once more, for advice when it is above the floor.
            enforce_floor: False measures company without refusing (rehearsals and reviewers).

        Raises:
            FloorError: more company than the schema's floor allows.
        """
        self._trim()
        taken = list(run(self._taken, self._shuffle.batches(_GROUP_ROWS)))
        taken = taken or [self._taken(([np.empty((0, self._width), dtype=np.uint64)], np.zeros(0, np.int64)))]
        encodings = Encodings.join([encodings for encodings, _ in taken])
        order = np.concatenate([order for _, order in taken])
        source = self._sources()[order].astype(np.int64)
        company, *counted = run(
            _done,
            [
                lambda: floor.measure_passes(
                    _numbered(source), encodings.passes.items(), alike=self._schema.floor.decoys
                ),
                *self._tally.tasks(),
            ],
        )
        if enforce_floor:
            self._enforce(company, order, source, again, lambda name: encodings.passes[name])
        if self._schema.floor.decoys:  # after the floor: that is about what passes are, not what they show
            encodings = decoys.with_decoys(encodings, self._schema, self._ring, source)
        return Encoded(encodings, source, company, self._tally.measured(counted))

    def write(self, path: Path, *, run: Run = in_turn, again: Again | None = None) -> Written:
        """
        All of it in a file.

        Raises:
            FloorError: more company than the schema's floor allows; the file is then of no use.
        """
        self._trim()
        large = self._rows > _LARGE_ROWS  # then one after the other, so that less is in memory
        (ids, order, source, company), *counted = run(
            _done, [partial(self._put_down, path, not large), *self._tally.tasks()]
        )
        if company is None:
            pa.default_memory_pool().release_unused()
            company = self._company(path, source)
        self._enforce(company, order, source, again, lambda name: next(read_tokens(path, [name]))[1])
        if self._schema.floor.decoys:
            decoys.rewrite(path, self._schema, self._ring, source)
        return Written(ids, source, company, self._tally.measured(counted))

    def _company(self, path: Path, source: Index) -> floor.Company:
        names = [one.name for one in self._schema.passes]
        alike = self._schema.floor.decoys
        return floor.measure_passes(_numbered(source), read_tokens(path, names), alike=alike)

    def _put_down(self, path: Path, measure: bool) -> tuple[Bytes, Index, Index, floor.Company | None]:
        """Write the rows in their new order, and measure company in what was written."""
        ids, orders = [], []
        with Writer(path) as writer:
            for batch in self._shuffle.batches(_GROUP_ROWS):
                encodings, order = self._taken(batch)
                writer.write(encodings)
                ids.append(encodings.records)
                orders.append(order)
        order = np.concatenate(orders)
        source = self._sources()[order].astype(np.int64)
        return np.concatenate(ids), order, source, self._company(path, source) if measure else None

    def _sources(self) -> npt.NDArray[np.uint32]:
        return np.concatenate([np.zeros(0, dtype=np.uint32), *self._source])

    def _enforce(
        self,
        found: floor.Company,
        order: Index,
        source: Index,
        again: Again | None,
        tokens: Callable[[str], PassColumns],
    ) -> None:
        limit = self._schema.floor
        if found.company > limit.company * found.records or found.largest_component > limit.component:
            advice = {} if again is None else self._suggestions(found, order, source, again, tokens)
            floor.enforce(found, limit, advice)

    def _numbers(self, parts: Components, name: str) -> Numbered:
        return self._tally.numbers(parts.bare(name))

    def _suggestions(
        self,
        found: floor.Company,
        order: Index,
        source: Index,
        again: Again,
        tokens: Callable[[str], PassColumns],
    ) -> dict[str, str]:
        """For each pass responsible, the one component whose addition leaves least company."""
        by_name = {one.name: one for one in self._schema.passes}
        tried = {
            one.name: Trial(tokens(one.name), order, source, additions(by_name[one.name], self._schema))
            for one in floor.responsible(found)
        }
        first = 0
        for cleaned in again():
            parts = self._encoder.components(cleaned)
            for trial in tried.values():
                trial.add(first, cleaned.rows, partial(self._numbers, parts))
            first += cleaned.rows
        advice = {}
        for name, trial in tried.items():
            left = trial.company()
            if left:
                best = min(left, key=lambda c: (left[c], c))
                advice[name] = f"with {best!r} as well, {left[best]:,} would"
        return advice


#: Cleans the extract once more, in the same chunks.
Again = Callable[[], Iterable[Cleaned]]


def _numbered(source: Index) -> Bytes:
    """Something that is equal exactly for the rows of one record."""
    return np.ascontiguousarray(source).view(np.uint8).reshape(len(source), source.itemsize)


def fresh_ids(source: Index) -> Bytes:
    """
    (n, 16) uint8: random record IDs from the operating system, for one delivery alone.

    Args:
        source: (n,) the row of the extract behind each row: versions of a record share its ID.
    """
    if (source[1:] > source[:-1]).all():
        drawn = np.frombuffer(secrets.token_bytes(RECORD_BYTES * len(source)), dtype=np.uint8)
        return drawn.reshape(len(source), RECORD_BYTES)
    records, which = np.unique(source, return_inverse=True)
    return fresh_ids(records)[which]


def encode(
    cleaned: Cleaned,
    schema: LinkageSchema,
    ring: KeyRing,
    *,
    run: Run = in_turn,
    chunk_rows: int = CHUNK_ROWS,
    enforce_floor: bool = True,
) -> Encoded:
    """
    Encode an extract that is cleaned and in memory.

    Args:
        run: applies a function to chunks of rows, in turn or on several threads.
        enforce_floor: as of :meth:`Encoding.finish`.

    Raises:
        FloorError: more company than the schema's floor allows.
    """
    encoding = Encoding(schema, ring)
    again = partial(in_chunks, cleaned, chunk_rows)
    for part in run(encoding.part, again()):
        encoding.add(part)
    return encoding.finish(run=run, enforce_floor=enforce_floor, again=again)


def in_chunks(cleaned: Cleaned, chunk_rows: int) -> Iterator[Cleaned]:
    """So many records at a time of an extract that is in memory; the versions of each stay together."""
    rows = np.argsort(cleaned.source, kind="stable")
    begins = np.flatnonzero(np.append(True, np.diff(cleaned.source[rows]) != 0)) if cleaned.rows else rows
    cuts = np.append(begins[::chunk_rows], cleaned.rows)
    return (cleaned.take(rows[a:b]) for a, b in pairwise(cuts.tolist()))
