"""``pseudolink schema``: checking and planning a linkage schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pseudolink.cli.common import (
    NEW_PATH,
    READABLE,
    delimiter_option,
    emit,
    encoding_option,
    json_option,
    progress,
    refusals,
    say,
    sheet_option,
)
from pseudolink.schema import LinkageSchema, load_schema


@click.group()
def schema() -> None:
    """Start, check and plan linkage schemas."""


@schema.command(epilog="Example: pseudolink schema start extract.csv -o fields.toml")
@click.argument("extract", type=READABLE, required=False)
@encoding_option
@delimiter_option
@sheet_option
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The new schema file.")
@json_option
@refusals
def start(
    extract: Path | None,
    encoding: str,
    delimiter: str | None,
    sheet: str | None,
    output: Path,
    as_json: bool,
) -> None:
    """Begin a schema file from the names of the columns of EXTRACT; without it, from an example.

    Names alone are looked at, no cell. Look the file over, then let `schema plan` choose passes.
    """
    from pseudolink.files import refuse_existing
    from pseudolink.roles import starting

    refuse_existing(output)
    if extract is None:
        starting.write(starting.example(), output)
        emit({"schema": str(output)}, f"wrote {output}, an example with passes; edit it", as_json=as_json)
        return
    found = starting.start(extract, encoding=encoding, delimiter=delimiter, sheet=sheet)
    starting.write(found.text, output)
    lines = [f"{field:<10}{column}" for field, column in found.fields.items()]
    lines += [f"no field for: {', '.join(found.rest)}"] if found.rest else []
    result = {"schema": str(output), "fields": found.fields, "rest": list(found.rest)}
    emit(result, "\n".join([*lines, f"wrote {output}"]), as_json=as_json)
    say(f"Look it over, then: pseudolink schema plan {extract} --schema {output} -o schema.toml")


@schema.command(epilog="Example: pseudolink schema check examples/schemas/uk-programme.toml")
@click.argument("file", type=READABLE)
@json_option
@refusals
def check(file: Path, as_json: bool) -> None:
    """Check a linkage schema: every problem at once, or what it says and its digest."""
    found = load_schema(file)
    emit(_facts(found), _text(found), as_json=as_json)


def _facts(found: LinkageSchema) -> dict[str, Any]:
    return {
        "name": found.name,
        "digest": found.digest,
        "fields": {name: field.kind for name, field in found.fields.items()},
        "passes": [
            {
                "name": one.name,
                "on": list(one.on),
                "compare": list(one.compare),
                "filter_bytes": found.layout[one.name],
            }
            for one in found.passes
        ],
        "floor": {"company": float(found.floor.company), "component": found.floor.component},
        "bytes_per_record": _bytes(found),
    }


def _bytes(found: LinkageSchema) -> int:
    return 16 + sum(16 + width for width in found.layout.values())


def _text(found: LinkageSchema) -> str:
    lines = [
        f"{found.name}: {len(found.fields)} fields, {len(found.passes)} passes, "
        f"{_bytes(found):,} bytes a record",
        f"floor: at most {float(found.floor.company):.1%} of the records with company, "
        f"no component above {found.floor.component}",
        f"digest {found.digest}",
        "",
    ]
    for one in found.passes:
        compared = f"; compares {', '.join(one.compare)}" if one.compare else ""
        lines.append(f"  {' + '.join(one.on)}{compared}")
    return "\n".join(lines)


@schema.command(
    epilog="Example: pseudolink schema plan extract.csv --schema fields.toml --population 600000 -o s.toml"
)
@click.argument("extracts", nargs=-1, required=True, type=READABLE, metavar="EXTRACT...")
@click.option("--schema", "fields", type=READABLE, required=True, help="A schema file with fields (TOML).")
@click.option(
    "--population", type=click.IntRange(min=1), help="Records of the largest party; without it, of EXTRACT."
)
@click.option(
    "--company",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Share of the records that may have company.",
)
@click.option(
    "--component",
    type=click.IntRange(min=2),
    default=20,
    show_default=True,
    help="Most records that may hang together.",
)
@click.option(
    "--bytes-per-record",
    type=click.IntRange(min=1),
    default=2048,
    show_default=True,
    help="Room for a record's encodings.",
)
@click.option(
    "--passes",
    "most_passes",
    type=click.IntRange(1, 64),
    default=64,
    show_default=True,
    help="At most so many passes.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the error model.")
@sheet_option
@click.option("-o", "--output", type=NEW_PATH, required=True, help="The new schema file.")
@json_option
@refusals
def plan(
    extracts: tuple[Path, ...],
    fields: Path,
    population: int | None,
    company: float,
    component: int,
    bytes_per_record: int,
    most_passes: int,
    seed: int,
    sheet: str | None,
    output: Path,
    as_json: bool,
) -> None:
    """Choose narrow passes from extracts and an error model, without truth, under the floor.

    Every record is copied with mistakes, as another party might hold it, and passes are taken for what
    they find of the copies and for the company they give. With several extracts the floor is kept in
    each. Passes that the schema file has are replaced. Its [errors] table may give rates of mistakes;
    the defaults are for files of about the same year: put moved = 0.3 where they are years apart.
    """
    from pseudolink.files import refuse_existing
    from pseudolink.roles import designer

    refuse_existing(output)
    with progress() as report:
        found = designer.plan(
            extracts,
            fields,
            population=population,
            company=company,
            component=component,
            bytes_per_record=bytes_per_record,
            most_passes=most_passes,
            seed=seed,
            sheet=sheet,
            report=report,
        )
    designer.write(found, output)
    emit({**found.to_json(), "schema": str(output)}, _plan_text(found.to_json(), output), as_json=as_json)


def _plan_text(found: dict[str, Any], output: Path) -> str:
    lines = [f"{'adds':>8}{'recall':>9}{'company':>10}{'largest':>9}  pass"]
    lines += [
        f"{one['recall_added']:>8.4f}{one['recall']:>9.4f}{one['company']:>10.4f}{one['largest_block']:>9,}"
        f"  {' + '.join(one['on'])}" + (f"; compares {', '.join(one['compare'])}" if one["compare"] else "")
        for one in found["passes"]
    ]
    lines += [
        "",
        "adds, recall: share of simulated pairs of one person that share a token, by this pass and so far",
        "company: share of the records that share a token with another one of their extract, so far",
        "largest: records of the largest block",
        "",
        f"expected recall   {found['expected_recall']:.4f}  "
        f"({found['expected_recall_careful']:.4f} where files err half as often as assumed, "
        f"{found['expected_recall_careless']:.4f} where twice)",
        f"company           {found['company']:.2%} of the records, for a population of "
        f"{found['population']:,}",
        f"largest block     {found['largest_block']:,}",
        f"bytes a record    {found['bytes_per_record']:,} in {len(found['passes'])} passes",
        f"seed              {found['seed']}",
        f"schema            {output}",
        f"digest            {found['digest']}",
    ]
    return "\n".join(lines)
