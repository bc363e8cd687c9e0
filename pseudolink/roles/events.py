"""
What a custodian carries as events: several rows of one record, from the extract or from files.

Source: specs/payload-v1.md, 2.8 and 2.9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.agreement import Party
from pseudolink.clean.reader import Extract, column_key, open_extract, read_extract
from pseudolink.errors import EventsError, NotPermittedError, Problem, UsageError
from pseudolink.formats import payload as payloads
from pseudolink.roles.payload import Piece, columns_by_name

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """
    One event table as supplied.

    ids: of each event, the local ID that it belongs to. columns: text, null where blank.
    """

    name: str
    ids: pa.ChunkedArray
    columns: pa.Table

    @property
    def rows(self) -> int:
        return int(self.columns.num_rows)


@dataclass(frozen=True)
class Gathered:
    """
    An extract with a row a record, and its events.

    rows: (n,) int64, the row of the extract as supplied that each was; None where they are the same.
    lists: n rows, columns ``events.NAME``; None without events.
    """

    extract: Extract
    rows: Index | None
    lists: pa.Table | None
    events: tuple[Events, ...]

    def told(self, sent: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """Event table -> events sent, and events of nobody who was encoded."""
        return {one.name: (sent[one.name], one.rows - sent[one.name]) for one in self.events}

    def supplied(self, piece: Piece) -> Piece:
        """The piece with the rows of the extract as it was supplied."""
        return piece if self.rows is None else Piece(piece.table, self.rows[piece.rows])


def gathered(
    extract: Extract,
    party: Party,
    local: str | None,
    given: Mapping[str, Path],
    *,
    encoding: str,
    delimiter: str | None,
    source: str,
) -> Gathered:
    """
    Every event table that the agreement names for the party and that is there.

    Args:
        extract: as supplied; where there are events it is read whole. local: its column of local
            IDs. given: event table -> file.

    Raises:
        UsageError: events, and no column of local IDs. NotPermittedError: files of event tables
            that the agreement does not name. EventsError, MissingColumnsError: what does not fit.
    """
    agreed = dict(party.events)
    unknown = sorted(set(given) - set(agreed))
    if unknown:
        raise NotPermittedError(f"the agreement names no event table {', '.join(map(repr, unknown))}")
    there = {column_key(name) for name in extract.columns}
    inside = [n for n in agreed if n not in given and any(column_key(c) in there for c in agreed[n])]
    if not inside and not given:
        return Gathered(extract, None, None, ())
    if local is None:
        raise UsageError(
            "events need to know which column names the records they belong to",
            advice="Name it: --local-id COLUMN. It is not sent to anybody.",
        )
    own = columns_by_name(extract.columns, [local], source=source)[local]
    table, every = extract.table(), None
    found = [_taken(name, table, own, agreed[name], source) for name in inside]
    if inside:
        of_events = {column_key(c) for name in inside for c in agreed[name]}
        kept = {column_key(c) for c in (own, *party.attributes)}
        drop = [n for n in table.column_names if column_key(n) in of_events - kept]
        table, every = _one_a_record(table.drop_columns(drop), own, source)
    if given:
        _refuse_repeated(table.column(own), source)
    for name, path in sorted(given.items()):
        rows = read_extract(path, encoding=encoding, delimiter=delimiter)
        key = columns_by_name(rows.column_names, [local], source=path.name)[local]
        found.append(_taken(name, rows, key, agreed[name], path.name))
    return Gathered(_named(table, source), every, attached(table.column(own), found), tuple(found))


def _taken(name: str, table: pa.Table, own: str, columns: Sequence[str], source: str) -> Events:
    there = {column_key(column) for column in table.column_names}
    present = [column for column in columns if column_key(column) in there]
    if not present:
        raise EventsError([Problem(name, "none of its columns is there")], source=source)
    names = columns_by_name(table.column_names, present, source=source)
    cells = pa.table({one: _text(table.column(names[one])) for one in sorted(present)})
    some = np.zeros(cells.num_rows, dtype=bool)
    for column in cells.columns:
        some |= column.is_valid().to_numpy()
    ids = _text(table.column(own))
    lost = int((some & ids.is_null().to_numpy()).sum())
    if lost:
        raise EventsError([Problem(name, f"{lost:,} events without a local ID")], source=source)
    keep = pa.array(some)
    return Events(name, ids.filter(keep), cells.filter(keep))


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = column.cast(pa.string())
    return pa.chunked_array([payloads.blank_as_null(chunk) for chunk in text.chunks], type=pa.string())


def _one_a_record(table: pa.Table, own: str, source: str) -> tuple[pa.Table, Index]:
    """The first row of each local ID, and its number; rows without one are records of their own."""
    ids = _text(table.column(own))
    codes = _codes(ids)
    alone = codes < 0
    codes[alone] = int(codes.max(initial=-1)) + 1 + np.arange(int(alone.sum()))
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    problems = []
    for name in table.column_names:
        values = _codes(_text(table.column(name)))
        different = int((values != values[first][group]).sum())
        if different:
            problems.append(
                Problem(f"column {name!r}", f"{different:,} rows differ from the first with their local ID")
            )
    if problems:
        raise EventsError(
            problems,
            source=source,
            advice="Rows with one local ID are one record: give events as a file, --events NAME=FILE, "
            "and former values in columns of their own.",
        )
    rows = np.sort(first).astype(np.int64)
    return table.take(pa.array(rows)), rows


def _codes(column: pa.ChunkedArray) -> Index:
    encoded = column.combine_chunks().dictionary_encode()
    found: Index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _refuse_repeated(column: pa.ChunkedArray, source: str) -> None:
    ids = _text(column).drop_null()
    repeated = len(ids) - len(pc.unique(ids))
    if repeated:
        problem = Problem("local IDs", f"{repeated:,} stand more than once: whose would an event be?")
        raise EventsError([problem], source=source)


def _named(table: pa.Table, source: str) -> Extract:
    """An extract from a table, under the name of its file: messages name that."""
    found = open_extract(table)
    found.name = source
    return found


def attached(local: pa.ChunkedArray, events: Sequence[Events]) -> pa.Table:
    """
    Lists of events for rows with these local IDs: a column ``events.NAME`` for each event table.

    Events of nobody are in none.
    """
    ids = _text(local).combine_chunks()
    columns = {}
    for one in events:
        at = pc.index_in(one.ids, value_set=ids).combine_chunks()
        known = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
        row = at.take(pa.array(known)).to_numpy().astype(np.int64)
        cells = one.columns.take(pa.array(known))
        order = _in_order(row, cells)
        cells = cells.take(pa.array(order)).combine_chunks()
        counts = np.bincount(row, minlength=len(ids))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        names = cells.column_names
        struct = pa.StructArray.from_arrays(
            [_whole(cells.column(n)) for n in names], fields=[pa.field(n, pa.string()) for n in names]
        )
        columns[payloads.EVENTS + one.name] = pa.ListArray.from_arrays(
            pa.array(offsets), struct, type=payloads.event_type(names)
        )
    return pa.table(columns)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())


def _in_order(row: Index, cells: pa.Table) -> Index:
    """Events by record, then by value: nothing is left of the order of the file."""
    keyed = cells.append_column("", pa.array(row))
    keys = [("", "ascending"), *((name, "ascending") for name in cells.column_names)]
    found: Index = pc.sort_indices(keyed, sort_keys=keys).to_numpy().astype(np.int64)
    return found
