"""
The other half of an extract: its payload on the way, and who is left out of both halves.

Source: specs/payload-v1.md.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.clean.headings import Lacking, column_key, missing_columns
from pseudolink.clean.reader import CHUNK_ROWS
from pseudolink.encode.shuffle import BUCKETS, MEMORY, shuffled, throw
from pseudolink.engines.spill import Spill
from pseudolink.formats import payload as payloads
from pseudolink.formats.encodings import fixed_column

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """
    Some rows of an extract on their way.

    table: n rows of text. rows: (n,) int64, which rows of the extract they are, from 0.
    """

    table: pa.Table
    rows: Index


def columns_by_name(
    there: Iterable[str],
    wanted: Iterable[str],
    *,
    source: str,
    lacking: Sequence[Lacking] = (),
    expected: Iterable[str] = (),
) -> dict[str, str]:
    """
    Find columns whatever their case and outer blanks.

    Args:
        lacking: what else is not there, to be told at once. expected: what else was looked for.

    Raises:
        MissingColumnsError: lists every one that is not there.
    """
    names = list(there)
    found = {column_key(name): name for name in names}
    wanted = list(dict.fromkeys(wanted))
    absent = [Lacking(name, [name]) for name in wanted if column_key(name) not in found]
    if absent or lacking:
        raise missing_columns(names, [*lacking, *absent], expected=[*wanted, *expected], source=source)
    return {name: found[column_key(name)] for name in wanted}


class Payload:
    """
    The payload of an extract on its way, shuffled for itself: its order is not that of the encodings.

    Args:
        columns: name in the payload -> column of the extract.
        spill: a place for what memory should not hold; None keeps all of it there.
        events: of every row of the extract its lists of events, as columns ``events.NAME``.

    events: event table -> events of the rows that were added.
    """

    def __init__(
        self,
        columns: dict[str, str],
        spill: Callable[[], Spill] | None = None,
        *,
        memory: int = MEMORY,
        events: pa.Table | None = None,
    ) -> None:
        self._columns, self._make, self._memory = columns, spill, memory
        self._schema = pa.schema(
            [
                (payloads.RECORD, pa.binary(16)),
                *((name, pa.string()) for name in columns),
                *([] if events is None else [(field.name, field.type) for field in events.schema]),
            ]
        )
        self._lists = events
        self.events = {} if events is None else dict.fromkeys(payloads.event_tables(events), 0)
        self._spill: Spill | None = None
        self._held = 0
        self._parts: list[list[pa.Table]] = [[] for _ in range(BUCKETS)]
        self.rows = 0

    def add(self, piece: Piece, records: npt.NDArray[np.uint8]) -> None:
        """Add rows of the extract; ``records`` are their IDs, (n, 16)."""
        data: dict[str, Any] = {payloads.RECORD: fixed_column(records)}
        for name, column in self._columns.items():
            text = piece.table.column(column).cast(pa.string())
            data[name] = pa.chunked_array(
                [payloads.blank_as_null(chunk) for chunk in text.chunks], pa.string()
            )
        if self._lists is not None:
            mine = self._lists.take(pa.array(piece.rows))
            for name in self.events:
                lists = mine.column(payloads.EVENTS + name)
                self.events[name] += int(pc.sum(pc.list_value_length(lists)).as_py() or 0)
                data[payloads.EVENTS + name] = lists
        self.rows += len(records)
        order, ends = throw(len(records))
        table = pa.table(data, schema=self._schema).take(pa.array(order)).combine_chunks()
        for bucket in range(BUCKETS):
            begin, end = int(ends[bucket]), int(ends[bucket + 1])
            if begin < end:
                self._parts[bucket].append(table.slice(begin, end - begin))
        self._held += table.nbytes
        if self._make is not None and self._held > self._memory:
            self._put_away(self._make)

    def _put_away(self, make: Callable[[], Spill]) -> None:
        if self._spill is None:
            self._spill = make()
        for bucket, parts in enumerate(self._parts):
            if parts:
                stream = io.BytesIO()
                with pa.ipc.new_stream(stream, self._schema) as writer:
                    writer.write_table(pa.concat_tables(parts).combine_chunks())
                self._spill.append(bucket, stream.getbuffer())
        self._parts = [[] for _ in range(BUCKETS)]
        self._held = 0

    def tables(self, least: int = CHUNK_ROWS) -> Iterator[pa.Table]:
        """The payload in its new order, at least so many rows at a time but for the last."""
        waiting: list[pa.Table] = []
        for bucket in range(BUCKETS):
            if self._spill is not None:
                waiting += [pa.ipc.open_stream(data).read_all() for data in self._spill.read(bucket)]
            waiting += self._parts[bucket]
            self._parts[bucket] = []
            if sum(table.num_rows for table in waiting) >= least:
                yield self._shuffled(waiting)
                waiting = []
        if waiting or not self.rows:
            yield self._shuffled(waiting)

    def _shuffled(self, tables: list[pa.Table]) -> pa.Table:
        table = pa.concat_tables([self._schema.empty_table(), *tables])
        return table.take(pa.array(shuffled(table.num_rows)))


def payload_table(
    records: npt.NDArray[np.uint8], source: Index, table: pa.Table, columns: dict[str, str]
) -> pa.Table:
    """
    The payload of an encoded extract that is in memory.

    Args:
        records, source: (n, 16) uint8 and (n,) int64, the record ID of each row of the extract; the
            versions of a record repeat both, and it gets one row all the same.
        table: the extract. columns: name in the payload -> column of the extract.
    """
    rows, first = np.unique(source, return_index=True)
    payload = Payload(columns)
    payload.add(Piece(table.take(pa.array(rows)), rows), records[first])
    return pa.concat_tables(payload.tables())
