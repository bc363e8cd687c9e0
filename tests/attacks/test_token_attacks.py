"""
A6 to A12 on cases small enough to solve by hand, and weakened so that they must fail.

Each attack is also run with the part that makes it work taken out: then it may no longer break the
case. A test that a weakened attack passes would show nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference_linkage import cleaned_of, schema_of

from pseudolink.attacks import colours, naming, profiles, registry, structure
from pseudolink.attacks.attack import Guesses, Measures, Setting, Target, Wanted
from pseudolink.attacks.laboratory import Laboratory
from pseudolink.attacks.methods import missing_values, parties, planted, token_frequency
from pseudolink.attacks.percolation import Pairs, percolate, translation
from pseudolink.attacks.scoring import Score, score
from pseudolink.encode import extract
from pseudolink.encode.tokens import KeyRing
from pseudolink.keys.linkage import LinkageKey
from pseudolink.schema import LinkageSchema

ATTACKS = {one.number: one for one in registry.attacks()}
SECRET = bytes(range(32))

#: A, B and C share a surname; A and B a year, C and D a postcode. E is alone.
FIVE = [
    {"forename": "A", "surname": "LEE", "dob": "1990-01-01", "postcode": "TS1 1AA"},
    {"forename": "B", "surname": "LEE", "dob": "1990-02-02", "postcode": "TS2 2BB"},
    {"forename": "C", "surname": "LEE", "dob": "1980-03-03", "postcode": "TS3 3DD"},
    {"forename": "D", "surname": "RHYS", "dob": "1970-04-04", "postcode": "TS3 3DD"},
    {"forename": "E", "surname": "OKE", "dob": "1960-05-05", "postcode": "TS5 5EE"},
]


def schema(decoys: bool = False, passes: Any = (["surname"], ["dob.year"], ["postcode"])) -> LinkageSchema:
    return schema_of(list(passes), floor={"company": 1.0, "component": 1000, "decoys": decoys})


def population(rows: int, seed: int = 1) -> list[dict[str, str | None]]:
    """People with surnames of unequal frequency, so that blocks differ in size."""
    rng = np.random.default_rng(seed)
    draw = (rng.pareto(1.2, rows) * 4).astype(int) % 150
    return [
        {
            "forename": f"F{rng.integers(60)}",
            "surname": f"S{draw[n]}",
            "dob": f"{1940 + rng.integers(60)}-{1 + rng.integers(12):02d}-{1 + rng.integers(28):02d}",
            "postcode": f"TS{1 + rng.integers(60)} 1AA",
        }
        for n in range(rows)
    ]


def laboratory(rows: list[dict[str, Any]], used: LinkageSchema, scheme: str = "keyed") -> Laboratory:
    return Laboratory(cleaned_of(used, rows), used, registry.scheme(scheme), SECRET)


def target_of(number: str, lab: Laboratory, setting: Setting | None = None, seed: int = 1) -> Target:
    attack = ATTACKS[number]
    rng = np.random.default_rng(seed)
    setting = setting or Setting()
    return attack.stage(lab, setting, rng) if attack.stage else lab.target(setting, rng)


def attacked(number: str, lab: Laboratory, setting: Setting | None = None, seed: int = 1) -> Score:
    target = target_of(number, lab, setting, seed)
    guesses = ATTACKS[number].guess(target.material, np.random.default_rng(seed))
    assert isinstance(guesses, Guesses)
    return score(target, guesses, np.random.default_rng(seed))


# ---------------------------------------------------------------- structure and colours


def test_five_people_are_told_apart_by_hand() -> None:
    """
    After one round C (block of three surnames and a postcode of two) and D (a postcode of two) and
    E (alone) have colours of their own; A and B share theirs, and stay alike.
    """
    found = structure.of_cleaned(cleaned_of(schema(), FIVE), schema())
    unique = [colours.once(one).tolist() for one in colours.rounds(found, most=1)]
    assert unique[0] == [False] * 5
    year = structure.of_cleaned(cleaned_of(schema(), FIVE), schema())
    assert np.bincount(year.tokens[1]).tolist() == [1, 1, 1, 2]
    assert unique[1] == [False, False, True, True, True]


def test_encodings_and_population_have_the_same_structure() -> None:
    lab = laboratory(population(80), schema())
    target = target_of("A6", lab)
    left = structure.of_view(target.material.view)
    right = structure.of_cleaned(target.material.reference.cleaned, lab.used)
    assert target.truth is not None
    for a, b in zip(left.tokens, right.tokens[:, target.truth], strict=True):
        np.testing.assert_array_equal(a[:, None] == a[None, :], b[:, None] == b[None, :])
    for a, b in zip(colours.rounds(left), colours.rounds(right), strict=True):
        np.testing.assert_array_equal(a[left.record], b[right.record][target.truth])


def test_a6_names_the_three_who_stand_out_and_guesses_between_the_two() -> None:
    found = [attacked("A6", laboratory(FIVE, schema()), seed=n) for n in range(12)]
    assert all(one.attempts == 5 for one in found)
    assert {one.correct for one in found} == {3, 5}


def test_a6_without_refinement_names_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colours, "refine", lambda _structure, colour: colour)
    monkeypatch.setattr(naming, "GROUP", 1)
    assert attacked("A6", laboratory(population(400), schema())).correct == 0


def test_a6_breaks_broad_passes_of_a_partly_right_population() -> None:
    lab = laboratory(population(1500), schema(passes=BROAD))
    found = attacked("A6", lab, Setting(overlap=0.8))
    assert found.figures["rate"] > 0.5
    assert found.figures["precision_tenth"] > 0.9


BROAD = (
    ["surname", "dob.year"],
    ["dob.month_day"],
    ["postcode", "dob.year"],
    ["forename", "surname"],
    ["forename", "postcode"],
    ["surname", "postcode"],
)


@pytest.mark.parametrize("weakened", ["profiles", "percolation"])
def test_a6_needs_profiles_and_percolation_when_people_are_missing(
    weakened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = laboratory(population(1500), schema(passes=BROAD))
    whole = attacked("A6", lab, Setting(overlap=0.8)).figures["rate"]
    if weakened == "profiles":
        monkeypatch.setattr(naming, "profiles", lambda tokens: (tokens >= 0).T.astype(float))
        monkeypatch.setattr(naming, "whitening", lambda tokens, _kept, _rng: np.eye(len(tokens)))
    else:
        monkeypatch.setattr(naming, "percolate", lambda _left, _right, seeds: seeds)
    assert attacked("A6", lab, Setting(overlap=0.8)).figures["rate"] < 0.8 * whole


def test_equal_segments_inside_a_block_are_seen_as_equal_values() -> None:
    """Two pairs with the same surname; in one the forenames are equal, and the filters with them."""
    used = schema_of(
        [(["surname"], ["forename"])], floor={"company": 1.0, "component": 1000, "decoys": False}
    )
    rows = [{"forename": f, "surname": s} for f, s in [("ANN", "X"), ("ANN", "X"), ("BO", "Y"), ("CY", "Y")]]
    lab = laboratory(rows, used)
    target = target_of("A6", lab)
    left = structure.of_view(target.material.view, segments=structure.segments_of(used))
    *_, colour = colours.rounds(left)
    colour = colour[left.record]
    assert target.truth is not None
    names = target.material.reference.cleaned.fields["forename"]
    equal = np.asarray([names.values[names.codes[row]] == "ANN" for row in target.truth])
    assert len(set(colour[equal].tolist())) == 1
    assert len(set(colour[~equal].tolist())) == 1
    assert set(colour[equal].tolist()).isdisjoint(colour[~equal].tolist())


# ---------------------------------------------------------------- decoys against each attack


@pytest.mark.parametrize("number", ["A6", "A10", "A11", "A12"])
def test_decoys_leave_nothing_to_attacks_on_one_extract(number: str) -> None:
    rows = population(300)
    for n in range(0, 300, 37):
        rows[n]["postcode"] = None
    rows[5]["dob"] = None
    bare = attacked(number, laboratory(rows, schema(passes=BROAD)))
    hidden = attacked(number, laboratory(rows, schema(True, BROAD)))
    assert bare.correct > 0
    # Planted records of collaborators still show who shares a token across extracts.
    assert hidden.correct == 0 if number != "A12" else hidden.correct < bare.correct


# ---------------------------------------------------------------- A7


def test_a7_reads_the_token_whose_count_is_unlike_all_others() -> None:
    """LEE occurs three times, RHYS and OKE once each: LEE is read, the others are not."""
    tokens = np.asarray([0, 0, 0, 1, 2, -1])
    values = np.asarray([5, 4, 4, 4, 3, -1])
    assert token_frequency.by_count(tokens, values).tolist() == [4, 4, 4, -1, -1, -1]


def test_a7_reads_by_rank_where_counts_differ() -> None:
    tokens = np.asarray([7, 7, 7, 8, 8, 9])
    values = np.asarray([1] * 9 + [2] * 5 + [0] * 2)
    read = token_frequency.by_rank(tokens, values, np.random.default_rng(1))
    assert read.tolist() == [1, 1, 1, 2, 2, 0]


def test_a7_counts_the_records_whose_values_were_read() -> None:
    lab = laboratory(FIVE, schema(passes=[["surname"]]))
    target = target_of("A7", lab)
    found = ATTACKS["A7"].guess(target.material, np.random.default_rng(1))
    assert isinstance(found, Measures)
    assert found.figures["read_by_count"] == pytest.approx(3 / 5)


def test_a7_that_reads_at_random_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_frequency, "by_count", lambda tokens, _values: np.zeros_like(tokens))
    lab = laboratory(population(400), schema(passes=[["surname"]]))
    target = target_of("A7", lab)
    found = ATTACKS["A7"].guess(target.material, np.random.default_rng(1))
    assert isinstance(found, Measures)
    assert found.figures["read_by_count"] < 0.1 + 1 / 5


# ---------------------------------------------------------------- across parties


def test_a_typing_error_that_nobody_else_has_names_a_record_without_company() -> None:
    """
    Six people without company in either extract. One agency has another year for the first of
    them, so that one pair of records agrees in two passes and the rest in three.
    """
    people = [
        {"forename": "A", "surname": f"S{n}", "dob": f"19{50 + n}-01-01", "postcode": f"TS{n + 1} 1AA"}
        for n in range(6)
    ]
    other = [dict(row) for row in people]
    other[0]["dob"] = "1901-01-01"
    used = schema()
    files = [cleaned_of(used, people), cleaned_of(used, other)]
    found = structure.of_files(files, used)
    assert not found.company().any()
    *_, colour = colours.rounds(found)
    assert colours.once(colour).tolist() == [n in (0, 6) for n in range(12)]


def test_a8_finds_more_than_a6_where_records_are_alone() -> None:
    rows = population(600)
    used = schema(passes=[["forename", "surname", "dob.year"], ["surname", "dob"], ["dob", "postcode"]])
    lab = laboratory(rows, used)
    assert attacked("A8", lab).correct > 2 * attacked("A6", lab).correct


def test_a8_that_does_not_look_at_the_other_party_finds_no_more_than_a6(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = laboratory(
        population(600), schema(passes=[["forename", "surname", "dob.year"], ["surname", "dob"]])
    )
    whole = attacked("A8", lab).correct
    real = parties.structure.of_parties
    monkeypatch.setattr(parties.structure, "of_parties", lambda views: real(views[:1]))
    monkeypatch.setattr(parties.structure, "of_files", lambda f, s: structure.of_cleaned(f[0], s))
    assert attacked("A8", lab).correct < whole / 2


# ---------------------------------------------------------------- missing values


def test_the_one_record_without_a_postcode_is_named_although_it_has_no_company() -> None:
    rows = [
        {"forename": "A", "surname": f"S{n}", "dob": f"{1900 + n}-01-01", "postcode": f"TS{n} 1AA"}
        for n in range(30)
    ]
    rows[7]["postcode"] = None
    lab = laboratory(rows, schema())
    found = attacked("A10", lab)
    assert (found.correct, found.attempts) == (1, 1)
    assert found.figures["correct_without_company"] == 1
    assert attacked("A10", laboratory(rows, schema(True))).attempts == 0


def test_a10_that_looks_at_no_pattern_names_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = population(60)
    rows[7]["postcode"] = None
    monkeypatch.setattr(colours, "start", lambda found, _marks=None: np.zeros(found.rows, dtype=np.uint64))
    monkeypatch.setattr(
        missing_values,
        "alone",
        lambda found: structure.Structure(found.record, found.tokens[:0], found.party),
    )
    assert attacked("A10", laboratory(rows, schema())).correct == 0


# ---------------------------------------------------------------- percolation and planted records


def test_two_known_people_name_the_third_who_shares_a_token_with_each() -> None:
    """Rows 0 and 1 are known to be persons 2 and 0; row 2 shares a token with each, so does person 1."""
    left = np.asarray([[0, 1, 0, 2], [0, 1, 1, 2]])
    right = np.asarray([[5, 7, 7, 9], [4, 4, 6, 9]])
    seeds = Pairs(np.asarray([0, 1]), np.asarray([2, 0]), np.ones(2))
    found = percolate(left, right, seeds, fixed=True)
    assert dict(zip(found.left.tolist(), found.right.tolist(), strict=True)) == {0: 2, 1: 0, 2: 1}


def test_a_token_stands_for_the_value_with_most_votes() -> None:
    left, right = np.asarray([0, 0, 0, 1]), np.asarray([3, 3, 2, 2])
    pairs = Pairs(np.arange(4), np.arange(4), np.ones(4))
    value, votes = translation(left, right, pairs)
    assert value.tolist() == [3, -1]
    assert votes.tolist() == [2, 0]


def test_a_planted_record_gives_away_its_twin_in_the_extract() -> None:
    """A is planted. B shares A's surname, which nobody else has: B is named, and no other."""
    rows = [
        {"forename": f"N{n}", "surname": f"S{n}", "dob": f"{1900 + n}-01-01", "postcode": f"TS{n} 1AA"}
        for n in range(40)
    ]
    rows[1]["surname"] = "S0"
    lab = laboratory(rows, schema())
    for seed in range(1000):
        target = target_of("A12", lab, Setting(extra={planted.SHARE: 1 / 40}), seed)
        people = target.material.reference.person[target.material.extra[planted.PEOPLE]].tolist()
        if people == [0]:
            break
    assert people == [0]
    guesses = ATTACKS["A12"].guess(target.material, np.random.default_rng(1))
    assert isinstance(guesses, Guesses)
    found = score(target, guesses, np.random.default_rng(1))
    assert (found.correct, found.attempts) == (1, 1)


def test_a12_without_percolation_learns_about_nobody_but_the_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planted, "percolate", lambda _left, _right, seeds, fixed: seeds)
    assert attacked("A12", laboratory(population(400), schema(passes=BROAD))).correct == 0


# ---------------------------------------------------------------- two projects


def test_two_projects_share_no_token_and_are_joined_all_the_same() -> None:
    lab = laboratory(population(400), schema(passes=BROAD))
    target = target_of("A11", lab)
    one, two = target.material.view.encodings, target.material.others["second project"].encodings
    assert one is not None
    assert two is not None
    for name, columns in one.passes.items():
        assert not np.isin(columns.tokens[:, 0], two.passes[name].tokens[:, 0]).any()
    assert attacked("A11", lab).figures["rate"] > 0.5


# ---------------------------------------------------------------- profiles


def test_the_nearest_row_and_its_margin_by_hand() -> None:
    best, margin = profiles.nearest(np.asarray([[0.0], [10.0]]), np.asarray([[9.0], [1.0], [3.0]]))
    assert best.tolist() == [1, 0]
    assert margin.tolist() == pytest.approx([8.0, 48.0], rel=1e-3)


@pytest.mark.parametrize("number", ["A6", "A7", "A8", "A9", "A10", "A11", "A12"])
@pytest.mark.parametrize("count", [1, 2])
def test_attacks_on_hardly_any_people_end_without_an_error(number: str, count: int) -> None:
    for decoys in (False, True):
        lab = laboratory(FIVE[:count], schema(decoys))
        for setting in ATTACKS[number].settings(Wanted()):
            target = target_of(number, lab, setting)
            ATTACKS[number].guess(target.material, np.random.default_rng(1))


def test_the_laboratory_places_decoys_as_the_encoder_does() -> None:
    """Values that many lack stay missing there too: an audit must not flatter what custodians send."""
    rows = population(60)
    for n in range(20):
        rows[n]["postcode"] = None
    rows[30]["dob"] = None
    used = schema(True)
    view = target_of("A6", laboratory(rows, used)).material.view
    ring = KeyRing.derived(LinkageKey(SECRET).derive, used, "test")
    real = extract.encode(cleaned_of(used, rows), used, ring).encodings
    assert view.encodings is not None
    for name, columns in real.passes.items():
        assert view.encodings.passes[name].present.sum() == columns.present.sum()
    assert sum(int(c.present.sum()) for c in real.passes.values()) == 3 * 60 - 20
