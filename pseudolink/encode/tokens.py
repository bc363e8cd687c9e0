"""
Tokens and filters of one chunk of cleaned rows, from keys that are already derived.

Source: specs/encoding-v1.md, sections 3 to 5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from pseudolink.components import NAMES, SORTED, split
from pseudolink.encode.derive import derive
from pseudolink.encode.filters import fill_segment, gram_index
from pseudolink.encode.sha256 import hmac_rows, key_states
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.formats.encodings import TOKEN_WORDS, PassColumns, Words
from pseudolink.schema import LinkageSchema, Pass

FORMAT = "pseudolink/encoding/1"

Index = npt.NDArray[np.int64]

#: ``derive(label, *context) -> 32 bytes``: the linkage key's only way out, in a file or an HSM.
Derive = Callable[..., bytes]


#: The key that the contents of rows are drawn with, where there are decoys; it belongs to no pass.
CONTENT = "content"


class KeyRing:
    """
    The derived keys of every pass. They do not print and do not pickle.

    Where the schema has decoys there are those of one party's decoys too (encoding-v1, 10.3).
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[tuple[str, str], bytes]) -> None:
        self._keys = dict(keys)

    @classmethod
    def derived(cls, derive_key: Derive, schema: LinkageSchema, project: str, party: str = "") -> KeyRing:
        """
        Derive the keys of all passes: a token key, a block key, and one a compared field.

        Args:
            party: whose extract it is; two extracts of a linkage have different ones.
        """
        context = (FORMAT, project, schema.digest)
        keys = {}
        for one in schema.passes:
            keys[one.name, "token"] = derive_key("token", *context, one.name, "")
            if one.compare:
                keys[one.name, "block"] = derive_key("filter", *context, one.name, "")
            for field in one.compare:
                keys[one.name, f"field {field}"] = derive_key("filter", *context, one.name, field)
        if schema.floor.decoys:
            keys["", CONTENT] = derive_key("decoy-content", *context, "", party)
            for one in schema.passes:
                keys[one.name, "lot"] = derive_key("decoy-lot", *context, one.name, party)
                keys[one.name, "decoy"] = derive_key("decoy-token", *context, one.name, party)
                keys[one.name, "fill"] = derive_key("decoy-fill", *context, one.name, party)
        return cls(keys)

    def key(self, one: Pass, use: str) -> bytes:
        return self._keys[one.name, use]

    def named(self, name: str, use: str) -> bytes:
        """A key of the pass of that name."""
        return self._keys[name, use]

    def shared(self, use: str) -> bytes:
        """A key that belongs to no pass."""
        return self._keys["", use]

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self._keys)} keys>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("KeyRing does not pickle; see specs/adr/0003")


@dataclass(frozen=True)
class Component:
    """
    A component of n rows.

    data: (bytes,) uint8, every distinct value preceded by its length, one after another.
    start: (values + 1,) int64, where each begins in ``data``.
    codes: (n,) int64, which value; -1 where the component is missing.
    """

    data: npt.NDArray[np.uint8]
    start: Index
    codes: Index


def _prefixed(value: str) -> bytes:
    # encoding-v1 §3.2: the length precedes the value, so no value can imitate a boundary.
    raw = value.encode()
    return struct.pack(">I", len(raw)) + raw


def _of_values(values: Sequence[str | None], codes: Index) -> Component:
    """A component from the values that codes stand for; values that are equal become one."""
    number: dict[str, int] = {}
    again = np.full(len(values) + 1, -1, dtype=np.int64)  # code -1 reads the last entry
    for index, value in enumerate(values):
        if value is not None:
            again[index] = number.setdefault(value, len(number))
    messages = [_prefixed(value) for value in number]
    start = np.zeros(len(messages) + 1, dtype=np.int64)
    np.cumsum([len(m) for m in messages], out=start[1:])
    return Component(np.frombuffer(b"".join(messages), dtype=np.uint8), start, again[codes])


class Components:
    """The components of cleaned rows, each made once when it is first asked for."""

    def __init__(self, cleaned: Cleaned, schema: LinkageSchema) -> None:
        self.cleaned = cleaned
        self.schema = schema
        self._made: dict[str, Component] = {}

    def __getitem__(self, name: str) -> Component:
        if name not in self._made:
            field, derivation = split(name)
            self._made[name] = self._names(derivation) if field == NAMES else self._field(field, derivation)
        return self._made[name]

    def of_pass(self, on: Sequence[str]) -> list[Component]:
        """The components of a pass: on its own a temporary pupil number counts as missing."""
        parts = [self[name] for name in on]
        field, _ = split(on[0])
        if len(on) > 1 or field == NAMES or self.schema.fields[field].kind != "upn":
            return parts
        # encoding-v1 §3.5: schools hand these out themselves, so two pupils can have the same one.
        column = self.cleaned.fields[field]
        lasting = np.asarray([*(not value[-1].isalpha() for value in column.values), False], dtype=bool)
        codes = np.where(lasting[column.codes], parts[0].codes, -1)
        return [Component(parts[0].data, parts[0].start, codes)]

    def _field(self, field: str, derivation: str) -> Component:
        column: Column = self.cleaned.fields[field]
        kind = self.schema.fields[field].kind
        values = [derive(kind, derivation, value) for value in column.values]
        return _of_values(values, column.codes.astype(np.int64))

    def _names(self, derivation: str) -> Component:
        """encoding-v1 §2.5: what is derived of both names, in order of code points, joined."""
        columns = [self.cleaned.fields[name] for name in self.schema.named]
        inner = SORTED[derivation]
        derived = [
            [derive(kind, inner, value) or "" for value in column.values]
            for kind, column in zip(("forename", "surname"), columns, strict=True)
        ]
        words = sorted({*derived[0], *derived[1]})
        rank = {word: index for index, word in enumerate(words)}
        ranks = [
            np.asarray([*(rank[w] for w in side), -1], dtype=np.int64)[column.codes]
            for side, column in zip(derived, columns, strict=True)
        ]
        both = (ranks[0] >= 0) & (ranks[1] >= 0)
        low, high = np.minimum(*ranks)[both], np.maximum(*ranks)[both]
        distinct, inverse = np.unique(low * len(words) + high, return_inverse=True)
        codes = np.full(self.cleaned.rows, -1, dtype=np.int64)
        codes[both] = inverse
        firsts, seconds = np.divmod(distinct, max(len(words), 1))
        values = [f"{words[a]}\n{words[b]}" for a, b in zip(firsts.tolist(), seconds.tolist(), strict=True)]
        return _of_values(values, codes)


@dataclass(frozen=True)
class _Pieces:
    """The components of one pass laid end to end, so that one compiled loop reads them all."""

    data: npt.NDArray[np.uint8]
    start: Index
    columns: tuple[Index, ...]

    @classmethod
    def of(cls, parts: list[Component]) -> _Pieces:
        starts, columns = [], []
        base = pieces = 0
        for part in parts:
            starts.append(part.start[:-1] + base)
            columns.append(np.where(part.codes >= 0, part.codes + pieces, -1))
            base += len(part.data)
            pieces += len(part.start) - 1
        return cls(
            np.concatenate([part.data for part in parts]),
            np.concatenate([*starts, np.asarray([base], dtype=np.int64)]),
            tuple(columns),
        )

    def of_rows(self, rows: Index) -> tuple[Index, npt.NDArray[np.bool_]]:
        """The pieces of the rows that have all of them, (k, c), and which rows those are."""
        codes = np.stack([column[rows] for column in self.columns], axis=1)
        present = np.asarray((codes >= 0).all(axis=1), dtype=np.bool_)
        return np.ascontiguousarray(codes[present]), present


class Encoder:
    """
    Tokens and filters of any rows of a cleaned extract.

    What can be done once for every distinct value is done here; ``encode`` does the rest in
    compiled loops that threads can share. Holds derived keys: it does not print or pickle.
    """

    __slots__ = ("_fields", "_grams", "_pieces", "_ring", "_schema")

    def __init__(self, cleaned: Cleaned, schema: LinkageSchema, ring: KeyRing) -> None:
        parts = Components(cleaned, schema)
        self._schema, self._ring = schema, ring
        self._pieces = {one.name: _Pieces.of(parts.of_pass(one.on)) for one in schema.passes}
        self._fields = {name: cleaned.fields[name].codes for name in schema.compared}
        index = {
            name: gram_index(schema.fields[name].kind, cleaned.fields[name].values)
            for name in schema.compared
        }
        self._grams = {
            (one.name, name): index[name].keyed(ring.key(one, f"field {name}"))
            for one in schema.passes
            for name in one.compare
        }

    def __repr__(self) -> str:
        return f"<Encoder of {len(self._pieces)} passes>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Encoder does not pickle; see specs/adr/0003")

    def encode(self, rows: Index) -> dict[str, PassColumns]:
        """
        Tokens and filters of the given rows, for every pass.

        The result of a row depends on that row, the schema and the keys alone: not on its
        neighbours, the size of the chunk or the thread.
        """
        passes: dict[str, PassColumns] = {}
        for one in self._schema.passes:
            pieces = self._pieces[one.name]
            codes, present = pieces.of_rows(rows)
            tokens = np.zeros((len(rows), TOKEN_WORDS), dtype=np.uint64)
            tokens[present] = _prf(self._ring.key(one, "token"), codes, pieces)
            filters = None
            if one.compare:
                blocks = _prf(self._ring.key(one, "block"), codes, pieces)
                filters = np.zeros((len(rows), self._schema.layout[one.name]), dtype=np.uint8)
                filters[present] = self._segments(one, blocks, rows[present])
            passes[one.name] = PassColumns(tokens, present, filters)
        return passes

    def _segments(self, one: Pass, blocks: Words, rows: Index) -> npt.NDArray[np.uint8]:
        segments = []
        for name in one.compare:
            field = self._schema.fields[name]
            table = self._grams[one.name, name]
            codes = self._fields[name][rows]
            segments.append(fill_segment(blocks, codes, table, bits=field.bits, budget=field.budget))
        return np.concatenate(segments, axis=1)


def _prf(key: bytes, codes: Index, pieces: _Pieces) -> Words:
    """The first 16 bytes of HMAC-SHA-256 of each message, as (n, 2) little-endian words."""
    inner, outer = key_states(key)
    out = np.zeros((len(codes), TOKEN_WORDS), dtype=np.uint64)
    hmac_rows(codes, pieces.start, pieces.data, inner, outer, out)
    return out


def encode_chunk(cleaned: Cleaned, schema: LinkageSchema, ring: KeyRing) -> dict[str, PassColumns]:
    """Tokens and filters of all rows; see :class:`Encoder`."""
    return Encoder(cleaned, schema, ring).encode(np.arange(cleaned.rows, dtype=np.int64))
