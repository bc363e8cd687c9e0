"""encoding-v1 section 10: decoys hide what an extract shows of itself, and cost no true token a place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_linkage import cleaned_of, encodings_of, schema_of

from pseudolink.encode import decoys, extract
from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.formats import encodings as encoding_files
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.keys.linkage import LinkageKey

VECTORS = sorted((Path(__file__).parents[2] / "specs" / "vectors" / "decoys").glob("*.json"))
KEY = LinkageKey(bytes(range(32)))
SCHEMA = schema_of(
    [(["surname", "dob"], ["forename"]), ["forename", "postcode"]],
    floor={"company": 1.0, "component": 1000, "decoys": True},
)


def seeded(seed: int = 1) -> decoys.Random:
    return np.random.default_rng(seed).bytes


@st.composite
def cells(draw: st.DrawFn) -> list[int | None]:
    return draw(st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=20))


def columns_of(tokens: list[int | None]) -> PassColumns:
    return encodings_of({"p": tokens}).passes["p"]


@given(cells(), st.integers(0, 5))
def test_each_token_is_kept_by_exactly_one_row(tokens: list[int | None], seed: int) -> None:
    columns = columns_of(tokens)
    lost = set(decoys.surplus(columns.tokens, columns.present, seeded(seed)).tolist())
    kept = [t for row, t in enumerate(tokens) if t is not None and row not in lost]
    assert sorted(kept) == sorted({t for t in tokens if t is not None})


@given(cells(), st.integers(0, 5))
def test_frequency_and_missing_values_cannot_be_seen_in_what_decoys_leave(
    tokens: list[int | None], seed: int
) -> None:
    columns = columns_of(tokens)
    lost = decoys.surplus(columns.tokens, columns.present, seeded(seed))
    shown = decoys.covered(columns, lost, np.ones(len(tokens), dtype=bool), (), seeded(seed + 100))
    assert shown.present.all()
    assert len(np.unique(shown.tokens, axis=0)) == len(tokens)


@given(st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=3), max_size=25), st.integers(1, 6))
def test_no_record_is_known_by_what_it_lacks(records: list[list[int]], least: int) -> None:
    record = np.repeat(np.arange(len(records)), [len(one) for one in records])
    held = np.asarray([bits for one in records for bits in one], dtype=np.uint64)
    found = decoys.shown(record, held, least)
    assert (found & held == held).all()
    whole = np.bitwise_or.reduce(held, initial=np.uint64(0))
    assert (found | whole == whole).all()
    seen: dict[tuple[int, ...], int] = {}
    for number in range(len(records)):
        key = tuple(sorted(found[record == number].tolist()))
        seen[key] = seen.get(key, 0) + 1
    for key, size in seen.items():
        alike = sum(len(one) == len(key) for one in records)
        assert size >= least or size == alike


def test_a_missing_value_that_many_lack_stays_missing() -> None:
    """Ten without a number, ten with one, and one who lacks something else: she alone is filled up."""
    held = np.asarray([0b011] * 10 + [0b111] * 10 + [0b001], dtype=np.uint64)
    found = decoys.shown(np.arange(21), held)
    assert found.tolist() == [0b011] * 10 + [0b111] * 10 + [0b011]


def test_who_keeps_a_token_is_drawn_and_not_always_the_first() -> None:
    columns = columns_of([1, 1, 1])
    lost = {tuple(decoys.surplus(columns.tokens, columns.present, seeded(n)).tolist()) for n in range(40)}
    assert lost == {(0, 1), (0, 2), (1, 2)}


def test_rows_that_lose_nothing_keep_token_and_filter_to_the_bit() -> None:
    encoded = encode_chunk(cleaned_of(SCHEMA, PEOPLE), SCHEMA, ring())
    name = SCHEMA.passes[0].name
    first = encoded[name]
    shown = decoys.covered(first, np.asarray([1]), EVERYBODY, decoys.segments_of(SCHEMA)[name], seeded())
    np.testing.assert_array_equal(shown.tokens[0], first.tokens[0])
    np.testing.assert_array_equal(shown.filters[0], first.filters[0])  # type: ignore[index]
    assert (shown.tokens[1] != first.tokens[1]).any()
    assert (shown.filters[1] != first.filters[1]).any()  # type: ignore[index]


def test_fill_does_not_tell_a_decoy_from_a_filter() -> None:
    """A decoy's segment has as many positions drawn as a real one, so about as many bits set."""
    schema = schema_of([(["surname"], ["forename"])])
    people = [{"forename": f"NAME{n}", "surname": f"S{n}"} for n in range(400)]
    ring = KeyRing.derived(KEY.derive, schema, "test")
    (columns,) = encode_chunk(cleaned_of(schema, people), schema, ring).values()
    losers = np.arange(0, 400, 2)
    shown = decoys.covered(
        columns, losers, np.ones(400, dtype=bool), next(iter(decoys.segments_of(schema).values())), seeded()
    )
    fill = np.bitwise_count(shown.filters).sum(axis=1)  # type: ignore[arg-type]
    spread = fill.std() / np.sqrt(100)
    assert abs(fill[0::2].mean() - fill[1::2].mean()) < 4 * spread
    assert 0.5 < fill[0::2].std() / fill[1::2].std() < 2


def test_an_empty_segment_is_filled_because_emptiness_shows_a_missing_value() -> None:
    schema = schema_of([(["surname"], ["forename", "postcode"])])
    people = [{"forename": None, "surname": "A", "postcode": "TS1 1AA"}]
    ring = KeyRing.derived(KEY.derive, schema, "test")
    (columns,) = encode_chunk(cleaned_of(schema, people), schema, ring).values()
    segments = next(iter(decoys.segments_of(schema).values()))
    shown = decoys.covered(columns, np.zeros(0, dtype=np.int64), np.ones(1, dtype=bool), segments, seeded())
    width = segments[0].bits // 8
    assert not columns.filters[0, :width].any()  # type: ignore[index]
    assert shown.filters[0, :width].any()  # type: ignore[index]
    np.testing.assert_array_equal(shown.filters[0, width:], columns.filters[0, width:])  # type: ignore[index]


def test_a_pass_that_nobody_takes_part_in_stays_empty() -> None:
    encodings = encodings_of({"p": [None, None], "q": [1, None]})
    schema = schema_of([["surname"], ["dob"]])
    passes = dict(zip([one.name for one in schema.passes], encodings.passes.values(), strict=True))
    shown = decoys.with_decoys(Encodings(encodings.records, passes), schema, seeded())
    first, second = shown.passes.values()
    assert not first.present.any()
    assert second.present.all()


EVERYBODY = np.ones(3, dtype=bool)
PEOPLE: list[dict[str, str | None]] = [
    {"forename": "ANN", "surname": "LEE", "dob": "1990-01-01", "postcode": "TS1 1AA"},
    {"forename": "BOB", "surname": "LEE", "dob": "1990-01-01", "postcode": "TS1 1AA"},
    {"forename": "CEN", "surname": "RHYS", "dob": None, "postcode": "TS2 2BB"},
]


def ring() -> KeyRing:
    return KeyRing.derived(KEY.derive, SCHEMA, "test")


def test_an_extract_under_a_schema_with_decoys_shows_nothing_of_itself() -> None:
    found = extract.encode(cleaned_of(SCHEMA, PEOPLE * 3), SCHEMA, ring())
    assert found.company.company == 9
    for columns in found.encodings.passes.values():
        assert columns.present.all()
        assert len(np.unique(columns.tokens, axis=0)) == 9


def test_the_file_of_an_extract_shows_no_more_than_the_extract_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "encodings"
    cleaned = cleaned_of(SCHEMA, PEOPLE * 3)
    written = extract.encode_to(path, cleaned, SCHEMA, ring(), chunk_rows=4)
    loaded = encoding_files.load(path, SCHEMA.layout)
    real = encode_chunk(cleaned.take(written.source), SCHEMA, ring())
    for name, columns in loaded.passes.items():
        assert columns.present.all()
        assert len(np.unique(columns.tokens, axis=0)) == 9
        kept = (columns.tokens == real[name].tokens).all(axis=1) & real[name].present
        distinct = np.unique(real[name].tokens[real[name].present], axis=0)
        np.testing.assert_array_equal(np.unique(columns.tokens[kept], axis=0), distinct)
    assert [p.name for p in tmp_path.iterdir()] == ["encodings"]


@given(st.lists(st.integers(1, 5), max_size=40), st.integers(1, 12))
@settings(max_examples=60)
def test_every_number_of_versions_is_shared_by_enough_records(counts: list[int], least: int) -> None:
    source = np.repeat(np.arange(len(counts)), counts)
    kept = decoys.kept_versions(source, least)
    left = np.bincount(source[kept], minlength=len(counts))
    assert (left >= 1).all()
    assert (left <= counts).all()
    sizes = np.bincount(left, minlength=2)
    assert all(size == 0 or size >= least for size in sizes[2:])
    # The first rows of a record stay, whatever goes.
    for record, number in enumerate(left.tolist()):
        begin = int(np.flatnonzero(source == record)[0])
        assert set(range(begin, begin + number)) <= set(kept.tolist())


@pytest.mark.parametrize("path", VECTORS, ids=lambda p: p.stem)
def test_vectors(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "versions" in vector:
        kept = decoys.kept_versions(np.asarray(vector["versions"]), vector["least"])
        assert kept.tolist() == vector["kept"]
        return
    names = {f"{n:032x}": n for n in range(256)}
    columns = {
        name: [None if t is None else names[t] for t in tokens] for name, tokens in vector["passes"].items()
    }
    found = decoys.problems(encodings_of(columns))
    assert [p.place for p in found] == vector.get("problems", [])
    assert bool(found) == (vector["expect"] == "failure")


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 6
