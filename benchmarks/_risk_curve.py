"""The picture of quality against risk, as SVG without anything from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10
from typing import Any

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 70, 210, 50, 60
#: Shares at and below this stand at the left edge: nobody was named.
LEAST = 0.0001
LOWEST = 0.90
COLOURS = {"keyed": "#0b6e4f", "bare": "#c98500", "other": "#8c1c13"}
LEGEND = (
    ("keyed", "planned passes, decoys"),
    ("bare", "planned passes, no decoys"),
    ("other", "other schemes"),
)


def _x(share: float) -> float:
    place = log10(max(share, LEAST) / LEAST) / log10(1 / LEAST)
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def _y(f1: float) -> float:
    return TOP + (1 - max(f1, LOWEST)) / (1 - LOWEST) * (HEIGHT - TOP - BOTTOM)


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{more}'
    return f"<text {place}>{escape(words)}</text>"


def drawn(points: Sequence[dict[str, Any]], name: str) -> str:
    """
    One mark a scheme: F1 upwards, the share that the best attack names to the right.

    Args:
        name: of the data. points: ``scheme``, ``title``, ``f1``, ``risk``, and ``floor`` of planned passes.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" fill="#222">',
        "<title>F1 against the share of records that the best attack names</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, f"Quality of linkage against what attacks without the key achieve ({name})", size=16),
    ]
    for share, words in ((LEAST, "none"), (0.001, "0.1 %"), (0.01, "1 %"), (0.1, "10 %"), (1.0, "100 %")):
        x = _x(share)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e2e2e2"/>')
        parts.append(_text(x, HEIGHT - BOTTOM + 18, words, anchor="middle"))
    for hundredth in range(90, 101, 2):
        y = _y(hundredth / 100)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e2e2e2"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{hundredth / 100:.2f}", anchor="end"))
    bound = _x(0.005)
    parts.append(f'<path d="M{bound:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#555" stroke-dasharray="4 4"/>')
    parts.append(_text(bound + 4, HEIGHT - BOTTOM - 8, "bound: 0.5 %", size=11))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        _text(
            middle,
            HEIGHT - 14,
            "records of the extract named by the best attack (logarithmic)",
            anchor="middle",
        )
    )
    turn = f' transform="rotate(-90 18 {(TOP + HEIGHT - BOTTOM) / 2:.1f})"'
    parts.append(_text(18, (TOP + HEIGHT - BOTTOM) / 2, "F1", anchor="middle", more=turn))
    taken: list[float] = []
    for number, one in enumerate(sorted(points, key=lambda p: (-p["f1"], p["risk"])), 1):
        kind = one["scheme"] if one["scheme"] in COLOURS else "other"
        x, y = _x(one["risk"]), _y(one["f1"])
        words = f"{one['title']}: F1 {one['f1']:.4f}, {one['risk']:.2%} named"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{COLOURS[kind]}" fill-opacity="0.75">'
            f"<title>{escape(words)}</title></circle>"
        )
        # The list at the side is in the order of F1, so lines to it hardly cross.
        at = TOP + 4 + 15.5 * len(taken)
        taken.append(at)
        mark = f"{number}"
        parts.append(_text(x, y + 3, mark, size=8, anchor="middle", more=' fill="#fff"'))
        label = (
            one["title"]
            .replace("planned passes without decoys", "no decoys")
            .replace("planned passes", "planned")
        )
        parts.append(
            _text(WIDTH - RIGHT + 16, at, f"{number}  {label}", size=11, more=f' fill="{COLOURS[kind]}"')
        )
    for place, (kind, words) in enumerate(LEGEND):
        x = LEFT + 180 * place
        parts.append(f'<circle cx="{x + 5}" cy="37" r="5" fill="{COLOURS[kind]}"/>')
        parts.append(_text(x + 15, 41, words, size=11))
    return "\n".join([*parts, "</svg>", ""])
