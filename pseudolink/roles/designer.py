"""
The designer: from extracts and a list of fields to a linkage schema under the security floor.

A custodian plans with its own extract. No truth is used, and nothing but the schema leaves.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pseudolink import files
from pseudolink.clean.extract import clean_table
from pseudolink.clean.reader import read_extract
from pseudolink.components import COMPARABLE, split
from pseudolink.encode.planning import NUMBERS, Chosen, Limits, Material, choose
from pseudolink.errors import LinkageError, UsageError
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.roles.linkage import Report, quiet
from pseudolink.schema import FORMAT, MOST_PASSES, LinkageSchema, load_schema, parse_schema
from pseudolink.synthetic.copies import ErrorRates, erring_copies

#: Records whose company is measured, and records that are copied with errors; the rest is left out.
MOST_PEOPLE = 300_000
MOST_ORIGINALS = 40_000
#: Originals and copies together come to about this many.
_STACKED = 120_000
_TOKEN_BYTES = 16
_MOST_COMPARED = 3


@dataclass(frozen=True)
class Plan:
    """A planned schema: its text, and what it is expected to do."""

    text: str
    schema: LinkageSchema
    passes: tuple[Chosen, ...]
    rows: int
    population: int
    bytes_per_record: int
    seed: int
    rates: ErrorRates

    def to_json(self) -> dict[str, Any]:
        """JSON-able data."""
        last = self.passes[-1]
        return {
            "expected_recall": last.recall,
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
                }
                for one in self.passes
            ],
        }


def _joined(parts: Sequence[Cleaned], names: Sequence[str]) -> Cleaned:
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
    report: Report = quiet,
) -> Plan:
    """
    Choose passes for the union of extracts.

    Args:
        fields: schema file with fields; passes in it are replaced.
        population: records of the largest party; the extracts' own number when None.

    Raises:
        UsageError: limits that leave no pass. LinkageError: no pass keeps to the floor.
    """
    design = load_schema(fields, passes_needed=False)
    rates = ErrorRates.of(design.errors)
    parts = []
    for source in extracts:
        name = Path(source).name if isinstance(source, (str, Path)) else "the table"
        parts.append(clean_table(read_extract(source), design, source=name).one_a_record())
    union = _joined(parts, list(design.fields))
    everybody = max(population or 0, max(part.rows for part in parts))
    held = [name for name, column in union.fields.items() if len(column.values)]
    usable = _only(design, held)
    rng = np.random.Generator(np.random.PCG64(seed))
    people = tuple(_sampled(part, MOST_PEOPLE, rng) for part in parts)
    originals = _sampled(union, MOST_ORIGINALS, rng)
    copies = max(2, min(8, _STACKED // max(originals.rows, 1)))
    numbers = sum(f.kind in NUMBERS for f in usable.fields.values())
    compare = _compared(usable)
    room = bytes_per_record - 16 - numbers * _filter_bytes(usable, compare)
    passes = min(most_passes, MOST_PASSES, room // _TOKEN_BYTES)
    if passes < 1:
        raise UsageError("the bytes a record leave no room for a pass", advice="Allow 2,048 bytes.")
    kinds = {name: field.kind for name, field in usable.fields.items()}
    pairs = erring_copies(originals, kinds, rates, copies=copies, seed=seed)
    limits = Limits(company, component, passes, everybody)
    chosen = choose(Material(people, pairs, originals.rows, copies), usable, limits, report=report)
    if not chosen:
        raise LinkageError(
            "no pass keeps to the floor for this population",
            advice="Add a field, allow more company, or state a smaller population.",
        )
    text = _text(design, chosen, compare, company, component, everybody, seed)
    found = _parsed(text)
    size = 16 + sum(_TOKEN_BYTES + width for width in found.layout.values())
    return Plan(text, found, tuple(chosen), union.rows, everybody, size, seed, rates)


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


def _filter_bytes(design: LinkageSchema, compare: Sequence[str]) -> int:
    return sum(design.fields[name].bits for name in compare) // 8


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
    compare: Sequence[str],
    company: float,
    component: int,
    population: int,
    seed: int,
) -> str:
    last = chosen[-1]
    lines = [
        f"# Planned for a population of {population:,} (seed {seed}), without truth.",
        f"# Expected: {last.recall:.1%} of the pairs of one person share a token; {last.company:.1%} of the",
        "# records have company.",
        f"format = {json.dumps(FORMAT)}",
        f"name = {json.dumps(design.name)}",
        "",
    ]
    for field in design.fields.values():
        lines += [f"[fields.{field.name}]", f"kind = {json.dumps(field.kind)}"]
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
        lines.append("")
    lines += _filters(design)
    for index, one in enumerate(chosen):
        first, _ = split(one.on[0])
        alone = len(one.on) == 1 and design.fields[first].kind in NUMBERS
        name = _name(one.on)
        if name in {_name(other.on) for other in chosen[:index]}:
            name = f"{name[:44]}-{index}"
        lines += ["[[passes]]", f"name = {json.dumps(name)}", f"on = {json.dumps(list(one.on))}"]
        if alone and compare:
            lines.append(f"compare = {json.dumps(list(compare))}")
        lines.append("")
    if design.errors:
        lines += ["[errors]", *(f"{name} = {rate!r}" for name, rate in design.errors.items()), ""]
    lines += ["[floor]", f"company = {company!r}", f"component = {component}", "decoys = true", ""]
    return "\n".join(lines)


def _filters(design: LinkageSchema) -> list[str]:
    lines = []
    for field in design.fields.values():
        if field.kind in COMPARABLE:
            lines += [f"[filters.{field.name}]", f"bits = {field.bits}", f"budget = {field.budget}", ""]
    return lines
