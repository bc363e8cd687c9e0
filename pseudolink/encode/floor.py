"""
The security floor: how many records of an extract have company, and which passes give it.

Records that share a token in any pass are company for each other: the operator sees that they
are alike. A record without company shows which of its values are missing and nothing else.

Source: specs/encoding-v1.md, section 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pseudolink.encode.bits import suspects, tie
from pseudolink.errors import FloorError, Problem
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.schema import Floor

Index = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class PassCompany:
    """Company in one pass: records, and the largest block of records with the same token."""

    name: str
    tokens: int
    company: int
    neighbours: int
    largest_block: int


@dataclass(frozen=True)
class Company:
    """
    Company in one extract.

    records: number of records.
    company: records that share a token with another record in any pass.
    neighbours: over all records, how many others share a token with it in some pass (a pair that
        shares tokens in several passes counts once for each end).
    largest_component: records in the largest connected component; 0 when there is no record.
    passes: the same by pass.
    alike: of pairs with company, how many share the tokens of which passes: (shared, both, pairs),
        bit p of the first two for pass number p, ``both`` being where both have a token; the most
        frequent first. None where it was not asked for.
    """

    records: int
    company: int
    neighbours: int
    largest_component: int
    passes: tuple[PassCompany, ...]
    alike: tuple[tuple[int, int, int], ...] | None = None

    @property
    def share(self) -> float:
        """Share of the records that have company, from 0 to 1."""
        return self.company / self.records if self.records else 0.0

    def to_json(self) -> dict[str, Any]:
        """Counts alone, for the manifest."""
        alike = None if self.alike is None else [[f"{s:016x}", f"{b:016x}", n] for s, b, n in self.alike]
        return {
            **({} if alike is None else {"alike": alike}),
            "records": self.records,
            "company": self.company,
            "neighbours": self.neighbours,
            "largest_component": self.largest_component,
            "passes": [
                {
                    "name": p.name,
                    "tokens": p.tokens,
                    "company": p.company,
                    "neighbours": p.neighbours,
                    "largest_block": p.largest_block,
                }
                for p in self.passes
            ],
        }


def record_index(records: npt.NDArray[np.uint8]) -> tuple[Numbers, int]:
    """A number for every row (rows of one record share one), from 0, and how many records there are."""
    words: npt.NDArray[np.uint64] = np.ascontiguousarray(records).view(np.uint64)
    rows = suspects(np.ascontiguousarray(words[:, 0]), np.ones(len(words), dtype=np.bool_))
    order = np.lexsort(words[rows].T)
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (words[rows[order[1:]]] != words[rows[order[:-1]]]).any(axis=1)
    # Few records stand in several rows: only those are sorted; the others are numbered as they come.
    number = np.full(len(words), -1, dtype=np.int32)
    number[rows[order]] = np.cumsum(first, dtype=np.int32) - 1
    several = int(first.sum())
    alone = number < 0
    number[alone] = np.arange(several, several + int(alone.sum()), dtype=np.int32)
    return number, several + int(alone.sum())


def _blocks(columns: PassColumns, record: Numbers) -> tuple[Index, Index]:
    """
    Members of every block of two or more distinct records.

    Returns:
        (record, block): equal length, ordered by block; blocks numbered from 0.
    """
    # Few tokens stand twice: only those are put in order by all their bytes and by record.
    rows = suspects(np.ascontiguousarray(columns.tokens[:, 0]), columns.present)
    tokens, who = columns.tokens[rows], record[rows].astype(np.int64)
    order = np.lexsort((who, tokens[:, 1], tokens[:, 0]))
    tokens, who = tokens[order], who[order]
    if not len(who):
        return who, who
    fresh = np.ones(len(who), dtype=bool)
    fresh[1:] = (tokens[1:] != tokens[:-1]).any(axis=1)
    # Two rows of one record with the same token are one member, not company.
    repeat = np.zeros(len(who), dtype=bool)
    repeat[1:] = ~fresh[1:] & (who[1:] == who[:-1])
    block = np.cumsum(fresh) - 1
    who, block = who[~repeat], block[~repeat]
    sizes = np.bincount(block)
    large = sizes[block] > 1
    _, block = np.unique(block[large], return_inverse=True)
    return who[large], block.astype(np.int64)


def _edges(who: Index, block: Index) -> tuple[Index, Index]:
    """Every member joined to the next of its block: enough for components."""
    same = block[1:] == block[:-1]
    return who[:-1][same], who[1:][same]


def _pairs(who: Index, block: Index) -> Index:
    """Every unordered pair of every block as one number (smaller * 2**32 + larger)."""
    sizes = np.bincount(block)
    starts = np.cumsum(sizes) - sizes
    found = []
    for size in np.unique(sizes):
        at = starts[sizes == size]
        i, j = np.triu_indices(size, 1)
        a, b = who[at[:, None] + i].ravel(), who[at[:, None] + j].ravel()
        found.append(np.minimum(a, b) << 32 | np.maximum(a, b))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


#: Above this many pairs in one extract the floor is broken beyond doubt; pairs are then not
#: told apart between passes, so that measuring needs no more memory than the encodings.
_MOST_PAIRS = 10_000_000


#: Kinds of pairs that a manifest tells of (encoding-v1 §6.6).
MOST_ALIKE = 500


class _Alike:
    """Pairs of records with company as numbers, and the passes whose token they share."""

    def __init__(self, records: int) -> None:
        self.pairs = np.zeros(0, dtype=np.int64)
        self._shared = np.zeros(0, dtype=np.uint64)
        self._held = np.zeros(records, dtype=np.uint64)

    def add(self, number: int, record: Numbers, present: npt.NDArray[np.bool_], found: Index) -> None:
        """Pass ``number``: which rows have a token, and the pairs that share one."""
        bit = np.uint64(1) << np.uint64(number)
        self._held[record[present]] |= bit
        union = np.union1d(self.pairs, found)
        shared = np.zeros(len(union), dtype=np.uint64)
        shared[np.searchsorted(union, self.pairs)] = self._shared
        shared[np.searchsorted(union, found)] |= bit
        self.pairs, self._shared = union, shared

    def told(self) -> tuple[tuple[int, int, int], ...]:
        both = self._held[self.pairs >> 32] & self._held[self.pairs & 0xFFFFFFFF]
        kinds = np.column_stack([self._shared, both])
        distinct, counts = np.unique(kinds, axis=0, return_counts=True)
        order = np.lexsort((distinct[:, 1], distinct[:, 0], -counts))[:MOST_ALIKE]
        kept = zip(distinct[order].tolist(), counts[order].tolist(), strict=True)
        return tuple((shared, held, count) for (shared, held), count in kept)


def measure(encodings: Encodings, *, alike: bool = False) -> Company:
    """Measure company in one extract, by pass and in all."""
    return measure_passes(encodings.records, encodings.passes.items(), alike=alike)


def measure_passes(
    records: npt.NDArray[np.uint8], found_passes: Iterable[tuple[str, PassColumns]], *, alike: bool = False
) -> Company:
    """
    The same, pass after pass: one pass's tokens are in memory at a time.

    Beside them memory holds 20 bytes a record, and in a pass 64 bits a row; what it holds for
    records with company is bounded by ``_MOST_PAIRS``.

    Args:
        records: (n, 16) uint8. found_passes: name and tokens of every pass, n rows each.
        alike: count also which passes pairs share, for operators who cannot see it (decoys).
    """
    record, count = record_index(records)
    company = np.zeros(count, dtype=bool)
    passes = []
    parent, component = np.arange(count, dtype=np.int32), np.ones(count, dtype=np.int32)
    joined = _Alike(count)
    held = 0
    repeated = 0
    for number, (name, columns) in enumerate(found_passes):
        who, block = _blocks(columns, record)
        alone = np.zeros(count, dtype=bool)
        alone[who] = True
        company |= alone
        sizes = np.bincount(block) if len(block) else np.zeros(0, dtype=np.int64)
        neighbours = int((sizes * (sizes - 1)).sum())
        tokens = int(columns.present.sum())
        largest = int(sizes.max()) if len(sizes) else min(1, tokens)
        passes.append(PassCompany(name, tokens, int(alone.sum()), neighbours, largest))
        known = held + neighbours // 2 <= _MOST_PAIRS
        if len(who):
            tie(parent, component, *_edges(who, block))
            held, repeated = (held + neighbours // 2, repeated) if known else (held, repeated + neighbours)
        found = _pairs(who, block) if known else np.zeros(0, dtype=np.int64)
        joined.add(number, record, columns.present, found)
    return Company(
        count,
        int(company.sum()),
        2 * len(joined.pairs) + repeated,
        int(component.max(initial=0)),
        tuple(passes),
        joined.told() if alike else None,
    )


def enforce(found: Company, floor: Floor, suggestions: Mapping[str, str] | None = None) -> None:
    """
    Refuse an extract that is above the floor.

    Args:
        suggestions: pass name -> what would make it narrower, for the passes responsible.

    Raises:
        FloorError: too many records have company, or a component is too large; names the passes
            that give most company first.
    """
    problems = []
    if found.records and found.company > floor.company * found.records:
        problems.append(
            Problem(
                "company",
                f"{found.company:,} of {found.records:,} records ({found.share:.1%}) share a token with "
                f"another; at most {float(floor.company):.1%} may",
            )
        )
    if found.largest_component > floor.component:
        problems.append(
            Problem(
                "component",
                f"{found.largest_component:,} records hang together; at most {floor.component:,} may",
            )
        )
    if not problems:
        return
    for one in responsible(found):
        advice = (suggestions or {}).get(one.name)
        problems.append(
            Problem(
                f"pass {one.name!r}",
                f"gives {one.company:,} records company, largest block {one.largest_block:,}"
                + (f"; {advice}" if advice else ""),
            )
        )
    raise FloorError(
        problems, advice="Make these passes narrower (add a component to `on`), or leave them out."
    )


def responsible(found: Company, most: int = 5) -> list[PassCompany]:
    """The passes that give most company, worst first; those with none are left out."""
    worst = sorted(found.passes, key=lambda p: (-p.company, -p.largest_block, p.name))
    return [p for p in worst[:most] if p.company]
