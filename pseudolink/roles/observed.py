"""
What a reviewer holds of a project: the agreement, verified ledgers, and reports; never a key.

Source: specs/evidence-v1.md, sections 1 and 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pseudolink.agreement import Agreement, verify_signatures
from pseudolink.errors import Problem, PseudolinkError
from pseudolink.formats import summary
from pseudolink.formats.receipt import Receipt
from pseudolink.keys import certificate
from pseudolink.keys.certificate import Certificate
from pseudolink.ledger import chain
from pseudolink.release.tables import history
from pseudolink.schema import LinkageSchema, load_schema

#: What a report begins its ``format`` with -> what it is called here.
REPORTS: Final = {
    "pseudolink/attack-report/": "attack",
    "pseudolink/disclosure/": "disclosure",
    "pseudolink/linkage-summary/": "summary",
    "pseudolink/release/": "release",
    "pseudolink/linkage-quality/": "quality",
}


@dataclass(frozen=True)
class Report:
    """A JSON artefact of the project, and the file it came from."""

    source: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Observed:
    """
    Everything that was given.

    ledgers: file -> its receipts, verified. reports: kind -> reports. tables: entries of ledgers of
    published tables. certificates: of destruction, by file, with their signatures verified. broken:
    what was given and is not what it should be.
    """

    agreement: Agreement
    schema: LinkageSchema | None
    ledgers: Mapping[str, Sequence[Receipt]]
    reports: Mapping[str, Sequence[Report]]
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    broken: Sequence[Problem] = field(default_factory=tuple)

    @property
    def receipts(self) -> list[Receipt]:
        """All receipts, in the order of their times."""
        found = [one for receipts in self.ledgers.values() for one in receipts]
        return sorted(found, key=lambda one: (one.time, one.party, one.sequence))

    def steps(self, step: str) -> list[Receipt]:
        """Receipts of one step under this agreement."""
        return [one for one in self.receipts if one.step == step and one.agreement == self.agreement.digest]

    def of(self, kind: str) -> Sequence[Report]:
        """Reports of a kind."""
        return self.reports.get(kind, ())


def observe(
    agreement: Path, *, schema: Path | None, ledgers: Sequence[Path], reports: Sequence[Path]
) -> Observed:
    """
    Read what is given; what is broken is noted and the rest is used.

    Raises:
        PseudolinkError: the agreement itself cannot be used.
    """
    agreed = verify_signatures(agreement)
    broken: list[Problem] = []
    publics = {one.id: one.signing_key for one in agreed.parties}
    found: dict[str, Sequence[Receipt]] = {}
    for path in ledgers:
        name = _name(path, found)
        try:
            found[name] = chain.verify(path, publics)
        except PseudolinkError as error:
            broken.append(Problem(name, f"the ledger does not verify ({error.code})"))
    design = None
    if schema is not None:
        try:
            design = load_schema(schema)
            agreed.require_schema(design.digest)
        except PseudolinkError as error:
            broken.append(Problem(schema.name, f"is not the agreed schema ({error.code})"))
            design = None
    sorted_reports: dict[str, list[Report]] = {}
    tables: dict[str, Sequence[Mapping[str, Any]]] = {}
    certificates: dict[str, Certificate] = {}
    for path in reports:
        name = _name(path, {**tables, **certificates})
        if path.name.endswith(certificate.SUFFIX):
            try:
                certificates[name] = certificate.read(path)
                certificates[name].verify(publics)
            except PseudolinkError as error:
                certificates.pop(name, None)
                broken.append(Problem(name, f"is no certificate of a party ({error.code})"))
            continue
        if path.suffix == ".jsonl":
            try:
                tables[name] = history.published(path.read_text(encoding="utf-8"), source=path.name)
            except (OSError, UnicodeError, PseudolinkError):
                broken.append(Problem(name, "is no ledger of published tables, or was changed"))
            continue
        kind, data = _report(path)
        if kind is None:
            broken.append(Problem(path.name, "is no report that is known"))
        else:
            sorted_reports.setdefault(kind, []).append(Report(path.name, data))
    return Observed(agreed, design, found, sorted_reports, tables, certificates, tuple(broken))


def _name(path: Path, taken: Mapping[str, Any]) -> str:
    """Ledgers are all called ledger.jsonl: their folder tells them apart."""
    name = f"{path.parent.name}/{path.name}" if path.parent.name else path.name
    return name if name not in taken else str(path)


def _report(path: Path) -> tuple[str | None, Mapping[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        form = data["format"]
        kind = next((kind for begin, kind in REPORTS.items() if str(form).startswith(begin)), None)
        if kind == "summary":
            summary.from_json(data)
        if kind == "quality":
            _require_quality(data)
        if kind == "disclosure":
            _require_disclosure(data)
    except (OSError, UnicodeError, ValueError, KeyError, TypeError, PseudolinkError):
        return None, {}
    return kind, data


def _require_quality(data: Mapping[str, Any]) -> None:
    for one in data["rates"]:
        if not all(isinstance(one[name], str) for name in ("party", "linked_with", "attribute", "group")):
            raise ValueError("rates")
        if not all(one[name] is None or type(one[name]) is int for name in ("records", "linked", "rate")):
            raise ValueError("rates")


def _require_disclosure(data: Mapping[str, Any]) -> None:
    """The numbers that a document repeats; a KeyError or ValueError where they are none."""
    for side in (data["before"], data["after"]):
        for name in ("below_k", "expected", "household_risk", "smallest"):
            if not isinstance(side[name], (int, float)):
                raise ValueError(name)
    if type(data["people"]) is not int:
        raise ValueError("people")
