"""
The designer: from extracts and a list of fields to a linkage schema under the security floor.

A custodian plans with its own extract. No truth is used, and nothing but the schema leaves.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pseudolink import files
from pseudolink.clean.common import without_common
from pseudolink.clean.extract import clean_table
from pseudolink.clean.reader import read_extract, sheet_of
from pseudolink.components import COMPARABLE, split
from pseudolink.encode.planning import NUMBERS, Chosen, Material, choose, found_share
from pseudolink.encode.planning_floor import Limits
from pseudolink.engines import threads
from pseudolink.errors import LinkageError, UsageError
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.portable import processors
from pseudolink.roles.linkage import Report, quiet
from pseudolink.schema import FORMAT, MOST_PASSES, LinkageSchema, SchemaField, load_schema, parse_schema
from pseudolink.synthetic.copies import ErrorRates, erring_copies

#: Records whose company is measured, and records that are copied with errors; the rest is left out.
MOST_PEOPLE = 300_000
MOST_ORIGINALS = 40_000
#: Originals and copies together come to about this many.
_STACKED = 120_000
_TOKEN_BYTES = 16
_MOST_COMPARED = 3
#: Passes are chosen for copies that err so many times as often as is expected: a plan that holds
#: for worse files than expected loses next to nothing with better ones, and not the reverse.
_HARDER = 1.5
#: What is expected is told also for files that err half and twice as often.
_CAREFUL, _CARELESS = 0.5, 2.0
#: Share of the pairs that a number alone must find for a filter to have anything to decide.
_DOUBTFUL = 0.001


@dataclass(frozen=True)
class Plan:
    """
    A planned schema: its text, and what it is expected to do.

    careful, careless: expected recall where mistakes are half and twice as frequent as ``rates``.
    """

    text: str
    schema: LinkageSchema
    passes: tuple[Chosen, ...]
    rows: int
    population: int
    bytes_per_record: int
    seed: int
    rates: ErrorRates
    careful: float
    careless: float

    def to_json(self) -> dict[str, Any]:
        """JSON-able data."""
        last = self.passes[-1]
        return {
            "expected_recall": last.recall,
            "expected_recall_careful": self.careful,
            "expected_recall_careless": self.careless,
            "company": last.company,
            "largest_block": max(one.largest_block for one in self.passes),
            "bytes_per_record": self.bytes_per_record,
            "rows": self.rows,
            "population": self.population,
            "seed": self.seed,
            "digest": self.schema.digest,
            "passes": [
                {
                    "on": list(one.on),
                    "recall_added": one.gained,
                    "recall": one.recall,
                    "company_added": one.company_added,
                    "company": one.company,
                    "largest_block": one.largest_block,
                    "alone": one.alone,
                    "compare": list(planned.compare),
                }
                for one, planned in zip(self.passes, self.schema.passes, strict=True)
            ],
        }


def joined(parts: Sequence[Cleaned], names: Sequence[str]) -> Cleaned:
    """The rows of several cleaned extracts under one another."""
    columns = {}
    for name in names:
        values = sorted({v for part in parts for v in part.fields[name].values})
        number = {v: i for i, v in enumerate(values)}
        codes = []
        for part in parts:
            column = part.fields[name]
            table = np.asarray([*(number[v] for v in column.values), -1], dtype=np.int32)
            codes.append(table[column.codes])
        columns[name] = Column(tuple(values), np.concatenate(codes))
    rows = sum(part.rows for part in parts)
    return Cleaned(rows, np.arange(rows, dtype=np.int64), columns, {})


def plan(
    extracts: Sequence[Any],
    fields: Path,
    *,
    population: int | None = None,
    company: float = 0.05,
    component: int = 20,
    bytes_per_record: int = 2048,
    most_passes: int = MOST_PASSES,
    seed: int = 1,
    sheet: str | None = None,
    report: Report = quiet,
) -> Plan:
    """
    Choose passes for the union of extracts.

    Args:
        fields: schema file with fields; passes in it are replaced.
        population: records of the largest party; the extracts' own number when None.
        sheet: of those extracts that are workbooks.

    Raises:
        UsageError: limits that leave no pass. LinkageError: no pass keeps to the floor.
    """
    design = load_schema(fields, passes_needed=False)
    rates = ErrorRates.of(design.errors)
    parts = []
    for source in extracts:
        name = Path(source).name if isinstance(source, (str, Path)) else "the table"
        cleaned = clean_table(read_extract(source, sheet=sheet_of(source, sheet)), design, source=name)
        parts.append(without_common(cleaned, design).one_a_record())
    union = joined(parts, list(design.fields))
    everybody = max(population or 0, max(part.rows for part in parts))
    held = [name for name, column in union.fields.items() if len(column.values)]
    usable = _only(design, held)
    rng = np.random.Generator(np.random.PCG64(seed))
    people = tuple(_sampled(part, MOST_PEOPLE, rng) for part in parts)
    originals = _sampled(union, MOST_ORIGINALS, rng)
    copies = max(2, min(8, _STACKED // max(originals.rows, 1)))
    passes = min(most_passes, MOST_PASSES, (bytes_per_record - 16) // _TOKEN_BYTES)
    if passes < 1:
        raise UsageError("the bytes a record leave no room for a pass", advice="Allow 2,048 bytes.")
    kinds = {name: field.kind for name, field in usable.fields.items()}
    copied = partial(erring_copies, originals, kinds)
    material = Material(
        people,
        copied(rates.times(_HARDER), copies=copies, seed=seed),
        originals.rows,
        copies,
        copied(rates, copies=copies, seed=seed + 1),
    )
    limits = Limits(company, component, passes, everybody)
    run = partial(threads.run, threads=processors())
    chosen = choose(material, usable, limits, run=run, report=report)
    if not chosen:
        raise LinkageError(
            "no pass keeps to the floor for this population",
            advice="Add a field, allow more company, or state a smaller population.",
        )
    kept, filters = _with_filters(chosen, usable, bytes_per_record)
    careful, careless = (
        found_share(
            copied(rates.times(factor), copies=1, seed=seed + 2),
            originals.rows,
            usable,
            [one.on for one in kept],
        )
        for factor in (_CAREFUL, _CARELESS)
    )
    expected = (kept[-1].recall, careful, careless)
    text = _text(design, kept, filters, Limits(company, component, passes, everybody), seed, expected)
    found = _parsed(text)
    size = 16 + sum(_TOKEN_BYTES + width for width in found.layout.values())
    return Plan(text, found, tuple(kept), union.rows, everybody, size, seed, rates, careful, careless)


@dataclass(frozen=True)
class _Filters:
    """What passes on a number alone compare, and the size of each field's segment: bits and budget."""

    passes: frozenset[tuple[str, ...]]
    compare: tuple[str, ...]
    sizes: Mapping[str, tuple[int, int]]


def _with_filters(
    chosen: Sequence[Chosen], usable: LinkageSchema, most_bytes: int
) -> tuple[list[Chosen], _Filters]:
    """
    Which passes compare, and how large segments are (planning-v1 §4.5).

    Filters take the room of passes. They are worth it where they can decide something: for pairs
    that a number alone shows, which may be mistyped or another person's.
    """
    doubtful = [one for one in chosen if _number_alone(one.on, usable) and one.alone >= _DOUBTFUL]
    compare = _compared(usable)
    for half in (1, 2):
        sizes = {
            name: (max(usable.fields[name].bits // half, 64), max(usable.fields[name].budget // half, 1))
            for name in compare
        }
        needed = len(doubtful) * sum(bits for bits, _ in sizes.values()) // 8
        over = 16 + len(chosen) * _TOKEN_BYTES + needed - most_bytes
        left_out = -(-max(over, 0) // _TOKEN_BYTES)
        kept = list(chosen[: len(chosen) - left_out])
        lost = sum(one.gained for one in chosen[len(kept) :])
        if needed and all(one in kept for one in doubtful) and lost < sum(one.alone for one in doubtful):
            return kept, _Filters(frozenset(one.on for one in doubtful), tuple(compare), sizes)
    return list(chosen), _Filters(frozenset(), (), {})


def _number_alone(on: Sequence[str], design: LinkageSchema) -> bool:
    field, _ = split(on[0])
    return len(on) == 1 and field in design.fields and design.fields[field].kind in NUMBERS


def _sampled(cleaned: Cleaned, most: int, rng: np.random.Generator) -> Cleaned:
    if cleaned.rows <= most:
        return cleaned
    return cleaned.take(np.sort(rng.choice(cleaned.rows, most, replace=False)).astype(np.int64))


def write(found: Plan, output: Path) -> None:
    """Write the schema of a plan to a new file."""
    files.write_bytes(output, found.text.encode())


def _only(design: LinkageSchema, names: Sequence[str]) -> LinkageSchema:
    """The design with the fields that any extract holds."""
    kept = {name: field for name, field in design.fields.items() if name in names}
    return LinkageSchema(design.name, kept, (), design.floor, design.canonical, design.errors)


def _compared(design: LinkageSchema) -> list[str]:
    """Fields that a pass on one number alone compares too: the number may be another person's."""
    order = ("forename", "surname", "date", "postcode", "text")
    fields = [f for f in design.fields.values() if f.kind in COMPARABLE]
    return [f.name for f in sorted(fields, key=lambda f: order.index(f.kind))][:_MOST_COMPARED]


def _parsed(text: str) -> LinkageSchema:
    return parse_schema(tomllib.loads(text), source="the plan")


def _name(on: Sequence[str]) -> str:
    short = "-".join(component.replace(".", "_") for component in on)
    return short if len(short) <= 48 else "-".join(_abbreviated(component) for component in on)[:48]


def _abbreviated(component: str) -> str:
    field, derivation = split(component)
    return f"{field[:4]}_{derivation[:6]}" if derivation else field[:8]


def _text(
    design: LinkageSchema,
    chosen: Sequence[Chosen],
    filters: _Filters,
    limits: Limits,
    seed: int,
    expected: tuple[float, float, float],
) -> str:
    usual, careful, careless = expected
    lines = [
        f"# Planned for a population of {limits.population:,} (seed {seed}), without truth.",
        f"# Expected: {usual:.1%} of the pairs of one person share a token ({careful:.1%} where files err",
        f"# half as often as assumed, {careless:.1%} where twice); {chosen[-1].company:.1%} of the records",
        "# have company.",
        f"format = {json.dumps(FORMAT)}",
        f"name = {json.dumps(design.name)}",
        "",
    ]
    for field in design.fields.values():
        lines += [*_field(field), ""]
    for field in design.fields.values():
        if field.kind in COMPARABLE:
            bits, budget = filters.sizes.get(field.name, (field.bits, field.budget))
            lines += [f"[filters.{field.name}]", f"bits = {bits}", f"budget = {budget}", ""]
    for index, one in enumerate(chosen):
        name = _name(one.on)
        if name in {_name(other.on) for other in chosen[:index]}:
            name = f"{name[:44]}-{index}"
        lines += ["[[passes]]", f"name = {json.dumps(name)}", f"on = {json.dumps(list(one.on))}"]
        if one.on in filters.passes:
            lines.append(f"compare = {json.dumps(list(filters.compare))}")
        lines.append("")
    if design.errors:
        lines += ["[errors]", *(f"{name} = {rate!r}" for name, rate in design.errors.items()), ""]
    lines += [
        "[floor]",
        f"company = {limits.company!r}",
        f"component = {limits.component}",
        "decoys = true",
        "",
    ]
    return "\n".join(lines)


def _field(field: SchemaField) -> list[str]:
    lines = [f"[fields.{field.name}]", f"kind = {json.dumps(field.kind)}"]
    if field.parts:
        lines.append(f"parts = {json.dumps(list(field.parts))}")
    else:
        lines.append(f"columns = {json.dumps(list(field.columns))}")
    if field.formats:
        lines.append(f"formats = {json.dumps(list(field.formats))}")
    if field.optional:
        lines.append("optional = true")
    if field.also:
        lines.append(f"also = {json.dumps(list(field.also))}")
    if field.common is not None:
        lines.append(f"common = {float(field.common)!r}")
    return lines
