"""
A whole extract encoded: shuffled rows, fresh record IDs, tokens, filters, floor, chance.

Source: specs/encoding-v1.md, sections 6 and 7.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pseudolink.components import DERIVATIONS, NAMES, join
from pseudolink.encode import chance, floor
from pseudolink.encode.tokens import Components, KeyRing, encode_chunk
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import RECORD_BYTES, Encodings, PassColumns
from pseudolink.formats.statistics import Statistics
from pseudolink.schema import LinkageSchema, Pass

#: ``run(function, chunks, secret) -> results in order``: how an engine runs chunks.
Run = Callable[..., "list[dict[str, PassColumns]]"]

CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class Encoded:
    """
    An encoded extract, before it is sealed.

    encodings: n rows in random order.
    source: (n,) int64, the row of the extract behind each; it never leaves the custodian.
    company: the floor's measure. chance: agreement of random pairs.
    """

    encodings: Encodings
    source: npt.NDArray[np.int64]
    company: floor.Company
    chance: Statistics


def encode_part(ring: bytes, part: tuple[Cleaned, LinkageSchema]) -> dict[str, PassColumns]:
    """One chunk, in a worker: the keys come as bytes through a pipe."""
    cleaned, schema = part
    return encode_chunk(cleaned, schema, KeyRing.from_bytes(ring))


def encode(
    cleaned: Cleaned,
    schema: LinkageSchema,
    ring: KeyRing,
    *,
    run: Run,
    chunk_rows: int = CHUNK_ROWS,
    enforce_floor: bool = True,
) -> Encoded:
    """
    Encode a cleaned extract.

    Args:
        run: applies :func:`encode_part` to chunks, in one process or several.
        enforce_floor: False measures company without refusing (rehearsals and reviewers).

    Raises:
        FloorError: more company than the schema's floor allows.
    """
    order = shuffled(cleaned.rows)
    mixed = cleaned.take(order)
    chunks = [
        (mixed.take(np.arange(at, min(at + chunk_rows, mixed.rows))), schema)
        for at in range(0, max(mixed.rows, 1), chunk_rows)
    ]
    parts = list(run(encode_part, chunks, ring.to_bytes()))
    ids = np.frombuffer(secrets.token_bytes(RECORD_BYTES * cleaned.rows), dtype=np.uint8)
    ids = ids.reshape(cleaned.rows, RECORD_BYTES)
    passes = Encodings.join([Encodings(np.zeros((0, RECORD_BYTES), np.uint8), part) for part in parts]).passes
    encodings = Encodings(ids, passes)
    company = floor.measure(encodings)
    if enforce_floor:
        floor.enforce(company, schema.floor, _suggestions(mixed, schema, encodings, company))
    return Encoded(encodings, mixed.source, company, chance.measure(cleaned, schema))


def shuffled(rows: int) -> npt.NDArray[np.int64]:
    """A random order from the operating system's generator, so that position tells nothing."""
    keys = np.frombuffer(secrets.token_bytes(16 * rows), dtype=np.uint64).reshape(rows, 2)
    return np.lexsort((keys[:, 1], keys[:, 0])).astype(np.int64)


def _suggestions(
    cleaned: Cleaned, schema: LinkageSchema, encodings: Encodings, found: floor.Company
) -> dict[str, str]:
    """For each pass responsible, the one component whose addition leaves least company."""
    if (
        found.company <= schema.floor.company * found.records
        and found.largest_component <= schema.floor.component
    ):
        return {}
    parts = Components(cleaned, schema)
    by_name = {one.name: one for one in schema.passes}
    advice = {}
    for one in floor.responsible(found):
        tried = {
            component: _company_with(parts, encodings.passes[one.name], component)
            for component in _additions(by_name[one.name], schema)
        }
        if tried:
            best = min(tried, key=lambda c: (tried[c], c))
            advice[one.name] = f"with {best!r} as well, {tried[best]:,} would"
    return advice


def _additions(one: Pass, schema: LinkageSchema) -> list[str]:
    taken = {component.split(".")[0] for component in one.on}
    if NAMES in taken:
        taken |= set(schema.named)
    return [
        join(name, derivation)
        for name, field in schema.fields.items()
        if name not in taken
        for derivation in DERIVATIONS[field.kind]
    ]


def _company_with(parts: Components, columns: PassColumns, component: str) -> int:
    codes = parts[component].codes
    rows = np.flatnonzero(columns.present & (codes >= 0))
    key = np.column_stack([columns.tokens[rows], codes[rows].astype(np.uint64)])
    _, inverse, counts = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    return int((counts[inverse] > 1).sum())
