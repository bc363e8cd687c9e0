"""
The files of a release, by name: who writes, finds and destroys them must mean the same ones.

Source: specs/release-v1.md, 4.1 and section 6.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

PEOPLE: Final = "release"
PARQUET: Final = f"{PEOPLE}.parquet"
CSV: Final = f"{PEOPLE}.csv"
DESCRIPTION: Final = f"{PEOPLE}.json"
DISCLOSURE: Final = "disclosure.json"
DISCLOSURE_PAGE: Final = "disclosure.html"
DICTIONARY: Final = "dictionary.csv"
CODEBOOK: Final = "codebook.csv"
LINKAGE: Final = "linkage.json"
LINKAGE_TABLE: Final = "linkage.csv"

_BESIDE: Final = frozenset({DISCLOSURE, DISCLOSURE_PAGE, DICTIONARY, CODEBOOK, LINKAGE, LINKAGE_TABLE})


def is_file_of(name: str, further: Iterable[str]) -> bool:
    """Whether a release with these further tables has a file of this name."""
    tables = {f"{one}.{kind}" for one in further for kind in ("parquet", "csv")}
    return name in tables or name in _BESIDE or name.startswith(PEOPLE)
