"""
Canonical JSON: the one byte string that a digest or a signature is taken over.

Keys sorted by code point, no white space, UTF-8, no floating point: integers within
±(2**53 - 1), strings, booleans, null, arrays, objects with string keys. Rates are written as
counts and denominators, so that two implementations cannot differ in a last digit.

Source: specs/canonical-json-v1.md (a subset of RFC 8785).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pseudolink.errors import ArtefactError, Problem

LARGEST = 2**53 - 1


def _check(value: Any, place: str, problems: list[Problem]) -> None:
    if value is None or isinstance(value, (bool, str)):
        return
    if isinstance(value, int):
        if abs(value) > LARGEST:
            problems.append(Problem(place, "integer beyond 2**53 - 1"))
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                problems.append(Problem(place, "object key is not a string"))
            else:
                _check(item, f"{place}.{key}" if place else key, problems)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]", problems)
    else:
        problems.append(Problem(place, f"{type(value).__name__} has no canonical form"))


def dumps(value: Any) -> bytes:
    """
    The canonical bytes of ``value``.

    Raises:
        ArtefactError: a float, a huge integer, bytes or another type without a canonical form.
    """
    problems: list[Problem] = []
    _check(value, "", problems)
    if problems:
        raise ArtefactError(problems)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("duplicate key")
    return dict(pairs)


def loads(data: bytes) -> Any:
    """
    Read canonical JSON; anything that is not byte for byte canonical is refused.

    Raises:
        ArtefactError: not UTF-8, not JSON, a duplicate key, or not in canonical form.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates)
        canonical = dumps(value)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ArtefactError([Problem("", "not JSON as the specification wants it")]) from error
    if canonical != data:
        raise ArtefactError([Problem("", "JSON is not in canonical form")])
    return value


def digest(value: Any) -> str:
    """SHA-256 of the canonical bytes, in lower-case hexadecimal (64 characters)."""
    return hashlib.sha256(dumps(value)).hexdigest()
