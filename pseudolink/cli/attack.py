"""``pseudolink attack``: measured re-identification risk, for reviewers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pseudolink.cli.common import (
    NEW_PATH,
    READABLE,
    ask_passphrase,
    emit,
    json_option,
    passphrase_option,
    progress,
    refusals,
    say,
    sheet_option,
)
from pseudolink.errors import UsageError

#: Exit status when the verdict is FAIL or INVALID: the command worked, the encodings did not pass.
NOT_PASSED = 3


class _Default(click.Group):
    """A group whose command ``run`` need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_Default,
    epilog="Example: pseudolink attack --self --reference extract.csv --schema schema.toml --html audit.html",
)
def attack() -> None:
    """Reviewer: how many people could someone without the key re-identify?

    `pseudolink attack ENCODINGS …` and `pseudolink attack --self …` are short for `attack run`.
    """


@attack.command(
    epilog="Example: pseudolink attack run kept/census.encodings.parquet --reference census.parquet "
    "--schema essnet.toml --truth entity_id --truth-file truth/census.truth.parquet -o report.json"
)
@click.argument("encodings", type=READABLE, required=False)
@click.option("--reference", type=READABLE, required=True, help="Population file in clear text.")
@click.option("--schema", type=READABLE, required=True, help="Linkage schema of the encodings (TOML).")
@click.option(
    "--self",
    "itself",
    is_flag=True,
    help="Encode the reference itself with a fresh key: the worst case, and the truth is known.",
)
@click.option("--truth", metavar="COLUMN", help="Of the reference: who a row is. Used for scoring alone.")
@click.option(
    "--truth-file",
    type=READABLE,
    help="Parquet with `record` and the column of --truth, as `rehearse --keep-truth` leaves it.",
)
@click.option("--project", default="rehearsal", show_default=True, help="As the agreement calls it.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Most records for attacks that compare all with all.",
)
@click.option(
    "--overlap",
    type=click.FloatRange(0.05, 1),
    default=1.0,
    show_default=True,
    help="With --self: share of the people whom extract and reference have in common.",
)
@click.option(
    "--reference-errors",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of the reference's values that are made wrong.",
)
@click.option("--attacks", help="Numbers with commas, such as A3,A6; all without it.")
@click.option("--scheme", default="keyed", show_default=True, help="With --self: another scheme to attack.")
@click.option("--full", is_flag=True, help="More settings and more records: hours.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of all experiments.")
@click.option("-o", "--output", type=NEW_PATH, help="New file for the report (JSON), for encode --audit.")
@click.option("--html", type=NEW_PATH, help="New file for the report as one HTML page.")
@sheet_option
@json_option
@refusals
def run(
    encodings: Path | None,
    reference: Path,
    schema: Path,
    itself: bool,
    truth: str | None,
    truth_file: Path | None,
    project: str,
    sample: int,
    overlap: float,
    reference_errors: float,
    attacks: str | None,
    scheme: str,
    full: bool,
    seed: int,
    output: Path | None,
    html: Path | None,
    sheet: str | None,
    as_json: bool,
) -> None:
    """Attack ENCODINGS (a file that `rehearse --keep` leaves), or the reference itself with --self.

    Ends with status 0 on PASS and 3 on FAIL or INVALID. Without --truth the canaries still run, but
    guesses at people cannot be scored and the verdict is INVALID.
    """
    from pseudolink.attacks.attack import Wanted
    from pseudolink.report.attack import render
    from pseudolink.roles import auditor

    if (encodings is None) != itself:
        raise UsageError(
            "name a file of encodings, or say --self; not both",
            advice="--self encodes the reference with a fresh key, which is the worst case.",
        )
    if encodings is not None and overlap < 1:
        raise UsageError("--overlap is for --self: encodings from a file overlap as they do")
    _two_new(output, html)
    wanted = Wanted(sample, overlap, reference_errors, full, seed)
    numbers = [one.strip().upper() for one in (attacks or "").split(",") if one.strip()]
    request = auditor.Request(
        reference, schema, encodings, truth, truth_file, scheme, project, numbers, wanted, sheet=sheet
    )
    with progress() as report:
        found = auditor.audit(request, report)
    _written(output, html, found, render)
    emit(found, _text(found), as_json=as_json)
    for path in (output, html):
        if path is not None:
            say(f"report: {path}")
    if found["verdict"] != "PASS":
        raise SystemExit(NOT_PASSED)


def _two_new(output: Path | None, html: Path | None) -> None:
    """Refuse before the work what could not be written after it."""
    from pseudolink import files

    if output is not None and output == html:
        raise UsageError("the report and its page need two names")
    for path in (output, html):
        if path is not None:
            files.refuse_existing(path)


def _written(
    output: Path | None, html: Path | None, found: dict[str, Any], page: Callable[[dict[str, Any]], str]
) -> None:
    from pseudolink import files

    if output is not None:
        files.write_bytes(output, json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False).encode())
    if html is not None:
        files.write_bytes(html, page(found).encode())


def _text(found: dict[str, Any]) -> str:
    from pseudolink.report.attack import figure_name, result

    lines = [f"{found['scheme_title']}, schema {found['schema_name']}, {found['records']:,} records", ""]
    for one in found["attacks"]:
        lines.append(f"{one['number']} {one['name']}")
        for run in one["runs"]:
            skipped = f" ({run['skipped']})" if run["skipped"] else ""
            beaten = "  BEYOND THE BOUND" if run["bounds_beaten"] else ""
            lines.append(f"    {run['conditions']}: {result(run)}{skipped}{beaten}")
        for canary in one["canaries"]:
            what = {True: "broke", False: "DID NOT BREAK", None: "not run"}[canary["broke"]]
            lines.append(
                f"    canary {canary['scheme']} ({canary['conditions']}): "
                f"{figure_name(canary['figure'])} {_reached(canary)}; {what}"
            )
    lines += ["", found["verdict"], *(f"  {reason}" for reason in found["reasons"])]
    lines += ["", "not tested:", *(f"  {one}" for one in found["not_tested"])]
    return "\n".join(lines)


def _reached(canary: dict[str, Any]) -> str:
    if canary["result"] is None or canary["figure"] not in canary["result"]["figures"]:
        return "-"
    return f"{canary['result']['figures'][canary['figure']]:.4f} of {canary['at_least']:g}"


@attack.command(
    epilog="Example: pseudolink attack keys council.encodings.parquet --reference council.csv "
    "--schema schema.toml --project families --earlier old.linkage.key"
)
@click.argument("encodings", type=READABLE)
@click.option("--reference", type=READABLE, required=True, help="People who should be in the encodings.")
@click.option("--schema", type=READABLE, required=True, help="Linkage schema of the encodings (TOML).")
@click.option("--project", default="rehearsal", show_default=True, help="As the agreement calls it.")
@click.option(
    "--earlier", type=READABLE, multiple=True, help="Key file of an earlier project; again for more."
)
@sheet_option
@passphrase_option
@json_option
@refusals
def keys(
    encodings: Path,
    reference: Path,
    schema: Path,
    project: str,
    earlier: tuple[Path, ...],
    sheet: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Try empty, default and weak keys, and earlier projects' keys, against ENCODINGS."""
    from pseudolink.keys.linkage import LinkageKey
    from pseudolink.roles import auditor

    phrase = ask_passphrase(passphrase_file) if earlier else ""
    known = {f"earlier key {path.name}": LinkageKey.load(path, phrase) for path in earlier}
    found = auditor.try_keys(encodings, reference, schema, project=project, earlier=known, sheet=sheet)
    lines = [f"{found['keys_tried']:,} keys tried under {len(found['projects'])} names of projects"]
    lines += [
        f"  FITS: {one['key']}, project {one['project']} ({one['share_of_tokens']:.1%} of the tokens)"
        for one in found["fit"]
    ]
    lines.append(found["verdict"])
    emit(found, "\n".join(lines), as_json=as_json)
    if found["fit"]:
        raise SystemExit(NOT_PASSED)


@attack.command(
    epilog="Example: pseudolink attack release release.parquet --known cohort.csv --on arm "
    "--on programme_start=start_month --html intruder.html"
)
@click.argument("released", type=READABLE, metavar="RELEASE")
@click.option("--known", type=READABLE, required=True, help="What the intruder holds: one row a person.")
@click.option(
    "--on",
    multiple=True,
    required=True,
    metavar="COLUMN",
    help="A fact in both files, or RELEASE_COLUMN=KNOWN_COLUMN; again for more. family_size is counted "
    "where there is a family_id.",
)
@click.option(
    "--truth", metavar="COLUMN", help="In both files, equal for one person; used for scoring alone."
)
@click.option("--programme-id", default="programme_id", show_default=True, help="Column of IDs in both.")
@click.option("--at-most", type=click.FloatRange(0, 1), help="Largest share of rows that may get a name.")
@click.option("-o", "--output", type=NEW_PATH, help="New file for the report (JSON).")
@click.option("--html", type=NEW_PATH, help="New file for the report as one HTML page.")
@json_option
@refusals
def release(
    released: Path,
    known: Path,
    on: tuple[str, ...],
    truth: str | None,
    programme_id: str,
    at_most: float | None,
    output: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Motivated intruder: who in RELEASE is recognised by what others know?

    Ends with status 3 where more rows get a name than --at-most allows.
    """
    from pseudolink.report.attack import render_intruder, share
    from pseudolink.roles import intrusion

    _two_new(output, html)
    found = intrusion.trial(released, known, on, truth=truth, programme_id=programme_id, at_most=at_most)
    _written(output, html, found, render_intruder)
    without = [
        f"  without {fact}: {one['count']:,} ({share(one['share'])})"
        for fact, one in found["singled_out_without"].items()
    ]
    lines = [found["sentence"], "singled out", *without]
    lines += [found["verdict"]] if found["verdict"] else []
    lines += ["", "not tested:", *(f"  {one}" for one in found["not_tested"])]
    emit(found, "\n".join(lines), as_json=as_json)
    if found["verdict"] == intrusion.FAIL:
        raise SystemExit(NOT_PASSED)
