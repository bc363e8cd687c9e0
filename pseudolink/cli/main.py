"""The ``pseudolink`` command: finds a command's module when it is asked for, not before."""

from __future__ import annotations

import importlib
from typing import Any

import click

from pseudolink.cli import common, stopping

#: command -> ("module:attribute", what it does), in the order that help shows them. What each does
#: stands here too, so that the list of commands loads none of them.
COMMANDS = {
    "demo": (
        "pseudolink.cli.anyone:demo",
        "Run every role end to end on invented families with known truth.",
    ),
    "rehearse": ("pseudolink.cli.anyone:rehearse", "Run the pipeline on your own files with known truth."),
    "doctor": (
        "pseudolink.cli.anyone:doctor",
        "Look whether all is there, and say how to get what is not.",
    ),
    "schema": ("pseudolink.cli.design:schema", "Start, check and plan linkage schemas."),
    "agreement": (
        "pseudolink.cli.agreement:agreement",
        "Write, check, sign and show the agreement of all parties.",
    ),
    "keys": ("pseudolink.cli.keys:keys", "Make, show, audit and destroy keys."),
    "expire": ("pseudolink.cli.keeping:expire", "List what is past its date, and destroy it on demand."),
    "profile": (
        "pseudolink.cli.profiling:profile",
        "Count coverage and invalid values of an extract by field.",
    ),
    "encode": ("pseudolink.cli.custodian:encode", "Custodian: encode an extract and seal both halves of it."),
    "withdraw": (
        "pseudolink.cli.custodian:withdraw",
        "Custodian: take people who object out of what was delivered.",
    ),
    "clk": ("pseudolink.cli.clk:clk", "Make CLKs bit for bit as clkhash does, and match them."),
    "link": (
        "pseudolink.cli.operator:link",
        "Operator: link sealed encodings; the link map is sealed again.",
    ),
    "shards": ("pseudolink.cli.shards:shards", "Operator: a linkage's join in shards for any scheduler."),
    "explain": (
        "pseudolink.cli.explaining:explain",
        "Explain a linkage's model, and the weight of one pair field by field.",
    ),
    "review": ("pseudolink.cli.review:review", "Operator: judge uncertain pairs, blind."),
    "release": ("pseudolink.cli.releaser:release", "Releaser: join link map and payloads into a dataset."),
    "tables": (
        "pseudolink.cli.researcher:tables",
        "Researcher: tables in which nobody and no family can be identified.",
    ),
    "check": (
        "pseudolink.cli.checking:check",
        "Researcher: summary statistics and models, before they leave.",
    ),
    "attack": ("pseudolink.cli.attack:attack", "Reviewer: measure how many people could be re-identified."),
    "rates": (
        "pseudolink.cli.rates:rates",
        "Releaser: count by subgroup how many records are linked.",
    ),
    "evidence": (
        "pseudolink.cli.evidence:evidence",
        "Reviewer: record of processing, DPIA annex and promises, from the project's own artefacts.",
    ),
    "ledger": ("pseudolink.cli.reviewer:ledger", "Verify and show the chain of receipts."),
}


#: Exit status after an interrupt from the keyboard: 128 and the number of the signal.
INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command runs or is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, does) for name, (_, does) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with common.warnings_said():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            # Here, because click would end an interrupted command as if it had been refused.
            click.echo("interrupted; nothing was left behind", err=True)
            ctx.exit(INTERRUPTED)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: pseudolink demo --out demo",
)
@click.version_option(package_name="pseudolink", message="pseudolink %(version)s")
def cli() -> None:
    """Link people and families across public bodies without anyone seeing another's identifiers."""


def main() -> None:
    """Entry point; an interrupt is an ordinary end, not a traceback that could show a value."""
    stopping.install()
    common.letters_never_end_a_run()
    try:
        cli(standalone_mode=True)
    except SystemExit as end:
        # A run that was over before the signal did anything has ended well.
        raise SystemExit(end.code and (stopping.status() or end.code)) from None


if __name__ == "__main__":
    main()
