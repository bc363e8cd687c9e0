"""``pseudolink schema``: checking a linkage schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pseudolink.cli.common import READABLE, emit, json_option, refusals
from pseudolink.schema import LinkageSchema, load_schema


@click.group()
def schema() -> None:
    """Check linkage schemas."""


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
