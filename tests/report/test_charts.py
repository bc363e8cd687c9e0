"""Charts: any figures give one whole SVG with nothing outside its frame, whatever they are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudolink.formats.summary import Bin, CurvePoint
from pseudolink.report import charts

SHARE = st.floats(0, 1)
COUNT = st.one_of(st.just(0), st.integers(0, 10**12))
BINS = st.lists(
    st.builds(
        lambda low, width, pairs, part: Bin(low, low + width, pairs, int(pairs * part)),
        st.floats(-1e5, 1e5),
        st.floats(0.01, 1e5),
        COUNT,
        SHARE,
    ),
    max_size=12,
)
INTERVAL = st.tuples(SHARE, SHARE).map(lambda pair: (min(pair), max(pair)))
POINTS = st.lists(
    st.builds(CurvePoint, SHARE, SHARE, SHARE, SHARE, COUNT, INTERVAL, INTERVAL, INTERVAL), max_size=12
)
NUMBER = re.compile(r"-?\d+(\.\d+)?")

WIDE = ((0.0, 1.0),) * 3


def drawn(chart: str) -> ElementTree.Element:
    """The chart as XML; every coordinate is a finite number within the frame, or a little over."""
    root = ElementTree.fromstring(chart)  # noqa: S314 (our own text)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for item in root.iter():
        for name in ("x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "width", "height", "r"):
            if name in item.attrib:
                value = item.attrib[name]
                assert NUMBER.fullmatch(value), (item.tag, name, value)
                assert -5 <= float(value) <= max(width, height) + 5
        for pair in item.attrib.get("points", "").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
    return root


@settings(max_examples=80, deadline=None)
@given(BINS, st.floats(-1e5, 1e5))
def test_any_histogram_is_drawn_within_its_frame(bins: list[Bin], threshold: float) -> None:
    root = drawn(charts.histogram("h", bins, threshold))
    taken = [r for r in root.iter("rect") if r.attrib["class"] == "bar taken"]
    legend = 1 if bins else 0
    assert len(taken) == legend + len(bins)


@settings(max_examples=80, deadline=None)
@given(POINTS, SHARE)
def test_any_curves_are_drawn_within_their_frame(points: list[CurvePoint], threshold: float) -> None:
    root = drawn(charts.curves("c", points, threshold))
    assert len(list(root.iter("polyline"))) == (3 if points else 0)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_categories=["C"])), COUNT), max_size=9),
    COUNT,
)
def test_any_bars_are_drawn_within_their_frame(rows: list[tuple[str, int]], total: int) -> None:
    root = drawn(charts.bars("b", "Bars", rows, total))
    assert len([r for r in root.iter("rect") if "bar" in r.attrib["class"]]) == len(rows)


def test_curves_differ_in_dashes_and_are_labelled_where_they_end() -> None:
    points = [CurvePoint(0.1, 0.9, 1.0, 0.95, 5, *WIDE), CurvePoint(0.9, 1.0, 0.9, 0.95, 4, *WIDE)]
    root = drawn(charts.curves("c", points, 0.5))
    assert len({line.attrib.get("stroke-dasharray") for line in root.iter("polyline")}) == 3
    words = [t.text for t in root.iter("text")]
    assert {"precision", "recall", "F1", "threshold"} <= set(words)


@pytest.mark.parametrize("value", [1.0, 0.5])
def test_labels_of_curves_that_end_together_do_not_cover_each_other(value: float) -> None:
    root = drawn(charts.curves("c", [CurvePoint(0.5, value, value, value, 1, *WIDE)], 0.5))
    heights = sorted(
        float(t.attrib["y"]) for t in root.iter("text") if t.text in ("precision", "recall", "F1")
    )
    assert min(b - a for a, b in pairwise(heights)) >= 14
    assert heights[0] >= 30


def test_the_threshold_stands_at_its_weight() -> None:
    root = drawn(charts.histogram("h", [Bin(0, 10, 5, 0), Bin(10, 20, 5, 5)], 10.0))
    mark = next(x for x in root.iter("line") if x.attrib["class"] == "mark")
    assert float(mark.attrib["x1"]) == pytest.approx(charts.LEFT + charts.INNER / 2)
    assert mark.attrib["x1"] == mark.attrib["x2"]


def test_a_bar_below_ten_has_the_same_length_whatever_its_count() -> None:
    assert charts.bars("b", "t", [("p", 1)], 9) == charts.bars("b", "t", [("p", 9)], 9)


def test_text_in_a_chart_is_escaped() -> None:
    chart = charts.bars('"><script>', "<script>", [("<script>&", 100)], 100)
    assert "<script" not in chart
    drawn(chart)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.integers(1, 12))
def test_ticks_are_few_in_order_and_in_range(low: float, high: float, wanted: int) -> None:
    made = charts.ticks(low, high, wanted)
    assert made == sorted(made)
    assert len(made) <= wanted + 2
    if high > low:
        slack = (high - low) * 1e-6
        assert all(low - slack <= value <= high + slack for value in made)
