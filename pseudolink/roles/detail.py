"""
What the charts of a linkage show beside its counts: steps of the threshold, passes, blocks, people.

Counts alone, made small here: a million pairs are two hundred steps and forty bins in a page.

Source: specs/scoring-v1.md, section 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.formats.encodings import Encodings
from pseudolink.formats.summary import PartyDetail, PassFound, Step

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint64]

#: Least size of each class of blocks.
BLOCKS: Final = (1, 2, 3, 4, 5, 10, 100, 1000)
#: Thresholds at which unlinkable records are counted.
THRESHOLDS: Final = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)


def edges_of(weight: Floats) -> Floats:
    """(b + 1,) bounds of the histogram's bins, of whole bits: about forty, whatever the weights."""
    width = max(1.0, np.ceil((weight.max() - weight.min()) / 40))
    low = np.floor(weight.min() / width) * width
    return np.asarray(np.arange(low, weight.max() + width * 1.001, width), dtype=np.float64)


def steps(probability: Floats, weight: Floats, thresholds: Floats, edges: Floats) -> tuple[Step, ...]:
    """
    What each threshold adds to the next higher one.

    Args:
        probability, weight: (l,) of the one-to-one links without a threshold.
        thresholds: (c,) falling. edges: (b + 1,) of the histogram.
    """
    order = np.argsort(-probability, kind="stable")
    falling, weight = probability[order], weight[order]
    least = np.minimum.accumulate(weight) if len(weight) else weight
    bins = np.clip(np.searchsorted(edges, weight, side="right") - 1, 0, max(len(edges) - 2, 0))
    ends = np.searchsorted(-falling, -thresholds, side="right").tolist()
    found, begin = [], 0
    for end in ends:
        numbers, counts = np.unique(bins[begin:end], return_counts=True)
        known = float(least[end - 1]) if end else float(edges[-1])
        found.append(Step(known, tuple(zip(numbers.tolist(), counts.tolist(), strict=True))))
        begin = end
    return tuple(found)


def passes(shared: Flags, links: Ints, names: Sequence[str]) -> tuple[PassFound, ...]:
    """What each pass found, and what no other did."""
    single = np.bitwise_count(shared) == 1
    linked = shared[links]
    alone = np.bitwise_count(linked) == 1
    found = []
    for number, name in enumerate(names):
        bit = np.uint64(1) << np.uint64(number)
        has, has_link = (shared & bit) != 0, (linked & bit) != 0
        found.append(
            PassFound(name, int((has & single).sum()), int(has_link.sum()), int((has_link & alone).sum()))
        )
    return tuple(found)


def party(encodings: Encodings, possible: Sequence[Floats]) -> PartyDetail:
    """
    Blocks of a party by size, and its unlinkable records by threshold.

    Args:
        possible: of each linkage the highest probability of every record (``quality.at_most``).
    """
    classes = np.zeros(len(BLOCKS), dtype=np.int64)
    for columns in encodings.passes.values():
        # Eight bytes of a token tell blocks apart as well as sixteen do, for counting.
        _, sizes = np.unique(columns.tokens[columns.present, 0], return_counts=True)
        classes += np.bincount(np.searchsorted(BLOCKS, sizes, side="right") - 1, minlength=len(BLOCKS))
    highest = max(int(np.flatnonzero(classes).max(initial=-1)) + 1, 0)
    lost = [
        (threshold, min(int((one < threshold).sum()) for one in possible))
        for threshold in THRESHOLDS
        if possible
    ]
    return PartyDetail(
        tuple(zip(BLOCKS[:highest], classes[:highest].tolist(), strict=True)),
        tuple(lost),
    )


def clusters(link_map: pa.Table) -> tuple[tuple[int, int], ...]:
    """Records that are one person, and how many people have so many."""
    sizes = link_map.group_by("person").aggregate([([], "count_all")])["count_all"].to_numpy()
    records, people = np.unique(sizes, return_counts=True)
    return tuple(zip(records.tolist(), people.tolist(), strict=True))
