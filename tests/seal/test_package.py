from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import independent_package
import pytest
import reference_package
from cryptography.cobblestone import Cobblestone256Encryptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parties_in_memory import KEY_CHECK, ROLES, TODAY, agreed, key_of, manifest_of, raw_agreement

from pseudolink.agreement import Agreement, parse_agreement
from pseudolink.errors import (
    AgreementExpiredError,
    AgreementMismatchError,
    ArtefactError,
    NotARecipientError,
    NotPermittedError,
    OutputExistsError,
    PackageError,
    PseudolinkError,
    SchemaMismatchError,
    SignatureError,
    WrongKeyError,
)
from pseudolink.formats import canonical
from pseudolink.formats.binary import encode64, prefixed
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.party import PartyKey, wrap
from pseudolink.seal import package as package_module
from pseudolink.seal import padding
from pseudolink.seal.envelope import MAGIC, TRAILER_BYTES, Header, Trailer, read_parts
from pseudolink.seal.package import file_digest, inspect, open_package, seal, unseal

VECTORS = Path(__file__).parents[2] / "specs/vectors/package"
CONTENT = random.Random(1).randbytes(40_000)
AGREEMENT = replace(agreed(), key_check=KEY_CHECK)
RECIPIENT = {
    "encodings": "unit",
    "payload": "vault",
    "link_map": "vault",
    "release": "university",
    "withdrawal": "vault",
    "records": "council",
}


class Place:
    """A folder that holds a package and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "inbox"
        self.folder.mkdir()
        self.package = self.folder / "one.package"
        self.output = self.folder / "out.parquet"
        self.source = folder / "source"
        self.source.write_bytes(CONTENT)

    def seal(self, artefact: str = "encodings", agreed_on: Agreement = AGREEMENT, /, **changes: Any) -> bytes:
        manifest = manifest_of(agreed_on, artefact, **changes)
        seal(self.source, self.package, manifest, agreed_on, key_of(manifest.sender), today=TODAY)
        return self.package.read_bytes()

    def open(self, as_party: str = "unit", artefact: str = "encodings", **changes: Any) -> Manifest:
        values: dict[str, Any] = {"agreement": AGREEMENT, "recipient": key_of(as_party), "today": TODAY}
        return open_package(self.package, self.output, artefact=artefact, **(values | changes))

    def refused(
        self, error: type[PseudolinkError], as_party: str = "unit", **changes: Any
    ) -> PseudolinkError:
        """Opening ends in this error, and leaves the package alone in its folder."""
        with pytest.raises(error) as caught:
            self.open(as_party, **changes)
        assert [path.name for path in self.folder.iterdir()] == ["one.package"]
        assert caught.value.code.startswith("PL-")
        return caught.value


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# ---------------------------------------------------------------- what must work


@pytest.mark.parametrize("artefact", list(RECIPIENT))
def test_a_recipient_gets_back_what_was_sealed(place: Place, artefact: str) -> None:
    place.seal(artefact)
    manifest = place.open(RECIPIENT[artefact], artefact)
    assert place.output.read_bytes() == CONTENT
    assert manifest == manifest_of(AGREEMENT, artefact)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.sampled_from([0, 1, 16383, 16384, 16385, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20]))
def test_any_size_comes_back(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    place = Place(tmp_path_factory.mktemp("any"))
    content = random.Random(size).randbytes(size)
    place.source.write_bytes(content)
    manifest = manifest_of(AGREEMENT)
    digest = seal(place.source, place.package, manifest, AGREEMENT, key_of("council"), today=TODAY)
    place.open()
    assert place.output.read_bytes() == content
    assert digest == file_digest(place.package) == hashlib.sha256(place.package.read_bytes()).hexdigest()


def test_several_recipients_each_open(place: Place) -> None:
    raw = raw_agreement()
    raw["recipients"]["release"] = ["vault", "university"]
    agreement = parse_agreement(raw)
    place.seal("release", agreement)
    for one in ("university", "vault"):
        place.open(one, "release", agreement=agreement)
        assert place.output.read_bytes() == CONTENT
        place.output.unlink()


def test_nothing_of_the_artefact_is_in_the_package(place: Place) -> None:
    place.source.write_bytes(b"SURNAME-OF-A-PERSON" * 2000)
    manifest = manifest_of(AGREEMENT)
    seal(place.source, place.package, manifest, AGREEMENT, key_of("council"), today=TODAY)
    assert b"SURNAME" not in place.package.read_bytes()


def test_the_same_artefact_is_never_sealed_alike(place: Place) -> None:
    first = place.seal()
    place.package.unlink()
    second = place.seal()
    assert first[-len(CONTENT) :] != second[-len(CONTENT) :]


def test_guessing_attack_nothing_in_clear_tells_what_was_sealed(place: Place) -> None:
    """Who guesses the whole artefact cannot confirm it, nor see that two packages hold the same."""
    clear = []
    for content in (CONTENT, CONTENT, bytes(len(CONTENT))):
        place.source.write_bytes(content)
        data = place.seal()
        header, _, _ = parts(place.package)
        place.package.unlink()
        clear.append((header.manifest_bytes, header.length))
        for name in ("sha256", "sha512", "sha1", "md5", "blake2b"):
            digest = hashlib.new(name, content)
            assert digest.digest() not in data
            assert digest.hexdigest().encode() not in data
    assert clear[0] == clear[1] == clear[2]


def test_the_digest_of_what_was_opened_is_that_of_the_file(place: Place) -> None:
    place.seal()
    opened = unseal(
        place.package,
        place.output,
        agreement=AGREEMENT,
        recipient=key_of("unit"),
        artefact="encodings",
        today=TODAY,
    )
    assert opened.digest == file_digest(place.package)
    assert opened.manifest == inspect(place.package, AGREEMENT)


def test_anyone_with_the_agreement_can_inspect_even_after_it_expired(place: Place) -> None:
    place.seal()
    assert inspect(place.package, AGREEMENT) == manifest_of(AGREEMENT)


def test_an_existing_destination_is_never_replaced(place: Place) -> None:
    place.seal()
    place.output.write_bytes(b"old")
    with pytest.raises(OutputExistsError):
        place.open()
    assert place.output.read_bytes() == b"old"


# ---------------------------------------------------------------- damage


def test_truncation_attack_at_every_kilobyte(place: Place) -> None:
    data = place.seal()
    for size in [*range(0, len(data), 1024), *range(len(data) - 20, len(data))]:
        place.package.write_bytes(data[:size])
        place.refused(PackageError)
        with pytest.raises(PackageError):
            inspect(place.package, AGREEMENT)


def test_bit_flip_attack_at_200_places(place: Place) -> None:
    data = place.seal()
    chosen = random.Random(20260601)
    header = len(parts(place.package)[0].written)
    places = [chosen.randrange(len(data)) for _ in range(100)] + [
        *(chosen.randrange(header) for _ in range(80)),
        *(len(data) - 1 - chosen.randrange(TRAILER_BYTES) for _ in range(20)),
    ]
    for at in places:
        place.package.write_bytes(data[:at] + bytes([data[at] ^ (1 << chosen.randrange(8))]) + data[at + 1 :])
        place.refused(PseudolinkError)
        with pytest.raises(PseudolinkError):
            inspect(place.package, AGREEMENT)


def parts(path: Path) -> tuple[Header, Trailer, bytes]:
    with path.open("rb") as stream:
        header, trailer = read_parts(stream)
        stream.seek(len(header.written))
        return header, trailer, stream.read(header.length)


def rebuild(place: Place, header: Header, body: bytes, signer: str = "council") -> None:
    """Write a package that is well signed by the signer, whatever it says."""
    header = replace(header, length=len(body))
    digest = hashlib.sha256(header.written + body).digest()
    trailer = Trailer(digest, key_of(signer).sign(header.message(digest)))
    place.package.write_bytes(header.written + body + trailer.written)


def padded(content: bytes) -> bytes:
    """Package-v1 2.8."""
    return (len(content).to_bytes(8, "big") + content).ljust(padding.rung(8 + len(content)), b"\x00")


def test_signature_exchange_attack(place: Place) -> None:
    place.seal(rows=4)
    _, other, _ = parts(place.package)
    place.package.unlink()
    place.seal()
    header, trailer, body = parts(place.package)
    unit = key_of("unit").sign(header.message(trailer.digest))
    for signature in (other.signature, bytes(64), os.urandom(64), unit):
        changed = Trailer(trailer.digest, signature)
        place.package.write_bytes(header.written + body + changed.written)
        place.refused(SignatureError)


def test_trailing_bytes_attack(place: Place) -> None:
    place.package.write_bytes(place.seal() + b"\x00")
    assert "after its body and trailer" in str(place.refused(PackageError))


def test_body_exchange_attack_a_body_from_another_package_of_the_sender(place: Place) -> None:
    place.seal()
    _, _, other = parts(place.package)
    place.package.unlink()
    place.seal()
    header, trailer, _ = parts(place.package)
    place.package.write_bytes(header.written + other + trailer.written)
    place.refused(PackageError)
    rebuild(place, header, other)
    assert "does not open" in str(place.refused(PackageError))


def test_a_sender_that_cuts_its_own_body_is_noticed_before_the_end_is_trusted(place: Place) -> None:
    place.source.write_bytes(random.Random(2).randbytes(3 * 2**20))
    manifest = manifest_of(AGREEMENT)
    seal(place.source, place.package, manifest, AGREEMENT, key_of("council"), today=TODAY)
    header, _, body = parts(place.package)
    rebuild(place, header, body[: padding.sealed_size(2**21 - 8)])
    assert "another size" in str(place.refused(PackageError))


def sealed_to(place: Place, keys: dict[str, bytes], body: bytes, artefact: str) -> Header:
    """A header whose data keys are what the caller says."""
    manifest = manifest_of(AGREEMENT, artefact).to_bytes()
    bare = Header(manifest, {}, len(body))
    wrapped = {
        one: wrap(key_of(one).public.sealing_key, key, bare.info(one, ROLES[one]))
        for one, key in keys.items()
    }
    return replace(bare, wrapped=wrapped)


def encrypted(key: bytes, content: bytes, artefact: str) -> bytes:
    """A body that opens under this data key."""
    bare = Header(manifest_of(AGREEMENT, artefact).to_bytes(), {}, 0)
    encryptor = Cobblestone256Encryptor(key, bare.context())
    return encryptor.update(padded(content)) + encryptor.finalize()


def test_two_recipients_attack_a_sender_gives_one_of_them_another_data_key(place: Place) -> None:
    """The body commits to its key, so whoever opens a package has opened what the others have."""
    key = os.urandom(32)
    body = encrypted(key, CONTENT, "withdrawal")
    header = sealed_to(place, {"unit": key, "vault": os.urandom(32)}, body, "withdrawal")
    rebuild(place, header, body)
    place.open("unit", "withdrawal")
    place.output.unlink()
    assert "does not open" in str(place.refused(PackageError, "vault", artefact="withdrawal"))


def test_another_recipient_cannot_put_a_body_of_its_own_under_the_signature(place: Place) -> None:
    """The unit holds the data key, and makes a body that the cipher accepts for the vault."""
    key = os.urandom(32)
    body = encrypted(key, CONTENT, "withdrawal")
    header = sealed_to(place, {"unit": key, "vault": key}, body, "withdrawal")
    rebuild(place, header, body)
    data = place.package.read_bytes()
    other = encrypted(key, bytes(len(CONTENT)), "withdrawal")
    place.package.write_bytes(data.replace(body, other))
    assert "not the one that was signed" in str(place.refused(PackageError, "vault", artefact="withdrawal"))
    with pytest.raises(PackageError):
        inspect(place.package, AGREEMENT)


def test_exchange_attack_another_recipient_changes_the_body_between_the_two_readings(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashed is the signed body, decrypted would be another that the cipher accepts."""
    key = os.urandom(32)
    body = encrypted(key, CONTENT, "withdrawal")
    header = sealed_to(place, {"unit": key, "vault": key}, body, "withdrawal")
    rebuild(place, header, body)
    at = place.package.read_bytes().index(body)
    other = encrypted(key, bytes(len(CONTENT)), "withdrawal")
    unwrap = PartyKey.unwrap

    def exchange(*values: Any) -> bytes:
        with place.package.open("r+b") as stream:
            stream.seek(at)
            stream.write(other)
        return unwrap(*values)

    monkeypatch.setattr(PartyKey, "unwrap", exchange)
    assert "while it was opened" in str(place.refused(PackageError, "vault", artefact="withdrawal"))


def test_rewrapping_attack_a_data_key_sealed_for_another_manifest(place: Place) -> None:
    place.seal(rows=4)
    other, _, _ = parts(place.package)
    place.package.unlink()
    place.seal()
    header, _, body = parts(place.package)
    rebuild(place, replace(header, wrapped=other.wrapped), body)
    place.refused(WrongKeyError)


@pytest.mark.parametrize("length", [0, 2**32 - 1, 4 * 2**20 + 1])
def test_exhaustion_attack_a_header_part_of_impossible_size(place: Place, length: int) -> None:
    data = place.seal()
    place.package.write_bytes(data[: len(MAGIC)] + struct.pack(">I", length) + data[len(MAGIC) + 4 :])
    assert "impossible size" in str(place.refused(PackageError))


def test_downgrade_attack_another_version_is_refused(place: Place) -> None:
    place.package.write_bytes(place.seal().replace(b"pseudolink/package/1", b"pseudolink/package/0", 1))
    place.refused(PackageError)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), magic=st.booleans())
def test_any_other_bytes_are_not_a_package(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, magic: bool
) -> None:
    place = Place(tmp_path_factory.mktemp("any"))
    place.package.write_bytes(MAGIC + data if magic else data)
    place.refused(PseudolinkError)


@pytest.mark.parametrize(
    "recipients",
    [
        b"[]",
        b"{}",
        b"[1]",
        b'[{"id":"unit"}]',
        b'[{"id":"unit","key":"AAAA"}]',
        b'[{"id":"unit","key":"' + encode64(bytes(1168)).encode() + b'","more":1}]',
        b'[{"id":1,"key":"' + encode64(bytes(1168)).encode() + b'"}]',
        b'[{"id":"unit", "key":"' + encode64(bytes(1168)).encode() + b'"}]',
    ],
)
def test_a_damaged_list_of_recipients_is_refused(place: Place, recipients: bytes) -> None:
    place.seal()
    header, _, body = parts(place.package)
    start = MAGIC + prefixed(header.manifest_bytes, recipients) + struct.pack(">Q", header.length)
    digest = hashlib.sha256(start + body).digest()
    signature = key_of("council").sign(b"pseudolink/package-signature/1\x00" + start + digest)
    place.package.write_bytes(start + body + digest + signature)
    place.refused(PackageError)


# ---------------------------------------------------------------- what the agreement does not bear out


@pytest.mark.parametrize("who", ["council", "schools", "police"])
@pytest.mark.parametrize("artefact", ["link_map", "release"])
def test_promise_p5_a_custodian_never_opens_linked_data(place: Place, who: str, artefact: str) -> None:
    place.seal(artefact)
    assert "do not go back" in str(place.refused(NotPermittedError, who, artefact=artefact))


def test_promise_p5_not_even_when_the_operator_seals_it_to_the_custodian(place: Place) -> None:
    """A dishonest operator writes the custodian into the manifest and the list of recipients."""
    key = os.urandom(32)
    manifest = manifest_of(AGREEMENT, "link_map", recipients=("council", "vault")).to_bytes()
    bare = Header(manifest, {}, padding.sealed_size(len(CONTENT)))
    wrapped = {
        one: wrap(key_of(one).public.sealing_key, key, bare.info(one, ROLES[one]))
        for one in ("council", "vault")
    }
    encryptor = Cobblestone256Encryptor(key, bare.context())
    body = encryptor.update(padded(CONTENT)) + encryptor.finalize()
    rebuild(place, replace(bare, wrapped=wrapped), body, signer="unit")
    for who in ("council", "vault"):
        assert "do not go back" in str(place.refused(NotPermittedError, who, artefact="link_map"))


@pytest.mark.parametrize(
    ("artefact", "recipients"),
    [
        ("link_map", ("council",)),
        ("link_map", ("council", "vault")),
        ("release", ("schools",)),
        ("payload", ("unit",)),
        ("encodings", ("vault",)),
        ("encodings", ("auditor", "unit")),
        ("release", ("vault",)),
        ("release", ("nobody", "university")),
    ],
)
def test_nothing_is_sealed_to_others_than_the_agreement_says(
    place: Place, artefact: str, recipients: tuple[str, ...]
) -> None:
    with pytest.raises(NotPermittedError):
        place.seal(artefact, recipients=recipients)
    assert list(place.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("artefact", "sender"),
    [
        ("encodings", "unit"),
        ("payload", "unit"),
        ("link_map", "council"),
        ("release", "unit"),
        ("link_map", "vault"),
    ],
)
def test_no_party_sends_what_its_role_does_not_make(place: Place, artefact: str, sender: str) -> None:
    with pytest.raises(NotPermittedError):
        place.seal(artefact, sender=sender)
    assert list(place.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"agreement": "0" * 64}, AgreementMismatchError),
        ({"project": "other"}, AgreementMismatchError),
        ({"purpose": "Marketing."}, AgreementMismatchError),
        ({"schema": "0" * 64}, SchemaMismatchError),
        ({"key_check": "f" * 32}, WrongKeyError),
        ({"expires": "2031-04-01"}, AgreementExpiredError),
        ({"expires": "2026-05-31"}, AgreementExpiredError),
        ({"sender": "stranger"}, NotPermittedError),
    ],
)
def test_what_does_not_match_the_agreement_is_neither_sealed_nor_opened(
    place: Place, changes: dict[str, Any], error: type[PseudolinkError]
) -> None:
    with pytest.raises(error):
        place.seal(**changes)
    assert list(place.folder.iterdir()) == []
    place.seal()
    header, _, body = parts(place.package)
    manifest = manifest_of(AGREEMENT, **changes)
    rebuild(place, replace(header, manifest_bytes=manifest.to_bytes()), body)
    place.refused(error)


def test_sealed_keys_for_others_than_the_manifest_says_are_refused(place: Place) -> None:
    place.seal()
    header, _, body = parts(place.package)
    rebuild(place, replace(header, wrapped={**header.wrapped, "zz-outsider": bytes(1168)}), body)
    place.refused(ArtefactError)


def test_another_agreement_is_refused(place: Place) -> None:
    place.seal()
    place.refused(AgreementMismatchError, agreement=agreed(purpose="Another purpose."))


def test_expired_agreement_seals_and_opens_nothing(place: Place) -> None:
    manifest = manifest_of(AGREEMENT)
    for day in (date(2031, 4, 1), date(2026, 3, 31)):
        with pytest.raises(AgreementExpiredError):
            seal(place.source, place.package, manifest, AGREEMENT, key_of("council"), today=day)
        assert list(place.folder.iterdir()) == []
    place.seal()
    for day in (date(2031, 4, 1), date(2026, 3, 31)):
        place.refused(AgreementExpiredError, today=day)


def test_a_package_ends_on_its_own_day_even_when_the_agreement_goes_on(place: Place) -> None:
    place.seal(expires="2026-06-01")
    place.refused(AgreementExpiredError, today=date(2026, 6, 2))
    place.open()


def test_another_party_is_not_a_recipient(place: Place) -> None:
    raw = raw_agreement()
    raw["parties"][6]["role"] = "releaser"
    agreement = parse_agreement(raw)
    place.seal("payload", agreement)
    place.refused(NotARecipientError, "auditor", artefact="payload", agreement=agreement)
    place.refused(NotPermittedError, "unit", artefact="payload", agreement=agreement)


def test_wrong_key_an_impostor_with_a_partys_name(place: Place) -> None:
    place.seal()
    place.refused(WrongKeyError, recipient=key_of("impostor", "unit"))
    place.refused(NotPermittedError, recipient=key_of("stranger"))
    place.package.unlink()
    manifest = manifest_of(AGREEMENT)
    with pytest.raises(WrongKeyError):
        seal(place.source, place.package, manifest, AGREEMENT, key_of("impostor", "council"), today=TODAY)
    with pytest.raises(WrongKeyError):
        seal(place.source, place.package, manifest, AGREEMENT, key_of("schools"), today=TODAY)
    assert list(place.folder.iterdir()) == []


def test_an_artefact_other_than_the_expected_is_refused(place: Place) -> None:
    place.seal("payload")
    assert "expected" in str(place.refused(PackageError, "vault", artefact="link_map"))


def _grown(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"x")


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _overwritten(path: Path) -> None:
    was = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"x")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))  # as tools do that keep times


@pytest.mark.parametrize("change", [_grown, _cut, _emptied, _overwritten])
def test_a_source_that_changes_while_it_is_sealed_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    place.source.write_bytes(os.urandom(3 * 2**20))
    write, changed = package_module._write, []

    def disturbed(out: Any, data: bytes) -> None:
        if not changed:
            time.sleep(0.02)  # file systems tell times in steps
            change(place.source)
            changed.append(True)
        write(out, data)

    monkeypatch.setattr(package_module, "_write", disturbed)
    with pytest.raises(PackageError, match="changed while it was sealed"):
        place.seal()
    assert list(place.folder.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_not_sealed_as_something_empty(place: Place) -> None:
    place.source.unlink()
    os.mkfifo(place.source)
    writer = threading.Thread(target=place.source.write_bytes, args=(b"rows",))
    writer.start()
    with pytest.raises(PackageError):
        place.seal()
    writer.join()
    assert list(place.folder.iterdir()) == []


def test_an_error_never_shows_a_key_or_the_content(place: Place) -> None:
    data = place.seal()
    place.package.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    said = json.dumps(place.refused(PackageError).diagnostics())
    header, _, _ = parts(place.package)
    assert encode64(header.wrapped["unit"])[:40] not in said
    assert len(said) < 400


# ---------------------------------------------------------------- what a size shows


@settings(max_examples=300, deadline=None)
@given(size=st.integers(0, 2**41))
def test_the_ladder_adds_less_than_an_eighth_and_has_eight_steps_in_a_doubling(size: int) -> None:
    found = padding.rung(size)
    assert found >= size
    assert padding.rung(found) == found
    assert found == 4096 or (found - size) * 8 < size
    assert len({padding.rung(n) for n in range(2**20 + 1, 2**21 + 1, 4096)}) == 8


@settings(max_examples=300, deadline=None)
@given(content=st.integers(0, 2**40), other=st.integers(0, 2**41))
def test_a_body_of_another_size_than_the_ladders_is_refused(content: int, other: int) -> None:
    assert padding.padded_size(padding.sealed_size(content)) == padding.rung(8 + content)
    for size in (other, padding.sealed_size(content) + 1, padding.sealed_size(content) - 1):
        try:
            inside = padding.padded_size(size)
        except PackageError:
            continue
        assert size == padding.sealed_size(inside - 8)


def test_size_attack_artefacts_of_one_step_are_as_long_as_each_other(place: Place) -> None:
    sizes = set()
    for content in (b"", bytes(100), os.urandom(4088)):
        place.source.write_bytes(content)
        place.package.unlink(missing_ok=True)
        manifest = manifest_of(AGREEMENT)
        seal(place.source, place.package, manifest, AGREEMENT, key_of("council"), today=TODAY)
        sizes.add(place.package.stat().st_size)
    assert len(sizes) == 1


# ---------------------------------------------------------------- the specification's packages

BASE = json.loads((VECTORS / "base/package.json").read_text())
AGREEMENT_TEXT = json.loads((VECTORS.parent / "agreement/base/agreement.json").read_text())["toml"]


def vectors() -> list[Path]:
    return sorted(VECTORS.glob("*.json"))


def bytes_of(vector: dict[str, Any], base: str = BASE["package_base64"]) -> bytes:
    """The package of a vector: its own, or the base one with edits from the last to the first."""
    data = base64.b64decode(vector["package_base64"] or base)
    for edit in sorted(vector["edits"], key=lambda one: -one["at"]):
        data = data[: edit["at"]] + bytes.fromhex(edit["insert_hex"]) + data[edit["at"] + edit["remove"] :]
    return data


def check(vector: dict[str, Any], data: bytes, place: Place) -> None:
    """A vector against the software and against the decoder that was written from the specification."""
    place.package.write_bytes(data)
    today = date.fromisoformat(vector["today"])
    agreement = replace(agreed(), key_check=vector["signed_check"])
    secret = BASE["private_keys_hex"].get(vector["recipient"], BASE["private_keys_hex"]["unit"])
    other = (AGREEMENT_TEXT, BASE["agreement_digest"], vector["recipient"], secret, vector["artefact"], today)
    if vector["expect"] == "success":
        manifest = place.open(vector["recipient"], vector["artefact"], agreement=agreement, today=today)
        assert vector["content_hex"] == place.output.read_bytes().hex()
        raw, content = independent_package.open_package(data, *other)
        assert content.hex() == vector["content_hex"]
        assert canonical.dumps(raw) == manifest.to_bytes()
        return
    error = place.refused(
        PseudolinkError, vector["recipient"], artefact=vector["artefact"], agreement=agreement, today=today
    )
    assert vector["code"] == error.code
    if vector["signed_check"] is None:  # signatures of agreements are not the decoder's business
        with pytest.raises(Exception) as refused:  # noqa: PT011 - a parser or primitive may refuse too
            independent_package.open_package(data, *other)
        assert not isinstance(refused.value, (AttributeError, NameError, AssertionError))


@pytest.mark.parametrize("path", vectors(), ids=lambda path: path.stem)
def test_packages_of_the_specification(path: Path, place: Place) -> None:
    vector = json.loads(path.read_text())
    check(vector, bytes_of(vector), place)


def test_vectors_written_anew_say_the_same(tmp_path: Path) -> None:
    """The script's packages of today and the committed ones: other bytes, the same verdicts."""
    count = reference_package.write(tmp_path / "vectors")
    assert count == len(vectors())
    base = json.loads((tmp_path / "vectors/base/package.json").read_text())
    for path in sorted((tmp_path / "vectors").glob("*.json"))[::7]:
        vector = json.loads(path.read_text())
        here = tmp_path / path.stem
        here.mkdir()
        check(vector, bytes_of(vector, base["package_base64"]), Place(here))
        committed = json.loads((VECTORS / path.name).read_text())
        assert {k: vector[k] for k in ("spec", "expect", "comment")} == {
            k: committed[k] for k in ("spec", "expect", "comment")
        }


def test_the_specifications_parties_are_those_of_the_tests() -> None:
    assert BASE["agreement_digest"] == canonical.digest(agreed().canonical)
    assert BASE["parties"] == {name: key_of(name).public.fingerprint for name in ROLES}


def test_there_are_vectors_of_one_failure_each() -> None:
    failures = [json.loads(path.read_text()) for path in vectors()]
    failures = [one for one in failures if one["expect"] == "failure"]
    assert len(failures) >= 60
    assert len({(one["spec"], one["comment"], one["recipient"], one["artefact"]) for one in failures}) > 80
