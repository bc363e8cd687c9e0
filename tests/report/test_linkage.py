"""The report: whole, offline, without script, and with every number of the summary."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pages_made
import pytest

from pseudolink.formats.summary import (
    ExtensionSummary,
    GiantCount,
    LinkageSummary,
    PartyChange,
    PassCount,
)
from pseudolink.report.linkage import render

VOID = {"meta", "line", "rect", "polyline", "circle", "br"}
HOSTILE = '<script>alert("x")</script><img src=x onerror=y>'


class Page(HTMLParser):
    """Collects elements, attributes and text; fails on elements closed out of order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def all(self, tag: str, name: str) -> list[str]:
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


def hostile(summary: LinkageSummary) -> LinkageSummary:
    """Hostile text in every place that takes text."""
    parties = tuple(
        replace(
            p,
            party=p.party + HOSTILE,
            name=HOSTILE,
            coverage=((HOSTILE, 1),),
            passes=(PassCount(HOSTILE, 20, 3, 2, 11),),
        )
        for p in summary.parties
    )
    pairs = tuple(
        replace(p, left=p.left + HOSTILE, right="elsewhere" + HOSTILE, passes=((HOSTILE, 12),))
        for p in summary.pairs
    )
    return replace(
        summary,
        project=HOSTILE,
        purpose=HOSTILE,
        software=HOSTILE,
        engine=HOSTILE,
        parties=parties,
        pairs=pairs,
    )


def test_the_page_is_well_formed_html(summary: LinkageSummary) -> None:
    page = Page(render(summary))
    assert page.open == []
    assert page.all("html", "lang") == ["en"]
    assert page.tags.count("h1") == page.tags.count("main") == 1


def test_script_injection_by_a_party_name_is_shown_as_text(summary: LinkageSummary) -> None:
    text = render(hostile(summary))
    page = Page(text)
    assert page.open == []
    assert not {"script", "img"} & set(page.tags)
    assert "<script" not in text
    assert HOSTILE in "".join(page.text)
    assert {name for _, name, _ in page.attributes} == {n for _, n, _ in Page(render(summary)).attributes}


@pytest.mark.parametrize("change", [lambda s: s, hostile], ids=["plain", "hostile"])
def test_the_page_calls_on_nothing_outside_itself(summary: LinkageSummary, change: object) -> None:
    assert callable(change)
    page = Page(render(change(summary)))
    outside = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href", "style"}
    assert not {name for _, name, _ in page.attributes} & outside
    assert not {name for _, name, _ in page.attributes if name.startswith("on")}
    assert not {"script", "link", "iframe", "object", "embed", "img", "form", "base", "a"} & set(page.tags)


def test_no_address_stands_in_the_page(summary: LinkageSummary) -> None:
    text = render(summary)
    assert "://" not in text
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert "src=" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_forbids_everything_but_the_page_s_own_styles(summary: LinkageSummary) -> None:
    text = render(summary)
    policy = dict(zip(*(Page(text).all("meta", n) for n in ("http-equiv", "content")), strict=False))
    directives = policy["Content-Security-Policy"].split("; ")
    assert directives[0] == "default-src 'none'"
    assert re.fullmatch(r"style-src 'sha256-[A-Za-z0-9+/]{43}='", directives[1])
    assert "unsafe" not in policy["Content-Security-Policy"]
    assert text.index("Content-Security-Policy") < text.index("<style>")


def numbers_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.,-])-?\d[\d,]*(?:\.\d+)?(?![\w.]\d)", text))


def test_every_number_of_the_summary_appears(summary: LinkageSummary) -> None:
    found = numbers_in(" ".join(Page(render(summary)).text))
    expected: set[str] = set()
    for party in summary.parties:
        counts = [party.rows, party.company, party.largest_component, party.unlinkable]
        counts += [count for _, count in party.coverage]
        counts += [
            n for p in party.passes for n in (p.tokens, p.company, p.largest_block, p.candidates) if n > 9
        ]
        expected |= {f"{count:,}" for count in counts}
    for pair in summary.pairs:
        counts = [pair.candidates, pair.links, pair.ambiguous, pair.iterations]
        counts += [count for _, count in pair.passes if count > 9]
        counts += [n for b in pair.histogram for n in (b.pairs, b.accepted)] + [p.links for p in pair.curve]
        expected |= {f"{count:,}" for count in counts}
        weights = [pair.threshold_weight, pair.expected_matches, *pair.matches_interval]
        weights += [w for b in pair.histogram for w in (b.low, b.high)]
        expected |= {f"{weight:,.2f}" for weight in weights}
        shares = [pair.threshold, pair.expected_precision, pair.expected_recall, pair.expected_f1]
        shares += [v for p in pair.curve for v in (p.threshold, p.precision, p.recall, p.f1)]
        for one in (pair, *pair.curve):
            shares += [*one.precision_interval, *one.recall_interval, *one.f1_interval]
        expected |= {f"{share:.4f}" for share in shares}
    assert expected - found == set()


def test_what_the_charts_show_stands_in_tables_too() -> None:
    detailed = pages_made.linkage_summary()
    text = render(detailed)
    cells = cells_of(text, "Passes of Durham council and Schools data team")
    assert cells[:4] == ["700", "20", "600", "<10"]
    assert cells[4:8] == ["650", "20", "500", "30"]
    assert cells_of(text, "Blocks of Durham council") == ["5,000", "300", "40", "12", "<10"]
    assert cells_of(text, "Unlinkable records of Schools data team")[::2] == ["12", "29", "400"]
    assert cells_of(text, "Table of people by number of records") == ["1,200", "800"]


def test_the_script_knows_counts_and_no_name() -> None:
    text = render(pages_made.linkage_summary())
    data = text.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    assert set(re.findall(r"[a-z]{2,}", data)) == {"pairs", "matches", "bins", "points", "steps", "start"}


def test_every_text_of_the_summary_appears(summary: LinkageSummary) -> None:
    text = " ".join(Page(render(summary)).text)
    for expected in (
        summary.project, summary.purpose, summary.agreement, summary.schema, summary.software,
        summary.created, summary.engine, "Durham council", "Schools", "dob+names.sorted", "forename",
    ):  # fmt: skip
        assert expected in text


def cells_of(text: str, label: str) -> list[str]:
    region = text.split(f'aria-label="{label}"')[1].split("</table>")[0]
    return [unescape(cell) for cell in re.findall(r"<td>([^<]*)</td>", region)]


def test_small_counts_of_passes_are_not_told(summary: LinkageSummary) -> None:
    text = render(summary)
    assert cells_of(text, "Passes of Durham council") == [
        "15,551", "331", "17", "8,123", "19,333", "<10", "<10", "<10",
    ]  # fmt: skip
    assert cells_of(text, "Passes of Durham council and Schools") == ["5,413", "<10"]


@pytest.mark.parametrize("fewer", [0, 1, 5])
def test_a_small_count_of_a_pass_changes_nothing_in_the_page(summary: LinkageSummary, fewer: int) -> None:
    """Not in a bar's length, a description or a table: the page is the same, byte for byte."""
    pair = replace(summary.pairs[0], passes=(("nino", 5_413), ("dob+names.sorted", fewer)))
    assert render(replace(summary, pairs=(pair,))) == render(summary)


def test_a_model_that_did_not_settle_is_said_so(summary: LinkageSummary) -> None:
    warning = "did not settle"
    assert warning not in render(summary)
    assert warning in render(replace(summary, pairs=(replace(summary.pairs[0], converged=False),)))


def test_parties_with_nobody_in_common_are_said_so(summary: LinkageSummary) -> None:
    said = "Nothing tells that anybody is in both"
    assert said not in render(summary)
    assert said in render(replace(summary, pairs=(replace(summary.pairs[0], links=0, nobody=True),)))


def test_giant_blocks_that_were_left_out_are_shown_with_their_pass(summary: LinkageSummary) -> None:
    assert "Giant blocks" not in render(summary)
    giants = (GiantCount("nino", 3, 41_003, 52_009, 1_700_123),)
    page = Page(render(replace(summary, pairs=(replace(summary.pairs[0], giants=giants),))))
    text = " ".join("".join(page.text).split())
    assert not page.open
    for number in ("41,003", "52,009", "1,700,123"):
        assert number in text
    wrong = (GiantCount(HOSTILE, 3, 41_003, 52_009, 1_700_123),)
    assert "<script" not in render(replace(summary, pairs=(replace(summary.pairs[0], giants=wrong),)))


def test_what_became_of_the_people_before_is_shown(summary: LinkageSummary) -> None:
    assert "linkage before" not in render(summary)
    told = ExtensionSummary(
        20_003, 20_131, 19_877, 254, 126, 17, 23, 31, 5, (PartyChange("schools", 47, 13),)
    )
    text = render(replace(summary, extends=told))
    assert not Page(text).open
    for number in ("254", "126", "17", "23", "31", "5", "47", "13"):
        assert re.search(rf"<(td|dd)>{number}</", text)
    assert "of 20,003 people then and 20,131 now, 19,877 kept" in text


def test_the_same_summary_gives_the_same_page(summary: LinkageSummary) -> None:
    assert render(summary) == render(summary)


def test_tables_and_charts_can_be_read_without_eyes(summary: LinkageSummary) -> None:
    page = Page(render(summary))
    assert page.tags.count("caption") == page.tags.count("table")
    assert page.tags.count("th") == len(page.all("th", "scope"))
    charts = page.tags.count("svg")
    assert charts == 3 * len(summary.pairs) + len(summary.parties)
    assert page.all("svg", "role") == ["img"] * charts
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    named = [i for tag, name, value in page.attributes if name == "aria-labelledby" for i in value.split()]
    assert set(named) <= set(ids)


def test_a_linkage_with_nothing_in_it_is_rendered(summary: LinkageSummary) -> None:
    empty_pair = replace(
        summary.pairs[0], candidates=0, links=0, expected_matches=0.0, passes=(), histogram=(), curve=()
    )
    empty_party = replace(summary.parties[0], rows=0, company=0, passes=(), coverage=())
    assert Page(render(replace(summary, parties=(empty_party,), pairs=(empty_pair,)))).open == []
    assert "No two parties were linked" in render(replace(summary, parties=(), pairs=()))
