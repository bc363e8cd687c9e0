"""``pseudolink profile``: what a data team looks at before it encodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pseudolink.cli.common import READABLE, delimiter_option, emit, encoding_option, json_option, refusals
from pseudolink.schema import load_schema


@click.command(epilog="Example: pseudolink profile extract.csv --schema uk-programme.toml")
@click.argument("extract", type=READABLE)
@click.option("--schema", type=READABLE, required=True, help="Linkage schema (TOML).")
@encoding_option
@delimiter_option
@json_option
@refusals
def profile(extract: Path, schema: Path, encoding: str, delimiter: str | None, as_json: bool) -> None:
    """Count coverage and invalid values of EXTRACT by field. No value is shown."""
    from pseudolink.roles import custodian as role

    found = role.profile(extract, load_schema(schema), encoding=encoding, delimiter=delimiter)
    emit(found, _profile_text(found), as_json=as_json)


def _profile_text(found: dict[str, Any]) -> str:
    lines = [f"{found['rows']:,} rows", ""]
    head = f"{'field':<12}{'filled':>10}{'valid':>10}{'invalid':>9}{'missing':>9}{'distinct':>10}"
    lines.append(head)
    for name, one in found["fields"].items():
        lines.append(
            f"{name:<12}{one['filled']:>10,}{one['valid']:>10,}{one['invalid']:>9,}"
            f"{one['missing']:>9,}{one['distinct']:>10,}"
        )
        for kind in ("rules", "flags"):
            lines += [f"    {rule:<30}{count:>10,}" for rule, count in one[kind].items()]
    lines += ["", f"{'pass':<50}{'records with all of it':>24}"]
    lines += [f"{one['name']:<50}{one['rows']:>24,}" for one in found["passes"]]
    return "\n".join(lines)
