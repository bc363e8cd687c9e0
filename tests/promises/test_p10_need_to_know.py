"""P10: only those who need to know; access is by role, and nothing serves casework."""

from __future__ import annotations

import click
import pandas as pd
import pytest
from project_on_disk import OPERATOR, RELEASER, Project

from pseudolink.cli.main import COMMANDS, cli


def leaves(group: click.Group, context: click.Context, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        here = (*path, name)
        found += leaves(command, context, here) if isinstance(command, click.Group) else [here]
    return found


@pytest.mark.parametrize("name", list(COMMANDS))
def test_no_command_asks_about_one_person(name: str) -> None:
    """No option takes a name, a date of birth, a number or an ID of a person."""
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    group = command if isinstance(command, click.Group) else None
    commands = (
        [command]
        if group is None
        else [group.get_command(context, one) for one in group.list_commands(context)]
    )
    for one in commands:
        assert one is not None
        options = {text for param in one.params for text in param.opts}
        assert not options & {
            "--name",
            "--forename",
            "--surname",
            "--dob",
            "--nino",
            "--upn",
            "--person",
            "--record",
        }


@pytest.mark.parametrize("party", [OPERATOR, RELEASER])
def test_who_links_and_who_releases_holds_no_name(project: Project, party: str) -> None:
    council = pd.read_csv(project.extract("council"), dtype=str, keep_default_na=False)
    names = {one for one in (*council["surname"], *council["nino"]) if len(one) >= 7}
    held = b"".join(one.read_bytes() for one in (project.folder / party).rglob("*") if one.is_file())
    assert len(names) > 20
    assert not [one for one in names if one.encode() in held]


def test_there_are_commands() -> None:
    assert len(leaves(cli, click.Context(cli))) > 20  # type: ignore[arg-type]
