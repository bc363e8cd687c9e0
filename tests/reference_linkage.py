"""
Linkage told again by force, and made-up parties, for the tests of match, score, resolve and release.

The references below count every pair, every state and every matching one by one. They share no
code with the package beyond the types of ``formats`` and the catalogue of components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from pseudolink.components import agreement_states
from pseudolink.formats.candidates import Candidates, Presence
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.formats.statistics import FieldStatistics, Statistics
from pseudolink.schema import LinkageSchema, parse_schema

Floats = npt.NDArray[np.float64]

FIELDS = {
    "forename": {"kind": "forename", "columns": ["forename"]},
    "surname": {"kind": "surname", "columns": ["surname"]},
    "dob": {"kind": "date", "columns": ["dob"]},
    "postcode": {"kind": "postcode", "columns": ["postcode"]},
    "sex": {"kind": "sex", "columns": ["sex"]},
    "nino": {"kind": "nino", "columns": ["nino"]},
    "upn": {"kind": "upn", "columns": ["upn"]},
    "nhs": {"kind": "nhs", "columns": ["nhs"]},
    "uln": {"kind": "uln", "columns": ["uln"]},
    "street": {"kind": "text", "columns": ["street"]},
}


def schema_of(passes: Sequence[Any], **more: Any) -> LinkageSchema:
    """A schema of these passes, each a list of components or (components, compared fields)."""
    made = []
    for number, one in enumerate(passes):
        on, compare = one if isinstance(one, tuple) else (one, [])
        made.append({"name": f"p{number}", "on": list(on), "compare": list(compare)})
    raw = {"format": "pseudolink/linkage-schema/1", "name": "test", "fields": FIELDS, "passes": made, **more}
    return parse_schema(raw)


def cleaned_of(schema: LinkageSchema, rows: Sequence[Mapping[str, str | None]]) -> Cleaned:
    """Cleaned rows from canonical values; a field that a row does not name is missing."""
    fields = {}
    for name in schema.fields:
        cells = [row.get(name) for row in rows]
        values = tuple(sorted({c for c in cells if c is not None}))
        place = {value: n for n, value in enumerate(values)}
        codes = np.asarray([-1 if c is None else place[c] for c in cells], dtype=np.int32)
        fields[name] = Column(values, codes.reshape(len(rows)))
    return Cleaned(len(rows), np.arange(len(rows), dtype=np.int64), fields, {})


def tokens_of(cells: Sequence[int | None]) -> PassColumns:
    """A pass without filters: equal numbers are equal tokens; the low bit is the second word."""
    present = np.asarray([c is not None for c in cells], dtype=bool)
    words = [[0, 0] if c is None else [c // 2 + 1, c % 2 + 7] for c in cells]
    return PassColumns(np.asarray(words, dtype=np.uint64).reshape(len(cells), 2), present, None)


def encodings_of(
    passes: Mapping[str, Sequence[int | None]], records: Sequence[int] | None = None
) -> Encodings:
    """Encodings from token numbers by pass."""
    rows = len(next(iter(passes.values())))
    ids = list(range(rows)) if records is None else list(records)
    raw = b"".join(number.to_bytes(16, "big") for number in ids)
    return Encodings(
        np.frombuffer(raw, dtype=np.uint8).reshape(rows, 16),
        {name: tokens_of(cells) for name, cells in passes.items()},
    )


# ---------------------------------------------------------------- matchings by force


def matchings(
    odds: Sequence[float], left: Sequence[int], right: Sequence[int], alone: Any
) -> tuple[Floats, float]:
    """
    Probability of every pair over all matchings, weighed by the odds of the pairs and by
    ``alone`` of the records that stay without.
    """
    lefts, rights = sorted(set(left)), sorted(set(right))
    weight = np.zeros(len(odds))
    total = 0.0

    def go(at: int, used: tuple[int, ...], product: float) -> None:
        nonlocal total
        if at == len(odds):
            for one in lefts:
                product *= 1.0 if any(left[n] == one for n in used) else alone.left[one]
            for one in rights:
                product *= 1.0 if any(right[n] == one for n in used) else alone.right[one]
            total += product
            weight[list(used)] += product
            return
        go(at + 1, used, product)
        if all(left[n] != left[at] and right[n] != right[at] for n in used):
            go(at + 1, (*used, at), product * odds[at])

    go(0, (), 1.0)
    return weight / total, total


# ---------------------------------------------------------------- parties drawn from a model


def statistics_of(
    schema: LinkageSchema,
    agree: Mapping[str, float],
    *,
    pairs: int = 10**12,
    part: float = 5.0,
    swapped: float = 1e-9,
) -> Statistics:
    """
    Statistics of a party: random pairs agree on a whole field with probability ``agree``, and in
    each state between with ``part`` times that.
    """
    fields = {}
    for name in schema.evidence:
        states = agreement_states(schema.fields[name].kind, schema.tracked.get(name, ()) or ("",))
        share = [agree[name]] + [part * agree[name]] * (len(states) - 2)
        counts = [round(s * pairs) for s in share]
        counts.append(pairs - sum(counts))
        sampled = ()
        if name in schema.compared:
            sampled = ((None,) * 4, *((None, 100 * (n + 1), 1000, 10_000) for n in range(len(states) - 1)))
        fields[name] = FieldStatistics(pairs, tuple(counts), sampled)
    derivations = sorted(schema.used.get("names", ()))
    keys = [c for size in range(1, len(derivations) + 1) for c in combinations(derivations, size)]
    exchanged = {",".join(key): round(swapped * pairs) for key in keys}
    return Statistics(fields, exchanged, pairs if keys else 0)


@dataclass(frozen=True)
class Drawn:
    """Candidate pairs of two parties drawn from a model, and which of them match."""

    pairs: Candidates
    left: Presence
    right: Presence
    same: npt.NDArray[np.bool_]
    matches: int

    @property
    def nobody(self) -> Candidates:
        """No pair at all: the company of a party whose passes are narrow."""
        none = np.zeros(0, dtype=np.int64)
        return Candidates(none, none, none.astype(np.uint64), none)


def draw(
    states: Any,
    passes: int,
    chance: Floats,
    joint: Floats,
    rows: tuple[int, int],
    matches: int,
    seed: int,
    *,
    missing: float = 0.0,
) -> Drawn:
    """
    Draw what two parties show: matching pairs in states drawn from ``joint``, random pairs from
    ``chance``. Row i of the left matches row i of the right, for i below ``matches``.

    Args:
        passes: their number.
        missing: share of the rows of each side that lack the tokens of every second pass.
    """
    generator = np.random.default_rng(seed)
    every = np.uint64((1 << passes) - 1)
    odd = every & np.uint64(0xAAAAAAAAAAAAAAAA)
    holds = [np.where(generator.random(n) < missing, odd, every) for n in rows]
    sides = [Presence(h.astype(np.uint64), np.full(len(h), 2**15 - 1, dtype=np.int64)) for h in holds]
    i = np.arange(matches)
    drawn = [(i, i, generator.choice(len(states), matches, p=joint / joint.sum()), np.ones(matches, bool))]
    # Random pairs in states that no pass would ever show need not be drawn.
    loud = np.flatnonzero(states.masks & every)
    counts = generator.poisson(rows[0] * rows[1] * chance[loud])
    state = np.repeat(loud, counts)
    total = len(state)
    drawn.append(
        (
            generator.integers(rows[0], size=total),
            generator.integers(rows[1], size=total),
            state,
            np.zeros(total, bool),
        )
    )
    left, right, of, same = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    shared = states.masks[of] & sides[0].tokens[left] & sides[1].tokens[right]
    levels = np.zeros(len(of), dtype=np.int64)
    for number, passes in enumerate(states.model.comparing):
        levels |= np.where((shared & passes) != 0, states.levels[number][of], 0) << (4 * number)
    order = np.lexsort((~same, right, left))
    order = order[shared[order] != 0]
    key = left[order] * rows[1] + right[order]
    fresh = np.ones(len(key), dtype=bool)
    fresh[1:] = key[1:] != key[:-1]
    order = order[fresh]
    pairs = Candidates(left[order], right[order], shared[order], levels[order])
    return Drawn(pairs, sides[0], sides[1], same[order], matches)
