from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from parties_in_memory import SCHEMA, key_of

from pseudolink.errors import ArtefactError
from pseudolink.formats import canonical
from pseudolink.formats.binary import decode64, encode64
from pseudolink.formats.receipt import FIRST, Receipt
from pseudolink.keys.party import verify

BLANK = Receipt(
    sequence=1,
    previous=FIRST,
    party="council",
    step="encode",
    time="2026-06-01T09:30:00Z",
    agreement=SCHEMA,
    details={"rows": 3, "package": SCHEMA},
    signature=encode64(bytes(64)),
)
GOOD = replace(BLANK, signature=encode64(key_of("council").sign(BLANK.message())))


def test_a_receipt_comes_back_with_its_signature() -> None:
    read = Receipt.from_bytes(GOOD.to_bytes())
    assert read == GOOD
    verify(key_of("council").public.signing_key, read.message(), decode64(read.signature))
    assert read.digest == hashlib.sha256(GOOD.to_bytes()).hexdigest()


def test_the_signature_is_over_everything_but_itself() -> None:
    assert GOOD.message() == BLANK.message()
    changes: dict[str, Any] = {
        "sequence": 2,
        "previous": "1" * 64,
        "party": "unit",
        "step": "link",
        "time": "2026-06-01T09:30:01Z",
        "agreement": "0" * 64,
        "details": {},
    }
    assert (
        len({replace(GOOD, **{key: value}).message() for key, value in changes.items()} | {GOOD.message()})
        == 8
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sequence", 0),
        ("sequence", True),
        ("previous", "0"),
        ("party", ""),
        ("step", "Encode it"),
        ("time", "2026-06-01T09:30:00"),
        ("time", "2026-13-01T09:30:00Z"),
        ("agreement", None),
        ("details", []),
        ("details", {"rate": 0.5}),
        ("signature", "AAAA"),
    ],
)
def test_a_wrong_value_is_neither_written_nor_read(field: str, value: Any) -> None:
    with pytest.raises(ArtefactError):
        replace(GOOD, **{field: value}).to_bytes()
    raw = {**json.loads(GOOD.to_bytes()), field: value}
    with pytest.raises(ArtefactError):
        Receipt.from_bytes(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode())


def test_unknown_and_missing_keys_are_listed_together() -> None:
    raw = json.loads(GOOD.to_bytes())
    del raw["step"]
    raw["extra"] = 1
    with pytest.raises(ArtefactError) as caught:
        Receipt.from_bytes(canonical.dumps(raw))
    assert len(caught.value.problems) == 2


def test_an_endless_line_is_refused() -> None:
    with pytest.raises(ArtefactError, match="longer"):
        replace(GOOD, details={"note": "x" * 300_000}).to_bytes()
    with pytest.raises(ArtefactError, match="longer"):
        Receipt.from_bytes(b"x" * 300_000)
