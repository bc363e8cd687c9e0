"""planning-v1 section 2: erring copies of an extract's own people."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from reference_linkage import cleaned_of, schema_of

from pseudolink.errors import SchemaError
from pseudolink.synthetic.copies import ErrorRates, erring_copies

SCHEMA = schema_of([["forename", "dob"]])
KINDS = {name: field.kind for name, field in SCHEMA.fields.items()}
NONE = {one.name: 0.0 for one in fields(ErrorRates)}
ROWS = [
    {
        "forename": ("ELIZABETH", "WILLIAM", "ZOE", "OLUWASEUN", "NIA")[n % 5],
        "surname": ("SMITH", "JONES-WILLIAMS", "ADEYEMI", "PRICE")[n % 4] + "ABCDEFG"[n % 7],
        "dob": f"19{50 + n % 40}-{1 + n % 12:02d}-{1 + n % 28:02d}",
        "postcode": f"TS{1 + n % 29} {n % 10}AB",
        "sex": "FM"[n % 2],
        "nino": f"AB{100000 + n}A",
        "street": f"{n} HIGH STREET",
    }
    for n in range(4000)
]
CLEANED = cleaned_of(SCHEMA, ROWS)


def values(cleaned, name):
    column = cleaned.fields[name]
    held = np.asarray([*column.values, None], dtype=object)
    return held[column.codes]


def changed(name, copies=1, **rates):
    """Share of the copies whose field differs from the original's, both being there."""
    found = erring_copies(CLEANED, KINDS, ErrorRates.of({**NONE, **rates}), copies=copies, seed=3)
    cells = values(found, name)
    before, after = np.tile(cells[:4000], copies), cells[4000:]
    both = np.asarray([a is not None and b is not None for a, b in zip(before, after, strict=True)])
    return float((before[both] != after[both]).mean())


def test_copies_without_mistakes_are_the_originals():
    found = erring_copies(CLEANED, KINDS, ErrorRates.of(NONE), copies=2, seed=1)
    assert found.rows == 3 * CLEANED.rows
    for name in SCHEMA.fields:
        cells = values(found, name)
        assert (cells[4000:] == np.tile(cells[:4000], 2)).all()


@pytest.mark.parametrize(
    ("rate", "name"),
    [
        ("typing", "surname"),
        ("sound", "surname"),
        ("initial", "forename"),
        ("day", "dob"),
        ("month", "dob"),
        ("year", "dob"),
        ("postcode", "postcode"),
        ("moved", "postcode"),
        ("number", "nino"),
        ("text", "street"),
    ],
)
@pytest.mark.parametrize("careless", [0.0, 0.2])
def test_a_rate_is_the_share_of_copies_that_err(rate, name, careless):
    """Within a fifth of it and sampling error, some mistakes leaving a value as it was by chance."""
    assert changed(name, copies=2, **{rate: 0.2}, careless=careless) == pytest.approx(0.2, abs=0.04)


def test_mistakes_come_together_in_careless_copies():
    """Two fields err together more often than chance would have it."""
    rates = ErrorRates.of({**NONE, "typing": 0.1, "postcode": 0.1, "careless": 0.2})
    found = erring_copies(CLEANED, KINDS, rates, copies=4, seed=1)
    wrong = {
        name: values(found, name)[4000:] != np.tile(values(found, name)[:4000], 4)
        for name in ("surname", "postcode")
    }
    together = (wrong["surname"] & wrong["postcode"]).mean()
    assert together > 1.5 * wrong["surname"].mean() * wrong["postcode"].mean()


def test_names_are_exchanged_together():
    found = erring_copies(CLEANED, KINDS, ErrorRates.of({**NONE, "swapped": 0.3}), copies=1, seed=1)
    first, last = values(found, "forename"), values(found, "surname")
    swapped = first[:4000] != first[4000:]
    assert swapped.mean() == pytest.approx(0.3, abs=0.03)
    assert (first[4000:][swapped] == last[:4000][swapped]).all()
    assert (last[4000:][swapped] == first[:4000][swapped]).all()


def test_missing_is_at_least_the_rate_and_at_least_the_extracts_own_share():
    gaps = cleaned_of(SCHEMA, [{**row, "postcode": None} if n % 2 else row for n, row in enumerate(ROWS)])
    found = erring_copies(gaps, KINDS, ErrorRates.of({**NONE, "missing": 0.1}), copies=1, seed=1)
    lost = {name: float((found.fields[name].codes[4000:] < 0).mean()) for name in ("surname", "postcode")}
    assert lost["surname"] == pytest.approx(0.1, abs=0.02)
    assert lost["postcode"] == pytest.approx(0.75, abs=0.03)


def test_a_seed_makes_the_same_copies_and_another_seed_others():
    one, again, other = (erring_copies(CLEANED, KINDS, ErrorRates(), copies=1, seed=s) for s in (5, 5, 6))
    for name in SCHEMA.fields:
        assert one.fields[name].values == again.fields[name].values
        assert (one.fields[name].codes == again.fields[name].codes).all()
    assert (values(one, "surname") != values(other, "surname")).any()


def test_a_field_that_nobody_has_stays_missing():
    found = erring_copies(CLEANED, KINDS, ErrorRates(), copies=1, seed=1)
    assert (found.fields["upn"].codes == -1).all()


def test_partial_dates_keep_what_is_known():
    partial = cleaned_of(SCHEMA, [{"dob": "1957-XX-01"}, {"dob": "XXXX-12-01"}] * 200)
    found = erring_copies(partial, KINDS, ErrorRates.of({**NONE, "day": 0.9, "year": 0.9}), copies=1, seed=1)
    for before, after in zip(values(found, "dob")[:400], values(found, "dob")[400:], strict=True):
        assert [p if "X" in p else "" for p in before.split("-")] == [
            p if "X" in p else "" for p in after.split("-")
        ]


def test_unknown_rates_are_all_named():
    with pytest.raises(SchemaError) as caught:
        ErrorRates.of({"typos": 0.1, "typing": 0.1, "speling": 0.2})
    assert [p.place for p in caught.value.problems] == ["errors.typos", "errors.speling"]


def test_mistakes_can_be_half_or_twice_as_frequent_and_never_certain():
    rates = ErrorRates.of({"typing": 0.2, "moved": 0.7, "careless": 0.3})
    assert rates.times(0.5).typing == pytest.approx(0.1)
    assert rates.times(2).typing == pytest.approx(0.4)
    assert rates.times(2).moved == 1.0
    assert rates.times(2).careless == 0.3
