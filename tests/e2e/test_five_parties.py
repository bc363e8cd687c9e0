"""The example that plays a project's whole life."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pseudolink.keys import vault

PLAY = Path(__file__).parents[2] / "examples" / "five-parties" / "play.py"


@pytest.mark.slow
def test_five_parties_play_a_project_to_its_end_and_every_wrong_turn_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From identities to destruction; afterwards no key, no package and no dataset is left."""
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))
    spec = importlib.util.spec_from_file_location("five_parties", PLAY)
    assert spec is not None
    assert spec.loader is not None
    play = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(play)
    refused = play.main(tmp_path / "project")
    assert len(refused) >= 20
    assert len(set(refused)) >= 10
    left = {path.suffix for path in (tmp_path / "project").rglob("*") if path.is_file()}
    assert not {".key", ".parquet"} & left
