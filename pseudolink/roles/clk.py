"""
CLKs of two projects matched: files in, pairs out. No key, no schema, no identifier.

Source: specs/clk-v1.md, section 11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pseudolink.engines.threads import run
from pseudolink.errors import ArtefactError, FilterWidthError, Problem, UsageError
from pseudolink.files import refuse_existing
from pseudolink.formats import pairs as pair_files
from pseudolink.formats.candidates import Candidates, Scored
from pseudolink.interop import anonlink_engine, files
from pseudolink.match import dice
from pseudolink.portable import processors
from pseudolink.resolve.one_to_one import greedy

Rows = npt.NDArray[np.int64]
Report = Callable[[str, int, int], None]
Blocks = tuple[tuple[files.Block, ...], ...]

Chunks = Iterator[tuple[int, dice.Pairs]]

ENGINES = ("pseudolink", "numpy", "anonlink")
_KERNELS = {"pseudolink": "numba", "numpy": "numpy"}
#: Candidate pairs that are resolved one to one; more are written unresolved, or not at all.
MOST_RESOLVED = 10_000_000
#: Blocks with fewer pairs than this are compared pair by pair, many blocks at a time.
_SMALL = 1 << 14
_LISTED = 1 << 22


@dataclass(frozen=True)
class Clks:
    """
    One side.

    words: (n, w) uint64, in the order of their numbers. bits: of a CLK, as it came.
    index: (n,) int64, the numbers.
    blocks: of each CLK, or None.
    """

    words: npt.NDArray[np.uint64]
    bits: int
    index: Rows
    blocks: Blocks | None


@dataclass(frozen=True)
class Matched:
    """
    What was found: counts alone.

    candidates: pairs that reach the threshold. links: what was written. ambiguous: pairs left out
    because they tie; 0 where every candidate was written.
    """

    left: int
    right: int
    bits: int
    blocks: bool
    candidates: int
    links: int
    ambiguous: int


def read(path: Path, *, form: str = "json", size: int | None = None) -> Clks:
    """
    Read one side.

    Args:
        form: json, or one of the entity service's binary forms. size: bytes of a CLK in these.

    Raises:
        UsageError: a binary form without a size, or json with one.
        InputError, EmptyInputError, ArtefactError: see :mod:`pseudolink.interop.files`.
    """
    if (form == "json") == (size is not None):
        raise UsageError("a binary form needs the bytes of a CLK, and json does not take them")
    blocks = None
    if size is None:
        clks, blocks = (found := files.read_json(path)).clks, found.blocks
        index = np.arange(len(clks), dtype=np.int64)
    else:
        clks, index = files.read_binary(path, size=size, form=form)
    order = np.argsort(index, kind="stable")
    clks, index = clks[order], index[order]
    n, width = clks.shape
    padded = np.zeros((n, -(-width // 8) * 8), dtype=np.uint8)
    padded[:, :width] = clks
    return Clks(padded.view(np.uint64), 8 * width, index, blocks)


def match(
    left: Path,
    right: Path,
    threshold: dice.Threshold,
    output: Path,
    *,
    form: str = "json",
    size: int | None = None,
    engine: str = "pseudolink",
    best: int | None = None,
    everything: bool = False,
    threads: int | None = None,
    report: Report | None = None,
) -> Matched:
    """
    Match two files of CLKs and write the pairs.

    Args:
        output: new .parquet or .csv file.
        best: compare on only a left CLK's best pairs, and what ties with the last of them.
        everything: write every candidate pair; else resolve one to one, greedily.

    Raises:
        FilterWidthError: CLKs of another length on the other side.
        ArtefactError: only one side names blocks.
        TooManyPairsError: more candidates than can be resolved; carries a suggested threshold.
        PseudolinkError: see :func:`read`, :func:`pseudolink.match.dice.dice_pairs`,
            :func:`pseudolink.formats.pairs.save`.

    Source: specs/clk-v1.md, section 11.
    """
    share = dice.exact(threshold)
    pair_files.require_suffix(output)
    refuse_existing(output)
    if engine not in ENGINES:
        raise UsageError(f"an engine is one of {', '.join(ENGINES)}")
    a, b = (read(path, form=form, size=size) for path in (left, right))
    if a.bits != b.bits:
        raise FilterWidthError(
            f"CLKs of {left.name} have {a.bits} bits, of {right.name} {b.bits}",
            advice="They were not made under one schema, and cannot be compared.",
        )
    if (a.blocks is None) != (b.blocks is None):
        named = left if b.blocks is None else right
        raise ArtefactError(
            [Problem("", f"only {named.name} has blocks: give both files blocks, or neither")],
            source=f"{left.name} and {right.name}",
        )
    count = threads or processors()
    chunks = _candidates(a, b, share, engine, best, count, report)
    if everything:
        counts = _Counted()
        number = pair_files.save(output, _numbered(counts.pass_on(chunks), a, b))
        return Matched(len(a.words), len(b.words), a.bits, a.blocks is not None, counts.pairs, number, 0)
    i, j, found = dice.held(chunks, len(a.words), share, most=MOST_RESOLVED)
    scored = Scored(
        Candidates(i, j, np.ones(len(i), dtype=np.uint64), np.zeros(len(i), dtype=np.int64)),
        found,
        np.ones(len(i)),
    )
    links = greedy(scored, 0.0)
    kept = np.sort(links.accepted)
    number = pair_files.save(output, _numbered(iter([(i[kept], j[kept], found[kept])]), a, b))
    return Matched(
        len(a.words), len(b.words), a.bits, a.blocks is not None, len(i), number, len(links.ambiguous)
    )


class _Counted:
    """Counts pairs as they pass."""

    def __init__(self) -> None:
        self.pairs = 0

    def pass_on(self, chunks: Chunks) -> Iterator[dice.Pairs]:
        for _, pairs in chunks:
            self.pairs += len(pairs[0])
            yield pairs


def _numbered(chunks: Iterable[dice.Pairs], a: Clks, b: Clks) -> Iterator[dice.Pairs]:
    """With the numbers that the CLKs came with."""
    for i, j, found in chunks:
        yield a.index[i], b.index[j], found


def _candidates(
    a: Clks, b: Clks, share: Fraction, engine: str, best: int | None, threads: int, report: Report | None
) -> Chunks:
    rows = len(a.words)
    if engine == "anonlink" or a.blocks is not None:
        if engine == "anonlink":
            blocks = None if a.blocks is None or b.blocks is None else (a.blocks, b.blocks)
            pairs = anonlink_engine.dice_pairs(a.words, b.words, share, blocks)
        else:
            pairs = _inside_blocks(a, b, share, engine, threads, report)
        yield rows, pairs if best is None else dice.best_of(pairs, best)
        return
    for done, pairs in dice.pair_chunks(
        a.words,
        b.words,
        share,
        best=best,
        engine=_KERNELS[engine],
        run=partial(run, threads=threads),
        threads=threads,
    ):
        yield done, pairs
        if report:
            report("compare", done, rows)


def _by_block(a: Blocks, b: Blocks) -> tuple[Rows, Rows, Rows, Rows]:
    """
    Rows by block.

    Returns:
        (left rows, right rows, left starts, right starts): the rows of block k are
        rows[starts[k] : starts[k + 1]].
    """
    # Blocks are text or whole numbers, and Python tells "1" and 1 apart.
    number: dict[files.Block, int] = {}
    sides = []
    for side in (a, b):
        rows = [row for row, blocks in enumerate(side) for _ in set(blocks)]
        codes = [number.setdefault(block, len(number)) for blocks in side for block in set(blocks)]
        sides.append((np.asarray(rows, dtype=np.int64), np.asarray(codes, dtype=np.int64)))
    out: list[Rows] = []
    starts: list[Rows] = []
    for rows_of, codes_of in sides:
        order = np.argsort(codes_of, kind="stable")
        out.append(rows_of[order])
        starts.append(np.searchsorted(codes_of[order], np.arange(len(number) + 1)))
    return out[0], out[1], starts[0], starts[1]


def _inside_blocks(
    a: Clks, b: Clks, share: Fraction, engine: str, threads: int, report: Report | None
) -> dice.Pairs:
    assert a.blocks is not None  # noqa: S101 - the caller has looked
    assert b.blocks is not None  # noqa: S101
    left, right, begin, start = _by_block(a.blocks, b.blocks)
    parts: list[dice.Pairs] = []
    listed: list[tuple[Rows, Rows]] = []
    waiting = 0
    size = np.diff(begin) * np.diff(start)
    total = int((size > 0).sum())
    for done, block in enumerate(np.flatnonzero(size).tolist(), 1):
        rows = left[begin[block] : begin[block + 1]]
        others = right[start[block] : start[block + 1]]
        if engine == "numpy" or size[block] > _SMALL:
            i, j, found = dice.dice_pairs(
                a.words[rows],
                b.words[others],
                share,
                engine=_KERNELS[engine],
                run=partial(run, threads=threads),
                threads=threads,
            )
            parts.append((rows[i], others[j], found))
        else:
            listed.append((np.repeat(rows, len(others)), np.tile(others, len(rows))))
            waiting += int(size[block])
        if waiting > _LISTED or (listed and done == total):
            i, j = (np.concatenate(some) for some in zip(*listed, strict=True))
            parts.append(dice.dice_of(a.words, b.words, i, j, share))
            listed, waiting = [], 0
        if report:
            report("compare blocks", done, total)
    return _distinct(parts, len(b.words))


def _distinct(parts: list[dice.Pairs], width: int) -> dice.Pairs:
    """Each pair once, however many blocks brought it, ordered."""
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    i, j, found = (np.concatenate(some) for some in zip(*parts, strict=True))
    _, first = np.unique(i * width + j, return_index=True)
    return i[first], j[first], found[first]
