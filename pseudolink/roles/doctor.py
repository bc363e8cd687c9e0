"""What this installation is made of, what it lacks, and how to get that."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any, Final

from pseudolink.portable import processors
from pseudolink.roles import surroundings
from pseudolink.roles.surroundings import NOTE, OK, WRONG, Check

#: Extra -> what it is for.
EXTRAS: Final = {
    "excel": "reading and writing workbooks (.xlsx)",
    "hsm": "a linkage key in a hardware module (PKCS#11)",
    "spark": "encoding and joining on a Spark cluster",
    "anonlink": "anonlink's own engine in `clk match`",
    "docs": "building the documentation",
}
_NAME: Final = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*([^;]*)")
_EXTRA: Final = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")
_PYTHON_BELOW: Final = re.compile(r"""python_version\s*<\s*['"](\d+)\.(\d+)['"]""")
_AT_LEAST: Final = re.compile(r">=\s*(\d[\d.]*)")


def _numbers(text: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(one) for one in found[0].split(".")) if found else ()


def _requirements(extra: str | None) -> Iterator[tuple[str, str]]:
    """Name and least version ("" for any) of what the installed package asks for on this Python."""
    for line in requires("pseudolink") or []:
        wanted = _EXTRA.search(line)
        below = _PYTHON_BELOW.search(line)
        if (wanted[1] if wanted else None) != extra:
            continue
        if below and sys.version_info[:2] >= (int(below[1]), int(below[2])):
            continue
        found = _NAME.match(line)
        if found:
            least = _AT_LEAST.search(found[2])
            yield found[1], least[1] if least else ""


def _lacking(name: str, least: str) -> str | None:
    """Why a requirement is not met, or None."""
    try:
        there = version(name)
    except PackageNotFoundError:
        return "not installed"
    if least and _numbers(there) < _numbers(least):
        return f"{there} is older than {least}"
    return None


def _python() -> Check:
    wanted = metadata("pseudolink")["Requires-Python"] or ""
    least = _AT_LEAST.search(wanted)
    found = sys.version.split()[0]
    if least and sys.version_info[:2] < _numbers(least[1]):
        return Check(
            "python",
            WRONG,
            f"{found} is older than {least[1]}",
            f"Install Python {least[1]} or newer, and pseudolink in it: python3 -m venv FOLDER.",
        )
    return Check("python", OK, f"{found} in {sys.prefix}")


def _packages() -> Check:
    lacking = {name: why for name, least in _requirements(None) if (why := _lacking(name, least))}
    if not lacking:
        return Check("packages", OK, "all that are needed")
    said = ", ".join(f"{name} ({why})" for name, why in lacking.items())
    return Check("packages", WRONG, said, "Install pseudolink again: pip install --upgrade pseudolink.")


def _extras() -> Iterator[Check]:
    for extra in metadata("pseudolink").get_all("Provides-Extra") or []:
        asked = list(_requirements(extra))
        purpose = EXTRAS.get(extra, "")
        lacking = [name for name, least in asked if _lacking(name, least)]
        if not asked:
            yield Check(extra, NOTE, f"not for this Python: {purpose}")
        elif lacking:
            advice = f"Only if you need it: pip install 'pseudolink[{extra}]'."
            yield Check(extra, NOTE, f"not installed: {purpose}", advice)
        else:
            yield Check(extra, OK, f"installed: {purpose}")


def _sealing() -> str | None:
    """Why packages cannot be sealed here, or None."""
    try:
        from pseudolink.keys.party import PartyKey, wrap

        key = PartyKey.generate("doctor")
        if key.unwrap(wrap(key.public.sealing_key, b"x" * 32, b"doctor"), b"doctor") != b"x" * 32:
            return "what was sealed did not open"
    except Exception as error:
        return f"{type(error).__name__}: the cryptography package lacks what sealing needs"
    return None


def _kernel() -> tuple[str, str | None]:
    """The kernel that fills filters, tried on a published vector, and why it does not work."""
    try:
        from pseudolink.encode.siphash import KNOWN_ANSWER, known_answer

        if known_answer() != KNOWN_ANSWER:
            return "numba", "the compiled kernel gives wrong answers"
    except Exception as error:
        return "none", f"{type(error).__name__}: the kernel does not compile"
    return f"numba {version('numba')}, compiled", None


def _parts(kernel: str, broken: str | None, sealing: str | None) -> Iterator[Check]:
    if broken:
        advice = "Make no encodings with it. Install numba again: pip install --force-reinstall numba."
        yield Check("kernel", WRONG, broken, advice)
    else:
        from pseudolink.encode.siphash import siphash_two_words

        yield Check("kernel", OK, kernel)
        yield surroundings.kernel_cache(siphash_two_words)
    if sealing:
        yield Check("sealing", WRONG, sealing, "pip install --upgrade cryptography")
    else:
        yield Check("sealing", OK, "a package opens for its recipient")


def examine(folders: Sequence[Path] = ()) -> dict[str, Any]:
    """
    Versions, engine, kernel, every check, and what is missing with the reason.

    Args:
        folders: of keys; who can read them is looked at.
    """
    versions = {"pseudolink": version("pseudolink"), "python": sys.version.split()[0]}
    missing = {}
    for name, least in sorted(_requirements(None)):
        why = _lacking(name, least)
        if why:
            missing[name] = why
        if why != "not installed":
            versions[name] = version(name)
    kernel, broken = _kernel()
    checks = [
        _python(),
        _packages(),
        *_parts(kernel, broken, _sealing()),
        surroundings.randomness(),
        surroundings.clock(),
        *surroundings.machine(),
        surroundings.temporary_folder(),
        surroundings.working_folder(Path.cwd()),
        *surroundings.keys(folders),
        *_extras(),
    ]
    missing |= {one.name: one.found for one in checks if one.state == WRONG and one.name != "packages"}
    return {
        "versions": versions,
        "engine": "local",
        "kernel": kernel,
        "processors": processors(),
        "checks": [one._asdict() for one in checks],
        "missing": missing,
    }
