"""
Atoms, and the cells that are sums of them.

Source: specs/tables-v1.md, section 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from pseudolink.errors import TableTooLargeError
from pseudolink.release.tables.definition import Definition, Dimension
from pseudolink.release.tables.people import People

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Amounts = npt.NDArray[np.float64]

MOST_ATOMS = 50_000
MOST_CELLS = 20_000
#: tables-v1, 2.2: pairs of people that would have to differ by chance before a rule is believed.
_LEAST_PAIRS = 20

#: Where a cell is: column -> category, for its rows and for its columns.
Place = tuple[tuple[tuple[str, str | None], ...], tuple[tuple[str, str | None], ...]]


#: What decides which people are in a cell: column -> category, wherever it stands in a table.
Key = frozenset[tuple[str, str | None]]


def key_of(place: Place, definition: Definition) -> Key:
    """The conditions of a cell of a table, the table's own among them: equal for the same cell anywhere."""
    return frozenset([*place[0], *place[1], *definition.where])


def indicator(rows: Sequence[Index], atoms: int) -> csr_array:
    """A matrix of 0 and 1 from the atoms of each row."""
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    return csr_array((np.ones(len(columns)), columns, starts), shape=(len(rows), atoms))


@dataclass(frozen=True)
class Atoms:
    """
    Combinations of categories that can be.

    codes: (a, v) int64, the category of each of the v variables. of_people: (n,) int64.
    """

    names: tuple[str, ...]
    codes: Index
    of_people: Index

    def column(self, name: str) -> Index:
        return self.codes[:, self.names.index(name)]


def make_atoms(people: People, definitions: Sequence[Definition], most: int = MOST_ATOMS) -> Atoms:
    """
    Every combination of the variables of all definitions, without those that cannot be.

    Raises:
        TableTooLargeError: more than ``most``.
    """
    names = tuple(dict.fromkeys(name for one in definitions for name in one.variables))
    nested = [d.columns for one in definitions for d in one.dimensions if len(d.columns) > 1]
    pairs = _impossible_pairs(people, names, nested)
    codes = np.zeros((1, 0), dtype=np.int64)
    for place, name in enumerate(names):
        count = len(people.variables[name].categories)
        if len(codes) * count > 20 * most:
            raise _too_many(most)
        codes = np.column_stack([np.repeat(codes, count, axis=0), np.tile(np.arange(count), len(codes))])
        for before in range(place):
            allowed = pairs.get((before, place))
            if allowed is not None:
                codes = codes[allowed[codes[:, before], codes[:, place]]]
        if len(codes) > most:
            raise _too_many(most)
    for columns in nested:
        if len(columns) > 2:
            codes = codes[_occurring(people, names, columns, codes)]
    own = np.column_stack([people.variables[name].codes for name in names])
    widths = [len(people.variables[name].categories) for name in names]
    keys, mine = _keys(codes, widths), _keys(own, widths)
    order = np.argsort(keys)
    return Atoms(names, codes, order[np.searchsorted(keys[order], mine)].astype(np.int64))


def _too_many(most: int) -> TableTooLargeError:
    return TableTooLargeError(
        f"more than {most:,} combinations of categories",
        advice="Use fewer dimensions, or columns with fewer categories.",
    )


def _keys(codes: Index, widths: Sequence[int]) -> Index:
    key = np.zeros(len(codes), dtype=np.int64)
    for place, width in enumerate(widths):
        key = key * width + codes[:, place]
    return key


def _occurring(people: People, names: Sequence[str], columns: Sequence[str], codes: Index) -> Flags:
    widths = [len(people.variables[name].categories) for name in columns]
    there = _keys(np.column_stack([people.variables[name].codes for name in columns]), widths)
    asked = _keys(codes[:, [names.index(name) for name in columns]], widths)
    return np.isin(asked, there)


def _impossible_pairs(
    people: People, names: Sequence[str], nested: Sequence[Sequence[str]]
) -> dict[tuple[int, int], Flags]:
    """(place, later place) -> which pairs of categories can be, where not all can."""
    found: dict[tuple[int, int], Flags] = {}
    for i, j in combinations(range(len(names)), 2):
        a, b = people.variables[names[i]], people.variables[names[j]]
        joint = np.zeros((len(a.categories), len(b.categories)), dtype=np.int64)
        np.add.at(joint, (a.codes, b.codes), 1)
        together = any(names[i] in columns and names[j] in columns for columns in nested)
        if together or decides(joint) or decides(joint.T):
            found[i, j] = joint > 0
    return found


def decides(joint: Index) -> bool:
    """Whether the variable of the rows decides that of the columns, and not by chance (2.2)."""
    if joint.shape[0] <= joint.shape[1] or joint.shape[1] < 2:
        return False
    if ((joint > 0).sum(axis=1) > 1).any():
        return False
    total = joint.sum()
    alike = (joint.sum(axis=1) * (joint.sum(axis=1) - 1) / 2).sum()
    differing = 1 - ((joint.sum(axis=0) / total) ** 2).sum()
    return bool(alike * differing >= _LEAST_PAIRS)


@dataclass(frozen=True)
class Cells:
    """
    The cells of all tables, each once.

    places: where each cell is, in the first table that has it. tables: for each definition, the
        cells it shows, in order, with their places there.
    matrix: (m, a) of 0 and 1, the atoms of each cell.
    people, families: (m,) counts. value: (m,) what the cell holds: people, or the sum.
    shares: (m, 4) largest and two largest contributions of people, the same of families; 0 when
        people are counted.
    groups: cells that are the children of one node, the other dimensions held fixed.
    """

    places: list[Place]
    tables: list[list[tuple[int, Place]]]
    matrix: csr_array
    people: Index
    families: Index
    value: Amounts
    shares: Amounts
    groups: list[Index]

    @property
    def structural(self) -> Flags:
        """(m,) cells that can only be 0."""
        return np.asarray(np.diff(self.matrix.indptr) == 0, dtype=np.bool_)


class _Builder:
    def __init__(self, people: People, atoms: Atoms) -> None:
        self.people, self.atoms = people, atoms
        self.number: dict[Key, int] = {}
        self.places: list[Place] = []
        self.rows: list[Index] = []
        self.measured: list[npt.NDArray[np.float64]] = []
        self.groups: dict[tuple[int, ...], None] = {}

    def table(self, definition: Definition) -> list[tuple[int, Place]]:
        shown = []
        chosen, kept = self._where(definition)
        for depths in product(*(range(len(one.columns) + 1) for one in definition.dimensions)):
            for cell, place in self._level(definition, depths, chosen, kept):
                shown.append((cell, place))
        return shown

    def _where(self, definition: Definition) -> tuple[Flags, Flags]:
        chosen = np.ones(self.people.n, dtype=bool)
        kept = np.ones(len(self.atoms.codes), dtype=bool)
        for name, category in definition.where:
            code = self.people.variables[name].code(category)
            chosen &= self.people.variables[name].codes == code
            kept &= self.atoms.column(name) == code
        return chosen, kept

    def _level(
        self, definition: Definition, depths: tuple[int, ...], chosen: Flags, kept: Flags
    ) -> Iterator[tuple[int, Place]]:
        """The cells of one depth of each dimension."""
        axes = [self._nodes(one, depth) for one, depth in zip(definition.dimensions, depths, strict=True)]
        shape = tuple(len(nodes) for nodes, _, _ in axes)
        size = int(np.prod(shape))
        if len(self.places) + size > MOST_CELLS:
            raise TableTooLargeError(
                f"more than {MOST_CELLS:,} cells", advice="Use fewer dimensions, or fewer categories."
            )
        of_people = np.ravel_multi_index([axis[1] for axis in axes], shape)
        of_atoms = np.ravel_multi_index([axis[2] for axis in axes], shape)
        measured = self._measure(of_people[chosen], np.flatnonzero(chosen), size)
        members = np.flatnonzero(kept)
        members = members[np.argsort(of_atoms[members], kind="stable")]
        ends = np.searchsorted(of_atoms[members], np.arange(size + 1))
        cells = np.zeros(size, dtype=np.int64)
        for flat, at in enumerate(np.ndindex(*shape)):
            place = self._place(definition, [axes[d][0][n] for d, n in enumerate(at)])
            atoms = members[ends[flat] : ends[flat + 1]]
            cells[flat] = self._cell(definition, place, atoms, measured[flat])
            yield int(cells[flat]), place
        self._group(depths, axes, cells.reshape(shape))

    def _nodes(self, one: Dimension, depth: int) -> tuple[list[tuple[tuple[str, int], ...]], Index, Index]:
        """Nodes of a dimension at a depth; the node of each person and of each atom."""
        columns = one.columns[:depth]
        if not columns:
            return [()], np.zeros(self.people.n, np.int64), np.zeros(len(self.atoms.codes), np.int64)
        widths = [len(self.people.variables[name].categories) for name in columns]
        mine = _keys(np.column_stack([self.people.variables[name].codes for name in columns]), widths)
        theirs = _keys(np.column_stack([self.atoms.column(name) for name in columns]), widths)
        keys, inverse = np.unique(mine, return_inverse=True)
        codes = np.stack(np.unravel_index(keys, widths), axis=1)
        nodes = [tuple(zip(columns, row.tolist(), strict=True)) for row in codes]
        return nodes, inverse.astype(np.int64), np.searchsorted(keys, theirs).astype(np.int64)

    def _place(self, definition: Definition, nodes: list[tuple[tuple[str, int], ...]]) -> Place:
        named = [
            tuple((name, self.people.variables[name].categories[code]) for name, code in node)
            for node in nodes
        ]
        rows = tuple(pair for node in named[: len(definition.rows)] for pair in node)
        return rows, tuple(pair for node in named[len(definition.rows) :] for pair in node)

    def _cell(self, definition: Definition, place: Place, atoms: Index, measured: Amounts) -> int:
        number = self.number.setdefault(key_of(place, definition), len(self.places))
        if number == len(self.places):
            self.places.append(place)
            self.rows.append(np.sort(atoms))
            self.measured.append(measured)
        return number

    def _measure(self, cell: Index, who: Index, size: int) -> Amounts:
        """(size, 7): people, families, value, and the largest contributions."""
        out = np.zeros((size, 7))
        amount = self.people.amount
        if amount is not None:
            held = ~np.isnan(amount[who])
            cell, who = cell[held], who[held]
        out[:, 0] = np.bincount(cell, minlength=size)
        family = self.people.family[who]
        width = int(family.max(initial=0)) + 1
        pairs, inverse = np.unique(cell * width + family, return_inverse=True)
        of_family = pairs // width
        out[:, 1] = np.bincount(of_family, minlength=size)
        if amount is None:
            out[:, 2] = out[:, 0]
            return out
        out[:, 2] = np.bincount(cell, weights=amount[who], minlength=size)
        sums = np.bincount(inverse, weights=amount[who]).astype(np.float64)
        out[:, 3:5] = _two_largest(cell, amount[who], size)
        out[:, 5:7] = _two_largest(of_family, sums, size)
        return out

    def _group(
        self,
        depths: tuple[int, ...],
        axes: list[tuple[list[tuple[tuple[str, int], ...]], Index, Index]],
        cells: Index,
    ) -> None:
        for axis, depth in enumerate(depths):
            if not depth:
                continue
            parents: dict[tuple[tuple[str, int], ...], list[int]] = {}
            for place, node in enumerate(axes[axis][0]):
                parents.setdefault(node[:-1], []).append(place)
            for children in parents.values():
                lines = np.moveaxis(cells.take(children, axis=axis), axis, -1).reshape(-1, len(children))
                for line in lines:
                    self.groups[tuple(line.tolist())] = None


def _two_largest(cell: Index, amount: Amounts, size: int) -> Amounts:
    """(size, 2): the largest contribution to each cell, and the two largest together."""
    out = np.zeros((size, 2))
    order = np.lexsort((-amount, cell))
    cell, amount = cell[order], amount[order]
    first = np.ones(len(cell), dtype=bool)
    first[1:] = cell[1:] != cell[:-1]
    second = np.zeros(len(cell), dtype=bool)
    second[1:] = first[:-1] & ~first[1:]
    out[cell[first], 0] = amount[first]
    out[:, 1] = out[:, 0]
    out[cell[second], 1] += amount[second]
    return out


def make_cells(people: People, atoms: Atoms, definitions: Sequence[Definition]) -> Cells:
    """
    The cells of every definition over the same atoms.

    Raises:
        TableTooLargeError: more cells than can be protected.
    """
    builder = _Builder(people, atoms)
    tables = [builder.table(one) for one in definitions]
    measured = np.stack(builder.measured)
    return Cells(
        builder.places,
        tables,
        indicator(builder.rows, len(atoms.codes)),
        measured[:, 0].astype(np.int64),
        measured[:, 1].astype(np.int64),
        measured[:, 2],
        measured[:, 3:],
        [np.asarray(group, dtype=np.int64) for group in builder.groups],
    )
