"""
What tokens alone show, as numbers: which rows carry equal tokens, and where there is none.

The same is made of encodings and, from its components, of a population in clear text: no key is
needed for either, because a token is equal exactly where the components are.

Source: specs/attacks-v1.md; specs/encoding-v1.md, sections 3 and 8.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pseudolink.attacks.attack import View
from pseudolink.encode.alike import presence_of, shown
from pseudolink.encode.tokens import Components
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.formats.encodings import Encodings
from pseudolink.schema import LinkageSchema

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Structure:
    """
    n rows of r records under p passes.

    record: (n,) int64, from 0 to r - 1; rows of one record are its versions.
    tokens: (p, n) int64; within a pass equal numbers are equal tokens; -1 where there is none.
    party: (n,) int64, whose row each is (0 for a single extract). Everybody sees this.
    """

    record: Index
    tokens: Index
    party: Index

    @property
    def rows(self) -> int:
        """Number of rows, n."""
        return len(self.record)

    @property
    def records(self) -> int:
        """Number of records, r."""
        return int(self.record.max(initial=-1)) + 1

    def first_rows(self) -> Index:
        """(r,) int64: the first row of each record."""
        _, first = np.unique(self.record, return_index=True)
        return first.astype(np.int64)

    def patterns(self) -> tuple[Index, Index]:
        """
        Presence patterns of rows.

        Returns:
            (n,) which pattern, and (k, p) the patterns as 0 and 1.
        """
        present = (self.tokens >= 0).T.astype(np.int64)
        distinct, which = np.unique(present, axis=0, return_inverse=True)
        return which.ravel().astype(np.int64), distinct

    def covered(self, rng: np.random.Generator) -> Structure:
        """
        The structure under decoys (encoding-v1, section 10), with draws of one's own.

        Whoever draws again is right about most tokens, because few rows have to share one.
        """
        tokens = self.tokens.copy()
        for party in np.unique(self.party).tolist():
            own = np.flatnonzero(self.party == party)
            held = presence_of(one[own] >= 0 for one in tokens)
            wanted = shown(self.record[own], held)
            for number, one in enumerate(tokens):
                rows = own[one[own] >= 0]
                order = np.lexsort((rng.random(len(rows)), one[rows]))
                again = np.zeros(len(rows), dtype=bool)
                again[1:] = one[rows[order]][1:] == one[rows[order]][:-1]
                lacking = own[(one[own] < 0) & ((wanted >> np.uint64(number)) & np.uint64(1)).astype(bool)]
                replaced = np.concatenate([rows[order[again]], lacking])
                one[replaced] = int(one.max(initial=-1)) + 1 + np.arange(len(replaced))
        return Structure(self.record, renumbered(tokens), self.party)

    def company(self) -> Flags:
        """(r,) bool: whether a record shares a token with another record of its own party."""
        has = np.zeros(self.records, dtype=bool)
        for tokens in self.tokens:
            rows = np.flatnonzero(tokens >= 0)
            if len(rows):
                width = int(self.party.max(initial=0)) + 1
                _, block = np.unique(tokens[rows] * width + self.party[rows], return_inverse=True)
                has[shared(block.ravel(), self.record[rows])] = True
        return has


def shared(block: Index, record: Index) -> Index:
    """The records that are in a block with another record; (k,) each of members' block and record."""
    order = np.lexsort((record, block))
    block, record = block[order], record[order]
    fresh = np.ones(len(block), dtype=bool)
    fresh[1:] = (block[1:] != block[:-1]) | (record[1:] != record[:-1])
    block, record = block[fresh], record[fresh]
    return record[np.bincount(block)[block] > 1]


def of_encodings(encodings: Encodings, *, segments: Sequence[tuple[str, int, int]] = ()) -> Structure:
    """
    The structure of encodings.

    Args:
        segments: (pass, first byte, byte after the last) of filters. Each is added as a pass of its
            own whose token is the pass's token with that segment: inside a block equal segments
            are equal values. An empty segment gives none.
    """
    ids = _as_void(encodings.records)
    _, record = np.unique(ids, return_inverse=True)
    tokens = [_numbered(one.tokens, one.present) for one in encodings.passes.values()]
    for name, begin, end in segments:
        one = encodings.passes[name]
        if one.filters is not None:
            segment = np.ascontiguousarray(one.filters[:, begin:end])
            both = np.concatenate([one.tokens.view(np.uint8).reshape(len(ids), -1), segment], axis=1)
            tokens.append(_numbered(both, one.present & segment.any(axis=1)))
    return _structure(record, tokens)


def of_view(view: View, *, segments: Sequence[tuple[str, int, int]] = ()) -> Structure:
    """
    The structure of a view's encodings.

    Raises:
        ValueError: the view has none.
    """
    if view.encodings is None:
        raise ValueError("no encodings in this view")
    return of_encodings(view.encodings, segments=segments)


def of_cleaned(cleaned: Cleaned, schema: LinkageSchema, *, compared: bool = False) -> Structure:
    """
    The structure that encodings of a population would have, from its values.

    Args:
        compared: whether fields compared by filter are added as passes of their own, in the order
            of :func:`segments_of`.
    """
    parts = Components(cleaned, schema)
    tokens = [_joined([parts[name].codes for name in one.on]) for one in schema.passes]
    if compared:
        tokens += [
            _joined([tokens[at], cleaned.fields[field].codes.astype(np.int64)])
            for at, one in enumerate(schema.passes)
            for field in one.compare
        ]
    _, record = np.unique(cleaned.source, return_inverse=True)
    return _structure(record, tokens)


def segments_of(schema: LinkageSchema) -> list[tuple[str, int, int]]:
    """Where each compared field of each pass lies in its filter: pass, first byte, byte after the last."""
    found = []
    for one in schema.passes:
        begin = 0
        for field in one.compare:
            end = begin + schema.fields[field].bits // 8
            found.append((one.name, begin, end))
            begin = end
    return found


def of_parties(views: Sequence[View]) -> Structure:
    """Several extracts under one key as one structure; equal tokens are equal across them."""
    parties = [one.encodings for one in views if one.encodings is not None]
    return _with_parties(of_encodings(Encodings.join(parties)), [one.rows for one in parties])


def of_files(parties: Sequence[Cleaned], schema: LinkageSchema) -> Structure:
    """The same from clear text; record numbers follow the parties, as in :func:`of_parties`."""
    return _with_parties(of_cleaned(stacked(parties), schema), [one.rows for one in parties])


def _with_parties(structure: Structure, rows: Sequence[int]) -> Structure:
    party = np.repeat(np.arange(len(rows)), rows).astype(np.int64)
    # Numbered anew, party after party: two extracts never share a record, whatever its ID.
    width = int(structure.record.max(initial=0)) + 1
    _, record = np.unique(party * width + structure.record, return_inverse=True)
    return Structure(record.ravel().astype(np.int64), structure.tokens, party)


def stacked(parties: Sequence[Cleaned]) -> Cleaned:
    """Rows of several files below one another; no two files share a source."""
    fields = {}
    for name in parties[0].fields:
        columns = [one.fields[name] for one in parties]
        values = tuple(sorted({value for column in columns for value in column.values}))
        rank = {value: code for code, value in enumerate(values)}
        codes = [
            np.asarray([*(rank[v] for v in column.values), -1], dtype=np.int32)[column.codes]
            for column in columns
        ]
        fields[name] = Column(values, np.concatenate(codes))
    sources, offset = [], 0
    for one in parties:
        sources.append(one.source + offset)
        offset += int(one.source.max(initial=-1)) + 1
    return Cleaned(sum(one.rows for one in parties), np.concatenate(sources), fields, parties[0].counts)


def renumbered(tokens: Index) -> Index:
    """Numbers from 0 without gaps, pass by pass; -1 stays."""
    out = np.full(tokens.shape, -1, dtype=np.int64)
    for number, one in enumerate(tokens):
        at = np.flatnonzero(one >= 0)
        if len(at):
            out[number, at] = np.unique(one[at], return_inverse=True)[1].ravel()
    return out


def _structure(record: npt.NDArray[np.intp], tokens: list[Index]) -> Structure:
    rows = len(record)
    stacked = np.stack(tokens) if tokens else np.zeros((0, rows), dtype=np.int64)
    return Structure(record.ravel().astype(np.int64), stacked, np.zeros(rows, dtype=np.int64))


def _as_void(values: npt.NDArray[np.generic]) -> npt.NDArray[np.void]:
    raw = np.ascontiguousarray(values)
    return raw.view(np.dtype((np.void, raw.dtype.itemsize * raw.shape[1]))).ravel()


def _numbered(values: npt.NDArray[np.generic], present: Flags) -> Index:
    numbers = np.full(len(present), -1, dtype=np.int64)
    rows = np.flatnonzero(present)
    if len(rows):
        _, numbers[rows] = np.unique(_as_void(values[rows]), return_inverse=True)
    return numbers


def _joined(columns: Sequence[Index]) -> Index:
    """One number a row for the values of all columns; -1 where one is missing."""
    key = columns[0].astype(np.int64)
    missing = key < 0
    for codes in columns[1:]:
        missing = missing | (codes < 0)
        _, key = np.unique(key, return_inverse=True)
        key = key.astype(np.int64) * (int(codes.max(initial=0)) + 2) + codes
    numbers = np.full(len(key), -1, dtype=np.int64)
    rows = np.flatnonzero(~missing)
    _, numbers[rows] = np.unique(key[rows], return_inverse=True)
    return numbers
