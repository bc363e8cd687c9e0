"""
The join in shards: a pass, and of it a range of tokens, at a time; what is found goes to disk.

Memory is that of one shard, and of the candidate pairs in the end. Tokens are read again for every
range rather than written anew: a work folder holds numbers of rows and nothing that was encoded. A
shard stands under its name when it is whole, so a run that was killed goes on behind the last one.

Source: specs/matching-v1.md, section 1; specs/adr/0036 has the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pseudolink.files import new_file
from pseudolink.formats.candidates import Giants, Rows
from pseudolink.formats.encodings import PassColumns
from pseudolink.match.join import MOST_BLOCK_PAIRS, Flags, join_pass, together

#: Bytes that joining a shard takes for each of its rows: its token twice, its number, its tables.
ROW_BYTES = 64
#: Bytes that merging takes for each pair and pass: key and bit, twice.
PAIR_BYTES = 32
#: Shards that one pass is cut into at most.
MOST_RANGES = 256
_TOP = 64

Levels = Callable[[int, PassColumns, PassColumns, Rows, Rows], Rows | None]


@dataclass(frozen=True)
class Work:
    """
    Where a join may put what it has found, and how much memory it may take.

    folder: for finished shards; other than the join nobody writes there. memory: bytes.
    """

    folder: Path
    memory: int

    def inside(self, name: str) -> Work:
        """The same, in a folder of its own for one of several joins."""
        folder = self.folder / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return Work(folder, self.memory)

    def ranges(self, rows: int) -> int:
        """Into how many ranges of tokens a pass of so many rows, of both sides, is cut."""
        return self.ranges_of(rows, self.memory)

    @staticmethod
    def ranges_of(rows: int, memory: int) -> int:
        """The same, for so many bytes of memory: a power of two."""
        count = 1
        while count < MOST_RANGES and rows * ROW_BYTES > count * memory // 2:
            count *= 2
        return count


def tokens_in(columns: PassColumns, number: int, count: int) -> PassColumns:
    """The same rows; those whose token is not in range ``number`` of ``count`` have none."""
    if count == 1:
        return columns
    shift = np.uint64(_TOP - (count.bit_length() - 1))
    inside = (columns.tokens[:, 0] >> shift) == np.uint64(number)
    return PassColumns(columns.tokens, columns.present & inside, columns.filters)


@dataclass(frozen=True)
class _Shard:
    """One finished shard: (k,) keys in order, and what its compared fields show, or None."""

    bit: int
    keys: npt.NDArray[np.uint64]
    levels: Rows | None


def _write(path: Path, keys: Flags, levels: Rows | None, giant: Giants) -> None:
    columns = [keys] if levels is None else [keys, levels.view(np.uint64)]
    counts = np.asarray(giant[1:], dtype=np.uint64)
    with new_file(path) as temporary, temporary.open("wb") as stream:
        for column in (counts, *columns):
            np.save(stream, column.astype("<u8", copy=False), allow_pickle=False)


def _read(path: Path, bit: int, name: str) -> tuple[_Shard, Giants]:
    """Counts in memory, columns mapped: they are looked up by ranges of keys."""
    with path.open("rb") as stream:
        counts = np.load(stream, allow_pickle=False)
        columns = []
        end = path.stat().st_size
        while stream.tell() < end:
            version = np.lib.format.read_magic(stream)
            shape, _, kind = np.lib.format.read_array_header_1_0(stream)
            assert version == (1, 0)  # noqa: S101 - written above
            at = stream.tell()
            size = shape[0] * kind.itemsize
            mapped = np.memmap(path, kind, "r", at, shape) if size else np.zeros(0, kind)
            columns.append(mapped)
            stream.seek(at + size)
    levels = columns[1].view(np.int64) if len(columns) > 1 else None
    return _Shard(bit, columns[0], levels), Giants(name, *(int(n) for n in counts))


def shard_path(folder: Path, number: int, part: int, count: int) -> Path:
    """Where the shard of pass ``number`` and range ``part`` of ``count`` stands when it is finished."""
    return folder / f"{number:03}-{part:03}-of-{count:03}.shard"


def make_shard(
    path: Path,
    name: str,
    number: int,
    part: int,
    count: int,
    columns: tuple[PassColumns, PassColumns],
    width: np.uint64,
    levels: Levels,
) -> None:
    """
    Join one shard and write it. It depends on its inputs alone, and is whole or absent.

    Args:
        columns: of the pass, of both sides. width: right rows, at least 1. The rest: as there.

    Raises:
        OutputExistsError: another worker has finished it meanwhile; what stands there is the same.
    """
    a, b = (tokens_in(one, part, count) for one in columns)
    i, j, giant = join_pass(a, b, name=name, most=MOST_BLOCK_PAIRS)
    key = i.astype(np.uint64) * width + j.astype(np.uint64)
    order = np.argsort(key)
    _write(path, key[order], levels(number, a, b, i[order], j[order]), giant)


def join_in_shards(
    left: Mapping[str, PassColumns],
    right: Mapping[str, PassColumns],
    rows: tuple[int, int],
    work: Work,
    *,
    levels: Levels,
    best: Callable[[Rows, Rows], Rows],
    report: Callable[[int, int], None] | None = None,
) -> tuple[Rows, Rows, Flags, Rows, tuple[Giants, ...]]:
    """
    As ``join.join_passes`` between two parties, and what the pairs' compared fields show.

    Args:
        left, right: passes; each is asked for once a shard, so they may lie on disk.
        rows: left and right rows.
        levels: of a pass's number, its columns and pairs of rows: their levels, or None.
        best: of two arrays of levels, the better ones.
        report: told shards done, and of how many.

    Returns:
        (left rows, right rows, shared, levels, giants): ordered by left, then right.
    """
    count = work.ranges(rows[0] + rows[1])
    width = np.uint64(max(rows[1], 1))
    shards: list[_Shard] = []
    giants: dict[str, Giants] = {}
    names = list(left)
    for number, name in enumerate(names):
        columns: tuple[PassColumns, PassColumns] | None = None
        for part in range(count):
            path = shard_path(work.folder, number, part, count)
            if not path.exists():
                columns = columns or (left[name], right[name])
                make_shard(path, name, number, part, count, columns, width, levels)
            shard, giant = _read(path, number, name)
            shards.append(shard)
            before = giants.get(name, Giants(name, 0, 0, 0, 0))
            giants[name] = Giants(name, *(x + y for x, y in zip(before[1:], giant[1:], strict=True)))
            if report:
                report(number * count + part + 1, len(names) * count)
    merged = list(_merge(shards, rows, work.memory, best))
    keys, shared, found = (
        np.concatenate([one[k] for one in merged]) if merged else np.zeros(0, dtype=kind)
        for k, kind in enumerate((np.uint64, np.uint64, np.int64))
    )
    left_out = tuple(one for one in giants.values() if one.blocks)
    return (keys // width).astype(np.int64), (keys % width).astype(np.int64), shared, found, left_out


def _merge(
    shards: Sequence[_Shard], rows: tuple[int, int], memory: int, best: Callable[[Rows, Rows], Rows]
) -> Iterator[tuple[Flags, Flags, Rows]]:
    """Pairs of a range of left rows after another, each pair once."""
    total = sum(len(shard.keys) for shard in shards)
    if not total:
        return
    parts = min(max(1, -(-total * PAIR_BYTES * 2 // memory)), max(rows[0], 1))
    width = max(rows[1], 1)
    edges = [width * (rows[0] * part // parts) for part in range(parts + 1)]
    for begin, end in pairwise(edges):
        slices = []
        for shard in shards:
            first, last = np.searchsorted(shard.keys, np.asarray([begin, end], dtype=np.uint64))
            slices.append(slice(int(first), int(last)))
        parts_of = [np.asarray(shard.keys[at]) for shard, at in zip(shards, slices, strict=True)]
        bits = [
            np.full(len(key), np.uint64(1) << np.uint64(shard.bit), dtype=np.uint64)
            for key, shard in zip(parts_of, shards, strict=True)
        ]
        keys, shared = together(parts_of, bits, max(end, 1))
        found = np.zeros(len(keys), dtype=np.int64)
        for shard, at, key in zip(shards, slices, parts_of, strict=True):
            if shard.levels is not None and len(key):
                place = np.searchsorted(keys, key)
                found[place] = best(found[place], np.asarray(shard.levels[at]))
        yield keys, shared, found
