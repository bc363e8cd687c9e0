"""
Charts as inline SVG text: no script, no link to anything outside, colours from the page's styles.

Every chart is 400 units wide, so that its letters stay readable on a telephone, and has a title
and a description for those who cannot see it; the page carries each chart's figures as a table
too. Series differ by dashes and are labelled where they stand, not by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from markupsafe import Markup

from pseudolink.formats.summary import Bin, CurvePoint

WIDTH: Final = 400
LEFT: Final = 46
RIGHT: Final = 12
INNER: Final = WIDTH - LEFT - RIGHT
SMALL: Final = 10
#: Name, attribute of a point, dash pattern and width of each curve.
SERIES: Final = (
    ("precision", "precision", "", 1.8),
    ("recall", "recall", "7 4", 1.8),
    ("F1", "f1", "1.5 3.5", 2.6),
)
_ODDS: Final = math.log(0.999 / 0.001)


def number(value: float) -> str:
    """A coordinate: two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def counted(value: int) -> str:
    """A count with thousands separated; one below ten is not told exactly."""
    return f"<{SMALL}" if value < SMALL else f"{value:,}"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return (
        f'<text x="{number(x)}" y="{number(y)}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" class="{kind}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" '
        f'height="{number(max(height, 0))}" class="{kind}"/>'
    )


def _svg(
    ident: str,
    height: float,
    title: str,
    description: str,
    parts: Sequence[str],
    scale: Mapping[str, float] | None = None,
) -> Markup:
    """``scale``: what a script of the page must know to move things, by name."""
    name = escape(ident)
    known = "".join(f' data-{key}="{value:.10g}"' for key, value in (scale or {}).items())
    head = (
        f'<svg id="{name}" viewBox="0 0 {WIDTH} {number(height)}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" class="chart"{known}>'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    )
    # Safe: every text above and in the parts went through escape(), every coordinate is a number.
    return Markup("".join([head, *parts, "</svg>"]))  # noqa: S704


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values from low to high, about as many as wanted."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):g}{letter}"
    return f"{value:g}"


def histogram(ident: str, bins: Sequence[Bin], threshold: float) -> Markup:
    """
    Candidate pairs by match weight, accepted ones dark, with a line at the threshold's weight.

    Bars have the square root of their counts as height: the few pairs in the middle, which
    decide, would else vanish beside the many at both ends.
    """
    title = "Candidate pairs by match weight"
    if not bins:
        return _svg(ident, 60, title, "There are no candidate pairs.", [_text(LEFT, 34, "No pairs", "label")])
    top, base = 30.0, 190.0
    low = min(min(b.low for b in bins), threshold)
    high = max(max(b.high for b in bins), threshold)
    span = high - low or 1.0
    most = max(1, max(b.pairs for b in bins))

    def across(weight: float) -> float:
        return LEFT + INNER * (weight - low) / span

    def up(count: float) -> float:
        return (base - top) * math.sqrt(count / most)

    parts: list[str] = []
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = round(most * part * part)
        y = base - up(value)
        parts.append(_line(LEFT, y, LEFT + INNER, y, "grid"))
        if part == 0 or value > round(most * (part - 0.25) ** 2):
            parts.append(_text(LEFT - 5, y + 4, _short(value), "tick", "end"))
    for one in bins:
        x, width = across(one.low), across(one.high) - across(one.low)
        gap = min(1.0, width / 5)
        parts.append(_rect(x + gap / 2, base - up(one.pairs), width - gap, up(one.pairs), "bar rest"))
        tall = up(one.accepted)
        parts.append(_rect(x + gap / 2, base - tall, width - gap, tall, "bar taken"))
    for weight in ticks(low, high, 6):
        parts.append(_text(across(weight), base + 16, f"{weight:g}", "tick", "middle"))
    parts.append(_line(LEFT, base, LEFT + INNER, base, "axis"))
    parts.append(_text(LEFT + INNER / 2, base + 34, "match weight (bits)", "label", "middle"))
    x = across(threshold)
    anchor = "end" if x > WIDTH / 2 else "start"
    parts.append(_line(x, top - 12, x, base, "mark"))
    parts.append(_text(x + (-5 if anchor == "end" else 5), top - 8, "threshold", "label strong", anchor))
    pairs, taken = sum(b.pairs for b in bins), sum(b.accepted for b in bins)
    parts.append(_rect(LEFT, base + 44, 12, 12, "bar taken"))
    parts.append(_text(LEFT + 18, base + 54, "links", "label"))
    parts.append(_rect(LEFT + 70, base + 44, 12, 12, "bar rest"))
    parts.append(_text(LEFT + 88, base + 54, "other candidate pairs", "label"))
    description = (
        f"{pairs:,} candidate pairs between {low:g} and {high:g} bits, {taken:,} of them links; "
        f"the threshold stands at {threshold:.2f} bits. Heights are square roots of counts."
    )
    scale = {
        "low": low,
        "high": low + span,
        "left": LEFT,
        "inner": INNER,
        "base": base,
        "top": top,
        "most": most,
    }
    return _svg(ident, base + 64, title, description, parts, scale)


def _odds(probability: float) -> float:
    """Where a probability stands across a chart, 0 to 1: both ends drawn out, as they matter."""
    inside = min(0.999, max(0.001, probability))
    return 0.5 + math.log(inside / (1 - inside)) / (2 * _ODDS)


def _spread(wanted: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Heights of labels as wanted, moved so that none covers another and all stay in the chart."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    out = list(wanted)
    for before, after in zip([None, *order], order, strict=False):
        floor = low if before is None else out[before] + least
        out[after] = max(out[after], floor)
    limit = high
    for index in reversed(order):
        out[index] = min(out[index], limit)
        limit = out[index] - least
    return out


def curves(ident: str, points: Sequence[CurvePoint], threshold: float) -> Markup:
    """Expected precision, recall and F1 over the threshold on the match probability."""
    title = "Expected precision, recall and F1 over thresholds"
    if not points:
        return _svg(ident, 60, title, "There is no curve.", [_text(LEFT, 34, "No thresholds", "label")])
    top, base, room = 30.0, 200.0, 62.0
    inner = INNER - room
    ordered = sorted(points, key=lambda p: p.threshold)
    lowest = min(min(p.precision, p.recall, p.f1) for p in ordered)
    floor = next(f for f in (0.99, 0.95, 0.9, 0.8, 0.5, 0.0) if lowest >= f)

    def across(probability: float) -> float:
        return LEFT + inner * _odds(probability)

    def height(value: float) -> float:
        return base - (base - top) * (value - floor) / (1 - floor)

    parts: list[str] = []
    for value in ticks(floor, 1.0, 5):
        y = height(value)
        parts.append(_line(LEFT, y, LEFT + inner, y, "grid"))
        parts.append(_text(LEFT - 5, y + 4, f"{value:.4g}", "tick", "end"))
    for value in (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999):
        parts.append(_line(across(value), base, across(value), base + 4, "axis"))
        parts.append(_text(across(value), base + 16, f"{value:g}", "tick", "middle"))
    parts.append(_line(LEFT, base, LEFT + inner, base, "axis"))
    parts.append(_text(LEFT + inner / 2, base + 34, "threshold (match probability)", "label", "middle"))
    x = across(threshold)
    anchor = "end" if x > LEFT + inner / 2 else "start"
    parts.append(_line(x, top - 12, x, base, "mark"))
    parts.append(_text(x + (-5 if anchor == "end" else 5), top - 8, "threshold", "label strong", anchor))
    ends = [height(getattr(ordered[-1], attribute)) for _, attribute, _, _ in SERIES]
    labels = _spread(ends, 15.0, top, base - 2)
    for index, (name, attribute, dash, width) in enumerate(SERIES):
        places = [(across(p.threshold), height(getattr(p, attribute))) for p in ordered]
        style = f'class="curve c{index}" stroke-width="{width}"' + (
            f' stroke-dasharray="{dash}"' if dash else ""
        )
        bounds = [getattr(p, f"{attribute}_interval") for p in ordered]
        edge = [(across(p.threshold), low) for p, (low, _) in zip(ordered, bounds, strict=True)]
        edge += [(across(p.threshold), high) for p, (_, high) in zip(ordered, bounds, strict=True)][::-1]
        area = " ".join(f"{number(a)},{number(height(max(value, floor)))}" for a, value in edge)
        parts.append(f'<polygon points="{area}" class="band b{index}"/>')
        path = " ".join(f"{number(a)},{number(b)}" for a, b in places)
        parts.append(f'<polyline points="{path}" {style}/>')
        if len(places) == 1:
            a, b = places[0]
            parts.append(f'<circle cx="{number(a)}" cy="{number(b)}" r="{3 + 2 * index}" {style}/>')
        end = places[-1][0]
        parts.append(_line(end + 3, ends[index], end + 9, labels[index], f"lead c{index}"))
        parts.append(_text(end + 11, labels[index] + 4, name, f"label l{index}"))
    description = (
        f"Curves over {len(ordered):,} thresholds from {ordered[0].threshold:g} to "
        f"{ordered[-1].threshold:g}: precision solid, recall dashed, F1 dotted; areas are 95 % intervals. "
        f"The threshold in use is {threshold:.4f}. The scale starts at {floor:g}."
    )
    scale = {"left": LEFT, "inner": inner, "odds": _ODDS}
    return _svg(ident, base + 42, title, description, parts, scale)


def bars(
    ident: str,
    title: str,
    rows: Sequence[tuple[str, int]],
    total: int,
    *,
    noun: str = "passes",
    parts_of: Sequence[int] = (),
) -> Markup:
    """
    One bar a row, as long as its count's share of ``total``, with the count beside it.

    A count below ten is drawn as a mark of fixed length, so that its length does not tell it.

    Args:
        noun: what the rows are. parts_of: of each row a part, drawn darker, that is told after it.
    """
    if not rows:
        return _svg(ident, 60, title, f"There are no {noun}.", [_text(0, 34, f"No {noun}", "label")])
    step = 30.0
    most = max(total, 1, *(count for _, count in rows))
    parts: list[str] = []
    for index, (name, count) in enumerate(rows):
        y = index * step
        fitting = name if len(name) <= 46 else f"{name[:45]}\u2026"
        end = counted(count) if not parts_of else f"{counted(count)}, {counted(parts_of[index])} alone"
        parts.append(_text(0, y + 12, fitting, "label"))
        parts.append(_text(WIDTH, y + 12, end, "label", "end"))
        parts.append(_rect(0, y + 17, WIDTH, 7, "trough"))
        parts.append(_bar(y, count, most, "rest" if parts_of else "taken"))
        if parts_of:
            parts.append(_bar(y, parts_of[index], most, "taken"))
    told = [counted(count) for _, count in rows]
    if parts_of:
        told = [f"{all_}, {counted(part)} of them alone" for all_, part in zip(told, parts_of, strict=True)]
    description = f"{len(rows)} {noun}; a full bar is {most:,}. " + "; ".join(
        f"{name}: {one}" for (name, _), one in zip(rows, told, strict=True)
    )
    return _svg(ident, len(rows) * step, title, description, parts)


def _bar(y: float, count: int, most: int, kind: str) -> str:
    if count < SMALL:
        return _rect(0, y + 17, 2, 7, "bar few")
    return _rect(0, y + 17, max(3.0, WIDTH * count / most), 7, f"bar {kind}")


def shares(ident: str, title: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    """One bar a subgroup, as long as its ``rate`` in per cent; none where that is not told."""
    told = [(str(one["group"]), int(one["rate"])) for one in rows if one["rate"] is not None]
    if not told:
        return _svg(ident, 60, title, "No rate is told.", [_text(0, 34, "No rate is told", "label")])
    parts: list[str] = []
    for index, (name, rate) in enumerate(told):
        y = index * 30.0
        fitting = name if len(name) <= 46 else f"{name[:45]}\u2026"
        parts.append(_text(0, y + 12, fitting, "label"))
        parts.append(_text(WIDTH, y + 12, f"{rate}\u202f%", "label", "end"))
        parts.append(_rect(0, y + 17, WIDTH, 7, "trough"))
        parts.append(_rect(0, y + 17, WIDTH * min(rate, 100) / 100, 7, "bar taken"))
    description = "; ".join(f"{name}: {rate} %" for name, rate in told)
    return _svg(ident, len(told) * 30.0, title, description, parts)


#: How a share of pairs agrees, and how its stretch of a bar is drawn.
LEVELS: Final = (("equal", "taken"), ("equal in part", "rest"), ("different", "hollow"))


def levels(ident: str, rows: Sequence[tuple[str, Sequence[tuple[str, Mapping[str, float]]]]]) -> Markup:
    """
    How far fields agree: for each field a bar for each kind of pairs, and its stretches by level.

    Args:
        rows: field, and kinds of pairs (matches, chance, …) with the share of each level.
    """
    title = "How far fields agree, by kind of pairs"
    if not rows:
        return _svg(ident, 60, title, "There are no fields.", [_text(0, 34, "No fields", "label")])
    room, y = 70.0, 20.0
    width = WIDTH - room
    parts: list[str] = []
    for place, (name, kind) in enumerate(LEVELS):
        parts.append(_rect(room + 110 * place, 0, 12, 9, kind))
        parts.append(_text(room + 110 * place + 17, 9, name, "label"))
    told = []
    for field, kinds in rows:
        fitting = field if len(field) <= 46 else f"{field[:45]}\u2026"
        parts.append(_text(0, y + 14, fitting, "label"))
        y += 20
        for name, shares in kinds:
            parts.append(_text(room - 6, y + 9, name, "tick", "end"))
            at = room
            for level, kind in LEVELS:
                long = width * min(1.0, max(0.0, shares.get(level, 0.0)))
                long = min(long, WIDTH - at)
                if long > 0:
                    parts.append(_rect(at, y, long, 9, kind))
                at += long
            y += 13
            told.append(f"{field}, {name}: {shares.get('equal', 0.0):.1%} equal")
        y += 4
    return _svg(ident, y, title, "; ".join(told), parts)


def waterfall(ident: str, steps: Sequence[tuple[str, float, str]]) -> Markup:
    """
    Contributions in bits, each beginning where the one before it ended, and their sum.

    Args:
        steps: name, bits, and a remark that is not drawn.
    """
    title = "Contributions to the odds of a match, in bits"
    if not steps:
        return _svg(ident, 60, title, "There is nothing to add.", [_text(LEFT, 34, "No steps", "label")])
    ends = [0.0]
    for _, bits, _ in steps:
        ends.append(ends[-1] + bits)
    low, high = min(ends), max(ends)
    room, top, each = 118.0, 12.0, 22.0
    width = WIDTH - room - 54

    def across(bits: float) -> float:
        return room + width * (bits - low) / max(high - low, 1e-9)

    base = top + each * (len(steps) + 1)
    parts = [_line(across(0.0), top - 4, across(0.0), base, "axis")]
    rows = [(name, ends[n], ends[n + 1], bits) for n, (name, bits, _) in enumerate(steps)]
    for number_, (name, begin, end, bits) in enumerate([*rows, ("in all", 0.0, ends[-1], ends[-1])]):
        y = top + each * number_
        left, right = sorted((across(begin), across(end)))
        parts.append(_rect(left, y + 3, max(right - left, 1.0), each - 8, "taken" if bits >= 0 else "rest"))
        parts.append(_text(room - 6, y + 14, name, "label", "end"))
        parts.append(_text(right + 5, y + 14, f"{bits:+.1f}", "tick"))
    description = "; ".join(f"{name} {bits:+.2f} bits" for name, bits, _ in steps)
    return _svg(ident, base + 6, title, f"{description}; in all {ends[-1]:+.2f} bits.", parts)
