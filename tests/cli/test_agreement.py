from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from parties_in_memory import PASSPHRASE, ROLES, TODAY, key_of, raw_agreement, toml, write_agreement

from pseudolink.agreement import load_signed, signatures_path
from pseudolink.cli.main import cli
from pseudolink.keys import vault
from pseudolink.keys.linkage import LinkageKey

SCHEMA = """
format = "pseudolink/linkage-schema/1"
name = "tiny"
[fields.dob]
kind = "date"
columns = ["dob"]
[[passes]]
name = "dob"
on = ["dob"]
"""


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))
    monkeypatch.setattr("pseudolink.agreement.today_utc", lambda: TODAY)


def run(*args: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["agreement", *(str(arg) for arg in args)])
    assert code == result.exit_code, result.output
    return result


def test_the_template_says_what_is_still_to_be_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "agreement.toml"
    run("init", "-o", path)
    result = run("check", path, code=1)
    assert "PL-AGREE-01" in result.stderr
    for place in ("project", "purpose", "schema", "objections", "parties[0].signing_key", "parties[4].name"):
        assert f"  {place}: " in result.stderr


def test_the_template_is_filled_from_a_schema_and_an_existing_file_stays(tmp_path: Path) -> None:
    schema, path = tmp_path / "schema.toml", tmp_path / "agreement.toml"
    schema.write_text(SCHEMA)
    run("init", "-o", path, "--schema", schema, "--project", 'the "families"')
    result = run("check", path, code=1)
    assert "  schema:" not in result.stderr
    assert "  project:" not in result.stderr
    assert 'fields = ["dob"]' in path.read_text()
    before = path.read_bytes()
    assert "PL-OUT-01" in run("init", "-o", path, code=1).stderr
    assert before == path.read_bytes()


def test_a_filled_template_is_a_good_agreement(tmp_path: Path) -> None:
    schema, path = tmp_path / "schema.toml", tmp_path / "agreement.toml"
    schema.write_text(SCHEMA)
    run("init", "-o", path, "--schema", schema, "--project", "families")
    text = path.read_text()
    for name in ("council", "schools", "linkage-unit", "research-environment", "university"):
        public = key_of(name).public
        text = text.replace('name = ""', f'name = "The {name}"', 1)
        text = text.replace('signing_key = ""', f'signing_key = "{public.signing_key}"', 1)
        text = text.replace('sealing_key = ""', f'sealing_key = "{public.sealing_key}"', 1)
    text = text.replace('purpose = ""', 'purpose = "Research."').replace(
        'objections = ""', 'objections = "A list."'
    )
    path.write_text(text)
    assert len(json.loads(run("check", path, "--schema", schema, "--json").stdout)["digest"]) == 64


def test_every_problem_comes_at_once_also_as_json(tmp_path: Path) -> None:
    raw = raw_agreement(purpose="", objections="")
    raw["recipients"]["link_map"] = ["council"]
    path = tmp_path / "agreement.toml"
    path.write_text(toml(raw))
    result = run("check", path, "--json", code=1)
    error = json.loads(result.stderr)["error"]
    assert [p["place"] for p in error["problems"]] == ["purpose", "objections", "recipients.link_map[0]"]
    assert result.stdout == ""


def test_an_agreement_is_held_against_its_schema(tmp_path: Path) -> None:
    schema = tmp_path / "schema.toml"
    schema.write_text(SCHEMA)
    result = run("check", write_agreement(tmp_path, sign=False), "--schema", schema, code=1)
    assert "not the digest of the schema file" in result.stderr
    assert "no field 'forename'" in result.stderr


def test_signing_needs_the_partys_key_and_shows_no_secret(tmp_path: Path) -> None:
    path = write_agreement(tmp_path, sign=False)
    passphrase = tmp_path / "pass"
    passphrase.write_text(PASSPHRASE + "\n")
    passphrase.chmod(0o600)
    linkage = LinkageKey(bytes(range(32)))
    linkage.save(tmp_path / "l.key", PASSPHRASE)
    for name, role in ROLES.items():
        private, _ = key_of(name).save(tmp_path, PASSPHRASE)
        extra: list[str | Path] = ["--linkage-key", tmp_path / "l.key"] if role == "custodian" else []
        result = run("sign", path, "--key", private, "--passphrase-file", passphrase, *extra)
        assert bytes(range(32)).hex() not in result.output
        assert PASSPHRASE not in result.output
    agreement = load_signed(path)
    assert agreement.key_check == linkage.check_value(agreement.project, agreement.schema)
    run("check", path, "--signed")


def test_a_wrong_passphrase_signs_nothing(tmp_path: Path) -> None:
    path = write_agreement(tmp_path, sign=False)
    private, _ = key_of("council").save(tmp_path, PASSPHRASE)
    passphrase = tmp_path / "pass"
    passphrase.write_text("another passphrase\n")
    passphrase.chmod(0o600)
    result = run("sign", path, "--key", private, "--passphrase-file", passphrase, code=1)
    assert "PL-KEY-02" in result.stderr
    assert not signatures_path(path).exists()


def test_the_passphrase_can_come_from_a_prompt(tmp_path: Path) -> None:
    path = write_agreement(tmp_path, sign=False)
    private, _ = key_of("council").save(tmp_path, PASSPHRASE)
    args = ["agreement", "sign", str(path), "--key", str(private)]
    result = CliRunner().invoke(cli, args, input=PASSPHRASE + "\n")
    assert result.exit_code == 0
    assert PASSPHRASE not in result.output


def test_show_names_everyone_with_a_fingerprint(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    text = run("show", path).stdout
    for name in ROLES:
        assert key_of(name).public.fingerprint in text
    assert "by every party" in text
    assert json.loads(run("show", path, "--json").stdout)["signed"] is True
    signatures_path(path).unlink()
    assert run("show", path).stdout.count("no signature of this") == 7
    assert "PL-AGREE-04" in run("check", path, "--signed", code=1).stderr
