"""The command as a whole: help, speed of the start, the ways in which a run ends."""

from __future__ import annotations

import ast
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pseudolink.cli import common
from pseudolink.cli.main import COMMANDS, cli
from pseudolink.errors import FieldRuleError, InputError, Problem

posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def walk(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with its name."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, *path, name)
    else:
        yield path, command


EVERY = dict(walk(cli))


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_shows_an_example_of_itself(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"], terminal_width=400)
    assert result.exit_code == 0
    assert f"Example: pseudolink {' '.join(path)}" in " ".join(result.output.split())


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_example_is_a_command_line_that_is_understood(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its options are there and its arguments complete: only the files that it names are missing."""
    command = EVERY[path]
    words = shlex.split((command.epilog or "").removeprefix("Example: pseudolink "))[len(path) :]
    for one in {p.type for p in command.params if isinstance(p.type, click.Path)}:
        monkeypatch.setattr(one, "exists", False)
    context = command.make_context("example", words)
    assert context.params


def undocumented() -> list[str]:
    found = []
    for path, command in EVERY.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not (parameter.help or "").strip():
                found.append(f"{' '.join(path)} {parameter.opts[-1]}")
    return found


def test_every_option_is_documented() -> None:
    assert undocumented() == []


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_no_secret_can_be_given_as_an_argument(path: tuple[str, ...]) -> None:
    """Other users of a machine see the arguments of a process: secrets are named by their files."""
    for parameter in EVERY[path].params:
        words = {
            word for name in (parameter.name or "", *parameter.opts) for word in name.strip("-").split("-")
        }
        if {"passphrase", "key", "keys", "secret", "password"} & {w for x in words for w in x.split("_")}:
            assert isinstance(parameter.type, click.Path), parameter.name


#: Not loaded by `import pseudolink`, by the command itself or by its help.
HEAVY = {
    *("numpy", "pyarrow", "pandas", "numba", "scipy", "duckdb", "cryptography", "faker", "pydantic", "rich"),
    *("jinja2", "jellyfish", "openpyxl", "pkcs11", "pyspark", "anonlink"),
}
#: What a command's module may load all the same to declare its options.
LIGHTER = {"cryptography", "pydantic", "jinja2", "numpy"}


def loaded(code: str) -> set[str]:
    """Heavy packages that a new process has after running some code."""
    code += f"\nimport sys; print([one for one in {sorted(HEAVY)!r} if one in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ast.literal_eval(done.stderr.strip().splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import pseudolink",
        "from pseudolink.cli.main import cli",
        "from pseudolink.cli.main import cli; cli(['--help'], standalone_mode=False)",
        "from pseudolink.cli.main import cli; cli(['--version'], standalone_mode=False)",
    ],
    ids=["import", "command", "help", "version"],
)
def test_the_start_and_the_list_of_commands_load_no_heavy_package(code: str) -> None:
    """Nobody waits for what only a linkage needs."""
    assert loaded(code) == set()


def test_a_heavy_package_that_is_loaded_would_be_seen() -> None:
    assert loaded("import pseudolink; pseudolink.load_schema") == {"pydantic"}


def test_the_help_of_every_command_loads_nothing_that_computes() -> None:
    """Help and completion come at once, whatever the command does later."""
    code = (
        "from pseudolink.cli.main import COMMANDS, cli\n"
        "for name in COMMANDS: cli([name, '--help'], standalone_mode=False)"
    )
    assert loaded(code) <= LIGHTER


def test_help_lists_every_command_with_what_it_does() -> None:
    shown = " ".join(CliRunner().invoke(cli, ["--help"]).output.split())
    for name, (_, does) in COMMANDS.items():
        assert f" {name} {does} " in shown


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert CliRunner().invoke(cli, ["--version"]).output == f"pseudolink {version('pseudolink')}\n"


def test_an_unknown_command_is_a_wrong_command_line() -> None:
    result = CliRunner().invoke(cli, ["lnik"])
    assert result.exit_code == 2
    assert "No such command" in result.stderr


# ---------------------------------------------------------------- how a run ends


@posix
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_says_so_by_its_status_and_shows_no_traceback(
    how: signal.Signals, tmp_path: Path
) -> None:
    pipe = tmp_path / "schema.toml"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "pseudolink.cli.main", "schema", "check", str(pipe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with pipe.open("wb"):  # opens when the command does: it waits for text that never comes
        process.send_signal(how)
        out, said = process.communicate(timeout=30)
    assert process.returncode == 128 + how
    assert out == ""
    assert "Traceback" not in said
    if how == signal.SIGINT:
        assert said.strip() == "interrupted; nothing was left behind"


@posix
def test_a_hang_up_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """``nohup pseudolink link ...`` goes on when the terminal closes."""
    pipe = tmp_path / "schema.toml"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "pseudolink.cli.main", "schema", "check", str(pipe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    with pipe.open("wb") as text:
        process.send_signal(signal.SIGHUP)
        text.write(b"format = 1\n")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "PL-SCHEMA-01" in said


def ending(error: Exception, *more: str) -> Any:
    """What a command gives that ends with an error."""

    @click.command()
    @common.json_option
    @common.refusals
    def command(as_json: bool) -> None:
        raise error

    return CliRunner().invoke(command, list(more))


def test_a_refusal_has_a_code_a_sentence_and_advice() -> None:
    result = ending(InputError("extract.csv: no rows", advice="Export it again."))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "PL-INPUT-01: extract.csv: no rows\n  Export it again.\n"


def test_a_refusal_is_data_when_json_is_asked_for() -> None:
    result = ending(FieldRuleError([Problem("row 3, field 'dob'", "breaks date.real")]), "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    found = json.loads(result.stderr)["error"]
    assert found["code"] == "PL-CLEAN-02"
    assert found["problems"] == [{"place": "row 3, field 'dob'", "message": "breaks date.real"}]


@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.parametrize(
    "error",
    [KeyError("Featherstonehaugh"), ValueError("Featherstonehaugh"), MemoryError("Featherstonehaugh")],
)
def test_an_error_nobody_foresaw_never_shows_a_value(error: Exception, more: list[str]) -> None:
    """The message of a library's error may quote the cell that it could not read."""
    result = ending(error, *more)
    assert result.exit_code == 1
    assert "PL-GEN-99" in result.stderr
    assert type(error).__name__ in result.stderr
    assert "Featherstonehaugh" not in result.output + result.stderr


def test_an_error_of_the_command_line_is_clicks_own() -> None:
    result = ending(click.UsageError("these two do not go together"))
    assert result.exit_code == 2
    assert "PL-GEN-99" not in result.stderr


@posix
def test_a_reader_that_closes_the_pipe_is_no_fault_of_the_software() -> None:
    """``pseudolink ... | head -1``"""
    process = subprocess.Popen(
        [sys.executable, "-m", "pseudolink.cli.main", "doctor", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.wait(timeout=60)
    assert "PL-GEN-99" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-8"])
def test_letters_that_the_output_cannot_show_do_not_end_a_run(
    tmp_path: Path, encoding: str, more: list[str]
) -> None:
    """Redirected on Windows, output takes one code page: a column called Ŵard must not lose the result."""
    (tmp_path / "extract.csv").write_text("forename;surname;Ŵard\nAnn;Lee;x\n", encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pseudolink.cli.main", "schema", "start"),
            *(str(tmp_path / "extract.csv"), "-o", str(tmp_path / "fields.toml"), *more),
        ],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode(encoding)
    if more:
        assert json.loads(said)["rest"] == ["Ŵard"]
    else:
        assert ("Ŵard" if encoding == "utf-8" else "\\u0174ard") in said


def test_no_passphrase_at_the_prompt_is_a_refusal(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["keys", "release", "-o", str(tmp_path / "r.key")], input="")
    assert result.exit_code == 1
    assert "PL-KEY-02" in result.stderr
    assert "--passphrase-file" in result.stderr
    assert not (tmp_path / "r.key").exists()
