"""encoding-v1 section 2: compiled derivations are those of ``derive``."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_linkage import FIELDS, cleaned_of, schema_of

from pseudolink.components import DERIVATIONS, NAMES, SORTED, join
from pseudolink.encode.derive import derive, derive_names
from pseudolink.encode.parts import Component, Components

NAMES_OF_PEOPLE = st.one_of(
    st.text(st.sampled_from("ABCEHJMSTWXYZ -"), min_size=1, max_size=9),
    st.sampled_from(
        ["ASHCRAFT", "PFISTER", "TYMCZAK", "LEE", "ØRSTED", "李", "ANN MARIE", "SMITH-JONES", "-"]
    ),
    st.text(min_size=1, max_size=5),
)
VALUES = {
    "forename": NAMES_OF_PEOPLE,
    "surname": NAMES_OF_PEOPLE,
    "dob": st.one_of(
        st.dates().map(lambda d: d.isoformat()),
        st.tuples(
            st.sampled_from(["XXXX", "1900", "2000", "2023", "2024"]),
            st.sampled_from(["XX", "01", "02", "04", "12"]),
            st.sampled_from(["XX", "01", "12", "28", "29", "30", "31"]),
        ).map("-".join),
    ),
    "postcode": st.sampled_from(["DH1 3AB", "EC1A 1BB", "M1 1AE", "BFPO 57", "BFPO 1234", "GIR 0AA"]),
    "nino": st.sampled_from(["AB123456C", "AB123456", "CE000001A"]),
    "upn": st.sampled_from(["B801200005001", "Q84020009901A"]),
    "street": st.text(max_size=9).filter(lambda s: s.isprintable()),
}  # fmt: skip


def of_row(part: Component, row: int) -> str | None:
    code = part.codes[row]
    if code < 0:
        return None
    raw = part.data[part.start[code] : part.start[code + 1]].tobytes()
    (length,) = struct.unpack(">I", raw[:4])
    assert length == len(raw) - 4
    return raw[4:].decode()


@pytest.mark.parametrize("field", sorted(VALUES))
@given(st.data())
@settings(max_examples=60)
def test_compiled_derivations_are_those_of_the_rules(field, data):
    cells = data.draw(st.lists(st.none() | VALUES[field], min_size=1, max_size=8))
    cells = [None if c is not None and any(0xD800 <= ord(x) < 0xE000 for x in c) else c for c in cells]
    kind = str(FIELDS[field]["kind"])
    names = [join(field, derivation) for derivation in DERIVATIONS[kind]]
    schema = schema_of([[name] for name in names])
    parts = Components(cleaned_of(schema, [{field: cell} for cell in cells]), schema)
    for derivation, name in zip(DERIVATIONS[kind], names, strict=True):
        expected = [None if cell is None else derive(kind, derivation, cell) for cell in cells]
        for part in (parts.bare(name), parts[name]):
            assert [of_row(part, row) for row in range(len(cells))] == expected
        # Of the numbered one, codes are equal exactly where values are.
        codes = parts[name].codes.tolist()
        assert {(a == b) for a, b in zip(codes, expected, strict=True) if a == -1} <= {False}
        assert len(set(codes) - {-1}) == len(set(expected) - {None})


@given(st.lists(st.tuples(st.none() | NAMES_OF_PEOPLE, st.none() | NAMES_OF_PEOPLE), min_size=1, max_size=8))
@settings(max_examples=60)
def test_sorted_names_are_those_of_the_rules(rows):
    schema = schema_of([[join(NAMES, derivation)] for derivation in SORTED])
    parts = Components(cleaned_of(schema, [{"forename": f, "surname": s} for f, s in rows]), schema)
    for derivation in SORTED:
        found = parts.bare(join(NAMES, derivation))
        expected = [None if None in (f, s) else derive_names(derivation, f, s) for f, s in rows]
        assert [of_row(found, row) for row in range(len(rows))] == expected


def test_rows_without_a_value_have_no_component():
    schema = schema_of([["surname.soundex", "names.sorted"]])
    parts = Components(cleaned_of(schema, [{}, {}]), schema)
    assert parts["surname.soundex"].codes.tolist() == parts["names.sorted"].codes.tolist() == [-1, -1]
    assert np.array_equal(parts["surname.soundex"].start, [0])
