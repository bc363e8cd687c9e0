"""
What forenames and surnames share: folding, titles, prefixes, placeholders.

Source: specs/cleaning-v1.md, section 3.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set
from typing import Final, NamedTuple

from pseudolink.clean.folding import plain
from pseudolink.clean.verdict import BLANK, Verdict

MOST_CHARACTERS: Final = 100

_TITLES = "MR MRS MISS MS MX MASTER DR PROF PROFESSOR REV REVD SIR DAME CLLR"
_PREFIXES = (
    "MC MAC FITZ ST VAN VANDE VANDER VANDEN VON VONDER DER DEN DE DI DA DEL DELA DELLA DU DOS DAS "
    "LA LE TER TEN BIN BINT IBN AL EL UL ABU AP"
)

TITLES: Final = frozenset(_TITLES.split())
SUFFIXES: Final = frozenset(("JR", "JNR", "SNR", "ESQ"))

#: Joined to the word that follows, so that VAN DEN BERG, VANDEN BERG and VANDENBERG are one.
PREFIXES: Final = frozenset(_PREFIXES.split())

#: Not names in either field; matched against the whole cell, never inside it.
PLACEHOLDERS: Final = frozenset(
    (
        "UNKNOWN",
        "NK",
        "N/K",
        "N/A",
        "NOT KNOWN",
        "NOT GIVEN",
        "NOT STATED",
        "TBC",
        "TEST",
        "UNBORN",
        "MALE INFANT",
        "FEMALE INFANT",
        "DO NOT USE",
        "DUPLICATE",
        "DECEASED",
        "X",
        "XX",
        *(f"TWIN {which}" for which in ("1", "2", "3", "A", "B", "ONE", "TWO")),
        *(f"TWIN{which}" for which in ("1", "2", "3")),
    )
)

#: Null and Baby are surnames of real people, but nobody's forename.
FORENAME_PLACEHOLDERS: Final = PLACEHOLDERS | {
    "BABY",
    "BABY OF",
    "BABY BOY",
    "BABY GIRL",
    "BABY 1",
    "BABY 2",
    "INFANT",
    "NULL",
}

_WORD: Final = re.compile(r"([ -]?)([^ -]+)")


class _Word(NamedTuple):
    separator: str
    letters: str


def _letters(folded: str, *, hyphens: bool) -> str:
    """Letters and their marks, spaces and hyphens; an apostrophe joins, the rest separates."""
    kept = []
    for character in folded:
        if character == "'" or character.isdigit():
            continue
        if character == "-":
            kept.append("-" if hyphens else " ")
        elif character.isascii():
            kept.append(character if character.isalpha() else " ")
        else:
            kept.append(character if unicodedata.category(character)[0] in "LM" else " ")
    text = " ".join("".join(kept).split())
    if not text.isascii():  # marks that only a figure kept apart change places
        text = unicodedata.normalize("NFC", text)
    return re.sub(r" ?-[ -]*", "-", text).strip("-")


def _round(text: str, prefixes: Set[str]) -> str:
    words = [_Word(*found) for found in _WORD.findall(text)]
    while len(words) > 1 and words[0].letters in TITLES and words[1].separator == " ":
        words = [_Word("", words[1].letters), *words[2:]]
    while len(words) > 1 and words[-1].letters in SUFFIXES and words[-1].separator == " ":
        words.pop()
    joined: list[_Word] = []
    opens = False
    for word in words:
        if opens:
            joined[-1] = _Word(joined[-1].separator, joined[-1].letters + word.letters)
        else:
            joined.append(word)
        opens = word.letters in prefixes or joined[-1].letters in prefixes
    return "".join(separator + letters for separator, letters in joined)


def judge_name(text: str, *, prefixes: Set[str], placeholders: Set[str], hyphens: bool) -> Verdict:
    """
    Judge one cell of a name field.

    Args:
        prefixes: words that are joined to the next one.
        placeholders: whole cells that are not names.
        hyphens: whether a hyphen is kept; else it is a space.
    """
    folded = plain(text)
    if not folded:
        return BLANK
    if "\ufffd" in folded:
        return Verdict(None, "name.damaged")
    if len(folded) > MOST_CHARACTERS:
        return Verdict(None, "name.long")
    if folded.strip(" .*") in placeholders:
        return Verdict(None, None, "name.placeholder")
    # O' BRIEN and D' ARCY: the blank after the apostrophe of an elided word is not a boundary.
    elided = re.sub(r"\b([DLMO])' ", r"\1'", folded)
    name = _letters(elided, hyphens=hyphens)
    # A joined prefix may uncover a title or another prefix; each round shortens the name or ends.
    while (shorter := _round(name, prefixes)) != name:
        name = shorter
    if not any(c.isalpha() for c in name):
        if any(c.isalnum() for c in folded):
            return Verdict(None, "name.letters")
        return Verdict(None, None, "name.placeholder")
    if name in placeholders:
        return Verdict(None, None, "name.placeholder")
    return Verdict(name, None, "name.digit" if any(c.isdigit() for c in folded) else None)
