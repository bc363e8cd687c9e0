"""
What each agency holds about whom, and how often it is wrong.

Source: specs/synthetic.md, sections 5 and 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pseudolink.synthetic import mistakes
from pseudolink.synthetic.numbers import temporary_upn
from pseudolink.synthetic.people import People
from pseudolink.synthetic.streams import FEMALE, MALE, Flags, Numbers, Strings, filled, strings

NO_FIXED_ABODE: Final = "ZZ99 3VZ"
FACTOR: Final = 4.0


@dataclass(frozen=True)
class Rates:
    """
    How often an agency's records err: chances per record unless it says otherwise.

    nickname: of the people whose forename has a short form. hyphen: of hyphenated names.
    former_surname: of the people who bore another one. moved: of households. apart: of people.
    plain: the system keeps capital letters without accents.
    careless: share of records that err FACTOR times as often; the others less, so that the
        chances above hold on average. Mistakes come together: a record taken in haste has several.
    """

    typing: float
    sound: float
    nickname: float
    hyphen: float
    swapped: float
    former_surname: float
    day_month: float
    wrong_year: float
    wrong_day: float
    moved: float
    apart: float
    wrong_postcode: float
    wrong_sex: float = 0.0
    missing_forename: float = 0.001
    missing_surname: float = 0.0005
    missing_dob: float = 0.004
    missing_postcode: float = 0.01
    missing_sex: float = 0.0
    missing_nino: float = 0.0
    missing_upn: float = 0.0
    wrong_nino: float = 0.0
    temporary_upn: float = 0.0
    no_fixed_abode: float = 0.0
    plain: bool = False
    careless: float = 0.06


RATES: Final = {
    "council": Rates(
        typing=0.016, sound=0.010, nickname=0.12, hyphen=0.20, swapped=0.004, former_surname=0.05,
        day_month=0.004, wrong_year=0.004, wrong_day=0.006, moved=0.04, apart=0.01, wrong_postcode=0.010,
        wrong_sex=0.004, missing_postcode=0.02, missing_sex=0.01, missing_nino=0.10, missing_upn=0.08,
        wrong_nino=0.003, temporary_upn=0.008,
    ),
    "schools": Rates(
        typing=0.015, sound=0.010, nickname=0.12, hyphen=0.20, swapped=0.004, former_surname=0.5,
        day_month=0.004, wrong_year=0.004, wrong_day=0.006, moved=0.06, apart=0.01, wrong_postcode=0.010,
        wrong_sex=0.003, missing_upn=0.005, temporary_upn=0.012,
    ),
    "work": Rates(
        typing=0.014, sound=0.007, nickname=0.06, hyphen=0.3, swapped=0.004, former_surname=0.14,
        day_month=0.005, wrong_year=0.005, wrong_day=0.006, moved=0.07, apart=0.02, wrong_postcode=0.010,
        missing_nino=0.01, wrong_nino=0.003, plain=True,
    ),
    "offending": Rates(
        typing=0.022, sound=0.014, nickname=0.15, hyphen=0.3, swapped=0.006, former_surname=0.10,
        day_month=0.005, wrong_year=0.005, wrong_day=0.006, moved=0.05, apart=0.02, wrong_postcode=0.01,
        missing_postcode=0.02, no_fixed_abode=0.006, plain=True, careless=0.12,
    ),
}  # fmt: skip


def identify(people: People, rows: Numbers, rates: Rates, rng: np.random.Generator) -> dict[str, Strings]:
    """
    The identifiers of the people in ``rows`` as an agency with these rates has them.

    Returns: forename, surname, dob, sex, postcode, nino, upn; each (len(rows),), None if missing.
    """
    size = len(rows)

    careless = rng.random(size) < rates.careless
    care = (1 - FACTOR * rates.careless) / (1 - rates.careless)
    often = np.where(careless, FACTOR, care)

    def happens(chance: float) -> Flags:
        return rng.random(size) < chance * often

    forename, surname = people.forename[rows].copy(), people.surname[rows].copy()
    former = people.former_surname[rows]
    old = happens(rates.former_surname) & filled(former)
    surname[old] = former[old]
    mistakes.apply(forename, happens(rates.nickname), mistakes.nickname, rng)
    for names in (forename, surname):
        mistakes.apply(names, happens(rates.hyphen), mistakes.hyphen, rng)
        mistakes.apply(names, happens(rates.sound), mistakes.sound, rng)
        mistakes.apply(names, happens(rates.typing), mistakes.typing, rng)
    swapped = happens(rates.swapped)
    forename[swapped], surname[swapped] = surname[swapped], forename[swapped]
    if rates.plain:
        for names in (forename, surname):
            known = {name: mistakes.plain(name).upper() for name in set(names)}
            names[:] = [known[name] for name in names]

    dob = np.datetime_as_string(people.birth[rows], unit="D").astype(object)
    for chance, mistake in (
        (rates.day_month, mistakes.day_month),
        (rates.wrong_year, mistakes.wrong_year),
        (rates.wrong_day, mistakes.wrong_day),
    ):
        mistakes.apply(dob, happens(chance), mistake, rng)

    postcode = _postcodes(people, rows, rates, happens, rng)
    sex = np.where(people.sex[rows] == FEMALE, "F", "M").astype(object)
    wrong = happens(rates.wrong_sex)
    sex[wrong] = np.where(sex[wrong] == "F", "M", "F")

    nino, upn = people.nino[rows].copy(), people.upn[rows].copy()
    mistakes.apply(nino, happens(rates.wrong_nino), mistakes.wrong_digit, rng)
    mistakes.apply(upn, happens(rates.temporary_upn), temporary_upn, rng)
    cells = {
        "forename": (forename, rates.missing_forename),
        "surname": (surname, rates.missing_surname),
        "dob": (dob, rates.missing_dob),
        "sex": (sex, rates.missing_sex),
        "postcode": (postcode, rates.missing_postcode),
        "nino": (nino, rates.missing_nino),
        "upn": (upn, rates.missing_upn),
    }
    for values, chance in cells.values():
        values[happens(chance)] = None
    return {name: values for name, (values, _) in cells.items()}


def _postcodes(
    people: People, rows: Numbers, rates: Rates, happens: Callable[[float], Flags], rng: np.random.Generator
) -> Strings:
    """Postcodes as the agency knows them: an old address is old for the whole household."""
    homes = people.household[rows]
    stale = rng.random(people.household.max() + 1) < rates.moved
    unit = np.where(stale[homes], people.former_unit[rows], people.unit[rows])
    elsewhere = happens(rates.apart)
    unit = np.where(elsewhere, people.postcodes.draw(len(rows), rng), unit)
    postcode = people.postcodes.units[unit]
    mistakes.apply(postcode, happens(rates.wrong_postcode), mistakes.wrong_postcode, rng)
    postcode[happens(rates.no_fixed_abode)] = NO_FIXED_ABODE
    return postcode


# ---------------------------------------------------------------- who is in which extract


def choose_cohort(people: People, share: float, rng: np.random.Generator) -> Flags:
    """(n,) whether each person is in the council's cohort: whole families, more with children."""
    homes = int(people.household.max()) + 1
    size = np.bincount(people.household, minlength=homes)
    children = np.bincount(people.household, weights=people.child & (people.age < 19), minlength=homes)
    weight = np.where(children > 0, 4.0, 1.0)
    order = np.argsort(rng.exponential(size=homes) / weight)
    taken = np.zeros(homes, dtype=bool)
    enough = max(1, int(np.searchsorted(np.cumsum(size[order]), share * people.count)))
    taken[order[:enough]] = True
    chosen: Flags = taken[people.household]
    return chosen


def choose_schools(people: People, rng: np.random.Generator) -> Flags:
    """(n,) whether each person is in the schools' extract: most pupils of the area."""
    return filled(people.upn) & (rng.random(people.count) < 0.93)


def choose_work(people: People, rng: np.random.Generator) -> Flags:
    """(n,) whether each person is in the work extract: most people of working age."""
    working = (people.age >= 16) & (people.age < 68)
    return working & (rng.random(people.count) < 0.85)


def choose_offending(people: People, cohort: Flags, rng: np.random.Generator) -> Flags:
    """(n,) whether each person has a recorded offence: young men and the cohort more often."""
    age = np.array([0.0, 0.10, 0.24, 0.20, 0.11, 0.04])[
        np.searchsorted([10, 15, 25, 40, 60], people.age, side="right")
    ]
    chance = age * np.where(people.sex == MALE, 1.4, 0.5) * np.where(cohort, 1.5, 0.9)
    return rng.random(people.count) < chance


# ---------------------------------------------------------------- attributes


def programme(people: People, rows: Numbers, rng: np.random.Generator) -> dict[str, Strings]:
    """Programme and family IDs, arm and dates: a family is in one arm and has one start."""
    council = people.council[rows]
    homes = np.unique(people.household[rows])
    numbers = rng.permutation(len(homes)) + 1
    arms = np.where(rng.random(len(homes)) < 0.5, "participant", "comparison").astype(object)
    starts = np.datetime64("2019-04-01") + rng.integers(0, 4 * 365, len(homes)).astype("timedelta64[D]")
    ends = starts + rng.integers(90, 540, len(homes)).astype("timedelta64[D]")
    home = np.searchsorted(homes, people.household[rows])
    took_part = arms[home] == "participant"
    own = rng.permutation(len(rows)) + 1
    family, programme_id = strings(len(rows)), strings(len(rows))
    family[:] = [f"{c}-F{n:05d}" for c, n in zip(council, numbers[home].tolist(), strict=True)]
    programme_id[:] = [f"{c}-{n:06d}" for c, n in zip(council, own.tolist(), strict=True)]
    start, end = strings(len(rows)), strings(len(rows))
    start[took_part] = np.datetime_as_string(starts[home[took_part]], unit="D")
    end[took_part] = np.datetime_as_string(ends[home[took_part]], unit="D")
    return {
        "programme_id": programme_id,
        "family_id": family,
        "programme_start": start,
        "programme_end": end,
        "arm": arms[home],
    }


def schooling(size: int, rng: np.random.Generator) -> dict[str, npt.NDArray[np.generic] | Strings]:
    """Attendance in per cent with one decimal, and how often a pupil was excluded."""
    attendance = np.round(100 * (1 - rng.beta(1.6, 18.0, size)), 1)
    return {"attendance": attendance, "exclusions": rng.negative_binomial(0.15, 0.5, size)}


def working(people: People, rows: Numbers, rng: np.random.Generator) -> dict[str, Strings]:
    """Earnings of the year in bands, and whether in work at the reference date."""
    bands = np.array(["none", "under 10000", "10000-19999", "20000-29999", "30000-49999", "50000 or more"])
    young = people.age[rows] < 20
    grown = rng.choice(6, size=len(rows), p=(0.2, 0.15, 0.2, 0.22, 0.16, 0.07))
    band = np.where(young, rng.choice(3, size=len(rows), p=(0.55, 0.35, 0.1)), grown)
    employed = (band > 0) & (rng.random(len(rows)) < 0.9)
    return {
        "earnings_band": bands[band].astype(object),
        "employed": np.where(employed, "yes", "no").astype(object),
    }


def offences(size: int, rng: np.random.Generator) -> dict[str, Numbers]:
    """How many offences are recorded, and the year of the latest."""
    return {
        "offences": rng.geometric(0.55, size),
        "offence_year": rng.integers(2016, 2024, size),
    }
