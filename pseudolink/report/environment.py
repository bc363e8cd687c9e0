"""
The one way in which pages are made: every text is escaped, every name must be known, and a policy
in the page lets its own styles and scripts work, by their digests, and nothing else.

Names of parties, purposes, fields, categories and files come from files that others wrote.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.resources import files as package_files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def _own(names: Sequence[str]) -> str:
    """This package's own styles or scripts, one after another."""
    folder = package_files("pseudolink.report") / "templates"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def own(names: Sequence[str]) -> Markup:
    """Files of this package as they stand in a page."""
    return Markup(_own(names))  # noqa: S704 (no text of others is in them)


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """The content-security policy of a page with these styles and scripts."""
    rules = ["default-src 'none'", f"style-src {_source(_own(styles))}"]
    if scripts:
        rules.append(f"script-src {_source(_own(scripts))}")
    # A script of ours that made HTML out of text would fail, not run the text.
    rules += ["base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"]
    return "; ".join([*rules, "trusted-types 'none'"])


def as_data(value: Any) -> Markup:
    """JSON for a script element; only ``<`` can end one, and JSON may write it another way."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def environment(**filters: Callable[..., Any]) -> Environment:
    """Templates of ``report/templates``, with further filters; pages extend ``page.html``."""
    made = Environment(
        loader=PackageLoader("pseudolink.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(filters)
    made.globals.update(own=own, policy=policy, as_data=as_data)
    return made
