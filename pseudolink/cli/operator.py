"""The operator's command: link."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pseudolink.cli.common import (
    FOLDER,
    NEW_PATH,
    NOBODY,
    READABLE,
    ask_passphrase,
    emit,
    engine_options,
    json_option,
    min_precision_option,
    passphrase_option,
    progress,
    refusals,
    require_engine,
    resolution_options,
    say,
    size_in_bytes,
    threshold_option,
)
from pseudolink.errors import UsageError

if TYPE_CHECKING:
    from pseudolink.formats.summary import LinkageSummary
    from pseudolink.match.expect import Expected
    from pseudolink.roles.joins import Engine


def _expected(parties: str, one: Expected) -> str:
    width = max((len(name) for name in one.passes), default=4)
    lines = [f"{parties}, from {one.sampled:,} rows of the first:"]
    lines += [f"  {name:<{width}} {pairs:>15,} pairs" for name, pairs in one.passes.items()]
    lines.append(f"  {'together':<{width}} {one.pairs:>15,} candidate pairs")
    lines.append(
        f"  {one.shards:,} shards, about {max(one.seconds, 0.1):,.1f} s to join, "
        f"{one.memory / (1 << 20):,.0f} MiB at most"
    )
    return "\n".join(lines)


def elsewhere(engine: str, cluster: str | None) -> Engine | None:
    """The engine of that name; None is this machine."""
    if engine == "local":
        return None
    from pseudolink.roles.spark_linking import SparkEngine

    return SparkEngine(cluster)


def _changes(summary: LinkageSummary) -> list[str]:
    """What became of the people of the linkage that was extended."""
    told = summary.extends
    if told is None:
        return []
    lines = [
        f"people: {told.before:,} before, {told.now:,} now; {told.kept:,} kept their ID, {told.new:,} are "
        f"new, {told.ended:,} ended",
        f"of those that ended {told.merged:,} merged into others; of the new {told.split:,} split from "
        f"others; {told.moved:,} records moved",
    ]
    if told.ambiguous:
        lines.append(
            f"{told.ambiguous:,} records of the cohort may be one of several before; their IDs are new"
        )
    lines += [
        f"{one.party}: {one.gained:,} of the people kept have a record of it and had none, "
        f"{one.lost:,} the reverse"
        for one in told.parties
    ]
    return lines


@click.command(
    epilog="Example: pseudolink link council.encodings.package schools.encodings.package "
    "--agreement agreement.toml --schema schema.toml --key linkage-unit.party.key -o linkage"
)
@click.argument("packages", nargs=-1, required=True, type=READABLE, metavar="PACKAGE...")
@click.option("--agreement", type=READABLE, required=True, help="The signed agreement (TOML).")
@click.option("--schema", type=READABLE, required=True, help="The linkage schema that it names (TOML).")
@click.option("--key", type=READABLE, required=True, help="The operator's ID.party.key.")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New folder for link map and report.")
@click.option("--ledger", type=NEW_PATH, help="Where the receipt goes; default ledger.jsonl beside --output.")
@min_precision_option
@threshold_option
@resolution_options
@click.option(
    "--labels",
    type=READABLE,
    multiple=True,
    help="Labels of clerical review of these packages; each file given is used.",
)
@click.option("--candidates", is_flag=True, help="Leave candidates.parquet for clerical review.")
@click.option(
    "--extend",
    type=FOLDER,
    metavar="LINKAGE",
    help="Folder of a finished linkage, made with --extendable, whose people keep their IDs. Name its "
    "packages again, or newer ones in their place, and those that are added; of a newer one of the "
    "cohort, both.",
)
@click.option(
    "--extendable",
    is_flag=True,
    help="Leave what --extend needs: who is who, sealed to the operator's own key.",
)
@click.option(
    "--memory",
    metavar="SIZE",
    help="That the join may take, such as 4G; default half of the machine's. With --engine spark: that one "
    "task may, default 256M.",
)
@engine_options
@click.option("--shards", type=FOLDER, metavar="PLAN", help="Take what is finished of a plan of shards.")
@click.option("--dry-run", is_flag=True, help="Only say, from a sample, what to expect; write nothing.")
@click.option(
    "--withdrawals", type=READABLE, multiple=True, help="A custodian's withdrawal; give every one you hold."
)
@passphrase_option
@json_option
@refusals
def link(
    packages: tuple[Path, ...],
    agreement: Path,
    schema: Path,
    key: Path,
    output: Path,
    ledger: Path | None,
    withdrawals: tuple[Path, ...],
    min_precision: float | None,
    threshold: float | None,
    assignment: str,
    every_pair: bool,
    duplicates: tuple[str, ...],
    no_guard: bool,
    labels: tuple[Path, ...],
    candidates: bool,
    extend: Path | None,
    extendable: bool,
    memory: str | None,
    engine: str,
    cluster: str | None,
    shards: Path | None,
    dry_run: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Link sealed encodings, each against the cohort; the link map is sealed to the releaser."""
    from pseudolink.keys.party import PartyKey
    from pseudolink.roles import operator as role
    from pseudolink.roles.resolving import rules_of
    from pseudolink.roles.review import constraints

    require_engine(engine, cluster)
    if shards is not None and (engine != "local" or memory is not None):
        raise UsageError("--shards goes without --memory, which the plan has set, and --engine spark")
    allowed = None if memory is None else size_in_bytes(memory)
    rules = rules_of(
        assignment, every_pair, duplicates, constraints(labels) if labels else {}, guard=not no_guard
    )
    own = PartyKey.load(key, ask_passphrase(passphrase_file))
    if dry_run:
        with progress() as report:
            expected = role.expect(
                packages,
                agreement=agreement,
                schema=schema,
                key=own,
                output=output,
                every_pair=every_pair,
                extend=extend,
                memory=allowed,
                report=report,
            )
        told = [{"left": left, "right": right, **asdict(one)} for (left, right), one in expected.items()]
        text = "\n".join(_expected(f"{left} and {right}", one) for (left, right), one in expected.items())
        emit({"expected": told}, text, as_json=as_json)
        return
    with progress() as report:
        found = role.link(
            packages,
            agreement=agreement,
            schema=schema,
            key=own,
            output=output,
            ledger=ledger or output.parent / "ledger.jsonl",
            min_precision=min_precision,
            threshold=threshold,
            rules=rules,
            candidates=candidates,
            extend=extend,
            extendable=extendable,
            memory=allowed,
            withdrawals=withdrawals,
            engine=elsewhere(engine, cluster),
            shards=shards,
            report=report,
        )
    for sentence in found.left_out:
        say(sentence)
    resolution = found.resolution
    for code, sentence in resolution.warnings:
        say(f"{code}: {sentence}")
    lines = [
        f"{p.left} and {p.right}: {p.links:,} links, expected precision {p.expected_precision:.4f}, "
        f"recall {p.expected_recall:.4f}; {p.ambiguous:,} ambiguous pairs left out"
        + (f"; {NOBODY}" if p.nobody else "")
        for p in found.summary.pairs
    ]
    lines += [
        f"{party}: {links:,} records in the link map, {resolution.carried[party]:,} over a third party"
        for party, links in resolution.links.items()
        if resolution.carried
    ]
    lines += [f"{party}: {groups:,} groups of duplicates" for party, groups in resolution.duplicates.items()]
    lines += _changes(found.summary)
    if resolution.guarded:
        lines.append(f"{resolution.guarded:,} pairs left out by the guard of twins; see review")
    if found.candidates:
        lines.append(f"for clerical review: {found.candidates}")
    if found.state:
        lines.append(f"for an extension of this linkage, with your key alone: {found.state}")
    lines += [f"for the releaser: {found.link_map}", f"report: {found.report}"]
    result = {
        "link_map": str(found.link_map),
        "report": str(found.report),
        "left_out": list(found.left_out),
        "summary": found.summary.to_json(),
        "resolution": asdict(resolution),
        "candidates": str(found.candidates) if found.candidates else None,
        "state": str(found.state) if found.state else None,
    }
    emit(result, "\n".join(lines), as_json=as_json)
