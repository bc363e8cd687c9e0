"""
What the names of cleaning rules and flags mean, in a few words each; a cell is the subject.

Source: specs/cleaning-v1.md, sections 1.6 and 1.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Rule or flag -> what the cell is or does.
MEANING: Final[Mapping[str, str]] = {
    "name.damaged": "holds U+FFFD: a letter was lost on the way",
    "name.letters": "has no letter",
    "name.long": "has more than 100 characters",
    "date.format": "is written in no form that is read",
    "date.century": "has a year of two figures",
    "date.time": "has a time of day that is not midnight",
    "date.impossible": "names a day that does not exist",
    "date.year": "has a year before 1000, or a year part that is no such year",
    "date.month": "has a month part that is no month",
    "date.day": "has a day part that is no number from 1 to 31",
    "date.future": "is after the day of cleaning",
    "postcode.format": "has not the form of a postcode",
    "sex.code": "is no code or word",
    "nino.format": "is not two letters, six figures and at most one letter",
    "nino.prefix": "has a prefix that is never issued",
    "nino.administrative": "has a prefix that stands for no person's record",
    "nino.suffix": "has a last letter other than A, B, C, D",
    "upn.format": "has not the form of a number",
    "upn.check-letter": "has a check letter that does not fit",
    "nhs.format": "is not ten figures",
    "nhs.repeated": "is one figure ten times",
    "nhs.check-digit": "has a check digit that does not fit",
    "uln.format": "is not ten figures of which the first is not 0",
    "uln.check-digit": "has a check digit that does not fit",
    "text.damaged": "holds U+FFFD",
    "text.long": "has more than 1000 characters",
    "name.digit": "has figures, which were removed",
    "name.placeholder": "stands for a name that is not known",
    "date.partial": "has parts that are not known",
    "date.placeholder": "is a default date (1900-01-01), or says that nothing is known",
    "postcode.bfpo": "is a British Forces Post Office number",
    "postcode.pseudo": "is a code for no fixed abode, not known or abroad",
    "postcode.placeholder": "says that nothing is known (UNKNOWN, N/K)",
    "sex.unknown": "says that the sex is not known",
    "sex.unspecified": "says neither male nor female",
    "nino.temporary": "is a temporary number made of a date of birth",
    "nino.placeholder": "says that nothing is known (UNKNOWN, N/K)",
    "upn.temporary": "is a temporary number",
    "upn.local-authority": "has the number of no known local authority",
    "upn.placeholder": "says that nothing is known (UNKNOWN, N/K)",
    "nhs.placeholder": "says that nothing is known (UNKNOWN, N/K)",
    "uln.placeholder": "says that nothing is known, or that no number was issued",
}
