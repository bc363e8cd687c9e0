"""What attacks and schemes there are: every module of two folders, found when asked for."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Any

from pseudolink.attacks import methods, schemes
from pseudolink.attacks.attack import Attack
from pseudolink.attacks.scheme import Scheme
from pseudolink.errors import UsageError


def _found(package: ModuleType, one: str, several: str) -> list[Any]:
    found: list[Any] = []
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        if hasattr(module, one):
            found.append(getattr(module, one))
        found.extend(getattr(module, several, ()))
    return found


@cache
def attacks() -> tuple[Attack, ...]:
    """Every attack (``ATTACK`` or ``ATTACKS`` of a module of ``methods``), by number."""
    found: list[Attack] = _found(methods, "ATTACK", "ATTACKS")
    return tuple(sorted(found, key=lambda one: (len(one.number), one.number, one.name)))


@cache
def schemes_by_name() -> dict[str, Scheme]:
    """Every scheme (``SCHEME`` or ``SCHEMES`` of a module of ``schemes``), by name."""
    found: list[Scheme] = _found(schemes, "SCHEME", "SCHEMES")
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def scheme(name: str) -> Scheme:
    """
    The scheme of that name.

    Raises:
        UsageError: there is none.
    """
    known = schemes_by_name()
    if name not in known:
        raise UsageError(f"no scheme {name!r}", advice=f"There are: {', '.join(known)}.")
    return known[name]
