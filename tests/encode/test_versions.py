"""cleaning-v1 section 15: records with several values for a field, from cleaning to links."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pseudolink
from pseudolink.clean.extract import clean_table
from pseudolink.clean.reader import read_extract
from pseudolink.clean.versions import MOST
from pseudolink.keys.linkage import LinkageKey
from pseudolink.match import compare
from pseudolink.schema import parse_schema

SCHEMA = parse_schema(
    {
        "format": "pseudolink/linkage-schema/1",
        "name": "versions",
        "fields": {
            "forename": {"kind": "forename", "columns": ["forename"], "also": ["known_as", "alias"]},
            "surname": {"kind": "surname", "columns": ["surname"]},
            "dob": {"kind": "date", "columns": ["dob"]},
            "postcode": {"kind": "postcode", "columns": ["postcode"], "also": ["earlier"]},
        },
        "passes": [
            {"name": "a", "on": ["forename", "surname", "dob"], "compare": ["postcode"]},
            {"name": "b", "on": ["surname", "postcode", "dob.year"]},
        ],
        "floor": {"company": 0.05, "component": 5},
    }
)
KEY = LinkageKey(bytes(32))


def frame(*rows: dict[str, str]) -> pd.DataFrame:
    base = {
        "forename": "",
        "known_as": "",
        "alias": "",
        "surname": "",
        "dob": "",
        "postcode": "",
        "earlier": "",
    }
    return pd.DataFrame([{**base, **row} for row in rows])


def crowd(count: int) -> list[dict[str, str]]:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return [
        {
            "forename": f"ANNE{letters[n % 26]}{letters[n // 26 % 26]}",
            "surname": f"BROWN{letters[n // 26 % 26]}{letters[n % 26]}",
            "dob": f"19{50 + n % 40}-0{1 + n % 9}-{10 + n % 18}",
            "postcode": f"TS{1 + n % 29} {n % 10}AA",
        }
        for n in range(count)
    ]


def cleaned(*rows: dict[str, str]):
    return clean_table(read_extract(frame(*rows)), SCHEMA)


def values(found, name):
    column = found.fields[name]
    return [None if code < 0 else column.values[code] for code in column.codes]


ZOE = {"forename": "Zoe", "surname": "Smith-Jones", "dob": "1990-05-17", "postcode": "DH1 1AA"}


def test_a_hyphenated_surname_contributes_the_whole_and_each_part():
    found = cleaned(ZOE)
    assert values(found, "surname") == ["SMITH-JONES", "SMITH", "JONES"]
    assert found.source.tolist() == [0, 0, 0]


def test_further_columns_are_further_versions_that_differ_in_one_field():
    found = cleaned({**ZOE, "surname": "Smith", "known_as": "Zo", "earlier": "DH1 2BB"})
    assert values(found, "forename") == ["ZOE", "ZO", "ZOE"]
    assert values(found, "postcode") == ["DH1 1AA", "DH1 1AA", "DH1 2BB"]


def test_a_missing_value_is_filled_from_the_first_further_one():
    found = cleaned({**ZOE, "surname": "Smith", "forename": "", "known_as": "Zo", "alias": "Zo"})
    assert values(found, "forename") == ["ZO"]


def test_a_further_value_that_is_no_other_makes_no_version():
    assert cleaned({**ZOE, "surname": "Smith", "known_as": "ZOE", "earlier": "dh1 1aa"}).rows == 1


def test_no_record_has_more_versions_than_the_limit():
    many = "-".join(f"PART{letter}" for letter in "ABCDEFGHIJKL")
    assert cleaned({**ZOE, "surname": many}).rows == MOST


def test_versions_of_a_record_share_its_id_and_are_no_company():
    found = pseudolink.encode(frame(ZOE, *crowd(60)), SCHEMA, KEY)
    assert found.encodings.rows == 63
    assert len({bytes(r) for r in found.encodings.records}) == 61
    assert found.company.records == 61
    assert found.company.company == 0


def test_company_counts_versions():
    """Another Smith, born and living as Zoe Smith-Jones, is company for her."""
    other = {**ZOE, "surname": "Jones"}
    found = pseudolink.encode(frame(ZOE, other, *crowd(60)), SCHEMA, KEY)
    assert found.company.company == 2
    assert found.company.largest_component == 2


def test_a_pair_is_found_by_any_version_and_is_one_pair_of_records():
    left = pseudolink.encode(frame(ZOE, *crowd(60)), SCHEMA, KEY).encodings
    right = pseudolink.encode(frame({**ZOE, "surname": "Jones"}, *crowd(60)), SCHEMA, KEY).encodings
    pairs = compare.candidates(left, right, SCHEMA)
    assert len(pairs) == 61
    assert len(set(pairs.left.tolist())) == len(set(pairs.right.tolist())) == 61
    # Each side of a pair is the first row of its record.
    first = compare.first_rows(left)
    assert first is not None
    assert (first[pairs.left] == pairs.left).all()


def test_versions_that_agree_best_speak_for_the_pair():
    both = {**ZOE, "known_as": "Zo"}
    left = pseudolink.encode(frame(both, *crowd(60)), SCHEMA, KEY).encodings
    right = pseudolink.encode(frame(both, *crowd(60)), SCHEMA, KEY).encodings
    pairs = compare.candidates(left, right, SCHEMA)
    assert len(pairs) == 61
    assert (np.bitwise_count(pairs.shared) == 2).all()


def test_records_with_versions_are_linked_once():
    def one(forename):
        return frame({**ZOE, "forename": forename, "known_as": "Zee"}, *crowd(80))

    encodings = {
        "a": pseudolink.encode(one("Zoe"), SCHEMA, KEY),
        "b": pseudolink.encode(one("Zoya"), SCHEMA, KEY),
    }
    links = pseudolink.link(encodings, SCHEMA)
    assert len(links) == 81
    assert links["left_record"].is_unique
    assert links["right_record"].is_unique


def test_chance_counts_a_record_once():
    alone = pseudolink.encode(frame({**ZOE, "surname": "Smith"}, *crowd(60)), SCHEMA, KEY)
    versions = pseudolink.encode(frame(ZOE, *crowd(60)), SCHEMA, KEY)
    assert versions.chance.fields["forename"].pairs == alone.chance.fields["forename"].pairs == 61 * 60 // 2


@pytest.mark.parametrize("field", ["sex", "parts"])
def test_what_has_no_further_values_is_refused(field):
    raw = (
        {"kind": "sex", "columns": ["sex"]} if field == "sex" else {"kind": "date", "parts": ["y", "m", "d"]}
    )
    with pytest.raises(pseudolink.PseudolinkError) as caught:
        parse_schema(
            {
                "format": "pseudolink/linkage-schema/1",
                "name": "x",
                "fields": {"f": {**raw, "also": ["g"]}},
                "passes": [{"name": "a", "on": ["f"]}],
            }
        )
    assert caught.value.code == "PL-SCHEMA-01"
    assert "fields.f.also" in caught.value.message
