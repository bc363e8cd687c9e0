"""
pseudolink: link people and families across public bodies without anyone seeing another's identifiers.

The map, left to right, as data goes:

    clean     cells of an extract -> canonical values, or missing
    encode    values -> keyed tokens and filters, under the security floor
    seal      an artefact -> a package that only its recipients open
    match     tokens that are equal -> candidate pairs
    score     candidate pairs -> match weights and probabilities
    resolve   weighed pairs -> one-to-one links
    release   links and payloads -> a dataset with programme pseudonyms

Stages meet only through ``formats``. ``roles`` call them in order, ``cli`` calls the roles.
``schema`` and ``agreement`` say what is allowed; ``keys`` hold secrets; ``ledger`` keeps receipts.
The public names below are loaded when they are first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pseudolink.api import dice_pairs, encode, link, rehearse, write_dice_pairs
    from pseudolink.errors import PseudolinkError
    from pseudolink.schema import LinkageSchema, load_schema

_PUBLIC = {
    "encode": "pseudolink.api",
    "link": "pseudolink.api",
    "rehearse": "pseudolink.api",
    "dice_pairs": "pseudolink.api",
    "write_dice_pairs": "pseudolink.api",
    "load_schema": "pseudolink.schema",
    "LinkageSchema": "pseudolink.schema",
    "PseudolinkError": "pseudolink.errors",
}

__all__ = [
    "LinkageSchema",
    "PseudolinkError",
    "dice_pairs",
    "encode",
    "link",
    "load_schema",
    "rehearse",
    "write_dice_pairs",
]


class _Encode(ModuleType):
    """``pseudolink.encode`` is a stage and a public function: the package can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return import_module("pseudolink.api").encode(*args, **kwargs)


class _Pseudolink(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # Importing pseudolink.encode binds the stage to the name of the function.
        if name == "encode" and isinstance(value, ModuleType):
            value.__class__ = _Encode
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Pseudolink


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        found = getattr(import_module(_PUBLIC[name]), name)
        return sys.modules["pseudolink.encode"] if name == "encode" else found
    raise AttributeError(f"module 'pseudolink' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
