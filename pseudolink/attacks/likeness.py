"""
How alike records are: all that remains of names when the key is unknown, and all that A3 needs.

For a CLK the similarity of two records is that of their bits, for all pairs. For keyed passes it is
the number of tokens that they share, each counted with the Dice of its filters; almost all pairs
share none. The same is computed for the reference, encoded under a key of the attacker's own:
equal values give equal tokens and alike filters under any key.

Source: specs/attacks-v1.md, section 3.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pseudolink.attacks.attack import Bits, Index, Material, View
from pseudolink.formats.encodings import Encodings, PassColumns

Matrix = npt.NDArray[np.float32]
#: Keys that the attacker encodes the reference with, where it is small and where it is large.
KEYS: Final = 8
KEYS_OF_MANY: Final = 2
FEW_ROWS: Final = 2_500
NEIGHBOURS: Final = 20
_LARGEST_BLOCK: Final = 400
_PAIRS: Final = 1 << 20
_TILE: Final = 1_024


class Likeness(Protocol):
    """Similarities among the rows of one view."""

    rows: int

    def block(self, rows: Index, columns: Index) -> Matrix:
        """(k, l) float32: similarities of the given rows to the given columns; 0 to itself."""

    def traits(self) -> Matrix:
        """(n, t) float32: what each row shows by itself (which tokens are missing, fill)."""

    def smooth(self, values: Matrix) -> Matrix:
        """(n, t) float32: the mean of (n, t) values over the rows that resemble each row most."""


class OfBits:
    """
    Cosine of CLKs whose bits are centred, so that common bits count little.

    Args:
        bits: (n, w) uint8. Filters under several keys side by side average their accidents.
    """

    def __init__(self, bits: Bits) -> None:
        plain = np.unpackbits(bits, axis=1).astype(np.float32)
        self.rows = len(plain)
        self._fill = plain.mean(axis=1)
        plain -= plain.mean(axis=0)
        norm = np.linalg.norm(plain, axis=1, keepdims=True)
        self._plain: Matrix = (plain / np.where(norm > 0, norm, 1)).astype(np.float32)
        self._near: Index | None = None

    def block(self, rows: Index, columns: Index) -> Matrix:
        found: Matrix = self._plain[rows] @ self._plain[columns].T
        found[rows[:, None] == columns[None, :]] = 0
        return found

    def traits(self) -> Matrix:
        found: Matrix = self._fill[:, None].astype(np.float32)
        return found

    def smooth(self, values: Matrix) -> Matrix:
        if self._near is None:
            everyone = np.arange(self.rows)
            count = min(NEIGHBOURS, max(self.rows - 1, 1))
            chunks = [everyone[at : at + _TILE] for at in range(0, self.rows, _TILE)]
            near = [np.argpartition(-self.block(rows, everyone), count - 1)[:, :count] for rows in chunks]
            self._near = np.concatenate(near)
        found: Matrix = values[self._near].mean(axis=1)
        return found


class OfTokens:
    """Shared tokens of keyed passes, each with one and the Dice of its filters."""

    def __init__(self, encodings: Encodings) -> None:
        self.rows = encodings.rows
        self._shows = np.stack([p.present for p in encodings.passes.values()], axis=1)
        self._alike = _alike(encodings)

    def block(self, rows: Index, columns: Index) -> Matrix:
        found: Matrix = self._alike[rows][:, columns].toarray().astype(np.float32)
        return found

    def traits(self) -> Matrix:
        # A missing token says more than one that is there, the more the rarer it is.
        return (~self._shows).astype(np.float32)

    def smooth(self, values: Matrix) -> Matrix:
        weight = np.asarray(self._alike.sum(axis=1)).ravel()
        found: Matrix = ((self._alike @ values) / np.maximum(weight, 1e-9)[:, None]).astype(np.float32)
        return found


def of_view(view: View) -> Likeness:
    """The similarities among the rows of a view."""
    if view.encodings is not None:
        return OfTokens(view.encodings)
    assert view.bits is not None  # noqa: S101 (a view has one or the other)
    return OfBits(view.bits)


def of_reference(material: Material) -> Likeness:
    """The similarities among the reference's rows, encoded under keys of the attacker's own."""
    first = simulated(material)
    if first.bits is None:
        return of_view(first)
    # One key's collisions are noise to the attacker: the mean over several keys has less of it.
    keys = KEYS if material.reference.rows <= FEW_ROWS else KEYS_OF_MANY
    more = [simulated(material, number).bits for number in range(1, keys)]
    return OfBits(np.concatenate([first.bits, *(one for one in more if one is not None)], axis=1))


def simulated(material: Material, number: int = 0) -> View:
    """The reference encoded as the scheme does it, under a key of the attacker's own."""
    key = number.to_bytes(31, "big") + b"\x01"
    return material.scheme.start(material.schema, key, material.project)(material.reference.cleaned)


def _alike(encodings: Encodings) -> Any:
    """(n, n) sparse float32: similarities of rows that share a token."""
    shape = (encodings.rows, encodings.rows)
    found = sparse.csr_array(shape, dtype=np.float32)
    for one in encodings.passes.values():
        left, right = pairs_of(one)
        weight = np.ones(len(left), dtype=np.float32)
        if one.filters is not None:
            weight += dice(one.filters, left, right)
        both = (np.concatenate([left, right]), np.concatenate([right, left]))
        found = found + sparse.coo_array((np.tile(weight, 2), both), shape=shape).tocsr()
    return found


def pairs_of(one: PassColumns) -> tuple[Index, Index]:
    """
    Every pair of rows with equal tokens, each once.

    Of a block above 400 rows only neighbours in a ring count: such a block tells little of anyone.
    """
    rows = np.flatnonzero(one.present)
    if not len(rows):
        return rows, rows
    _, block = np.unique(one.tokens[rows], axis=0, return_inverse=True)
    block = block.ravel()
    order = np.argsort(block, kind="stable")
    rows, sizes = rows[order], np.bincount(block)
    starts = np.cumsum(sizes) - sizes
    lefts, rights = [], []
    for size in np.unique(sizes[sizes > 1]).tolist():
        at = starts[sizes == size]
        if size > _LARGEST_BLOCK:
            i, j = np.arange(size), (np.arange(size) + 1) % size
        else:
            i, j = np.triu_indices(size, 1)
        lefts.append(rows[(at[:, None] + i).ravel()])
        rights.append(rows[(at[:, None] + j).ravel()])
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate(lefts or [none]), np.concatenate(rights or [none])


def dice(filters: Bits, left: Index, right: Index) -> Matrix:
    """(k,) float32: the Dice coefficient of pairs of filters; 0 where both are empty."""
    counts = np.bitwise_count(filters).sum(axis=1, dtype=np.int64)
    found = np.zeros(len(left), dtype=np.float32)
    for at in range(0, len(left), _PAIRS):
        a, b = left[at : at + _PAIRS], right[at : at + _PAIRS]
        common = np.bitwise_count(filters[a] & filters[b]).sum(axis=1, dtype=np.int64)
        found[at : at + _PAIRS] = 2 * common / np.maximum(counts[a] + counts[b], 1)
    return found
