"""The operator's commands of clerical review: label pairs, as a page, compare, apply."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pseudolink import files
from pseudolink.cli.common import NEW_PATH, READABLE, emit, json_option, refusals, say
from pseudolink.errors import ReviewError

if TYPE_CHECKING:
    from pseudolink.roles.review import Session

_KEYS = {"m": "match", "n": "non-match", "u": "unsure"}
_HELP = "m one person   n two people   u unsure   b back   s show scores   q quit"

pairs_option = click.option(
    "--pairs", type=click.IntRange(min=1), default=100, show_default=True, help="How many to judge."
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the sample."
)
reviewer_option = click.option("--reviewer", required=True, metavar="NAME", help="Kept with the labels.")


class _Review(click.Group):
    """A group whose first argument may be the file to review instead of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["label", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_Review,
    epilog="Example: pseudolink review linkage/candidates.parquet --reviewer A --labels a.jsonl",
)
def review() -> None:
    """Operator: judge uncertain pairs, blind, and see what the labels say.

    review CANDIDATES is short for review label CANDIDATES.
    """


@review.command(
    epilog="Example: pseudolink review label linkage/candidates.parquet --reviewer A --labels a.jsonl"
)
@click.argument("candidates", type=READABLE)
@reviewer_option
@click.option("--labels", type=NEW_PATH, required=True, help="File of labels: new, or to go on with.")
@pairs_option
@seed_option
@json_option
@refusals
def label(candidates: Path, reviewer: str, labels: Path, pairs: int, seed: int, as_json: bool) -> None:
    """Label a sample of CANDIDATES in the terminal, a key a pair.

    Each label is on disk before the next pair is shown; the same command goes on where it ended.
    """
    from pseudolink.roles.review import begin

    with begin(candidates, labels, reviewer=reviewer, pairs=pairs, seed=seed) as session:
        _ask(session)
        given, total = len(session.labels), len(session.rows)
    result = {"labels": str(labels), "labelled": given, "pairs": total}
    emit(result, f"{given:,} of {total:,} pairs labelled in {labels}", as_json=as_json)


def _ask(session: Session) -> None:
    while not session.done:
        say(_pair(session))
        try:
            key = click.getchar().lower()
        except KeyboardInterrupt:
            return  # every label that was given is on disk
        except (OSError, EOFError):
            raise ReviewError(
                "there is no terminal to read keys from",
                advice="Make a page instead: pseudolink review page.",
            ) from None
        if key in _KEYS:
            session.say(_KEYS[key])
        elif key == "b":
            session.back()
        elif key == "s":
            session.show()
        elif key in ("q", "\x04", "\x1b"):
            return


def _pair(session: Session) -> str:
    found: dict[str, Any] = session.view()
    width = max(len(name) for name in found["levels"]) if found["levels"] else 0
    left, right = found["parties"]
    lines = [
        "",
        f"Pair {session.at + 1} of {len(session.rows)}, a record of {left} and one of {right}",
        *(f"  {name:<{width}}  {level}" for name, level in found["levels"].items()),
        f"  passes shared: {found['passes']}",
    ]
    if "weight" in found:
        lines.append(f"  weight {found['weight']:.2f} bits, probability {found['probability']:.4f}")
    if found["label"]:
        lines.append(f"  labelled: {found['label']}")
    return "\n".join([*lines, _HELP])


@review.command(
    epilog="Example: pseudolink review page linkage/candidates.parquet --reviewer A -o review-a.html"
)
@click.argument("candidates", type=READABLE)
@reviewer_option
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New HTML file.")
@pairs_option
@seed_option
@json_option
@refusals
def page(candidates: Path, reviewer: str, output: Path, pairs: int, seed: int, as_json: bool) -> None:
    """Make one HTML page to label a sample of CANDIDATES in, without a network.

    The same --pairs and --seed show the same pairs as in the terminal; the labels that the page
    downloads are the same file.
    """
    from pseudolink.formats.reviews import LABELS_FORMAT, Head, load_candidates
    from pseudolink.report.review import render
    from pseudolink.roles.review import page_rows, sample

    files.refuse_existing(output)
    found = load_candidates(candidates)
    head = Head(found.digest, reviewer, pairs, seed)
    if not head.sound:
        raise ReviewError("a reviewer's name has 1 to 64 characters and no control characters")
    rows = sample(found, pairs, seed)
    if not rows:
        raise ReviewError("there are no candidate pairs to judge")
    text = render({"format": LABELS_FORMAT, **asdict(head)}, found.fields, page_rows(found, rows))
    files.write_bytes(output, text.encode("utf-8"))
    emit({"page": str(output), "pairs": len(rows)}, f"{len(rows):,} pairs in {output}", as_json=as_json)


@review.command(epilog="Example: pseudolink review compare a.jsonl b.jsonl --json")
@click.argument("first", type=READABLE)
@click.argument("second", type=READABLE)
@json_option
@refusals
def compare(first: Path, second: Path, as_json: bool) -> None:
    """Compare two reviewers: Cohen's kappa with its interval, and where they differ."""
    from pseudolink.formats.reviews import LABELS, read_labels
    from pseudolink.roles.review import compare as compared

    found = compared(read_labels(first), read_labels(second))
    lines = [f"{found.both:,} pairs labelled by both, {found.equal:,} alike"]
    if found.kappa is None:
        lines.append("kappa is not defined: both gave one and the same label throughout")
    else:
        lines.append(f"kappa {found.kappa:.3f} (95 %: {found.low:.3f} to {found.high:.3f})")
    lines += ["", f"{'first / second':<16}" + "".join(f"{name:>11}" for name in LABELS)]
    lines += [f"{a:<16}" + "".join(f"{found.table[a, b]:>11,}" for b in LABELS) for a in LABELS]
    result = {
        "both": found.both,
        "equal": found.equal,
        "kappa": found.kappa,
        "low": found.low,
        "high": found.high,
        "table": {a: {b: found.table[a, b] for b in LABELS} for a in LABELS},
        "differing": [[left.hex(), right.hex()] for left, right in found.differing],
    }
    emit(result, "\n".join(lines), as_json=as_json)


@review.command(epilog="Example: pseudolink review apply linkage/candidates.parquet a.jsonl b.jsonl")
@click.argument("candidates", type=READABLE)
@click.argument("labels", nargs=-1, required=True, type=READABLE, metavar="LABELS...")
@click.option("--min-precision", type=click.FloatRange(0, 1), help="Lowest threshold that reaches it.")
@json_option
@refusals
def apply(candidates: Path, labels: tuple[Path, ...], min_precision: float | None, as_json: bool) -> None:
    """Estimate precision, recall and threshold anew from labels, with 95 % intervals.

    Where reviewers differ the pair counts as unsure. To link with the labels: link --labels.
    """
    from pseudolink.formats.reviews import load_candidates, read_labels
    from pseudolink.roles.review import together
    from pseudolink.roles.review_estimates import revise

    found = load_candidates(candidates)
    given = [read_labels(path) for path in labels]
    if any(one.head.candidates != found.digest for one in given):
        raise ReviewError("the labels are of other candidates than these")
    revised = revise(found, together(given), min_precision)
    lines = []
    for one in revised:
        lines += [
            f"{one.left} and {one.right}: {one.labelled:,} pairs labelled, {one.unsure:,} unsure",
            f"{'threshold':>10}{'links':>9}{'precision':>11}{'95 %':>18}{'recall':>9}{'95 %':>18}"
            f"{'model':>9}",
        ]
        for p in one.points:
            mark = "  now" if p.threshold == one.current.threshold else ""
            mark += "  best" if p.threshold == one.best.threshold else ""
            lines.append(
                f"{p.threshold:>10.4f}{p.links:>9,}{p.precision:>11.4f}"
                f"{f'{p.precision_low:.4f} to {p.precision_high:.4f}':>18}{p.recall:>9.4f}"
                f"{f'{p.recall_low:.4f} to {p.recall_high:.4f}':>18}{p.model_precision:>9.4f}{mark}"
            )
        lines.append("")
    emit({"parties": [asdict(one) for one in revised]}, "\n".join(lines).rstrip(), as_json=as_json)
