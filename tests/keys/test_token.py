from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
from parties_in_memory import PASSPHRASE, key_of

from pseudolink.clean.extract import clean_table
from pseudolink.encode.tokens import KeyRing, encode_chunk
from pseudolink.errors import (
    KeyDestroyedError,
    KeyExposedError,
    KeyFileError,
    OutputExistsError,
    PassphraseError,
)
from pseudolink.keys import destruction, token, vault
from pseudolink.keys.linkage import LinkageKey
from pseudolink.roles.audit import audit
from pseudolink.schema import load_schema

PIN = "8421 four words of it"
LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SoftHSM2 with a token of its own."""
    pytest.importorskip("pkcs11", reason="needs: python-pkcs11 (pip install python-pkcs11)")
    library = next((one for one in LIBRARIES if Path(one).exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        pytest.skip("needs: softhsm2 (apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    made = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "council",
        "--pin",
        PIN,
        "--so-pin",
        "12345678",
    ]
    subprocess.run(made, check=True, capture_output=True)
    return library


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))


def stored(module: str, folder: Path) -> tuple[LinkageKey, Path]:
    key = LinkageKey.generate()
    path = folder / "project.linkage.key"
    token.store(key, path, module=module, token="council", pin=PIN)
    return key, path


def test_a_key_in_a_token_derives_what_the_same_key_in_a_file_does(module: str, tmp_path: Path) -> None:
    key, path = stored(module, tmp_path)
    held = LinkageKey.load(path, PIN)
    assert isinstance(held, token.TokenLinkageKey)
    for context in ((), ("a",), ("families", "ab" * 32, "pass", "õ")):
        assert held.derive("token", *context) == key.derive("token", *context)
    assert held.fingerprint == key.fingerprint
    assert held.check_value("families", "ab" * 32) == key.check_value("families", "ab" * 32)


def test_encodings_under_a_key_in_a_token_are_those_of_the_file(module: str, tmp_path: Path) -> None:
    """Byte for byte: every token of every pass."""
    key, path = stored(module, tmp_path)
    schema = load_schema(Path(__file__).parents[2] / "examples/schemas/febrl.toml")
    names = [field.columns[0] for field in schema.fields.values()]
    people = pa.table({name: ["Siân", "1957-03-02", "", "Títílayọ̀"] for name in names})
    cleaned = clean_table(people, schema, needed=())
    rings = [KeyRing.derived(one.derive, schema, "families") for one in (key, LinkageKey.load(path, PIN))]
    first, second = (encode_chunk(cleaned, schema, ring) for ring in rings)
    assert first.keys() == second.keys()
    for name, columns in first.items():
        assert columns.tokens.tobytes() == second[name].tokens.tobytes()
        assert columns.present.tobytes() == second[name].present.tobytes()


def test_the_key_does_not_come_out_of_the_token(module: str, tmp_path: Path) -> None:
    import pkcs11

    _, path = stored(module, tmp_path)
    held = token.TokenLinkageKey.open(path, PIN)
    with pytest.raises(pkcs11.exceptions.PKCS11Error):
        _ = held._handle[pkcs11.Attribute.VALUE]
    assert held._handle[pkcs11.Attribute.EXTRACTABLE] is False
    with pytest.raises(KeyFileError):
        held.save(tmp_path / "out.key", PASSPHRASE)
    with pytest.raises(TypeError):
        pickle.dumps(held)
    assert held.reveal_to_token() == bytes(32)


def test_the_reference_holds_no_secret_and_is_found_by_the_audit(module: str, tmp_path: Path) -> None:
    key, path = stored(module, tmp_path)
    text = path.read_text()
    assert PIN not in text
    assert key.reveal_to_token().hex() not in text
    found = audit([tmp_path])["keys"]
    assert [(one["place"], one["fingerprint"]) for one in found] == [("token", key.fingerprint)]


def test_a_wrong_pin_a_missing_token_and_another_key_are_refused(module: str, tmp_path: Path) -> None:
    _, path = stored(module, tmp_path)
    with pytest.raises(PassphraseError):
        LinkageKey.load(path, "another PIN")
    text = path.read_text()
    changes = [
        ('"council"', '"schools"'),
        ('"pseudolink linkage ', '"no such '),
        ('fingerprint = "', 'fingerprint = "0'),
    ]
    for old, new in changes:
        path.write_text(text.replace(old, new))
        with pytest.raises(KeyFileError):
            LinkageKey.load(path, PIN)
    path.write_text(text.replace(module, str(tmp_path / "nothing.so")))
    with pytest.raises(KeyFileError):
        LinkageKey.load(path, PIN)


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
def test_library_exchange_attack_a_reference_that_others_can_change_is_refused(
    module: str, tmp_path: Path
) -> None:
    _, path = stored(module, tmp_path)
    path.chmod(0o620)
    with pytest.raises(KeyExposedError):
        LinkageKey.load(path, PIN)


def test_destroying_destroys_the_object_and_certifies_it(module: str, tmp_path: Path) -> None:
    key, path = stored(module, tmp_path)
    text = path.read_text()
    with pytest.raises(PassphraseError):
        destruction.destroy([path], key_of("council"), pin="another PIN")
    assert path.exists()
    assert not path.with_name(path.name + ".destroyed.json").exists()
    made = destruction.destroy([path], key_of("council"), pin=PIN)
    assert [(one.place, one.fingerprint) for one in made.destroyed] == [("token", key.fingerprint)]
    assert not path.exists()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyDestroyedError):
        LinkageKey.load(path, PIN)
    path.with_name(path.name + ".destroyed.json").unlink()
    with pytest.raises(KeyFileError, match="no such key"):
        LinkageKey.load(path, PIN)


def test_nothing_is_replaced_by_a_reference(module: str, tmp_path: Path) -> None:
    key, path = stored(module, tmp_path)
    with pytest.raises(OutputExistsError):
        token.store(key, path, module=module, token="council", pin=PIN)
