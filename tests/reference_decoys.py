"""
A second implementation of specs/encoding-v1.md, section 10, for the vectors and the parity tests.

Written from the specification with the standard library alone; it shares no code with the package.
The vectors ``draws_*.json`` of specs/vectors/decoys/ come from ``python tests/reference_decoys.py``;
a test holds that they still do.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from reference_encoding import FORMAT, SCHEMA, as_text, encode_record, kbkdf, prf16, schema_digest

VECTORS = Path(__file__).parent.parent / "specs" / "vectors" / "decoys"
LEAST = 10


def decoy_keys(linkage_key, project, digest, party, names):
    """encoding-v1 §10.3."""
    context = (FORMAT, project, digest)
    keys = {"content": kbkdf(linkage_key, "decoy-content", *context, "", party)}
    for name in names:
        for use in ("lot", "token", "fill"):
            keys[name, use] = kbkdf(linkage_key, f"decoy-{use}", *context, name, party)
    return keys


def content(row, names, filter_bytes, key):
    """§10.4, step 1. ``row``: pass -> (token, filter)."""
    message = b"\x01"
    for name in names:
        token, bits = row[name]
        if token is None:
            message += b"\0" * (1 + 16 + filter_bytes[name])
        else:
            message += b"\x01" + token + (bits or b"")
    return prf16(key, message)


def seeds(rows, who, names, filter_bytes, key):
    """§10.4, steps 2 to 4; records in the order in which they come first."""
    contents = [content(row, names, filter_bytes, key) for row in rows]
    found, seen = {}, {}
    for record in dict.fromkeys(who):
        own = sorted((contents[row], row) for row in range(len(rows)) if who[row] == record)
        whole = prf16(key, b"\x02" + b"".join(one for one, _ in own))
        number = seen.get(whole, 0)
        seen[whole] = number + 1
        for place, (_, row) in enumerate(own):
            found[row] = whole + number.to_bytes(8, "big") + place.to_bytes(8, "big")
    return [found[row] for row in range(len(rows))]


def patterns_shown(rows, who, names):
    """§10.5, rule 2: the pattern that each row is to show."""
    held = [sum(2**p for p, name in enumerate(names) if row[name][0] is not None) for row in rows]
    whole = 0
    for one in held:
        whole |= one
    records = {r: tuple(sorted(held[i] for i in range(len(rows)) if who[i] == r)) for r in dict.fromkeys(who)}
    target = {}
    for many in sorted({len(pattern) for pattern in records.values()}):
        mine = {r: pattern for r, pattern in records.items() if len(pattern) == many}
        sizes = {p: list(mine.values()).count(p) for p in mine.values()}
        common = sorted(p for p, size in sizes.items() if size >= LEAST)
        full = (whole,) * many
        for r, pattern in mine.items():
            if sizes[pattern] >= LEAST:
                target[r] = pattern
                continue
            above = [p for p in common if p[0] & pattern[0] == pattern[0]] if many == 1 else []
            target[r] = min(above, key=lambda p: (p[0].bit_count(), p)) if above else full
        while 0 < sum(target[r] == full for r in mine) < LEAST:
            now = [target[r] for r in mine if target[r] != full]
            if not now:
                break
            fewest = min(set(now), key=lambda p: (now.count(p), p))
            target |= {r: full for r in mine if target[r] == fewest}
    shown = [0] * len(rows)
    for r in records:
        own = sorted((held[i], i) for i in range(len(rows)) if who[i] == r)
        for (_, i), pattern in zip(own, target[r], strict=True):
            shown[i] = pattern
    return shown


def segment_filled(key, token, number, bits, budget):
    """§10.7."""
    positions = []
    round_ = 0
    while len(positions) < budget:
        output = hmac.new(key, token + bytes([number]) + round_.to_bytes(4, "big"), hashlib.sha256).digest()
        positions += [int.from_bytes(output[i : i + 2], "big") % bits for i in range(0, 32, 2)]
        round_ += 1
    filled = bytearray(bits // 8)
    for position in positions[:budget]:
        filled[position // 8] |= 0x80 >> position % 8
    return bytes(filled)


def with_decoys(rows, who, canonical, linkage_key, project, party):
    """
    Rows as they leave an encoder.

    rows: pass -> (token, filter), each None where there is none. who: the record of each row.
    """
    names = [one["name"] for one in canonical["passes"]]
    parts = {
        one["name"]: [
            (canonical["fields"][f]["bits"], canonical["fields"][f]["budget"]) for f in one["compare"]
        ]
        for one in canonical["passes"]
    }
    filter_bytes = {name: sum(bits // 8 for bits, _ in parts[name]) for name in names}
    keys = decoy_keys(linkage_key, project, schema_digest(canonical), party, names)
    drawn = seeds(rows, who, names, filter_bytes, keys["content"])
    wanted = patterns_shown(rows, who, names)
    out = [dict(row) for row in rows]
    for number, name in enumerate(names):
        keeper = {}
        for i, row in enumerate(rows):
            token = row[name][0]
            lot = prf16(keys[name, "lot"], drawn[i])
            if token is not None and (token not in keeper or lot < keeper[token][0]):
                keeper[token] = lot, i
        for i, row in enumerate(rows):
            token, bits = row[name]
            lost = token is not None and keeper[token][1] != i
            if lost or (token is None and wanted[i] >> number & 1):
                token, bits = prf16(keys[name, "token"], drawn[i]), b"\0" * filter_bytes[name]
            if token is None:
                continue
            filled, at = b"", 0
            for place, (size, budget) in enumerate(parts[name]):
                part = bits[at : at + size // 8]
                at += size // 8
                filled += (
                    part if any(part) else segment_filled(keys[name, "fill"], token, place, size, budget)
                )
            out[i][name] = token, filled or None
    return out


# ---------------------------------------------------------------- vectors

KEY = bytes(range(100, 132))
PROJECT, PARTY = "families", "council"
WITH_DECOYS = SCHEMA | {"floor": SCHEMA["floor"] | {"decoys": True}}


def person(number, **changes):
    whole = {
        "forename": f"ANN{chr(65 + number)}",
        "surname": f"{chr(66 + number)}LEE",
        "dob": f"19{50 + number}-04-11",
        "postcode": f"DH{1 + number} 3AB",
        "nino": f"QQ{123456 + number}A",
    }
    return whole | changes


def vectors():
    """Scenario -> vector; the expectation is worked out here."""
    no_nino = [person(n, nino=None) for n in range(10)]
    cases = {
        "draws_nothing": (
            "10.5",
            "all tokens stand once and nobody lacks anything",
            [person(0), person(1)],
            None,
        ),
        "draws_equal_token": (
            "10.5",
            "two records of one number: the smaller lot keeps the token of pass nino",
            [person(0), person(1, nino="QQ123456A")],
            None,
        ),
        "draws_equal_token_of_three": (
            "10.5",
            "three records of one number",
            [person(0), person(1, nino="QQ123456A"), person(2, nino="QQ123456A")],
            None,
        ),
        "draws_equal_records": (
            "10.4",
            "the same record twice: told apart by their numbers",
            [person(0)] * 2,
            None,
        ),
        "draws_versions": (
            "10.4",
            "a record with two rows that share tokens",
            [person(0), person(0, surname="SMITH")],
            [0, 0],
        ),
        "draws_rare_lack": (
            "10.5",
            "one record lacks its number, ten others do not: it has a decoy in pass nino",
            [person(n) for n in range(10)] + [person(10, nino=None)],
            None,
        ),
        "draws_common_lack": ("10.5", "ten records lack their number and go on lacking it", no_nino, None),
        "draws_next_common_pattern": (
            "10.5",
            "one record lacks number and postcode: it becomes like the ten that lack the number alone",
            [*no_nino, *(person(n) for n in range(10, 20)), person(20, nino=None, postcode=None)],
            None,
        ),
        "draws_empty_segment": (
            "10.7",
            "a compared value is missing: its segment is filled, and the other is left as it is",
            [person(0, surname=None), *(person(n, surname=None) for n in range(1, 10))],
            None,
        ),
        "draws_smallest_group_joins": (
            "10.5",
            "one record can only show the whole; the smallest other group joins it",
            [*no_nino, *(person(n, postcode=None) for n in range(10, 21)), person(21)],
            None,
        ),
    }
    found = {}
    for scenario, (section, comment, records, who) in cases.items():
        rows = [encode_record(WITH_DECOYS, KEY, PROJECT, one) for one in records]
        who = list(range(len(records))) if who is None else who
        found[scenario] = {
            "spec": f"specs/encoding-v1.md#{section}",
            "expect": "success",
            "comment": comment,
            "case": "draws",
            "linkage_key_hex": KEY.hex(),
            "project": PROJECT,
            "party": PARTY,
            "schema": WITH_DECOYS,
            "records": records,
            "record_of_row": who,
            "rows": [
                {
                    name: None if token is None else [token.hex(), None if bits is None else bits.hex()]
                    for name, (token, bits) in row.items()
                }
                for row in with_decoys(rows, who, WITH_DECOYS, KEY, PROJECT, PARTY)
            ],
        }
    return found


def main():
    for scenario, vector in vectors().items():
        (VECTORS / f"{scenario}.json").write_text(as_text(vector), encoding="utf-8")


if __name__ == "__main__":
    main()
