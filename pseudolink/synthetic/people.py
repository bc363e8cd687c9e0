"""
Who lives in the population: households, families, names, dates of birth, numbers, addresses.

The truth behind the extracts. Nothing here has an error in it; agencies' records are made from
it in ``extracts``.

Source: specs/synthetic.md, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pseudolink.synthetic import names
from pseudolink.synthetic.numbers import AUTHORITIES, Postcodes, ninos, upns
from pseudolink.synthetic.streams import (
    FEMALE,
    MALE,
    REFERENCE,
    YEAR,
    Days,
    Flags,
    Numbers,
    Strings,
    filled,
    stream,
    strings,
)

# Kinds of household: share, adults, whether there are children (of what age the eldest).
SINGLE, COUPLE, PARENTS, LONE, GROWN, THREE, SHARED = range(7)
_SHARES: Final = (0.27, 0.27, 0.24, 0.10, 0.07, 0.03, 0.02)
_ADULTS: Final = np.array([1, 2, 2, 1, 2, 3, 3])
_PARTNERED: Final = np.array([False, True, True, False, True, True, False])
_CHILDREN: Final = (0.44, 0.37, 0.13, 0.06)  # one to four births
_TWIN_MATERNITY: Final = 0.0152  # so that 3 % of children are one of twins
SCHOOL: Final = (4, 18)
WORKING_AGE: Final = 16


@dataclass(frozen=True)
class People:
    """
    n people in the order of their households; every array has n entries.

    household: number of the household; those who share it are a family in the council's sense.
    age: completed years at the reference date. child: born to the household's adults.
    former_surname: a name borne before, None where there is none.
    unit, former_unit: indices into ``postcodes.units``; former is where the household lived before.
    nino, upn: None where the person has none.
    """

    household: Numbers
    origin: Numbers
    sex: Numbers
    birth: Days
    age: Numbers
    child: Flags
    twin: Flags
    forename: Strings
    surname: Strings
    former_surname: Strings
    unit: Numbers
    former_unit: Numbers
    nino: Strings
    upn: Strings
    postcodes: Postcodes

    @property
    def count(self) -> int:
        """Number of people, n."""
        return len(self.household)

    @property
    def council(self) -> Strings:
        """(n,) GSS code of the council where each person lives."""
        return self.postcodes.councils[self.unit]


@dataclass(frozen=True)
class _Seats:
    """One row a person, before names: who they are in their household."""

    household: Numbers
    kind: Numbers
    adult: Numbers  # 0, 1, 2 for adults; -1 for a child
    birth_order: Numbers  # -1 for an adult
    twin: Flags
    days: Numbers  # age in days


@dataclass(frozen=True)
class _Homes:
    """One row a household: its kind, births, and the ages in days that its people hang on."""

    kind: Numbers
    births: Numbers
    eldest: Numbers
    first: Numbers
    second: Numbers


def _homes(size: int, rng: np.random.Generator) -> _Homes:
    kind = rng.choice(len(_SHARES), size=size, p=_SHARES)
    eldest = rng.uniform(0.0, 19.0, size)
    eldest = np.where(kind == GROWN, rng.uniform(18.0, 32.0, size), eldest)
    births = rng.choice(len(_CHILDREN), size=size, p=_CHILDREN) + 1
    # Sisters and brothers are more than nine months apart.
    births = np.minimum(births, 1 + np.floor(eldest / 1.6).astype(np.int64))
    births[np.isin(kind, (SINGLE, COUPLE, SHARED))] = 0
    mother = eldest + np.clip(rng.normal(28.5, 5.5, size), 16.3, 43.0)
    father = np.maximum(mother + rng.normal(2.3, 4.0, size), eldest + 16.5)
    alone = np.where(
        rng.random(size) < 0.6, rng.triangular(18, 30, 66, size), rng.triangular(50, 72, 96, size)
    )
    beside = np.clip(alone + rng.normal(2.3, 4.0, size), 18.0, 100.0)
    first, second = np.where(births > 0, mother, alone), np.where(births > 0, father, beside)
    return _Homes(kind, births, _days(eldest), _days(first), _days(second))


def _days(years: npt.NDArray[np.float64]) -> Numbers:
    return np.floor(years * YEAR).astype(np.int64)


def _seats(people: int, homes: _Homes, rng: np.random.Generator) -> _Seats:
    """A row a person, household by household, cut at ``people`` rows."""
    size = len(homes.kind)
    adults = _ADULTS[homes.kind]
    home = np.repeat(np.arange(size), adults)
    slot = np.arange(len(home)) - np.repeat(np.cumsum(adults) - adults, adults)
    days = np.where(slot == 0, homes.first[home], homes.second[home])
    elder = homes.first[home] + _days(rng.uniform(19.0, 38.0, len(home)))
    days = np.where((slot == 2) & (homes.kind[home] == THREE), np.minimum(elder, int(101 * YEAR)), days)
    days = np.where(homes.kind[home] == SHARED, _days(rng.triangular(18, 26, 70, len(home))), days)

    born = np.repeat(np.arange(size), homes.births)
    order = np.arange(len(born)) - np.repeat(np.cumsum(homes.births) - homes.births, homes.births)
    gap = homes.eldest[born] / np.maximum(homes.births[born], 1)
    wobble = np.where(order > 0, rng.uniform(-0.2, 0.2, len(born)), 0.0)
    child_days = np.floor(homes.eldest[born] - gap * (order + wobble)).astype(np.int64)
    twins = rng.random(len(born)) < _TWIN_MATERNITY
    copies = np.where(twins, 2, 1)
    none = np.full(len(born), -1)
    rows = {
        "household": np.concatenate([home, np.repeat(born, copies)]),
        "adult": np.concatenate([slot, np.repeat(none, copies)]),
        "birth_order": np.concatenate([np.full(len(home), -1), np.repeat(order, copies)]),
        "twin": np.concatenate([np.zeros(len(home), dtype=bool), np.repeat(twins, copies)]),
        "days": np.concatenate([days, np.repeat(child_days, copies)]),
    }
    keep = np.argsort(rows["household"], kind="stable")[:people]
    return _Seats(
        household=rows["household"][keep],
        kind=homes.kind[rows["household"][keep]],
        adult=rows["adult"][keep],
        birth_order=rows["birth_order"][keep],
        twin=rows["twin"][keep],
        days=rows["days"][keep],
    )


def _sexes(seats: _Seats, rng: np.random.Generator) -> Numbers:
    size = len(seats.household)
    sex = np.where(rng.random(size) < 0.51, FEMALE, MALE)
    partnered = _PARTNERED[seats.kind]
    sex = np.where(partnered & (seats.adult == 0), FEMALE, sex)
    sex = np.where(partnered & (seats.adult == 1), np.where(rng.random(size) < 0.97, MALE, FEMALE), sex)
    lone = (seats.kind == LONE) & (seats.adult == 0)
    return np.where(lone, np.where(rng.random(size) < 0.88, FEMALE, MALE), sex)


def _hyphenated(left: Strings, right: Strings) -> Strings:
    out = left.copy()
    out[:] = [
        f"{a}-{b}" if "-" not in a + b and " " not in a + b and len(a + b) < 22 and a != b else b
        for a, b in zip(left, right, strict=True)
    ]
    return out


def _surnames(
    seats: _Seats, sex: Numbers, origin: Numbers, pools: names.Pools, rng: np.random.Generator
) -> tuple[Strings, Strings]:
    """Surnames now and before: marriage, children of the unmarried, double-barrelled ones."""
    size = len(seats.household)
    homes = int(seats.household.max()) + 1
    born = pools.draw_surnames(origin, rng)
    mother, father = strings(homes), strings(homes)
    for slot, table in ((0, mother), (1, father)):
        rows = np.flatnonzero(seats.adult == slot)
        table[seats.household[rows]] = born[rows]
    # The last household may be cut after its first adult.
    father = np.where(filled(father), father, mother)

    partnered = np.zeros(homes, dtype=bool)
    partnered[seats.household] = _PARTNERED[seats.kind]
    married = partnered & (rng.random(homes) < 0.72)
    both = _hyphenated(mother, father)
    shared = np.where(rng.random(homes) < 0.06, both, father)
    draw = rng.random(homes)
    unmarried = np.where(draw < 0.55, father, np.where(draw < 0.8, mother, both))
    absent = pools.draw_surnames(rng.choice(len(names.ORIGINS), size=homes, p=names.ORIGIN_SHARES), rng)
    lone = np.where(draw < 0.6, mother, absent)
    of_children = np.where(married, shared, np.where(partnered, unmarried, lone))

    home = seats.household
    child = seats.adult < 0
    bride = (seats.adult == 0) & married[home]
    elder = (seats.adult == 2) & (seats.kind == THREE) & (rng.random(size) < 0.5)
    surname = np.where(child, of_children[home], np.where(bride, shared[home], born))
    surname = np.where(elder, father[home], surname)
    before = (~child & ~bride & (sex == FEMALE) & (seats.days > 30 * YEAR) & (rng.random(size) < 0.35)) | (
        child & (rng.random(size) < 0.03)
    )
    earlier = np.where(bride, born, pools.draw_surnames(origin, rng))
    earlier[~(bride | before)] = None
    return surname, earlier


def _forenames(
    seats: _Seats, sex: Numbers, origin: Numbers, pools: names.Pools, rng: np.random.Generator
) -> Strings:
    """Forenames; nobody shares one with another of the household but a few sons with a father."""
    size = len(seats.household)
    out = pools.draw_forenames(origin, sex, rng)
    chance = np.where(sex == FEMALE, 0.05, 0.015)
    young = (seats.days < 25 * YEAR) & (origin == names.ORIGINS.index("british"))
    hyphen = np.flatnonzero(young & (rng.random(size) < chance))
    out[hyphen] = names.joined(out[hyphen], sex[hyphen], rng)
    for _ in range(50):
        again = pd.DataFrame({"home": seats.household, "name": out}).duplicated().to_numpy().nonzero()[0]
        if not len(again):
            break
        out[again] = pools.draw_forenames(origin[again], sex[again], rng)
    fathers = strings(int(seats.household.max()) + 1)
    rows = np.flatnonzero((seats.adult == 1) & (sex == MALE))
    fathers[seats.household[rows]] = out[rows]
    eldest_son = (seats.birth_order == 0) & (sex == MALE) & ~seats.twin & (rng.random(size) < 0.02)
    juniors = np.flatnonzero(eldest_son & filled(fathers[seats.household]))
    out[juniors] = fathers[seats.household[juniors]]
    return out


def make(people: int, seed: int) -> People:
    """
    ``people`` people; the same for a seed and for given versions of Faker and numpy.

    Raises:
        UsageError: more children than there are UPNs.
    """
    rng = stream(seed, 1)
    pools = names.build(seed, rng)
    homes = _homes(people, rng)
    seats = _seats(people, homes, rng)
    sex = _sexes(seats, rng)
    households = int(seats.household.max()) + 1
    origin = rng.choice(len(names.ORIGINS), size=households, p=names.ORIGIN_SHARES)[seats.household]
    mixed = (seats.adult == 1) & (rng.random(people) < 0.06)
    origin = np.where(mixed, rng.choice(len(names.ORIGINS), size=people, p=names.ORIGIN_SHARES), origin)
    surname, former = _surnames(seats, sex, origin, pools, rng)
    polish = np.flatnonzero(origin == names.ORIGINS.index("polish"))
    surname[polish] = [names.gendered(surname[row], bool(sex[row] == MALE)) for row in polish]
    forename = _forenames(seats, sex, origin, pools, rng)

    birth = REFERENCE - seats.days.astype("timedelta64[D]")
    age = np.floor(seats.days / YEAR).astype(np.int64)
    postcodes = Postcodes(households, rng)
    unit = postcodes.draw(households, rng)[seats.household]
    former_unit = postcodes.draw(households, rng)[seats.household]

    nino = strings(people)
    workers = np.flatnonzero(age >= WORKING_AGE)
    nino[workers] = ninos(len(workers), rng)
    # Three in four stay at school after sixteen: the few people who have both numbers.
    low, high = SCHOOL
    pupils = np.flatnonzero(
        (age >= low) & (age <= high) & ((age < WORKING_AGE) | (rng.random(people) < 0.75))
    )
    upn = strings(people)
    authority = np.array([AUTHORITIES[code] for code in postcodes.councils[unit[pupils]]], dtype=np.int64)
    started = birth[pupils].astype("datetime64[Y]").astype(np.int64) + 1970 + 4
    lot = seats.household[pupils] * 1000 + seats.birth_order[pupils]
    upn[pupils] = upns(authority, started, lot, rng)
    return People(
        household=seats.household,
        origin=origin,
        sex=sex,
        birth=birth,
        age=age,
        child=seats.adult < 0,
        twin=seats.twin,
        forename=forename,
        surname=surname,
        former_surname=former,
        unit=unit,
        former_unit=former_unit,
        nino=nino,
        upn=upn,
        postcodes=postcodes,
    )
