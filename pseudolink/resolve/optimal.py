"""
One-to-one resolution by optimal assignment: the links that are expected to hold the most right ones.

A pair that is in some optimal assignments and not in others is ambiguous, so that the solver's
order decides nothing.

Source: specs/resolution-v1.md, section 2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from pseudolink.formats.candidates import Links, Rows, Scored

#: Probabilities are added as whole numbers of this part, so that sums are exact.
UNITS = 1_000_000_000

Flags = npt.NDArray[np.bool_]


def optimal(scored: Scored, threshold: float, *, barred: Flags | None = None) -> Links:
    """
    Link so that the sum of the probabilities of the links is greatest.

    Args:
        threshold: least match probability of a link, from 0 to 1.
        barred: (k,) pairs that may not be linked.

    Returns:
        Links, the same whatever the order of the rows.
    """
    pairs = scored.candidates
    value = np.rint(scored.probability * UNITS).astype(np.int64)
    usable = (scored.probability >= threshold) & (value > 0)
    if barred is not None:
        usable &= ~barred
    chosen = np.flatnonzero(usable)
    if not len(chosen):
        empty = np.zeros(0, dtype=np.int64)
        return Links(empty, empty)
    left, right = pairs.left[chosen], pairs.right[chosen]
    accepted, ambiguous = _by_component(left, right, value[chosen])
    found = chosen[accepted]
    weight = np.round(scored.weight[found], 9)
    order = np.lexsort((pairs.right[found], pairs.left[found], -weight))
    return Links(found[order], np.sort(chosen[ambiguous]))


def _by_component(left: Rows, right: Rows, value: Rows) -> tuple[Rows, Rows]:
    """(accepted, ambiguous) pairs; components of one pair need no solver."""
    lefts, i = np.unique(left, return_inverse=True)
    rights, j = np.unique(right, return_inverse=True)
    nodes = len(lefts) + len(rights)
    graph = coo_array((np.ones(len(i), dtype=np.int8), (i, j + len(lefts))), shape=(nodes, nodes))
    _, label = connected_components(graph, directed=False)
    component = label[i]
    order = np.argsort(component, kind="stable")
    starts = np.flatnonzero(np.append(True, component[order][1:] != component[order][:-1]))
    accepted: list[Rows] = []
    ambiguous: list[Rows] = []
    for some in np.split(order, starts[1:]):
        if len(some) == 1:
            accepted.append(some)
            continue
        always, sometimes = solve(i[some], j[some], value[some])
        accepted.append(some[always])
        ambiguous.append(some[sometimes])
    return np.concatenate(accepted), np.concatenate([*ambiguous, np.zeros(0, dtype=np.int64)])


def solve(left: Rows, right: Rows, value: Rows) -> tuple[Flags, Flags]:
    """
    Pairs that are in every optimal assignment, and pairs that are in some of them.

    Args:
        left, right: (k,) ends of each pair. value: (k,) int64, above 0.

    Returns:
        two (k,) bool that are never both true.
    """
    _, i = np.unique(left, return_inverse=True)
    _, j = np.unique(right, return_inverse=True)
    n, m, k = int(i.max()) + 1, int(j.max()) + 1, len(i)
    # A full assignment: whoever is linked to nobody has an end of their own for it (rows are the n
    # left records and m nobodies, columns the m right records and n nobodies).
    rows = np.concatenate([i, np.arange(n), n + np.arange(m), n + j])
    columns = np.concatenate([j, m + np.arange(n), np.arange(m), m + i])
    worth = np.concatenate([value, np.zeros(n + m + k, dtype=np.int64)])
    # The solver wants no zeros; adding one number to all of them changes every full assignment alike.
    cost = csr_array((UNITS + 1.0 - worth, (rows, columns)), shape=(n + m, m + n))
    matched_row, matched_column = min_weight_full_bipartite_matching(cost)
    partner = np.empty(m + n, dtype=np.int64)
    partner[matched_column] = matched_row
    own = np.empty(n + m, dtype=np.int64)
    own[matched_row] = matched_column
    mine = own[rows] == columns
    current = np.zeros(n + m, dtype=np.int64)
    current[rows[mine]] = worth[mine]
    tight = _tight(rows, partner[columns], current[rows] - worth, n + m)
    # Along equal exchanges that lead back to where they began, another assignment is as good.
    free = tight & ~mine
    ones = np.ones(int(free.sum()), dtype=np.int8)
    graph = coo_array((ones, (rows[free], partner[columns[free]])), shape=(n + m, n + m))
    _, strong = connected_components(graph, directed=True, connection="strong")
    round_trip = free & (strong[rows] == strong[partner[columns]])
    moving = np.zeros(n + m, dtype=bool)
    moving[rows[round_trip]] = True
    linked = mine[:k]
    shaky = linked & moving[i]
    return linked & ~shaky, shaky | round_trip[:k]


def _tight(source: Rows, target: Rows, cost: Rows, nodes: int) -> Flags:
    """Exchanges (row source takes the column of row target) that some optimal assignment may use."""
    potential = np.zeros(nodes, dtype=np.int64)
    for _ in range(nodes + 1):
        new = potential.copy()
        np.minimum.at(new, target, potential[source] + cost)
        if (new == potential).all():
            break
        potential = new
    found: Flags = potential[source] + cost == potential[target]
    return found
