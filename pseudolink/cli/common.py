"""
What every command shares: arguments, secrets, progress, results and errors.

Standard output carries the result alone; progress and messages go to standard error.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from pseudolink.cli import stopping
from pseudolink.errors import PassphraseError, PseudolinkError, UsageError
from pseudolink.notices import Notice

F = TypeVar("F", bound=Callable[..., Any])

READABLE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_PATH = click.Path(path_type=Path)

encoding_option = click.option(
    "--encoding", default="utf-8", show_default=True, help="Of a CSV file; windows-1252 must be said."
)
delimiter_option = click.option("--delimiter", help="Of a CSV file; found among , ; tab | without it.")
sheet_option = click.option(
    "--sheet", help="Of a workbook (.xlsx): name or number; needed where several have cells."
)

#: Exit status of a refusal that has a code. Click itself uses 2 for a wrong command line.
REFUSED = 1
#: Code of an error that is the software's own fault.
UNFORESEEN = "PL-GEN-99"


def resolution_options(command: F) -> F:
    """How links are resolved: ``--assignment``, ``--every-pair``, ``--duplicates``, ``--no-guard``."""
    for option in (
        click.option(
            "--no-guard",
            is_flag=True,
            help="Let pairs be links that agree on date of birth, surname and postcode and not on the "
            "forename: twins, or one person with two forenames.",
        ),
        click.option(
            "--duplicates",
            multiple=True,
            metavar="PARTY",
            help="A party that may hold several records of a person; they are found and linked as one.",
        ),
        click.option(
            "--every-pair",
            is_flag=True,
            help="Link all parties with one another, not each with the cohort alone; people are clusters.",
        ),
        click.option(
            "--assignment",
            type=click.Choice(["greedy", "optimal"]),
            default="greedy",
            show_default=True,
            help="One to one: best pair first, or most right links expected over all.",
        ),
    ):
        command = option(command)
    return command


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size_in_bytes(size: str) -> int:
    """Bytes of a size such as 4G, 512M or 1000000."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*([KMGT]?)(?:i?B)?", size.strip(), re.IGNORECASE)
    number = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if number < 1:
        raise UsageError("--memory is a size, such as 4G or 512M")
    return number


def engine_options(command: F) -> F:
    """``--engine`` and ``--cluster``: where the work is done."""
    for option in (
        click.option(
            "--cluster",
            metavar="ADDRESS",
            help="For --engine spark: sc://… of Spark Connect, or a master such as spark://…; without it "
            "what the environment configures.",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "spark"]),
            default="local",
            show_default=True,
            help="Where it is done; the result is the same.",
        ),
    ):
        command = option(command)
    return command


def require_engine(engine: str, cluster: str | None) -> None:
    """Refuse a cluster that nothing would use."""
    if cluster is not None and engine != "spark":
        raise UsageError("--cluster goes with --engine spark")


def json_option(command: F) -> F:
    """``--json``: the result as JSON on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


#: Said where two parties seem to have nobody in common.
NOBODY = "nothing tells that anybody is in both, so nobody was linked"


def min_precision_option(command: F) -> F:
    """``--min-precision``: choose the threshold by expected precision."""
    return click.option(
        "--min-precision",
        type=click.FloatRange(0, 1),
        help="Lowest threshold expected to reach it; without it, the one with the best expected F1.",
    )(command)


def threshold_option(command: F) -> F:
    """``--threshold``: take this match probability."""
    return click.option(
        "--threshold",
        type=click.FloatRange(0, 1),
        help="Link from this match probability on, whatever is expected of it.",
    )(command)


def passphrase_option(command: F) -> F:
    """``--passphrase-file``: where the passphrase of the key files is; else a prompt asks."""
    return click.option(
        "--passphrase-file",
        type=READABLE,
        help="File whose first line is the passphrase; without it a prompt asks. Never an argument.",
    )(command)


def ask_passphrase(file: Path | None, *, new: bool = False) -> str:
    """The passphrase of this party's key files, from a file or a prompt; never an argument."""
    if file is not None:
        from pseudolink.keys.vault import read_passphrase

        return read_passphrase(file)
    prompt = "New passphrase" if new else "Passphrase"
    try:
        answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=new, err=True)
    except click.Abort:
        raise PassphraseError(
            "no passphrase was given", advice="Type it, or name its file: --passphrase-file."
        ) from None
    return answer


def say(text: str) -> None:
    """A line for a person, on standard error."""
    click.echo(text, err=True)


def _takes_all(stream: Any) -> bool:
    """Whether a stream takes every letter: redirected, Windows has it take those of one code page."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


def letters_never_end_a_run() -> None:
    """What standard output cannot show is shown as its number; a finished run does not fail by it."""
    if not _takes_all(sys.stdout) and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def emit(result: Any, text: str, *, as_json: bool) -> None:
    """Print the result: ``result`` as JSON, or ``text`` for a person."""
    if as_json:
        click.echo(json.dumps(result, indent=2, sort_keys=True, ensure_ascii=not _takes_all(sys.stdout)))
    elif text:
        click.echo(text)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """
    Give a function ``report(stage, done, total)`` that roles call as they go.

    A bar on a terminal; elsewhere a line when a stage begins and then every ten seconds.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            tasks: dict[str, Any] = {}

            def report(stage: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage, total=total)
                bar.update(tasks[stage], completed=done, total=total)

            yield report
    else:
        seen: dict[str, float] = {}
        begun: dict[str, tuple[float, int]] = {}

        def report_line(stage: str, done: int, total: int) -> None:
            now = time.monotonic()
            if stage not in seen or now - seen[stage] > 10:
                seen[stage] = now
                since, first = begun.setdefault(stage, (now, done))
                left = ""
                if first < done < total:
                    left = f", about {(now - since) * (total - done) / (done - first):,.0f} s left"
                say(f"{stage}: {done:,} of {total:,}{left}")

        yield report_line


def wants_json() -> bool:
    """Whether the running command was given ``--json`` (errors then are JSON too)."""
    context = click.get_current_context(silent=True)
    return bool(context and context.params.get("as_json"))


def _unforeseen(error: Exception) -> None:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}, line {last.lineno}"
    message = f"unexpected {type(error).__name__} ({place}); nothing was written"
    advice = "This is a fault of the software: please report the place, without your data."
    if wants_json():
        found = {"code": UNFORESEEN, "message": message, "advice": advice}
        click.echo(json.dumps({"error": found}), err=True)
    else:
        say(f"{UNFORESEEN}: {message}\n  {advice}")


def _end_if_stopped() -> None:
    """An error that a signal brought about is no refusal and no fault."""
    if stopping.status() is not None:
        raise SystemExit(stopping.status()) from None


@contextmanager
def warnings_said() -> Iterator[None]:
    """Say what is for a person; other warnings go where they go."""
    other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, Notice):
            say(f"warning: {message}")
        else:
            other(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", Notice)
        warnings.showwarning = show
        yield


def refusals(command: F) -> F:
    """Turn a PseudolinkError into its code, sentence and advice on standard error; exit 1."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except PseudolinkError as error:
            _end_if_stopped()
            if wants_json():
                click.echo(
                    json.dumps({"error": error.diagnostics()}, ensure_ascii=not _takes_all(sys.stderr)),
                    err=True,
                )
            else:
                say(f"{error.code}: {error.message}")
                if error.advice:
                    say(f"  {error.advice}")
            raise SystemExit(REFUSED) from None
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            # Click's own ends, and a reader of the result that has closed its end of the pipe.
            raise
        except Exception as error:
            _end_if_stopped()
            # The text of an error that nobody foresaw may hold a value, so only its place is shown.
            _unforeseen(error)
            raise SystemExit(REFUSED) from None

    return wrapped  # type: ignore[return-value]
