"""
The page of a clerical review: labels are given in a browser, with no network and no server.

One HTML page with a script of its own and nothing else: a policy in the page names that script by
its digest and forbids every other, and every connection. Labels are kept in the browser as they
are given, and downloaded as the file that ``review`` writes.

Source: specs/review-v1.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pseudolink.report.environment import environment


def render(head: Mapping[str, Any], fields: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """
    The page as text (UTF-8 when written).

    Args:
        head: the first line of the file of labels. fields: in the order of each row's levels.
        rows: pairs to judge, in the order in which they are shown.
    """
    return (
        environment()
        .get_template("review.html")
        .render(head=dict(head), fields=list(fields), rows=list(rows), count=len(rows))
    )
