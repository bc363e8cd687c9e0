"""
What a party states of its encodings, checked before it is used: it is another organisation's text.

Words of the statement are never repeated: they could be anything, and messages and reports are
shown around.

Source: specs/package-v1.md, section 3; specs/encoding-v1.md, section 6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pseudolink.errors import Problem
from pseudolink.schema import LinkageSchema

_COMPANY = ("records", "company", "neighbours", "largest_component")
_PASS = ("tokens", "company", "neighbours", "largest_block")
_SET = re.compile(r"[0-9a-f]{16}")
#: Kinds of pairs that a manifest may tell of.
MOST_ALIKE = 500


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
    wanted = {*_COMPANY, "passes", *(["alike"] if schema.floor.decoys else [])}
    if not isinstance(stated, dict) or set(stated) != wanted:
        return [Problem(place, f"needs {', '.join(sorted(wanted))} and nothing else")]
    if not all(_is_count(stated[name]) for name in _COMPANY):
        return [Problem(place, "must be counts")]
    problems = []
    if stated["records"] != records:
        problems.append(Problem(place, "counts other records than the encodings have"))
    if max(stated["company"], stated["largest_component"]) > records:
        problems.append(Problem(place, "counts more records than there are"))
    problems += _alike(stated.get("alike", []), schema)
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


def _alike(stated: Any, schema: LinkageSchema) -> list[Problem]:
    """encoding-v1 §6.6: (shared, both, pairs), where decoys hide the pairs themselves."""
    place = "statistics.company.alike"
    if not isinstance(stated, list) or len(stated) > MOST_ALIKE:
        return [Problem(place, f"must be a list of at most {MOST_ALIKE}")]
    for one in stated:
        if not isinstance(one, list) or len(one) != 3 or not _is_count(one[2]) or not one[2]:
            return [Problem(place, "each needs two sets of passes and a count of pairs")]
        if not all(isinstance(text, str) and _SET.fullmatch(text) for text in one[:2]):
            return [Problem(place, "sets of passes are 16 hexadecimal digits")]
        shared, both = (int(text, 16) for text in one[:2])
        if not shared or shared & ~both:
            return [Problem(place, "passes whose token is shared are some of those that both have")]
        if both >> len(schema.passes):
            return [Problem(place, "names a pass that the schema does not have")]
    return []


def _coverage(stated: Any, schema: LinkageSchema, records: int) -> list[Problem]:
    place = "statistics.coverage"
    if not isinstance(stated, dict) or set(stated) != set(schema.fields):
        return [Problem(place, "must tell of every field of the schema and of nothing else")]
    if not all(_is_count(count) and count <= records for count in stated.values()):
        return [Problem(place, "must be counts of records")]
    return []
