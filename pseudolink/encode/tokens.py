"""
Tokens and filters of one chunk of cleaned rows, from keys that are already derived.

Source: specs/encoding-v1.md, sections 3 to 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from pseudolink.encode.filters import GramWords, fill_segment, gram_index
from pseudolink.encode.parts import Component, Components, Derived
from pseudolink.encode.sha256 import hmac_rows, key_states
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import TOKEN_WORDS, PassColumns, Words
from pseudolink.schema import LinkageSchema, Pass

__all__ = ["FORMAT", "Components", "Encoder", "KeyRing", "encode_chunk"]

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
class _Pieces:
    """The components of one pass laid end to end, so that one compiled loop reads them all."""

    data: npt.NDArray[np.uint8]
    start: Index
    codes: Index

    @classmethod
    def of(cls, parts: list[Component]) -> _Pieces:
        starts, columns = [], []
        base = pieces = 0
        for part in parts:
            starts.append(part.start[:-1] + base)
            columns.append(np.where(part.codes >= 0, part.codes + pieces, -1))
            base += int(part.start[-1])
            pieces += len(part.start) - 1
        return cls(
            np.concatenate([part.data[: part.start[-1]] for part in parts]),
            np.concatenate([*starts, np.asarray([base], dtype=np.int64)]),
            np.stack(columns),
        )


class Encoder:
    """
    Tokens and filters of cleaned rows, chunk after chunk.

    What can be done once for every distinct value is done once; the rest is in compiled loops that
    threads can share. Holds derived keys: it does not print or pickle.
    """

    __slots__ = ("_derived", "_ring", "_schema", "_words")

    def __init__(self, schema: LinkageSchema, ring: KeyRing) -> None:
        self._schema, self._ring = schema, ring
        self._derived = Derived()
        self._words = {
            (one.name, name): GramWords(ring.key(one, f"field {name}"))
            for one in schema.passes
            for name in one.compare
        }

    def __repr__(self) -> str:
        return f"<Encoder of {len(self._schema.passes)} passes>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Encoder does not pickle; see specs/adr/0003")

    def components(self, cleaned: Cleaned) -> Components:
        """The components of some rows."""
        return Components(cleaned, self._schema, self._derived)

    def encode(self, parts: Components) -> dict[str, PassColumns]:
        """
        Tokens and filters of rows, for every pass.

        The result of a row depends on that row, the schema and the keys alone: not on its
        neighbours, the size of the chunk or the thread.
        """
        fields = parts.cleaned.fields
        grams = {
            name: gram_index(self._schema.fields[name].kind, fields[name].values)
            for name in self._schema.compared
        }
        passes: dict[str, PassColumns] = {}
        for one in self._schema.passes:
            pieces = _Pieces.of(parts.of_pass(one.on, bare=True))
            uses = ["token", "block"] if one.compare else ["token"]
            found, present = _prf([self._ring.key(one, use) for use in uses], pieces)
            filters = None
            if one.compare:
                filters = np.zeros((len(present), self._schema.layout[one.name]), dtype=np.uint8)
                at = 0
                for name in one.compare:
                    field = self._schema.fields[name]
                    fill_segment(
                        found[1],
                        np.where(present, fields[name].codes, np.int32(-1)),
                        grams[name].keyed(self._words[one.name, name]),
                        bits=field.bits,
                        budget=field.budget,
                        out=filters[:, at : at + field.bits // 8],
                    )
                    at += field.bits // 8
            passes[one.name] = PassColumns(found[0], present, filters)
        return passes


def _prf(keys: Sequence[bytes], pieces: _Pieces) -> tuple[Words, npt.NDArray[np.bool_]]:
    """
    The first 16 bytes of HMAC-SHA-256 of each row's message under each key.

    Returns:
        (k, n, 2) uint64, little-endian words, zero where a row has no message; (n,) bool, whether
        it has one.
    """
    rows = pieces.codes.shape[1]
    out = np.zeros((len(keys), rows, TOKEN_WORDS), dtype=np.uint64)
    present = np.zeros(rows, dtype=np.bool_)
    hmac_rows(pieces.codes, pieces.start, pieces.data, np.stack([key_states(k) for k in keys]), out, present)
    return out, present


def encode_chunk(cleaned: Cleaned, schema: LinkageSchema, ring: KeyRing) -> dict[str, PassColumns]:
    """Tokens and filters of all rows; see :class:`Encoder`."""
    encoder = Encoder(schema, ring)
    return encoder.encode(encoder.components(cleaned))
