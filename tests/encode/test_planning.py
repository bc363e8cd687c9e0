"""planning-v1 sections 3 and 4: candidates and their choice, against counting by force."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from reference_linkage import cleaned_of, schema_of

from pseudolink.encode.bits import Table
from pseudolink.encode.derive import derive
from pseudolink.encode.planning import Material, choose, combinations_of, found_share
from pseudolink.encode.planning_floor import Floor, Keys, Limits
from pseudolink.engines import threads
from pseudolink.synthetic.copies import ErrorRates, erring_copies

SCHEMA = schema_of([["forename", "dob"]])
RNG = np.random.default_rng(11)
LETTERS = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def people(count, rng=RNG):
    forenames = ["".join(rng.choice(LETTERS, 6)) for _ in range(60)]
    surnames = ["".join(rng.choice(LETTERS, 7)) for _ in range(200)]
    return [
        {
            "forename": str(rng.choice(forenames)),
            "surname": str(rng.choice(surnames)),
            "dob": f"{rng.integers(1950, 2010)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}",
            "postcode": f"TS{rng.integers(1, 30)} {rng.integers(0, 10)}AB",
            "sex": "FM"[int(rng.integers(2))],
        }
        for _ in range(count)
    ]


ROWS = people(1500)
PEOPLE = cleaned_of(SCHEMA, ROWS)
KINDS = {name: field.kind for name, field in SCHEMA.fields.items()}
PAIRS = erring_copies(PEOPLE, KINDS, ErrorRates(), copies=2, seed=1)


def planned(company=0.05, component=20, passes=20, population=1500, extracts=(PEOPLE,), **more):
    material = Material(tuple(extracts), PAIRS, 1500, 2)
    return choose(material, SCHEMA, Limits(company, component, passes, population), **more)


def component(row, name):
    field, _, derivation = name.partition(".")
    if field == "names":
        inner = {"sorted": "", "sorted_soundex": "soundex", "sorted_metaphone": "metaphone"}[derivation]
        if row["forename"] is None or row["surname"] is None:
            return None
        return tuple(sorted(derive("surname", inner, row[n]) for n in ("forename", "surname")))
    value = row[field]
    return None if value is None else derive(KINDS[field], derivation, value)


def cells(cleaned):
    names = ("forename", "surname", "dob", "postcode", "sex")
    columns = [
        np.asarray([*cleaned.fields[n].values, None], dtype=object)[cleaned.fields[n].codes] for n in names
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def token(row, on):
    parts = tuple(component(row, name) for name in on)
    return None if None in parts else parts


def test_numbers_stand_alone_and_others_in_twos_to_fours_of_different_fields():
    tried = list(combinations_of(SCHEMA))
    assert ("nino.stem",) in tried
    assert ("upn",) in tried
    assert ("names.sorted_soundex", "dob") in tried
    assert not [on for on in tried if len(on) > 4]
    for on in tried:
        fields = [name.split(".")[0] for name in on]
        assert len(set(fields)) == len(fields)
        assert "names" not in fields or not {"forename", "surname"} & set(fields)
        assert len(on) > 1 or fields[0] in ("nino", "upn", "nhs", "uln")


def test_recall_and_company_are_what_counting_by_force_gives():
    chosen = planned(passes=6)
    rows = cells(PAIRS)
    originals, copies = rows[:1500], [rows[1500:3000], rows[3000:]]
    found = [
        any((t := token(a, one.on)) is not None and t == token(b, one.on) for one in chosen)
        for copy in copies
        for a, b in zip(originals, copy, strict=True)
    ]
    assert chosen[-1].recall == pytest.approx(np.mean(found))
    alike = np.zeros(1500, dtype=bool)
    for one in chosen:
        counts = Counter(token(row, one.on) for row in originals)
        alike |= np.asarray(
            [counts[token(r, one.on)] > 1 and token(r, one.on) is not None for r in originals]
        )
    assert chosen[-1].company == pytest.approx(alike.mean())


def test_the_floor_holds_with_a_tenth_in_reserve_in_every_extract():
    other = cleaned_of(SCHEMA, people(900, np.random.default_rng(5)))
    chosen = planned(company=0.02, extracts=(PEOPLE, other))
    assert chosen
    for extract in (PEOPLE, other):
        rows = cells(extract)
        alike = np.zeros(len(rows), dtype=bool)
        for one in chosen:
            tokens = [token(row, one.on) for row in rows]
            counts = Counter(tokens)
            alike |= np.asarray([t is not None and counts[t] > 1 for t in tokens])
        assert alike.mean() <= 0.9 * 0.02


def test_the_same_people_in_two_extracts_are_no_company():
    twice, once = planned(extracts=(PEOPLE, PEOPLE)), planned()
    assert twice[0].on == once[0].on
    assert twice[-1].recall == pytest.approx(once[-1].recall, abs=0.01)
    assert twice[-1].company <= 0.05


def test_recall_and_company_only_rise_and_gains_add_up():
    chosen = planned()
    recalls = [one.recall for one in chosen]
    assert recalls == sorted(recalls)
    assert [one.company for one in chosen] == sorted(one.company for one in chosen)
    assert sum(one.gained for one in chosen) == pytest.approx(recalls[-1], abs=1e-9)


def test_less_company_allowed_or_a_larger_population_gives_narrower_passes():
    wide, narrow, large = planned(0.10), planned(0.005), planned(0.10, population=30_000)
    assert narrow[-1].recall <= wide[-1].recall
    assert large[-1].recall < wide[-1].recall
    assert large[-1].company <= 0.10


def test_no_more_passes_than_asked_for():
    assert len(planned(passes=3)) == 3


def test_no_component_grows_beyond_the_limit():
    """Blocks of three are too much when two may hang together."""
    chosen = planned(company=0.3, component=2)
    assert max(one.largest_block for one in chosen) <= 2


def test_nothing_is_chosen_where_everything_is_too_broad():
    alike = cleaned_of(SCHEMA, [ROWS[0]] * 1500)
    assert choose(Material((alike,), PAIRS, 1500, 2), SCHEMA, Limits(0.05, 20, 10, 1500)) == []


def test_the_passes_are_the_same_on_any_number_of_threads():
    def run(function, batches):
        return threads.run(function, batches, threads=3)

    assert planned(run=run) == planned()


def test_what_only_one_pass_finds_is_what_is_lost_without_it():
    chosen = planned(passes=5)
    whole = found_share(PAIRS, 1500, SCHEMA, [one.on for one in chosen])
    assert whole == pytest.approx(chosen[-1].recall)
    for left_out in chosen:
        rest = [one.on for one in chosen if one is not left_out]
        assert whole - found_share(PAIRS, 1500, SCHEMA, rest) == pytest.approx(left_out.alone)


def test_expectation_is_told_of_other_copies_than_those_passes_are_chosen_with():
    rates = {"typing": 0.3, "postcode": 0.3, "missing": 0.2}
    worse = erring_copies(PEOPLE, KINDS, ErrorRates.of(rates), copies=2, seed=8)
    material = Material((PEOPLE,), PAIRS, 1500, 2, worse)
    chosen = choose(material, SCHEMA, Limits(0.05, 20, 12, 1500))
    assert {one.on for one in chosen} == {one.on for one in planned(passes=12)}
    assert chosen[-1].recall == pytest.approx(found_share(worse, 1500, SCHEMA, [one.on for one in chosen]))
    assert chosen[-1].recall < planned(passes=12)[-1].recall


def test_an_exchange_never_finds_less(monkeypatch):
    exchanged = planned(passes=8)[-1].recall
    monkeypatch.setattr("pseudolink.encode.planning._ROUNDS", 0)
    assert exchanged >= planned(passes=8)[-1].recall


POPULATION = people(40_000, np.random.default_rng(21))


def test_company_of_a_population_holds_for_a_plan_from_a_twentieth_of_it():
    """2,000 of 40,000: next to nothing is seen in the sample, and the floor is kept in the whole."""
    sample = cleaned_of(SCHEMA, POPULATION[:2000])
    pairs = erring_copies(sample, KINDS, ErrorRates(), copies=2, seed=1)
    limits = Limits(0.05, 20, 30, 40_000)
    chosen = choose(Material((sample,), pairs, 2000, 2), SCHEMA, limits)
    assert len(chosen) > 5
    components = sorted({name for one in chosen for name in one.on})
    keys = Keys(cleaned_of(SCHEMA, POPULATION), SCHEMA, components)
    alike = np.zeros(40_000, dtype=bool)
    for one in chosen:
        table = Table(40_000)
        table.alike(*keys.of(one.on), 10**9)
        alike |= table.found
    assert 0 < alike.mean() <= 0.05


def test_expected_company_is_that_of_the_population_where_fields_are_independent():
    on = ("forename", "surname", "dob.year")
    sample = cleaned_of(SCHEMA, POPULATION[:4000])
    floor = Floor((sample,), SCHEMA, Limits(0.05, 20, 30, 40_000), on)
    keys = Keys(cleaned_of(SCHEMA, POPULATION), SCHEMA, on)
    pairs = Table(40_000).pairs(*keys.of(on))
    expected = floor.expected(0, on, Table(4000)) * 10 / 4000
    assert expected == pytest.approx(2 * pairs / 40_000, rel=0.25)


def test_nothing_is_expected_beyond_what_is_seen_where_the_extract_is_the_population():
    floor = Floor((PEOPLE,), SCHEMA, Limits(0.05, 20, 30, 1500), ("forename", "dob"))
    assert floor.expected(0, ("forename", "dob"), Table(1500)) == 0.0


def test_twins_whom_a_sample_parts_are_company_once_for_all_passes_without_a_forename():
    floor = Floor((PEOPLE,), SCHEMA, Limits(0.2, 20, 30, 15_000), ["surname", "dob", "postcode", "forename"])
    batch = [("surname", "dob", "postcode"), ("forename", "dob", "postcode")]
    without, with_forename = floor.options(batch)
    assert without.twins
    assert not with_forename.twins
    assert floor.twins[0] == pytest.approx(0.015 * 1500 / 10 * 0.9)
