"""Tutorials do what they say, from an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import tutorials

ROOT = Path(__file__).parents[2]
PAGES = [path for path in sorted((ROOT / "docs" / "tutorials").glob("*.md")) if path.stem != "index"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Commands that an earlier tutorial ran, and the folder that they made."""
    return {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_runs_as_it_is_written(
    page: Path, kept: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = tutorials.steps(page)
    assert len(steps) > 4
    for step in steps:
        tutorials.run(step, kept)


def test_there_is_a_tutorial_for_each_role() -> None:
    assert {page.stem for page in PAGES} == {"council", "operator", "researcher", "security"}


def test_output_that_differs_is_found() -> None:
    assert tutorials.fits(["a ... c", "...", "end"], "a b c\nx\ny\nend\n")
    assert not tutorials.fits(["a ... c", "...", "end"], "a b d\nend\n")
    assert not tutorials.fits(["a"], "a\nmore\n")
