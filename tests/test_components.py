"""The catalogue of components agrees with what the encoder derives."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pseudolink import components
from pseudolink.encode.derive import derive

YEARS = st.sampled_from(["1900", "1957", "2000", "2001"])
MONTHS = st.sampled_from(["01", "02", "04", "12"])
DAYS = st.sampled_from(["01", "02", "04", "12", "29", "31"])
VALUES = {
    "forename": st.text("ABEHLMSTWZ", min_size=1, max_size=4),
    "surname": st.text("ABEHLMSTWZ-", min_size=1, max_size=4).filter(lambda s: s.strip("-") != ""),
    "date": st.tuples(YEARS, MONTHS, DAYS).map("-".join),
    "postcode": st.sampled_from(
        ["DH1 3AB", "DH1 3AD", "DH1 4AB", "DH2 3AB", "DL1 3AB", "D1 3AB", "EC1A 1BB", "BFPO 57", "BFPO 5"]
    ),
    "sex": st.sampled_from(["M", "F"]),
    "nino": st.sampled_from(["QQ123456A", "QQ123456B", "QQ123457A"]),
    "upn": st.sampled_from(["B801200005001", "R840200099001"]),
    "text": st.text("AB ", min_size=1, max_size=3),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_every_agreement_of_two_values_is_a_state(kind: str, data: st.DataObject) -> None:
    """linkage-schema-v1 §3.4: no agreement falls outside the states, which scoring relies on."""
    known = components.DERIVATIONS[kind]
    whole = "stem" if kind == "nino" else components.WHOLE
    chosen = data.draw(st.lists(st.sampled_from(known), unique=True))
    left = data.draw(VALUES[kind])
    right = data.draw(st.one_of(st.just(left), VALUES[kind]))
    used = dict.fromkeys([whole, *chosen])
    a = {d: derive(kind, d, left) for d in used}
    b = {d: derive(kind, d, right) for d in used}
    assume(None not in a.values() and None not in b.values())
    agreed = frozenset(d for d in used if a[d] == b[d])
    assert agreed in components.agreement_states(kind, chosen)


@pytest.mark.parametrize("kind", components.DERIVATIONS)
def test_full_agreement_comes_first_and_none_last(kind: str) -> None:
    known = [d for d in components.DERIVATIONS[kind] if d != components.WHOLE]
    states = components.agreement_states(kind, known)
    whole = () if kind == "nino" else (components.WHOLE,)
    assert states[0] == frozenset([*whole, *known])
    assert states[-1] == frozenset()
    assert len(set(states)) == len(states)


def test_a_postcode_with_its_district_has_three_states() -> None:
    assert components.agreement_states("postcode", ["district"]) == [
        frozenset({"", "district"}),
        frozenset({"district"}),
        frozenset(),
    ]


def test_the_same_three_letters_begin_alike() -> None:
    states = components.agreement_states("surname", ["first3", "initial"])
    assert frozenset({"first3"}) not in states
    assert frozenset({"initial"}) in states


def test_the_whole_counts_even_when_no_pass_names_it() -> None:
    assert components.agreement_states("date", ["year"])[0] == frozenset({"", "year"})


@pytest.mark.parametrize(
    ("component", "parts"), [("dob", ("dob", "")), ("dob.year", ("dob", "year")), ("a_b.c_d", ("a_b", "c_d"))]
)
def test_a_component_is_taken_apart_and_joined(component: str, parts: tuple[str, str]) -> None:
    assert components.split(component) == parts
    assert components.join(*parts) == component


def test_a_number_is_never_similar() -> None:
    assert {"nino", "upn", "nhs", "uln", "sex"}.isdisjoint(components.COMPARABLE)
    assert set(components.DERIVATIONS) >= components.COMPARABLE
