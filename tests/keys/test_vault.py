from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parties_in_memory import PASSPHRASE

from pseudolink.errors import KeyExposedError, KeyFileError, OutputExistsError, PassphraseError
from pseudolink.formats import canonical
from pseudolink.keys import vault

VECTORS = sorted((Path(__file__).parents[2] / "specs/vectors/keys").glob("key_file_*.json"))


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_COST", vault.Cost(iterations=1, lanes=1, memory=8))


def changed(data: bytes, path: str, value: object) -> bytes:
    raw = canonical.loads(data[:-1])
    *tables, key = path.split(".")
    table = raw
    for name in tables:
        table = table[name]
    table[key] = value
    return canonical.dumps(raw) + b"\n"


def test_the_cost_of_a_guess_is_the_second_recommendation_of_rfc_9106(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    header = json.loads(vault.protect(b"x", PASSPHRASE, "party"))["kdf"]
    assert (header["iterations"], header["lanes"], header["memory"]) == (3, 4, 64 * 1024)
    assert header["name"] == "argon2id"


@settings(max_examples=30, deadline=None)
@given(
    secret=st.binary(max_size=200), passphrase=st.text(st.characters(exclude_categories=["Cs"]), min_size=12)
)
def test_what_is_protected_comes_back(secret: bytes, passphrase: str) -> None:
    try:
        data = vault.protect(secret, passphrase, "linkage")
    except PassphraseError:  # shorter than 12 once composed
        return
    assert vault.unprotect(data, passphrase, "linkage") == secret
    assert len(secret) < 8 or secret not in base64.b64decode(json.loads(data)["sealed"])


def test_two_spellings_of_an_accent_are_one_passphrase() -> None:
    data = vault.protect(b"secret", "caf\u00e9 au lait noir", "party")
    assert vault.unprotect(data, "cafe\u0301 au lait noir", "party") == b"secret"


def test_line_ends_of_windows_are_told_as_what_they_are() -> None:
    data = vault.protect(b"s" * 32, PASSPHRASE, "linkage")
    with pytest.raises(KeyFileError, match="line ends of Windows"):
        vault.unprotect(data.replace(b"\n", b"\r\n"), PASSPHRASE, "linkage")


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert vault.protect(b"secret", PASSPHRASE, "party") != vault.protect(b"secret", PASSPHRASE, "party")


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(PassphraseError, match="12"):
        vault.protect(b"secret", "elevenchars", "party")


def test_a_wrong_passphrase_does_not_open() -> None:
    data = vault.protect(b"secret", PASSPHRASE, "party")
    with pytest.raises(PassphraseError):
        vault.unprotect(data, PASSPHRASE + "!", "party")


def test_a_key_for_one_purpose_is_not_read_for_another() -> None:
    data = vault.protect(b"secret", PASSPHRASE, "release")
    with pytest.raises(KeyFileError, match="release key, not a linkage key"):
        vault.unprotect(data, PASSPHRASE, "linkage")


def test_relabelling_attack_a_changed_purpose_does_not_open() -> None:
    data = changed(vault.protect(b"secret", PASSPHRASE, "release"), "purpose", "linkage")
    with pytest.raises(PassphraseError):
        vault.unprotect(data, PASSPHRASE, "linkage")


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("memory", 2**30),
        ("memory", 7),
        ("iterations", 10**6),
        ("iterations", 0),
        ("lanes", 255),
        ("lanes", True),
    ],
)
def test_exhaustion_attack_a_file_cannot_ask_for_a_terabyte(what: str, value: object) -> None:
    data = changed(vault.protect(b"secret", PASSPHRASE, "party"), f"kdf.{what}", value)
    with pytest.raises(KeyFileError, match="outside"):
        vault.unprotect(data, PASSPHRASE, "party")


def test_one_changed_bit_anywhere_is_refused() -> None:
    data = vault.protect(b"secret", PASSPHRASE, "party")
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises((KeyFileError, PassphraseError)):
            vault.unprotect(flipped, PASSPHRASE, "party")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_other_bytes_are_not_a_key_file(data: bytes) -> None:
    with pytest.raises(KeyFileError):
        vault.unprotect(data, PASSPHRASE, "party")


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.key"
    vault.write(path, b"secret", PASSPHRASE, "party")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(mode)
    with pytest.raises(KeyExposedError, match=r"a\.key"):
        vault.read(path, PASSPHRASE, "party")


def test_an_existing_key_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    vault.write(path, b"first", PASSPHRASE, "party")
    with pytest.raises(OutputExistsError):
        vault.write(path, b"second", PASSPHRASE, "party")
    assert vault.read(path, PASSPHRASE, "party") == b"first"


def test_an_error_names_the_file_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"missing\.key: no such key file"):
        vault.read(tmp_path / "missing.key", PASSPHRASE, "party")


def test_the_description_holds_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    vault.write(path, b"secret", PASSPHRASE, "linkage")
    said = vault.describe(path)
    assert said["purpose"] == "linkage"
    assert not {"salt", "nonce", "sealed"} & {*said, *said["kdf"]}


def test_the_first_line_of_a_passphrase_file_is_the_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "pass"
    path.touch(mode=0o600)
    path.write_bytes(b"correct horse battery \r\nand a note\n")
    assert vault.read_passphrase(path) == "correct horse battery "
    path.write_bytes(b"\n")
    with pytest.raises(PassphraseError, match="empty"):
        vault.read_passphrase(path)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_key_files_of_the_specification(path: Path) -> None:
    vector = json.loads(path.read_text())
    data = vector["file"].encode()
    if vector["expect"] == "success":
        assert vault.unprotect(data, vector["passphrase"], vector["purpose"]).hex() == vector["secret_hex"]
    else:
        with pytest.raises((KeyFileError, PassphraseError)):
            vault.unprotect(data, vector["passphrase"], vector["purpose"])


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 5


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_folder_that_is_made_for_a_key_is_the_owners_alone(tmp_path: Path) -> None:
    """Others need not know which keys there are. A folder that is there stays as it is."""
    (tmp_path / "there").mkdir(mode=0o755)
    for name in ("new", "there"):
        vault.write(tmp_path / name / "a.key", b"x" * 32, "correct horse battery staple", "release")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o755
