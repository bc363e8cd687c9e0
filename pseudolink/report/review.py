"""
The page of a clerical review: labels are given in a browser, with no network and no server.

One HTML page with a script of its own and nothing else: a policy in the page names that script by
its digest and forbids every other, and every connection. Labels are kept in the browser as they
are given, and downloaded as the file that ``review`` writes.

Source: specs/review-v1.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pseudolink.report.environment import environment


def _source(digest_of: str) -> str:
    digest = base64.b64encode(hashlib.sha256(digest_of.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def render(head: Mapping[str, Any], fields: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """
    The page as text (UTF-8 when written).

    Args:
        head: the first line of the file of labels. fields: in the order of each row's levels.
        rows: pairs to judge, in the order in which they are shown.
    """
    templates = environment()
    script = templates.get_template("review.js").render()
    style = templates.get_template("review.css").render()
    # Inside a script element only "<" can end it; JSON may write it another way.
    data = json.dumps({"head": head, "fields": list(fields), "rows": list(rows)}).replace("<", "\\u003c")
    return templates.get_template("review.html").render(
        # Both are this package's own text, and the policy names their digests.
        script=Markup(script),  # noqa: S704
        style=Markup(style),  # noqa: S704
        data=Markup(data),  # noqa: S704
        policy=f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "base-uri 'none'; form-action 'none'",
        count=len(rows),
        reviewer=head["reviewer"],
    )
