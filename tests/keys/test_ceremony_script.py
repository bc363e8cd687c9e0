"""`keys/ceremony.md`, followed line by line by two custodians and an operator, as people would."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from parties_in_memory import PASSPHRASE, key_of, raw_agreement, toml
from project_on_disk import run

from pseudolink.agreement import load_agreement
from pseudolink.keys import vault
from pseudolink.keys.linkage import LinkageKey

SCRIPT = Path(__file__).parents[2] / "keys" / "ceremony.md"


def commands(heading: str) -> list[list[str]]:
    """The commands of a section of the script."""
    text = SCRIPT.read_text(encoding="utf-8")
    section = text[text.index(f"## {heading}") :].split("\n## ", 1)[0]
    blocks = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines() if line.strip()]
    return [shlex.split(line)[1:] for line in lines if line.strip().startswith("pseudolink")]


def test_the_script_of_the_ceremony_works_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every custodian ends with one fingerprint, and its contribution destroyed."""
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))
    raw = raw_agreement()
    raw["parties"] = [one for one in raw["parties"] if one["id"] != "police"]
    (tmp_path / "table").mkdir()
    (tmp_path / "pass").touch(mode=0o600)
    (tmp_path / "pass").write_text(PASSPHRASE + "\n")
    homes = {party: tmp_path / party for party in ("council", "schools")}
    for party, home in homes.items():
        key_of(party).save(home / "private", PASSPHRASE)
        (home / "table").symlink_to(tmp_path / "table")
        (home / "agreement.toml").write_text(toml(raw), encoding="utf-8")
    for step in ("Step 1", "Step 2", "Step 3"):
        (command,) = commands(step)
        for party, home in homes.items():
            monkeypatch.chdir(home)
            mine = [one.replace("council", party) for one in command]
            done = run(*mine, "--passphrase-file", tmp_path / "pass")
            assert done.exit_code == 0, done.output
    made = {
        LinkageKey.load(home / "private/project.linkage.key", PASSPHRASE).fingerprint
        for home in homes.values()
    }
    assert len(made) == 1
    (mine_of_custodian, _, check) = [*commands("Step 4")]
    assert mine_of_custodian[:2] == ["agreement", "sign"]
    assert check == ["agreement", "check", "agreement.toml", "--signed"]
    monkeypatch.chdir(homes["council"])
    done = run(*mine_of_custodian, "--passphrase-file", tmp_path / "pass")
    assert done.exit_code == 0, done.output
    assert load_agreement("agreement.toml").party("council").role == "custodian"
    after = SCRIPT.read_text(encoding="utf-8").split("## After")[1]
    (destroy,) = re.findall(r"`pseudolink (keys destroy [^`]+)`", after)
    done = run(*shlex.split(destroy), "--yes", "--passphrase-file", tmp_path / "pass")
    assert done.exit_code == 0, done.output
    assert not (homes["council"] / "private/council.contribution.key").exists()
