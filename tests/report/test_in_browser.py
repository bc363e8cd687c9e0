"""The report as a browser lays it out: nothing sticks out, on a telephone or on a wide screen."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest

from pseudolink.formats.summary import LinkageSummary, PassCount
from pseudolink.report.linkage import render

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
# The page forbids scripts; a script of the page around it measures it.
AROUND = """<!DOCTYPE html><title>loading</title>
<iframe id="inside" style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const root = document.getElementById("inside").contentDocument.documentElement;
  document.title = `measured ${{root.clientWidth}} ${{root.scrollWidth}} ${{root.scrollHeight}}`;
}});
</script>"""


@pytest.fixture
def broad(summary: LinkageSummary) -> LinkageSummary:
    """Long names of parties and passes, and large counts."""
    passes = tuple(PassCount(f"{'forename.metaphone-' * 2}{i:02d}", 20_000, 900, 90, 10**8) for i in range(9))
    parties = tuple(
        replace(p, name=f"{p.name}, the {'Administrative' * 4} Agency", passes=passes)
        for p in summary.parties
    )
    pairs = tuple(replace(p, candidates=10**9, passes=(("x" * 48, 10**9),)) for p in summary.pairs)
    return replace(summary, project="p" * 60, parties=parties, pairs=pairs)


@pytest.mark.skipif(BROWSER is None, reason="needs: chromium (apt-get install chromium)")
@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_sticks_out_of_the_page(broad: LinkageSummary, width: int, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(AROUND.format(width=width, page=escape(render(broad))), encoding="utf-8")
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
