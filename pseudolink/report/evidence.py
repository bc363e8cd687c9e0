"""
Evidence documents: sections of sentences, tables, pictures and marked blanks, as HTML and as Markdown.

Source: specs/evidence-v1.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Template

from pseudolink.report.environment import environment


@dataclass(frozen=True)
class Grid:
    """A table with its caption."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Blank:
    """What only people can decide; the page leaves room for it."""

    question: str


@dataclass(frozen=True)
class Node:
    """A party in the picture: 0 for data teams, then linkage unit, research environment, researchers."""

    column: int
    name: str


@dataclass(frozen=True)
class Flow:
    """What goes from one party to another."""

    sender: str
    recipient: str
    what: str


@dataclass(frozen=True)
class Picture:
    """Who sends what to whom; drawn in HTML, told in a table everywhere."""

    nodes: tuple[Node, ...]
    flows: tuple[Flow, ...]


Block = str | Grid | Blank | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]


COLUMN: Final = 250
_BOX: Final = (170, 44)
_GAP: Final = 62
_ABOVE: Final = 1


@dataclass(frozen=True)
class Placed:
    """A node at its place in the drawing."""

    name: str
    x: int
    y: int


def placed(picture: Picture) -> list[Placed]:
    """Boxes of the drawing: columns centred, the linkage unit above, so that payloads pass below it."""
    columns: dict[int, list[str]] = {}
    for node in picture.nodes:
        columns.setdefault(node.column, []).append(node.name)
    tallest = max((len(names) for names in columns.values()), default=1)
    found = []
    for column, names in sorted(columns.items()):
        top = -_GAP if column == _ABOVE else (tallest - len(names)) * _GAP // 2
        found += [Placed(name, column * COLUMN, top + place * _GAP) for place, name in enumerate(names)]
    return found


def lines(picture: Picture) -> list[tuple[int, int, int, int]]:
    """Ends of every arrow, one for each pair of parties."""
    at = {one.name: one for one in placed(picture)}
    pairs = dict.fromkeys((flow.sender, flow.recipient) for flow in picture.flows)
    found = []
    for sender, recipient in pairs:
        a, b = at[sender], at[recipient]
        found.append((a.x + _BOX[0], a.y + _BOX[1] // 2, b.x - 8, b.y + _BOX[1] // 2))
    return found


@cache
def _template() -> Template:
    return environment().get_template("evidence.html")


def render_html(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page."""
    return _template().render(
        title=title,
        lead=lead,
        sections=sections,
        placed=placed,
        lines=lines,
        box=_BOX,
        kind=lambda block: type(block).__name__,
    )


def render_markdown(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The same as Markdown."""
    return "\n".join([f"# {_plain(title)}", "", _plain(lead), "", *_markdown(sections)])


def _markdown(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        yield from (f"## {_plain(section.title)}", "")
        for block in section.blocks:
            if isinstance(block, Picture):
                rows = tuple((flow.sender, flow.recipient, flow.what) for flow in block.flows)
                block = Grid("Flows", ("from", "to", "what"), rows)
            if isinstance(block, Grid):
                yield from _grid(block)
            elif isinstance(block, Blank):
                yield f"**To be decided by people:** {_plain(block.question)}"
                yield from ("", "> ________________________________________")
            else:
                yield _plain(block)
            yield ""


def _grid(grid: Grid) -> Iterator[str]:
    yield from (f"*{_plain(grid.caption)}*", "")
    yield "| " + " | ".join(_cell(head) for head in grid.heads) + " |"
    yield "|" + " --- |" * len(grid.heads)
    for row in grid.rows:
        yield "| " + " | ".join(_cell(text) for text in row) + " |"


def _plain(text: str) -> str:
    """Names of parties and purposes are others' text: none of it becomes markup."""
    out = " ".join(text.split())
    for mark in "\\`*_[]<>#":
        out = out.replace(mark, "\\" + mark)
    return out


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")
