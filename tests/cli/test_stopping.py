"""A run that is told to stop ends as one, whatever the interrupted code makes of it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from pseudolink.cli import stopping
from pseudolink.cli.common import refusals
from pseudolink.errors import InputError


@pytest.mark.parametrize("error", [ValueError("made of the signal by compiled code"), InputError("the same")])
def test_an_error_that_a_signal_brought_about_is_no_refusal(monkeypatch, capsys, error):
    monkeypatch.setattr(stopping, "_received", [signal.SIGTERM])

    @refusals
    def command() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == ""


def test_without_a_signal_an_error_stays_what_it_is(capsys):
    @refusals
    def command() -> None:
        raise InputError("no rows")

    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == 1
    assert "no rows" in capsys.readouterr().err


SWALLOWED = """
import os, signal, click
from pseudolink.cli import main, stopping

@click.command()
def command():
    try:
        os.kill(os.getpid(), signal.{signal})
    except BaseException:
        raise SystemExit({status}) from None

main.cli = command
main.main()
"""


@pytest.mark.parametrize(
    ("name", "status", "expected"), [("SIGTERM", 1, 143), ("SIGINT", 1, 130), ("SIGTERM", 0, 0)]
)
def test_the_exit_status_tells_of_the_signal(name, status, expected):
    """Unless the run had done its work all the same."""
    code = SWALLOWED.format(signal=name, status=status)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode == expected, done.stderr
