"""encoding-v1 sections 3 to 5: tokens and filters, from derived keys alone."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import reference_encoding as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_linkage import cleaned_of, schema_of

from pseudolink.encode.tokens import Encoder, KeyRing, encode_chunk
from pseudolink.formats.encodings import PassColumns
from pseudolink.keys.linkage import LinkageKey
from pseudolink.schema import LinkageSchema

SECRET = bytes(range(32))
KEY = LinkageKey(SECRET)
SCHEMA = schema_of(
    [
        (["surname", "dob"], ["forename", "postcode"]),
        (["forename.initial", "dob.year", "postcode"], ["surname"]),
        (["names.sorted", "dob.month_day"], []),
        (["forename", "surname"], []),
        (["nino.stem"], ["dob"]),
    ]
)
Row = dict[str, str | None]

ROWS: list[Row] = [
    {"forename": "ANN", "surname": "BELL", "dob": "1990-04-11", "postcode": "DH1 3AB", "nino": "QQ123456A"},
    {"forename": "BELL", "surname": "ANN", "dob": "1990-04-11", "postcode": "DH1 3AB", "nino": "QQ123456B"},
    {"forename": "ANN", "surname": None, "dob": "1990-04-XX", "postcode": None, "nino": None},
    {"forename": "SIÂN", "surname": "LLŶR", "dob": None, "postcode": "TS18 7WX", "nino": None},
    {"forename": None, "surname": None, "dob": None, "postcode": None, "nino": None},
    {"forename": "ANN", "surname": "BELL", "dob": "1990-04-11", "postcode": "DH1 3AB", "nino": "QQ123456A"},
]

NAME = st.one_of(
    st.none(), st.text("ABEILNSŶÂ -", min_size=1, max_size=6).map(str.strip).map(lambda s: s or None)
)
RECORD = st.fixed_dictionaries(
    {
        "forename": NAME,
        "surname": NAME,
        "dob": st.sampled_from([None, "1990-04-11", "1990-XX-11", "XXXX-04-11", "2001-12-31"]),
        "postcode": st.sampled_from([None, "DH1 3AB", "TS18 7WX", "DH1 3AC"]),
        "nino": st.sampled_from([None, "QQ123456A", "QQ123456B", "QQ123457A"]),
    }
)


def ring(schema: LinkageSchema = SCHEMA, key: LinkageKey = KEY, project: str = "test") -> KeyRing:
    return KeyRing.derived(key.derive, schema, project)


def encoded(rows: list[Row], schema: LinkageSchema = SCHEMA, **more: Any) -> dict[str, PassColumns]:
    return encode_chunk(cleaned_of(schema, rows), schema, ring(schema, **more))


def same(left: PassColumns, right: PassColumns) -> bool:
    equal = np.array_equal(left.tokens, right.tokens) and np.array_equal(left.present, right.present)
    if left.filters is None or right.filters is None:
        return equal and left.filters is right.filters
    return equal and np.array_equal(left.filters, right.filters)


# ---------------------------------------------------------------- against a second implementation


def by_reference(schema: LinkageSchema, row: Row) -> dict[str, tuple[bytes | None, bytes | None]]:
    whole = {name: row.get(name) for name in schema.fields}
    found: dict[str, tuple[bytes | None, bytes | None]] = reference.encode_record(
        schema.canonical, SECRET, "test", whole
    )
    return found


@given(st.lists(RECORD, min_size=1, max_size=4))
@settings(max_examples=40)
def test_any_two_implementations_encode_alike(rows: list[Row]) -> None:
    found = encoded(rows)
    for number, row in enumerate(rows):
        for name, (token, bits) in by_reference(SCHEMA, row).items():
            columns = found[name]
            assert columns.present[number] == (token is not None)
            assert columns.tokens[number].astype("<u8").tobytes() == (token or bytes(16))
            if columns.filters is not None:
                width = columns.filters.shape[1]
                assert columns.filters[number].tobytes() == (bits or bytes(width))


# ---------------------------------------------------------------- what a row's result depends on


@given(st.lists(RECORD, min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_a_row_is_encoded_alike_whatever_its_neighbours(rows: list[Row], random: Any) -> None:
    """Alone, in another order, or in a chunk with others."""
    cleaned = cleaned_of(SCHEMA, rows)
    encoder = Encoder(SCHEMA, ring())
    whole = encoder.encode(encoder.components(cleaned))
    order = list(range(len(rows)))
    random.shuffle(order)
    some = np.asarray(order[: random.randint(1, len(order))], dtype=np.int64)
    part = encoder.encode(encoder.components(cleaned.take(some)))
    alone = encoded([rows[n] for n in some])
    for name, columns in whole.items():
        taken = PassColumns(
            columns.tokens[some],
            columns.present[some],
            None if columns.filters is None else columns.filters[some],
        )
        assert same(taken, part[name])
        assert same(taken, alone[name])


def test_equal_components_and_nothing_else_give_equal_tokens() -> None:
    tokens = {name: [bytes(t) for t in p.tokens] for name, p in encoded(ROWS).items()}
    assert tokens["p0"][0] == tokens["p0"][5] != tokens["p0"][1]
    assert tokens["p1"][0] == tokens["p1"][5] != tokens["p1"][1]
    assert tokens["p2"][0] == tokens["p2"][1] == tokens["p2"][5], "the order of the two names does not count"
    assert tokens["p3"][0] != tokens["p3"][1], "here it does"
    assert tokens["p4"][0] == tokens["p4"][1], "the suffix of a NINO does not count"


def test_a_missing_component_gives_no_token_and_no_filter() -> None:
    found = encoded(ROWS)
    present = {name: p.present.tolist() for name, p in found.items()}
    assert present == {
        "p0": [True, True, False, False, False, True],
        "p1": [True, True, False, False, False, True],
        "p2": [True, True, False, False, False, True],
        "p3": [True, True, False, True, False, True],
        "p4": [True, True, False, False, False, True],
    }
    for columns in found.values():
        assert not columns.tokens[~columns.present].any()
        assert columns.tokens[columns.present].any(axis=1).all()
        if columns.filters is not None:
            assert not columns.filters[~columns.present].any()


def test_a_partial_date_takes_part_in_what_it_knows() -> None:
    rows: list[Row] = [
        {"forename": "ANN", "dob": dob, "postcode": "DH1 3AB"} for dob in ("1990-XX-XX", "1990-04-11")
    ]
    tokens = encoded(rows)["p1"].tokens
    assert bytes(tokens[0]) == bytes(tokens[1])


def test_no_value_imitates_the_boundary_between_two() -> None:
    """encoding-v1 3.2: without lengths, AN+NA and ANN+A would be one token."""
    schema = schema_of([["forename", "surname"]])
    rows: list[Row] = [
        {"forename": "AN", "surname": "NA"},
        {"forename": "ANN", "surname": "A"},
        {"forename": "A", "surname": "NNA"},
        {"forename": "AN\nN", "surname": "A"},
    ]
    assert len({bytes(t) for t in encoded(rows, schema)["p0"].tokens}) == len(rows)


def test_two_sorted_names_do_not_imitate_another_two() -> None:
    schema = schema_of([["names.sorted"]])
    rows: list[Row] = [{"forename": "A B", "surname": "C"}, {"forename": "A", "surname": "B C"}]
    assert len({bytes(t) for t in encoded(rows, schema)["p0"].tokens}) == 2


# ---------------------------------------------------------------- what only the keys tell


def test_passes_share_no_token_and_no_mapping() -> None:
    """Equal values in two passes look unrelated: nothing can be followed from pass to pass."""
    schema = schema_of([(["forename"], ["dob"]), (["surname"], ["dob"])])
    row: Row = {"forename": "LEE", "surname": "LEE", "dob": "1990-04-11"}
    found = encoded([row], schema)
    assert bytes(found["p0"].tokens[0]) != bytes(found["p1"].tokens[0])
    assert found["p0"].filters is not None
    assert found["p1"].filters is not None
    assert found["p0"].filters.tobytes() != found["p1"].filters.tobytes()


@pytest.mark.parametrize(
    "other", [{"key": LinkageKey(bytes(32))}, {"project": "another"}], ids=["key", "project"]
)
def test_another_key_or_project_shares_nothing(other: dict[str, Any]) -> None:
    first, again = encoded(ROWS), encoded(ROWS, **other)
    for name, columns in first.items():
        here = {bytes(t) for t in columns.tokens[columns.present]}
        assert not here & {bytes(t) for t in again[name].tokens[again[name].present]}


def test_another_schema_shares_nothing() -> None:
    """Even where the pass is the same: a token belongs to one schema."""
    other = schema_of(
        [(["surname", "dob"], ["forename", "postcode"])], floor={"company": 0.04, "component": 20}
    )
    assert SCHEMA.digest != other.digest
    assert bytes(encoded(ROWS)["p0"].tokens[0]) != bytes(encoded(ROWS, other)["p0"].tokens[0])


def test_filters_of_two_blocks_share_no_mapping() -> None:
    """Pattern attack: the same forename sets other bits in another block."""
    rows: list[Row] = [
        {"forename": "ANN", "surname": surname, "dob": "1990-04-11", "postcode": "DH1 3AB"}
        for surname in ("BELL", "BULL", "BILL", "BALL")
    ]
    filters = encoded(rows)["p0"].filters
    assert filters is not None
    assert len({f.tobytes() for f in filters}) == len(rows)


def test_the_same_name_in_one_block_is_the_same_filter_and_a_near_one_is_near() -> None:
    rows: list[Row] = [
        {"forename": name, "surname": "BELL", "dob": "1990-04-11", "postcode": "DH1 3AB"}
        for name in ("CATHERINE", "CATHERINE", "KATHERINE", "WOLFGANG")
    ]
    filters = encoded(rows)["p0"].filters
    assert filters is not None
    shared = [int(np.bitwise_count(filters[0] & other).sum()) for other in filters]
    assert shared[0] == shared[1] > shared[2] > shared[3]


# ---------------------------------------------------------------- keys do not leak


def secrets_of(keys: KeyRing) -> list[bytes]:
    return [keys.key(one, "token") for one in SCHEMA.passes]


@pytest.mark.parametrize("make", [ring, lambda: Encoder(SCHEMA, ring())])
def test_derived_keys_do_not_print_pickle_or_copy(make: Any) -> None:
    """A worker that pickles its arguments, or a log line, would carry every key of the linkage away."""
    one = make()
    shown = repr(one) + str(one) + f"{one}"
    for secret in secrets_of(ring()):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="does not pickle"):
            pickle.dumps(one, protocol)
    with pytest.raises(TypeError):
        copy.copy(one)
    with pytest.raises(TypeError):
        copy.deepcopy(one)
    with pytest.raises(TypeError):
        vars(one)


def test_every_derived_key_is_another() -> None:
    """One key, one purpose: nothing is used twice."""
    drawn: list[tuple[str, ...]] = []

    def derive(label: str, *context: str) -> bytes:
        drawn.append((label, *context))
        return KEY.derive(label, *context)

    KeyRing.derived(derive, SCHEMA, "test")
    assert len(set(drawn)) == len(drawn)
    assert len({KEY.derive(*one) for one in drawn}) == len(drawn)
    for _, *context in drawn:
        assert context[1:3] == ["test", SCHEMA.digest]


def test_rows_without_any_value_and_no_rows_are_encoded() -> None:
    nothing: list[Row] = [{}, {}]
    for columns in encoded(nothing).values():
        assert not columns.present.any()
        assert not columns.tokens.any()
    for columns in encoded([]).values():
        assert len(columns.tokens) == 0


def test_two_pupils_with_one_temporary_number_share_nothing_by_it_alone() -> None:
    """Two schools may give the same one; beside a date of birth it is evidence."""
    schema = schema_of([["upn"], ["upn", "dob"]])
    rows = [{"upn": "Q84020009901A", "dob": "2011-02-03"}, {"upn": "B801200005001", "dob": "2011-02-03"}, {}]
    ring = KeyRing.derived(LinkageKey(bytes(range(32))).derive, schema, "test")
    passes = encode_chunk(cleaned_of(schema, rows), schema, ring)
    assert passes["p0"].present.tolist() == [False, True, False]
    assert passes["p1"].present.tolist() == [True, True, False]
