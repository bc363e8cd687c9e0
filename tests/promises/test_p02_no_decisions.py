"""P2: never used for decisions about individuals."""

from __future__ import annotations

import json

from parties_in_memory import agreed
from project_on_disk import CUSTODIANS, RELEASER, Project

from pseudolink.agreement_rules import RECEIVERS


def test_every_release_says_what_it_must_not_be_used_for(project: Project) -> None:
    described = json.loads((project.folder / RELEASER / "release" / "release.json").read_text())
    assert "must not be used for decisions about individuals" in described["statement"]


def test_nothing_of_a_release_is_with_those_who_decide_about_people(project: Project) -> None:
    """The bodies that work with families hold no byte that the release holds."""
    pseudonyms = (project.folder / RELEASER / "release" / "release.csv").read_text().split("\n")[1:20]
    pseudonyms = [line.split(",")[0].strip('"') for line in pseudonyms if line]
    for party in CUSTODIANS:
        held = b"".join(one.read_bytes() for one in (project.folder / party).rglob("*") if one.is_file())
        assert not [one for one in pseudonyms if one.encode() in held]


def test_only_research_receives_people_by_person() -> None:
    assert set(RECEIVERS["release"]) == {"researcher", "releaser"}
    assert {agreed().party(one).role for one in agreed().recipients["release"]} <= {"researcher", "releaser"}
