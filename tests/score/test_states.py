"""scoring-v1 section 3: the states of a pair and what they show, against telling them one by one."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_linkage import cleaned_of, schema_of, statistics_of

from pseudolink.components import DERIVATIONS, SORTED, agreement_states, join, split
from pseudolink.encode import chance as chances_of
from pseudolink.encode.derive import derive, derive_names
from pseudolink.errors import ScoringError
from pseudolink.formats.statistics import FieldStatistics, Statistics
from pseudolink.schema import LinkageSchema
from pseudolink.score import evidence
from pseudolink.score.states import BRANCH, States, chances, priors

AGREE = {
    "forename": 0.005, "surname": 0.002, "dob": 0.00005, "postcode": 0.001, "sex": 0.5,
    "nino": 1e-7, "upn": 1e-7, "nhs": 1e-7, "uln": 1e-7, "street": 0.001,
}  # fmt: skip
SCHEMA = schema_of(
    [
        (["dob", "sex"], ["forename"]),
        (["names.sorted_soundex", "dob.year"], ["postcode"]),
        ["surname.soundex", "postcode.district"],
        (["forename", "dob.month_day"], ["postcode"]),
        ["names.sorted", "postcode"],
    ]
)


def states_of(schema: LinkageSchema = SCHEMA, **more: Any) -> States:
    one = statistics_of(schema, AGREE, **more)
    return States(evidence.build(schema, [one, one]))


@st.composite
def schemas(draw: st.DrawFn) -> LinkageSchema:
    kinds = {
        "forename": "forename",
        "surname": "surname",
        "dob": "date",
        "postcode": "postcode",
        "sex": "sex",
    }
    components = [join(f, d) for f, kind in kinds.items() for d in DERIVATIONS[kind]]
    components += [f"names.{d}" for d in SORTED]
    on = st.lists(st.sampled_from(components), min_size=1, max_size=3, unique=True)
    passes = draw(st.lists(on, min_size=1, max_size=4, unique_by=frozenset))
    return schema_of(passes)


def told(schema: LinkageSchema) -> dict[tuple[int, float], int]:
    """(passes shared, probability) of every joint state, one after the other, by the words of the text."""
    found: dict[tuple[int, float], int] = {}

    def add(agree: dict[str, frozenset[str]], probability: float) -> None:
        shared = 0
        for number, one in enumerate(schema.passes):
            if all(split(c)[1] in agree.get(split(c)[0], frozenset()) for c in one.on):
                shared |= 1 << number
        key = shared, float(f"{probability:.9g}")
        found[key] = found.get(key, 0) + 1

    stats = statistics_of(schema, AGREE)
    fields = list(schema.evidence)
    names = [f for f in fields if f in schema.named] if "names" in schema.used else []
    choices = {
        f: list(
            zip(
                agreement_states(schema.fields[f].kind, schema.tracked.get(f, ()) or ("",)),
                [(c or 5) / stats.fields[f].pairs for c in stats.fields[f].states],
                strict=True,
            )
        )
        for f in fields
    }
    exchanged = sum((c or 5) for c in stats.swapped.values()) / max(stats.swapped_pairs, 1)
    for chosen in product(*choices.values()):
        agree = {f: state for f, (state, _) in zip(fields, chosen, strict=True)}
        both = {d for d, inner in SORTED.items() if all(inner in agree.get(n, ()) for n in schema.named)}
        add({**agree, "names": frozenset(both)}, (1 - exchanged) * float(np.prod([p for _, p in chosen])))
    if names:
        rest = [f for f in fields if f not in names]
        for key, count in stats.swapped.items():
            for chosen in product(*(choices[f] for f in rest)):
                agree = {f: state for f, (state, _) in zip(rest, chosen, strict=True)}
                share = (count or 5) / stats.swapped_pairs
                add(
                    {**agree, "names": frozenset(key.split(","))},
                    share * float(np.prod([p for _, p in chosen])),
                )
    return found


@given(schemas())
@settings(max_examples=40, deadline=None)
def test_the_chance_of_every_pattern_of_passes_is_that_of_telling_all_states(schema: LinkageSchema) -> None:
    states = states_of(schema)
    joint = states.probabilities(chances(states.model))
    shown: dict[int, float] = {}
    for mask, probability in zip(states.masks.tolist(), joint.tolist(), strict=True):
        key = mask & ((1 << len(schema.passes)) - 1)
        shown[key] = shown.get(key, 0.0) + probability
    expected: dict[int, float] = {}
    for (shared, probability), times in told(schema).items():
        expected[shared] = expected.get(shared, 0.0) + probability * times
    assert set(shown) == set(expected)
    for shared, probability in expected.items():
        assert shown[shared] == pytest.approx(probability, rel=1e-6)


@given(schemas())
@settings(max_examples=40, deadline=None)
def test_probabilities_sum_to_one(schema: LinkageSchema) -> None:
    states = states_of(schema)
    for shares in (chances(states.model), priors(states.model)):
        joint = states.probabilities(shares)
        assert joint.sum() == pytest.approx(1.0, abs=1e-9)
        assert (joint >= 0).all()


VALUES: dict[str, list[str]] = {
    "forename": ["ANN", "ANNE", "JOHN", "SMITH", "SMYTHE"],
    "surname": ["ANN", "JOHN", "JON", "SMITH", "SMYTHE"],
    "dob": ["1990-01-02", "1990-02-01", "1991-01-02", "1990-01-05"],
    "postcode": ["DH1 1AA", "DH1 1AB", "DH2 1AA"],
    "sex": ["F", "M"],
}
person = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()})


def exchanged_and_straight(a: dict[str, str], b: dict[str, str], schema: LinkageSchema) -> bool:
    """Names that agree crosswise and in part straight too (JOHN JON, JON JOHN): the model leaves them out."""

    def pair(row: dict[str, str], inner: str) -> tuple[str | None, str | None]:
        return derive("forename", inner, row["forename"]), derive("surname", inner, row["surname"])

    used = [SORTED[d] for d in schema.used.get("names", ())]
    crosswise = [d for d in used if pair(a, d) != pair(b, d) and pair(a, d) == pair(b, d)[::-1]]
    alone = [(n, d) for n in (0, 1) for d in schema.used.get(schema.named[n], ())]
    straight = [d for n, d in alone if pair(a, d)[n] == pair(b, d)[n]]
    return bool(crosswise) and bool(straight or [d for d in used if pair(a, d) == pair(b, d)])


@given(person, person, schemas())
@settings(max_examples=150, deadline=None)
def test_what_two_real_records_show_is_what_some_state_shows(
    a: dict[str, str], b: dict[str, str], schema: LinkageSchema
) -> None:
    if exchanged_and_straight(a, b, schema):
        return
    shared = 0
    for number, one in enumerate(schema.passes):
        values = []
        for row in (a, b):
            values.append(
                [
                    derive_names(d, row["forename"], row["surname"])
                    if f == "names"
                    else derive(schema.fields[f].kind, d, row[f])
                    for f, d in map(split, one.on)
                ]
            )
        shared |= (values[0] == values[1]) << number
    states = states_of(schema)
    masks = {m & ((1 << len(schema.passes)) - 1) for m in states.masks.tolist()}
    assert shared in masks


def test_only_what_both_sides_hold_is_shown() -> None:
    states = states_of()
    joint = states.probabilities(chances(states.model))
    for tokens in (0b11111, 0b00101, 0):
        seen = states.seen(tokens, 0b11)
        shares = seen.shares(states.by_kind(joint))
        assert shares.sum() == pytest.approx(1.0)
        assert not (seen.shared & ~np.uint64(tokens)).any()
        assert len(set(zip(seen.shared.tolist(), seen.levels.tolist(), strict=True))) == len(seen.shared)
        np.testing.assert_array_equal(
            seen.shared[seen.of_kind[states.kind_of]], states.masks & np.uint64(tokens)
        )
    assert (states.seen(0, 0b11).shared.tolist(), states.seen(0, 0b11).levels.tolist()) == ([0], [0])


def test_a_level_is_shown_by_a_shared_pass_that_compares_the_field_and_by_no_other() -> None:
    states = states_of()
    seen = states.seen(0b11111, 0b11)
    forename, postcode = seen.levels & 15, seen.levels >> 4
    compares_forename = (seen.shared & np.uint64(0b00001)) != 0
    compares_postcode = (seen.shared & np.uint64(0b01010)) != 0
    assert ((forename > 0) == compares_forename).all()
    assert ((postcode > 0) == compares_postcode).all()
    assert not (states.seen(0b11111, 0b10).levels & 15).any(), "a forename that one side lacks has no level"


def test_equal_filters_are_full_agreement_and_nothing_else() -> None:
    states = states_of()
    group = states.model.groups["forename"]
    full = group.level == 1
    assert full.sum() == 1
    assert group.masks[full][0] == np.bitwise_or.reduce(group.masks)
    assert set(group.level[~full].tolist()) == {2, 3, 4}


def test_crosswise_a_compared_name_looks_like_any_other() -> None:
    states = states_of()
    straight = states.sizes[0]
    assert set(states.levels[0][straight:].tolist()) == {4}
    assert set(states.levels[1][straight:].tolist()) == {1, 2, 3, 4}


def test_crosswise_names_share_no_token_of_one_name() -> None:
    states = states_of()
    crossed = states.masks[states.sizes[0] :]
    assert not (crossed & np.uint64(0b01100)).any(), "a pass on surname.soundex, one on forename"
    assert (crossed & np.uint64(0b10000)).any(), "names.sorted agrees crosswise"
    assert (crossed & np.uint64(0b00001)).any(), "a pass without names does not care"


def test_totals_are_the_inverse_of_probabilities() -> None:
    """Weights of joint states summed by group give back the shares they were made of."""
    states = states_of()
    shares = priors(states.model)
    sums = states.totals(1000.0 * states.probabilities(shares))
    np.testing.assert_allclose(sums[BRANCH], 1000.0 * shares[BRANCH])
    straight = 1000.0 * shares[BRANCH][0]
    np.testing.assert_allclose(sums["forename"], straight * shares["forename"])
    np.testing.assert_allclose(sums["dob"], 1000.0 * shares["dob"], err_msg="both branches hold a date")
    np.testing.assert_allclose(sums["crossed"], 1000.0 * shares[BRANCH][1] * shares["crossed"])


def test_an_observation_is_found_where_it_lies_and_an_impossible_one_nowhere() -> None:
    seen = states_of().seen(0b11111, 0b11)
    found = seen.position(seen.shared, seen.levels)
    assert found.tolist() == list(range(len(seen.shared)))
    assert seen.position(np.asarray([0], dtype=np.uint64), np.asarray([3])).tolist() == [-1]


def test_an_impossible_observation_counts_as_the_nearest_possible() -> None:
    """Differing names whose filters collide look equal; that must not stop a linkage."""
    seen = states_of().seen(0b00001, 0b01)
    here = {
        (s, v): n for n, (s, v) in enumerate(zip(seen.shared.tolist(), seen.levels.tolist(), strict=True))
    }
    assert set(here) == {(0, 0), (1, 1), (1, 2), (1, 3), (1, 4)}
    assert seen.nearest(1, 0) in {here[1, level] for level in (1, 2, 3, 4)}
    assert seen.nearest(0, 4) == here[0, 0], "passes count before levels"


def test_states_that_no_pass_tells_apart_are_one() -> None:
    states = states_of(schema_of([["forename.soundex", "sex"], ["forename.first3", "sex"]]))
    one = states.model.groups["forename"]
    assert len(one.masks) == 4, "both, either, none: the whole forename adds nothing"
    assert one.chance.sum() == pytest.approx(1.0)


def test_the_chance_of_two_parties_is_the_geometric_mean_of_their_shares() -> None:
    schema = schema_of([["sex", "upn"]])
    rare, common = (statistics_of(schema, AGREE | {"sex": s}) for s in (0.2, 0.6))
    group = evidence.build(schema, [rare, common]).groups["sex"]
    assert group.chance[group.masks == np.bitwise_or.reduce(group.masks)] == pytest.approx(
        np.sqrt(0.12) / (np.sqrt(0.12) + np.sqrt(0.32))
    )


def test_a_party_without_pairs_says_nothing_of_chance() -> None:
    schema = schema_of([["sex", "upn"]])
    known = statistics_of(schema, AGREE)
    empty = Statistics({f: FieldStatistics(0, (None, None), ()) for f in ("sex", "upn")}, {}, 0)
    with_empty, without = (evidence.build(schema, parties) for parties in ([known, empty], [known, known]))
    np.testing.assert_allclose(with_empty.groups["sex"].chance, without.groups["sex"].chance)
    nothing = evidence.build(schema, [empty, empty]).groups["sex"].chance
    np.testing.assert_allclose(nothing, [0.5, 0.5])


def test_an_untold_count_is_read_as_five() -> None:
    schema = schema_of([["upn"]])
    one = Statistics({"upn": FieldStatistics(995, (None, 990), ())}, {}, 0)
    group = evidence.build(schema, [one, one]).groups["upn"]
    assert sorted(group.chance.tolist()) == pytest.approx([5 / 995, 990 / 995])


def test_every_field_without_statistics_is_named() -> None:
    one = statistics_of(SCHEMA, AGREE)
    fields = {name: f for name, f in one.fields.items() if name not in ("dob", "sex")}
    with pytest.raises(ScoringError, match=r"'dob', 'sex'"):
        evidence.build(SCHEMA, [one, Statistics(fields, one.swapped, one.swapped_pairs)])


@pytest.mark.parametrize("change", ["states", "swapped"])
def test_statistics_of_another_schema_are_refused(change: str) -> None:
    one = statistics_of(SCHEMA, AGREE)
    fields = dict(one.fields)
    swapped = dict(one.swapped)
    if change == "states":
        fields["dob"] = FieldStatistics(1000, (990, 10), ())
    else:
        swapped.pop("sorted")
    with pytest.raises(ScoringError, match="do not fit the schema") as caught:
        evidence.build(SCHEMA, [one, Statistics(fields, swapped, one.swapped_pairs)])
    assert caught.value.code == "PL-SCORE-01"


def test_a_schema_with_far_too_many_states_is_refused_before_memory_is_taken() -> None:
    passes = [[join(f, d), "sex"] for f in ("forename", "surname") for d in DERIVATIONS["forename"]]
    passes += [[join("dob", d), "sex"] for d in DERIVATIONS["date"]]
    passes += [[join("postcode", d), "sex"] for d in DERIVATIONS["postcode"]]
    schema = schema_of([*passes, (["sex", "upn"], ["forename", "surname", "dob", "postcode", "street"])])
    one = statistics_of(schema, AGREE, part=1.0)
    with pytest.raises(ScoringError, match="states of a pair; at most 4,000,000"):
        evidence.build(schema, [one, one])


def test_a_state_that_no_sampled_pair_showed_looks_like_the_others() -> None:
    schema = schema_of([(["dob"], ["forename"]), ["forename.soundex", "dob.year"]])
    states = agreement_states("forename", schema.tracked["forename"])
    sampled = [(None, None, None, None), (None, 100, 300, 600), (None, None, None, None)]
    assert len(states) == 3
    one = statistics_of(schema, AGREE)
    fields = dict(one.fields) | {"forename": FieldStatistics(10**6, (100, 900, 999_000), tuple(sampled))}
    changed = Statistics(fields, {}, 0)
    group = evidence.build(schema, [changed, changed]).groups["forename"]
    never = [group.chance[(group.masks == group.masks.min()) & (group.level == k)].sum() for k in (2, 3, 4)]
    np.testing.assert_allclose(np.asarray(never) / sum(never), [0.1, 0.3, 0.6], atol=0.01)


def test_real_statistics_fit_the_schema_they_were_measured_under() -> None:
    rows: list[dict[str, str | None]] = [
        {name: str(np.random.default_rng(n).choice(values)) for name, values in VALUES.items()}
        for n in range(60)
    ]
    one = chances_of.measure(cleaned_of(SCHEMA, rows), SCHEMA)
    states = States(evidence.build(SCHEMA, [one, one]))
    assert states.probabilities(chances(states.model)).sum() == pytest.approx(1.0)


def test_a_pair_of_names_is_crosswise_in_every_set_of_derivations() -> None:
    model = states_of().model
    used = SCHEMA.used["names"]
    wanted = [c for n in range(1, len(used) + 1) for c in combinations(used, n)]
    assert len(model.groups["crossed"].masks) == len(wanted)
