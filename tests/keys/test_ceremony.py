from __future__ import annotations

from pathlib import Path

import pytest
from parties_in_memory import PASSPHRASE, SCHEMA, agreed, key_of

from pseudolink.errors import ArtefactError, NotPermittedError, OutputExistsError, WrongKeyError
from pseudolink.formats import canonical
from pseudolink.formats.binary import encode64
from pseudolink.keys import ceremony, vault
from pseudolink.keys.party import wrap

CUSTODIANS = ("council", "police", "schools")


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))


@pytest.fixture
def table(tmp_path: Path) -> ceremony.Table:
    (tmp_path / "table").mkdir()
    custodians = {name: key_of(name).public for name in CUSTODIANS}
    return ceremony.Table(tmp_path / "table", agreed().digest, custodians)


def secret(table: ceremony.Table, name: str) -> Path:
    return table.folder.parent / f"{name}.contribution.key"


def contribute(table: ceremony.Table, *names: str) -> None:
    for name in names:
        ceremony.contribute(table, key_of(name), secret(table, name), PASSPHRASE)


def reveal(table: ceremony.Table, *names: str) -> None:
    for name in names:
        ceremony.reveal(table, key_of(name), secret(table, name), PASSPHRASE)


def combine(table: ceremony.Table, name: str) -> str:
    return ceremony.combine(table, key_of(name), secret(table, name), PASSPHRASE).fingerprint


def test_every_custodian_derives_the_same_key(table: ceremony.Table) -> None:
    contribute(table, *CUSTODIANS)
    reveal(table, *CUSTODIANS)
    assert len({combine(table, name) for name in CUSTODIANS}) == 1


def test_nothing_is_revealed_before_everyone_has_committed(table: ceremony.Table) -> None:
    contribute(table, "council", "schools")
    with pytest.raises(ArtefactError, match=r"police\.commitment\.json: not on the table yet"):
        reveal(table, "council")
    assert not table.reveal_path("council").exists()


def test_every_missing_reveal_is_listed(table: ceremony.Table) -> None:
    contribute(table, *CUSTODIANS)
    reveal(table, "council")
    with pytest.raises(ArtefactError) as caught:
        combine(table, "council")
    assert [p.place for p in caught.value.problems] == ["police.reveal.json", "schools.reveal.json"]


def test_the_operator_takes_no_part(table: ceremony.Table) -> None:
    with pytest.raises(NotPermittedError, match="only custodians"):
        contribute(table, "unit")


def test_an_impostor_of_a_custodian_is_refused(table: ceremony.Table) -> None:
    with pytest.raises(WrongKeyError):
        ceremony.contribute(table, key_of("impostor", "council"), secret(table, "council"), PASSPHRASE)


def test_a_contribution_is_never_replaced(table: ceremony.Table) -> None:
    contribute(table, "council")
    with pytest.raises(OutputExistsError):
        contribute(table, "council")


def resign(path: Path, name: str, change: dict[str, object]) -> None:
    raw = canonical.loads(path.read_bytes()[:-1])
    raw.pop("signature")
    path.write_bytes(ceremony._signed({**raw, **change}, key_of(name)))


def test_steering_attack_a_reveal_other_than_the_commitment_is_refused(table: ceremony.Table) -> None:
    contribute(table, *CUSTODIANS)
    reveal(table, *CUSTODIANS)
    steered = {
        one: encode64(wrap(key_of(one).public.sealing_key, b"s" * 32, ceremony._info(table, "police", one)))
        for one in ("council", "schools")
    }
    resign(table.reveal_path("police"), "police", {"sealed": steered})
    with pytest.raises(ArtefactError, match=r"police\.reveal\.json: not what this custodian committed to"):
        combine(table, "council")


def test_exchange_attack_a_commitment_changed_after_a_reveal_is_refused(table: ceremony.Table) -> None:
    contribute(table, *CUSTODIANS)
    reveal(table, "council", "schools")
    table.commitment_path("police").unlink()
    secret(table, "police").unlink()
    contribute(table, "police")
    reveal(table, "police")
    with pytest.raises(ArtefactError, match="other commitments than those on the table"):
        combine(table, "police")


def test_copying_attack_another_custodians_commitment_is_refused(table: ceremony.Table) -> None:
    contribute(table, *CUSTODIANS)
    copied = canonical.loads(table.commitment_path("council").read_bytes()[:-1])["commitment"]
    resign(table.commitment_path("police"), "police", {"commitment": copied})
    with pytest.raises(ArtefactError, match="the same commitment"):
        reveal(table, "schools")


def test_forgery_attack_a_commitment_signed_by_another_is_refused(table: ceremony.Table) -> None:
    contribute(table, *CUSTODIANS)
    resign(table.commitment_path("police"), "unit", {})
    with pytest.raises(ArtefactError, match="not signed by police"):
        reveal(table, "schools")


def test_replay_attack_a_commitment_of_another_agreement_is_refused(
    table: ceremony.Table, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = ceremony.Table(tmp_path / "other", SCHEMA, table.custodians)
    contribute(table, "council", "schools")
    ceremony.contribute(other, key_of("police"), tmp_path / "p.key", PASSPHRASE)
    table.commitment_path("police").write_bytes(other.commitment_path("police").read_bytes())
    with pytest.raises(ArtefactError, match="another agreement"):
        reveal(table, "council")


def test_what_is_on_the_table_does_not_hold_the_contribution(table: ceremony.Table) -> None:
    contribute(table, *CUSTODIANS)
    reveal(table, *CUSTODIANS)
    kept = canonical.loads(vault.read(secret(table, "council"), PASSPHRASE, "contribution"))
    for path in table.folder.iterdir():
        assert kept["contribution"].encode() not in path.read_bytes()


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]\n", b"\xff\n"])
def test_a_damaged_reveal_is_refused(table: ceremony.Table, damage: bytes) -> None:
    contribute(table, *CUSTODIANS)
    reveal(table, *CUSTODIANS)
    table.reveal_path("police").write_bytes(damage)
    with pytest.raises(ArtefactError, match=r"police\.reveal\.json"):
        combine(table, "council")
