"""
Write the vectors of specs/package-v1.md: packages as the specification says, and one wrong each.

    python tests/reference_package.py

Packages are built here from the specification, not by the software. Keys are those of the test
parties; data keys and encapsulations are fresh, so the bytes differ from run to run and the
expectations do not.
"""

# ruff: noqa: E501 - a table of mistakes, one a line
from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from independent_package import SUITE, body_size, canonical, rung
from parties_in_memory import KEY_CHECK, ROLES, SCHEMA, agreed, key_of, seed_of

from pseudolink.keys.party import PartyKey

VECTORS = Path(__file__).parents[1] / "specs/vectors/package"
MAGIC = b"pseudolink/package/1\n"
CONTENT = b"one artefact, sealed\n"
TO = {"encodings": ["unit"], "payload": ["vault"], "link_map": ["vault"], "release": ["university"],
      "withdrawal": ["unit", "vault"], "records": ["council"], "linkage_state": ["unit"]}  # fmt: skip
FROM = {"link_map": "unit", "release": "vault", "linkage_state": "unit"}
DATA_KEY = bytes(range(32))


def manifest(artefact: str = "encodings", /, **changes: Any) -> dict[str, Any]:
    """A manifest that the agreement bears out; a change of ``...`` takes the key away."""
    agreement = agreed()
    raw = {
        "format": "pseudolink/manifest/1",
        "artefact": artefact,
        "project": agreement.project,
        "agreement": agreement.digest,
        "schema": SCHEMA,
        "key_check": KEY_CHECK if artefact == "encodings" else None,
        "sender": FROM.get(artefact, "council"),
        "recipients": TO[artefact],
        "purpose": agreement.purpose,
        "created": "2026-05-01",
        "expires": "2031-03-31",
        "rows": 3,
        "software": "pseudolink 0.1.0",
        "statistics": {"passes": {"dob": {"tokens": 3}}},
        "heads": {"council": {"head": "ab" * 32, "sequence": 4}},
        **changes,
    }
    return {key: value for key, value in raw.items() if value is not ...}


def padded(content: bytes) -> bytes:
    return (struct.pack(">Q", len(content)) + content).ljust(rung(8 + len(content)), b"\x00")


def sealed(plain: bytes, binding: bytes, key: bytes = DATA_KEY) -> bytes:
    encryptor = Cobblestone256Encryptor(key, b"pseudolink/package-body/1\x00" + binding)
    return encryptor.update(plain) + encryptor.finalize()


def wrapped(to: str, binding: bytes, raw: dict[str, Any], key: bytes = DATA_KEY, /, **changes: Any) -> bytes:
    info = {
        "format": "pseudolink/package-key/1",
        **{one: raw.get(one) for one in ("project", "artefact", "sender", "purpose", "expires")},
        "recipient": to,
        "role": ROLES.get(to, "custodian"),
        "manifest": binding.hex(),
        **changes,
    }
    public = base64.b64decode(key_of(to).public.sealing_key)
    joined = hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:1184]), X25519PublicKey.from_public_bytes(public[1184:])
    )
    return SUITE.encrypt(key, joined, info=canonical(info))


class Package:
    """One package, with every part open to change before it is signed."""

    def __init__(self, artefact: str = "encodings", /, text: bytes | None = None, **changes: Any) -> None:
        self.raw = manifest(artefact, **changes)
        self.text = canonical(self.raw) if text is None else text
        self.binding = hashlib.sha256(self.text).digest()
        names = self.raw.get("recipients")
        names = names if isinstance(names, list) and names else TO[artefact]
        self.keys: dict[str, bytes] = {one: wrapped(one, self.binding, self.raw) for one in names}
        self.entries: bytes | None = None
        self.body = sealed(padded(CONTENT), self.binding)
        self.signer: PartyKey = key_of(FROM.get(artefact, "council"))
        self.domain = b"pseudolink/package-signature/1\x00"

    def written(self) -> bytes:
        entries = self.entries
        if entries is None:
            entries = canonical(
                [{"id": one, "key": base64.b64encode(key).decode()} for one, key in sorted(self.keys.items())]
            )
        head = MAGIC
        for part in (self.text, entries):
            head += struct.pack(">I", len(part)) + part
        head += struct.pack(">Q", len(self.body))
        digest = hashlib.sha256(head + self.body).digest()
        return head + self.body + digest + self.signer.sign(self.domain + head + digest)


BASE = Package().written()
HEADER = BASE.index(Package().text[:1], 21)
_MANIFEST = int.from_bytes(BASE[21:25], "big")
_ENTRIES_AT = 25 + _MANIFEST
_ENTRIES = int.from_bytes(BASE[_ENTRIES_AT : _ENTRIES_AT + 4], "big")
_BODY_AT = _ENTRIES_AT + 4 + _ENTRIES + 8
_TRAILER_AT = len(BASE) - 96

Vector = tuple[str, str, str | None, str, dict[str, Any]]


def edit(at: int, remove: int = 0, insert: bytes = b"") -> dict[str, Any]:
    return {"edits": [{"at": at, "remove": remove, "insert_hex": insert.hex()}]}


def flip(at: int) -> dict[str, Any]:
    return edit(at, 1, bytes([BASE[at] ^ 1]))


def cut(at: int) -> dict[str, Any]:
    return edit(at, len(BASE) - at)


def own(package: Package, **more: Any) -> dict[str, Any]:
    return {"package": package.written(), **more}


def but(change: Callable[[Package], None], artefact: str = "encodings", /, **changes: Any) -> Package:
    package = Package(artefact, **changes)
    change(package)
    return package


def put(**values: Any) -> Callable[[Package], None]:
    def change(package: Package) -> None:
        for name, value in values.items():
            setattr(package, name, value(package) if callable(value) else value)

    return change


def entry(key: bytes, **more: Any) -> dict[str, Any]:
    return {"id": "unit", "key": base64.b64encode(key).decode(), **more}


def only(change: Callable[[Package], dict[str, bytes]]) -> Callable[[Package], None]:
    def apply(package: Package) -> None:
        package.keys = change(package)

    return apply


SEAL, SIGN, TO_OTHERS = "PL-SEAL-01", "PL-SEAL-02", "PL-SEAL-03"
FORM, KEY, MAY_NOT = "PL-FORMAT-01", "PL-KEY-03", "PL-AGREE-05"


def byte_level() -> Iterator[Vector]:
    """Section 2: what the bytes of a package can have wrong, whoever sent it."""
    yield "empty_file", "2", SEAL, "no bytes at all", cut(0)
    yield "magic_of_another_version", "2.1", SEAL, "version 2", edit(19, 1, b"2")
    yield "magic_bit_flipped", "2.1", SEAL, "one bit of the magic", flip(3)
    yield "truncated_in_the_magic", "2", SEAL, "ten bytes", cut(10)
    yield "truncated_in_the_manifest_length", "2", SEAL, "two of its four bytes", cut(23)
    yield "truncated_in_the_manifest", "2", SEAL, "ends within the manifest", cut(25 + _MANIFEST // 2)
    yield "truncated_in_the_recipients", "2", SEAL, "ends within the recipients", cut(_ENTRIES_AT + 40)
    yield "truncated_in_the_body_length", "2", SEAL, "four of its eight bytes", cut(_BODY_AT - 4)
    yield "truncated_in_the_body", "2.4", SEAL, "half of the body", cut(_BODY_AT + 2000)
    yield "truncated_before_the_trailer", "2.4", SEAL, "no trailer", cut(_TRAILER_AT)
    yield (
        "truncated_in_the_signature",
        "2.4",
        SEAL,
        "one byte of the signature is missing",
        cut(len(BASE) - 1),
    )
    yield "byte_after_the_trailer", "2.4", SEAL, "one byte more", edit(len(BASE), 0, b"\x00")
    yield "manifest_length_zero", "2.3", SEAL, "an empty manifest", edit(21, 4, bytes(4))
    yield (
        "manifest_length_too_large",
        "2.3",
        SEAL,
        "4 MiB and one byte",
        edit(21, 4, struct.pack(">I", 2**22 + 1)),
    )
    yield (
        "manifest_length_one_less",
        "2",
        SEAL,
        "cuts the manifest short",
        edit(21, 4, struct.pack(">I", _MANIFEST - 1)),
    )
    yield "recipients_length_zero", "2.3", SEAL, "no recipients", edit(_ENTRIES_AT, 4, bytes(4))
    yield (
        "recipients_length_too_large",
        "2.3",
        SEAL,
        "256 KiB and one byte",
        edit(_ENTRIES_AT, 4, struct.pack(">I", 2**18 + 1)),
    )
    yield "body_length_zero", "2.3", SEAL, "no artefact has it", edit(_BODY_AT - 8, 8, bytes(8))
    yield "body_length_off_the_ladder", "2.8", SEAL, "a byte more, and the byte is there", {
        "edits": [{"at": _BODY_AT - 8, "remove": 8, "insert_hex": struct.pack(">Q", body_size(4096) + 1).hex()},
                  {"at": _BODY_AT, "remove": 0, "insert_hex": "00"}]}  # fmt: skip
    yield (
        "body_length_of_an_exabyte",
        "2.3",
        SEAL,
        "larger than an artefact may be",
        edit(_BODY_AT - 8, 8, struct.pack(">Q", body_size(2**60))),
    )
    yield (
        "manifest_changed",
        "6.2",
        SIGN,
        "three rows become four",
        edit(25 + Package().text.index(b'"rows":3') + 7, 1, b"4"),
    )
    yield (
        "recipients_key_changed",
        "6.2",
        SIGN,
        "one letter of a sealed key",
        edit(_ENTRIES_AT + 60, 1, b"B" if BASE[_ENTRIES_AT + 60] != 66 else b"C"),
    )
    yield "body_bit_flipped_at_the_start", "6.4", SEAL, "in the salt", flip(_BODY_AT)
    yield "body_bit_flipped_in_the_middle", "6.4", SEAL, "in the ciphertext", flip(_BODY_AT + 2000)
    yield "body_bit_flipped_at_the_end", "6.4", SEAL, "in the last tag", flip(_TRAILER_AT - 1)
    yield "digest_bit_flipped", "6.2", SIGN, "in the trailer", flip(_TRAILER_AT)
    yield "signature_bit_flipped", "6.2", SIGN, "in the trailer", flip(len(BASE) - 1)
    yield "signature_of_zeros", "6.2", SIGN, "64 zero bytes", edit(len(BASE) - 64, 64, bytes(64))
    yield (
        "signature_of_another_package",
        "6.2",
        SIGN,
        "of the same sender",
        edit(len(BASE) - 64, 64, Package(rows=4).written()[-64:]),
    )
    yield "signature_of_another_party", "6.2", SIGN, "by the operator", own(but(put(signer=key_of("unit"))))
    yield "signature_without_its_domain", "2.5", SIGN, "over the header alone", own(but(put(domain=b"")))
    yield (
        "trailer_of_another_package",
        "6.2",
        SIGN,
        "of the same sender",
        edit(_TRAILER_AT, 96, Package(rows=4).written()[-96:]),
    )
    yield (
        "body_of_another_package",
        "6.4",
        SEAL,
        "of the same sender",
        edit(_BODY_AT, _TRAILER_AT - _BODY_AT, Package().body),
    )


def manifests() -> Iterator[Vector]:
    """Section 3: manifests that are well signed and wrong."""
    text = canonical(manifest())
    form = [
        ("manifest_with_white_space", "not canonical", text.replace(b":", b": ", 1)),
        ("manifest_with_a_byte_order_mark", "not canonical", b"\xef\xbb\xbf" + text),
        ("manifest_with_a_line_end", "not canonical", text + b"\n"),
        ("manifest_key_twice", "rows stand twice", text.replace(b'"rows":3', b'"rows":3,"rows":3')),
        ("manifest_with_a_fraction", "no floating point", text.replace(b'"rows":3', b'"rows":3.0')),
        ("manifest_not_utf_8", "a byte that no text has", text.replace(b"families", b"famili\xff", 1)),
        ("manifest_not_an_object", "a list", b"[]"),
    ]
    for name, comment, wrong in form:
        yield name, "3", FORM, comment, own(Package(text=wrong))
    wrong_values: list[tuple[str, str, dict[str, Any]]] = [
        ("manifest_key_unknown", "one more", {"more": 1}),
        ("manifest_key_missing", "no software", {"software": ...}),
        (
            "manifest_with_a_digest_of_the_artefact",
            "a guess could be confirmed",
            {"content_sha256": hashlib.sha256(CONTENT).hexdigest()},
        ),
        ("manifest_of_another_format", "manifest 2", {"format": "pseudolink/manifest/2"}),
        ("artefact_unknown", "feedback", {"artefact": "feedback"}),
        ("encodings_without_a_check_value", "null", {"key_check": None}),
        ("check_value_short", "31 digits", {"key_check": KEY_CHECK[1:]}),
        ("sender_not_an_id", "capitals", {"sender": "Council"}),
        ("recipients_none", "an empty list", {"recipients": []}),
        ("recipient_twice", "unit and unit", {"recipients": ["unit", "unit"]}),
        ("recipients_not_sorted", "vault before unit", {"recipients": ["vault", "unit"]}),
        ("created_impossible", "31 April", {"created": "2026-04-31"}),
        ("expires_before_created", "a day before", {"expires": "2026-04-30"}),
        ("rows_negative", "minus one", {"rows": -1}),
        ("rows_boolean", "true is no count", {"rows": True}),
        ("rows_beyond_a_count", "2**53", {"rows": 2**53}),
        ("schema_digest_in_capitals", "one spelling only", {"schema": SCHEMA.upper()}),
        ("statistics_a_list", "must be an object", {"statistics": []}),
        ("purpose_blank", "spaces", {"purpose": "  "}),
        ("heads_without_a_digest", "text", {"heads": {"council": {"head": "none", "sequence": 1}}}),
        ("heads_sequence_negative", "minus one", {"heads": {"council": {"head": "ab" * 32, "sequence": -1}}}),
        (
            "heads_too_many",
            "257 parties",
            {"heads": {f"p{n}": {"head": "ab" * 32, "sequence": 1} for n in range(257)}},
        ),
    ]
    for name, comment, changes in wrong_values:
        yield name, "3", FORM, comment, own(Package(**changes))


def lists() -> Iterator[Vector]:
    """Section 2.2: lists of recipients that are well signed and wrong."""
    key = Package().keys["unit"]
    good = canonical([entry(key)])
    for name, comment, entries in [
        ("recipient_list_empty", "an empty array", b"[]"),
        ("recipient_list_an_object", "no array", b"{}"),
        ("recipient_list_of_numbers", "no objects", b"[1]"),
        ("recipient_without_a_key", "id alone", b'[{"id":"unit"}]'),
        ("recipient_with_more", "an unknown key", canonical([entry(key, more=1)])),
        ("recipient_key_short", "a byte less", canonical([entry(key[1:])])),
        ("recipient_listed_twice", "unit and unit", canonical([entry(key), entry(key)])),
        ("recipient_list_with_white_space", "not canonical", good.replace(b",", b", ", 1)),
        ("recipient_key_in_another_spelling", "unused bits set", good.replace(b'=="', b'=="'.replace(b"=", b"")) if b"=" in good else good + b" "),
        ("recipients_sixty_five", "one too many", canonical([{"id": f"p{n:02}", "key": entry(key)["key"]} for n in range(65)])),
    ]:  # fmt: skip
        yield name, "2.2", SEAL, comment, own(but(put(entries=entries)))
    yield (
        "sealed_keys_for_more_than_the_manifest_says",
        "4.5",
        FORM,
        "and an outsider",
        own(but(only(lambda p: {**p.keys, "zz": bytes(1168)}))),
    )


def permissions() -> Iterator[Vector]:
    """Section 4: what the agreement does not bear out."""
    yield "another_agreement", "4.1", "PL-AGREE-02", "another digest", own(Package(agreement="ab" * 32))
    yield "sender_unknown", "4.1", MAY_NOT, "not a party", own(Package(sender="stranger"))
    yield (
        "project_other",
        "4.2",
        "PL-AGREE-02",
        "a replay into another project",
        own(Package(project="another")),
    )
    yield "purpose_other", "4.2", "PL-AGREE-02", "another purpose", own(Package(purpose="Casework."))
    yield "schema_other", "4.2", "PL-SCHEMA-02", "another schema", own(Package(schema="ab" * 32))
    yield (
        "sender_of_another_role",
        "4.3",
        MAY_NOT,
        "a reviewer sends encodings",
        own(but(put(signer=key_of("auditor")), sender="auditor")),
    )
    yield (
        "recipient_not_in_the_agreement",
        "4.5",
        MAY_NOT,
        "and the auditor",
        own(Package(recipients=["auditor", "unit"])),
    )
    yield (
        "recipient_left_out",
        "4.5",
        MAY_NOT,
        "a withdrawal to the operator alone",
        own(Package("withdrawal", recipients=["unit"]), recipient="unit", artefact="withdrawal"),
    )
    yield (
        "link_map_sealed_to_a_custodian",
        "4.4",
        MAY_NOT,
        "linked data do not go back",
        own(Package("link_map", recipients=["council", "vault"]), recipient="council", artefact="link_map"),
    )
    yield (
        "release_sealed_to_a_custodian",
        "4.4",
        MAY_NOT,
        "linked data do not go back",
        own(Package("release", recipients=["council"]), recipient="council", artefact="release"),
    )
    yield (
        "payload_sealed_to_the_operator",
        "4.4",
        MAY_NOT,
        "the operator links without attributes",
        own(Package("payload", recipients=["unit", "vault"]), recipient="unit", artefact="payload"),
    )
    yield (
        "records_sealed_to_another_custodian",
        "4.5",
        MAY_NOT,
        "an index is its sender's alone",
        own(Package("records", recipients=["schools"]), recipient="schools", artefact="records"),
    )
    yield (
        "linkage_state_sealed_to_another",
        "4.5",
        MAY_NOT,
        "a state is its sender's alone",
        own(Package("linkage_state", recipients=["unit", "vault"]), artefact="linkage_state"),
    )
    yield "outlasts_the_agreement", "4.6", "PL-AGREE-03", "a day longer", own(Package(expires="2031-04-01"))
    yield (
        "agreement_over",
        "4.6",
        "PL-AGREE-03",
        "the day after the last",
        {"edits": [], "today": "2031-04-01"},
    )
    yield (
        "agreement_not_yet_in_force",
        "4.6",
        "PL-AGREE-03",
        "the day before the first",
        {"edits": [], "today": "2026-03-31"},
    )
    yield (
        "package_over",
        "4.6",
        "PL-AGREE-03",
        "the package ended before the agreement",
        own(Package(expires="2026-05-31")),
    )
    yield (
        "check_value_other",
        "4.7",
        KEY,
        "another linkage key than the one signed for",
        own(Package(key_check="f" * 32), signed_check=KEY_CHECK),
    )


def openers() -> Iterator[Vector]:
    """Sections 6.3 and 6.5: who opens, and what is inside."""
    for name, who, artefact in [
        ("custodian_opens_encodings", "schools", "encodings"),
        ("custodian_opens_a_link_map", "council", "link_map"),
        ("custodian_opens_a_release", "police", "release"),
        ("operator_opens_a_payload", "unit", "payload"),
        ("releaser_opens_encodings", "vault", "encodings"),
        ("reviewer_opens_encodings", "auditor", "encodings"),
    ]:
        yield (
            name,
            "6.3",
            MAY_NOT,
            "its role may never hold it",
            own(Package(artefact), recipient=who, artefact=artefact),
        )
    yield "stranger", "6.3", MAY_NOT, "one who is not a party", {"edits": [], "recipient": "stranger"}
    yield (
        "another_custodian_opens_records",
        "6.3",
        TO_OTHERS,
        "not sealed to it",
        own(Package("records"), recipient="schools", artefact="records"),
    )
    yield (
        "link_map_where_a_payload_is_expected",
        "6.3",
        SEAL,
        "another step",
        own(Package("link_map"), recipient="vault", artefact="payload"),
    )
    for name, comment, changes in [
        ("data_key_for_another_role", "bound to a releaser", {"role": "releaser"}),
        ("data_key_for_another_project", "bound to another project", {"project": "another"}),
        ("data_key_for_another_step", "bound to a payload", {"artefact": "payload"}),
        ("data_key_of_another_sender", "bound to schools", {"sender": "schools"}),
        ("data_key_for_another_recipient", "bound to the vault", {"recipient": "vault"}),
        ("data_key_for_a_later_day", "bound to another expiry", {"expires": "2031-03-30"}),
        ("data_key_of_another_manifest", "bound to another manifest", {"manifest": "ab" * 32}),
    ]:
        package = Package()
        package.keys["unit"] = wrapped("unit", package.binding, package.raw, **changes)
        yield name, "2.6", KEY, comment, own(package)
    package = Package()
    package.keys["unit"] = bytes(1168)
    yield "data_key_of_zeros", "2.6", KEY, "nothing was sealed", own(package)
    package = Package("withdrawal")
    package.keys["vault"] = wrapped("vault", package.binding, package.raw, bytes(32))
    yield (
        "data_key_unlike_the_first_recipients",
        "2.5",
        SEAL,
        "no two recipients read two artefacts",
        own(package, recipient="vault", artefact="withdrawal"),
    )
    inside: list[tuple[str, str, str, Callable[[Package], bytes]]] = [
        ("body_under_another_key", "2.7", "another data key", lambda p: sealed(padded(CONTENT), p.binding, bytes(32))),
        ("body_of_another_manifest", "2.7", "another context", lambda p: sealed(padded(CONTENT), bytes(32))),
        ("padding_not_zero", "2.8", "a byte hides in the padding", lambda p: sealed(padded(CONTENT)[:-1] + b"\x01", p.binding)),
        ("padding_longer_than_the_rung", "2.8", "a step too high", lambda p: sealed(padded(CONTENT).ljust(4608, b"\x00"), p.binding)),
        ("content_length_beyond_the_body", "2.8", "more than there is", lambda p: sealed(struct.pack(">Q", 4089) + padded(CONTENT)[8:], p.binding)),
        ("content_length_of_all_ones", "2.8", "2**64 - 1", lambda p: sealed(b"\xff" * 8 + padded(CONTENT)[8:], p.binding)),
        ("content_length_one_less", "2.8", "the last byte stands in the padding", lambda p: sealed(struct.pack(">Q", len(CONTENT) - 1) + padded(CONTENT)[8:], p.binding)),
        ("content_length_missing", "2.8", "content alone", lambda p: sealed(CONTENT.ljust(4096, b"\x00"), p.binding)),
        ("body_cut_at_a_step_of_the_ladder", "2.7", "the end is missing", lambda p: sealed(bytes(4608), p.binding)[: body_size(4096)]),
    ]  # fmt: skip
    for name, section, comment, make in inside:
        yield name, section, SEAL, comment, own(but(put(body=make)))


def good() -> Iterator[Vector]:
    """What must open."""
    yield "encodings_to_the_operator", "6", None, "a package as it should be", {"edits": []}
    for artefact, who in [("payload", "vault"), ("link_map", "vault"), ("release", "university"),
                          ("withdrawal", "unit"), ("records", "council"), ("linkage_state", "unit")]:  # fmt: skip
        yield (
            f"{artefact}_to_{who}",
            "6",
            None,
            "a package as it should be",
            own(Package(artefact), recipient=who, artefact=artefact),
        )
    yield (
        "withdrawal_opened_by_the_second",
        "2.6",
        None,
        "several recipients",
        own(Package("withdrawal"), recipient="vault", artefact="withdrawal"),
    )
    yield "on_the_last_day", "4.6", None, "the day itself is within", {"edits": [], "today": "2031-03-31"}
    yield "no_heads_yet", "3", None, "a sender without a ledger", own(Package(heads={}))
    for name, content in [
        ("artefact_empty", b""),
        ("artefact_on_a_rung", bytes(4088)),
        ("artefact_above_a_rung", bytes(4089)),
    ]:
        package = Package()
        package.body = sealed(padded(content), package.binding)
        yield name, "2.8", None, f"{len(content)} bytes", own(package, content=content)


def vectors() -> Iterator[tuple[str, dict[str, Any]]]:
    for group in (byte_level, manifests, lists, permissions, openers, good):
        for name, section, code, comment, how in group():
            package = how.get("package")
            found: dict[str, Any] = {
                "spec": f"specs/package-v1.md#{section}",
                "expect": "failure" if code else "success",
                "comment": comment,
                "recipient": how.get("recipient", "unit"),
                "artefact": how.get("artefact", "encodings"),
                "today": how.get("today", "2026-06-01"),
                "signed_check": how.get("signed_check"),
                "edits": how.get("edits", []),
                "package_base64": None if package is None else base64.b64encode(package).decode(),
            }
            if code:
                found["code"] = code
            else:
                found["content_hex"] = how.get("content", CONTENT).hex()
            yield name, found


def base() -> dict[str, Any]:
    return {
        "comment": "encodings from council to unit under ../agreement/base/agreement.json, and the private "
        "keys of the parties, made for tests; they guard nothing",
        "agreement_digest": agreed().digest,
        "parties": {name: key_of(name).public.fingerprint for name in ROLES},
        "private_keys_hex": {
            name: {
                "ed25519": seed_of(name, "signing", 32).hex(),
                "mlkem768_seed": seed_of(name, "mlkem", 64).hex(),
                "x25519": seed_of(name, "x25519", 32).hex(),
            }
            for name in ROLES
        },
        "package_base64": base64.b64encode(BASE).decode(),
    }


def write(folder: Path) -> int:
    """Write every vector; what is there of an earlier run is replaced."""
    (folder / "base").mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    (folder / "base/package.json").write_text(json.dumps(base(), indent=1) + "\n")
    written = 0
    for name, vector in vectors():
        target = folder / f"{name}.json"
        assert not target.exists(), name
        target.write_text(json.dumps(vector, indent=1) + "\n")
        written += 1
    return written


if __name__ == "__main__":
    print(write(Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS), "vectors")
