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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pseudolink.api import encode, link, rehearse
    from pseudolink.errors import PseudolinkError
    from pseudolink.schema import LinkageSchema, load_schema

_PUBLIC = {
    "encode": "pseudolink.api",
    "link": "pseudolink.api",
    "rehearse": "pseudolink.api",
    "load_schema": "pseudolink.schema",
    "LinkageSchema": "pseudolink.schema",
    "PseudolinkError": "pseudolink.errors",
}

__all__ = ["LinkageSchema", "PseudolinkError", "encode", "link", "load_schema", "rehearse"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'pseudolink' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
