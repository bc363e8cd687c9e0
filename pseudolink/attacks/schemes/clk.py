"""
The classic CLK: names, date of birth and postcode in one Bloom filter under one secret.

Bigrams, k = 10 positions each, 1,024 bits: what most published linkages and attacks use.

Source: specs/clk-v1.md; Schnell, Bachteler, Reiher 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from pseudolink.attacks.attack import Bits, View
from pseudolink.attacks.scheme import Encode, Scheme
from pseudolink.errors import UsageError
from pseudolink.formats.cleaned import Cleaned
from pseudolink.interop import clkhash
from pseudolink.schema import LinkageSchema

BITS: Final = 1024
PER_TOKEN: Final = 10
KINDS: Final = ("forename", "surname", "date", "postcode")


def fields_of(schema: LinkageSchema) -> list[str]:
    """
    The fields that go into a CLK: the first of each of the usual kinds.

    Raises:
        UsageError: the schema has none of them.
    """
    found: dict[str, str] = {}
    for one in schema.fields.values():
        found.setdefault(one.kind, one.name)
    fields = [found[kind] for kind in KINDS if kind in found]
    if not fields:
        raise UsageError("a CLK needs a name, a date or a postcode; the schema has none")
    return fields


def clk_schema(fields: list[str], strategy: Mapping[str, int], bits: int = BITS) -> dict[str, Any]:
    """A clkhash schema of version 3: padded bigrams of every field."""
    return {
        "version": 3,
        "clkConfig": {"l": bits, "kdf": {"type": "HKDF", "hash": "SHA256", "keySize": 64}},
        "features": [
            {
                "identifier": field,
                "format": {"type": "string", "encoding": "utf-8", "maxLength": 1_000_000},
                "hashing": {
                    "comparison": {"type": "ngram", "n": 2},
                    "strategy": dict(strategy),
                    "hash": {"type": "blakeHash"},
                },
            }
            for field in fields
        ],
    }


def filters(
    cleaned: Cleaned, schema: LinkageSchema, secret: bytes, strategy: Mapping[str, int], bits: int = BITS
) -> Bits:
    """(n, bits // 8) uint8: the CLKs of cleaned rows; a missing value adds nothing."""
    fields = fields_of(schema)
    columns = {}
    for name in fields:
        column = cleaned.fields[name]
        values = [*(value.replace("-", "").replace(" ", "") for value in column.values), ""]
        columns[name] = pa.array(values, pa.large_string()).take(pa.array(column.codes % len(values)))
    return clkhash.encode(pa.table(columns), clk_schema(fields, strategy, bits), secret, validate=False)


def plain(cleaned: Cleaned, schema: LinkageSchema, secret: bytes) -> Bits:
    """(n, 128) uint8: classic CLKs."""
    return filters(cleaned, schema, secret, {"bitsPerToken": PER_TOKEN})


def _start(schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode:
    return lambda cleaned: View(bits=plain(cleaned, schema, secret + project.encode()))


SCHEME = Scheme(
    "clk",
    "classic CLK",
    "One Bloom filter a record: bigrams of names, date of birth and postcode, ten bits each of 1,024.",
    _start,
)
