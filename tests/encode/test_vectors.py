"""Whole records: tokens, filters and derived keys are those of the second implementation."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference_encoding as reference
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.keys.derive import derive as derive_key
from pseudolink.schema import LinkageSchema, parse_schema

VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem} for p in reference.VECTORS.glob("*.json")
]


def cases(case: str) -> list[dict[str, Any]]:
    found = [v for v in VECTORS if v["case"] == case]
    assert found
    return found


def schema_of(canonical: dict[str, Any]) -> LinkageSchema:
    fields = {}
    filters = {}
    for name in canonical["field_order"]:
        field = canonical["fields"][name]
        fields[name] = {"kind": field["kind"], "columns": field["columns"]}
        if field["bits"]:
            filters[name] = {"bits": field["bits"], "budget": field["budget"]}
    return parse_schema(
        {
            "format": canonical["format"],
            "name": canonical["name"],
            "fields": fields,
            "filters": filters,
            "passes": canonical["passes"],
        }
    )


def cleaned_of(records: list[dict[str, str | None]], schema: LinkageSchema) -> Cleaned:
    fields = {}
    for name in schema.fields:
        values = tuple(sorted({v for r in records if (v := r[name]) is not None}))
        codes = [-1 if (v := r[name]) is None else values.index(v) for r in records]
        fields[name] = Column(values, np.array(codes, dtype=np.int32))
    return Cleaned(len(records), np.arange(len(records), dtype=np.int64), fields, {})


def encoded(records: list[dict[str, str | None]], vector: dict[str, Any]) -> list[dict[str, Any]]:
    schema = schema_of(vector["schema"])
    key = partial(derive_key, bytes.fromhex(vector["linkage_key_hex"]))
    ring = KeyRing.derived(key, schema, vector["project"])
    columns = encode_chunk(cleaned_of(records, schema), schema, ring)
    return [
        {
            name: {
                "token_hex": p.tokens[row].astype("<u8").tobytes().hex() if p.present[row] else None,
                "filter_hex": p.filters[row].tobytes().hex()
                if p.filters is not None and p.present[row]
                else None,
            }
            for name, p in columns.items()
        }
        for row in range(len(records))
    ]


@pytest.mark.parametrize("vector", cases("kbkdf"), ids=lambda v: v["id"])
def test_any_two_sites_derive_the_same_key(vector: dict[str, Any]) -> None:
    key = bytes.fromhex(vector["key_hex"])
    assert vector["output_hex"] == derive_key(key, vector["label"], *vector["context"]).hex()


@given(st.binary(min_size=32, max_size=32), st.lists(st.text(max_size=10), max_size=5))
def test_the_key_derivation_is_that_of_nist(key: bytes, context: list[str]) -> None:
    """Against the library's own SP 800-108: so a hardware module can do the same."""
    library = KBKDFHMAC(
        algorithm=hashes.SHA256(),
        mode=Mode.CounterMode,
        length=32,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=b"filter",
        context=b"".join(reference.prefixed(part) for part in context),
        fixed=None,
    )
    assert library.derive(key) == reference.kbkdf(key, "filter", *context)


def test_kbkdf_gives_the_published_vector_of_nist() -> None:
    """CAVP, KDFCTR_gen: HMAC-SHA256, counter of 32 bits before the fixed data, count 0."""
    secret = bytes.fromhex("dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0")
    fixed = bytes.fromhex(
        "01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b864a145fab25e517b08f8683d0315bb29"
        "11d80a0e8aba17f3b413faac"
    )
    library = KBKDFHMAC(
        algorithm=hashes.SHA256(),
        mode=Mode.CounterMode,
        length=16,
        rlen=4,
        llen=None,
        location=CounterLocation.BeforeFixed,
        label=None,
        context=None,
        fixed=fixed,
    )
    assert library.derive(secret).hex() == "10621342bfb0fd40046c0e29f2cfdbf0"


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (
            b"",
            "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786"
            "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568",
        ),
        (
            b"\0",
            "961f6dd1e4dd30f63901690c512e78e4b45e4742ed197c3c5e45c549fd25f2e4"
            "187b0bc9fe30492b16b0d0bc4ef9b0f34c7003fac09a5ef1532e69430234cebd",
        ),
    ],
    ids=["empty", "one byte"],
)
def test_keyed_blake2b_gives_the_published_vectors_of_its_authors(message: bytes, digest: str) -> None:
    """blake2b-kat, keyed: the function that keys grams, here with the whole output."""
    assert hashlib.blake2b(message, key=bytes(range(64))).hexdigest() == digest


@pytest.mark.parametrize("vector", cases("record"), ids=lambda v: v["id"])
def test_any_two_sites_encode_a_record_alike(vector: dict[str, Any]) -> None:
    assert vector["schema_digest"] == schema_of(vector["schema"]).digest
    assert [vector["passes"]] == encoded([vector["record"]], vector)


def test_neighbours_and_order_do_not_change_an_encoding() -> None:
    vectors = [v for v in cases("record") if v["schema"] == reference.SCHEMA]
    records = [v["record"] for v in vectors]
    expected = [v["passes"] for v in vectors]
    assert expected == encoded(records, vectors[0])
    assert expected[::-1] == encoded(records[::-1], vectors[0])


def test_boundary_attack_finds_no_equal_tokens() -> None:
    """A value that tries to imitate the boundary between two others gets another token."""
    early, late = (
        next(v for v in cases("token") if v["id"] == f"token_boundary_{n}") for n in ("early", "late")
    )
    assert early["token_hex"] != late["token_hex"]


@pytest.mark.parametrize("vector", cases("token"), ids=lambda v: v["id"])
def test_a_token_is_a_keyed_function_of_the_values(vector: dict[str, Any]) -> None:
    """Fields of kind text stand for themselves, so a pass on them shows the bare token."""
    fields = [f"f{i}" for i in range(len(vector["values"]))]
    schema = parse_schema(
        {
            "format": "pseudolink/linkage-schema/1",
            "name": "token",
            "fields": {f: {"kind": "text", "columns": [f]} for f in fields},
            "passes": [{"name": "p", "on": fields}],
        }
    )
    ring = KeyRing({("p", "token"): bytes.fromhex(vector["token_key_hex"])})
    record = dict(zip(fields, vector["values"], strict=True))
    found = encode_chunk(cleaned_of([record], schema), schema, ring)["p"]
    token = found.tokens[0].astype("<u8").tobytes().hex() if found.present[0] else None
    assert vector["token_hex"] == token
