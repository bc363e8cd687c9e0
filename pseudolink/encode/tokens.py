"""
Tokens and filters of one chunk of cleaned rows, from keys that are already derived.

Source: specs/encoding-v1.md, sections 3 to 5.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from pseudolink.components import NAMES, split
from pseudolink.encode.derive import derive, derive_names
from pseudolink.encode.filters import fill_segment, gram_table
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.formats.encodings import TOKEN_BYTES, TOKEN_WORDS, PassColumns, Words
from pseudolink.schema import LinkageSchema, Pass

FORMAT = "pseudolink/encoding/1"
KEY_BYTES = 32

#: ``derive(label, *context) -> 32 bytes``: the linkage key's only way out, in a file or an HSM.
Derive = Callable[..., bytes]


class KeyRing:
    """The derived keys of every pass. They do not print and do not pickle."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[tuple[str, str], bytes]) -> None:
        self._keys = dict(keys)

    @classmethod
    def derived(cls, derive_key: Derive, schema: LinkageSchema, project: str) -> KeyRing:
        """Derive the keys of all passes: a token key, a block key, and one a compared field."""
        context = (FORMAT, project, schema.digest)
        keys = {}
        for one in schema.passes:
            keys[one.name, "token"] = derive_key("token", *context, one.name, "")
            if one.compare:
                keys[one.name, "block"] = derive_key("filter", *context, one.name, "")
            for field in one.compare:
                keys[one.name, f"field {field}"] = derive_key("filter", *context, one.name, field)
        return cls(keys)

    def key(self, one: Pass, use: str) -> bytes:
        return self._keys[one.name, use]

    def to_bytes(self) -> bytes:
        """For the pipe to a worker process alone."""
        return b"".join(
            struct.pack(">II", len(name.encode()), len(use.encode())) + name.encode() + use.encode() + key
            for (name, use), key in self._keys.items()
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyRing:
        """The inverse of :meth:`to_bytes`."""
        keys = {}
        at = 0
        while at < len(data):
            first, second = struct.unpack_from(">II", data, at)
            at += 8
            name = data[at : at + first].decode()
            use = data[at + first : at + first + second].decode()
            at += first + second
            keys[name, use] = data[at : at + KEY_BYTES]
            at += KEY_BYTES
        return cls(keys)

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self._keys)} keys>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("KeyRing does not pickle; see specs/adr/0003")


@dataclass(frozen=True)
class Component:
    """
    A component of n rows.

    messages: each distinct value, preceded by its length, as bytes.
    codes: (n,) int64 into messages; -1 where the component is missing.
    """

    messages: npt.NDArray[np.object_]
    codes: npt.NDArray[np.int64]


def _prefixed(value: str) -> bytes:
    # encoding-v1 §3.2: the length precedes the value, so no value can imitate a boundary.
    raw = value.encode()
    return struct.pack(">I", len(raw)) + raw


def _objects(messages: list[bytes]) -> npt.NDArray[np.object_]:
    array = np.empty(len(messages), dtype=object)
    array[:] = messages
    return array


def _of_values(values: list[str | None], codes: npt.NDArray[np.int64]) -> Component:
    messages: list[bytes] = []
    seen: dict[str, int] = {}
    again = np.full(len(values) + 1, -1, dtype=np.int64)
    for index, value in enumerate(values):
        if value is None:
            continue
        if value not in seen:
            seen[value] = len(messages)
            messages.append(_prefixed(value))
        again[index] = seen[value]
    return Component(_objects(messages), again[codes])  # code -1 reads the last entry, which is -1


class Components:
    """The components of a chunk, each made once when a pass first asks for it."""

    def __init__(self, cleaned: Cleaned, schema: LinkageSchema) -> None:
        self.cleaned = cleaned
        self.schema = schema
        self._made: dict[str, Component] = {}

    def __getitem__(self, name: str) -> Component:
        if name not in self._made:
            field, derivation = split(name)
            self._made[name] = self._names(derivation) if field == NAMES else self._field(field, derivation)
        return self._made[name]

    def _field(self, field: str, derivation: str) -> Component:
        column: Column = self.cleaned.fields[field]
        kind = self.schema.fields[field].kind
        values = [derive(kind, derivation, value) for value in column.values]
        return _of_values(values, column.codes.astype(np.int64))

    def _names(self, derivation: str) -> Component:
        first, last = (self.cleaned.fields[name] for name in self.schema.named)
        width = len(last.values) + 1
        pair = (first.codes.astype(np.int64) + 1) * width + (last.codes + 1)
        distinct, codes = np.unique(pair, return_inverse=True)
        values: list[str | None] = []
        for a, b in zip(*np.divmod(distinct, width), strict=True):
            both = a > 0 and b > 0
            values.append(derive_names(derivation, first.values[a - 1], last.values[b - 1]) if both else None)
        return _of_values(values, codes.astype(np.int64))


def _messages(one: Pass, parts: Components) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    columns = [parts[name] for name in one.on]
    present = np.ones(parts.cleaned.rows, dtype=bool)
    for column in columns:
        present &= column.codes >= 0
    joined = np.full(int(present.sum()), b"", dtype=object)
    for column in columns:
        if len(joined):
            joined = joined + column.messages[column.codes[present]]
    return joined, present


def _prf(key: bytes, messages: npt.NDArray[np.object_]) -> Words:
    """The first 16 bytes of HMAC-SHA-256 of each message, as (n, 2) little-endian words."""
    digest = hmac.digest
    raw = b"".join([digest(key, message, "sha256")[:TOKEN_BYTES] for message in messages])
    return np.frombuffer(raw, dtype="<u8").astype(np.uint64).reshape(len(messages), TOKEN_WORDS)


def encode_chunk(cleaned: Cleaned, schema: LinkageSchema, ring: KeyRing) -> dict[str, PassColumns]:
    """
    Tokens and filters of cleaned rows, for every pass.

    The result of a row depends on that row, the schema and the keys alone: not on its
    neighbours, the size of the chunk or the process.
    """
    parts = Components(cleaned, schema)
    passes: dict[str, PassColumns] = {}
    for one in schema.passes:
        messages, present = _messages(one, parts)
        tokens = np.zeros((cleaned.rows, TOKEN_WORDS), dtype=np.uint64)
        tokens[present] = _prf(ring.key(one, "token"), messages)
        filters = None
        if one.compare:
            blocks = _prf(ring.key(one, "block"), messages)
            filters = np.zeros((cleaned.rows, schema.layout[one.name]), dtype=np.uint8)
            filters[present] = _segments(one, cleaned, schema, ring, blocks, present)
        passes[one.name] = PassColumns(tokens, present, filters)
    return passes


def _segments(
    one: Pass,
    cleaned: Cleaned,
    schema: LinkageSchema,
    ring: KeyRing,
    blocks: Words,
    present: npt.NDArray[np.bool_],
) -> npt.NDArray[np.uint8]:
    segments = []
    for name in one.compare:
        field = schema.fields[name]
        column = cleaned.fields[name]
        table = gram_table(field.kind, column.values, ring.key(one, f"field {name}"))
        segments.append(
            fill_segment(blocks, column.codes[present], table, bits=field.bits, budget=field.budget)
        )
    return np.concatenate(segments, axis=1)
