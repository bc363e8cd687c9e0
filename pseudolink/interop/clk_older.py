"""
clkhash schemas of versions 1 and 2, read as version 3.

Source: specs/clk-v1.md, section 2.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pseudolink.interop.clk_reader import Reader, Table


def to_version_3(raw: Table, version: int, reader: Reader) -> Table:
    """
    The schema in the form of version 3; ``raw`` is not changed.

    Problems of what only the older versions have are noted in ``reader``; the rest is checked
    with version 3.
    """
    if version == 3:
        return raw
    config = raw.get("clkConfig")
    features = raw.get("features")
    if not isinstance(config, Mapping) or not isinstance(features, Sequence) or isinstance(features, str):
        return raw
    if version == 1:
        k = reader.integer(config, "k", "clkConfig", least=1)
        shared = reader.table(config, "hash", "clkConfig")
        features = [_from_1(one, f"features[{i}]", k, shared, reader) for i, one in enumerate(features)]
        config = {key: config[key] for key in ("l", "kdf", "xor_folds", "xorFolds") if key in config}
    else:
        _refuse_newer(features, reader)
    converted = [_from_2(one, f"features[{i}]", reader) for i, one in enumerate(features)]
    return {**raw, "version": 3, "clkConfig": config, "features": converted}


def _hashing(feature: object) -> Table | None:
    """The hashing of a feature that is encoded; None where version 3 has the last word."""
    if not isinstance(feature, Mapping) or feature.get("ignored", False):
        return None
    hashing = feature.get("hashing")
    return hashing if isinstance(hashing, Mapping) and hashing else None


def _from_1(feature: Any, place: str, k: int, shared: Table, reader: Reader) -> Any:
    hashing = _hashing(feature)
    if hashing is None:
        return feature
    weight: int | float | None = 1.0
    if "weight" in hashing:
        weight = reader.number(hashing, "weight", f"{place}.hashing")
    if weight is not None and weight < 0:
        reader.problem(f"{place}.hashing.weight", "must be 0 or more")
    if not weight:
        return {"identifier": feature.get("identifier"), "ignored": True}
    kept = {key: value for key, value in hashing.items() if key != "weight"}
    # Python's round: a half goes to the even neighbour.
    strategy = {"k": max(round(weight * k), 0)}
    if strategy["k"] < 1 and weight > 0:
        reader.problem(f"{place}.hashing.weight", "is so low that no bit is set")
        strategy = {"k": 1}
    return {**feature, "hashing": {**kept, "strategy": strategy, "hash": shared}}


_RENAMED = {"k": "bitsPerToken", "numBits": "bitsPerFeature"}


def _refuse_newer(features: Sequence[Any], reader: Reader) -> None:
    """Keys of version 3 in a schema of version 2, where clkhash refuses them."""
    for index, feature in enumerate(features):
        hashing = _hashing(feature) or {}
        place = f"features[{index}].hashing"
        if "comparison" in hashing:
            reader.problem(f"{place}.comparison", "is of version 3; version 2 has ngram and positional")
        strategy = hashing.get("strategy")
        for new in _RENAMED.values():
            if isinstance(strategy, Mapping) and new in strategy:
                reader.problem(f"{place}.strategy.{new}", "is of version 3; version 2 has k and numBits")


def _from_2(feature: Any, place: str, reader: Reader) -> Any:
    hashing = _hashing(feature)
    if hashing is None:
        return feature
    place = f"{place}.hashing"
    comparison = {
        "type": "ngram",
        "n": reader.integer(hashing, "ngram", place, least=1),
        "positional": reader.flag(hashing, "positional", place),
    }
    new = {key: value for key, value in hashing.items() if key not in ("ngram", "positional", "comparison")}
    strategy = hashing.get("strategy")
    if isinstance(strategy, Mapping):
        new["strategy"] = {_RENAMED.get(key, key): value for key, value in strategy.items()}
    return {**feature, "hashing": {**new, "comparison": comparison}}
