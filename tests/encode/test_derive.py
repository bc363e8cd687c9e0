"""encoding-v1 section 2: derivations, by vectors and against the reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import reference_encoding as reference
from hypothesis import example, given
from hypothesis import strategies as st

from pseudolink.components import DERIVATIONS, SORTED
from pseudolink.encode.derive import derive, derive_names

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem} for p in reference.VECTORS.glob("*.json")
]
DERIVE = [v for v in VECTORS if v["case"] == "derive"]
NAMES = [v for v in VECTORS if v["case"] == "names"]

LATIN = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=9)
# Letters that the rules of Metaphone look at together.
DENSE = st.text("PHXIOAGNEYMBCKTSWRD", min_size=1, max_size=8)
ANY = st.text(
    st.characters(categories=("Lu", "Lo", "Zs", "Pd"), include_characters="'-"), min_size=1, max_size=8
)
NAME = st.one_of(LATIN, DENSE, ANY)
DATE = st.builds(
    lambda y, m, d: f"{y}-{m}-{d}",
    st.one_of(st.just("XXXX"), st.integers(1800, 2100).map(str)),
    st.one_of(st.just("XX"), st.integers(1, 12).map("{:02}".format)),
    st.one_of(st.just("XX"), st.integers(1, 31).map("{:02}".format)),
)
POSTCODE = st.one_of(
    st.from_regex(r"\A[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}\Z"), st.from_regex(r"\ABFPO [0-9]{1,4}\Z")
)


def test_there_are_vectors() -> None:
    assert len(DERIVE) > 30
    assert len(NAMES) == 2 * len(SORTED)


@pytest.mark.parametrize("vector", DERIVE, ids=lambda v: v["id"])
def test_any_two_sites_derive_the_same_component(vector: dict[str, str]) -> None:
    assert vector["component"] == derive(vector["kind"], vector["derivation"], vector["value"])


@pytest.mark.parametrize("vector", NAMES, ids=lambda v: v["id"])
def test_swapped_names_agree(vector: dict[str, str]) -> None:
    assert vector["component"] == derive_names(vector["derivation"], vector["forename"], vector["surname"])


@pytest.mark.parametrize("derivation", DERIVATIONS["surname"])
@given(name=NAME)
@example(name="-")
@example(name="ß")
@example(name="MB")
def test_names_are_derived_as_the_reference_does(derivation: str, name: str) -> None:
    assert reference.component("surname", derivation, name) == derive("surname", derivation, name)


@pytest.mark.parametrize("derivation", DERIVATIONS["date"])
@given(value=DATE)
def test_dates_are_derived_as_the_reference_does(derivation: str, value: str) -> None:
    assert reference.component("date", derivation, value) == derive("date", derivation, value)


@pytest.mark.parametrize("derivation", DERIVATIONS["postcode"])
@given(value=POSTCODE)
def test_postcodes_are_derived_as_the_reference_does(derivation: str, value: str) -> None:
    assert reference.component("postcode", derivation, value) == derive("postcode", derivation, value)


@pytest.mark.parametrize("derivation", SORTED)
@given(forename=NAME, surname=NAME)
def test_names_together_do_not_depend_on_their_order(derivation: str, forename: str, surname: str) -> None:
    expected = reference.names_component(derivation, forename, surname)
    assert expected == derive_names(derivation, forename, surname)
    assert expected == derive_names(derivation, surname, forename)


@given(NAME)
def test_a_name_always_has_a_code(name: str) -> None:
    """A name without a code would take no part in a pass, and only some people's would have none."""
    assert all(derive("surname", d, name) for d in DERIVATIONS["surname"])


def test_names_of_other_scripts_share_no_code_by_accident() -> None:
    assert derive("surname", "soundex", "Петрова") != derive("surname", "soundex", "Иванова")


def test_an_unknown_derivation_is_an_error() -> None:
    with pytest.raises(KeyError):
        derive("date", "decade", "1990-04-11")


def test_the_vectors_are_those_of_the_reference() -> None:
    """No vector was edited by hand, none is left over, and the reference still makes them."""
    made = {name: reference.as_text(vector) for name, vector in reference.vectors().items()}
    there = {path.stem: path.read_text(encoding="utf-8") for path in Path(reference.VECTORS).glob("*.json")}
    assert made == there
