"""
Pages that are made from the code: commands, errors, decisions; and the folder that Sphinx builds.

    python docs/generate.py source FOLDER    everything that Sphinx needs
    python docs/generate.py man FOLDER       a manual page for each command
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

import pseudolink
from pseudolink.cli.main import cli
from pseudolink.errors import PseudolinkError

ROOT = Path(__file__).resolve().parent.parent


def commands(
    group: click.Command, path: tuple[str, ...] = ("pseudolink",)
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it, groups before what is in them."""
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


def help_of(path: tuple[str, ...], command: click.Command) -> str:
    """What `--help` says."""
    context: click.Context | None = None
    for word in path[:-1]:
        context = click.Context(click.Group(word), info_name=word, parent=context)
    last = click.Context(
        command, info_name=path[-1], parent=context, terminal_width=96, help_option_names=["-h", "--help"]
    )
    return command.get_help(last)


def command_pages(folder: Path) -> None:
    """One page for each command of the first level, with what is in it."""
    folder.mkdir(parents=True)
    listed = []
    for path, command in commands(cli):
        if len(path) == 2:
            listed.append(path[1])
            parts = [f"# {' '.join(path)}\n"]
            for inner, one in commands(command, path):
                if inner != path:
                    parts.append(f"## {' '.join(inner)}\n")
                parts.append(f"```text\n{help_of(inner, one)}\n```\n")
            (folder / f"{path[1]}.md").write_text("\n".join(parts), encoding="utf-8")
    rows = "\n".join(listed)
    (folder / "index.md").write_text(
        "# Commands\n\nWhat each command prints with `--help`. Completion for a shell: "
        "[how to set it up](../../howto/shell.md).\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{rows}\n```\n",
        encoding="utf-8",
    )


def errors_page() -> str:
    """A table of every refusal that has a code."""
    for module in pkgutil.walk_packages(pseudolink.__path__, "pseudolink."):
        importlib.import_module(module.name)
    waiting, found = [PseudolinkError], {}
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__.startswith("pseudolink."):
            meaning = " ".join((one.__doc__ or "").split("\n\n")[0].split())
            found[one.code] = (one.__name__, meaning.replace("|", "\\|"))
    rows = "\n".join(f"| `{code}` | {name} | {meaning} |" for code, (name, meaning) in sorted(found.items()))
    return (
        "# Refusals\n\nEvery refusal has a code that does not change, says what was found and what to do, "
        "and never shows a cell, a token or a key. The command ends with status 1 and leaves no output "
        f"behind.\n\n| code | name in Python | meaning |\n| --- | --- | --- |\n{rows}\n"
    )


def notebook_page(path: Path) -> str:
    """A notebook as Markdown; its outputs are those of the last run of the tests that anybody kept."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def source(folder: Path) -> None:
    """Put everything that Sphinx reads in one folder: docs, specifications, decisions, pages made here."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(
        ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.ipynb", "__pycache__", "generate.py")
    )
    specs = folder / "specs"
    specs.mkdir()
    for path in sorted((ROOT / "specs").glob("*.md")):
        shutil.copy(path, specs)
    shutil.copytree(ROOT / "specs" / "adr", specs / "adr")
    names = [path.stem for path in sorted(specs.glob("*.md"))]
    (specs / "adr" / "index.md").write_text(
        "# Decisions\n\n```{toctree}\n:maxdepth: 1\n\n"
        + "\n".join(path.stem for path in sorted((ROOT / "specs" / "adr").glob("*.md")))
        + "\n```\n",
        encoding="utf-8",
    )
    (specs / "index.md").write_text(
        "# Specifications\n\nWritten formats and methods are normative; test vectors lie beside them in the "
        "repository, under `specs/vectors`.\n\n```{toctree}\n:maxdepth: 1\n\n"
        + "\n".join(names)
        + "\nadr/index\n```\n",
        encoding="utf-8",
    )
    command_pages(folder / "reference" / "commands")
    (folder / "reference" / "errors.md").write_text(errors_page(), encoding="utf-8")
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        (folder / "notebooks" / f"{path.stem}.md").write_text(notebook_page(path), encoding="utf-8")
    for name in ("SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md", "RELEASING.md"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("keys/ceremony.md", "benchmarks/README.md"):
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, target)


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in escaped.splitlines())


def manual(path: tuple[str, ...], command: click.Command) -> str:
    """A manual page (section 1, roff) of one command."""
    name = "-".join(path)
    summary = (command.help or command.short_help or " ".join(path)).split("\n\n")[0]
    usage = re.split(r"\n\s*\n", help_of(path, command))[0].replace("Usage: ", "", 1)
    parts = [
        f'.TH {name.upper()} 1 "" "pseudolink {version("pseudolink")}" "pseudolink manual"',
        ".SH NAME",
        _roff(f"{name} - {' '.join(summary.split()).rstrip('.')}"),
        ".SH SYNOPSIS",
        _roff(" ".join(usage.split())),
        ".SH DESCRIPTION",
    ]
    for number, paragraph in enumerate((command.help or "").split("\n\n")):
        parts += [".PP"] if number else []
        parts.append(_roff(" ".join(paragraph.split())))
    context = click.Context(command, info_name=path[-1])
    records = [one.get_help_record(context) for one in command.params if isinstance(one, click.Option)]
    if any(records):
        parts.append(".SH OPTIONS")
    for record in filter(None, records):
        parts += [".TP", f".B {_roff(record[0])}", _roff(record[1]) or "\\&"]
    if isinstance(command, click.Group):
        parts.append(".SH COMMANDS")
        for inner in command.list_commands(context):
            one = command.get_command(context, inner)
            assert one is not None
            parts += [".TP", f".BR {_roff(name)}\\-{_roff(inner)} (1)", _roff(one.get_short_help_str(90))]
    if command.epilog:
        parts += [".SH EXAMPLES", _roff(command.epilog.removeprefix("Example: "))]
    return "\n".join(parts) + "\n"


def manuals(folder: Path) -> None:
    """All manual pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, command in commands(cli):
        (folder / f"{'-'.join(path)}.1").write_text(manual(path, command), encoding="utf-8")


if __name__ == "__main__":
    {"source": source, "man": manuals}[sys.argv[1]](Path(sys.argv[2]))
