"""encoding-v1 section 10: decoys hide what an extract shows of itself, and cost no true token a place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_decoys as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_encoding import encode_record
from reference_linkage import cleaned_of, encodings_of, schema_of

from pseudolink.encode import alike, decoys, extract
from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.formats import encodings as encoding_files
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.keys.derive import derive
from pseudolink.keys.linkage import LinkageKey
from pseudolink.schema import LinkageSchema, parse_schema

VECTORS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[2] / "specs" / "vectors" / "decoys").glob("*.json"))
}
KEY = LinkageKey(bytes(range(32)))
FLOOR = {"company": 1.0, "component": 1000, "decoys": True}
SCHEMA = schema_of([(["surname", "dob"], ["forename"]), ["forename", "postcode"]], floor=FLOOR)

Row = dict[str, tuple[bytes, bytes | None] | None]


def ring(schema: LinkageSchema = SCHEMA, party: str = "council") -> KeyRing:
    return KeyRing.derived(KEY.derive, schema, "test", party)


def rows_of(encodings: Encodings) -> list[Row]:
    """What is seen of every row but its record ID: pass -> (token, filter) or None."""
    return [
        {
            name: (
                p.tokens[row].astype("<u8").tobytes(),
                None if p.filters is None else p.filters[row].tobytes(),
            )
            if p.present[row]
            else None
            for name, p in encodings.passes.items()
        }
        for row in range(encodings.rows)
    ]


def bag(encodings: Encodings) -> list[str]:
    return sorted(repr(row) for row in rows_of(encodings))


# ---------------------------------------------------------------- who keeps a token

TOKENS = st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=20)


def columns_of(tokens: list[int | None]) -> PassColumns:
    return encodings_of({"p": tokens}).passes["p"]


def lost(columns: PassColumns, key: bytes) -> list[int]:
    seeds = {row: bytes([row]) for row in range(len(columns.present))}
    return decoys.losers(*decoys.repeated(columns), seeds, key).tolist()


@given(TOKENS, st.binary(min_size=32, max_size=32))
def test_each_token_is_kept_by_exactly_one_row(tokens: list[int | None], key: bytes) -> None:
    gone = set(lost(columns_of(tokens), key))
    kept = [t for row, t in enumerate(tokens) if t is not None and row not in gone]
    assert sorted(kept) == sorted({t for t in tokens if t is not None})


def test_who_keeps_a_token_is_drawn_and_not_always_the_first() -> None:
    columns = columns_of([1, 1, 1])
    assert {tuple(lost(columns, bytes([n] * 32))) for n in range(40)} == {(0, 1), (0, 2), (1, 2)}


def test_the_draw_is_another_one_in_every_pass() -> None:
    """Who loses a token in one pass is no likelier to lose it in the next."""
    names = ["", ".soundex", ".metaphone", ".initial", ".first3", ".last3"]
    dates = ["", ".year", ".month", ".day", ".year_month", ".month_day", ".year_day"]
    passes = [[f"surname{name}", f"dob{date}"] for name in names for date in dates]
    schema = schema_of(passes, floor=FLOOR)
    pair = [person("ANN"), person("BOB")]
    shown = shown_of(cleaned_of(schema, pair), schema)
    real = encode_chunk(cleaned_of(schema, pair), schema, ring(schema))
    kept = [int((p.tokens[0] == real[name].tokens[0]).all()) for name, p in shown.passes.items()]
    assert len(kept) == 42
    assert 5 < sum(kept) < 37


def shown_of(cleaned: Cleaned, schema: LinkageSchema = SCHEMA, keys: KeyRing | None = None) -> Encodings:
    keys = keys or ring(schema)
    plain = Encodings(np.zeros((cleaned.rows, 16), dtype=np.uint8), encode_chunk(cleaned, schema, keys))
    return decoys.with_decoys(plain, schema, keys, cleaned.source)


# ---------------------------------------------------------------- the same each time

CELLS: Mapping[str, st.SearchStrategy[str | None]] = {
    "forename": st.sampled_from(["ANN", "BOB", "ỌLÁ", None]),
    "surname": st.sampled_from(["LEE", "RHYS-JONES", None]),
    "dob": st.sampled_from(["1990-01-01", "1991-02-02", None]),
    "postcode": st.sampled_from(["TS1 1AA", "TS2 2BB", None]),
}
PEOPLE = st.lists(st.fixed_dictionaries(dict(CELLS)), min_size=1, max_size=30)
SOURCES = st.lists(st.integers(0, 12), min_size=30, max_size=30)


def cleaned_with(rows: Sequence[dict[str, str | None]], source: Sequence[int]) -> Cleaned:
    whole = cleaned_of(SCHEMA, rows)
    order = np.argsort(np.asarray(source[: len(rows)]), kind="stable")
    return Cleaned(whole.rows, np.asarray(source[: len(rows)], dtype=np.int64), whole.fields, {}).take(order)


@given(PEOPLE, SOURCES, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_rows_changes_no_decoy(rows: Any, source: list[int], random: Any) -> None:
    cleaned = cleaned_with(rows, source)
    other = list(range(cleaned.rows))
    random.shuffle(other)
    assert bag(shown_of(cleaned)) == bag(shown_of(cleaned.take(np.asarray(other, dtype=np.int64))))


@given(PEOPLE, SOURCES)
@settings(max_examples=60)
def test_two_deliveries_of_one_extract_are_the_same_but_for_ids_and_order(
    rows: Any, source: list[int]
) -> None:
    """Laid side by side they do not show which tokens are decoys."""
    cleaned = cleaned_with(rows, source)
    first, second = (extract.encode(cleaned, SCHEMA, ring()).encodings for _ in range(2))
    assert bag(first) == bag(second)
    assert not set(map(bytes, first.records)) & set(map(bytes, second.records))


@given(PEOPLE, SOURCES, st.integers(1, 7))
@settings(max_examples=30)
def test_a_file_in_chunks_holds_what_memory_holds(
    tmp_path_factory: pytest.TempPathFactory, rows: Any, source: list[int], chunk: int
) -> None:
    cleaned = cleaned_with(rows, source)
    path = tmp_path_factory.mktemp("decoys") / "encodings"
    extract.encode_to(path, cleaned, SCHEMA, ring(), chunk_rows=chunk)
    assert bag(encoding_files.load(path, SCHEMA.layout)) == bag(
        extract.encode(cleaned, SCHEMA, ring()).encodings
    )
    assert [p.name for p in path.parent.iterdir()] == ["encodings"]


@given(PEOPLE, SOURCES)
@settings(max_examples=60)
def test_the_second_implementation_places_the_same_decoys(rows: Any, source: list[int]) -> None:
    cleaned = cleaned_with(rows, source)
    names = dict(cleaned.fields)
    records = [
        {f: None if c.codes[row] < 0 else c.values[c.codes[row]] for f, c in names.items()}
        for row in range(cleaned.rows)
    ]
    secret = bytes(range(32))
    plain = [encode_record(SCHEMA.canonical, secret, "test", one) for one in records]
    expected = reference.with_decoys(
        plain, cleaned.source.tolist(), SCHEMA.canonical, secret, "test", "council"
    )
    found = rows_of(shown_of(cleaned))
    # Records that are equal in everything may have each other's decoys.
    assert sorted(
        repr({n: None if t is None else (t, f) for n, (t, f) in row.items()}) for row in expected
    ) == (sorted(repr(row) for row in found))


def test_a_record_that_did_not_change_keeps_its_decoys_when_strangers_come() -> None:
    pair = [person("ANN"), person("BOB")]
    before = {repr(row) for row in rows_of(shown_of(cleaned_of(SCHEMA, pair)))}
    grown = pair + [person("CEN", surname=f"RHYS{n}", postcode=f"TS{n} 2BB") for n in range(2, 9)]
    after = {repr(row) for row in rows_of(shown_of(cleaned_of(SCHEMA, grown)))}
    assert before <= after


def test_a_token_may_change_hands_when_somebody_comes_who_shares_it() -> None:
    """The limit that encoding-v1 §10.8 states: under one key, deliveries of a changed extract show more."""
    first = SCHEMA.passes[0].name

    def token_of_ann(others: int) -> bytes:
        people = [person("ANN"), *(person(f"B{n}", postcode="TS2 2BB") for n in range(others))]
        shown = rows_of(shown_of(cleaned_of(SCHEMA, people)))[0][first]
        assert shown is not None
        return shown[0]

    assert len({token_of_ann(others) for others in range(12)}) == 2


def test_two_parties_have_different_decoys_for_equal_records() -> None:
    """Equal decoys would read as a value that two extracts have in common."""
    pair = [person("ANN"), person("BOB")]
    ours, theirs = (
        shown_of(cleaned_of(SCHEMA, pair), keys=ring(party=party)) for party in ("council", "schools")
    )
    real = encode_chunk(cleaned_of(SCHEMA, pair), SCHEMA, ring())
    for name, columns in ours.passes.items():
        fresh = (columns.tokens != real[name].tokens).any(axis=1)
        for row in np.flatnonzero(fresh):
            assert not (theirs.passes[name].tokens == columns.tokens[row]).all(axis=1).any()


def test_no_generator_has_a_part_in_decoys(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("drawn by chance")

    monkeypatch.setattr("secrets.token_bytes", refuse)
    monkeypatch.setattr("os.urandom", refuse)
    shown_of(cleaned_of(SCHEMA, [person("ANN"), person("BOB"), person("CEN", dob=None)]))


# ---------------------------------------------------------------- what is seen


@given(PEOPLE, SOURCES)
@settings(max_examples=60)
def test_an_extract_with_decoys_shows_nothing_of_itself(rows: Any, source: list[int]) -> None:
    cleaned = cleaned_with(rows, source)
    plain = encode_chunk(cleaned, SCHEMA, ring())
    shown = shown_of(cleaned)
    assert [p.place for p in decoys.problems(shown)] in ([], [""])  # "" where there are too few to hide among
    for name, columns in shown.passes.items():
        assert (columns.present >= plain[name].present).all()
        tokens = columns.tokens[columns.present]
        assert len(np.unique(tokens, axis=0)) == len(tokens)
        real = plain[name].tokens[plain[name].present]
        kept = (columns.tokens == plain[name].tokens).all(axis=1) & plain[name].present
        np.testing.assert_array_equal(np.unique(columns.tokens[kept], axis=0), np.unique(real, axis=0))


@given(st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=3), max_size=25), st.integers(1, 6))
def test_no_record_is_known_by_what_it_lacks(records: list[list[int]], least: int) -> None:
    record = np.repeat(np.arange(len(records)), [len(one) for one in records])
    held = np.asarray([bits for one in records for bits in one], dtype=np.uint64)
    found = alike.shown(record, held, least)
    assert (found & held == held).all()
    whole = np.bitwise_or.reduce(held, initial=np.uint64(0))
    assert (found | whole == whole).all()
    seen: dict[tuple[int, ...], int] = {}
    for number in range(len(records)):
        key = tuple(sorted(found[record == number].tolist()))
        seen[key] = seen.get(key, 0) + 1
    for key, size in seen.items():
        of_as_many_rows = sum(len(one) == len(key) for one in records)
        assert size >= least or size == of_as_many_rows


def test_a_missing_value_that_many_lack_stays_missing() -> None:
    """Ten without a number, ten with one, and one who lacks something else: she alone is filled up."""
    held = np.asarray([0b011] * 10 + [0b111] * 10 + [0b001], dtype=np.uint64)
    found = alike.shown(np.arange(21), held)
    assert found.tolist() == [0b011] * 10 + [0b111] * 10 + [0b011]


def person(forename: str, **changes: str | None) -> dict[str, str | None]:
    return {"forename": forename, "surname": "LEE", "dob": "1990-01-01", "postcode": "TS1 1AA"} | changes


def test_rows_that_lose_nothing_keep_token_and_filter_to_the_bit() -> None:
    people = [person("ANN", surname=f"LEE{n}") for n in range(10)] + [person("BOB", surname="LEE0")]
    plain = encode_chunk(cleaned_of(SCHEMA, people), SCHEMA, ring())
    for name, columns in shown_of(cleaned_of(SCHEMA, people)).passes.items():
        rows = (columns.tokens == plain[name].tokens).all(axis=1)
        assert 1 <= rows.sum() < 11
        if columns.filters is not None:
            np.testing.assert_array_equal(columns.filters[rows], plain[name].filters[rows])  # type: ignore[index]
            assert (columns.filters[~rows] != plain[name].filters[~rows]).any(axis=1).all()  # type: ignore[index]


def test_fill_does_not_tell_a_decoy_from_a_filter() -> None:
    """A decoy's segment has as many positions drawn as a real one, so about as many bits set."""
    schema = schema_of([(["surname"], ["forename"])], floor=FLOOR)
    people: list[dict[str, str | None]] = [
        {"forename": f"NAME{n}", "surname": f"S{n // 2}"} for n in range(400)
    ]
    plain = next(iter(encode_chunk(cleaned_of(schema, people), schema, ring(schema)).values()))
    (shown,) = shown_of(cleaned_of(schema, people), schema).passes.values()
    decoy = (shown.tokens != plain.tokens).any(axis=1)
    assert decoy.sum() == 200
    fill = np.bitwise_count(shown.filters).sum(axis=1)  # type: ignore[arg-type]
    spread = fill.std() / np.sqrt(100)
    assert abs(fill[decoy].mean() - fill[~decoy].mean()) < 4 * spread
    assert 0.5 < fill[decoy].std() / fill[~decoy].std() < 2


def test_an_empty_segment_is_filled_because_emptiness_shows_a_missing_value() -> None:
    schema = schema_of([(["surname"], ["forename", "postcode"])], floor=FLOOR)
    people: list[dict[str, str | None]] = [{"forename": None, "surname": "A", "postcode": "TS1 1AA"}]
    (columns,) = encode_chunk(cleaned_of(schema, people), schema, ring(schema)).values()
    (shown,) = shown_of(cleaned_of(schema, people), schema).passes.values()
    width = schema.fields["forename"].bits // 8
    assert not columns.filters[0, :width].any()  # type: ignore[index]
    assert shown.filters[0, :width].any()  # type: ignore[index]
    np.testing.assert_array_equal(shown.filters[0, width:], columns.filters[0, width:])  # type: ignore[index]


def test_a_pass_that_nobody_takes_part_in_stays_empty() -> None:
    people = [person("ANN", dob=None), person("BOB", dob=None)]
    first, second = shown_of(cleaned_of(SCHEMA, people)).passes.values()
    assert not first.present.any()
    assert second.present.all()


@given(st.lists(st.integers(1, 5), max_size=40), st.integers(1, 12))
@settings(max_examples=60)
def test_every_number_of_versions_is_shared_by_enough_records(counts: list[int], least: int) -> None:
    source = np.repeat(np.arange(len(counts)), counts)
    kept = alike.kept_versions(source, least)
    left = np.bincount(source[kept], minlength=len(counts))
    assert (left >= 1).all()
    assert (left <= counts).all()
    sizes = np.bincount(left, minlength=2)
    assert all(size == 0 or size >= least for size in sizes[2:])
    # The first rows of a record stay, whatever goes.
    for record, number in enumerate(left.tolist()):
        begin = int(np.flatnonzero(source == record)[0])
        assert set(range(begin, begin + number)) <= set(kept.tolist())


# ---------------------------------------------------------------- vectors


def of_case(case: str) -> list[str]:
    return [name for name, vector in VECTORS.items() if vector["case"] == case]


@pytest.mark.parametrize("name", of_case("decoys"))
def test_vectors_of_what_is_seen(name: str) -> None:
    vector = VECTORS[name]
    if "versions" in vector:
        kept = alike.kept_versions(np.asarray(vector["versions"]), vector["least"])
        assert kept.tolist() == vector["kept"]
        return
    names = {f"{n:032x}": n for n in range(256)}
    columns = {
        name: [None if t is None else names[t] for t in tokens] for name, tokens in vector["passes"].items()
    }
    found = decoys.problems(encodings_of(columns))
    assert [p.place for p in found] == vector.get("problems", [])
    assert bool(found) == (vector["expect"] == "failure")


@pytest.mark.parametrize("name", of_case("draws"))
def test_any_two_sites_place_the_same_decoys(name: str) -> None:
    vector = VECTORS[name]
    canonical = vector["schema"]
    schema = parse_schema(
        {
            "format": canonical["format"],
            "name": canonical["name"],
            "fields": {
                field: {"kind": canonical["fields"][field]["kind"], "columns": [field]}
                for field in canonical["field_order"]
            },
            "filters": {
                field: {"bits": one["bits"], "budget": one["budget"]}
                for field, one in canonical["fields"].items()
                if one["bits"]
            },
            "passes": canonical["passes"],
            "floor": {"decoys": True},
        }
    )
    secret = partial(derive, bytes.fromhex(vector["linkage_key_hex"]))
    keys = KeyRing.derived(secret, schema, vector["project"], vector["party"])
    whole = cleaned_of(schema, vector["records"])
    cleaned = Cleaned(whole.rows, np.asarray(vector["record_of_row"]), whole.fields, {})
    found = [
        {name: None if one is None else [one[0].hex(), one[1] and one[1].hex()] for name, one in row.items()}
        for row in rows_of(shown_of(cleaned, schema, keys))
    ]
    assert found == vector["rows"]


def test_the_vectors_of_draws_are_those_of_the_second_implementation() -> None:
    made = json.loads(json.dumps(reference.vectors()))
    assert made == {name: VECTORS[name] for name in of_case("draws")}
