"""The examples run, as a new user would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pseudolink.cli.anyone import demo_schema
from pseudolink.schema import load_schema

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def test_the_walkthrough_goes_from_nothing_to_a_verified_ledger(tmp_path):
    """Every command of a project, from the command line alone."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "walkthrough.py", tmp_path / "project"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for command in ("agreement init", "linkage combine", "encode", "link", "release", "ledger verify"):
        assert f"$ pseudolink {command}" in done.stdout or command in done.stdout
    assert list((tmp_path / "project").rglob("release.parquet"))


def test_the_demo_ships_the_example_schema():
    """One text in two places: the wheel has no examples folder."""
    assert demo_schema().read_bytes() == (EXAMPLES / "schemas" / "uk-programme.toml").read_bytes()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("schemas/*.toml")), ids=lambda p: p.stem)
def test_example_schemas_keep_the_default_floor(path):
    schema = load_schema(path)
    assert float(schema.floor.company) <= 0.05
    assert schema.floor.component <= 20
