from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from parties_in_memory import KEY_CHECK, PASSPHRASE, TODAY, agreed, key_of, manifest_of

from pseudolink.errors import (
    KeyDestroyedError,
    KeyExposedError,
    KeyFileError,
    KeyPlaceError,
    OutputError,
    OutputExistsError,
    PassphraseError,
    SignatureError,
)
from pseudolink.keys import certificate, destruction, places, vault
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.seal.package import seal

PUBLICS = {one.id: one.signing_key for one in agreed().parties}


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """The unit's folder, with its key and, for the tests, a linkage key."""
    key_of("unit").save(tmp_path, PASSPHRASE)
    LinkageKey.generate().save(tmp_path / "linkage.key", PASSPHRASE)
    return tmp_path


def test_a_destroyed_key_opens_nothing_and_says_so_with_a_code_of_its_own(private: Path) -> None:
    """P8: a package that was sealed to it stays closed for good."""
    agreement = replace(agreed(), key_check=KEY_CHECK)
    (private / "source").write_bytes(b"x")
    manifest = manifest_of(agreement)
    seal(private / "source", private / "one.package", manifest, agreement, key_of("council"), today=TODAY)
    made = destruction.destroy([private / "unit.party.key"], key_of("unit"), agreement=agreement.digest)
    assert not (private / "unit.party.key").exists()
    with pytest.raises(KeyDestroyedError) as caught:
        PartyKey.load(private / "unit.party.key", PASSPHRASE)
    assert caught.value.code == "PL-KEY-05"
    certificate.read(private / "unit.party.key.destroyed.json").verify(PUBLICS)
    assert [one.purpose for one in made.destroyed] == ["party"]
    assert made.destroyed[0].fingerprint == key_of("unit").public.fingerprint


def test_restored_backup_attack_a_copy_that_comes_back_stays_destroyed(private: Path) -> None:
    shutil.copy2(private / "linkage.key", private / "backup")
    again = LinkageKey.load(private / "linkage.key", PASSPHRASE)
    destruction.destroy([private / "linkage.key"], key_of("unit"))
    shutil.copy2(private / "backup", private / "linkage.key")
    for name in ("linkage.key", "backup"):
        with pytest.raises(KeyDestroyedError):
            LinkageKey.load(private / name, PASSPHRASE)
    again.save(private / "saved-anew.key", PASSPHRASE)
    with pytest.raises(KeyDestroyedError):
        LinkageKey.load(private / "saved-anew.key", PASSPHRASE)


def test_the_file_is_overwritten_before_it_is_removed(private: Path) -> None:
    """Another name of the same bytes shows it: they are not the key's any more."""
    before = (private / "linkage.key").read_bytes()
    os.link(private / "linkage.key", private / "other-name")
    destruction.destroy([private / "linkage.key"], key_of("unit"))
    after = (private / "other-name").read_bytes()
    assert len(after) == len(before)
    assert b"pseudolink" not in after


def test_a_certificate_says_what_it_cannot_cover_and_holds_no_secret(private: Path) -> None:
    destruction.destroy([private / "linkage.key"], key_of("unit"))
    text = (private / "linkage.key.destroyed.json").read_text()
    assert all(word in text for word in ("backups", "memory", "custodians"))
    assert "sealed" not in json.loads(text)


def test_a_changed_certificate_does_not_verify(private: Path) -> None:
    path = private / "linkage.key.destroyed.json"
    destruction.destroy([private / "linkage.key"], key_of("unit"))
    made = certificate.read(path)
    with pytest.raises(SignatureError):
        replace(made, party="council").verify(PUBLICS)
    with pytest.raises(SignatureError):
        replace(made, not_covered=()).verify(PUBLICS)
    for text in (b"", b"{}", path.read_bytes().replace(b'"place":"file"', b'"more":"file"')):
        path.write_bytes(text)
        with pytest.raises(KeyFileError):
            certificate.read(path)


def test_nothing_is_destroyed_when_one_of_them_is_no_key(private: Path) -> None:
    (private / "notes.txt").write_text("notes")
    with pytest.raises(KeyFileError):
        destruction.destroy([private / "linkage.key", private / "notes.txt"], key_of("unit"))
    assert (private / "linkage.key").exists()
    assert (private / "notes.txt").read_text() == "notes"
    destruction.destroy([private / "linkage.key"], key_of("unit"))
    (private / "linkage.key").write_bytes(vault.protect(b"x" * 32, PASSPHRASE, "linkage"))
    with pytest.raises(OutputExistsError):
        destruction.destroy([private / "linkage.key"], key_of("unit"))


def test_a_killed_destruction_is_finished_by_giving_the_file_again(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the certificate, and killed while the file was being overwritten."""
    path, beside = private / "linkage.key", private / "linkage.key.destroyed.json"
    whole = path.read_bytes()
    destruction.destroy([path], key_of("unit"))
    signed = beside.read_bytes()
    for left in (whole, os.urandom(len(whole)), whole[:100] + bytes(len(whole) - 100)):
        path.write_bytes(left)
        again = destruction.destroy([path], key_of("unit"))
        assert not path.exists()
        assert beside.read_bytes() == signed
        assert [one.name for one in again.destroyed] == ["linkage.key"]
    path.write_bytes(whole)
    with pytest.raises(OutputExistsError):  # nobody finishes what another began
        destruction.destroy([path], key_of("council"))
    assert path.exists()


def test_what_could_not_be_destroyed_has_no_certificate(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OutputError("read-only")

    monkeypatch.setattr(destruction, "overwrite", refuse)
    with pytest.raises(OutputError):
        destruction.destroy([private / "linkage.key"], key_of("unit"))
    assert not (private / "linkage.key.destroyed.json").exists()
    LinkageKey.load(private / "linkage.key", PASSPHRASE)


def test_no_party_destroys_or_certifies_anothers_key(private: Path) -> None:
    for paths in (["unit.party.key"], ["linkage.key", "unit.party.key"]):
        with pytest.raises(KeyFileError, match="unit"):
            destruction.destroy([private / one for one in paths], key_of("council"))
    assert {one.name for one in private.iterdir()} == {"unit.party.key", "unit.party.pub", "linkage.key"}


# ---------------------------------------------------------------- where keys may stand


def test_a_key_in_a_repository_is_refused_unless_git_ignores_it(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("needs: git (apt-get install git)")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("private/\n")
    with pytest.raises(KeyPlaceError) as caught:
        LinkageKey.generate().save(tmp_path / "deep" / "down" / "linkage.key", PASSPHRASE)
    assert caught.value.advice
    assert not (tmp_path / "deep").exists()
    LinkageKey.generate().save(tmp_path / "private" / "linkage.key", PASSPHRASE)


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_passphrase_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(mode)
    with pytest.raises(KeyExposedError) as caught:
        vault.read_passphrase(path)
    assert caught.value.advice
    assert PASSPHRASE not in str(caught.value)


@pytest.mark.parametrize(
    "weak",
    [
        "aaaaaaaaaaaaaaaa",
        "abababababababab",
        "abcabcabcabcabc",
        "123456789012",
        "password1234",
        "Passphrase!!",
        "qwertyuiopasdf",
        "abcdefghijklmnop",
        "PASSWORDPASSWORD",
        "2026-council-2026",
        "zyxwvutsrqponmlk",
    ],
)
def test_a_weak_passphrase_makes_no_key(tmp_path: Path, weak: str) -> None:
    with pytest.raises(PassphraseError) as caught:
        LinkageKey.generate().save(tmp_path / "linkage.key", weak)
    assert caught.value.advice
    assert weak not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "good", [PASSPHRASE, "ngày mai trời lại sáng", "Llanfair pwll gwyn gyll", "ẹ káàárọ̀ ẹ̀yin ará"]
)
def test_a_few_words_in_any_language_are_a_passphrase(good: str) -> None:
    assert places.weakness(good) is None
    vault.protect(b"x", good, "linkage")


def test_an_older_passphrase_still_opens_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged when a key is made; a key of yesterday is not locked in."""
    with monkeypatch.context() as patch:
        patch.setattr(places, "weakness", lambda _: None)
        data = vault.protect(b"secret", "aaaaaaaaaaaaaaaa", "linkage")
    assert vault.unprotect(data, "aaaaaaaaaaaaaaaa", "linkage") == b"secret"


def test_what_a_key_file_says_of_itself_is_authenticated(private: Path) -> None:
    data = (private / "linkage.key").read_bytes()
    shown = vault.describe(private / "linkage.key")
    assert shown["fingerprint"] == LinkageKey.load(private / "linkage.key", PASSPHRASE).fingerprint
    changed = data.replace(shown["fingerprint"].encode(), b"0000-" * 7 + b"0000")
    with pytest.raises(PassphraseError):
        vault.unprotect(changed, PASSPHRASE, "linkage")
