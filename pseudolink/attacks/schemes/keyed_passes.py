"""
The project's own encoding, and the same with passes that ordinary match-key sets have.

Source: specs/encoding-v1.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from pseudolink.attacks.attack import View
from pseudolink.attacks.scheme import Encode, Scheme
from pseudolink.encode import decoys
from pseudolink.encode.tokens import Derive, KeyRing, encode_chunk
from pseudolink.errors import UsageError
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import RECORD_BYTES, Encodings
from pseudolink.keys.derive import derive
from pseudolink.schema import LinkageSchema, Pass

#: Kinds in place of field names: ``forename.soundex`` is that of the schema's forename field.
BROAD = (
    ("date", "sex"),
    ("surname.soundex", "date.year"),
    ("forename.soundex", "date.year"),
    ("forename.soundex", "surname.soundex"),
    ("surname.soundex", "postcode"),
    ("forename.soundex", "postcode"),
    ("postcode", "date.year"),
    ("date.month_day", "surname.soundex"),
    ("date.month_day", "forename.soundex"),
)


def start(schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode:
    """Keyed passes under a secret of 32 bytes; see ``Scheme.start``."""
    return start_with(schema, partial(derive, secret), project, party)


def start_with(schema: LinkageSchema, derive_key: Derive, project: str, party: str = "") -> Encode:
    """The same with a key's ``derive`` in place of the secret, which a key does not give away."""
    ring = KeyRing.derived(derive_key, schema, project, party)

    def encode(cleaned: Cleaned) -> View:
        # The laboratory gives record IDs; these tell nothing.
        records = np.zeros((cleaned.rows, RECORD_BYTES), dtype=np.uint8)
        encodings = Encodings(records, encode_chunk(cleaned, schema, ring))
        if not schema.floor.decoys:
            return View(encodings)
        return View(decoys.with_decoys(encodings, schema, ring, cleaned.source))

    return encode


def fields_by_kind(schema: LinkageSchema) -> Mapping[str, str]:
    """Kind -> its first field in the schema."""
    found: dict[str, str] = {}
    for one in schema.fields.values():
        found.setdefault(one.kind, one.name)
    return found


def with_passes(
    schema: LinkageSchema, combinations: Sequence[Sequence[str]], compare: Sequence[str] = ()
) -> LinkageSchema:
    """
    The schema with other passes, named by kinds; those whose kinds it lacks are left out.

    Args:
        compare: kinds whose fields every pass compares by filter, where they are not in it.

    Raises:
        UsageError: none is left.
    """
    names = fields_by_kind(schema)
    passes = []
    for number, combination in enumerate(combinations, 1):
        parts = [one.partition(".") for one in combination]
        if all(kind in names for kind, _, _ in parts):
            on = tuple(names[kind] + dot + rest for kind, dot, rest in parts)
            taken = {kind for kind, _, _ in parts}
            shown = tuple(names[k] for k in compare if k in names and k not in taken)
            passes.append(Pass(f"pass{number}", on, shown))
    if not passes:
        raise UsageError("the schema has none of the fields that these passes need")
    listed = [{"name": p.name, "on": list(p.on), "compare": list(p.compare)} for p in passes]
    bare = without_decoys(schema)
    return replace(bare, passes=tuple(passes), canonical={**bare.canonical, "passes": listed})


def without_decoys(schema: LinkageSchema) -> LinkageSchema:
    """The schema with encodings that show company and missing values as they are."""
    floor = {key: value for key, value in schema.canonical["floor"].items() if key != "decoys"}
    return replace(
        schema,
        floor=replace(schema.floor, decoys=False),
        canonical={**schema.canonical, "floor": floor},
    )


def _broad(schema: LinkageSchema) -> LinkageSchema:
    return with_passes(schema, BROAD)


def _surname(schema: LinkageSchema) -> LinkageSchema:
    return with_passes(schema, [("surname",)])


SCHEMES = (
    Scheme(
        "keyed",
        "keyed passes",
        "The passes of the schema under audit, as `encode` makes them.",
        start,
        clk=False,
    ),
    Scheme(
        "bare",
        "keyed passes without decoys",
        "The same passes with company and missing values in plain sight.",
        start,
        schema=without_decoys,
        clk=False,
    ),
    Scheme(
        "broad",
        "broad match-keys",
        "Nine keyed match-keys such as linkage units commonly use, wide enough to find nearly everyone.",
        start,
        schema=_broad,
        clk=False,
    ),
    Scheme(
        "surname",
        "surname alone",
        "One keyed token of the surname.",
        start,
        schema=_surname,
        clk=False,
    ),
)
