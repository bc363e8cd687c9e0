"""The agreement as a page that people read, print and sign off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pseudolink.report import pages

ARTEFACTS: Final = {
    "encodings": "Encodings: tokens and filters, no identifier",
    "payload": "Payload: attributes and programme IDs, no identifier",
    "link_map": "Link map: which records are one person",
    "release": "Release: the pseudonymised dataset",
}


def render(facts: Mapping[str, Any]) -> str:
    """
    The page as text (UTF-8 when written).

    Args:
        facts: what ``agreement show --json`` prints.
    """
    return pages.render("agreement.html", facts=facts, artefacts=ARTEFACTS)
