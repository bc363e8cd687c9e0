"""
The components of cleaned rows, as the bytes that tokens are made of.

Common derivations of ASCII values are compiled; whatever else there is comes from ``derive``, and
each such value is derived once.

Source: specs/encoding-v1.md, sections 2 and 3.2.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.components import NAMES, SORTED, WHOLE, split
from pseudolink.encode import derivations as kernels
from pseudolink.encode.derivations import DONE, LEFT, PREFIX
from pseudolink.encode.derive import derive
from pseudolink.formats.cleaned import Cleaned, Column, Texts
from pseudolink.schema import LinkageSchema

Bytes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]

#: Values kept from chunk to chunk, a derivation.
_MOST_KEPT: Final = 50_000


@dataclass(frozen=True)
class Component:
    """
    A component of n rows.

    data: (bytes,) uint8, values preceded by their length, one after another. A value may stand
        there more than once.
    start: (values + 1,) int64, where each begins in ``data``.
    codes: (n,) int64, which value; -1 where the component is missing.
    """

    data: Bytes
    start: Index
    codes: Index

    def numbered(self) -> Component:
        """The same with every value once, so that codes are equal exactly where values are."""
        offsets, data = pa.py_buffer(np.ascontiguousarray(self.start)), pa.py_buffer(self.data)
        array = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), len(self.start) - 1, [None, offsets, data]
        )
        used = np.zeros(len(array) + 1, dtype=np.bool_)
        used[self.codes] = True
        kept = np.flatnonzero(used[:-1])
        encoded = pc.dictionary_encode(array.take(pa.array(kept)))
        place = np.full(len(array) + 1, -1, dtype=np.int64)
        place[kept] = encoded.indices.to_numpy(zero_copy_only=False)
        _, offsets, data = encoded.dictionary.buffers()
        start = np.frombuffer(offsets or bytes(8), dtype=np.int64)[: len(encoded.dictionary) + 1]
        return Component(np.frombuffer(data or b"", dtype=np.uint8), start, place[self.codes])


# ---------------------------------------------------------------- components


class Derived:
    """What is kept from chunk to chunk: values whose derivation took effort."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], dict[str, bytes | None]] = {}

    def of(self, kind: str, derivation: str, value: str) -> bytes | None:
        """The component of a value with its length before it; None where it has none."""
        kept = self._kept.setdefault((kind, derivation), {})
        try:
            return kept[value]
        except KeyError:
            made = derive(kind, derivation, value)
            if made is None:
                found = None
            else:
                raw = made.encode()
                found = struct.pack(">I", len(raw)) + raw
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            kept[value] = found
            return found


def _of_values(
    kind: str, derivation: str, values: Sequence[str], kept: Derived
) -> tuple[Bytes, Index, Index]:
    """
    The component of every distinct value.

    Returns:
        data, start as of :class:`Component`, and (values,) int64 which piece each value's is, -1
        where it has none.
    """
    texts = Texts.of(values)
    count = len(texts)
    size = int(texts.start[-1] - texts.start[0])
    start = np.zeros(count + 1, dtype=np.int64)
    state = np.zeros(count, dtype=np.uint8)
    out: Bytes
    if kind == "date":
        out = np.empty((PREFIX + 10) * count, dtype=np.uint8)
        kernels.dates(texts.data, texts.start, kernels.OF_DATES[derivation], out, start, state)
    elif derivation == WHOLE:
        out = np.empty(PREFIX * count + size, dtype=np.uint8)
        kernels.whole(texts.data, texts.start, size, out, start)
    elif derivation == "stem":
        if not (np.diff(texts.start) <= 9).all():
            state[:] = LEFT  # only what no cleaning gives
        out = np.empty(PREFIX * count + size, dtype=np.uint8)
        kernels.whole(texts.data, texts.start, 8, out, start)
    elif kind == "postcode":
        out = np.empty((PREFIX + 8) * count, dtype=np.uint8)
        kernels.postcodes(texts.data, texts.start, kernels.OF_POSTCODES[derivation], out, start, state)
    elif derivation in kernels.OF_NAMES:
        out = np.empty((PREFIX + 4) * count, dtype=np.uint8)
        kernels.names(
            texts.data, texts.start, kernels.OF_NAMES[derivation], kernels.DIGITS, out, start, state
        )
    else:
        out = np.empty(0, dtype=np.uint8)
        state[:] = LEFT
    place = np.arange(count, dtype=np.int64)
    place[state != DONE] = -1
    left = np.flatnonzero(state == LEFT)
    if not len(left):
        return out[: start[-1]], start, place
    made = [kept.of(kind, derivation, value) for value in texts.array.take(pa.array(left)).to_pylist()]
    pieces = [one for one in made if one is not None]
    has = np.asarray([one is not None for one in made], dtype=np.bool_)
    place[left[has]] = np.arange(count, count + len(pieces))
    further = start[-1] + np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    data = np.concatenate([out[: start[-1]], np.frombuffer(b"".join(pieces), dtype=np.uint8)])
    return data, np.concatenate([start, further]), place


class Components:
    """The components of cleaned rows, each made once when it is first asked for."""

    def __init__(self, cleaned: Cleaned, schema: LinkageSchema, kept: Derived | None = None) -> None:
        self.cleaned = cleaned
        self.schema = schema
        self._kept = kept or Derived()
        self._made: dict[str, Component] = {}
        self._numbered: dict[str, Component] = {}
        self._values: dict[tuple[str, str], tuple[Bytes, Index, Index]] = {}

    def __getitem__(self, name: str) -> Component:
        """A component in which equal codes are equal values and no others."""
        if name not in self._numbered:
            self._numbered[name] = self.bare(name).numbered()
        return self._numbered[name]

    def bare(self, name: str) -> Component:
        """A component in which a value may have several codes."""
        if name not in self._made:
            field, derivation = split(name)
            self._made[name] = self._names(derivation) if field == NAMES else self.of_rows(field, derivation)
        return self._made[name]

    def of_pass(self, on: Sequence[str], *, bare: bool = False) -> list[Component]:
        """
        The components of a pass: on its own a temporary pupil number counts as missing.

        Args:
            bare: a value may have several codes.
        """
        parts = [self.bare(name) if bare else self[name] for name in on]
        field, _ = split(on[0])
        if len(on) > 1 or field == NAMES or self.schema.fields[field].kind != "upn":
            return parts
        # encoding-v1 §3.5: schools hand these out themselves, so two pupils can have the same one.
        column = self.cleaned.fields[field]
        texts = Texts.of(column.values)
        lasting = np.append(texts.data[texts.start[1:] - 1] < ord("A"), False)
        part = parts[0]
        return [Component(part.data, part.start, np.where(lasting[column.codes], part.codes, -1))]

    def of_rows(self, field: str, derivation: str) -> Component:
        """A derivation of a field, whether a pass names it or not."""
        column: Column = self.cleaned.fields[field]
        data, start, place = self.of_values(field, derivation)
        return Component(data, start, np.append(place, np.int64(-1))[column.codes])

    def of_values(self, field: str, derivation: str) -> tuple[Bytes, Index, Index]:
        """The same of every distinct value of the field: data, start, and the piece of each value."""
        key = (field, derivation)
        if key not in self._values:
            kind, values = self.schema.fields[field].kind, self.cleaned.fields[field].values
            self._values[key] = _of_values(kind, derivation, values, self._kept)
        return self._values[key]

    def _names(self, derivation: str) -> Component:
        """encoding-v1 §2.5: what is derived of both names, in order of code points, joined."""
        one, two = (self.of_rows(name, SORTED[derivation]) for name in self.schema.named)
        present = (one.codes >= 0) & (two.codes >= 0)
        size = sum(int(np.diff(part.start)[part.codes[present]].sum()) for part in (one, two))
        start = np.zeros(self.cleaned.rows + 1, dtype=np.int64)
        out = np.empty(size + PREFIX * int(present.sum()), dtype=np.uint8)
        kernels.pairs(one.data, one.start, one.codes, two.data, two.start, two.codes, out, start)
        codes = np.where(present, np.arange(self.cleaned.rows, dtype=np.int64), -1)
        return Component(out, start, codes)
