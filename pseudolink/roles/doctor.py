"""What this installation is made of, and what it lacks."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from pseudolink.portable import processors


def _required() -> list[str]:
    """Names of the runtime requirements, as the installed package declares them."""
    names = []
    for line in requires("pseudolink") or []:
        if "extra ==" not in line:
            name = line.split(";")[0]
            for mark in "<>=!~[ ":
                name = name.split(mark)[0]
            names.append(name)
    return sorted(names)


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


def examine() -> dict[str, Any]:
    """Versions, engine, kernel, and what is missing with the reason."""
    versions = {"pseudolink": version("pseudolink"), "python": sys.version.split()[0]}
    missing = {}
    for name in _required():
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            missing[name] = "not installed"
    kernel, broken = _kernel()
    if broken:
        missing["kernel"] = broken
    sealing = _sealing()
    if sealing:
        missing["sealing"] = sealing
    return {
        "versions": versions,
        "engine": "local",
        "kernel": kernel,
        "processors": processors(),
        "missing": missing,
    }
