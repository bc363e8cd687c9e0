"""P1: used only for research."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from parties_in_memory import agreed, manifest_of
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project

from pseudolink.agreement import load_agreement
from pseudolink.agreement_rules import amendment_problems
from pseudolink.errors import AgreementMismatchError
from pseudolink.roles.demo import PURPOSE
from pseudolink.seal import rules
from pseudolink.seal.package import inspect


@pytest.mark.parametrize("artefact", ["encodings", "payload", "link_map", "release", "withdrawal", "records"])
def test_another_purpose_seals_and_opens_nothing(artefact: str) -> None:
    agreement = agreed()
    manifest = replace(manifest_of(agreement, artefact), purpose="Casework.")
    with pytest.raises(AgreementMismatchError):
        rules.require_permitted(manifest, agreement)


def test_every_package_of_a_project_is_bound_to_its_purpose(project: Project) -> None:
    agreement = load_agreement(project.agreement)
    packages = sorted(project.folder.rglob("*.package"))
    assert len(packages) == 3 * len(CUSTODIANS) + 1
    assert {inspect(one, agreement).purpose for one in packages} == {PURPOSE}
    described = json.loads((project.folder / RELEASER / "release" / "release.json").read_text())
    assert described["purpose"] == PURPOSE
    assert PURPOSE in (project.folder / OPERATOR / "linkage" / "report.html").read_text()


def test_an_amendment_cannot_turn_data_to_another_purpose(tmp_path: Path) -> None:
    old = agreed()
    new = replace(old, version=2, amends=old.digest, purpose="Casework.")
    assert [one.place for one in amendment_problems(old, new)] == ["purpose"]
    assert amendment_problems(old, replace(new, purpose=old.purpose)) == []
