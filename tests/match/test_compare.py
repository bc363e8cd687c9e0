"""matching-v1 section 2: comparison levels, against fractions and sets of bits."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_linkage import cleaned_of, encodings_of, schema_of

from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.formats.candidates import Candidates
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.keys.linkage import LinkageKey
from pseudolink.match import compare
from pseudolink.schema import LinkageSchema

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem}
    for p in sorted((Path(__file__).parents[2] / "specs" / "vectors" / "matching").glob("dice_*.json"))
]
SMALL = {"forename": {"bits": 64, "budget": 20}, "postcode": {"bits": 64, "budget": 20}}


def bits_of(segment: bytes) -> set[int]:
    return {8 * n + k for n, byte in enumerate(segment) for k in range(8) if byte & 0x80 >> k}


def level_of(a: bytes, b: bytes) -> int:
    """The level by the words of the specification, in fractions."""
    left, right = bits_of(a), bits_of(b)
    if not left or not right:
        return 0
    if left == right:
        return 1
    dice = Fraction(2 * len(left & right), len(left) + len(right))
    return 2 if dice >= Fraction(85, 100) else 3 if dice >= Fraction(70, 100) else 4


def levels_of(a: list[bytes], b: list[bytes]) -> list[int]:
    def stack(rows: list[bytes]) -> Any:
        return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), -1)

    return compare.dice_levels(stack(a), stack(b)).tolist()  # type: ignore[no-any-return]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 6


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_any_operator_sees_the_same_level(vector: dict[str, Any]) -> None:
    a, b = bytes.fromhex(vector["left_hex"]), bytes.fromhex(vector["right_hex"])
    assert [vector["level"]] == levels_of([a], [b]) == levels_of([b], [a]) == [level_of(a, b)]


near = st.binary(min_size=8, max_size=8)


@given(st.lists(st.tuples(near, near, st.integers(0, 2**64 - 1)), min_size=1, max_size=20))
def test_levels_are_those_of_exact_fractions(rows: list[tuple[bytes, bytes, int]]) -> None:
    """Also for segments that differ in few bits: the second is the first with some bits cleared."""
    pairs = [(a, b) for a, b, _ in rows]
    pairs += [(a, (int.from_bytes(a, "big") & m).to_bytes(8, "big")) for a, _, m in rows]
    found = levels_of([a for a, _ in pairs], [b for _, b in pairs])
    assert [level_of(a, b) for a, b in pairs] == found


def of_bits(*bits: int) -> bytes:
    return sum(1 << (63 - b) for b in bits).to_bytes(8, "big")


def test_a_dice_of_exactly_85_hundredths_reaches_the_level() -> None:
    """17 of 20 and 20 bits: 34 / 40 is 0.85, which no float says exactly."""
    a, b = of_bits(*range(20)), of_bits(*range(3, 23))
    assert levels_of([a], [b]) == [2]
    assert levels_of([a], [of_bits(*range(4, 24))]) == [3]


def test_a_dice_of_exactly_70_hundredths_reaches_the_level() -> None:
    a = of_bits(*range(10))
    assert levels_of([a], [of_bits(*range(3, 13))]) == [3]
    assert levels_of([a], [of_bits(*range(4, 14))]) == [4]


def test_two_empty_segments_are_missing_and_not_equal() -> None:
    """Absent evidence is not agreement: else all people without a postcode would live together."""
    assert levels_of([bytes(8)], [bytes(8)]) == [0]
    assert levels_of([of_bits(1)], [bytes(8)]) == [0]


SCHEMA = schema_of(
    [
        (["dob"], ["forename", "postcode"]),
        (["surname"], ["postcode"]),
        (["dob.year", "sex"], []),
    ],
    filters=SMALL,
)


def test_segments_lie_in_the_order_of_compare() -> None:
    assert compare.segments(SCHEMA) == {
        "forename": [(0, 0, 8)],
        "postcode": [(0, 8, 16), (1, 0, 8)],
    }


def rows(draw_from: Any) -> list[dict[str, str | None]]:
    return [
        dict(zip(("forename", "surname", "dob", "postcode", "sex"), one, strict=True)) for one in draw_from
    ]


LEFT = rows(
    [
        ("ANNA", "SMITH", "1990-01-02", "DH1 1AA", "F"),
        ("ANNE", "SMITH", "1990-01-02", None, "F"),
        ("JOHN", "JONES", "1980-05-06", "TS1 2BB", "M"),
        (None, None, None, None, None),
    ]
)
RIGHT = rows(
    [
        ("ANNA", "SMITH", "1990-01-02", "DH1 1AB", "F"),
        ("JON", "JONES", "1980-05-06", "TS1 2BB", "M"),
        ("JOHN", "BROWN", "1980-07-08", "TS1 2BB", "M"),
        (None, "SMITH", None, "DH1 1AA", None),
    ]
)


def encoded(some: list[dict[str, str | None]], schema: LinkageSchema = SCHEMA) -> Encodings:
    key = LinkageKey(bytes(range(32)))
    ring = KeyRing.derived(key.derive, schema, "test")
    passes = encode_chunk(cleaned_of(schema, some), schema, ring)
    ids = np.arange(16 * len(some), dtype=np.uint8).reshape(-1, 16)
    return Encodings(ids, passes)


def by_hand(left: Encodings, right: Encodings, i: int, j: int, field: str) -> int:
    """The best level of a pair, over the passes whose tokens are equal, byte by byte."""
    levels = []
    for number, start, stop in compare.segments(SCHEMA)[field]:
        a, b = list(left.passes.values())[number], list(right.passes.values())[number]
        if a.present[i] and b.present[j] and (a.tokens[i] == b.tokens[j]).all():
            assert a.filters is not None
            assert b.filters is not None
            levels.append(level_of(a.filters[i, start:stop].tobytes(), b.filters[j, start:stop].tobytes()))
    return min((level for level in levels if level), default=0)


@pytest.mark.parametrize("batch", [1, 2, 1_000_000])
def test_a_pair_shows_the_best_level_of_the_passes_it_shares(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "_BATCH", batch)
    left, right = encoded(LEFT), encoded(RIGHT)
    pairs = compare.candidates(left, right, SCHEMA)
    shown = {
        (i, j): [level & 15, level >> 4]
        for i, j, level in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.levels.tolist(), strict=True)
    }
    assert shown == {(i, j): [by_hand(left, right, i, j, f) for f in SCHEMA.compared] for i, j in shown}
    assert shown[0, 0][0] == 1, "equal forenames inside one block"
    assert shown[0, 3] == [0, 1], "no forename on one side; equal postcodes inside the surname's block"
    assert shown[1, 0][1] == 0, "one side has no postcode"
    assert (2, 2) in shown, "shares year and sex"
    assert shown[2, 2] == [0, 0], "and that pass compares nothing"
    assert all(i != 3 for i, _ in shown), "a row without values pairs with nobody"


def test_company_is_the_pairs_of_one_party() -> None:
    one = encoded(LEFT)
    found = compare.company(one, SCHEMA)
    assert list(zip(found.left.tolist(), found.right.tolist(), found.shared.tolist(), strict=True)) == [
        (0, 1, 0b111)
    ]


def test_field_presence_says_whether_any_filter_holds_a_field() -> None:
    shown = compare.shows(encoded(RIGHT), SCHEMA)
    assert [f & 1 for f in shown.fields.tolist()] == [1, 1, 1, 0]
    assert [f >> 1 & 1 for f in shown.fields.tolist()] == [1, 1, 1, 1]
    assert compare.shows(encoded(LEFT), SCHEMA).fields.tolist()[3] == 0


def test_a_pair_counts_for_every_pass_that_brings_it() -> None:
    shared = np.asarray([0b01, 0b11, 0b10, 0b11], dtype=np.uint64)
    assert compare.pass_counts(shared, ["a", "b", "c"]) == {"a": 3, "b": 3, "c": 0}


def test_filters_of_different_blocks_are_never_compared() -> None:
    """Equal values under different tokens must show nothing, whatever their filters look like."""
    filters = np.full((1, 16), 255, dtype=np.uint8)
    made = []
    for token in (1, 2):
        columns = {
            p.name: PassColumns(
                np.full((1, 2), token, dtype=np.uint64),
                np.ones(1, dtype=bool),
                filters[:, : SCHEMA.layout[p.name]] if SCHEMA.layout[p.name] else None,
            )
            for p in SCHEMA.passes
        }
        made.append(Encodings(np.zeros((1, 16), dtype=np.uint8), columns))
    assert len(compare.candidates(made[0], made[1], SCHEMA)) == 0


# ---------------------------------------------------------------- versions of a record


def best_of(
    shared: dict[tuple[int, int], int], left: list[int], right: list[int], *, within: bool = False
) -> dict[tuple[int, int], int]:
    """For every pair of records, named by their first rows, the best that any of their rows share."""
    found: dict[tuple[int, int], list[int]] = {}
    for (i, j), bits in shared.items():
        pair = left.index(left[i]), right.index(right[j])
        if within and pair[0] == pair[1]:
            continue
        found.setdefault((min(pair), max(pair)) if within else pair, []).append(bits)
    return {pair: max(all_, key=lambda b: (b.bit_count(), b)) for pair, all_ in found.items()}


MATCH_KEYS = schema_of([["dob"], ["surname"], ["sex"]])
cells = st.none() | st.integers(0, 5)


@st.composite
def parties(draw: st.DrawFn) -> tuple[Encodings, list[int]]:
    rows = draw(st.integers(1, 9))
    passes = {p.name: draw(st.lists(cells, min_size=rows, max_size=rows)) for p in MATCH_KEYS.passes}
    records = draw(st.lists(st.integers(0, 5), min_size=rows, max_size=rows))
    return encodings_of(passes, records), records


def shared_by_rows(left: Encodings, right: Encodings, *, within: bool = False) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for number, name in enumerate(left.passes):
        a, b = left.passes[name], right.passes[name]
        for i in np.flatnonzero(a.present).tolist():
            for j in np.flatnonzero(b.present).tolist():
                if (a.tokens[i] == b.tokens[j]).all() and (i < j or not within):
                    found[i, j] = found.get((i, j), 0) | 1 << number
    return found


def shown(pairs: Candidates) -> dict[tuple[int, int], int]:
    keys = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    assert keys == sorted(set(keys)), "ordered by left, then right, each pair of records once"
    return dict(zip(keys, pairs.shared.tolist(), strict=True))


@given(parties(), parties())
def test_records_with_versions_are_one_pair_that_shows_its_best(
    left: tuple[Encodings, list[int]], right: tuple[Encodings, list[int]]
) -> None:
    pairs = compare.candidates(left[0], right[0], MATCH_KEYS)
    assert shown(pairs) == best_of(shared_by_rows(left[0], right[0]), left[1], right[1])
    a, b = pairs.rows
    assert [left[1][i] for i in a] == [left[1][i] for i in pairs.left]
    assert [right[1][j] for j in b] == [right[1][j] for j in pairs.right]


@given(parties())
def test_versions_of_one_record_are_no_company(one: tuple[Encodings, list[int]]) -> None:
    encodings, records = one
    expected = best_of(shared_by_rows(encodings, encodings, within=True), records, records, within=True)
    assert shown(compare.company(encodings, MATCH_KEYS)) == expected


@given(parties())
def test_the_first_row_of_a_record_is_its_number(one: tuple[Encodings, list[int]]) -> None:
    encodings, records = one
    shows = compare.shows(encodings, MATCH_KEYS)
    first = compare.first_rows(encodings)
    expected = [records.index(r) for r in records]
    assert (list(range(len(records))) if first is None else first.tolist()) == expected
    assert shows.records == len(set(records))
