"""
A whole extract encoded: shuffled rows, fresh record IDs, tokens, filters, floor, chance.

Source: specs/encoding-v1.md, sections 6 and 7.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pseudolink.components import DERIVATIONS, NAMES, join
from pseudolink.encode import chance, decoys, floor
from pseudolink.encode.alike import kept_versions
from pseudolink.encode.tokens import Components, Encoder, KeyRing
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import RECORD_BYTES, Encodings, PassColumns, Writer, read_tokens
from pseudolink.formats.statistics import Statistics
from pseudolink.schema import LinkageSchema, Pass

Index = npt.NDArray[np.int64]
Passes = dict[str, PassColumns]

#: ``run(function, chunks) -> results in order``: how an engine runs chunks.
Run = Callable[[Callable[[Index], Passes], Sequence[Index]], Iterable[Passes]]

#: ``away(cleaned, chunks) -> results in order``: an engine whose workers make encoders of their own,
#: because a key is never sent to them.
Away = Callable[[Cleaned, Sequence[Index]], Iterable[Passes]]

CHUNK_ROWS = 50_000


def in_turn(function: Callable[[Index], Passes], chunks: Sequence[Index]) -> Iterable[Passes]:
    """One chunk after another."""
    return map(function, chunks)


@dataclass(frozen=True)
class Encoded:
    """
    An encoded extract, before it is sealed.

    encodings: n rows in random order; versions of a record share its ID.
    source: (n,) int64, the row of the extract behind each; it never leaves the custodian.
    company: the floor's measure. chance: agreement of random pairs.
    """

    encodings: Encodings
    source: npt.NDArray[np.int64]
    company: floor.Company
    chance: Statistics


def encode(
    cleaned: Cleaned,
    schema: LinkageSchema,
    ring: KeyRing,
    *,
    run: Run = in_turn,
    chunk_rows: int = CHUNK_ROWS,
    enforce_floor: bool = True,
) -> Encoded:
    """
    Encode a cleaned extract.

    Args:
        run: applies a function to chunks of rows, in turn or on several threads.
        enforce_floor: False measures company without refusing (rehearsals and reviewers).

    Raises:
        FloorError: more company than the schema's floor allows.
    """
    cleaned = _with_common_versions(cleaned, schema)
    order = shuffled(cleaned.rows)
    ids = fresh_ids(cleaned.source)[order]
    parts = [Encodings(i, p) for i, p in _chunks(cleaned, schema, ring, order, ids, run, chunk_rows)]
    encodings = Encodings.join(parts)
    company = floor.measure(encodings)
    if enforce_floor:
        _enforce(company, schema, cleaned, order, lambda name: encodings.passes[name])
    if schema.floor.decoys:  # after the floor, which is about what the passes are and not what they show
        encodings = decoys.with_decoys(encodings, schema, ring, cleaned.source[order])
    return Encoded(encodings, cleaned.source[order], company, chance.measure(cleaned.one_a_record(), schema))


@dataclass(frozen=True)
class Written:
    """
    An encoded extract whose encodings are in a file.

    records: (n, 16) uint8, the record IDs in the order of the file. The rest as in :class:`Encoded`.
    """

    records: npt.NDArray[np.uint8]
    source: npt.NDArray[np.int64]
    company: floor.Company
    chance: Statistics


def encode_to(
    path: Path,
    cleaned: Cleaned,
    schema: LinkageSchema,
    ring: KeyRing,
    *,
    run: Run = in_turn,
    chunk_rows: int = CHUNK_ROWS,
    away: Away | None = None,
) -> Written:
    """
    Encode a cleaned extract into a file, chunk by chunk; memory does not hold the encodings.

    Args:
        away: encodes the chunks elsewhere, with the same keys; ``run`` is not used then.

    Raises:
        FloorError: more company than the schema's floor allows; the file is then of no use.
    """
    cleaned = _with_common_versions(cleaned, schema)
    order = shuffled(cleaned.rows)
    ids = fresh_ids(cleaned.source)[order]
    with Writer(path) as writer:
        for some, passes in _chunks(cleaned, schema, ring, order, ids, run, chunk_rows, away):
            writer.write(Encodings(some, passes))
    names = [one.name for one in schema.passes]
    company = floor.measure_passes(ids, read_tokens(path, names))
    _enforce(company, schema, cleaned, order, lambda name: next(read_tokens(path, [name]))[1])
    if schema.floor.decoys:
        decoys.rewrite(path, schema, ring, cleaned.source[order])
    return Written(ids, cleaned.source[order], company, chance.measure(cleaned.one_a_record(), schema))


def _with_common_versions(cleaned: Cleaned, schema: LinkageSchema) -> Cleaned:
    """encoding-v1 §10.6: rare numbers of versions are trimmed where decoys are in use."""
    if not schema.floor.decoys:
        return cleaned
    kept = kept_versions(cleaned.source)
    return cleaned if len(kept) == cleaned.rows else cleaned.take(kept)


def _chunks(
    cleaned: Cleaned,
    schema: LinkageSchema,
    ring: KeyRing,
    order: Index,
    ids: npt.NDArray[np.uint8],
    run: Run,
    chunk_rows: int,
    away: Away | None = None,
) -> Iterator[tuple[npt.NDArray[np.uint8], Passes]]:
    starts = range(0, max(cleaned.rows, 1), chunk_rows)
    chunks = [order[at : at + chunk_rows] for at in starts]
    done = away(cleaned, chunks) if away else run(Encoder(cleaned, schema, ring).encode, chunks)
    for at, passes in zip(starts, done, strict=True):
        yield ids[at : at + chunk_rows], passes


def fresh_ids(source: Index) -> npt.NDArray[np.uint8]:
    """
    (n, 16) uint8: random record IDs from the operating system, for one delivery alone.

    Args:
        source: (n,) the row of the extract behind each row: versions of a record share its ID.
    """
    records, which = np.unique(source, return_inverse=True)
    drawn = np.frombuffer(secrets.token_bytes(RECORD_BYTES * len(records)), dtype=np.uint8)
    return drawn.reshape(len(records), RECORD_BYTES)[which]


def _enforce(
    found: floor.Company,
    schema: LinkageSchema,
    cleaned: Cleaned,
    order: Index,
    tokens: Callable[[str], PassColumns],
) -> None:
    if (
        found.company > schema.floor.company * found.records
        or found.largest_component > schema.floor.component
    ):
        floor.enforce(found, schema.floor, _suggestions(cleaned.take(order), schema, tokens, found))


def shuffled(rows: int) -> npt.NDArray[np.int64]:
    """A random order from the operating system's generator, so that position tells nothing."""
    keys = np.frombuffer(secrets.token_bytes(16 * rows), dtype=np.uint64).reshape(rows, 2)
    return np.lexsort((keys[:, 1], keys[:, 0])).astype(np.int64)


def _suggestions(
    cleaned: Cleaned, schema: LinkageSchema, tokens: Callable[[str], PassColumns], found: floor.Company
) -> dict[str, str]:
    """For each pass responsible, the one component whose addition leaves least company."""
    parts = Components(cleaned, schema)
    by_name = {one.name: one for one in schema.passes}
    advice = {}
    for one in floor.responsible(found):
        columns = tokens(one.name)
        tried = {
            component: _company_with(parts, columns, component)
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
    """Records that would still have company if the pass named this component too."""
    codes = parts[component].codes
    rows = np.flatnonzero(columns.present & (codes >= 0))
    key = np.column_stack(
        [columns.tokens[rows], codes[rows].astype(np.uint64), parts.cleaned.source[rows].astype(np.uint64)]
    )
    distinct = np.unique(key, axis=0)  # versions of one record are no company
    _, inverse, counts = np.unique(distinct[:, :3], axis=0, return_inverse=True, return_counts=True)
    return len(np.unique(distinct[counts[inverse] > 1, 3]))
