from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from parties_in_memory import PASSPHRASE, key_of, write_agreement

from pseudolink.cli.main import cli
from pseudolink.keys import vault
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey, load_public
from pseudolink.keys.release import ReleaseKey


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "pass"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    return path


def run(*args: str | Path, code: int = 0, **options: Any) -> Result:
    result = CliRunner().invoke(cli, ["keys", *(str(arg) for arg in args)], **options)
    assert code == result.exit_code, result.output
    assert PASSPHRASE not in result.output
    return result


def test_a_party_makes_its_identity(tmp_path: Path, passphrase: Path) -> None:
    result = run("party", "council", "-o", tmp_path / "k", "--passphrase-file", passphrase, "--json")
    key = PartyKey.load(tmp_path / "k/council.party.key", PASSPHRASE)
    assert key.public == load_public(tmp_path / "k/council.party.pub")
    assert json.loads(result.stdout)["fingerprint"] == key.public.fingerprint


def test_a_prompt_asks_twice_for_a_new_passphrase(tmp_path: Path) -> None:
    args = ("release", "-o", tmp_path / "r.key")
    run(*args, code=1, input=f"{PASSPHRASE}\nanother passphrase\n")
    assert not (tmp_path / "r.key").exists()
    run(*args, input=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    ReleaseKey.load(tmp_path / "r.key", PASSPHRASE)


def test_a_short_passphrase_makes_no_key(tmp_path: Path) -> None:
    short = tmp_path / "pass"
    short.write_text("short\n")
    short.chmod(0o600)
    result = run("linkage", "new", "-o", tmp_path / "l.key", "--passphrase-file", short, code=1)
    assert "PL-KEY-02" in result.stderr
    assert not (tmp_path / "l.key").exists()


def test_an_existing_key_is_never_replaced(tmp_path: Path, passphrase: Path) -> None:
    args = ("linkage", "new", "-o", tmp_path / "l.key", "--passphrase-file", passphrase)
    run(*args)
    before = (tmp_path / "l.key").read_bytes()
    assert "PL-OUT-01" in run(*args, code=1).stderr
    assert before == (tmp_path / "l.key").read_bytes()


def test_the_ceremony_gives_every_custodian_one_key(tmp_path: Path, passphrase: Path) -> None:
    agreement = write_agreement(tmp_path, sign=False)
    table = tmp_path / "table"  # the first who contributes makes it
    common: dict[str, tuple[str | Path, ...]] = {}
    for name in ("council", "schools", "police"):
        private, _ = key_of(name).save(tmp_path / name, PASSPHRASE)
        secret = tmp_path / name / "contribution.key"
        common[name] = (agreement, "--key", private, "--secret", secret, "--table", table)
    ask = ("--passphrase-file", passphrase)
    for name, args in common.items():
        if name == "police":
            assert "PL-FORMAT-01" in run("linkage", "reveal", *common["council"], *ask, code=1).stderr
        run("linkage", "contribute", *args, *ask)
    for name, args in common.items():
        if name == "police":
            early = ("-o", tmp_path / "early.key")
            assert (
                "police.reveal.json"
                in run("linkage", "combine", *common["council"], *early, *ask, code=1).stderr
            )
            assert not (tmp_path / "early.key").exists()
        run("linkage", "reveal", *args, *ask)
    made = []
    for name, args in common.items():
        out = tmp_path / name / "linkage.key"
        made.append(json.loads(run("linkage", "combine", *args, "-o", out, *ask, "--json").stdout))
        assert LinkageKey.load(out, PASSPHRASE).fingerprint == made[0]["fingerprint"]
    assert len({one["key_check"] for one in made}) == 1


def test_the_operator_cannot_join_the_ceremony(tmp_path: Path, passphrase: Path) -> None:
    agreement = write_agreement(tmp_path, sign=False)
    private, _ = key_of("unit").save(tmp_path, PASSPHRASE)
    (tmp_path / "table").mkdir()
    args = (agreement, "--key", private, "--secret", tmp_path / "s", "--table", tmp_path / "table")
    result = run("linkage", "contribute", *args, "--passphrase-file", passphrase, code=1)
    assert "PL-AGREE-05" in result.stderr
    assert list((tmp_path / "table").iterdir()) == []
    assert not (tmp_path / "s").exists()


def test_show_never_shows_a_secret(tmp_path: Path, passphrase: Path) -> None:
    secret = bytes(range(32))
    LinkageKey(secret).save(tmp_path / "l.key", PASSPHRASE)
    ReleaseKey(secret).save(tmp_path / "r.key", PASSPHRASE)
    private, public = key_of("council").save(tmp_path, PASSPHRASE)
    agreement = write_agreement(tmp_path, sign=False)
    ask = ("--passphrase-file", passphrase)
    shown = [
        run("show", tmp_path / "l.key"),
        run("show", tmp_path / "l.key", "--fingerprint", *ask),
        run("show", tmp_path / "l.key", "--agreement", agreement, *ask, "--json"),
        run("show", tmp_path / "r.key", "--fingerprint", *ask),
        run("show", private, "--fingerprint", *ask),
        run("show", public),
    ]
    assert "purpose: linkage" in shown[0].stdout
    assert LinkageKey(secret).fingerprint in shown[1].stdout
    assert len(json.loads(shown[2].stdout)["key_check"]) == 32
    assert ReleaseKey(secret).fingerprint in shown[3].stdout
    assert key_of("council").public.fingerprint in shown[4].stdout
    assert key_of("council").public.fingerprint in shown[5].stdout
    for result in shown:
        assert secret.hex() not in result.output
        assert "AAECAwQFBgcICQoLDA0ODw" not in result.output


def test_a_file_that_is_no_key_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.key"
    path.write_text("{}")
    path.chmod(0o600)
    result = run("show", path, code=1)
    assert "PL-KEY-01: x.key" in result.stderr
