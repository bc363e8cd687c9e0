"""
The model of a linkage: how often fields agree in matching pairs and by chance, and how many match.

What a reviewer asks for, and what the explanation of a pair is computed from. Numbers about
fields and passes alone; nothing about any one record. It is not signed and may hold floating point.

Source: specs/scoring-v1.md, section 9.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from pseudolink.errors import ArtefactError, Problem

FORMAT: Final = "pseudolink/linkage-model/1"

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=400)]
Bits = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]

_STRICT: Final = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True)
class StateShare:
    """
    One way in which a field can agree.

    allows: hexadecimal, bit p is set when pass p asks nothing that it denies. level: of similarity,
    1 to 4; 0 where no filter compares the field. chance, matches, company: share of random pairs,
    of matching pairs and of those that are alike without matching (null without any).
    """

    __pydantic_config__ = _STRICT
    allows: Bits
    level: Annotated[int, Field(ge=0, le=4)]
    chance: Share
    matches: Share
    company: Share | None


@dataclass(frozen=True)
class FieldShares:
    """One field, or ``crossed`` for exchanged names; whole: the place of full agreement, if any."""

    __pydantic_config__ = _STRICT
    name: Text
    whole: Annotated[int, Field(ge=0)] | None
    states: Annotated[tuple[StateShare, ...], Field(min_length=1)]


@dataclass(frozen=True)
class BranchShare:
    """Names straight or crosswise: its fields, and its share among the three kinds of pairs."""

    __pydantic_config__ = _STRICT
    name: Text
    fields: tuple[Text, ...]
    chance: Share
    matches: Share
    company: Share | None


@dataclass(frozen=True)
class PairModel:
    """
    Two parties: records of each, expected matches and cross pairs of company, and the shares.

    found: share of the matches that some pass finds.
    """

    __pydantic_config__ = _STRICT
    left: Text
    right: Text
    left_records: Annotated[int, Field(ge=1)]
    right_records: Annotated[int, Field(ge=1)]
    matches: Amount
    found: Share
    company: Amount
    converged: bool
    fields: Annotated[tuple[FieldShares, ...], Field(min_length=1)]
    branches: Annotated[tuple[BranchShare, ...], Field(min_length=1, max_length=2)]


@dataclass(frozen=True)
class LinkageModel:
    """
    Every linkage of one run.

    passes: names in their order. compared: fields that filters compare, and in which passes.
    """

    __pydantic_config__ = _STRICT
    passes: tuple[Text, ...]
    compared: tuple[tuple[Text, Bits], ...]
    pairs: tuple[PairModel, ...]

    def to_json(self) -> dict[str, Any]:
        """The model as JSON-able data; :func:`from_json` reads it back."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return {"format": FORMAT, **data}


_MODEL: Final = TypeAdapter(LinkageModel)


def from_json(raw: Any) -> LinkageModel:
    """
    Read a model that :meth:`LinkageModel.to_json` gave.

    Raises:
        ArtefactError: not of this form; lists every problem.
    """
    if not isinstance(raw, Mapping) or raw.get("format") != FORMAT:
        raise ArtefactError([Problem("format", f"must be {FORMAT!r}")])
    try:
        found = _MODEL.validate_json(json.dumps({k: v for k, v in raw.items() if k != "format"}))
    except ValidationError as failed:
        raise ArtefactError(
            [Problem(".".join(map(str, e["loc"])), e["msg"]) for e in failed.errors()]
        ) from None
    problems = [
        Problem(f"pairs.{i}.branches.{j}.fields", "names a field that is not there")
        for i, pair in enumerate(found.pairs)
        for j, branch in enumerate(pair.branches)
        if not set(branch.fields) <= {field.name for field in pair.fields}
    ]
    if problems:
        raise ArtefactError(problems)
    return found
