"""
The security floor of a large extract, measured pass after pass: time and memory.

    python benchmarks/floor.py [--records 10000000] [--passes 40] [--company 0.05] [--json]

Makes the tokens of one pass after another (random, and some records twice or more so that they have
company), so that nothing but one pass and what the measure itself holds is in memory. What was
planted is counted and compared with what is measured: the run fails when they differ.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator

import numpy as np
from _machine import header, show

from pseudolink.encode import floor
from pseudolink.formats.encodings import PassColumns


class Planted:
    """Tokens with company that is known: neighbours in a row of records, pass by pass."""

    def __init__(self, records: int, passes: int, company: float, seed: int) -> None:
        self.records, self.passes = records, passes
        self.rng = np.random.default_rng(seed)
        self.share = company / passes
        self.company = np.zeros(records, dtype=bool)
        self.by_pass: list[int] = []
        self.making = 0.0

    def columns(self) -> Iterator[tuple[str, PassColumns]]:
        """Every pass's tokens, made when it is asked for; 2 % are missing."""
        for number in range(self.passes):
            begin = time.perf_counter()
            tokens = self.rng.integers(0, 2**64, size=(self.records, 2), dtype=np.uint64)
            present = self.rng.random(self.records, dtype=np.float32) >= 0.02
            # Blocks of two, and every tenth of three, at rows 3k: no two blocks of a pass meet.
            places = self.rng.integers(0, self.records // 3, round(self.records * self.share / 2))
            first = 3 * np.unique(places)
            blocks = np.stack([first, first + 1, np.where(np.arange(len(first)) % 10, first + 1, first + 2)])
            tokens[blocks[1]] = tokens[blocks[2]] = tokens[first]
            alone = np.zeros(self.records, dtype=bool)
            members = np.where(present[blocks], blocks, -1)
            several = (np.diff(np.sort(members, axis=0), axis=0) > 0) & (np.sort(members, axis=0)[:-1] >= 0)
            chosen = members[:, several.any(axis=0)]
            alone[chosen[chosen >= 0]] = True
            self.company |= alone
            self.by_pass.append(int(alone.sum()))
            self.making += time.perf_counter() - begin
            yield f"p{number}", PassColumns(tokens, present, None)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--passes", type=int, default=40)
    parser.add_argument("--company", type=float, default=0.05, help="about this share is given company")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from pseudolink.roles.rehearsal import peak_memory

    planted = Planted(options.records, options.passes, options.company, options.seed)
    ids = planted.rng.integers(0, 256, size=(options.records, 16), dtype=np.uint8)
    begin = time.perf_counter()
    found = floor.measure_passes(ids, planted.columns())
    seconds = time.perf_counter() - begin - planted.making
    if found.company != int(planted.company.sum()) or [p.company for p in found.passes] != planted.by_pass:
        print("what is measured is not what was planted", file=sys.stderr)
        return 1
    peak = peak_memory()
    result = {
        "records": options.records,
        "passes": options.passes,
        "company": found.company,
        "largest_component": found.largest_component,
        "seconds": seconds,
        "tokens_per_second": options.records * options.passes / seconds,
        "peak_memory_bytes": peak,
    }
    if options.json:
        print(json.dumps({"machine": header(), "result": result}, indent=2))
        return 0
    show(header())
    print(
        f"{options.records:,} records, {options.passes} passes: {found.company:,} with company "
        f"({found.share:.2%}, as planted), largest component {found.largest_component:,}; {seconds:.0f} s "
        f"({result['tokens_per_second'] / 1e6:.1f} million tokens a second), peak memory "
        + ("unknown" if peak is None else f"{peak / 2**20:,.0f} MiB")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
