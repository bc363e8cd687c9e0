"""
Unique Pupil Numbers.

Source: specs/cleaning-v1.md, section 8 (Department for Education, Unique Pupil Numbers guide).
"""

from __future__ import annotations

import re
from typing import Final

from pseudolink.clean.folding import compact, is_marker, plain
from pseudolink.clean.verdict import BLANK, Verdict

#: 23 letters: I, O and S are not used.
ALPHABET: Final = "ABCDEFGHJKLMNPQRTUVWXYZ"
_VALUE: Final = {str(digit): digit for digit in range(10)} | {
    letter: value for value, letter in enumerate(ALPHABET)
}
_SHAPE: Final = re.compile(rf"[{ALPHABET}][0-9]{{11}}[0-9{ALPHABET}]")

# Local authority numbers of England (with those abolished since 1998) and Wales (660 to 681).
_RANGES: Final = (
    "201-213 301-320 330-336 340-344 350-359 370-373 380-384 390-394 420 660-681 "
    "800-803 805-808 810-813 815-816 820-823 825-826 830-831 835-841 845-846 850-852 855-857 "
    "860-861 865-896 908-909 916 919 921 925-926 928-929 931 933 935-938 940-943"
)


def _numbers(ranges: str) -> frozenset[str]:
    found: set[str] = set()
    for item in ranges.split():
        first, _, last = item.partition("-")
        found.update(str(number) for number in range(int(first), int(last or first) + 1))
    return frozenset(found)


LOCAL_AUTHORITIES: Final = _numbers(_RANGES)


def check_letter(rest: str) -> str:
    """The check letter of the 12 characters that follow it (positions 2 to 13)."""
    return ALPHABET[sum(_VALUE[c] * position for position, c in enumerate(rest, 2)) % 23]


def judge(text: str) -> Verdict:
    """
    Judge one cell: 13 characters whose check letter fits.

    A temporary number (last character a letter) is kept and flagged; so is a number of an
    unknown local authority.
    """
    folded = plain(text)
    if not folded:
        return BLANK
    number = compact(folded)
    if not _SHAPE.fullmatch(number):
        return Verdict(None, None, "upn.placeholder") if is_marker(folded) else Verdict(None, "upn.format")
    if check_letter(number[1:]) != number[0]:
        return Verdict(None, "upn.check-letter")
    if number[-1].isalpha():
        return Verdict(number, None, "upn.temporary")
    return Verdict(number, None, None if number[1:4] in LOCAL_AUTHORITIES else "upn.local-authority")


def clean(text: str) -> str | None:
    """The canonical number (13 characters), or None."""
    return judge(text).value
