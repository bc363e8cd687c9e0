"""
Throw random cells at every kind of cleaning: a value or none, the same value again, no exception.

    python benchmarks/fuzz_cells.py --cells 1000000 --seed 1

Prints the seed, so that a failure can be repeated; prints no other input than a failing cell,
which is made up. Exit status 1 on a failure.
"""

from __future__ import annotations

import argparse
import datetime
import random
import secrets
import sys
import time
from functools import partial

from pseudolink.clean import date
from pseudolink.clean.extract import JUDGES

TODAY = datetime.date(2026, 1, 15)
KINDS = {**JUDGES, "date": partial(date.judge, today=TODAY)}

WORDS = (
    "MR MRS DR JR ESQ O O' D' MC MAC VAN DER DE LA DELA ST AL BIN DA ME L' X XX NK N/K N/A UNKNOWN BABY OF "
    "TWIN 1 2 NULL TEST Smith Jones Zoë Łø ß İ ǰ ΐ ŉ ﷺ 李 रवि 지훈 Иван ZZ99 3VZ BFPO 57 DH1 3NS GIR 0AA "
    "AB 12 34 56 C TN 020357 F QQ 1957 2026 -03 -02 /02/ 31/ XX XXXX 00:00 23:59 T Z Mar December 19570302 "
    "R840200099001 9434765919 9276308686 .0 1.0 male F 9 U"
)
PIECES = WORDS.split()
JOINTS = ["", "", " ", " ", "-", "'", ".", "/", "  ", "\t", "\u00a0", "\u200b", "\u2019"]
#: What cells of a kind look like: A a letter, 9 a figure. The rest are names.
SHAPES = {
    "date": ["9999-99-99", "99/99/9999", "9/9/99", "99999999", "1999-09-19", "09/09/1999"],
    "postcode": ["A99 9AA", "AA99 9AA", "AA9A9AA", "DH9 9NS", "BFPO 999"],
    "nino": ["AA999999A", "AB999999C", "AB 99 99 99"],
    "upn": ["A999999999999", "A840999999999", "A84099999999A"],
    "nhs": ["9999999999", "999 999 9999", "9999999999.0"],
    "uln": ["9999999999", "999 999 9999"],
    "sex": ["9", "A", "M"],
}
NAMES = ["AAAAAAA", "AAA-AAAA", "Mc AAAA", "O'AAAA", "A AAAA"]


def any_character(generator: random.Random) -> str:
    """A character of any plane, surrogates and unassigned ones among them."""
    return chr(
        generator.choice(
            (generator.randrange(0x250), generator.randrange(0x3000), generator.randrange(0x110000))
        )
    )


def cell(generator: random.Random, kind: str = "") -> str:
    """One cell: pieces of the rules, a shape of the kind, random characters, or a mixture."""
    way = generator.random()
    if way < 0.4:
        text = "".join(
            generator.choice(PIECES) + generator.choice(JOINTS) for _ in range(generator.randint(1, 5))
        )
    elif way < 0.8:
        figures = {"A": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "9": "0123456789"}
        text = "".join(generator.choice(figures.get(c, c)) for c in generator.choice(SHAPES.get(kind, NAMES)))
    else:
        return "".join(any_character(generator) for _ in range(generator.randint(0, 12)))
    if generator.random() < 0.3:
        place = generator.randint(0, len(text))
        text = text[:place] + any_character(generator) + text[place + generator.randint(0, 1) :]
    return generator.choice((text, text.lower(), text.upper()))


def fuzz(kind: str, cells: int, seed: str) -> tuple[int, list[str]]:
    """Judge random cells of one kind; give the number of values and a line a failure (at most 10)."""
    generator = random.Random(f"{seed} {kind}")
    judge = KINDS[kind]
    values = 0
    failures: list[str] = []
    for _ in range(cells):
        text = cell(generator, kind)
        try:
            value, rule, _ = judge(text)
            if value is not None:
                values += 1
                value.encode()
                if judge(value).value != value or rule is not None:
                    failures.append(f"{kind}: {text!r} -> {value!r} -> {judge(value)!r}")
        except Exception as error:
            failures.append(f"{kind}: {text!r} raises {type(error).__name__}: {error}")
        if len(failures) == 10:
            break
    return values, failures


def fuzz_parts(cells: int, seed: str) -> tuple[int, list[str]]:
    """The same for a date in three cells; its value need not be one of a single column."""
    generator = random.Random(f"{seed} parts")
    values = 0
    for _ in range(cells):
        texts = [
            generator.choice((str(generator.randrange(limit)), cell(generator), ""))
            for limit in (2100, 14, 33)
        ]
        try:
            value = date.judge_parts(*texts, today=TODAY).value
            if value is not None:
                values += 1
                parts = [part.strip("X") for part in value.split("-")]
                if len(value) != 10 or date.judge_parts(*parts, today=TODAY).value != value:
                    return values, [f"date in parts: {texts!r} -> {value!r}"]
        except Exception as error:
            return values, [f"date in parts: {texts!r} raises {type(error).__name__}: {error}"]
    return values, []


def main() -> int:
    parser = argparse.ArgumentParser(description="Random cells through every kind of cleaning.")
    parser.add_argument("--cells", type=int, default=1_000_000, help="cells a kind")
    parser.add_argument("--seed", default=secrets.token_hex(8), help="any text; drawn anew when left out")
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.cells:,} cells a kind")
    failed = False
    for kind in [*KINDS, "date in parts"]:
        begin = time.perf_counter()
        if kind in KINDS:
            values, failures = fuzz(kind, given.cells, given.seed)
        else:
            values, failures = fuzz_parts(given.cells, given.seed)
        taken = time.perf_counter() - begin
        print(f"{kind:>13}: {values:>9,} values, {len(failures)} failures, {taken:.1f} s", flush=True)
        for line in failures:
            print(f"  {line}")
        failed = failed or bool(failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
