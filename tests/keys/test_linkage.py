from __future__ import annotations

import copy
import hashlib
import json
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st
from parties_in_memory import PASSPHRASE, SCHEMA

from pseudolink.errors import KeyFileError, PassphraseError
from pseudolink.keys import vault
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.release import ReleaseKey

VECTORS = Path(__file__).parents[2] / "specs/vectors/keys"
SECRET = bytes(range(32))
DIGEST = hashlib.sha256(b"an agreement").hexdigest()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def oracle(secret: bytes, label: str, context: list[str]) -> bytes:
    """The same derivation by the `cryptography` package's SP 800-108."""
    joined = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in context)
    return KBKDFHMAC(
        algorithm=hashes.SHA256(),
        mode=Mode.CounterMode,
        length=32,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=label.encode(),
        context=joined,
        fixed=None,
    ).derive(secret)


@given(st.lists(TEXT, max_size=5), st.from_regex(r"[a-z][a-z-]{0,31}", fullmatch=True))
def test_derivation_is_counter_mode_kbkdf_with_hmac_sha256(context: list[str], label: str) -> None:
    assert oracle(SECRET, label, context) == LinkageKey(SECRET).derive(label, *context)


def test_context_parts_cannot_be_shifted_into_one_another() -> None:
    key = LinkageKey(SECRET)
    assert (
        len({key.derive("token", "ab", "c"), key.derive("token", "a", "bc"), key.derive("token", "abc")}) == 3
    )


@pytest.mark.parametrize("label", ["", "token\x00", "Token", "to ken", "t" * 33])
def test_a_label_that_could_imitate_the_separator_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="label"):
        LinkageKey(SECRET).derive(label)


def test_the_check_value_depends_on_key_project_and_schema() -> None:
    values = {
        LinkageKey(SECRET).check_value("families", SCHEMA),
        LinkageKey(bytes(32)).check_value("families", SCHEMA),
        LinkageKey(SECRET).check_value("other", SCHEMA),
        LinkageKey(SECRET).check_value("families", DIGEST),
    }
    assert len(values) == 4
    assert {len(value) for value in values} == {32}


def test_contributions_in_any_order_make_one_key_and_each_matters() -> None:
    parts = [bytes([n]) * 32 for n in range(3)]
    key = LinkageKey.from_contributions(parts, DIGEST)
    assert key.fingerprint == LinkageKey.from_contributions(parts[::-1], DIGEST).fingerprint
    others = [
        LinkageKey.from_contributions([*parts[:2], b"x" * 32], DIGEST),
        LinkageKey.from_contributions(parts[:2], DIGEST),
        LinkageKey.from_contributions(parts, SCHEMA),
    ]
    assert len({key.fingerprint, *(other.fingerprint for other in others)}) == 4


@pytest.mark.parametrize("parts", [[], [b"a" * 32], [b"a" * 32, b"b" * 31], [b"a" * 32, b"a" * 32]], ids=len)
def test_copying_attack_a_repeated_or_missing_contribution_is_refused(parts: list[bytes]) -> None:
    with pytest.raises(KeyFileError):
        LinkageKey.from_contributions(parts, DIGEST)


@pytest.mark.parametrize("kind", [LinkageKey, ReleaseKey])
def test_a_key_does_not_print_pickle_or_copy(kind: type[LinkageKey] | type[ReleaseKey]) -> None:
    key = kind(SECRET)
    assert SECRET.hex() not in repr(key)
    assert repr(SECRET) not in repr(key)
    assert not hasattr(key, "__dict__")
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(key)


def test_generated_keys_differ() -> None:
    assert LinkageKey.generate().fingerprint != LinkageKey.generate().fingerprint
    assert ReleaseKey.generate().fingerprint != ReleaseKey.generate().fingerprint


def test_keys_come_back_from_their_files_and_not_from_each_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))
    linkage, release = LinkageKey.generate(), ReleaseKey.generate()
    linkage.save(tmp_path / "l.key", PASSPHRASE)
    release.save(tmp_path / "r.key", PASSPHRASE)
    assert linkage.fingerprint == LinkageKey.load(tmp_path / "l.key", PASSPHRASE).fingerprint
    assert release.fingerprint == ReleaseKey.load(tmp_path / "r.key", PASSPHRASE).fingerprint
    with pytest.raises(KeyFileError):
        LinkageKey.load(tmp_path / "r.key", PASSPHRASE)
    with pytest.raises(PassphraseError):
        ReleaseKey.load(tmp_path / "r.key", "another passphrase")


@given(TEXT, TEXT)
def test_pseudonyms_have_a_hundred_bits_and_their_own_labels(project: str, identifier: str) -> None:
    key = ReleaseKey(SECRET)
    names = {
        key.pseudonym(project, identifier),
        key.family(project, identifier),
        key.person(project, identifier),
        ReleaseKey(bytes(32)).pseudonym(project, identifier),
    }
    assert len(names) == 4
    assert all(len(name) == 20 and set(name) <= set("abcdefghijklmnopqrstuvwxyz234567") for name in names)


@pytest.mark.parametrize("path", sorted(VECTORS.glob("derive_*.json")), ids=lambda path: path.stem)
def test_derivations_of_the_specification(path: Path) -> None:
    vector = json.loads(path.read_text())
    key = LinkageKey(bytes.fromhex(vector["secret_hex"]))
    if vector["expect"] == "failure":
        with pytest.raises(ValueError, match="label"):
            key.derive(vector["label"], *vector["context"])
    else:
        assert vector["derived_hex"] == key.derive(vector["label"], *vector["context"]).hex()


@pytest.mark.parametrize("path", sorted(VECTORS.glob("combine_*.json")), ids=lambda path: path.stem)
def test_combinations_of_the_specification(path: Path) -> None:
    vector = json.loads(path.read_text())
    parts = [bytes.fromhex(part) for part in vector["contributions_hex"]]
    if vector["expect"] == "failure":
        with pytest.raises(KeyFileError):
            LinkageKey.from_contributions(parts, vector["agreement"])
    else:
        key = LinkageKey.from_contributions(parts, vector["agreement"])
        assert vector["fingerprint"] == key.fingerprint
        assert vector["check_value"] == key.check_value(vector["project"], vector["schema"])


@pytest.mark.parametrize("path", sorted(VECTORS.glob("pseudonym_*.json")), ids=lambda path: path.stem)
def test_pseudonyms_of_the_specification(path: Path) -> None:
    vector = json.loads(path.read_text())
    key = ReleaseKey(bytes.fromhex(vector["secret_hex"]))
    assert vector["pseudonym"] == getattr(key, vector["kind"])(vector["project"], *vector["parts"])


def test_there_are_vectors() -> None:
    assert all(list(VECTORS.glob(f"{kind}_*.json")) for kind in ("derive", "combine", "pseudonym"))


def test_pseudonyms_of_many_are_those_of_each() -> None:
    key = ReleaseKey(SECRET)
    ids = ["P1", "", "Ọlá", "x" * 300, *(str(n) for n in range(500))]
    assert key.names("pseudonym", "demo", ids) == [key.pseudonym("demo", one) for one in ids]
    assert key.names("family", "demo", ids) == [key.family("demo", one) for one in ids]
    assert key.names("family", "demo", []) == []


def test_two_releases_and_two_recipients_have_no_pseudonym_in_common() -> None:
    """Of one key: a council with both releases of a researcher cannot join them, nor two researchers."""
    key = ReleaseKey(SECRET)
    contexts = [("demo", "one", "00"), ("demo", "one", "01"), ("demo", "other", "00"), ("other", "one", "00")]
    made = [key.of_release(*context).pseudonym("demo", "P1") for context in contexts]
    assert len({*made, key.pseudonym("demo", "P1")}) == 5
    assert key.of_release(*contexts[0]).pseudonym("demo", "P1") == made[0]
    assert key.of_release(*contexts[0]).parent == key.fingerprint
