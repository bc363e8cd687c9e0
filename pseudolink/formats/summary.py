"""
The summary of one linkage: counts, estimates and curves, and nothing about any one record.

What the operator's report shows. It leaves the operator with nobody's identifiers in it: no
record ID, no token, no value, only numbers about parties, passes and pairs of parties.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from pseudolink.errors import ArtefactError, Problem

FORMAT: Final = "pseudolink/linkage-summary/1"

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
#: Lower and upper bound of 95 %.
Interval = tuple[Share, Share]
Matches = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=400)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]

_STRICT: Final = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True)
class PassCount:
    """
    One pass of one party.

    tokens: records with a token. company: records that share their token with another one.
    largest_block: most records of the party under one token. candidates: candidate pairs that the
    pass brought, over all pairs of parties.
    """

    __pydantic_config__ = _STRICT
    name: Text
    tokens: Count
    company: Count
    largest_block: Count
    candidates: Count


@dataclass(frozen=True)
class PartyDetail:
    """
    What the charts of one party show beside its counts.

    blocks: least size of a class of blocks, up to the next class's, and how many blocks of all
    passes are in it; a block is the rows of the party under one token. unlinkable: threshold on the
    match probability, and records that even an exact copy of themselves would not reach.
    """

    __pydantic_config__ = _STRICT
    blocks: tuple[tuple[Count, Count], ...]
    unlinkable: tuple[tuple[Share, Count], ...]


@dataclass(frozen=True)
class PartySummary:
    """
    One party's encodings.

    party: its ID. name: what people call it. company: records with company in any pass.
    largest_component: most records tied together by shared tokens. unlinkable: records with too
    little evidence to match even themselves. coverage: field and records that have it.
    """

    __pydantic_config__ = _STRICT
    party: Text
    name: Text
    rows: Count
    company: Count
    largest_component: Count
    unlinkable: Count
    coverage: tuple[tuple[Text, Count], ...]
    passes: tuple[PassCount, ...]
    detail: PartyDetail | None = None


@dataclass(frozen=True)
class CurvePoint:
    """
    What is expected of the links at or above ``threshold``, a match probability in [0, 1].

    …_interval: 95 % intervals, by drawing blocks of candidate pairs anew.
    """

    __pydantic_config__ = _STRICT
    threshold: Share
    precision: Share
    recall: Share
    f1: Share
    links: Count
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval


@dataclass(frozen=True)
class Bin:
    """Candidate pairs with a weight in [low, high), in bits, and how many of them are links."""

    __pydantic_config__ = _STRICT
    low: Number
    high: Number
    pairs: Count
    accepted: Count


@dataclass(frozen=True)
class GiantCount:
    """
    Blocks of one pass that were too large to compare (matching-v1, 1.7).

    left_rows, right_rows: rows in them. pairs: that they would have brought.
    """

    __pydantic_config__ = _STRICT
    name: Text
    blocks: Count
    left_rows: Count
    right_rows: Count
    pairs: Count


@dataclass(frozen=True)
class PassFound:
    """
    What one pass found for a pair of parties.

    alone: candidate pairs that no other pass brings. links: links that share its token.
    links_alone: links that share no other token.
    """

    __pydantic_config__ = _STRICT
    name: Text
    alone: Count
    links: Count
    links_alone: Count


@dataclass(frozen=True)
class Step:
    """
    What one point of the curve adds to the point before it, which has the next higher threshold.

    weight: least match weight, in bits, of all links at or above the threshold. bins: number of a
    bin of the histogram, and links in it that are new.
    """

    __pydantic_config__ = _STRICT
    weight: Number
    bins: tuple[tuple[Count, Count], ...]


@dataclass(frozen=True)
class PairDetail:
    """What the charts of one linkage show beside its counts: a step for every point of the curve."""

    __pydantic_config__ = _STRICT
    passes: tuple[PassFound, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class PairSummary:
    """
    One party linked with another (IDs of parties).

    candidates: distinct pairs of records that share a token. links: accepted one-to-one pairs.
    ambiguous: pairs left out because another was as good. threshold: least match probability of a
    link. threshold_weight: the same as a weight in bits. expected_matches: people in both, by the
    model. …_interval: 95 % intervals of what is expected, by drawing blocks of candidate pairs anew.
    nobody: nothing tells that anybody is in both. iterations, converged: of the EM. passes: pass and
    candidate pairs that it brought. giants: passes with blocks that were left out as too large.
    """

    __pydantic_config__ = _STRICT
    left: Text
    right: Text
    candidates: Count
    links: Count
    ambiguous: Count
    threshold: Share
    threshold_weight: Number
    expected_precision: Share
    expected_recall: Share
    expected_f1: Share
    expected_matches: Matches
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval
    matches_interval: tuple[Matches, Matches]
    nobody: bool
    iterations: Count
    converged: bool
    passes: tuple[tuple[Text, Count], ...]
    histogram: tuple[Bin, ...]
    curve: tuple[CurvePoint, ...]
    detail: PairDetail | None = None
    giants: tuple[GiantCount, ...] = ()


@dataclass(frozen=True)
class PartyChange:
    """Persons of both linkages who now have a record of the party and had none, and the reverse."""

    __pydantic_config__ = _STRICT
    party: Text
    gained: Count
    lost: Count


@dataclass(frozen=True)
class ExtensionSummary:
    """What became of the persons of the linkage that was extended (extending-v1, 5.2)."""

    __pydantic_config__ = _STRICT
    before: Count
    now: Count
    kept: Count
    new: Count
    ended: Count
    merged: Count
    split: Count
    moved: Count
    ambiguous: Count
    parties: tuple[PartyChange, ...]


@dataclass(frozen=True)
class LinkageSummary:
    """
    One linkage: agreement and schema are digests; created is an ISO date.

    clusters: records of all parties that are one person, and how many people have so many.
    """

    __pydantic_config__ = _STRICT
    project: Text
    purpose: Text
    agreement: Digest
    schema: Digest
    software: Text
    created: Day
    engine: Text
    parties: tuple[PartySummary, ...]
    pairs: tuple[PairSummary, ...]
    extends: ExtensionSummary | None = None
    clusters: tuple[tuple[Count, Count], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON-able data; :func:`from_json` reads it back."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        if self.extends is None:
            del data["extends"]
        return {"format": FORMAT, **data}


_SUMMARY: Final = TypeAdapter(LinkageSummary)


def _place(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def _sums(summary: LinkageSummary) -> Iterator[Problem]:
    """Counts that cannot be together, whatever the data."""
    known = [party.party for party in summary.parties]
    if len(set(known)) != len(known):
        yield Problem("parties", "a party is there twice")
    for i, party in enumerate(summary.parties):
        here = f"parties[{i}]"
        for name in ("company", "largest_component", "unlinkable"):
            if getattr(party, name) > party.rows:
                yield Problem(f"{here}.{name}", "more than the party's records")
        for j, (_, count) in enumerate(party.coverage):
            if count > party.rows:
                yield Problem(f"{here}.coverage[{j}]", "more than the party's records")
        for j, (_, count) in enumerate(party.detail.unlinkable if party.detail else ()):
            if count > party.rows:
                yield Problem(f"{here}.detail.unlinkable[{j}]", "more than the party's records")
        for j, one in enumerate(party.passes):
            if one.tokens > party.rows:
                yield Problem(f"{here}.passes[{j}].tokens", "more than the party's records")
            if max(one.company, one.largest_block) > one.tokens:
                yield Problem(f"{here}.passes[{j}]", "more records in blocks than have a token")
    for i, pair in enumerate(summary.pairs):
        here = f"pairs[{i}]"
        if pair.left == pair.right or not {pair.left, pair.right} <= set(known):
            yield Problem(here, "left and right are not two of the parties")
        if pair.links > pair.candidates:
            yield Problem(f"{here}.links", "more links than candidate pairs")
        for name in ("precision", "recall", "f1", "matches"):
            low, high = getattr(pair, f"{name}_interval")
            if low > high:
                yield Problem(f"{here}.{name}_interval", "the lower bound is above the upper")
        for j, point in enumerate(pair.curve):
            for name in ("precision", "recall", "f1"):
                low, high = getattr(point, f"{name}_interval")
                if low > high:
                    yield Problem(f"{here}.curve[{j}].{name}_interval", "the lower bound is above the upper")
        for j, giant in enumerate(pair.giants):
            if giant.name not in {name for name, _ in pair.passes} or not giant.blocks:
                yield Problem(f"{here}.giants[{j}]", "is no pass of this linkage with giant blocks")
        for j, (_, count) in enumerate(pair.passes):
            if count > pair.candidates:
                yield Problem(f"{here}.passes[{j}]", "more than the candidate pairs")
        for j, one_bin in enumerate(pair.histogram):
            if one_bin.low >= one_bin.high:
                yield Problem(f"{here}.histogram[{j}]", "low is not below high")
            if one_bin.accepted > one_bin.pairs:
                yield Problem(f"{here}.histogram[{j}].accepted", "more than the pairs of the bin")
        if pair.detail is not None:
            yield from _detail(pair, pair.detail, f"{here}.detail")


def _detail(pair: PairSummary, detail: PairDetail, here: str) -> Iterator[Problem]:
    for j, one in enumerate(detail.passes):
        if one.alone > pair.candidates or one.links > pair.links or one.links_alone > one.links:
            yield Problem(f"{here}.passes[{j}]", "more pairs or links than there are")
    if [one.name for one in detail.passes] != [name for name, _ in pair.passes]:
        yield Problem(f"{here}.passes", "not the passes of the linkage")
    if len(detail.steps) != len(pair.curve):
        yield Problem(f"{here}.steps", "not as many as points of the curve")
    elif any(number >= len(pair.histogram) for step in detail.steps for number, _ in step.bins):
        yield Problem(f"{here}.steps", "a bin that the histogram does not have")


def _extension(found: ExtensionSummary) -> Iterator[Problem]:
    if found.before != found.kept + found.ended or found.now != found.kept + found.new:
        yield Problem("extends", "persons before and now are not those kept, ended and new")
    if found.merged > found.ended:
        yield Problem("extends.merged", "more than ended")
    if found.split > found.new:
        yield Problem("extends.split", "more than are new")


def from_json(raw: Mapping[str, Any]) -> LinkageSummary:
    """
    Read a summary that :meth:`LinkageSummary.to_json` gave.

    Raises:
        ArtefactError: every key that is missing, unknown, of another type or out of its range,
            and every count that another one contradicts, with its place.
    """
    data = dict(raw)
    if data.pop("format", None) != FORMAT:
        raise ArtefactError([Problem("format", f"is not {FORMAT!r}")])
    try:
        # By way of JSON text: strict there takes an array as a tuple, and no other thing.
        summary = _SUMMARY.validate_json(json.dumps(data, allow_nan=False))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise ArtefactError([Problem(_place(item["loc"]), item["msg"]) for item in found]) from None
    except (TypeError, ValueError, RecursionError):
        raise ArtefactError([Problem("", "not JSON: a number that is not finite, or another type")]) from None
    problems = list(_sums(summary))
    problems += [] if summary.extends is None else _extension(summary.extends)
    if problems:
        raise ArtefactError(problems)
    return summary
