"""The documentation tells of commands that are there, links to pages that are there, and builds."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import browser
import click
import pytest

from pseudolink.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
MADE = {"reference/errors", "reference/commands/index", "notebooks/linking", "specs/index"}
MADE |= {f"reference/commands/{name}" for name in COMMANDS}
COPIED = {"SECURITY", "CHANGELOG", "CONTRIBUTING", "RELEASING", "keys/ceremony", "benchmarks/README"}


def generator() -> ModuleType:
    """docs/generate.py, which is no package."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = generator()
EVERY = list(GENERATE.commands(cli))


def there(page: Path, target: str) -> bool:
    """Whether a page of the site is there."""
    path = (
        (page.parent / target).resolve().relative_to(DOCS) if not target.startswith("/") else Path(target[1:])
    )
    name = path.with_suffix("").as_posix() if path.suffix == ".md" else path.as_posix()
    if name in MADE | COPIED or (DOCS / f"{name}.md").is_file():
        return True
    return name.startswith("specs/") and (ROOT / f"{name}.md").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_and_lists_of_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [one for one in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in one]
    missing = [one for one in targets if not there(page, one)]
    for listed in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL):
        names = [line for line in listed.splitlines() if line and not line.startswith(":")]
        missing += [one for one in names if not there(page, f"{one}.md")]
    missing += [one for one in re.findall(r"\{doc\}`([^`]+)`", text) if not there(page, f"{one}.md")]
    assert missing == []


def said(text: str) -> set[str]:
    """Commands that stand in code: `pseudolink link --memory` gives `link --memory`."""
    spans = re.findall(r"`pseudolink ([^`\n]+)`", text)
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    spans += [line.removeprefix("pseudolink ") for line in lines if line.startswith("pseudolink ")]
    return {one for one in spans if re.match(r"[a-z]", one)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_commands_and_options_that_are_named_are_there(page: Path) -> None:
    for one in said(page.read_text(encoding="utf-8")):
        words = shlex.split(one)
        command: click.Command = cli
        while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z-]+", words[0]):
            found = command.get_command(click.Context(command), words[0])
            if found is None:
                assert words[0] != one.split()[0], one
                break
            command, words = found, words[1:]
        known = {name for option in command.params for name in option.opts} | {"--help"}
        if isinstance(command, click.Group):
            continue  # short for one of its commands
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, one


def test_the_25_needs_are_answered_each_once() -> None:
    rows = re.findall(
        r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (DOCS / "needs.md").read_text(), re.MULTILINE
    )
    assert [int(number) for number, *_ in rows] == list(range(1, 26))
    assert {met.strip() for _, _, met, _ in rows} <= {"yes", "in part", "no"}
    assert [
        need
        for _, need, met, where in rows
        if met.strip() == "yes" and "`" not in where and "](" not in where
    ] == []


@pytest.mark.parametrize(
    ("path", "command"), EVERY, ids=lambda one: "-".join(one) if isinstance(one, tuple) else ""
)
def test_every_command_has_an_example_and_a_manual_page(
    path: tuple[str, ...], command: click.Command
) -> None:
    page = GENERATE.manual(path, command)
    assert page.startswith(f".TH {'-'.join(path).upper()} 1 ")
    for part in (".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"):
        assert page.count(f"\n{part}\n") == 1
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.opts[-1].replace("-", "\\-") in page
    if not isinstance(command, click.Group):
        assert (command.epilog or "").startswith("Example: ")


@pytest.mark.skipif(shutil.which("man") is None, reason="the system has no man")
def test_a_manual_page_is_read_without_a_warning(tmp_path: Path) -> None:
    GENERATE.manuals(tmp_path)
    path = tmp_path / "pseudolink-link.1"
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", str(path)], capture_output=True, text=True, check=False
    )
    if "unrecognized option" in done.stderr or "invalid option" in done.stderr:
        pytest.skip("another man")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "--agreement FILE" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(shell: str) -> None:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(cli, {}, "pseudolink", "_PSEUDOLINK_COMPLETE")
    assert {one.value for one in made.get_completions([], "re")} >= {"rehearse", "release", "review"}
    assert "--passphrase-file" in {one.value for one in made.get_completions(["link"], "--")}
    assert {one.value for one in made.get_completions(["keys"], "par")} >= {"party"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="the system has no bash")
def test_the_line_of_the_documentation_makes_bash_complete(tmp_path: Path) -> None:
    """The script is the documented one, and what bash would ask is answered."""
    line = next(one for one in (DOCS / "howto" / "shell.md").read_text().splitlines() if "bash_source" in one)
    command = tmp_path / "pseudolink"
    command.write_text(f"#!{sys.executable}\nfrom pseudolink.cli.main import main\nmain()\n")
    command.chmod(0o755)
    script = (
        f"{line}\ncomplete -p pseudolink\n"
        'COMP_WORDS="pseudolink encode --agr" COMP_CWORD=2 _PSEUDOLINK_COMPLETE=bash_complete pseudolink'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith("complete -")
    assert rest == ["plain,--agreement"]


def test_the_notebook_runs(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs: nbclient (pip install nbclient ipykernel)")
    pytest.importorskip("ipykernel", reason="needs: ipykernel (pip install ipykernel)")
    import nbformat

    book = nbformat.read(DOCS / "notebooks" / "linking.ipynb", as_version=4)
    assert [cell for cell in book.cells if cell.get("outputs")] == []
    done = nbclient.NotebookClient(
        book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    last = done.cells[-1]["outputs"][0]["data"]["text/plain"].replace("np.float64", "")
    wrong, links = (float(one) for one in re.findall(r"\d+\.?\d*", last))
    assert links > 80
    assert wrong < 2


@pytest.mark.slow
def test_the_site_builds_searches_and_asks_for_nothing(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="needs: the extra docs (pip install '.[docs]')")
    GENERATE.source(tmp_path / "source")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, str(tmp_path / "source"), str(tmp_path / "site")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    site = tmp_path / "site"
    for name in (
        "index",
        "tutorials/council",
        "reference/commands/link",
        "specs/encoding-v1",
        "needs",
        "reference/errors",
    ):
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//[^\"]*", text) == []
    assert "LinkageKey" in (site / "reference" / "python.html").read_text(encoding="utf-8")
    if browser.PROGRAM is None:
        pytest.skip(browser.WITHOUT)
    with browser.opened() as chromium:
        with chromium.page(site / "index.html") as page:
            assert page.asked_for() == []
            assert "25 needs" in page.run("document.body.textContent")
        with chromium.page(site / "search.html", query="?q=floor") as page:
            # Results come one by one.
            found = page.run(
                "new Promise((done) => { const look = () => { const all = document.querySelectorAll("
                "'#search-results li'); all.length > 2 || tries-- < 0 ? done(all.length) "
                ": setTimeout(look, 100); }; let tries = 300; look(); })"
            )
            assert found > 2
            assert page.asked_for() == []
