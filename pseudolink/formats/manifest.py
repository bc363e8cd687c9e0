"""
The manifest: what a package says of itself, in clear, signed by its sender.

Source: specs/package-v1.md, section 3.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Final

from pseudolink.errors import ArtefactError, Problem
from pseudolink.formats import canonical
from pseudolink.formats.binary import is_digest

FORMAT = "pseudolink/manifest/1"
ARTEFACTS: Final = ("encodings", "payload", "link_map", "release", "withdrawal", "records", "linkage_state")
MOST_HEADS = 256
LARGEST_BYTES = 4 * 1024 * 1024

_CHECK = re.compile(r"[0-9a-f]{32}")
_PARTY = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_date(text: object) -> bool:
    """Whether this is a date as the formats write it: ``2026-04-01``."""
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Manifest:
    """
    What a package holds and under which agreement; ISO dates, digests in hexadecimal.

    key_check: the check value of the linkage key; encodings always have it.
    statistics: counts that the artefact's own specification asks for; no floating point.
    heads: party -> ``{sequence, head}``, the ends of ledgers that the sender knows, its own among them.
    """

    artefact: str
    project: str
    agreement: str
    schema: str
    key_check: str | None
    sender: str
    recipients: tuple[str, ...]
    purpose: str
    created: str
    expires: str
    rows: int
    software: str
    statistics: Mapping[str, Any] = field(default_factory=dict)
    heads: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """
        The canonical bytes, which are what the sender signs.

        Raises:
            ArtefactError: a value that the format does not allow; lists every one.
        """
        raw = {"format": FORMAT, **asdict(self), "recipients": list(self.recipients)}
        problems = _problems(raw)
        if problems:
            raise ArtefactError(problems, source="the manifest")
        data = canonical.dumps(raw)
        if len(data) > LARGEST_BYTES:
            raise ArtefactError([Problem("", f"more than {LARGEST_BYTES} bytes")], source="the manifest")
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """
        Read a manifest strictly: canonical, every key there, none unknown.

        Raises:
            ArtefactError: lists every problem with its place.
        """
        if len(data) > LARGEST_BYTES:
            raise ArtefactError([Problem("", f"more than {LARGEST_BYTES} bytes")], source="the manifest")
        try:
            raw = canonical.loads(data)
        except ArtefactError:  # its places are words of an unknown sender; they are not repeated
            raise ArtefactError([Problem("", "not canonical JSON")], source="the manifest") from None
        problems = _problems(raw)
        if problems:
            raise ArtefactError(problems, source="the manifest")
        values = {key: value for key, value in raw.items() if key != "format"}
        return cls(**{**values, "recipients": tuple(raw["recipients"])})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of :meth:`to_bytes`, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


_KEYS: Final = frozenset({"format", *Manifest.__dataclass_fields__})


def _line(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 2000 and value.strip() != ""


def _recipients(value: object) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        return False
    return value == sorted(set(value)) and all(_PARTY.fullmatch(one) for one in value)


def _problems(raw: object) -> list[Problem]:
    if not isinstance(raw, dict):
        return [Problem("", "not an object")]
    found = [Problem("", f"unknown key {key[:40]!r}") for key in sorted(set(raw) - _KEYS)]
    found += [Problem(key, "missing") for key in sorted(_KEYS - set(raw))]

    def want(key: str, good: bool, rule: str) -> None:
        if key in raw and not good:
            found.append(Problem(key, rule))

    def get(key: str) -> Any:
        return raw.get(key)

    check, rows = get("key_check"), get("rows")
    want("format", get("format") == FORMAT, f"must be {FORMAT!r}")
    want("artefact", get("artefact") in ARTEFACTS, f"must be one of {', '.join(ARTEFACTS)}")
    for key in ("project", "purpose", "software"):
        want(key, _line(get(key)), "must be text, 1 to 2000 characters")
    for key in ("agreement", "schema"):
        want(key, is_digest(get(key)), "must be a SHA-256 in hexadecimal")
    fits = isinstance(check, str) and _CHECK.fullmatch(check) is not None
    want("key_check", check is None or fits, "must be null or 32 hexadecimal characters")
    if get("artefact") == "encodings":
        want("key_check", check is not None, "encodings carry the check value of their key")
    sender = get("sender")
    want("sender", isinstance(sender, str) and bool(_PARTY.fullmatch(sender)), "must be a party's id")
    want("recipients", _recipients(get("recipients")), "must be ids of parties, sorted, each once")
    for key in ("created", "expires"):
        want(key, is_date(get(key)), "must be a date, YYYY-MM-DD")
    if is_date(get("created")) and is_date(get("expires")):
        want("expires", get("expires") >= get("created"), "must not be before created")
    want("rows", type(rows) is int and 0 <= rows <= canonical.LARGEST, "must be a count")
    want("statistics", isinstance(get("statistics"), (dict, Mapping)), "must be an object")
    want("heads", heads_fit(get("heads")), "must be heads of ledgers by party")
    return found


def heads_fit(value: object) -> bool:
    """Whether this is an object of heads: ``{party: {"sequence": count, "head": digest}}``."""
    if not isinstance(value, (dict, Mapping)) or len(value) > MOST_HEADS:
        return False
    return all(
        isinstance(party, str)
        and _PARTY.fullmatch(party) is not None
        and isinstance(one, (dict, Mapping))
        and set(one) == {"sequence", "head"}
        and type(one["sequence"]) is int
        and 0 <= one["sequence"] <= canonical.LARGEST
        and is_digest(one["head"])
        for party, one in value.items()
    )
