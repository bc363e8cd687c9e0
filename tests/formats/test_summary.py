"""The summary of a linkage: read back as it was written, and refused with every problem named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudolink.errors import ArtefactError
from pseudolink.formats import summary as formats
from pseudolink.formats.summary import (
    Bin,
    CurvePoint,
    ExtensionSummary,
    GiantCount,
    LinkageSummary,
    PairSummary,
    PartyChange,
    PartySummary,
    PassCount,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
SHARE = st.floats(0, 1)
COUNT = st.integers(0, 10**12)


@st.composite
def summaries(draw: st.DrawFn) -> LinkageSummary:
    rows = draw(st.integers(0, 10**9))
    part = st.integers(0, rows)
    names = draw(st.lists(TEXT, min_size=2, max_size=4, unique=True))

    def one_pass() -> PassCount:
        tokens = draw(part)
        inside = st.integers(0, tokens)
        return PassCount(draw(TEXT), tokens, draw(inside), draw(inside), draw(COUNT))

    def interval() -> tuple[float, float]:
        low, high = sorted((draw(SHARE), draw(SHARE)))
        return low, high

    def one_pair() -> PairSummary:
        low_matches = draw(st.floats(0, 1e9))
        candidates = draw(COUNT)
        among = st.integers(0, candidates)
        low = draw(st.floats(-1e6, 1e6))
        name = draw(TEXT)
        giants = (GiantCount(name, draw(st.integers(1, 9)), draw(COUNT), draw(COUNT), draw(COUNT)),)
        return PairSummary(
            left=names[0],
            right=names[1],
            candidates=candidates,
            links=draw(among),
            ambiguous=draw(COUNT),
            threshold=draw(SHARE),
            threshold_weight=draw(st.floats(-100, 100)),
            expected_precision=draw(SHARE),
            expected_recall=draw(SHARE),
            expected_f1=draw(SHARE),
            expected_matches=draw(st.floats(0, 1e9)),
            precision_interval=interval(),
            recall_interval=interval(),
            f1_interval=interval(),
            matches_interval=(low_matches, low_matches + draw(st.floats(0, 1e6))),
            nobody=draw(st.booleans()),
            iterations=draw(COUNT),
            converged=draw(st.booleans()),
            passes=((name, draw(among)),),
            histogram=(Bin(low, low + 1, candidates, draw(among)),),
            curve=(
                CurvePoint(*(draw(SHARE) for _ in range(4)), draw(COUNT), *(interval() for _ in range(3))),
            ),
            giants=draw(st.sampled_from([(), giants])),
        )

    def extension() -> ExtensionSummary:
        kept, new, ended = draw(COUNT), draw(COUNT), draw(COUNT)
        return ExtensionSummary(
            before=kept + ended,
            now=kept + new,
            kept=kept,
            new=new,
            ended=ended,
            merged=draw(st.integers(0, ended)),
            split=draw(st.integers(0, new)),
            moved=draw(COUNT),
            ambiguous=draw(COUNT),
            parties=(PartyChange(names[1], draw(COUNT), draw(COUNT)),),
        )

    parties = tuple(
        PartySummary(
            party=name,
            name=draw(TEXT),
            rows=rows,
            company=draw(part),
            largest_component=draw(part),
            unlinkable=draw(part),
            coverage=((draw(TEXT), draw(part)),),
            passes=(one_pass(),),
        )
        for name in names
    )
    pairs = tuple(one_pair() for _ in range(draw(st.integers(0, 2))))
    extends = extension() if draw(st.booleans()) else None
    return LinkageSummary(
        draw(TEXT),
        draw(TEXT),
        "0a" * 32,
        "1b" * 32,
        draw(TEXT),
        "2026-01-31",
        draw(TEXT),
        parties,
        pairs,
        extends,
    )


@pytest.fixture
def raw() -> dict[str, Any]:
    party = {
        "party": "a", "name": "A", "rows": 5, "company": 1, "largest_component": 1, "unlinkable": 0,
        "coverage": [["dob", 5]],
        "passes": [{"name": "p", "tokens": 5, "company": 2, "largest_block": 2, "candidates": 7}],
        "detail": {"blocks": [[1, 3], [2, 1]], "unlinkable": [[0.5, 0], [0.9, 2]]},
    }  # fmt: skip
    pair = {
        "left": "a", "right": "b", "candidates": 4, "links": 3, "ambiguous": 0, "threshold": 0.5,
        "threshold_weight": 1.5, "expected_precision": 1, "expected_recall": 0.9, "expected_f1": 0.95,
        "expected_matches": 3.1, "precision_interval": [0.9, 1], "recall_interval": [0.8, 0.95],
        "f1_interval": [0.9, 1], "matches_interval": [2.9, 3.3], "nobody": False,
        "iterations": 9, "converged": True, "passes": [["p", 4]],
        "histogram": [{"low": 0, "high": 1, "pairs": 4, "accepted": 3}],
        "curve": [
            {
                "threshold": 0.5, "precision": 1, "recall": 0.9, "f1": 0.95, "links": 3,
                "precision_interval": [0.9, 1], "recall_interval": [0.8, 0.95], "f1_interval": [0.9, 1],
            }
        ],
        "giants": [{"name": "p", "blocks": 1, "left_rows": 2000, "right_rows": 3000, "pairs": 6000000}],
        "detail": {
            "passes": [{"name": "p", "alone": 4, "links": 3, "links_alone": 3}],
            "steps": [{"weight": 1.5, "bins": [[0, 3]]}],
        },
    }  # fmt: skip
    return {
        "format": formats.FORMAT, "project": "x", "purpose": "y", "agreement": "0" * 64, "schema": "1" * 64,
        "software": "s", "created": "2026-01-31", "engine": "e",
        "parties": [party, json.loads(json.dumps({**party, "party": "b"}))], "pairs": [pair],
        "extends": {
            "before": 5, "now": 6, "kept": 4, "new": 2, "ended": 1, "merged": 1, "split": 2, "moved": 3,
            "ambiguous": 0, "parties": [{"party": "b", "gained": 1, "lost": 0}],
        },
        "clusters": [[1, 2], [2, 3]],
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(summaries())
def test_a_summary_is_read_back_as_it_was_written(summary: LinkageSummary) -> None:
    text = json.dumps(summary.to_json(), allow_nan=False)
    assert formats.from_json(json.loads(text)) == summary


def test_the_plain_example_is_accepted(raw: dict[str, Any]) -> None:
    assert formats.from_json(raw).to_json() == raw


@pytest.mark.parametrize("path", [["parties", 0], ["pairs", 0]])
def test_a_summary_without_what_charts_show_is_accepted(raw: dict[str, Any], path: list[str | int]) -> None:
    """It was written by an older version."""
    del raw[str(path[0])][path[1]]["detail"]
    del raw["clusters"]
    formats.from_json(raw)


def change(raw: dict[str, Any], path: list[str | int], value: Any) -> dict[str, Any]:
    target: Any = raw
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (["format"], "pseudolink/linkage-summary/2", "format"),
        (["extra"], 1, "extra"),
        (["parties", 0, "record"], "00", "parties[0].record"),
        (["agreement"], "0" * 63, "agreement"),
        (["created"], "31/01/2026", "created"),
        (["parties", 0, "rows"], "5", "parties[0].rows"),
        (["parties", 0, "rows"], 5.5, "parties[0].rows"),
        (["parties", 0, "rows"], True, "parties[0].rows"),
        (["parties", 0, "company"], -1, "parties[0].company"),
        (["parties", 0, "company"], 6, "parties[0].company"),
        (["parties", 0, "unlinkable"], 6, "parties[0].unlinkable"),
        (["parties", 0, "coverage", 0, 1], 6, "parties[0].coverage[0]"),
        (["parties", 0, "passes", 0, "tokens"], 6, "parties[0].passes[0].tokens"),
        (["parties", 0, "passes", 0, "company"], 6, "parties[0].passes[0]"),
        (["parties", 1, "party"], "a", "parties"),
        (["pairs", 0, "right"], "c", "pairs[0]"),
        (["pairs", 0, "right"], "a", "pairs[0]"),
        (["pairs", 0, "links"], 5, "pairs[0].links"),
        (["pairs", 0, "threshold"], 1.1, "pairs[0].threshold"),
        (["pairs", 0, "converged"], 1, "pairs[0].converged"),
        (["pairs", 0, "passes", 0, 1], 5, "pairs[0].passes[0]"),
        (["pairs", 0, "histogram", 0, "high"], 0, "pairs[0].histogram[0]"),
        (["pairs", 0, "histogram", 0, "accepted"], 5, "pairs[0].histogram[0].accepted"),
        (["pairs", 0, "expected_matches"], float("nan"), ""),
        (["pairs", 0, "recall_interval"], [0.9, 0.8], "pairs[0].recall_interval"),
        (["pairs", 0, "matches_interval", 0], 3.4, "pairs[0].matches_interval"),
        (["pairs", 0, "nobody"], 0, "pairs[0].nobody"),
        (["pairs", 0, "giants", 0, "name"], "q", "pairs[0].giants[0]"),
        (["pairs", 0, "giants", 0, "blocks"], 0, "pairs[0].giants[0]"),
        (["extends", "kept"], 3, "extends"),
        (["extends", "merged"], 2, "extends.merged"),
        (["extends", "split"], 3, "extends.split"),
        (["extends", "moved"], -1, "extends.moved"),
        (["pairs", 0, "curve", 0, "f1_interval", 0], 1.1, "pairs[0].curve[0].f1_interval[0]"),
        (["pairs", 0, "curve", 0, "f1_interval"], [1, 0], "pairs[0].curve[0].f1_interval"),
        (["pairs", 0, "threshold_weight"], float("inf"), ""),
        (["pairs", 0, "detail", "steps"], [], "pairs[0].detail.steps"),
        (["pairs", 0, "detail", "steps", 0, "bins", 0, 0], 1, "pairs[0].detail.steps"),
        (["pairs", 0, "detail", "passes", 0, "links"], 4, "pairs[0].detail.passes[0]"),
        (["pairs", 0, "detail", "passes", 0, "links_alone"], 4, "pairs[0].detail.passes[0]"),
        (["pairs", 0, "detail", "passes", 0, "name"], "q", "pairs[0].detail.passes"),
        (["parties", 0, "detail", "unlinkable", 1, 1], 6, "parties[0].detail.unlinkable[1]"),
    ],
)
def test_one_mistake_is_named_with_its_place(
    raw: dict[str, Any], path: list[str | int], value: Any, place: str
) -> None:
    with pytest.raises(ArtefactError) as caught:
        formats.from_json(change(raw, path, value))
    assert place in [problem.place for problem in caught.value.problems]


def test_every_mistake_is_named_at_once(raw: dict[str, Any]) -> None:
    change(raw, ["created"], "now")
    change(raw, ["pairs", 0, "links"], None)
    del raw["parties"][0]["name"]
    with pytest.raises(ArtefactError) as caught:
        formats.from_json(raw)
    assert {p.place for p in caught.value.problems} == {"created", "pairs[0].links", "parties[0].name"}
