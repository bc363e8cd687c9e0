"""
clkhash linkage schemas, versions 1, 2 and 3: what they say, with every problem at once.

What is here is what clkhash 0.18.3 reads. Where it reads another key than its documentation
names, or none, the schema carries a note that says so.

Source: specs/clk-v1.md, section 2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pseudolink.errors import InputError
from pseudolink.interop.clk_older import to_version_3
from pseudolink.interop.clk_reader import Reader

#: What this encoder takes; clkhash has no bounds and runs out of memory instead.
MOST_BITS: Final = 1 << 24
MOST_INSERTIONS: Final = 1 << 14
MOST_TOKENS: Final = 1 << 16
MOST_FOLDS: Final = 16

DIGEST_BYTES: Final = {"SHA256": 32, "SHA512": 64}
ENCODINGS: Final = ("ascii", "utf-8", "utf-16", "utf-32")
_BLAKE_KEY_BYTES: Final = 64
_HKDF_BLOCKS: Final = 255
_LARGEST_FILE: Final = 16 << 20


@dataclass(frozen=True)
class Format:
    """What a cell must look like; ``kind`` is string, integer, date or enum."""

    kind: str
    encoding: str = "utf-8"
    pattern: re.Pattern[str] | None = None
    case: str = "mixed"
    shortest: float | None = None
    longest: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    date: str = ""
    values: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Comparison:
    """
    How a value becomes tokens; ``kind`` is ngram, exact or numeric.

    interval: distance between neighbouring tokens of a number, already times 10**precision.
    """

    kind: str
    n: int = 0
    positional: bool = False
    interval: int = 0
    resolution: int = 0
    precision: int = 0


@dataclass(frozen=True)
class Missing:
    """The cell that stands for a missing value, and the text that is encoded in its place."""

    sentinel: str
    instead: str


@dataclass(frozen=True)
class Feature:
    """
    One column that is encoded.

    per_token, per_feature: insertions a token, or over all tokens of a value; the other is 0.
    non_singular: ``prevent_singularity`` of the double hash.
    """

    index: int
    identifier: str
    format: Format
    comparison: Comparison
    per_token: int
    per_feature: int
    hash: str
    non_singular: bool
    missing: Missing | None


@dataclass(frozen=True)
class ClkSchema:
    """
    A clkhash schema.

    version: as the file says; older ones are read as version 3.
    bits: length of a CLK after folding.
    folds: XOR folds; the filter has ``bits * 2**folds`` bits before them.
    identifiers: of all columns, in order; features are those that are not ignored.
    notes: keys that stand in the schema and that clkhash does not read, and what that means.
    """

    version: int
    bits: int
    folds: int
    kdf_hash: str
    salt: bytes | None
    info: bytes | None
    key_bytes: int
    identifiers: tuple[str, ...]
    features: tuple[Feature, ...]
    notes: tuple[str, ...]

    @property
    def inner_bits(self) -> int:
        """Bits of the filter before folding."""
        return self.bits << self.folds


def load_schema(source: Mapping[str, Any] | str | Path, *, documented_folds: bool = False) -> ClkSchema:
    """
    Read a clkhash linkage schema of version 1, 2 or 3.

    Args:
        source: parsed JSON, or the path of a JSON file.
        documented_folds: read ``clkConfig.xorFolds`` as clkhash documents it. clkhash reads
            ``clkConfig.xor_folds`` and no other, and so does this without the argument.

    Raises:
        InputError: the file cannot be read or is not JSON.
        SchemaError: the schema is not valid; all problems are listed.

    Source: specs/clk-v1.md, section 2.
    """
    reader = Reader(Path(source).name if isinstance(source, (str, Path)) else None)
    given: Any = _read(Path(source)) if isinstance(source, (str, Path)) else source
    if not isinstance(given, Mapping):
        reader.problem("", "is not a JSON object")
        reader.refuse()
    version = given.get("version")
    if isinstance(version, bool) or version not in (1, 2, 3):
        reader.problem("version", "must be 1, 2 or 3")
        reader.refuse()
    version = int(version)
    raw = to_version_3(given, version, reader)
    schema = _schema(raw, version, documented_folds, reader)
    reader.refuse()
    return schema


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"{path.name}: {error.strerror or type(error).__name__}") from None
    if len(data) > _LARGEST_FILE:
        raise InputError(f"{path.name}: too large for a linkage schema")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise InputError(f"{path.name}: not JSON") from None


def _schema(raw: Mapping[str, Any], version: int, documented_folds: bool, reader: Reader) -> ClkSchema:
    config = reader.table(raw, "clkConfig", "")
    bits = reader.integer(config, "l", "clkConfig", least=1, most=MOST_BITS)
    folds = _folds(config, documented_folds, reader)
    if bits << folds > MOST_BITS:
        reader.problem("clkConfig", f"the filter before folding has more than {MOST_BITS:,} bits")
    kdf = reader.table(config, "kdf", "clkConfig")
    reader.choice(kdf, "type", "clkConfig.kdf", ("HKDF",))
    kdf_hash = reader.choice(kdf, "hash", "clkConfig.kdf", tuple(DIGEST_BYTES), default="SHA256")
    salt = reader.base64(kdf, "salt", "clkConfig.kdf")
    info = reader.base64(kdf, "info", "clkConfig.kdf")
    key_bytes = reader.integer(kdf, "keySize", "clkConfig.kdf", least=1, default=64)
    identifiers: list[str] = []
    features: list[Feature] = []
    listed = raw.get("features")
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
        reader.problem("features", "must be a list of at least one feature")
        listed = []
    for index, one in enumerate(listed):
        place = f"features[{index}]"
        if not isinstance(one, Mapping) or not one:
            reader.problem(place, "must be an object that is not empty")
            continue
        identifiers.append(reader.text(one, "identifier", place))
        if reader.flag(one, "ignored", place):
            continue
        features.append(_feature(one, index, identifiers[-1], place, reader))
    most = DIGEST_BYTES[kdf_hash] * _HKDF_BLOCKS
    if 2 * len(listed) * key_bytes > most:
        fields = most // (2 * key_bytes)
        reader.problem(
            "clkConfig.kdf.keySize", f"HKDF with {kdf_hash} makes keys of this size for {fields} features"
        )
    for feature in features:
        _fits(feature, bits << folds, key_bytes, reader)
    return ClkSchema(
        version=version,
        bits=bits,
        folds=folds,
        kdf_hash=kdf_hash,
        salt=salt,
        info=info,
        key_bytes=key_bytes,
        identifiers=tuple(identifiers),
        features=tuple(features),
        notes=tuple(reader.notes),
    )


def _folds(config: Mapping[str, Any], documented: bool, reader: Reader) -> int:
    # clkhash's documentation and its own JSON schema say xorFolds; its code reads xor_folds alone.
    read = reader.integer(config, "xor_folds", "clkConfig", least=0, most=MOST_FOLDS, default=0)
    if "xorFolds" not in config:
        return read
    said = reader.integer(config, "xorFolds", "clkConfig", least=0, most=MOST_FOLDS, default=0)
    if not documented:
        if said != read:
            reader.notes.append(
                f"clkConfig.xorFolds ({said}) is not read, as in clkhash; xor_folds ({read}) is"
            )
        return read
    if "xor_folds" in config and said != read:
        reader.problem("clkConfig", "xorFolds and xor_folds differ")
    reader.notes.append(f"clkConfig.xorFolds ({said}) is read, as documented; clkhash itself does not")
    return said


def _feature(one: Mapping[str, Any], index: int, identifier: str, place: str, reader: Reader) -> Feature:
    form = _format(reader.table(one, "format", place), f"{place}.format", reader)
    place = f"{place}.hashing"
    hashing = reader.table(one, "hashing", place.removesuffix(".hashing"))
    reader.only(hashing, ("comparison", "strategy", "hash", "missingValue"), place)
    comparison = _comparison(reader.table(hashing, "comparison", place), f"{place}.comparison", reader)
    strategy = reader.table(hashing, "strategy", place)
    reader.only(strategy, ("bitsPerToken", "bitsPerFeature"), f"{place}.strategy")
    per_token, per_feature = (
        reader.integer(
            strategy, key, f"{place}.strategy", least=1, most=MOST_INSERTIONS, default=0, integral=True
        )
        for key in ("bitsPerToken", "bitsPerFeature")
    )
    if strategy and ("bitsPerToken" in strategy) == ("bitsPerFeature" in strategy):
        reader.problem(f"{place}.strategy", "needs one of bitsPerToken and bitsPerFeature")
    kind, non_singular = "blakeHash", False
    if "hash" in hashing:
        table = reader.table(hashing, "hash", place)
        kind = reader.choice(table, "type", f"{place}.hash", ("blakeHash", "doubleHash"))
        if kind == "doubleHash":
            non_singular = reader.flag(table, "prevent_singularity", f"{place}.hash")
        elif table.get("prevent_singularity") is not None:
            reader.problem(f"{place}.hash.prevent_singularity", "is for doubleHash only")
    missing = None
    if "missingValue" in hashing:
        table = reader.table(hashing, "missingValue", place)
        sentinel = reader.text(table, "sentinel", f"{place}.missingValue")
        instead = sentinel
        if "replaceWith" in table:
            instead = reader.text(table, "replaceWith", f"{place}.missingValue")
        missing = Missing(sentinel, instead)
    return Feature(index, identifier, form, comparison, per_token, per_feature, kind, non_singular, missing)


_FORMAT_KEYS: Final = {
    "string": ("encoding", "case", "minLength", "maxLength"),
    "integer": ("minimum", "maximum"),
    "date": ("format",),
    "enum": ("values",),
}


def _format(table: Mapping[str, Any], place: str, reader: Reader) -> Format:
    kind = reader.choice(table, "type", place, tuple(_FORMAT_KEYS))
    if "type" not in table:
        return Format("string")
    keys = _FORMAT_KEYS[kind]
    if kind == "string" and "pattern" in table:
        keys = ("encoding", "pattern")
    reader.only(table, ("type", "description", *keys), place)
    if kind == "integer":
        return Format(
            kind,
            minimum=reader.bound(table, "minimum", place),
            maximum=reader.bound(table, "maximum", place),
        )
    if kind == "date":
        return Format(kind, date=reader.text(table, "format", place))
    if kind == "enum":
        return Format(kind, values=reader.texts(table, "values", place))
    encoding = reader.choice(table, "encoding", place, ENCODINGS, default="utf-8")
    if "pattern" in table:
        return Format(kind, encoding, pattern=_pattern(table, place, reader))
    return Format(
        kind,
        encoding,
        case=reader.choice(table, "case", place, ("mixed", "upper", "lower"), default="mixed"),
        shortest=reader.bound(table, "minLength", place, least=0),
        longest=reader.bound(table, "maxLength", place, least=1),
    )


def _pattern(table: Mapping[str, Any], place: str, reader: Reader) -> re.Pattern[str] | None:
    text = reader.text(table, "pattern", place)
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError):
        reader.problem(f"{place}.pattern", "is not a regular expression of Python")
        return None


def _comparison(table: Mapping[str, Any], place: str, reader: Reader) -> Comparison:
    kind = reader.choice(table, "type", place, ("ngram", "exact", "numeric"))
    if "type" not in table or kind == "exact":
        return Comparison("exact")
    if kind == "ngram":
        n = reader.integer(table, "n", place, least=1, most=MOST_TOKENS)
        return Comparison(kind, n=n, positional=reader.flag(table, "positional", place))
    if "fractionalPrecision" in table:
        reader.notes.append(
            f"{place}.fractionalPrecision is not read, as in clkhash; fractional_precision is"
        )
    resolution = reader.integer(table, "resolution", place, least=1, most=MOST_TOKENS)
    precision = reader.integer(table, "fractional_precision", place, least=0, most=308, default=0)
    interval = 0
    distance = reader.number(table, "thresholdDistance", place)
    if distance is not None:
        try:
            interval = round(distance * 10**precision)
        except OverflowError:
            reader.problem(f"{place}.thresholdDistance", "is too large")
            return Comparison(kind, interval=1, resolution=resolution, precision=precision)
        if distance <= 0:
            reader.problem(f"{place}.thresholdDistance", "must be greater than 0")
        elif interval == 0:
            reader.problem(f"{place}.fractional_precision", "is too low for this thresholdDistance")
    return Comparison(kind, interval=int(interval), resolution=resolution, precision=precision)


def _fits(feature: Feature, bits: int, key_bytes: int, reader: Reader) -> None:
    place = f"features[{feature.index}].hashing.hash"
    if feature.hash == "blakeHash":
        if bits & (bits - 1):
            reader.problem(place, "blakeHash needs a filter whose number of bits is a power of two")
        if key_bytes > _BLAKE_KEY_BYTES:
            reader.problem(place, f"blakeHash takes a keySize of at most {_BLAKE_KEY_BYTES}")
    elif feature.non_singular and bits == 1:
        # Every residue is 0: clkhash would look for another for ever.
        reader.problem(place, "prevent_singularity needs a filter of more than one bit")
