"""The README shows commands that are there and Python that runs."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from pseudolink.cli.main import cli

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = [
    command
    for command in re.findall(r"(?:^|`)pseudolink ([a-z][a-z ]*)", TEXT, re.MULTILINE)
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


def test_commands_are_shown():
    assert {"doctor", "schema plan census"} <= set(SHOWN)
    assert len(set(SHOWN)) > 8


def test_the_python_that_is_shown_runs(tmp_path, monkeypatch):
    """On two small files of invented people."""
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    letters = "ABCDEFGHIJ"
    people = pd.DataFrame(
        [
            {
                "given_name": f"{letters[n % 10]}{letters[n // 10]}DRIN",
                "surname": f"{letters[n // 10]}O{letters[n % 10]}MAN",
                "date_of_birth": f"19{50 + n % 50}-{1 + n // 9:02d}-{10 + n % 17}",
                "postcode": str(2000 + n),
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
