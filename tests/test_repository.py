"""Rules of the repository that no linter knows."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import pseudolink
from pseudolink.errors import PseudolinkError

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pseudolink"
MOST_LINES = 450

# Assembled, so that this file does not hold what it looks for.
_DASHES = "-" * 5
SECRETS = {
    "private key in PEM": re.compile(rf"{_DASHES}BEGIN ([A-Z0-9]+ )*PRIVATE KEY"),
    "private key of OpenSSH": re.compile("b3BlbnNzaC1rZXkt" + "djE"),
    "private key of age": re.compile("AGE-SECRET-" + "KEY-1[A-Z0-9]{20}"),
    "private key of PuTTY": re.compile("PuTTY-User-Key-File-" + r"\d"),
    "key file of pseudolink": re.compile(r"\A\s*\{[^\n]{0,200}\"pseudolink/" + 'key/1"'),
}
SECRET_NAMES = re.compile(
    r"(\.key|\.pem|\.p12|\.pfx|\.jks|\.kdbx|id_(rsa|dsa|ecdsa|ed25519)|passphrase(\.txt)?)$"
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.~-])/(?:home|Users|root|work|mnt|private|tmp)/[\w.-]+|\b[A-Z]:\\\\?Users\\"
)


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository: tracked and new ones; all but what is built where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        made = {".venv", "build", "dist", "__pycache__"}
        paths = [p for p in ROOT.rglob("*") if not made & set(p.relative_to(ROOT).parts)]
        paths = [p for p in paths if not any(part.startswith(".") for part in p.relative_to(ROOT).parts[:-1])]
    return tuple(sorted(p for p in paths if p.is_file()))


def texts() -> list[tuple[Path, str]]:
    return [(p, p.read_bytes().decode("utf-8", errors="replace")) for p in tracked()]


def modules() -> list[Path]:
    return [p for p in tracked() if p.suffix == ".py" and p.is_relative_to(PACKAGE)]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def secrets_in(path: Path, text: str) -> list[str]:
    """What in a file looks like a secret: kinds, never the secret."""
    found = [kind for kind, pattern in SECRETS.items() if pattern.search(text)]
    if SECRET_NAMES.search(path.name):
        found.append("name of a secret file")
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.md", f"{_DASHES}BEGIN PRIVATE KEY{_DASHES}"),
        ("notes.md", f"{_DASHES}BEGIN EC PRIVATE KEY{_DASHES}"),
        ("notes.md", f"{_DASHES}BEGIN OPENSSH PRIVATE KEY{_DASHES}"),
        ("backup.json", '{"format":"pseudolink/' + 'key/1","kdf":{}}'),
        ("council.party.key", ""),
        ("id_ed25519", ""),
        ("passphrase.txt", ""),
    ],
)
def test_committed_secret_is_recognised(name: str, text: str) -> None:
    """The check below would see each of these."""
    assert secrets_in(Path(name), text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("keys.md", "a private key never leaves its party"),
        ("council.party.pub", "signing_key = ..."),
        ("linkage.py", 'MAGIC = "pseudolink/' + 'key/1"'),
    ],
)
def test_talk_about_keys_is_no_secret(name: str, text: str) -> None:
    assert secrets_in(Path(name), text) == []


def test_no_secret_is_committed() -> None:
    """No private key stands anywhere in the repository, under keys/ least of all."""
    found = {shown(path): kinds for path, text in texts() if (kinds := secrets_in(path, text))}
    assert found == {}


def test_no_path_of_one_machine_is_committed() -> None:
    found = {
        f"{shown(path)}:{number}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if path != Path(__file__) and MACHINE_PATHS.search(line)
    }
    assert found == set()


def test_init_files_are_empty() -> None:
    """A package says nothing by being imported; only the top one names the public surface."""
    assert [
        shown(p)
        for p in modules()
        if p.name == "__init__.py" and p.parent != PACKAGE and p.read_text().strip()
    ] == []


def test_modules_can_be_held_in_the_head() -> None:
    lengths = {shown(p): len(p.read_text(encoding="utf-8").splitlines()) for p in modules()}
    assert {name: n for name, n in lengths.items() if n >= MOST_LINES} == {}


@cache
def error_classes() -> tuple[type[PseudolinkError], ...]:
    for module in pkgutil.walk_packages(pseudolink.__path__, "pseudolink."):
        importlib.import_module(module.name)
    found: list[type[PseudolinkError]] = []
    waiting = [PseudolinkError]
    while waiting:
        one = waiting.pop()
        if one not in found and one.__module__.startswith("pseudolink."):
            found.append(one)
        waiting.extend(one.__subclasses__())
    return tuple(found)


def test_every_error_has_a_code_of_its_own() -> None:
    codes: dict[str, str] = {}
    for one in error_classes():
        code = vars(one).get("code")
        assert code is not None, f"{one.__name__} has no code of its own"
        assert re.fullmatch(r"PL-[A-Z]+-\d\d", code), f"{one.__name__}: {code}"
        assert code not in codes, f"{one.__name__} and {codes[code]} share {code}"
        codes[code] = one.__name__


def test_every_error_says_what_it_means() -> None:
    assert [one.__name__ for one in error_classes() if not (one.__doc__ or "").strip()] == []


def test_every_stage_has_a_contract() -> None:
    """A package without a place in the import contracts could cross the trust boundary unseen."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(c for c in settings["contracts"] if c["type"] == "layers")
    named = {re.sub(r"[()\s]", "", part) for row in layers["layers"] for part in row.split(":")}
    there = {p.stem for p in PACKAGE.glob("*.py")} | {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    assert there - {"__init__", "__main__"} <= named


def test_nothing_prints_logs_or_pickles_in_the_package() -> None:
    """Results go out through cli/common, and a secret that nothing pickles cannot leak that way."""
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = [node.func.id] if node.func.id in ("print", "eval", "exec") else []
            else:
                continue
            banned = {"print", "eval", "exec", "logging", "pickle", "marshal", "shelve"}
            found += [f"{shown(path)}: {name}" for name in names if name.split(".")[0] in banned]
    assert found == []


WAITS = """
import pytest

def test_inside():
    pytest.skip("needs: a program that is not there")

@pytest.mark.skipif(True, reason="needs: a package that is not there")
def test_outside():
    pass

@pytest.mark.skipif(True, reason="another system's business")
def test_elsewhere():
    pass
"""


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", "1 failed, 1 skipped, 1 error"), ("false", "3 skipped")]
)
def test_a_skip_for_want_of_a_package_fails_under_ci(ci: str, outcome: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (tmp_path / "test_waits.py").write_text(WAITS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout


CITED = re.compile(r"specs/(?P<name>[a-z0-9-]+\.md)(?:,\s+sections?\s+(?P<number>\d+(?:\.\d+)*))?")
DECISIONS = re.compile(r"adr/(\d{4})")


def test_what_the_code_cites_is_written() -> None:
    """A citation of a specification or a decision leads somewhere."""
    missing = set()
    for path in modules():
        # A citation may be broken between two lines of a docstring or comment.
        text = re.sub(r"\s*\n\s*#?\s*", " ", path.read_text(encoding="utf-8"))
        for cited in CITED.finditer(text):
            spec = ROOT / "specs" / cited["name"]
            if not spec.is_file():
                missing.add(f"{shown(path)}: {cited['name']}")
            elif cited["number"] and not re.search(
                rf"^(#+ )?{re.escape(cited['number'])}[. ]", spec.read_text(encoding="utf-8"), re.MULTILINE
            ):
                missing.add(f"{shown(path)}: {cited['name']}, section {cited['number']}")
        for number in DECISIONS.findall(text):
            if not list((ROOT / "specs" / "adr").glob(f"{number}-*.md")):
                missing.add(f"{shown(path)}: adr/{number}")
    assert missing == set()


def test_every_decision_has_its_parts_and_number() -> None:
    records = sorted((ROOT / "specs" / "adr").glob("*.md"))
    parts = ["Status", "Context", "Options", "Decision", "Cost", "Checked by"]
    numbers = [record.name[:4] for record in records]
    assert len(set(numbers)) == len(numbers)
    for number, record in zip(numbers, records, strict=True):
        text = record.read_text(encoding="utf-8")
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", record.name)
        assert text.startswith(f"# {number} ")
        assert [part for part in parts if f"\n**{part}.** " not in text] == [], record.name
