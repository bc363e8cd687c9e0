"""
Mistakes as clerks and systems make them: pure functions from a right value to a wrong one.

Each takes a value and a random generator and returns the value changed, or unchanged where the
mistake cannot be made (a nickname of a name that has none). Callers choose which rows err.

Source: specs/synthetic.md, section 5.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from pseudolink.synthetic.streams import Flags, Strings, filled

Mistake = Callable[[str, np.random.Generator], str]

_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    found: dict[str, str] = {}
    for y, row in enumerate(_ROWS):
        for x, letter in enumerate(row):
            beside = row[max(0, x - 1) : x] + row[x + 1 : x + 2]
            for other in (y - 1, y + 1):
                if 0 <= other < len(_ROWS):
                    shift = x if other > y else x + 1
                    beside += _ROWS[other][max(0, shift - 1) : shift + 1]
            found[letter] = beside
    return found


NEIGHBOURS: Final[Mapping[str, str]] = _neighbours()

_SOUNDS: Final = (
    ("ph", "f"), ("ie", "y"), ("ea", "ee"), ("ee", "ea"), ("ck", "k"), ("gh", "g"), ("ei", "ie"),
    ("th", "t"), ("oo", "u"), ("son", "sen"), ("ay", "ey"), ("ll", "l"), ("tt", "t"), ("nn", "n"),
    ("rr", "r"), ("mc", "mac"), ("y", "i"), ("c", "k"), ("z", "s"), ("e", "a"), ("o", "u"), ("l", "ll"),
)  # fmt: skip

_NICKNAMES: Final = (
    "Elizabeth Liz Beth Lizzie", "Katherine Kate Kathy Katie", "Catherine Cath Kate Katie",
    "Kathryn Kate Kath", "Margaret Maggie Peggy", "Susan Sue", "Patricia Pat Trish", "Jennifer Jen Jenny",
    "Deborah Debbie Deb", "Victoria Vicky Tori", "Rebecca Becky Becca", "Samantha Sam", "Alexandra Alex",
    "Jacqueline Jackie", "Christine Chris Chrissy", "Stephanie Steph", "Kimberley Kim", "Abigail Abi Abbie",
    "Amanda Mandy", "Barbara Barb", "Charlotte Lottie Charlie", "Josephine Jo Josie", "Joanne Jo",
    "Natalie Nat", "Pamela Pam", "Sandra Sandy", "Theresa Terri", "Valerie Val", "Danielle Dani",
    "Gillian Gill", "Georgina Gina Georgie", "Judith Judy", "Eleanor Ellie Nell", "Isabella Bella Izzy",
    "William Bill Will Billy", "Robert Bob Rob Bobby", "Richard Rick Dick Rich", "James Jim Jimmy Jamie",
    "John Jack Johnny", "Michael Mike Mick", "Thomas Tom Tommy", "Anthony Tony", "Antony Tony",
    "Christopher Chris", "Daniel Dan Danny", "David Dave Davy", "Edward Ted Ed Eddie", "Andrew Andy Drew",
    "Joseph Joe", "Kenneth Ken Kenny", "Matthew Matt", "Nicholas Nick", "Peter Pete", "Philip Phil",
    "Ronald Ron", "Samuel Sam", "Stephen Steve", "Steven Steve", "Timothy Tim", "Benjamin Ben",
    "Jonathan Jon", "Gregory Greg", "Geoffrey Geoff", "Raymond Ray", "Terence Terry", "Zachary Zac",
    "Donald Don", "Douglas Doug", "Frederick Fred", "Gerald Gerry", "Leonard Len", "Martin Marty",
    "Harrison Harry", "Joshua Josh", "Mohammed Mo Muhammad", "Muhammad Mohammed Mo", "Małgorzata Gosia",
    "Katarzyna Kasia", "Agnieszka Aga", "Piotr Peter", "Olúwaṣeun Seun", "Fúnmiláyọ̀ Funmi",
)  # fmt: skip


def _called() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in _NICKNAMES:
        formal, *short = line.split()
        found.setdefault(formal, []).extend(short)
    return found


NICKNAMES: Final[Mapping[str, list[str]]] = _called()

_LETTERS: Final = str.maketrans(
    {"Ł": "L", "ł": "l", "Ø": "O", "ø": "o", "Đ": "D", "đ": "d", "ß": "ss", "Æ": "AE", "æ": "ae"}
)


def _pick(options: str | list[str] | tuple[tuple[str, str], ...], rng: np.random.Generator) -> int:
    return int(rng.integers(len(options)))


def typing(text: str, rng: np.random.Generator) -> str:
    """A slip of the keyboard: a neighbouring key, two letters exchanged, one dropped or doubled."""
    if len(text) < 3:
        return text
    # The first letter is seen at once and put right; most slips stand further in.
    at = int(rng.integers(1, len(text))) if rng.random() < 0.92 else 0
    letter = text[at]
    kind = int(rng.integers(4))
    if kind == 0 and letter.lower() in NEIGHBOURS:
        options = NEIGHBOURS[letter.lower()]
        other = options[_pick(options, rng)]
        return text[:at] + (other.upper() if letter.isupper() else other) + text[at + 1 :]
    if kind == 1 and at + 1 < len(text) and letter.lower() != text[at + 1].lower():
        pair = text[at + 1] + letter
        return text[:at] + (pair.capitalize() if letter.isupper() else pair) + text[at + 2 :]
    if kind == 2:
        rest = text[at + 1 :]
        return text[:at] + (rest[:1].upper() + rest[1:] if letter.isupper() else rest)
    return text[: at + 1] + letter.lower() + text[at + 1 :]


def sound(text: str, rng: np.random.Generator) -> str:
    """Another spelling of the same sound; the first letter stays."""
    lower = text.lower()
    fitting = tuple((old, new) for old, new in _SOUNDS if lower.find(old, 1) > 0)
    if not fitting:
        return typing(text, rng)
    old, new = fitting[_pick(fitting, rng)]
    at = lower.find(old, 1)
    return text[:at] + new + text[at + len(old) :]


def nickname(text: str, rng: np.random.Generator) -> str:
    """Liz for Elizabeth; unchanged where no short form is known."""
    options = NICKNAMES.get(text)
    return options[_pick(options, rng)] if options else text


def hyphen(text: str, rng: np.random.Generator) -> str:
    """A hyphenated name with a blank, or without one of its parts; others unchanged."""
    first, mark, second = text.partition("-")
    if not mark:
        return text
    return (f"{first} {second}", first, second)[int(rng.choice(3, p=(0.4, 0.35, 0.25)))]


def day_month(iso: str, rng: np.random.Generator) -> str:
    """Day and month exchanged, where the month can be a day and the day a month."""
    year, month, day = iso.split("-")
    return f"{year}-{day}-{month}" if int(day) <= 12 and day != month else wrong_day(iso, rng)


def wrong_year(iso: str, rng: np.random.Generator) -> str:
    """One digit of the year wrong by a little; never later than the year itself."""
    year = int(iso[:4]) - (1, 1, 2, 10)[int(rng.integers(4))]
    day = "28" if iso[5:] == "02-29" else iso[8:]
    return f"{year:04d}-{iso[5:7]}-{day}"


def wrong_day(iso: str, rng: np.random.Generator) -> str:
    """Another day of the same month, a digit away; a day that every month has."""
    day = int(iso[8:])
    options = [d for d in (day - 10, day - 1, day + 1, day + 10) if 1 <= d <= 28]
    return f"{iso[:8]}{options[int(rng.integers(len(options)))]:02d}"


def wrong_digit(number: str, rng: np.random.Generator) -> str:
    """One of the digits of a number replaced by another digit."""
    places = [i for i, c in enumerate(number) if c.isdigit()]
    at = places[int(rng.integers(len(places)))]
    digit = (int(number[at]) + int(rng.integers(1, 10))) % 10
    return f"{number[:at]}{digit}{number[at + 1 :]}"


def wrong_postcode(postcode: str, rng: np.random.Generator) -> str:
    """A slip in the inward part of a postcode: its digit, or one of its two letters."""
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    kind = int(rng.integers(3))
    if kind == 0:
        head, digit = postcode[:-3], int(postcode[-3])
        return f"{head}{(digit + int(rng.integers(1, 10))) % 10}{postcode[-2:]}"
    at = len(postcode) - kind
    others = letters.replace(postcode[at], "")
    return postcode[:at] + others[_pick(others, rng)] + postcode[at + 1 :]


def plain(text: str) -> str:
    """The text in unaccented Latin letters, as an old system keeps it."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def apply(values: Strings, chosen: Flags, mistake: Mistake, rng: np.random.Generator) -> None:
    """Make one mistake in place in every chosen row that has a value."""
    for row in np.flatnonzero(chosen & filled(values)).tolist():
        values[row] = mistake(values[row], rng)
