"""
Pools of names: Faker's tables, weighted as Faker draws them, and what those tables lack.

Faker's British tables are short: 180 forenames a sex and 490 surnames, where the country has
hundreds of thousands. Linkage on so few would be harder than it is, so that nearly half of the
British surnames come from a long tail of place-like ones built from common elements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from faker import Faker

from pseudolink.synthetic.streams import MALE, Strings

DRAWS: Final = 5000
ORIGINS: Final = ("british", "welsh", "polish", "south-asian", "yoruba")
ORIGIN_SHARES: Final = (0.89, 0.03, 0.03, 0.04, 0.01)


def _words(text: str) -> list[str]:
    return text.split()


_ADDED: Final[Mapping[tuple[str, str], str]] = {
    ("british", "male"): "Ethan Noah Mason Logan Leo Alfie Archie Theo Freddie Harrison Finley Jayden "
    "Riley Kian Brandon Ronald Kenneth Derek Norman Cyril Alan Barry Kevin Gary Lee Wayne Craig",
    ("british", "female"): "Isla Ava Mia Poppy Lily Evie Freya Millie Ruby Ella Daisy Phoebe Lexi Skye "
    "Dorothy Edna Joyce Brenda Maureen Sheila Pauline Tracey Sharon Zoë Chloë Renée Siobhán",
    ("welsh", "male"): "Gareth Rhys Llŷr Owain Dafydd Gethin Iwan Siôn Gruffudd Emyr Aled Ifan",
    ("welsh", "female"): "Siân Angharad Cerys Ffion Carys Rhiannon Lowri Mêgan Nerys Eirlys Bronwen Elin",
    ("polish", "male"): "Łukasz Paweł Michał Rafał Piotr Tomasz Wojciech Grzegorz Mateusz Stanisław",
    ("polish", "female"): "Małgorzata Agnieszka Katarzyna Józefa Zofia Elżbieta Bogumiła Joanna Magdalena",
    ("south-asian", "male"): "Mohammed Muhammad Ahmed Imran Bilal Usman Arjun Ravi Sanjay Harpreet Yusuf",
    ("south-asian", "female"): "Aisha Fatima Zainab Maryam Sana Priya Anjali Sunita Simran Jaspreet Noor",
    ("yoruba", "male"): "Adébáyọ̀ Olúwaṣeun Babátúndé Ayọ̀délé Kọ́lá Fẹ́mi Ṣẹ́gun Táíwò",
    ("yoruba", "female"): "Ṣadé Fúnmiláyọ̀ Yétúndé Tèmítọ́pẹ́ Bùkọ́lá Kẹ́hìndé Abísọ́lá Títílayọ̀",
    ("welsh", "surname"): "Llewellyn Ap-Rhys Gwynne Cadwaladr Prydderch Tudur Bevan Pugh Prosser Gôch",
    ("polish", "surname"): "Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Dąbrowski Szymański",
    ("south-asian", "surname"): "Khan Hussain Ahmed Patel Singh Begum Akhtar Malik Sharma Shah Chowdhury",
    ("yoruba", "surname"): "Adéyẹmí Ògúnlàná Ọláwálé Akíntólá Adébísí Ṣóyínká Ọ̀ṣúndáre Olúṣọlá",
}
_LOCALES: Final[Mapping[str, str]] = {
    "british": "en_GB",
    "welsh": "en_GB",
    "polish": "pl_PL",
    "south-asian": "en_IN",
    "yoruba": "yo_NG",
}
_STARTS: Final = _words(
    "Alder Ash Barn Beck Birk Black Brad Bram Brock Brough Burn Carl Cleve Cold Crow Dal Den Eden El "
    "Fair Fen Gil Gran Hal Hart Hazel Heb Hol Horn Hurst Kel Kirk Lam Lang Lin Lock Mar Mel Mid Nor "
    "Oak Pen Raven Red Rook Rush Sel Shel Skel Stan Swin Thorn Tun Wal West Whit Win Wood"
)
_ENDS: Final = _words(
    "bank beck borough bourne bridge burn bury by church cliffe combe cote croft dale den don field "
    "ford gate grave ham head hill holme hope hurst land law ley low man mere more ridge rigg shaw "
    "side stead stone thorpe thwaite ton ville wardine water well wick wood worth"
)
_SECOND: Final[Mapping[bool, tuple[str, ...]]] = {
    True: ("James", "Lee", "Jay", "John"),
    False: ("Mae", "Rose", "Leigh", "Louise", "Grace", "May", "Ann", "Jo"),
}


@dataclass(frozen=True)
class Pool:
    """Distinct names and the chance of each (sums to 1)."""

    names: Strings
    chances: npt.NDArray[np.float64]

    def draw(self, count: int, rng: np.random.Generator) -> Strings:
        """``count`` names, with replacement."""
        return self.names[rng.choice(len(self.names), size=count, p=self.chances)]


@dataclass(frozen=True)
class Pools:
    """Surnames by origin; forenames by origin and whether male."""

    surnames: Mapping[str, Pool]
    forenames: Mapping[tuple[str, bool], Pool]

    def draw_surnames(self, origins: npt.NDArray[np.int64], rng: np.random.Generator) -> Strings:
        """(n,) surnames for (n,) indices into ORIGINS."""
        out = np.empty(len(origins), dtype=object)
        for index, origin in enumerate(ORIGINS):
            rows = np.flatnonzero(origins == index)
            out[rows] = self.surnames[origin].draw(len(rows), rng)
        return out

    def draw_forenames(
        self, origins: npt.NDArray[np.int64], sexes: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> Strings:
        """(n,) forenames for (n,) indices into ORIGINS and (n,) sexes."""
        out = np.empty(len(origins), dtype=object)
        for index, origin in enumerate(ORIGINS):
            for male in (True, False):
                rows = np.flatnonzero((origins == index) & ((sexes == MALE) == male))
                out[rows] = self.forenames[origin, male].draw(len(rows), rng)
        return out


def _drawn(draw: Callable[[], str], added: str, share: float) -> Pool:
    """Faker's own frequencies for 1 - share of the draws, the added names for the rest."""
    counts = Counter(draw() for _ in range(DRAWS))
    chances = {name: (1 - share) * count / DRAWS for name, count in counts.items()}
    extra = added.split()
    for name in extra:
        chances[name] = chances.get(name, 0.0) + share / len(extra)
    names = sorted(chances)
    return _pool(names, np.array([chances[name] for name in names]))


def _pool(names: list[str], weights: npt.NDArray[np.float64]) -> Pool:
    array = np.empty(len(names), dtype=object)
    array[:] = names
    return Pool(array, weights / weights.sum())


def _with_tail(pool: Pool, rng: np.random.Generator, share: float) -> Pool:
    """The pool for 1 - share of the draws, place-like surnames of falling frequency for the rest."""
    tail = sorted({start + end for start, end in product(_STARTS, _ENDS)} - set(pool.names))
    ranks = rng.permutation(len(tail)) + 10.0
    weights = ranks**-0.7
    weights *= share / weights.sum()
    return _pool([*pool.names, *tail], np.concatenate([pool.chances * (1 - share), weights]))


def _skewed(pool: Pool, rng: np.random.Generator) -> Pool:
    """Uneven frequencies where Faker draws every name alike (all its forenames)."""
    ranks = rng.permutation(len(pool.names)) + 6.0
    return _pool(list(pool.names), pool.chances * ranks**-0.8)


def build(seed: int, rng: np.random.Generator) -> Pools:
    """The pools of one population: the same seed and version of Faker give the same pools."""
    surnames: dict[str, Pool] = {}
    forenames: dict[tuple[str, bool], Pool] = {}
    for origin in ORIGINS:
        fake: Any = Faker(_LOCALES[origin])
        fake.seed_instance(seed)
        surnames[origin] = _drawn(
            fake.last_name, _ADDED.get((origin, "surname"), "Robson"), 0.003 if origin == "british" else 0.5
        )
        for male, draw in ((True, fake.first_name_male), (False, fake.first_name_female)):
            added = _ADDED[origin, "male" if male else "female"]
            share = 0.3 if origin == "british" else 0.6
            forenames[origin, male] = _skewed(_drawn(draw, added, share), rng)
    surnames["british"] = _with_tail(surnames["british"], rng, 0.45)
    return Pools(surnames, forenames)


def joined(names: Strings, sexes: npt.NDArray[np.int64], rng: np.random.Generator) -> Strings:
    """The names with a second one after a hyphen (Lily-Mae, Tyler-James)."""
    out = names.copy()
    for row, name in enumerate(names):
        seconds = _SECOND[bool(sexes[row] == MALE)]
        second = seconds[int(rng.integers(len(seconds)))]
        if "-" not in name and second != name:
            out[row] = f"{name}-{second}"
    return out


def gendered(surname: str, male: bool) -> str:
    """A Polish adjectival surname as a man or a woman bears it (Kowalski, Kowalska)."""
    if surname.endswith(("ska", "cka", "dzka", "ski", "cki", "dzki")):
        return surname[:-1] + ("i" if male else "a")
    return surname
