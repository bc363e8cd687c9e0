"""
A receipt: one signed line that says what was done, by whom and to what, chained to the line before.

Source: specs/receipt-v1.md, section 2.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from pseudolink.errors import ArtefactError, Problem
from pseudolink.formats import canonical
from pseudolink.formats.binary import decode64, is_digest

FORMAT = "pseudolink/receipt/1"
FIRST = "0" * 64
LONGEST_LINE = 256 * 1024

_PARTY = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_STEP = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


@dataclass(frozen=True)
class Receipt:
    """
    One line of a ledger.

    sequence: from 1. previous: SHA-256 of the line before without its line end; 64 zeros in the first.
    time: UTC, ``2026-04-01T09:30:00Z``. details: digests and counts, never a value of a person.
    """

    sequence: int
    previous: str
    party: str
    step: str
    time: str
    agreement: str
    details: Mapping[str, Any]
    signature: str

    def message(self) -> bytes:
        """The bytes that the signature is over: everything but the signature, after a domain."""
        raw = {"format": FORMAT, **asdict(self)}
        del raw["signature"]
        return b"pseudolink/receipt/1\x00" + canonical.dumps(raw)

    def to_bytes(self) -> bytes:
        """
        The line, without its line end.

        Raises:
            ArtefactError: a value that the format does not allow; lists every one.
        """
        raw = {"format": FORMAT, **asdict(self)}
        problems = _problems(raw)
        if problems:
            raise ArtefactError(problems, source="the receipt")
        line = canonical.dumps(raw)
        if len(line) > LONGEST_LINE:
            raise ArtefactError([Problem("", f"longer than {LONGEST_LINE} bytes")], source="the receipt")
        return line

    @classmethod
    def from_bytes(cls, line: bytes) -> Receipt:
        """
        Read a line strictly: canonical, every key there, none unknown.

        Raises:
            ArtefactError: lists every problem with its place.
        """
        if len(line) > LONGEST_LINE:
            raise ArtefactError([Problem("", f"longer than {LONGEST_LINE} bytes")], source="the receipt")
        try:
            raw = canonical.loads(line)
        except ArtefactError:  # its places are words of an unknown sender; they are not repeated
            raise ArtefactError([Problem("", "not canonical JSON")], source="the receipt") from None
        problems = _problems(raw)
        if problems:
            raise ArtefactError(problems, source="the receipt")
        return cls(**{key: value for key, value in raw.items() if key != "format"})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the line: what the next receipt carries as ``previous``."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


_KEYS: Final = frozenset({"format", *Receipt.__dataclass_fields__})


def _time(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _signature(value: object) -> bool:
    try:
        decode64(value, 64)
    except ValueError:
        return False
    return True


def _problems(raw: object) -> list[Problem]:
    if not isinstance(raw, dict):
        return [Problem("", "not an object")]
    found = [Problem("", f"unknown key {key[:40]!r}") for key in sorted(set(raw) - _KEYS)]
    found += [Problem(key, "missing") for key in sorted(_KEYS - set(raw))]
    sequence, party, step = raw.get("sequence"), raw.get("party"), raw.get("step")
    rules = {
        "format": (raw.get("format") == FORMAT, f"must be {FORMAT!r}"),
        "sequence": (type(sequence) is int and sequence >= 1, "must be a count from 1"),
        "previous": (is_digest(raw.get("previous")), "must be a SHA-256 in hexadecimal"),
        "party": (isinstance(party, str) and bool(_PARTY.fullmatch(party)), "must be a party's id"),
        "step": (isinstance(step, str) and bool(_STEP.fullmatch(step)), "must be the name of a step"),
        "time": (_time(raw.get("time")), "must be a UTC time, YYYY-MM-DDThh:mm:ssZ"),
        "agreement": (is_digest(raw.get("agreement")), "must be a SHA-256 in hexadecimal"),
        "details": (isinstance(raw.get("details"), (dict, Mapping)), "must be an object"),
        "signature": (_signature(raw.get("signature")), "must be 64 bytes in base64"),
    }
    return found + [Problem(key, rule) for key, (good, rule) in rules.items() if key in raw and not good]
