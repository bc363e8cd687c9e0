"""The ``pseudolink`` command: finds a command's module when it is asked for, not before."""

from __future__ import annotations

import importlib
import signal
from types import FrameType
from typing import Any, NoReturn

import click

#: command -> "module:attribute", one module a role, in the order that help shows them.
COMMANDS = {
    "demo": "pseudolink.cli.anyone:demo",
    "rehearse": "pseudolink.cli.anyone:rehearse",
    "doctor": "pseudolink.cli.anyone:doctor",
    "schema": "pseudolink.cli.design:schema",
    "agreement": "pseudolink.cli.agreement:agreement",
    "keys": "pseudolink.cli.keys:keys",
    "profile": "pseudolink.cli.profiling:profile",
    "encode": "pseudolink.cli.custodian:encode",
    "clk": "pseudolink.cli.clk:clk",
    "link": "pseudolink.cli.operator:link",
    "release": "pseudolink.cli.releaser:release",
    "ledger": "pseudolink.cli.reviewer:ledger",
}


#: Exit status after an interrupt from the keyboard: 128 and the number of the signal.
INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command runs or is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        target = COMMANDS.get(name)
        if target is None:
            return None
        module, attribute = target.split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
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


def _stop(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def main() -> None:
    """Entry point; an interrupt is an ordinary end, not a traceback that could show a value."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # Ended politely, a run clears away what it has opened; ``nohup`` has a hang-up ignored.
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    cli(standalone_mode=True)


if __name__ == "__main__":
    main()
