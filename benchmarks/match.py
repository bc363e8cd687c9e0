"""
All pairs of filters: pseudolink, anonlink and faiss side by side on the same arrays.

    python benchmarks/match.py --data DIR [--rows 16384] [--rounds 5] [--json]
    python benchmarks/match.py --million [--threads 2]

DIR (or the environment variable PSEUDOLINK_BENCHMARK_DATA) holds essnet_di/{census,cis}.parquet; without
it only random filters are compared. Peers: `pip install anonlink==0.15.3 faiss-cpu` into an environment
of Python 3.11 that has pseudolink. Each peer gets all it needs in its own form before the clock starts
(bitarrays, a faiss index); pseudolink's layout of tiles is inside its time.

Every line is made of rounds in which the peers take turns (A B C, A B C, …), each on one thread, in
processor time of that thread, so that other people's work on the machine counts as little as it can.
The ratio is the median of the rounds' ratios. Pairs and coefficients are compared; the run fails when
one differs from anonlink's, or when a ratio is below its goal.

The limit is what this processor can do at best with AND (or XOR), population count and addition on words
that are in the nearest cache: a micro-kernel measures it in the same rounds. A share above 1 means that
pairs were judged faster than all of their words can be counted.

--million compares 1,000,000 random filters with 1,000,000, of which a thousand are near copies, and
writes the pairs to Parquet; it prints the wall-clock time and the largest resident set.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from _machine import header, show
from numba import njit, types
from numba.extending import intrinsic

import pseudolink
from pseudolink.interop import clkhash
from pseudolink.match import counting, dice

WORDS = 16
SECRET = "invented for this benchmark"  # noqa: S105
CLAIMS = {
    ("random, a third", "0.8"): 14.0,
    ("census-CIS, a third", "0.7"): 7.0,
    ("census-CIS, a third", "0.8"): 11.0,
    ("census-CIS, a third", "0.9"): 16.0,
    ("census-CIS, a half", "0.8"): 7.0,
}
TWO_CORES = 1.8


@dataclass
class Line:
    """One line of the table; rates in million comparisons a second of processor time."""

    filters: str
    threshold: str
    fill: float
    pairs: int
    pseudolink: float
    anonlink: float | None
    faiss: float | None
    ratio: float | None
    goal: float | None
    limit_share: float
    identical: str


# ---------------------------------------------------------------- the limit


@intrinsic
def _count_words(_: Any, data: Any, vectors: Any, times: Any) -> Any:
    """Add up the bits of (vector of the array) AND (a changing vector), over and over: four chains."""
    from llvmlite import ir
    from numba.core import cgutils

    word, lanes = ir.IntType(64), counting.LANES
    vector = ir.VectorType(word, lanes)

    def emit(context: Any, builder: Any, _: Any, given: Any) -> Any:
        start = context.make_array(data)(context, builder, given[0]).data
        count = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector]), f"llvm.ctpop.v{lanes}i64"
        )
        total = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(word, [vector]), f"llvm.vector.reduce.add.v{lanes}i64"
        )
        sums = []
        for _ in range(4):
            sums.append(cgutils.alloca_once(builder, vector))
            builder.store(ir.Constant(vector, [0] * lanes), sums[-1])
        with cgutils.for_range(builder, given[2]) as outer:
            seed = builder.insert_element(
                ir.Constant(vector, [0x5555] * lanes), outer.index, ir.Constant(ir.IntType(32), 0)
            )
            with cgutils.for_range(builder, builder.sdiv(given[1], ir.Constant(word, 4))) as inner:
                for chain, slot in enumerate(sums):
                    at = builder.add(builder.mul(inner.index, ir.Constant(word, 4)), ir.Constant(word, chain))
                    place = builder.gep(start, [builder.mul(at, ir.Constant(word, lanes))])
                    one = builder.load(builder.bitcast(place, vector.as_pointer()), align=8)
                    bits = builder.call(count, [builder.and_(one, seed)])
                    builder.store(builder.add(builder.load(slot), bits), slot)
        found = builder.load(sums[0])
        for slot in sums[1:]:
            found = builder.add(found, builder.load(slot))
        return builder.call(total, [found])

    return types.int64(data, types.int64, types.int64), emit


@njit(nogil=True)
def _limit(data: np.ndarray, times: int) -> int:
    return _count_words(data, len(data) // counting.LANES, times)


def limit_rate() -> float:
    """Million comparisons of 16 words a second that counting alone would allow."""
    data = np.arange(2048, dtype=np.uint64)  # 16 KiB: stays in the nearest cache
    _limit(data, 1)
    times = 20_000
    begin = time.thread_time()
    _limit(data, times)
    return len(data) * times / WORDS / (time.thread_time() - begin) / 1e6


# ---------------------------------------------------------------- filters


def random_filters(rows: int, fill: float, seed: int, words: int = WORDS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = np.empty((rows, words), dtype=np.uint64)
    for begin in range(0, rows, 1 << 14):
        part = rng.random((min(1 << 14, rows - begin), 64 * words), dtype=np.float32) < fill
        out[begin : begin + len(part)] = np.packbits(part, axis=1).view(np.uint64)
    return out


def near_copies(of: np.ndarray, rows: int, turned: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = of[rng.permutation(len(of))[:rows]].copy()
    return out ^ np.packbits(rng.random((rows, 64 * of.shape[1])) < turned, axis=1).view(np.uint64)


def clk_schema(bits: int) -> dict[str, Any]:
    """Four fields; ``bits`` insertions a field."""

    def feature(name: str, n: int, positional: bool) -> dict[str, Any]:
        comparison = {"type": "ngram", "n": n, "positional": positional}
        hashing = {"comparison": comparison, "strategy": {"bitsPerFeature": bits}}
        return {"identifier": name, "format": {"type": "string", "encoding": "utf-8"}, "hashing": hashing}

    kdf = {"type": "HKDF", "hash": "SHA256", "salt": "c2FsdA==", "keySize": 64}
    features = [
        feature("forename", 2, False),
        feature("surname", 2, False),
        feature("dob", 1, True),
        feature("postcode", 1, True),
    ]
    return {"version": 3, "clkConfig": {"l": 64 * WORDS, "kdf": kdf}, "features": features}


def clks(path: Path, bits: int) -> np.ndarray:
    import pandas as pd

    frame = pd.read_parquet(path).fillna("").astype(str)
    born = frame.dob_year.str.zfill(4) + frame.dob_mon.str.zfill(2) + frame.dob_day.str.zfill(2)
    rows = list(zip(frame.forename, frame.surname, born, frame.postcode, strict=True))
    found = clkhash.encode(rows, clk_schema(bits), SECRET)
    # The files list the people in the same order: a benchmark of a part of them should not know.
    order = np.random.default_rng(len(found)).permutation(len(found))
    return np.ascontiguousarray(found[order]).view(np.uint64)


# ---------------------------------------------------------------- peers


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.thread_time()
    found = work()
    return time.thread_time() - begin, found


def anonlink(left: np.ndarray, right: np.ndarray, threshold: Fraction) -> Callable[[], dice.Pairs] | None:
    if importlib.util.find_spec("anonlink") is None:
        return None
    from anonlink.similarities import dice_coefficient_accelerated
    from bitarray import bitarray

    sides = []
    for side in (left, right):
        filters = []
        for row in side:
            filters.append(bitarray(endian="big"))
            filters[-1].frombytes(row.tobytes())
        sides.append(filters)
    return lambda: dice_coefficient_accelerated(sides, float(threshold))


def faiss(left: np.ndarray, right: np.ndarray, threshold: Fraction) -> Callable[[], Any] | None:
    """A radius that no pair of these filters exceeds; so faiss finds a superset, and is not checked."""
    if importlib.util.find_spec("faiss") is None:
        return None
    import faiss as library

    library.omp_set_num_threads(1)
    index = library.IndexBinaryFlat(64 * left.shape[1])
    index.add(right.view(np.uint8))
    mean = float(np.bitwise_count(left).sum(axis=1).mean() + np.bitwise_count(right).sum(axis=1).mean())
    radius = int((1 - threshold) * Fraction(mean)) + 1
    return lambda: index.range_search(left.view(np.uint8), radius)


def compare(name: str, left: np.ndarray, right: np.ndarray, threshold: str, rounds: int) -> Line:
    share = Fraction(threshold)
    comparisons = len(left) * len(right) / 1e6
    peers: dict[str, Callable[[], Any] | None] = {
        "pseudolink": lambda: dice.dice_pairs(left, right, share),
        "anonlink": anonlink(left, right, share),
        "faiss": faiss(left, right, share),
    }
    dice.dice_pairs(left[:300], right[:600], share)  # compilation
    rates: dict[str, list[float]] = {peer: [] for peer in (*peers, "limit")}
    found: dict[str, Any] = {}
    for _ in range(rounds):
        for peer, work in peers.items():
            if work is not None:
                taken, found[peer] = timed(work)
                rates[peer].append(comparisons / taken)
        rates["limit"].append(limit_rate())
    middle = {peer: statistics.median(some) if some else None for peer, some in rates.items()}
    ratio = None
    identical = "not checked"
    if "anonlink" in found:
        pairs = zip(rates["pseudolink"], rates["anonlink"], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        scores, (i, j) = found["anonlink"]
        i, j = np.asarray(i, dtype=np.int64), np.asarray(j, dtype=np.int64)
        order = np.lexsort((j, i))
        theirs = i[order], j[order], np.asarray(scores)[order]
        same = all(np.array_equal(a, b) for a, b in zip(found["pseudolink"], theirs, strict=True))
        identical = "yes" if same else "NO"
    return Line(
        filters=name,
        threshold=threshold,
        fill=float(np.bitwise_count(right).sum() / right.size / 64),
        pairs=len(found["pseudolink"][0]),
        pseudolink=middle["pseudolink"] or 0.0,
        anonlink=middle["anonlink"],
        faiss=middle["faiss"],
        ratio=ratio,
        goal=CLAIMS.get((name, threshold)),
        limit_share=statistics.median(
            ours / limit for ours, limit in zip(rates["pseudolink"], rates["limit"], strict=True)
        ),
        identical=identical,
    )


def two_cores(left: np.ndarray, right: np.ndarray, rounds: int) -> float:
    """Median over rounds of one thread's wall-clock time over that of two."""
    ratios = []
    for _ in range(rounds):
        taken = []
        for count in (1, 2):
            begin = time.perf_counter()
            pseudolink.dice_pairs(left, right, "0.8", threads=count)
            taken.append(time.perf_counter() - begin)
        ratios.append(taken[0] / taken[1])
    return statistics.median(ratios)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def million(rows: int, threads: int) -> dict[str, Any]:
    left = random_filters(rows, 1 / 3, 1)
    right = random_filters(rows, 1 / 3, 2)
    right[:1000] = near_copies(left, 1000, 0.02, 3)
    dice.dice_pairs(left[:300], right[:600], "0.8")
    before = peak_mib()
    with tempfile.TemporaryDirectory() as folder:
        begin, used = time.perf_counter(), time.process_time()
        pairs = pseudolink.write_dice_pairs(
            Path(folder) / "pairs.parquet", left, right, "0.8", threads=threads
        )
        wall, processor = time.perf_counter() - begin, time.process_time() - used
    return {
        "rows": f"{rows:,} x {rows:,}",
        "threads": threads,
        "pairs": pairs,
        "seconds": round(wall, 1),
        "processor_seconds": round(processor, 1),
        "million_comparisons_a_second": round(rows * rows / wall / 1e6),
        "peak_mib": round(peak_mib()),
        "peak_mib_before": round(before),
    }


def sets(data: Path | None, rows: int) -> list[tuple[str, np.ndarray, np.ndarray, list[str]]]:
    third = 1 / 3
    found = [
        ("random, a third", random_filters(rows, third, 1), random_filters(rows, third, 2), ["0.8"]),
        ("random, a half", random_filters(rows, 0.5, 1), random_filters(rows, 0.5, 2), ["0.8"]),
    ]
    if data is not None:
        for name, bits in (("census-CIS, a third", 104), ("census-CIS, a half", 178)):
            left, right = (clks(data / "essnet_di" / f"{side}.parquet", bits) for side in ("census", "cis"))
            found.append((name, left[:rows], right[:rows], ["0.7", "0.8", "0.9"]))
    return found


def table(lines: list[Line]) -> None:
    print(
        "| filters | fill | threshold | pairs | pseudolink M/s | anonlink M/s | faiss M/s "
        "| ÷ anonlink | goal | ÷ limit | identical |"
    )
    print("| --- " * 11 + "|")
    for line in lines:
        cells = [
            line.filters,
            f"{line.fill:.2f}",
            line.threshold,
            f"{line.pairs:,}",
            *(f"{rate:,.0f}" if rate else "-" for rate in (line.pseudolink, line.anonlink, line.faiss)),
            f"{line.ratio:.1f}" if line.ratio else "-",
            f"{line.goal:.0f}" if line.goal else "-",
            f"{line.limit_share:.2f}",
            line.identical,
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="All pairs: pseudolink, anonlink and faiss side by side.")
    parser.add_argument("--data", type=Path, default=os.environ.get("PSEUDOLINK_BENCHMARK_DATA"))
    parser.add_argument("--rows", type=int, default=16_384, help="filters of each side, at most")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--million", action="store_true", help="only 1,000,000 x 1,000,000, to Parquet")
    parser.add_argument("--million-rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="with --million")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    facts = header("anonlink", "faiss-cpu")
    if given.million:
        result = million(given.million_rows, given.threads)
        if given.as_json:
            print(json.dumps({"machine": facts, **result}, indent=2))
        else:
            show(facts)
            for name, value in result.items():
                print(f"{name:<30}{value:>20,}" if isinstance(value, int) else f"{name:<30}{value:>20}")
        return 0
    data = Path(given.data) if given.data else None
    lines = [
        compare(name, left, right, threshold, given.rounds)
        for name, left, right, thresholds in sets(data, given.rows)
        for threshold in thresholds
    ]
    large = random_filters(4 * given.rows, 1 / 3, 3), random_filters(4 * given.rows, 1 / 3, 4)
    both = two_cores(*large, given.rounds) if (os.cpu_count() or 1) > 1 else None
    limit = limit_rate()
    if given.as_json:
        found = {"machine": facts, "lines": [asdict(line) for line in lines]}
        print(json.dumps({**found, "two_cores": both, "limit": limit}, indent=2))
    else:
        show(facts)
        table(lines)
        print(f"\nlimit of counting 16 words a pair: {limit:,.0f} million comparisons a second")
        if both:
            print(f"two threads over one, wall clock: {both:.2f}")
    failed = [line for line in lines if line.identical == "NO" or (line.ratio or 99) < (line.goal or 0)]
    for line in failed:
        print(f"failed: {line.filters} at {line.threshold}", file=sys.stderr)
    if both and both < TWO_CORES:
        print(f"two threads reach {both:.2f} of one, below {TWO_CORES}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
