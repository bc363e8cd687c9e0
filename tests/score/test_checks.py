"""scoring-v1 section 5.8: what is taken for matches must look like people met twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference_linkage import Drawn, draw, schema_of, statistics_of

from pseudolink.errors import WrongClassError
from pseudolink.formats.candidates import Candidates
from pseudolink.score import evidence
from pseudolink.score.checks import require_matches
from pseudolink.score.estimate import Estimate, estimate
from pseudolink.score.states import BRANCH, States, chances

AGREE = {"forename": 0.005, "surname": 0.002, "dob": 0.00005, "postcode": 0.001, "sex": 0.5}
SCHEMA = schema_of(
    [
        ["surname", "postcode"],
        ["surname", "postcode", "forename"],
        ["surname.soundex", "postcode", "dob"],
        ["forename", "surname", "dob"],
        ["forename", "dob", "postcode"],
        ["dob", "sex", "surname"],
    ]
)
KINDS = {name: field.kind for name, field in SCHEMA.fields.items()}
ROWS = (1500, 1500)
COUNT = 400


def model() -> evidence.Model:
    one = statistics_of(SCHEMA, AGREE)
    return evidence.build(SCHEMA, [one, one])


def parties(seed: int, **full: float) -> tuple[Drawn, States]:
    """Pairs beyond chance agree fully on each field as often as ``full`` says, and else not at all."""
    states = States(model())
    shares: dict[str, Any] = {BRANCH: np.ones(1)}
    for name, group in states.model.groups.items():
        share = np.full(len(group.masks), 1e-4)
        share[np.argmax(np.bitwise_count(group.masks))] = full[name]
        share[np.argmin(np.bitwise_count(group.masks))] += 1 - full[name]
        shares[name] = share / share.sum()
    chance = states.probabilities(chances(states.model))
    joint = states.probabilities(shares)
    return draw(states, len(SCHEMA.passes), chance, joint, ROWS, COUNT, seed), states


def fitted(some: Drawn, alike: Candidates | None = None) -> Estimate:
    company = some.nobody if alike is None else alike
    return estimate(model(), some.pairs, (company, some.left), (company, some.right))


RELATIVES = {"forename": 0.01, "surname": 0.95, "dob": 0.001, "postcode": 0.95, "sex": 0.5}
PEOPLE = {"forename": 0.7, "surname": 0.7, "dob": 0.8, "postcode": 0.6, "sex": 0.98}


@pytest.mark.parametrize("seed", range(3))
def test_parents_here_and_their_children_there_are_refused(seed: int) -> None:
    """One party holds the parents and the other the children: nobody is in both."""
    some, _ = parties(seed, **RELATIVES)
    found = fitted(some)
    assert found.matches.total > 100, "the search takes them for matches"
    with pytest.raises(WrongClassError) as caught:
        require_matches(found, KINDS, pair="a and b")
    assert caught.value.code == "PL-SCORE-02"
    assert {"forename", "dob"} <= {place for place, _ in caught.value.problems}
    assert "relatives" in str(caught.value.advice)


@pytest.mark.parametrize("seed", range(3))
def test_people_with_many_mistakes_are_not_refused(seed: int) -> None:
    found = fitted(parties(seed, **PEOPLE)[0])
    assert found.matches.total > COUNT / 2
    require_matches(found, KINDS, pair="a and b")


def test_relatives_are_known_as_such_where_each_party_has_them() -> None:
    """Families in both extracts show what relatives look like; then there is nothing to refuse."""
    some, _ = parties(1, **RELATIVES)
    first = np.arange(0, 2 * COUNT, 2)
    alike = Candidates(first, first + 1, np.ones(COUNT, dtype=np.uint64), np.zeros(COUNT, dtype=np.int64))
    found = fitted(some, alike)
    assert found.matches.total < 20
    require_matches(found, KINDS, pair="a and b")


def test_a_linkage_of_nobody_is_not_judged() -> None:
    some, _ = parties(1, **PEOPLE)
    found = estimate(model(), some.nobody, (some.nobody, some.left), (some.nobody, some.right))
    require_matches(found, KINDS, pair="a and b")
