"""
Pages as a browser shows them: quiet, alone, readable on a telephone, on paper and by a machine.

Pictures of all pages are left in build/pages, for people to look at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import browser
import pages_made
import pytest

from pseudolink.formats.summary import Bin
from pseudolink.report import linkage

PICTURES = Path(__file__).parents[2] / "build" / "pages"
ALL = sorted(pages_made.PAGES)

pytestmark = [
    pytest.mark.skipif(browser.PROGRAM is None, reason=browser.WITHOUT),
    pytest.mark.skipif(
        os.name == "nt", reason="the browser is spoken to over descriptors that Windows lacks"
    ),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[browser.Browser]:
    with browser.opened() as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {name: folder / f"{name}.html" for name in ALL}
    for name, path in made.items():
        path.write_text(pages_made.PAGES[name](), encoding="utf-8")
    return made


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1400, False)], ids=["telephone", "wide"])
@pytest.mark.parametrize("name", ALL)
def test_a_page_is_quiet_asks_for_nothing_and_fits(
    name: str, width: int, dark: bool, pages: dict[str, Path], chromium: browser.Browser
) -> None:
    with chromium.page(pages[name], width=width, dark=dark) as page:
        assert page.complaints() == []
        assert page.asked_for() == []
        size = page.run("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert size[0] == width
        assert size[1] > 200
        wide = page.run(
            "[...document.querySelectorAll('svg.chart text')].filter((one) => {"
            " const inside = one.getBoundingClientRect(), frame = one.closest('svg').getBoundingClientRect();"
            " return inside.left < frame.left - 12 || inside.right > frame.right + 12; })"
            ".map((one) => one.textContent)"
        )
        assert wide == []
        page.screenshot(PICTURES / f"{name}-{width}.png")


@pytest.mark.skipif(
    browser.axe() is None, reason="install: axe-core (pip install --no-deps axe-playwright-python)"
)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ALL)
def test_axe_finds_nothing_against_wcag_aa(
    name: str, dark: bool, pages: dict[str, Path], chromium: browser.Browser
) -> None:
    script = browser.axe()
    assert script is not None
    with chromium.page(pages[name], dark=dark) as page:
        page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.violations(script) == []


@pytest.mark.skipif(
    browser.axe() is None, reason="install: axe-core (pip install --no-deps axe-playwright-python)"
)
def test_axe_would_find_a_picture_without_words(tmp_path: Path, chromium: browser.Browser) -> None:
    """The check above can fail."""
    script = browser.axe()
    assert script is not None
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<!DOCTYPE html><html><body><img src="data:,"><p style="color:#ccc">pale</p></body></html>'
    )
    with chromium.page(bad) as page:
        assert {one.split(":")[0] for one in page.violations(script)} >= {"image-alt", "color-contrast"}


@pytest.mark.parametrize("name", ALL)
def test_a_page_prints_on_a_few_sheets_without_controls(
    name: str, pages: dict[str, Path], chromium: browser.Browser
) -> None:
    with chromium.page(pages[name]) as page:
        made = page.pdf()
    sheets = len(re.findall(rb"/Type\s*/Page\b", made))
    assert 1 <= sheets <= 8


TOLD = """Object.fromEntries([...document.querySelectorAll('#control1 [data-told]')]
  .map((one) => [one.dataset.told, one.textContent]))"""
MARKS = """['weights1', 'curve1']
  .map((id) => Number(document.querySelector(`#${id} line.mark`).getAttribute('x1')))"""
DARK = """[...document.querySelectorAll('#weights1 rect.taken')].slice(0, -1)
  .map((one) => Number(one.getAttribute('height')))"""


def test_the_threshold_control_moves_the_figures(pages: dict[str, Path], chromium: browser.Browser) -> None:
    pair = pages_made.linkage_summary().pairs[0]
    assert pair.detail is not None
    with chromium.page(pages["linkage"]) as page:
        told, marks, dark = page.run(TOLD), page.run(MARKS), page.run(DARK)
        assert told["threshold"] == f"{pair.threshold:.4f}"
        assert told["links"] == f"{pair.links:,}"
        assert told["precision"] == f"{pair.expected_precision:.4f}"
        assert told["recall"] == f"{pair.expected_recall:.4f}"
        # By the keyboard, one threshold up.
        page.run("document.getElementById('slider1').focus()")
        page.key("ArrowRight", 39)
        point, step = pair.curve[29], pair.detail.steps[29]
        after = page.run(TOLD)
        assert after["threshold"] == f"{point.threshold:.4f}"
        assert after["links"] == f"{point.links:,}"
        assert after["precision"] == f"{point.precision:.4f}"
        assert after["recall"] == f"{point.recall:.4f}"
        assert after["f1"] == f"{point.f1:.4f}"
        assert after["weight"] == f"{step.weight:.2f}"
        assert after["wrong"] == f"{point.links * (1 - point.precision):.0f}"
        assert after["missed"] == f"{pair.expected_matches * (1 - point.recall):.0f}"
        moved = page.run(MARKS)
        assert moved[0] > marks[0]
        assert moved[1] > marks[1]
        assert sum(page.run(DARK)) < sum(dark)
        assert "precision" in page.run("document.getElementById('slider1').getAttribute('aria-valuetext')")
        assert page.run("document.getElementById('same1').hidden") is False
        page.run("document.getElementById('reset1').click()")
        assert page.run(TOLD) == told
        assert page.run(MARKS) == marks
        assert page.complaints() == []


def test_the_policy_stops_a_script_that_is_not_the_page_s_own(
    pages: dict[str, Path], chromium: browser.Browser, tmp_path: Path
) -> None:
    """Script injection, were a text ever not escaped."""
    changed = tmp_path / "changed.html"
    text = pages["linkage"].read_text(encoding="utf-8")
    changed.write_text(
        text.replace(
            "</main>", "<script>document.title = 'taken over'</script><img src='x' onerror='1'></main>"
        ),
        encoding="utf-8",
    )
    with chromium.page(changed) as page:
        assert page.run("document.title") != "taken over"
        assert [one for one in page.complaints() if "Content Security Policy" in one]
        assert page.asked_for() == []


def test_a_million_pairs_make_a_page_below_two_megabytes() -> None:
    """Pairs are counted into bins and points before they reach the page; only counts grow."""
    small = pages_made.linkage_summary()
    pair = replace(
        small.pairs[0],
        candidates=10**9,
        histogram=tuple(Bin(b.low, b.high, 10**7 + b.pairs, b.accepted) for b in small.pairs[0].histogram),
    )
    names = tuple((f"{'forename.metaphone-' * 3}{n:02d}", 10**8) for n in range(64))
    one = small.parties[0].passes[0]
    party = replace(small.parties[0], passes=tuple(replace(one, name=name) for name, _ in names))
    found = tuple(replace(pair.detail.passes[0], name=name) for name, _ in names) if pair.detail else ()
    assert pair.detail is not None
    pair = replace(pair, passes=names, detail=replace(pair.detail, passes=found))
    parties = tuple(replace(party, party=f"p{n}") for n in range(5))
    pairs = tuple(replace(pair, left="p0", right=f"p{n}") for n in range(1, 5))
    assert len(linkage.render(replace(small, parties=parties, pairs=pairs)).encode()) < 2_000_000
