"""``pseudolink profile``: what a data team looks at before it encodes."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pseudolink.cli.common import (
    NEW_PATH,
    READABLE,
    delimiter_option,
    emit,
    encoding_option,
    json_option,
    refusals,
    say,
    sheet_option,
)
from pseudolink.errors import UsageError
from pseudolink.schema import load_schema

if TYPE_CHECKING:
    from pseudolink.clean.profile import FieldValues

_WIDTH = 100
_LONGEST = 40


@click.command(
    epilog="Example: pseudolink profile extract.csv --schema uk-programme.toml --html profile.html"
)
@click.argument("extract", type=READABLE)
@click.option("--schema", type=READABLE, required=True, help="Linkage schema (TOML); passes may come later.")
@click.option("--html", type=NEW_PATH, help="Write the profile as one HTML page too; a new file.")
@click.option(
    "--strict", is_flag=True, help="Refuse cells that break a rule; lists rows and rules, no values."
)
@click.option("--show-values", is_flag=True, help="Show common values and wrong cells; on a terminal alone.")
@encoding_option
@delimiter_option
@sheet_option
@json_option
@refusals
def profile(
    extract: Path,
    schema: Path,
    html: Path | None,
    strict: bool,
    show_values: bool,
    encoding: str,
    delimiter: str | None,
    sheet: str | None,
    as_json: bool,
) -> None:
    """Count what EXTRACT holds, by field and by pass, and whether the floor will hold.

    Counts only: no value is shown unless --show-values is given on a terminal.
    """
    _refuse_values_elsewhere(show_values, as_json=as_json)
    from pseudolink import files
    from pseudolink.report.profile import render
    from pseudolink.roles import custodian as role

    if html is not None:
        files.refuse_existing(html)
    design = load_schema(schema, passes_needed=False)
    found = role.profile(
        extract,
        design,
        encoding=encoding,
        delimiter=delimiter,
        sheet=sheet,
        strict=strict,
        with_values=show_values,
    )
    if html is not None:
        files.write_bytes(html, render(found.counts).encode())
    emit(found.counts, "" if as_json else _text(found.counts, found.values), as_json=as_json)
    if found.lacking is not None:
        say(f"{found.lacking.message}\n  {found.lacking.advice}")
    if html is not None:
        say(f"page: {html}")


def _refuse_values_elsewhere(show_values: bool, *, as_json: bool) -> None:
    # What is piped or redirected stays in a file or a log that nobody meant to fill with people.
    if show_values and (as_json or not sys.stdout.isatty()):
        raise UsageError(
            "values are shown on a terminal alone, never as JSON, in a file or in a pipe",
            advice="Leave out --show-values, or run the command on a terminal without --json.",
        )


# ---------------------------------------------------------------- the text


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, words: int = 1) -> list[str]:
    """
    Aligned lines under a head; the first ``words`` columns to the left, the others to the right.

    A table without rows has no lines.
    """
    if not rows:
        return []
    cells = [list(head), *([_cell(one) for one in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        aligned = [
            text.ljust(width) if place < words else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(aligned)}".rstrip())
    return lines


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _share(part: int, all_: int) -> str:
    return f"{part / all_:.1%}" if all_ else "-"


def _paragraph(text: str, *, first: str = "  ", then: str = "  ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)


def _text(found: Mapping[str, Any], values: Mapping[str, FieldValues] | None) -> str:
    from pseudolink.report.profile import findings

    lines = [
        f"{found['source']}: {found['rows']:,} records, read on {found['today']} under the schema "
        f"{found['schema']['name']}"
    ]
    lines += ["", "What to look at first"]
    told = findings(found)
    for sentence in told or ["Nothing stands out."]:
        lines += _paragraph(sentence, first="  - ", then="    ")
    for part in (_fields(found), _remarks(found), _spikes(found), _repeats(found), _passes(found)):
        lines += ["", *part]
    if values is not None:
        lines += ["", *_values(values)]
    return "\n".join(lines)


def _fields(found: Mapping[str, Any]) -> Iterator[str]:
    yield "Fields: cells"
    yield from _paragraph(
        "Filled cells are valid (they give a value and break no rule), invalid (they break one) or "
        "placeholders (they say that nothing is known); missing ones are empty. Usable records have a value "
        "to encode, distinct counts different values, non-ASCII cells have letters beyond A to Z."
    )
    keys = ("filled", "valid", "invalid", "placeholder", "missing", "usable", "distinct", "non_ascii")
    head = ("field", *(key.replace("non_ascii", "non-ASCII") for key in keys))
    yield from _table(head, [(name, *(one[key] for key in keys)) for name, one in found["fields"].items()])
    unread = found["columns_unread"]
    if unread:
        yield f"  {unread:,} {'column' if unread == 1 else 'columns'} of the extract stand in no field."
    if found["versions"] > found["rows"]:
        yield (
            f"  Some records have several values for a field: {found['versions']:,} rows will be encoded "
            f"for {found['rows']:,} records."
        )


def _remarks(found: Mapping[str, Any]) -> Iterator[str]:
    from pseudolink.report.profile import remarks

    yield "Rules broken and flags (remarks on cells that break no rule)"
    rows = [
        (field, kind, name, count, _share(count, filled), meaning)
        for field, kind, name, meaning, count, filled in remarks(found)
    ]
    if not rows:
        yield "  None."
        return
    lines = _table(("field", "", "name", "cells", "of filled"), [row[:5] for row in rows], words=3)
    width = max(map(len, lines))
    for line, meaning in zip(lines, ["the cell", *(row[5] for row in rows)], strict=True):
        yield f"{line.ljust(width)}  {meaning}"


def _spikes(found: Mapping[str, Any]) -> Iterator[str]:
    from pseudolink.report.profile import JANUARY_FIRST, MONTH_FIRST

    fields = found["fields"]
    yield "Spikes: what one value has too often is a default that somebody typed"
    yield from _table(
        ("field", "dates", "1 January", "share", "first of a month", "share"),
        [
            (name, s["dates"], s["january_first"], _share(s["january_first"], s["dates"]), s["month_first"],
             _share(s["month_first"], s["dates"]))
            for name, one in fields.items() if (s := one.get("spikes"))
        ],
    )  # fmt: skip
    if any("spikes" in one for one in fields.values()):
        yield f"  By chance {JANUARY_FIRST:.1%} are on 1 January, {MONTH_FIRST:.1%} on the first of a month."
        yield ""
    yield "  Records that hold the most common value of each field, the second, and so on:"
    yield from _table(
        ("field", "1st", "2nd", "3rd", "4th", "5th"),
        [
            (name, *one["most_common"], *[None] * (5 - len(one["most_common"])))
            for name, one in fields.items()
        ],
    )
    for name, one in fields.items():
        if (common := one["common"])["values"]:
            yield (
                f"  {name}: values taken as missing because far more records hold them than any other: "
                f"{common['values']:,}, in {common['records']:,} records."
            )
        if crowded := one.get("crowded"):
            yield (
                f"  {name}: {crowded['values']:,} with {crowded['least']:,} records or more, "
                f"{crowded['rows']:,} records in all."
            )


def _repeats(found: Mapping[str, Any]) -> Iterator[str]:
    equal = found["equal"]
    yield "Records twice, and numbers"
    yield (
        f"  {equal['rows']:,} records equal another in every field ({equal['groups']:,} groups); "
        f"{found['empty']:,} have no usable value at all."
    )
    yield from _table(
        ("field", "records with one", "sharing it", "most with one", "temporary", "administrative"),
        [
            (name, one["usable"], n["shared_rows"], n["most"], n["temporary"], n["administrative"])
            for name, one in found["fields"].items()
            if (n := one.get("number"))
        ],
    )


def _passes(found: Mapping[str, Any]) -> Iterator[str]:
    yield "Passes: what each will see"
    if not found["passes"]:
        yield "  The schema has no passes yet."
        return
    yield from _paragraph(
        "A record takes part when it has every component of the pass. It has company when it shares a token "
        "with another record of this extract; the largest block is the most records under one token."
    )
    rows = [
        (one["name"], one["rows"], _share(one["rows"], found["rows"]), one["company"], one["largest_block"])
        for one in found["passes"]
    ]
    yield from _table(("pass", "take part", "share", "with company", "largest block"), rows)
    company, floor = found["company"], found["company"]["floor"]
    yield ""
    yield from _paragraph(
        f"Over all passes {company['records']:,} of {found['rows']:,} records ({company['share']:.2%}) have "
        f"company, and at most {company['largest_component']:,} hang together. The schema allows "
        f"{floor['company']:.2%} and {floor['component']:,}: the floor "
        f"{'will hold' if company['holds'] else 'will NOT hold'}."
    )


def _values(values: Mapping[str, FieldValues]) -> Iterator[str]:
    yield "VALUES: clear text about people; do not copy it anywhere"
    for name, one in values.items():
        rows = [("common", _shown(value), count) for value, count in one.common]
        rows += [(what, _shown(cell), count) for what, cells in one.remarked.items() for cell, count in cells]
        yield f"  {name}" if rows else f"  {name}: none held by two records, none remarked on"
        yield from _table(("", "value or cell", "records"), rows, words=2)


def _shown(text: str) -> str:
    # A cell may hold what a terminal obeys; nothing that is not a printable character is passed on.
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."
