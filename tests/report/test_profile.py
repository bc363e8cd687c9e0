"""The page of a profile: whole, offline, without script, with every count and no value."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.report import charts
from pseudolink.report.meanings import MEANING
from pseudolink.report.profile import company_bars, coverage_bars, findings, remarks, render

ROOT = Path(__file__).parents[2]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
VOID = {"meta", "line", "rect"}
HOSTILE = '<script>alert("x")</script><img src=x onerror=y>'


def field(kind: str, **more: Any) -> dict[str, Any]:
    counts = {
        "kind": kind, "columns": [kind], "filled": 9_000, "valid": 9_000, "invalid": 0, "placeholder": 0,
        "missing": 1_000, "usable": 9_000, "non_ascii": 0, "rules": {}, "flags": {}, "distinct": 8_000,
        "most_common": [3, 2, 2, 1, 1],
    }  # fmt: skip
    return counts | more


#: Nothing in it stands out.
QUIET: dict[str, Any] = {
    "format": "pseudolink/profile/1",
    "source": "extract.csv",
    "schema": {"name": "small", "digest": "b2" * 32},
    "today": "2026-03-07",
    "rows": 10_000,
    "versions": 10_000,
    "columns_unread": 0,
    "empty": 0,
    "equal": {"rows": 0, "groups": 0, "most": 0},
    "fields": {
        "forename": field("forename"),
        "dob": field("date", spikes={"dates": 9_000, "january_first": 25, "month_first": 297}),
        "postcode": field("postcode", crowded={"least": 100, "values": 0, "rows": 0}),
        "nino": field("nino", number={
            "shared_rows": 0, "shared_values": 0, "most": 1, "temporary": 0, "administrative": 0,
        }),
    },
    "passes": [
        {"name": "number", "on": ["nino.stem"], "compare": [], "rows": 9_000, "company": 0,
         "largest_block": 1},
    ],
    "company": {
        "records": 100, "share": 0.01, "largest_component": 3, "floor": {"company": 0.05, "component": 20},
        "holds": True,
    },
}  # fmt: skip

#: Every count differs, so that each can be looked for in the page.
LOUD: dict[str, Any] = {
    **QUIET,
    "rows": 20_131,
    "versions": 20_477,
    "columns_unread": 17,
    "empty": 37,
    "equal": {"rows": 241, "groups": 113, "most": 11},
    "fields": {
        "forename": field(
            "forename", filled=19_001, valid=18_011, invalid=701, placeholder=289, missing=1_130,
            usable=18_013, non_ascii=653, distinct=977, rules={"name.letters": 643, "name.damaged": 58},
            flags={"name.placeholder": 289}, most_common=[401, 397, 389, 383, 379],
        ),
        "dob": field(
            "date", columns=["y", "m", "d"], filled=20_011, valid=19_219, invalid=571, placeholder=221,
            missing=120, usable=19_231, non_ascii=13, distinct=6_311, rules={"date.future": 571},
            flags={"date.placeholder": 221}, most_common=[523, 227], spikes={
                "dates": 19_213, "january_first": 907, "month_first": 1_709,
            },
        ),
        "postcode": field("postcode", columns=[], filled=0, valid=0, missing=20_131, usable=0, distinct=0,
            most_common=[], crowded={"least": 100, "values": 7, "rows": 1_291}),
        "nino": field("nino", number={
            "shared_rows": 313, "shared_values": 131, "most": 19, "temporary": 71, "administrative": 83,
        }),
        "nhs": field("nhs", number={
            "shared_rows": 0, "shared_values": 0, "most": 1, "temporary": None, "administrative": None,
        }),
    },
    "passes": [
        {"name": "dob+names", "on": ["dob"], "compare": [], "rows": 19_793, "company": 1_511,
         "largest_block": 23},
        {"name": "number", "on": ["nino.stem"], "compare": ["dob"], "rows": 8_999, "company": 317,
         "largest_block": 29},
    ],
    "company": {
        "records": 1_523, "share": 1_523 / 20_131, "largest_component": 47,
        "floor": {"company": 0.05, "component": 20}, "holds": False,
    },
}  # fmt: skip


def hostile() -> dict[str, Any]:
    """Hostile text in every place that takes text from a file."""
    found = copy.deepcopy(LOUD)
    found["source"] = found["schema"]["name"] = HOSTILE
    found["fields"] = {f"{name}{HOSTILE}": one for name, one in found["fields"].items()}
    for one in found["fields"].values():
        one["columns"] = [HOSTILE]
    for one in found["passes"]:
        one["name"] += HOSTILE
    return found


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
        self.handle_startendtag(tag, attrs)
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


PAGES = pytest.mark.parametrize(
    "made",
    [QUIET, LOUD, hostile(), {**QUIET, "passes": [], "fields": {}}],
    ids=["quiet", "loud", "hostile", "bare"],
)


@PAGES
def test_the_page_is_well_formed_html(made: dict[str, Any]) -> None:
    text = render(made)
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert page.all("html", "lang") == ["en"]
    assert page.tags.count("h1") == page.tags.count("main") == 1


def test_script_injection_by_a_name_is_shown_as_text() -> None:
    text = render(hostile())
    page = Page(text)
    assert not {"script", "img"} & set(page.tags)
    assert "<script" not in text
    assert HOSTILE in "".join(page.text)
    assert {name for _, name, _ in page.attributes} == {n for _, n, _ in Page(render(LOUD)).attributes}


@PAGES
def test_the_page_calls_on_nothing_outside_itself(made: dict[str, Any]) -> None:
    page = Page(render(made))
    outside = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href", "style"}
    assert not {name for _, name, _ in page.attributes} & outside
    assert not {name for _, name, _ in page.attributes if name.startswith("on")}
    assert not {"script", "link", "iframe", "object", "embed", "img", "form", "base", "a"} & set(page.tags)


def test_no_address_stands_in_the_page() -> None:
    text = render(LOUD)
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert [part for part in ("://", "src=", "url(", "@import") if part in text] == []


def test_the_policy_forbids_everything_but_the_page_s_own_styles() -> None:
    text = render(LOUD)
    policy = dict(zip(*(Page(text).all("meta", n) for n in ("http-equiv", "content")), strict=False))
    directives = policy["Content-Security-Policy"].split("; ")
    assert directives[0] == "default-src 'none'"
    assert re.fullmatch(r"style-src 'sha256-[A-Za-z0-9+/]{43}='", directives[1])
    assert text.index("Content-Security-Policy") < text.index("<style>")


def counts_of(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [n for inner in value.values() for n in counts_of(inner)]
    if isinstance(value, list):
        return [n for inner in value for n in counts_of(inner)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def test_every_count_of_the_profile_appears() -> None:
    text = " ".join(Page(render(LOUD)).text)
    found = set(re.findall(r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?![\w.]\d)", text))
    assert {f"{count:,}" for count in counts_of(LOUD)} - found == set()


def test_every_rule_and_flag_appears_with_its_meaning() -> None:
    text = " ".join(Page(render(LOUD)).text)
    for one in LOUD["fields"].values():
        for name in (*one["rules"], *one["flags"]):
            assert name in text
            assert MEANING[name] in text
    assert len(remarks(LOUD)) == 5


def test_every_rule_and_flag_of_the_specification_has_a_meaning() -> None:
    spec = (ROOT / "specs/cleaning-v1.md").read_text(encoding="utf-8")
    tables = spec.split("\n1.6 ")[1].split("\n## 2.")[0]
    assert set(re.findall(r"^\| `([a-z.-]+)` \|", tables, re.MULTILINE)) == set(MEANING)


def test_the_same_profile_gives_the_same_page() -> None:
    assert render(LOUD) == render(copy.deepcopy(LOUD))


@PAGES
def test_tables_and_charts_can_be_read_without_eyes(made: dict[str, Any]) -> None:
    page = Page(render(made))
    assert page.tags.count("caption") == page.tags.count("table")
    assert page.tags.count("th") == len(page.all("th", "scope"))
    assert page.all("svg", "role") == ["img"] * page.tags.count("svg")
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    named = [i for _, name, value in page.attributes if name == "aria-labelledby" for i in value.split()]
    assert set(named) <= set(ids)


# ---------------------------------------------------------------- what stands out


def changed(path: str, value: Any) -> dict[str, Any]:
    found = copy.deepcopy(QUIET)
    *outer, last = path.split("/")
    place: Any = found
    for key in outer:
        place = place[key]
    place[last] = value
    return found


def test_nothing_stands_out_in_a_quiet_extract() -> None:
    assert findings(QUIET) == []
    assert "Nothing else stands out" in render(QUIET)
    assert "The floor will hold" in render(QUIET)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("fields/dob/columns", [], "dob: no column"),
        ("fields/dob/usable", 0, "dob: 9,000 filled cells and not one usable value"),
        ("fields/forename/invalid", 451, "forename: 451 of 9,000 (5.0%) filled cells break a rule"),
        ("fields/forename/rules", {"name.damaged": 1}, "forename: 1 cell lost letters"),
        ("fields/dob/spikes/january_first", 91, "dob: 91 of 9,000 (1.0%) dates are on 1 January"),
        ("fields/dob/spikes/month_first", 541, "dob: 541 of 9,000 (6.0%) dates are on the first of a month"),
        ("fields/dob/most_common", [46, 2], "dob: one date stands in 46 of 9,000"),
        ("fields/postcode/crowded/values", 1, "postcode: 1 postcode has 100 records or more"),
        ("fields/nino/number/shared_rows", 2, "nino: 2 records share a number"),
        ("fields/nino/number/temporary", 1, "nino: 1 cell with a temporary number"),
        ("fields/nino/number/administrative", 2, "nino: 2 cells with an administrative prefix"),
        ("equal/rows", 2, "2 of 10,000 (0.0%) records equal another"),
        ("empty", 1, "1 record without a usable value"),
        ("passes", [], "The schema has no passes yet"),
    ],
    ids=lambda v: v if isinstance(v, str) and "/" in v else None,
)
def test_what_stands_out_is_told_once_and_alone(path: str, value: Any, told: str) -> None:
    sentences = findings(changed(path, value))
    assert len(sentences) == 1
    assert told in sentences[0]
    assert escape(told, quote=False) in render(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("fields/forename/invalid", 450),
        ("fields/dob/spikes/january_first", 90),
        ("fields/dob/spikes/month_first", 540),
        ("fields/dob/most_common", [45]),
    ],
)
def test_what_chance_can_do_is_not_told(path: str, value: Any) -> None:
    assert findings(changed(path, value)) == []


def test_a_floor_that_will_not_hold_comes_first_with_the_passes_responsible() -> None:
    first, second, *_ = findings(LOUD)
    assert first.startswith("The floor will not hold: 1,523 of 20,131 (7.6%) records would have company")
    assert "47 records hang together, and the schema allows 20" in first
    assert "dob+names (1,511); number (317)" in second
    assert "The floor will hold" not in render(LOUD)


# ---------------------------------------------------------------- charts

COUNT = st.integers(0, 10**7)


@given(st.lists(st.tuples(COUNT, COUNT, COUNT, COUNT), min_size=1, max_size=4))
def test_any_bars_of_cells_stay_in_their_frame_and_follow_one_another(
    counts: list[tuple[int, int, int, int]],
) -> None:
    rows = max(1, max(sum(some) for some in counts))
    kinds = ("valid", "placeholder", "invalid", "missing")
    fields = {
        f"f{i}": dict(zip(kinds, (*some[:3], rows - sum(some[:3])), strict=True))
        for i, some in enumerate(counts)
    }
    for bar in coverage_bars({"rows": rows, "fields": fields}):
        at = 0.0
        for _, start, width in bar.stretches:
            assert float(start) == pytest.approx(at, abs=0.02)
            at = float(start) + float(width)
        assert at == pytest.approx(charts.WIDTH, abs=0.03)


@given(COUNT, COUNT, st.floats(0, 1), st.lists(COUNT, max_size=20))
def test_any_bars_of_company_stay_in_their_frame(
    rows: int, records: int, limit: float, passes: list[int]
) -> None:
    made = {
        "rows": rows,
        "passes": [{"name": f"p{i}", "company": min(n, records)} for i, n in enumerate(passes)],
        "company": {"records": records, "floor": {"company": limit}},
    }
    bars, mark = company_bars(made)
    assert 0 <= float(mark) <= charts.WIDTH
    assert all(0 <= float(b.stretches[0][2]) <= charts.WIDTH for b in bars)
    # The bar of all passes crosses the mark exactly when the floor's company does not hold.
    crosses = float(bars[0].stretches[0][2]) - float(mark)
    assert (crosses > 0.02) <= (records > limit * rows)
    assert (crosses < -0.02) <= (records < limit * rows)
    worst = sorted(made["passes"], key=lambda p: (-p["company"], p["name"]))[:12]
    assert [bar.name for bar in bars[1:]] == [one["name"] for one in worst if one["company"]]


# The page forbids scripts; a script of the page around it measures it.
AROUND = """<!DOCTYPE html><title>loading</title>
<iframe id="inside" style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const root = document.getElementById("inside").contentDocument.documentElement;
  document.title = `measured ${{root.clientWidth}} ${{root.scrollWidth}} ${{root.scrollHeight}}`;
}});
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="needs: chromium (apt-get install chromium)")
@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_sticks_out_of_the_page(width: int, tmp_path: Path) -> None:
    made = copy.deepcopy(LOUD)
    made["source"] = "administrative" * 12
    made["passes"] = [{**made["passes"][0], "name": "forename.metaphone-" * 3, "company": 10**7}] * 30
    made["fields"]["a_field_with_a_long_name_32_chars"] = field("text", columns=["x" * 90], filled=10**9)
    page = tmp_path / "page.html"
    page.write_text(AROUND.format(width=width, page=escape(render(made))), encoding="utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1500,1000",
        "--virtual-time-budget=2000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    measured = re.search(r"<title>measured (\d+) (\d+) (\d+)</title>", done.stdout)
    assert measured is not None
    inside, across, down = map(int, measured.groups())
    assert width - 20 <= inside <= width  # a bar for scrolling down may take some
    assert across == inside
    assert down > 900
