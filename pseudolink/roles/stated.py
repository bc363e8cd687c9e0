"""
What a party states of its encodings, checked before it is used: it is another organisation's text.

Words of the statement are never repeated: they could be anything, and messages and reports are
shown around.

Source: specs/package-v1.md, section 3; specs/encoding-v1.md, section 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pseudolink.errors import Problem
from pseudolink.schema import LinkageSchema

_COMPANY = ("records", "company", "neighbours", "largest_component")
_PASS = ("tokens", "company", "neighbours", "largest_block")


def statistics_problems(statistics: Mapping[str, Any], schema: LinkageSchema, records: int) -> list[Problem]:
    """
    What is wrong with the form of company and coverage; ``formats.statistics`` reads the chance.

    Args:
        statistics: of a manifest of encodings. records: how many records the encodings have.
    """
    if set(statistics) != {"chance", "company", "coverage"}:
        return [Problem("statistics", "needs chance, company and coverage")]
    return [
        *_company(statistics["company"], schema, records),
        *_coverage(statistics["coverage"], schema, records),
    ]


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _company(stated: Any, schema: LinkageSchema, records: int) -> list[Problem]:
    place = "statistics.company"
    if not isinstance(stated, dict) or set(stated) != {*_COMPANY, "passes"}:
        return [Problem(place, f"needs {', '.join(_COMPANY)} and passes")]
    if not all(_is_count(stated[name]) for name in _COMPANY):
        return [Problem(place, "must be counts")]
    problems = []
    if stated["records"] != records:
        problems.append(Problem(place, "counts other records than the encodings have"))
    if max(stated["company"], stated["largest_component"]) > records:
        problems.append(Problem(place, "counts more records than there are"))
    passes = stated["passes"]
    if not isinstance(passes, list) or not all(
        isinstance(one, dict) and set(one) == {"name", *_PASS} for one in passes
    ):
        return [*problems, Problem(f"{place}.passes", f"each needs name, {', '.join(_PASS)}")]
    if [one["name"] for one in passes] != [one.name for one in schema.passes]:
        problems.append(Problem(f"{place}.passes", "does not tell of every pass of the schema in its order"))
    if not all(_is_count(one[name]) for one in passes for name in _PASS):
        problems.append(Problem(f"{place}.passes", "must be counts"))
    return problems


def _coverage(stated: Any, schema: LinkageSchema, records: int) -> list[Problem]:
    place = "statistics.coverage"
    if not isinstance(stated, dict) or set(stated) != set(schema.fields):
        return [Problem(place, "must tell of every field of the schema and of nothing else")]
    if not all(_is_count(count) and count <= records for count in stated.values()):
        return [Problem(place, "must be counts of records")]
    return []
