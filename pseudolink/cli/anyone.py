"""Commands for anyone: demo, rehearse, doctor."""

from __future__ import annotations

import textwrap
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import click

from pseudolink.cli.common import (
    FOLDER,
    NEW_PATH,
    NOBODY,
    READABLE,
    emit,
    json_option,
    min_precision_option,
    progress,
    refusals,
    resolution_options,
    sheet_option,
    threshold_option,
)


def demo_schema() -> Path:
    """The schema that the demo uses: the one that ships as an example."""
    return Path(str(package_files("pseudolink").joinpath("synthetic", "uk-programme.toml")))


@click.command(epilog="Example: pseudolink demo --people 5000 --out demo")
@click.option(
    "--people",
    type=click.IntRange(500, 2_000_000),
    default=5000,
    show_default=True,
    help="How many to invent.",
)
@click.option("--out", type=NEW_PATH, required=True, help="New folder; every party gets its own inside.")
@click.option("--seed", type=click.IntRange(min=0), default=2026, show_default=True, help="Of the people.")
@click.option("--schema", type=READABLE, help="Another linkage schema for the same extracts.")
@json_option
@refusals
def demo(people: int, out: Path, seed: int, schema: Path | None, as_json: bool) -> None:
    """Run every role end to end on invented UK families with known truth."""
    from pseudolink.roles import demo as role

    with progress() as report:
        found = role.run(people, out, schema=schema or demo_schema(), seed=seed, report=report)
    lines = [
        f"{found.people:,} invented people (seed {found.seed}); {found.objections} of the cohort object "
        "and are left out",
        "",
        f"{'agency':<12}{'records':>9}{'in cohort':>11}{'linked':>9}{'precision':>11}{'recall':>9}"
        f"{'F1':>9}{'company':>10}",
    ]
    lines += [
        f"{a.agency:<12}{a.records:>9,}{a.true_pairs:>11,}{a.links:>9,}{a.precision:>11.4f}"
        f"{a.recall:>9.4f}{a.f1:>9.4f}{a.company:>10.2%}"
        for a in found.agencies
    ]
    lines += [
        f"{'council':<12}{'(the cohort itself)':>49}{'':>9}{'':>3}{found.cohort_company:>8.2%}",
        "",
        f"release: {found.release}",
        f"report:  {found.report}",
        f"rules:   {found.disclosure}",
    ]
    emit(found.to_json(), "\n".join(lines), as_json=as_json)


@click.command(
    epilog="Example: pseudolink rehearse census.parquet cis.parquet --schema essnet.toml --truth entity_id"
)
@click.argument("files", nargs=-1, required=True, type=READABLE, metavar="LEFT RIGHT [MORE]...")
@click.option("--schema", type=READABLE, required=True, help="Linkage schema (TOML).")
@click.option("--truth", required=True, metavar="COLUMN", help="Equal exactly for records of one person.")
@click.option("--keep", type=NEW_PATH, help="New folder for every artefact, unsealed, for a reviewer.")
@click.option(
    "--keep-truth", type=NEW_PATH, help="New folder for who each record of them is, for `attack run`."
)
@min_precision_option
@threshold_option
@resolution_options
@click.option("--workers", type=click.IntRange(min=1), help="Threads that encode; all processors without it.")
@click.option("--strict", is_flag=True, help="Refuse cells that break a rule.")
@click.option("--ignore-floor", is_flag=True, help="Measure the security floor without refusing.")
@sheet_option
@json_option
@refusals
def rehearse(
    files: tuple[Path, ...],
    schema: Path,
    truth: str,
    keep: Path | None,
    keep_truth: Path | None,
    min_precision: float | None,
    threshold: float | None,
    assignment: str,
    every_pair: bool,
    duplicates: tuple[str, ...],
    no_guard: bool,
    workers: int | None,
    strict: bool,
    ignore_floor: bool,
    sheet: str | None,
    as_json: bool,
) -> None:
    """Run the pipeline on your own files with known truth, each against the first.

    The truth column never reaches any stage. Columns that the schema does not use go into the
    payload: use test data.
    """
    from pseudolink.roles import rehearsal
    from pseudolink.roles.encoding import Options
    from pseudolink.roles.resolving import rules_of
    from pseudolink.schema import load_schema

    options = Options(strict=strict, workers=workers, enforce_floor=not ignore_floor, sheet=sheet)
    with progress() as report:
        found = rehearsal.rehearse(
            files,
            load_schema(schema),
            truth,
            keep=keep,
            keep_truth=keep_truth,
            min_precision=min_precision,
            threshold=threshold,
            rules=rules_of(assignment, every_pair, duplicates, guard=not no_guard),
            options=options,
            report=report,
        )
    emit(found, _rehearsal_text(found), as_json=as_json)


def _rehearsal_text(found: dict[str, Any]) -> str:
    lines = []
    for one in found.get("pairs", [found]):
        if "left" in one:
            lines.append(f"{one['left']} and {one['right']}")
        lines += [
            *(
                f"{word:<18}{one[name]:.4f}   expected {one[f'expected_{name}']:.4f}, "
                f"95 % interval {low:.4f} to {high:.4f}"
                for word, name in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
                for low, high in (one[f"{name}_interval"],)
            ),
            f"candidate recall  {one['candidate_recall']:.4f}   of {one['true_pairs']:,} true pairs",
            f"links             {one['links']:,}   at probability {one['threshold']:.4f} or more; "
            f"{one['ambiguous']:,} ambiguous pairs left out",
            f"company           {one['company']:.2%}   largest component {one['largest_component']:,}",
            "unlinkable        " + ", ".join(f"{party} {n:,}" for party, n in one["unlinkable"].items()),
            *([NOBODY] if one["nobody"] else []),
            "",
        ]
    for one in found.get("people", ()):
        lines.append(
            f"people with {one['party']}: {one['links']:,} links, {one['carried']:,} over a third party; "
            f"precision {one['precision']:.4f}, recall {one['recall']:.4f}, F1 {one['f1']:.4f}"
        )
    for one in found.get("duplicates", ()):
        lines.append(f"duplicates in {one['party']}: {one['records']:,} records in {one['groups']:,} groups")
    stages = ", ".join(f"{name} {value:.1f} s" for name, value in found["seconds"].items())
    peak = found["peak_memory_bytes"]
    lines.append(stages if peak is None else f"{stages}; peak memory {peak / 2**20:,.0f} MiB")
    return "\n".join(lines)


@click.command(epilog="Example: pseudolink doctor --keys council/keys")
@click.option("--keys", multiple=True, type=FOLDER, help="Folder of keys: who can read it; again for more.")
@json_option
@refusals
def doctor(keys: tuple[Path, ...], as_json: bool) -> None:
    """Look whether everything is there, and say how to get what is missing.

    Versions, compiled code, sealing, random numbers, clock, memory, room on disk, and the extras that
    only some need. Ends with status 1 where something is wrong. No key is opened.
    """
    from pseudolink.roles import doctor as role

    found = role.examine(keys)
    versions = ", ".join(f"{name} {one}" for name, one in found["versions"].items())
    lines = [*textwrap.wrap(versions, 100), f"engine {found['engine']}", ""]
    width = max(len(one["name"]) for one in found["checks"])
    for one in found["checks"]:
        lines.append(f"{one['state']:<6}{one['name']:<{width}}  {one['found']}")
        if one["advice"]:
            lines.append(f"{'':<6}{'':<{width}}  {one['advice']}")
    lines += ["", "not ready: see what is wrong" if found["missing"] else "ready"]
    emit(found, "\n".join(lines), as_json=as_json)
    if found["missing"]:
        raise SystemExit(1)
