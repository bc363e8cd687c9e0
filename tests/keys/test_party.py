from __future__ import annotations

import base64
import copy
import pickle
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parties_in_memory import PASSPHRASE, key_of

from pseudolink.errors import KeyFileError, OutputExistsError, SignatureError, WrongKeyError
from pseudolink.formats.binary import decode64, encode64, is_digest, prefixed
from pseudolink.keys import vault
from pseudolink.keys.party import (
    WRAP_BYTES,
    PartyKey,
    check_sealing_key,
    check_signing_key,
    load_public,
    verify,
    wrap,
)

PRIME = 2**255 - 19


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))


def test_an_identity_comes_back_from_its_files(tmp_path: Path) -> None:
    key = PartyKey.generate("council")
    private, public = key.save(tmp_path, PASSPHRASE)
    loaded = PartyKey.load(private, PASSPHRASE)
    assert key.public == loaded.public == load_public(public)
    verify(key.public.signing_key, b"message", loaded.sign(b"message"))
    assert loaded.unwrap(wrap(key.public.sealing_key, b"k" * 32, b"info"), b"info") == b"k" * 32
    assert stat.S_IMODE(private.stat().st_mode) == 0o600 or private.stat().st_mode & 0o077 == 0


def test_an_existing_identity_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "council.party.pub").write_text("old")
    with pytest.raises(OutputExistsError):
        PartyKey.generate("council").save(tmp_path, PASSPHRASE)
    assert [path.name for path in tmp_path.iterdir()] == ["council.party.pub"]


@pytest.mark.parametrize("name", ["", "Council", "a b", "../council", "-a", "a" * 33, "a\n"])
def test_an_id_that_is_no_safe_file_name_is_refused(name: str) -> None:
    with pytest.raises(KeyFileError):
        PartyKey.generate(name)


def test_keys_do_not_print_pickle_or_copy() -> None:
    key = key_of("council")
    assert repr(key) == f"<PartyKey council {key.public.fingerprint}>"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(key)


def test_a_key_is_wrapped_in_1168_bytes() -> None:
    assert len(wrap(key_of("unit").public.sealing_key, b"k" * 32, b"")) == 32 + WRAP_BYTES == 1168


def test_rebinding_attack_another_info_does_not_open() -> None:
    sealed = wrap(key_of("unit").public.sealing_key, b"k" * 32, b"for encodings")
    with pytest.raises(WrongKeyError):
        key_of("unit").unwrap(sealed, b"for a payload")


def test_another_party_does_not_open() -> None:
    sealed = wrap(key_of("unit").public.sealing_key, b"k" * 32, b"info")
    with pytest.raises(WrongKeyError):
        key_of("vault").unwrap(sealed, b"info")


@settings(max_examples=50)
@given(st.binary(max_size=1300))
def test_damaged_wraps_are_refused(data: bytes) -> None:
    with pytest.raises(WrongKeyError):
        key_of("unit").unwrap(data, b"info")


def test_forgery_attack_another_message_key_or_signature_does_not_fit() -> None:
    council, unit = key_of("council"), key_of("unit")
    signature = council.sign(b"message")
    for key, message, one in [
        (unit.public.signing_key, b"message", signature),
        (council.public.signing_key, b"messagf", signature),
        (council.public.signing_key, b"message", signature[:-1]),
        (council.public.signing_key, b"message", bytes([signature[0] ^ 1]) + signature[1:]),
        ("not base64", b"message", signature),
    ]:
        with pytest.raises(SignatureError):
            verify(key, message, one)


@pytest.mark.parametrize("sign", [0, 2**255])
@pytest.mark.parametrize(
    "y",
    [
        0,
        1,
        PRIME - 1,
        PRIME,
        PRIME + 1,
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
        ),
        int.from_bytes(
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
        ),
    ],
)
def test_repudiation_attack_a_signing_key_of_small_order_is_refused(y: int, sign: int) -> None:
    with pytest.raises(ValueError, match="usable"):
        check_signing_key(encode64((y | sign).to_bytes(32, "little")))


def test_an_x25519_half_of_small_order_is_refused() -> None:
    raw = decode64(key_of("unit").public.sealing_key)
    for point in (bytes(32), b"\x01" + bytes(31)):
        with pytest.raises(ValueError, match="usable"):
            check_sealing_key(encode64(raw[:1184] + point))


def test_an_ml_kem_half_out_of_range_is_refused() -> None:
    raw = decode64(key_of("unit").public.sealing_key)
    with pytest.raises(ValueError, match="usable"):
        check_sealing_key(encode64(b"\xff" * 1184 + raw[1184:]))


def test_the_fingerprint_covers_both_keys() -> None:
    council, unit = key_of("council").public, key_of("unit").public
    mixed = type(council)("council", council.signing_key, unit.sealing_key)
    assert len({council.fingerprint, unit.fingerprint, mixed.fingerprint}) == 3
    assert len(council.fingerprint) == 32 + 7


@pytest.mark.parametrize("text", ["", "not = [toml", "[[parties]]\nid = 3\n", "[[parties]]\nid = 'a'\n"])
def test_a_damaged_public_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.party.pub"
    path.write_text(text)
    with pytest.raises(KeyFileError, match=r"a\.party\.pub"):
        load_public(path)


@given(st.binary(max_size=64))
def test_base64_has_one_spelling(data: bytes) -> None:
    text = encode64(data)
    assert decode64(text, len(data)) == data
    for other in (text + "=", text + "\n", " " + text, text.rstrip("=") if "=" in text else text + "A"):
        with pytest.raises(ValueError, match=r"."):
            decode64(other)
    with pytest.raises(ValueError, match="bytes"):
        decode64(text, len(data) + 1)


def test_unused_bits_of_base64_carry_no_second_spelling() -> None:
    assert base64.b64decode("AB==") == base64.b64decode("AA==")
    with pytest.raises(ValueError, match="written"):
        decode64("AB==")


def test_a_digest_is_64_lower_case_hexadecimal_digits() -> None:
    assert is_digest("0" * 64)
    assert not any(is_digest(text) for text in ("0" * 63, "A" * 64, "0" * 64 + "\n", None, 0))


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_length_prefixes_keep_lists_apart(left: list[bytes], right: list[bytes]) -> None:
    assert (prefixed(*left) == prefixed(*right)) == (left == right)
