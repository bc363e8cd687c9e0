"""The researcher's command: check."""

from __future__ import annotations

from pathlib import Path

import click

from pseudolink.cli.common import READABLE, emit, json_option, refusals
from pseudolink.errors import UsageError


@click.command(
    epilog="Example: pseudolink check release/release.parquet --model "
    "'schools_attendance ~ council_arm + schools_linked'"
)
@click.argument("file", type=READABLE, metavar="FILE")
@click.option("--summary", metavar="COLUMN", help="Give mean and standard deviation of a column.")
@click.option("--by", default="", help="With --summary: columns that make groups, by commas.")
@click.option("--model", "formula", metavar="FORMULA", help="Check a model: 'OUTCOME ~ TERM + A:B'.")
@click.option("--numbers", default="", help="With --model: columns of few numbers that are no categories.")
@click.option("--where", multiple=True, help="COLUMN=CATEGORY: of these people only. May be repeated.")
@click.option("--person", default="programme_id", show_default=True, help="Column that names the person.")
@click.option("--family", help="Column that names the family; family_id where there is one.")
@click.option("--profile", default="strict", show_default=True, help="Rules of disclosure control.")
@click.option("--areas", is_flag=True, help="Permit groups by council; the agreement must say so.")
@json_option
@refusals
def check(
    file: Path,
    summary: str | None,
    by: str,
    formula: str | None,
    numbers: str,
    where: tuple[str, ...],
    person: str,
    family: str | None,
    profile: str,
    areas: bool,
    as_json: bool,
) -> None:
    """Check a summary statistic or a model on FILE (a row a person) before it leaves.

    Counts, degrees of freedom and dominance by the profile; never a minimum, a maximum or a median.
    A model is not fitted here: what is checked is that its estimates tell of nobody.
    """
    from pseudolink.release.tables.definition import PROFILES
    from pseudolink.roles import checking as role
    from pseudolink.roles.researcher import Source

    if profile not in PROFILES:
        raise UsageError(f"there is no such profile; there is {', '.join(PROFILES)}")
    if (summary is None) == (formula is None):
        raise UsageError("either --summary or --model")
    if (by and summary is None) or (numbers and formula is None):
        raise UsageError("--by goes with --summary, --numbers with --model")
    source = Source(file, person, family)
    if formula is not None:
        found = role.model(
            source, formula, PROFILES[profile], numbers=_names(numbers), where=where, areas=areas
        )
        result = {
            "passes": True,
            "people": found.people,
            "families": found.families,
            "parameters": found.parameters,
            "degrees_of_freedom": found.freedom,
        }
        text = (
            f"passes: about {found.people:,} people of {found.families:,} families, "
            f"{found.parameters:,} parameters, {found.freedom:,} degrees of freedom"
        )
        emit(result, text, as_json=as_json)
        return
    groups = role.summary(source, summary or "", _names(by), PROFILES[profile], where=where, areas=areas)
    lines = [f"{summary}: {'group':<34}{'people':>9}{'mean':>12}{'deviation':>12}"]
    for one in groups:
        name = (
            ", ".join(f"{k}: {'(missing)' if v is None else v}" for k, v in one.group.items()) or "everybody"
        )
        if one.people is None:
            lines.append(f"  {'(not told)':<40}{'-':>9}")
        else:
            lines.append(f"  {name:<40}{one.people:>9,}{one.mean:>12,}{one.deviation:>12,}")
    emit({"summary": summary, "groups": [one.to_json() for one in groups]}, "\n".join(lines), as_json=as_json)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
