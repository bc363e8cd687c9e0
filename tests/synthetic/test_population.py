"""The synthetic population: who is in it, what agencies hold, how often they err."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pseudolink.errors import OutputExistsError, UsageError
from pseudolink.synthetic import people as model
from pseudolink.synthetic import population as synthetic
from pseudolink.synthetic.mistakes import plain
from pseudolink.synthetic.population import Population

PEOPLE, SEED = 20_000, 11


@pytest.fixture(scope="module")
def made() -> Population:
    return synthetic.generate(PEOPLE, SEED)


@pytest.fixture(scope="module")
def everyone() -> model.People:
    return model.make(PEOPLE, SEED)


def folded(values: pd.Series) -> pd.Series:
    return values.map(lambda name: plain(name).upper() if isinstance(name, str) else "")


def test_a_seed_gives_the_same_population_again() -> None:
    first, second, other = (synthetic.generate(500, seed) for seed in (3, 3, 4))
    for party in synthetic.PARTIES:
        pd.testing.assert_frame_equal(first.extracts[party], second.extracts[party])
        assert np.array_equal(first.truth[party], second.truth[party])
    assert first.objections == second.objections
    assert not first.extracts["council"].equals(other.extracts["council"])


def test_five_thousand_people_are_made_quickly() -> None:
    start = time.perf_counter()
    synthetic.generate(5_000, 1)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("size", [50, 51, 73])
def test_the_smallest_populations_have_a_row_for_every_party(size: int) -> None:
    made = synthetic.generate(size, 2)
    assert all(len(table) for table in made.extracts.values())


@pytest.mark.parametrize(("size", "seed"), [(49, 1), (2_000_001, 1), (100, -1)])
def test_sizes_and_seeds_out_of_range_are_refused(size: int, seed: int) -> None:
    with pytest.raises(UsageError):
        synthetic.generate(size, seed)


def test_extracts_have_the_declared_columns_and_no_truth(made: Population) -> None:
    for party in synthetic.PARTIES:
        declared = (
            *synthetic.IDENTIFIERS[party],
            *synthetic.KEYS.get(party, ()),
            *synthetic.ATTRIBUTES[party],
        )
        assert tuple(made.extracts[party].columns) == declared
        assert made.truth[party].dtype == np.int64
        assert len(made.truth[party]) == len(made.extracts[party])
        assert len(np.unique(made.truth[party])) == len(made.truth[party])


def test_row_order_does_not_tell_who_is_who(made: Population) -> None:
    for truth in made.truth.values():
        place = np.corrcoef(truth, np.arange(len(truth)))[0, 1]
        assert abs(place) < 5 / np.sqrt(len(truth))


def test_extracts_overlap_in_part(made: Population) -> None:
    cohort = made.truth["council"]
    assert 0.37 < len(cohort) / PEOPLE < 0.43
    for party in ("schools", "work", "offending"):
        both = len(np.intersect1d(cohort, made.truth[party]))
        assert 0.1 < both / len(made.truth[party]) < 0.7


def test_the_cohort_is_made_of_whole_families_in_one_arm(made: Population, everyone: model.People) -> None:
    council = made.extracts["council"]
    home = everyone.household[made.truth["council"]]
    families = pd.DataFrame({"home": home, "family": council["family_id"], "arm": council["arm"]})
    assert (families.groupby("home").nunique() == 1).all(axis=None)
    assert families.groupby("family")["home"].nunique().max() == 1
    assert set(np.bincount(everyone.household)[home] - families.groupby("home")["arm"].transform("size")) == {
        0
    }
    assert 0.4 < (council["arm"] == "participant").mean() < 0.6


def test_programme_ids_are_distinct_and_carry_the_council(made: Population) -> None:
    ids = made.extracts["council"]["programme_id"]
    assert ids.is_unique
    assert ids.str.fullmatch(r"E060000(47|04)-\d{6}").all()
    assert set(ids.str[:9]) == {"E06000047", "E06000004"}


def test_participants_have_dates_in_order_and_comparison_families_none(made: Population) -> None:
    council = made.extracts["council"]
    part = council["arm"] == "participant"
    assert (council["programme_start"][part] < council["programme_end"][part]).all()
    assert council.loc[~part, ["programme_start", "programme_end"]].isna().all(axis=None)


def test_one_in_a_hundred_objects(made: Population) -> None:
    ids = made.extracts["council"]["programme_id"]
    assert len(made.objections) == round(0.01 * len(ids))
    assert set(made.objections) <= set(ids)


def test_few_people_have_both_numbers_and_all_are_sixteen_to_eighteen(everyone: model.People) -> None:
    has = [np.array([n is not None for n in numbers]) for numbers in (everyone.nino, everyone.upn)]
    both = has[0] & has[1]
    assert 0.01 < both.mean() < 0.04
    assert set(everyone.age[both]) == {16, 17, 18}


def test_three_in_a_hundred_children_are_twins(everyone: model.People) -> None:
    twins = everyone.twin[everyone.child]
    assert 0.02 < twins.mean() < 0.04
    table = pd.DataFrame({"home": everyone.household, "birth": everyone.birth, "name": everyone.forename})
    pairs = table[everyone.twin].groupby(["home", "birth"])["name"].agg(["size", "nunique"])
    # The household at the very end may be cut between two twins.
    assert (pairs["size"] == 2).sum() >= len(pairs) - 1
    assert (pairs["nunique"] == pairs["size"]).all()


def test_children_are_younger_than_those_who_raise_them(everyone: model.People) -> None:
    table = pd.DataFrame({"home": everyone.household, "child": everyone.child, "birth": everyone.birth})
    eldest = table[table["child"]].groupby("home")["birth"].min()
    parents = table[~table["child"]].groupby("home")["birth"].max()
    gap = (eldest - parents.reindex(eldest.index)).dt.days / 365.25
    assert gap.min() > 15.9


def test_names_are_uneven_and_of_several_origins(everyone: model.People) -> None:
    shares = pd.Series(everyone.surname).value_counts(normalize=True)
    assert 0.005 < shares.iloc[0] < 0.03
    assert len(shares) > 2_000
    accented = np.array([plain(name) != name for name in everyone.forename])
    assert 0.005 < accented.mean() < 0.1
    assert any("ł" in name.lower() for name in everyone.surname)


def test_postcodes_are_shared_by_several_households(everyone: model.People) -> None:
    homes = (
        pd.DataFrame({"home": everyone.household, "unit": everyone.unit}).groupby("unit")["home"].nunique()
    )
    assert 4 < homes.median() < 14


@pytest.mark.parametrize("party", synthetic.PARTIES)
def test_errors_are_as_frequent_as_the_specification_says(
    party: str, made: Population, everyone: model.People
) -> None:
    table, rows = made.extracts[party], made.truth[party]
    name = (folded(table["forename"]) != folded(pd.Series(everyone.forename[rows]))) | (
        folded(table["surname"]) != folded(pd.Series(everyone.surname[rows]))
    )
    dob = table["dob"].to_numpy(dtype=object) != np.datetime_as_string(everyone.birth[rows], unit="D")
    postcode = table["postcode"].to_numpy(dtype=object) != everyone.postcodes.units[everyone.unit[rows]]
    assert 0.07 < name.mean() < 0.15
    assert 0.010 < dob.mean() < 0.035
    assert 0.05 < postcode.mean() < 0.14


def test_numbers_are_missing_and_wrong_as_often_as_said(made: Population, everyone: model.People) -> None:
    table, rows = made.extracts["council"], made.truth["council"]
    for field, lost, wrong in (("nino", 0.10, 0.003), ("upn", 0.08, 0.008)):
        right = pd.Series(getattr(everyone, field)[rows])
        held = table[field][right.notna()]
        assert abs(held.isna().mean() - lost) < 0.025
        other = held.notna() & (held != right[right.notna()])
        assert 0 < other.mean() < 4 * wrong
    temporary = made.extracts["schools"]["upn"].str.fullmatch(r".{12}[A-Z]").mean()
    assert 0.005 < temporary < 0.03


def test_an_offending_record_has_no_identifier_beside_name_date_and_postcode(made: Population) -> None:
    assert set(made.extracts["offending"].columns) == {
        "forename", "surname", "dob", "postcode", "offences", "offence_year",
    }  # fmt: skip


def test_offending_records_agree_with_the_cohort_well_enough_to_link(made: Population) -> None:
    """Nearly every shared person agrees in two of name, date of birth and postcode, and few others do."""

    def keyed(party: str) -> pd.DataFrame:
        table = made.extracts[party]
        return pd.DataFrame(
            {
                "who": made.truth[party],
                "name": folded(table["forename"]).str[:3] + folded(table["surname"]).str[:3],
                "dob": table["dob"].fillna(""),
                "postcode": table["postcode"].fillna(""),
            }
        )

    left, right = keyed("council"), keyed("offending")
    pairs = pd.concat(
        left.merge(right, on=list(fields))[["who_x", "who_y"]]
        for fields in (("name", "dob"), ("name", "postcode"))
    ).drop_duplicates()
    shared = len(np.intersect1d(left["who"], right["who"]))
    right_pairs = int((pairs["who_x"] == pairs["who_y"]).sum())
    assert right_pairs / shared > 0.85
    assert right_pairs / len(pairs) > 0.9


def test_every_agency_gets_its_own_folder_and_nothing_else(tmp_path: Path) -> None:
    made = synthetic.generate(200, 5)
    paths = synthetic.write(made, tmp_path / "demo")
    found = {str(p.relative_to(tmp_path / "demo")) for p in (tmp_path / "demo").rglob("*") if p.is_file()}
    assert found == {f"{party}/extract.csv" for party in synthetic.PARTIES} | {"council/objections.csv"}
    for party, path in paths.items():
        assert path == tmp_path / "demo" / party / "extract.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        expected = made.extracts[party].astype(object).where(made.extracts[party].notna(), "")
        assert [[str(v) for v in row] for row in expected.to_numpy()] == [list(r.values()) for r in rows]
    listed = (tmp_path / "demo" / "council" / "objections.csv").read_text(encoding="utf-8")
    assert tuple(listed.split()) == made.objections


def test_nothing_is_written_when_one_extract_is_there_already(tmp_path: Path) -> None:
    made = synthetic.generate(60, 5)
    there = tmp_path / "work" / "extract.csv"
    there.parent.mkdir()
    there.write_text("mine")
    with pytest.raises(OutputExistsError):
        synthetic.write(made, tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [there]
    assert there.read_text() == "mine"


def test_a_hundred_thousand_people_are_made_within_a_minute() -> None:
    start = time.perf_counter()
    synthetic.generate(100_000, 1)
    assert time.perf_counter() - start < 60
