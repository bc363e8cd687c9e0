"""
NINOs, UPNs and postcodes that obey the public rules of each and belong to nobody in particular.

Source: specs/synthetic.md, section 4.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np

from pseudolink.errors import UsageError
from pseudolink.synthetic.streams import Numbers, Strings, strings

UPN_LETTERS: Final = "ABCDEFGHJKLMNPQRTUVWXYZ"
TEMPORARY_LETTERS: Final = "ABCDEFGH"
DURHAM: Final = "E06000047"
STOCKTON: Final = "E06000004"
AUTHORITIES: Final = {DURHAM: 840, STOCKTON: 808}

_FIRST: Final = "ABCEGHJKLMNOPRSTWXYZ"
_SECOND: Final = "ABCEGHJKLMNPRSTWXYZ"
_UNUSED: Final = frozenset(
    ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ", "OO", "FY", "PP", "PY", "PZ", "MA", "CR", "MW", "NC")
)
PREFIXES: Final = tuple(a + b for a, b in product(_FIRST, _SECOND) if a + b not in _UNUSED)

_SCHOOLS: Final = 150
_SERIALS: Final = 999
_UNIT: Final = "ABDEFGHJLNPQRSTUWXYZ"
_DISTRICTS: Final = {
    DURHAM: [f"DH{i}" for i in range(1, 10)] + [f"DL{i}" for i in (1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17)],
    STOCKTON: [f"TS{i}" for i in range(15, 24)],
}
_HOUSEHOLDS_IN_POSTCODE: Final = 8
_HOUSEHOLDS_IN_SECTOR: Final = 60


def ninos(count: int, rng: np.random.Generator) -> Strings:
    """(count,) distinct NINOs of nine characters; distinct in the first eight."""
    bound = len(PREFIXES) * 10**6
    stems = np.unique(rng.integers(bound, size=count + count // 100 + 64))
    while len(stems) < count:
        stems = np.unique(np.concatenate([stems, rng.integers(bound, size=count)]))
    stems = rng.permutation(stems)[:count]
    suffixes = rng.integers(4, size=count)
    out = strings(count)
    out[:] = [
        f"{PREFIXES[stem // 10**6]}{stem % 10**6:06d}{'ABCD'[suffix]}"
        for stem, suffix in zip(stems.tolist(), suffixes.tolist(), strict=True)
    ]
    return out


def with_check_letter(tail: str) -> str:
    """A whole UPN from its last twelve characters; a letter counts as its place in the table."""
    total = 0
    for position, character in enumerate(tail, start=2):
        value = int(character) if character.isdigit() else UPN_LETTERS.index(character)
        total += position * value
    return UPN_LETTERS[total % 23] + tail


def upns(authority: Numbers, entry_year: Numbers, near: Numbers, rng: np.random.Generator) -> Strings:
    """
    (n,) distinct UPNs.

    authority: (n,) three-digit LA number. entry_year: (n,) calendar year of starting school.
    near: (n,) a number that twins share: they start at one school with serials in a row.

    Raises:
        UsageError: more children start school in one year than there are serials.
    """
    size = len(authority)
    lots, where = np.unique(near, return_inverse=True)
    school = rng.integers(_SCHOOLS, size=len(lots))[where] + 2000
    order = np.lexsort((rng.permutation(len(lots))[where], entry_year, school, authority))
    sorted_groups = np.stack([authority, school, entry_year])[:, order]
    new = np.ones(size, dtype=bool)
    new[1:] = (sorted_groups[:, 1:] != sorted_groups[:, :-1]).any(axis=0)
    starts = np.flatnonzero(new)
    serial = np.empty(size, dtype=np.int64)
    serial[order] = np.arange(size) - starts[np.cumsum(new) - 1] + 1
    if size and int(serial.max()) > _SERIALS:
        raise UsageError("too many children for the serials of their schools", advice="Ask for fewer people.")
    out = strings(size)
    parts = np.stack([authority, school, entry_year % 100, serial], axis=1).tolist()
    out[:] = [
        with_check_letter(f"{la:03d}{place:04d}{year:02d}{number:03d}") for la, place, year, number in parts
    ]
    return out


def temporary_upn(upn: str, rng: np.random.Generator) -> str:
    """A temporary UPN as another school would give to the child: a letter in the last place."""
    school = 2000 + int(rng.integers(_SCHOOLS))
    letter = TEMPORARY_LETTERS[int(rng.integers(len(TEMPORARY_LETTERS)))]
    return with_check_letter(f"{upn[1:4]}{school:04d}{upn[8:10]}{int(rng.integers(100)):02d}{letter}")


class Postcodes:
    """
    The postcodes of one population, with how many households live in each.

    units: (p,) postcodes with one space. councils: (p,) GSS code of the council.
    """

    def __init__(self, households: int, rng: np.random.Generator) -> None:
        wanted = max(24, households // _HOUSEHOLDS_IN_POSTCODE)
        places = [(council, district) for council, all_ in _DISTRICTS.items() for district in all_]
        weights = rng.gamma(1.2, size=len(places)) + 0.15
        each = max(1, min(9, households // (_HOUSEHOLDS_IN_SECTOR * len(places)) + 1))
        sectors = [(c, f"{d} {n}") for c, d in places for n in rng.permutation(9)[:each] + 1]
        sector_weights = np.repeat(weights, each) * (rng.gamma(2.0, size=len(sectors)) + 0.2)
        share = sector_weights / sector_weights.sum()
        codes: list[str] = []
        councils: list[str] = []
        letters = [a + b for a, b in product(_UNIT, _UNIT)]
        for (council, sector), fraction in zip(sectors, share.tolist(), strict=True):
            count = min(len(letters), max(1, round(wanted * fraction)))
            chosen = rng.permutation(len(letters))[:count]
            codes.extend(sector + letters[i] for i in chosen.tolist())
            councils.extend([council] * count)
        self.units: Strings = np.array(codes, dtype=object)
        self.councils: Strings = np.array(councils, dtype=object)
        # Most postcodes hold a street, a few hold a hostel or a block of flats.
        crowd = rng.gamma(2.0, size=len(codes)) + 0.1
        crowd[rng.random(len(codes)) < 0.004] *= 8
        self._chances = crowd / crowd.sum()

    def draw(self, count: int, rng: np.random.Generator) -> Numbers:
        """(count,) int64 indices into ``units``, crowded postcodes more often."""
        return rng.choice(len(self.units), size=count, p=self._chances)
