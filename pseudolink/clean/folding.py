"""
Folding of text, shared by every kind: one spelling for what is written the same.

Source: specs/cleaning-v1.md, section 2.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Quotation marks, primes and modifier letters that people type for an apostrophe; then dashes.
_APOSTROPHES: Final = "`\u00b4\u2018\u2019\u201b\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u2032\u2035\uff07"
_HYPHENS: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d"

# Letters that NFKD leaves whole. Deleting them would make ØRSTED into RSTED.
_LETTERS: Final = {
    "Ø": "O",
    "Ɵ": "O",
    "Ł": "L",
    "ẞ": "SS",
    "Æ": "AE",
    "Œ": "OE",
    "Đ": "D",
    "Ð": "D",
    "Ɖ": "D",
    "Ɗ": "D",
    "Þ": "TH",
    "Ħ": "H",
    "Ŧ": "T",
    "Ŋ": "NG",
    "Ɲ": "N",
    "Ə": "E",
    "Ɛ": "E",
    "Ɔ": "O",
    "Ɓ": "B",
    "Ƙ": "K",
    "Ƴ": "Y",
    "Ɨ": "I",
    "Ʉ": "U",
    "ĸ": "K",
}

_PUNCTUATION: Final = str.maketrans(dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_HYPHENS, "-"))
_WHOLE_LETTERS: Final = str.maketrans(_LETTERS)

# The blocks of diacritics alone: the vowel signs of other scripts are marks too, and stay.
_DIACRITICS: Final = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")

# Ways in which systems write that there is nothing, for kinds where none of them is a value.
_MARKERS: Final = frozenset(
    ("N/A", "NA", "N/K", "NK", "NOT KNOWN", "NOT STATED", "UNKNOWN", "TBC", "NULL", "NONE", "NAN", "NAT")
)


def _step(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(_PUNCTUATION))
    bare = _DIACRITICS.sub("", decomposed)
    return unicodedata.normalize("NFC", bare.upper().translate(_WHOLE_LETTERS))


def fold(text: str) -> str:
    """
    NFKD, diacritics removed, upper case, whole letters mapped, apostrophes and hyphens unified.

    Folding twice changes nothing. Other scripts are kept.
    """
    if text.isascii():
        return text.upper().replace("`", "'")
    # Upper case may compose or decompose anew; two or three rounds reach the fixed point.
    for _ in range(8):
        folded = _step(text)
        if folded == text:
            break
        text = folded
    return text


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn")


def collapse(text: str) -> str:
    """Single spaces, none at the ends; control characters are blanks, invisible ones are dropped."""
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    if not text.isprintable():
        text = "".join(" " if _is_blank(c) else c for c in text)
    return " ".join(text.split())


def plain(text: str) -> str:
    """Folded and collapsed: what every rule looks at."""
    if text.isascii() and text.isalnum() and text.isupper():
        return text  # most numbers and names come so; nothing below would change them
    text = collapse(text)
    # Removing an invisible character or folding can bring new blanks together.
    return text if text.isascii() and text.isupper() and "`" not in text else collapse(fold(text))


def compact(text: str) -> str:
    """Folded, without blanks and the separators that people put into numbers."""
    text = plain(text)
    return text if text.isalnum() else re.sub(r"[\s\-./]", "", text)


def is_marker(folded: str) -> bool:
    """Whether a folded cell only says that there is no value (``N/K``, ``UNKNOWN``, ``-``)."""
    return folded in _MARKERS or not any(c.isalnum() for c in folded)
