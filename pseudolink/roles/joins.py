"""
Where pairs are found: on this machine, or by an engine that gives the same.

Source: specs/engines-v1.md, section 1.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pseudolink import portable
from pseudolink.formats.candidates import Candidates, Presence
from pseudolink.formats.encodings import Encodings
from pseudolink.match import compare
from pseudolink.match.shards import Work
from pseudolink.schema import LinkageSchema


class Joins(Protocol):
    """How an engine finds pairs; whatever engine it is, the result is the same."""

    def candidates(
        self,
        left: Encodings,
        right: Encodings,
        schema: LinkageSchema,
        *,
        work: Work | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> Candidates:
        """As ``compare.candidates``."""
        ...

    def company(self, one: Encodings, schema: LinkageSchema) -> Candidates:
        """As ``compare.company``."""
        ...

    def shows(self, encodings: Encodings, schema: LinkageSchema) -> Presence:
        """As ``compare.shows``."""
        ...


class LocalJoins:
    """On this machine."""

    candidates = staticmethod(compare.candidates)
    company = staticmethod(compare.company)
    shows = staticmethod(compare.shows)


LOCAL = LocalJoins()


class Engine(Protocol):
    """Where a linkage is done: ``name`` as the report says it."""

    name: str

    def joins(self, folder: Path, memory: int | None) -> Joins:
        """How it finds pairs of encodings that lie in ``folder``."""
        ...


class LocalEngine:
    """This machine."""

    name = "local"

    def joins(self, folder: Path, memory: int | None) -> Joins:
        """The same, whatever the folder."""
        return LOCAL


def half_of_memory() -> int:
    """Bytes: half of what the machine has; two GiB where the system does not say."""
    whole, _ = portable.memory()
    return (whole or 4 << 30) // 2
