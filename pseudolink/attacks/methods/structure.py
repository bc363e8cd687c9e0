"""
A1: structure. What do the bits alone give away, before anybody is named?

Bits that a name sets together are set together; a record with more letters sets more bits; equal
people give equal bits. None of it may be seen. Nobody is named: this measures what other attacks
live on.

Source: specs/attacks-v1.md, section 3.1; Christen et al. 2017, 2018 (pattern mining).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt

import numpy as np
import numpy.typing as npt

from pseudolink.attacks.attack import (
    Attack,
    Bits,
    Bound,
    Canary,
    Index,
    Material,
    Measures,
    Setting,
    Target,
    Wanted,
)
from pseudolink.attacks.grams import lengths
from pseudolink.attacks.laboratory import Laboratory
from pseudolink.attacks.schemes.clk import fields_of

ROWS = 3_000
_FEWEST = 100
LENGTHS = "lengths"


def guess(material: Material, rng: np.random.Generator) -> Measures:
    """Measure correlation of bits, fill against the length of values, and duplicates."""
    known = material.extra.get(LENGTHS, {})
    if material.view.bits is not None:
        rows = _some(np.arange(material.view.rows), rng)
        bits = np.unpackbits(material.view.bits[rows], axis=1)
        total = sum(known.values()) if known else np.full(material.view.rows, np.nan)
        fill = np.unpackbits(material.view.bits, axis=1).mean(axis=1)
        figures = _correlation(bits) | {"fill_r2": r_squared(fill, total)}
        _, counts = np.unique(material.view.bits, axis=0, return_counts=True)
        figures["duplicates"] = float(counts[counts > 1].sum() / max(material.view.rows, 1))
        return Measures(figures)
    found = [*_of_tokens(material, rng), *_of_filters(material, known, rng)]
    # No filter, no fill: there is nothing that could tell a length.
    return Measures(
        {**_correlation(*(bits for bits, _ in found)), "fill_r2": max((r for _, r in found), default=0.0)}
    )


def _some(rows: Index, rng: np.random.Generator) -> Index:
    return np.sort(rng.permutation(rows)[:ROWS])


def _of_tokens(material: Material, rng: np.random.Generator) -> list[tuple[Bits, float]]:
    """Bits of the different tokens of each pass: equal ones are company, which A6 is about."""
    assert material.view.encodings is not None  # noqa: S101
    found = []
    for one in material.view.encodings.passes.values():
        tokens = np.unique(one.tokens[one.present], axis=0)
        if len(tokens) >= _FEWEST:
            chosen = np.ascontiguousarray(tokens[_some(np.arange(len(tokens)), rng)], dtype="<u8")
            found.append((np.unpackbits(chosen.view(np.uint8), axis=1), 0.0))
    return found


def _of_filters(
    material: Material, known: dict[str, npt.NDArray[np.float64]], rng: np.random.Generator
) -> list[tuple[Bits, float]]:
    """Bits of filters, one row a block, because alike filters inside a block are what they are for."""
    assert material.view.encodings is not None  # noqa: S101
    found = []
    by_name = {one.name: one for one in material.schema.passes}
    for name, columns in material.view.encodings.passes.items():
        if columns.filters is None:
            continue
        there = np.flatnonzero(columns.present)
        _, first = np.unique(columns.tokens[there], axis=0, return_index=True)
        rows = there[first]
        at = 0
        for field in by_name[name].compare:
            width = material.schema.fields[field].bits // 8
            segment = columns.filters[:, at : at + width]
            at += width
            filled = rows[segment[rows].any(axis=1)]
            if len(filled) < _FEWEST:
                continue
            told = 0.0
            if field in known:
                fill = np.bitwise_count(segment[filled]).sum(axis=1).astype(np.float64)
                told = r_squared(fill, known[field][filled])
            found.append((np.unpackbits(segment[_some(filled, rng)], axis=1), told))
    return found


def _correlation(*blocks: Bits) -> dict[str, float]:
    """
    The largest correlation between two bits, and the same in units of what chance brings about.

    Args:
        blocks: (n, b) 0 or 1 each; only bits of one block are compared. Chance counts the pairs of
            all of them: who looks at sixty passes finds more by accident than who looks at one.
    """
    pairs = sum(bits.shape[1] * (bits.shape[1] - 1) / 2 for bits in blocks)
    largest = [largest_correlation(bits) for bits in blocks]
    width = sqrt(2 * log(max(pairs, 2)))
    over = [found * sqrt(len(bits)) / width for found, bits in zip(largest, blocks, strict=True)]
    return {
        "correlation": max(largest, default=0.0),
        "correlation_over_chance": max(over, default=0.0),
    }


def largest_correlation(bits: Bits) -> float:
    """The largest |correlation| of two columns of (n, b) 0 or 1; columns that rarely vary are left out."""
    values = bits.astype(np.float32)
    share = values.mean(axis=0)
    # A bit set in three rows of a thousand correlates with another by accident.
    values = values[:, (share > 0.01) & (share < 0.99)]
    if values.shape[1] < 2 or len(values) < 2:
        return 0.0
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    found = np.abs(values.T @ values) / len(values)
    np.fill_diagonal(found, 0)
    return float(min(found.max(), 1.0))


def r_squared(fill: npt.NDArray[np.float64], length: npt.NDArray[np.float64]) -> float:
    """Squared correlation of fill and length; 0 where either does not vary or is not known."""
    there = np.isfinite(length)
    if there.sum() < _FEWEST or fill[there].std() == 0 or length[there].std() == 0:
        return 0.0
    return float(np.corrcoef(fill[there], length[there])[0, 1] ** 2)


def stage(lab: Laboratory, setting: Setting, rng: np.random.Generator) -> Target:
    """The usual target, and how long the values of its rows are: this measures, it names nobody."""
    target = lab.target(setting, rng)
    if target.truth is None:
        return target
    material = target.material
    rows = np.where(target.truth >= 0, target.truth, 0)
    found = {}
    fields = fields_of(material.schema) if lab.scheme.clk else material.schema.compared
    for name in fields:
        of_reference = lengths(material.reference.cleaned.fields[name])
        missing = 0.0 if lab.scheme.clk else np.nan
        of_reference = np.where(np.isnan(of_reference), missing, of_reference)
        found[name] = np.where(target.truth >= 0, of_reference[rows], np.nan)
    return Target(replace(material, extra={**material.extra, LENGTHS: found}), target.truth, target.scored)


def _settings(wanted: Wanted) -> Sequence[Setting]:
    return [Setting()]


ATTACK = Attack(
    number="A1",
    name="structure of the bits",
    sentence="Someone looks for patterns in the bits: pieces of names, long and short names, equal people.",
    knows="the encodings alone",
    guess=guess,
    settings=_settings,
    stage=stage,
    bounds=(
        Bound("correlation_over_chance", 1.2, "bits go together no more than chance brings about"),
        Bound("fill_r2", 0.05, "fill does not tell how long a value is"),
    ),
    canaries=(
        Canary("clk", Setting(4_000), "correlation", 0.9, needs=1_000),
        Canary("clk", Setting(4_000), "fill_r2", 0.9, needs=1_000),
    ),
    assumes=("Up to 3,000 rows, drawn at random; lengths of values come from the truth.",),
)
