"""
What would make a pass narrower: every further component tried on the rows that have company.

Source: specs/encoding-v1.md, 6.3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pseudolink.components import DERIVATIONS, NAMES, join
from pseudolink.formats.encodings import TOKEN_WORDS, PassColumns
from pseudolink.schema import LinkageSchema, Pass

Index = npt.NDArray[np.int64]
#: For every row a number that is equal where a component is, and whether the row has it.
Numbered = tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]


class Trial:
    """
    One pass with each further component in turn; only rows whose token another row has matter.

    Args:
        columns, order, source: of the rows as they were written; ``order`` says which row of the
            cleaned extract each is.
    """

    def __init__(self, columns: PassColumns, order: Index, source: Index, additions: list[str]) -> None:
        rows = np.flatnonzero(columns.present)
        _, where, often = np.unique(columns.tokens[rows, 0], return_inverse=True, return_counts=True)
        rows = rows[often[where] > 1]
        rows = rows[np.argsort(order[rows])]
        self._row, self._tokens, self._source = order[rows], columns.tokens[rows], source[rows]
        self._found: dict[str, list[Numbered]] = {name: [] for name in additions}

    def add(self, first: int, count: int, numbered: Callable[[str], Numbered]) -> None:
        """Note the components of the rows of a chunk."""
        begin, end = np.searchsorted(self._row, [first, first + count])
        rows = self._row[begin:end] - first
        for name, found in self._found.items():
            numbers, present = numbered(name)
            found.append((numbers[rows], present[rows]))

    def company(self) -> dict[str, int]:
        """Component -> records that would still have company if the pass named it too."""
        return {name: self._company_with(found) for name, found in self._found.items()}

    def _company_with(self, found: list[Numbered]) -> int:
        numbers = np.concatenate([n for n, _ in found])
        present = np.concatenate([p for _, p in found])
        key = np.column_stack([self._tokens, numbers, self._source.astype(np.uint64)])[present]
        distinct = np.unique(key, axis=0)  # versions of one record are no company
        _, inverse, counts = np.unique(
            distinct[:, : TOKEN_WORDS + 1], axis=0, return_inverse=True, return_counts=True
        )
        return len(np.unique(distinct[counts[inverse] > 1, TOKEN_WORDS + 1]))


def additions(one: Pass, schema: LinkageSchema) -> list[str]:
    taken = {component.split(".")[0] for component in one.on}
    if NAMES in taken:
        taken |= set(schema.named)
    return [
        join(name, derivation)
        for name, field in schema.fields.items()
        if name not in taken
        for derivation in DERIVATIONS[field.kind]
    ]
