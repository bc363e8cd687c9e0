"""
The candidates file: what clerical review sees of each pair, and nothing else of it.

Source: specs/review-v1.md, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pseudolink.formats.encodings import fixed_column
from pseudolink.formats.reviews import Expected
from pseudolink.match.explain import LEVELS, field_levels
from pseudolink.roles.explaining import evidence_columns
from pseudolink.roles.linkage import PairLinkage


def candidates_table(linkages: Sequence[PairLinkage]) -> pa.Table:
    """
    Candidate pairs of every pair of parties: record IDs, comparison levels, weight, probability.

    ``resolved``: a link without a threshold; ``link``: at or above it; ``ambiguous``; ``guarded``.
    """
    tables = []
    for one in linkages:
        pairs = one.scored.candidates
        levels = field_levels(pairs, one.left.schema, one.left.shows, one.right.shows)
        words = pa.array(LEVELS)
        tables.append(
            pa.table(
                {
                    "left_party": pa.array([one.left.party] * len(pairs), pa.string()),
                    "left": fixed_column(one.left.encodings.records[pairs.left]),
                    "right_party": pa.array([one.right.party] * len(pairs), pa.string()),
                    "right": fixed_column(one.right.encodings.records[pairs.right]),
                    **{f"level.{field}": words.take(pa.array(values)) for field, values in levels.items()},
                    "passes": pa.array(np.bitwise_count(pairs.shared).astype(np.int16)),
                    "weight": pa.array(one.scored.weight),
                    "probability": pa.array(one.scored.probability),
                    "resolved": _marked(len(pairs), one.decided.everything),
                    "link": _marked(len(pairs), one.accepted),
                    "ambiguous": _marked(len(pairs), one.links.ambiguous),
                    "guarded": pa.array(one.decided.guarded),
                    **evidence_columns(one),
                }
            )
        )
    return pa.concat_tables(tables)


def expected_of(linkages: Sequence[PairLinkage]) -> list[Expected]:
    """What the linkage expects of each two parties, for the file's metadata."""
    return [
        Expected(one.left.party, one.right.party, one.threshold, one.estimate.matches.total)
        for one in linkages
    ]


def _marked(count: int, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    found = np.zeros(count, dtype=bool)
    found[chosen] = True
    return pa.array(found)
