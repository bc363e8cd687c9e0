"""
Packages that are wrong in ways that know the structure: what a generator of mistakes can make.

Most mutants are signed by their sender again, so that they come past the signature to the checks
behind it. A mutant must be refused with a PseudolinkError and leave nothing, or be the base package
in every byte that means something: give, under the same manifest bytes, the artefact that its sender
sealed.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import random
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import reference_package as reference
from independent_package import body_size, canonical
from parties_in_memory import KEY_CHECK, TODAY, agreed, key_of

from pseudolink.errors import PseudolinkError
from pseudolink.seal.package import inspect, open_package

AGREEMENT = replace(agreed(), key_check=KEY_CHECK)
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**53, 2**64, "", " ", "a", "unit", "vault", "council", "2026-06-01",
    "9999-12-31", "0000-00-00", "ab" * 32, "AB" * 32, "\u0000", "\ud7ff", "\U0001f600" * 40, [], {}, [[]],
    {"": ""}, ["unit"], ["unit", "unit"], "x" * 2001,
]  # fmt: skip


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [place]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += _places(item, (*place, key))
    return found


def _change_tree(raw: Any, chance: random.Random) -> Any:
    """One node of a JSON value replaced, taken away, doubled or renamed."""
    raw = copy.deepcopy(raw)
    place = chance.choice(_places(raw)[1:])
    parent = raw
    for key in place[:-1]:
        parent = parent[key]
    way = chance.random()
    if way < 0.6:
        parent[place[-1]] = chance.choice(ODD)
    elif way < 0.75:
        del parent[place[-1]]
    elif isinstance(parent, dict):
        parent[chance.choice(["", "more", "rows", "format", "\u00e9"])] = parent.pop(place[-1])
    else:
        parent.insert(0, chance.choice(ODD))
    return raw


def _change_bytes(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, insert, repeat or exchange some bytes."""
    at = chance.randrange(len(data) + 1)
    way = chance.randrange(5)
    if way == 0 and at < len(data):
        return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
    if way == 1:
        return data[:at]
    if way == 2:
        return data[:at] + chance.randbytes(chance.choice([1, 2, 8, 300])) + data[at:]
    if way == 3:
        end = min(len(data), at + chance.choice([1, 4, 64]))
        return data[:at] + data[at:end] + data[at:]
    end = min(len(data), at + chance.choice([1, 8, 32]))
    return data[:at] + chance.choice([b"\x00", b"\xff", b'"', b"{"]) * (end - at) + data[end:]


def _signed(text: bytes, entries: bytes, body: bytes, signer: str) -> bytes:
    head = reference.MAGIC
    for part in (text, entries):
        head += struct.pack(">I", len(part)) + part
    head += struct.pack(">Q", len(body))
    digest = hashlib.sha256(head + body).digest()
    message = b"pseudolink/package-signature/1\x00" + head + digest
    return head + body + digest + key_of(signer).sign(message)


@dataclass(frozen=True)
class Mutant:
    """One input. content: what may come out of it, if anything does."""

    data: bytes
    content: bytes = reference.CONTENT


def mutant(chance: random.Random) -> Mutant:
    """One input."""
    if chance.random() < 0.9:
        return Mutant(_mutant(chance))
    # What is sealed, by its sender: another artefact, or none for its padding is wrong.
    padded = _change_bytes(reference.padded(reference.CONTENT), chance)
    if chance.random() < 0.7:
        padded = padded[:4096].ljust(4096, b"\x00")
    body = reference.sealed(padded, _BASE.binding)
    return Mutant(_signed(_BASE.text, _ENTRIES, body, "council"), _unpadded(padded))


def _unpadded(padded: bytes) -> bytes:
    return padded[8 : 8 + int.from_bytes(padded[:8], "big")]


def _mutant(chance: random.Random) -> bytes:
    base = _BASE
    way = chance.random()
    if way < 0.25:  # bytes of the file, unsigned
        data = reference.BASE
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            data = _change_bytes(data, chance)
        return data
    if way < 0.5:  # the manifest as a tree, signed again
        raw = _change_tree(base.raw, chance)
        return _signed(canonical_or_text(raw), _ENTRIES, base.body, _signer(raw))
    if way < 0.6:  # the manifest as bytes, signed again
        return _signed(_change_bytes(base.text, chance), _ENTRIES, base.body, "council")
    if way < 0.75:  # the list of recipients, signed again
        tree = [{"id": "unit", "key": base64.b64encode(base.keys["unit"]).decode()}]
        entries = (
            canonical_or_text(_change_tree(tree, chance))
            if chance.random() < 0.6
            else _change_bytes(_ENTRIES, chance)
        )
        return _signed(base.text, entries, base.body, "council")
    # the body, signed again
    body = _change_bytes(base.body, chance)
    if chance.random() < 0.5:  # a size of the ladder, so that it comes to the cipher
        body = body[: body_size(4096)].ljust(body_size(4096), b"\x00")
    return _signed(base.text, _ENTRIES, body, "council")


def canonical_or_text(raw: Any) -> bytes:
    try:
        return canonical(raw)
    except UnicodeEncodeError:
        return b"{}"


def _signer(raw: Any) -> str:
    sender = raw.get("sender")
    return sender if sender in ("unit", "vault", "schools") else "council"


_BASE = reference.Package()
_ENTRIES = canonical([{"id": "unit", "key": base64.b64encode(_BASE.keys["unit"]).decode()}])


def try_one(one: Mutant, folder: Path) -> str:
    """
    Open one input as the operator.

    Returns:
        the code of its refusal, or ``opened``.

    Raises:
        AssertionError: something was left, or another artefact or manifest came out.
    """
    package, output = folder / "one.package", folder / "out"
    package.write_bytes(one.data)
    unit = key_of("unit")
    try:
        manifest = open_package(
            package, output, agreement=AGREEMENT, recipient=unit, artefact="encodings", today=TODAY
        )
    except PseudolinkError as error:
        assert [left.name for left in folder.iterdir()] == ["one.package"], "something was left"
        return error.code
    assert output.read_bytes() == one.content, "another artefact came out"
    assert manifest.to_bytes() == _BASE.text, "another manifest came out"
    assert inspect(package, AGREEMENT) == manifest
    output.unlink()
    return "opened"
