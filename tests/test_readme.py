"""The README and the page of a whole project show commands that are there and Python that runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from pseudolink.cli.main import cli

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = (ROOT / "docs" / "howto" / "project.md").read_text(encoding="utf-8")
SHOWN = [
    command
    for command in re.findall(r"(?:^|`)pseudolink ([a-z][a-z ]*)", TEXT + PROJECT, re.MULTILINE)
    if command.split()[0] in cli.list_commands(None)  # type: ignore[arg-type]
]


@pytest.mark.parametrize("shown", sorted(set(SHOWN)))
def test_a_command_that_is_shown_is_there(shown):
    words = shown.split()
    group = cli.get_command(None, words[0])  # type: ignore[arg-type]
    path = words[:2] if hasattr(group, "commands") and len(words) > 1 else words[:1]
    found = CliRunner().invoke(cli, [*path, "--help"])
    assert found.exit_code == 0, found.output
    assert "Usage" in found.output


LINES = [
    line
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", TEXT + PROJECT, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if not language and line.startswith("pseudolink ")
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_shown_has_the_options_and_arguments_of_its_command(line):
    """Every option exists, every required one is given, and the arguments are as many as it takes."""
    words = shlex.split(line)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    context = click.Context(command)
    # Parsed, not converted: the files are of a project that only the reader has.
    given, left_over, _ = command.make_parser(context).parse_args(args=list(words))
    assert left_over == []
    for one in command.params:
        value = given.get(one.name)
        if one.required:
            assert value not in (None, (), []), f"{one.name} is missing: {line}"


def test_the_whole_path_is_shown():
    """From keys to the ledger, each command of the walkthrough once."""
    shown = " ".join(LINES)
    for command in (
        "keys party", "agreement init", "agreement check", "keys linkage contribute", "keys linkage reveal",
        "keys linkage combine", "agreement sign", "profile", "schema plan", "encode", "link", "keys release",
        "release", "ledger verify",
    ):  # fmt: skip
        assert f"pseudolink {command} " in shown, command


def table_of(text, heading):
    """Rows of the one Markdown table whose heading begins so, by column."""
    lines = text[text.index(heading) :].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_figures_are_those_of_the_benchmarks():
    """A figure in the README that no benchmark's page holds was never measured, or is out of date."""
    measured = {
        (row["set"], row["tool"]): row
        for row in table_of((ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8"), "| set | rows |")
    }
    shown = table_of(TEXT, "| set | records |")
    assert {row["set"] for row in shown} == {name for name, _ in measured}
    for row in shown:
        ours = measured[row["set"], "pseudolink 5%"]
        assert [row[key] for key in ("company", "P", "R", "F1")] == [
            ours[key] for key in ("company", "P", "R", "F1")
        ]
        assert row["Splink's F1 at 0.5"] == measured[row["set"], "Splink at 0.5"]["F1"]
        assert row["Splink's F1, best by truth"] == measured[row["set"], "Splink best by truth"]["F1"]


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (ROOT / target).exists(), target


def test_commands_are_shown():
    assert {"doctor", "schema plan census"} <= set(SHOWN)
    assert len(set(SHOWN)) > 8


def test_the_python_that_is_shown_runs(tmp_path, monkeypatch):
    """On two small files of invented people."""
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    rng = np.random.default_rng(5)
    people = pd.DataFrame(
        [
            {
                "given_name": "".join(rng.choice(list("ABCDEFGHIJKLMNOPRSTUVWYZ"), 6)),
                "surname": "".join(rng.choice(list("ABCDEFGHIJKLMNOPRSTUVWYZ"), 7)),
                "date_of_birth": str(np.datetime64("1940-01-01") + int(rng.integers(25_000))),
                "postcode": str(rng.integers(2000, 9999)),
            }
            for n in range(100)
        ]
    )
    people.to_csv(tmp_path / "a.csv", index=False)
    people.to_csv(tmp_path / "b.csv", index=False)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(block, names)  # noqa: S102
    links = names["links"]
    assert isinstance(links, pd.DataFrame)
    assert len(links) == 100
    assert {"left_record", "right_record", "weight", "probability"} <= set(links.columns)
