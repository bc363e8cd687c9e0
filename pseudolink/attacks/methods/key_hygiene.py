"""
A5: key hygiene. Were these encodings made with a key that someone could think of?

The reference is encoded under keys that are empty, repeated, counted up, made of common words,
printed in public, or another project's; tokens or filters in common with the view give the key away.

Source: specs/attacks-v1.md, section 3.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pseudolink.attacks.attack import (
    Attack,
    Bound,
    Canary,
    Material,
    Measures,
    Setting,
    Target,
    View,
    Wanted,
)
from pseudolink.attacks.laboratory import Laboratory
from pseudolink.attacks.scheme import Encode
from pseudolink.formats.cleaned import Cleaned, Column

Numbered = npt.NDArray[np.uint64]

KEY_BYTES = 32
ROWS = 50
#: In ``Material.extra``: further encoders by name, such as those of earlier projects' keys.
ENCODERS = "encoders"
#: In ``Setting.extra``: the true key is among those tried, to see that the attack would find it.
TRUE_KEY = "true_key"
WORDS = (
    "", "password", "secret", "key", "linkage", "linkage key", "pseudolink", "test", "demo", "example",
    "changeme", "default", "salt", "admin", "council", "families", "hash", "1234", "12345678", "qwerty",
    "letmein", "welcome", "research", "nhs", "department",
)  # fmt: skip


def weak_keys(project: str = "") -> Iterator[tuple[str, bytes]]:
    """Keys that someone would try first, with the name that a report may show."""
    for byte in (0, 1, 0x20, 0x30, 0x41, 0x61, 0xFF):
        yield f"one byte repeated ({byte:#04x})", bytes([byte]) * KEY_BYTES
    yield "bytes counted up from 0", bytes(range(KEY_BYTES))
    yield "bytes counted up from 1", bytes(range(1, KEY_BYTES + 1))
    yield "bytes counted down", bytes(reversed(range(KEY_BYTES)))
    yield "ASCII digits", b"0123456789abcdef" * 2
    yield "ASCII digits, decimal", b"01234567890123456789012345678901"
    for word in dict.fromkeys((*WORDS, project)):
        raw = word.encode()
        shown = word or "the empty word"
        yield f"{shown}, SHA-256", hashlib.sha256(raw).digest()
        yield f"{shown}, BLAKE2b", hashlib.blake2b(raw, digest_size=KEY_BYTES).digest()
        if raw and len(raw) <= KEY_BYTES:
            yield f"{shown}, filled up with zeros", raw.ljust(KEY_BYTES, b"\0")
            yield f"{shown}, filled up with blanks", raw.ljust(KEY_BYTES, b" ")
            yield f"{shown}, repeated", (raw * KEY_BYTES)[:KEY_BYTES]


def guess(material: Material, rng: np.random.Generator) -> Measures:
    """Try every key on up to 50 rows of the reference; figures are shares of what fits."""
    rows = np.sort(rng.permutation(material.reference.rows)[:ROWS])
    cleaned = compact(material.reference.cleaned.take(rows))
    there = contents(material.view)
    tried: Mapping[str, Encode] = material.extra.get(ENCODERS, {})
    worst, fitting, count = 0.0, 0, 0
    for _, encode in (*_weak(material), *tried.items()):
        share = in_common(encode(cleaned), there)
        worst = max(worst, share)
        fitting += share > 0
        count += 1
    return Measures({"in_common": worst, "keys_that_fit": float(fitting)}, {"keys_tried": float(count)})


def _weak(material: Material) -> Iterator[tuple[str, Encode]]:
    for name, secret in weak_keys(material.project):
        yield name, material.scheme.start(material.schema, secret, material.project)


def compact(cleaned: Cleaned) -> Cleaned:
    """The same rows without the values that none of them has."""
    fields = {}
    for name, column in cleaned.fields.items():
        used, codes = np.unique(np.append(column.codes, -1), return_inverse=True)
        values = tuple(column.values[code] for code in used[1:].tolist())
        fields[name] = Column(values, (codes[:-1] - 1).astype(np.int32))
    return Cleaned(cleaned.rows, cleaned.source, fields, cleaned.counts)


def contents(view: View) -> Mapping[str, Numbered]:
    """What stands in a view, sorted, to look things up in: by pass, or under "" for CLKs."""
    return {name: np.unique(values) for name, values in _numbered(view)}


def _numbered(view: View) -> Iterator[tuple[str, Numbered]]:
    """Tokens of every pass, or CLKs, as 64 bits each: enough to tell random ones apart."""
    if view.bits is not None:
        padded = np.zeros((len(view.bits), -(-view.bits.shape[1] // 8) * 8), dtype=np.uint8)
        padded[:, : view.bits.shape[1]] = view.bits
        words = padded.view("<u8").astype(np.uint64)
        odd = 2 * np.arange(words.shape[1], dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        yield "", (words * odd).sum(axis=1, dtype=np.uint64)
    elif view.encodings is not None:
        for name, columns in view.encodings.passes.items():
            yield name, columns.tokens[columns.present, 0]


def in_common(made: View, there: Mapping[str, Numbered]) -> float:
    """
    The share of the tokens (or CLKs) made that stand in a view too; ``there`` is its contents.

    With the wrong key it is 0: tokens are random, and 64 bits of each are compared.
    """
    found = count = 0
    for name, values in _numbered(made):
        found += int(np.isin(values, there[name]).sum())
        count += len(values)
    return found / max(count, 1)


def stage(lab: Laboratory, setting: Setting, rng: np.random.Generator) -> Target:
    """The usual target; where the setting says so, with the true key among those tried."""
    target = lab.target(replace(setting, extra={}), rng)
    extra = dict(lab.extra)
    if setting.extra.get(TRUE_KEY) and lab.secret is not None:
        true = lab.scheme.start(lab.used, lab.secret, lab.project)
        extra[ENCODERS] = {**extra.get(ENCODERS, {}), "the true key": true}
    return Target(replace(target.material, extra=extra), target.truth, target.scored)


def _settings(wanted: Wanted) -> Sequence[Setting]:
    return [Setting()]


ATTACK = Attack(
    number="A5",
    name="key hygiene",
    sentence="Someone tries the keys that people choose when they do not draw one: empty, short, a word, "
    "an earlier project's.",
    knows="the program, the schema and the project's name",
    guess=guess,
    settings=_settings,
    stage=stage,
    bounds=(Bound("keys_that_fit", 0, "no key that was tried fits"),),
    canaries=(Canary("keyed", Setting(5_000, extra={TRUE_KEY: True}), "in_common", 0.9, needs=1),),
    assumes=("Only the keys on the list were tried; a drawn key of 256 bits cannot be searched for.",),
)
