"""Invented people, their spoiled copies, and two parties of them, for the tests of linkages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from reference_linkage import cleaned_of, schema_of

from pseudolink.encode import chance, floor
from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.formats.encodings import Encodings
from pseudolink.keys.linkage import LinkageKey
from pseudolink.roles.linkage import Delivery, PairLinkage

SCHEMA = schema_of(
    [
        (["forename.soundex", "surname.soundex", "dob"], ["postcode"]),
        (["dob", "postcode"], ["forename"]),
        (["forename", "surname", "dob.year_month"], []),
        (["forename", "surname", "dob.sorted"], []),
        (["names.sorted", "dob"], []),
        (["surname", "postcode", "dob.year", "sex"], ["forename"]),
        (["forename", "postcode", "dob.month_day"], []),
        (["forename.first3", "surname.first3", "postcode"], []),
        (["forename", "dob", "postcode.district"], []),
        (["nino.stem"], []),
    ],
    floor={"company": 0.2, "component": 50},
)
Row = dict[str, str | None]


def word(generator: np.random.Generator, syllables: int) -> str:
    return "".join(str(generator.choice(list(k))) for _ in range(syllables) for k in ("BDGKLMNPRST", "AEIOU"))


def people(count: int, seed: int) -> list[Row]:
    """Names as unequal as real ones; every twentieth has a twin at the same address."""
    generator = np.random.default_rng(seed)
    pools = [[word(generator, n) for _ in range(size)] for n, size in ((2, 150), (3, 400))]
    found: list[Row] = []
    while len(found) < count:
        born = (
            f"{generator.integers(1950, 2010)}-{generator.integers(1, 13):02}-{generator.integers(1, 29):02}"
        )
        first, last = (pool[min(int(generator.pareto(1.1) * 8), len(pool) - 1)] for pool in pools)
        one: Row = {
            "forename": first,
            "surname": last,
            "dob": born,
            "postcode": f"TS{generator.integers(1, 30)} {generator.integers(1, 9)}{word(generator, 1)}",
            "sex": str(generator.choice(["F", "M"])),
            "nino": f"AB{generator.integers(10**6):06}" if generator.random() < 0.4 else None,
        }
        found.append(one)
        if len(found) % 20 == 0:
            found.append({**one, "forename": word(generator, 2), "nino": None})
    return found[:count]


def spoiled(row: Row, generator: np.random.Generator) -> Row:
    """A record of the same person at another agency."""
    new = dict(row)
    if generator.random() < 0.10:
        letters = list(new["forename"] or "")
        letters[generator.integers(len(letters))] = "AEIOUSTN"[generator.integers(8)]
        new["forename"] = "".join(letters)
    if generator.random() < 0.08:
        letters = list(new["surname"] or "")
        letters[generator.integers(len(letters))] = "AEIOUSTN"[generator.integers(8)]
        new["surname"] = "".join(letters)
    if generator.random() < 0.12:
        new["postcode"] = f"DH{generator.integers(1, 30)} {generator.integers(1, 9)}{word(generator, 1)}"
    if generator.random() < 0.03:
        year, month, day = (new["dob"] or "").split("-")
        new["dob"] = f"{year}-{day}-{month}" if int(day) < 13 else f"{year}-{month}-{max(int(day) - 1, 1):02}"
    if generator.random() < 0.02:
        new["forename"], new["surname"] = new["surname"], new["forename"]
    for field in ("postcode", "dob", "nino"):
        if generator.random() < 0.04:
            new[field] = None
    return new


@dataclass(frozen=True)
class Party:
    """A delivery, and who each of its rows is."""

    delivery: Delivery
    who: Any


def delivered(name: str, rows: list[Row], who: list[int]) -> Party:
    key = LinkageKey(bytes(range(32)))
    cleaned = cleaned_of(SCHEMA, rows)
    passes = encode_chunk(cleaned, SCHEMA, KeyRing.derived(key.derive, SCHEMA, "test"))
    ids = np.random.default_rng(len(name)).integers(0, 256, (len(rows), 16), dtype=np.uint8)
    encodings = Encodings(ids, passes)
    company = floor.measure(encodings).to_json()
    held = {field: int((c.codes >= 0).sum()) for field, c in cleaned.fields.items()}
    found = Delivery(name, name, encodings, chance.measure(cleaned, SCHEMA), company, held, SCHEMA)
    return Party(found, np.asarray(who))


def correct(one: PairLinkage, left: Party, right: Party) -> int:
    pairs = one.scored.candidates
    same = left.who[pairs.left[one.accepted]] == right.who[pairs.right[one.accepted]]
    return int(same.sum())
