"""The researcher's command: tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pseudolink.cli.common import NEW_PATH, READABLE, emit, json_option, refusals
from pseudolink.errors import UsageError

if TYPE_CHECKING:
    from pseudolink.release.tables.safe import Safe, SafeTable


@click.command(
    epilog="Example: pseudolink tables release/release.parquet --rows council_arm --columns schools_linked "
    "-o tables"
)
@click.argument("file", type=READABLE, metavar="FILE")
@click.option("--rows", default="", help="Columns of FILE, by commas; nested ones as outer/inner.")
@click.option("--columns", default="", help="The same, for the columns of the table.")
@click.option("--sum", "sum_", help="Column to add up; people are counted without it.")
@click.option("--where", multiple=True, help="COLUMN=CATEGORY: of these people only. May be repeated.")
@click.option("--also", default="", help="Columns that decide others, as age its bands; they are not shown.")
@click.option("--definitions", type=READABLE, help="TOML file of several tables to protect together.")
@click.option("--person", default="programme_id", show_default=True, help="Column that names the person.")
@click.option("--family", help="Column that names the family; family_id where there is one.")
@click.option("--profile", default="strict", show_default=True, help="Rules of disclosure control.")
@click.option("--no-rounding", is_flag=True, help="Leave suppression alone.")
@click.option("--areas", is_flag=True, help="Permit tables by council; the agreement must say so.")
@click.option("--seconds", default=120.0, show_default=True, help="Most time for the search of the best.")
@click.option("--ledger", type=NEW_PATH, help="Tables published before; default tables.jsonl beside FILE.")
@click.option("-o", "--output", type=NEW_PATH, help="Publish: new folder for CSV, HTML and notes.")
@click.option("--xlsx", is_flag=True, help="With --output, a workbook too (needs openpyxl).")
@json_option
@refusals
def tables(
    file: Path,
    rows: str,
    columns: str,
    sum_: str | None,
    where: tuple[str, ...],
    also: str,
    definitions: Path | None,
    person: str,
    family: str | None,
    profile: str,
    no_rounding: bool,
    areas: bool,
    seconds: float,
    ledger: Path | None,
    output: Path | None,
    xlsx: bool,
    as_json: bool,
) -> None:
    """Make tables of FILE (a row a person) in which nobody and no family can be identified.

    Small cells are suppressed, and others so that these cannot be worked out, from this table or
    from those that were published before. With --output the tables count as published.
    """
    from pseudolink.release.tables.definition import PROFILES, Definition
    from pseudolink.roles import researcher as role

    if profile not in PROFILES:
        raise UsageError(f"there is no such profile; there is {', '.join(PROFILES)}")
    if definitions is not None and (rows or columns or where or sum_ or also):
        raise UsageError(
            "--definitions says what the tables are; leave --rows, --columns, --where, --sum out"
        )
    if xlsx and output is None:
        raise UsageError("--xlsx goes with --output")
    wanted = (
        role.read_definitions(definitions)
        if definitions is not None
        else [Definition.parse(rows, columns, where, sum_, also)]
    )
    found = role.tables(
        role.Source(file, person, family),
        wanted,
        PROFILES[profile],
        rounding=not no_rounding,
        areas=areas,
        output=output,
        workbook=xlsx,
        ledger=ledger,
        seconds=seconds,
    )
    emit(_json(found, definitions is not None), "" if as_json else _text(found, output), as_json=as_json)


def _json(found: Safe, several: bool) -> dict[str, Any]:
    listed = [
        {"definition": one.definition.to_json(), "cells": [cell.to_json() for cell in one.cells]}
        for one in found.tables
    ]
    return {**found.to_json(), **({"tables": listed} if several else listed[0])}


def _text(found: Safe, output: Path | None) -> str:
    from pseudolink.release.tables.safe import COMPLEMENTARY, PRIMARY

    lines: list[str] = []
    for table in found.tables:
        lines += [*_grid(table), ""]
    result = found.to_json()
    first, further = result["suppressed"][PRIMARY], result["suppressed"][COMPLEMENTARY]
    lines.append(
        f"[c] suppressed: {first:,} for what they are, "
        f"{further:,} to protect them; "
        f"{found.audited:,} intervals audited"
    )
    if not found.proved:
        lines.append("time was up: fewer cells might have done; try --seconds")
    lines.append(
        f"published: {output}" if output else "not published: add -o FOLDER to publish and record it"
    )
    return "\n".join(lines)


def _grid(table: SafeTable) -> list[str]:
    from pseudolink.release.tables.written import grid, text_of, title

    rows, columns, cells = grid(table)
    side = len(rows[0])
    lines = [
        ["" for _ in range(side)] + [head[level] for head in columns] for level in range(len(columns[0]))
    ]
    for head, line in zip(rows, cells, strict=True):
        lines.append([*head, *("" if c is None else text_of(c.value) for c in line)])
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    return [
        title(table.definition),
        *(
            "  "
            + "  ".join(
                text.ljust(width) if n < side else text.rjust(width)
                for n, (text, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ),
    ]
