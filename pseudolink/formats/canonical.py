"""
Canonical JSON: the one byte string that a digest or a signature is taken over.

Keys sorted by code point, no white space, UTF-8, no floating point: integers within
±(2**53 - 1), strings, booleans, null, arrays, objects with string keys. Rates are written as
counts and denominators, so that two implementations cannot differ in a last digit.

The form is that of RFC 8785 but for the order of keys: RFC 8785 sorts them by UTF-16 code unit,
which differs where a key has a character above U+FFFF.

Source: specs/canonical-json-v1.md.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pseudolink.errors import ArtefactError, Problem

LARGEST = 2**53 - 1


def _is_text(value: str) -> bool:
    # Half of a surrogate pair stands for no character and has no bytes in UTF-8.
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check(value: Any, place: str, problems: list[Problem]) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if not _is_text(value):
            problems.append(Problem(place, "text with a lone surrogate"))
    elif isinstance(value, int):
        if abs(value) > LARGEST:
            problems.append(Problem(place, "integer beyond 2**53 - 1"))
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                problems.append(Problem(place, "object key is not a string"))
            elif not _is_text(key):
                # The key itself could not be printed as part of a place.
                problems.append(Problem(place, "object key with a lone surrogate"))
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
        ArtefactError: a float, a huge integer, bytes or another type without a canonical form; a
            lone surrogate; nested deeper than can be written, or in itself.
    """
    problems: list[Problem] = []
    try:
        _check(value, "", problems)
        if problems:
            raise ArtefactError(problems)
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise ArtefactError([Problem("", "nested too deeply")]) from None
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
    except (ValueError, RecursionError):
        # Without its cause: a decoder's error holds the whole text.
        raise ArtefactError([Problem("", "not JSON as the specification wants it")]) from None
    canonical = dumps(value)
    if canonical != data:
        raise ArtefactError([Problem("", "JSON is not in canonical form")])
    return value


def digest(value: Any) -> str:
    """SHA-256 of the canonical bytes, in lower-case hexadecimal (64 characters)."""
    return hashlib.sha256(dumps(value)).hexdigest()
