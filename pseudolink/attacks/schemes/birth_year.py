"""
CLKs salted by year of birth: another secret for every year, so that only people of one year compare.

Source: Niedermeyer, Steinmetzer, Kroll, Schnell 2014 (salting with stable attributes).
"""

from __future__ import annotations

import numpy as np

from pseudolink.attacks.attack import View
from pseudolink.attacks.scheme import Encode, Scheme
from pseudolink.attacks.schemes.clk import BITS, plain
from pseudolink.errors import UsageError
from pseudolink.formats.cleaned import Cleaned
from pseudolink.keys.derive import derive
from pseudolink.schema import LinkageSchema


def years(cleaned: Cleaned, schema: LinkageSchema) -> np.typing.NDArray[np.int64]:
    """
    (n,) int64: the year of birth of every row, -1 where it is not known.

    Raises:
        UsageError: the schema has no date.
    """
    dates = [one.name for one in schema.fields.values() if one.kind == "date"]
    if not dates:
        raise UsageError("a salt by year of birth needs a date; the schema has none")
    column = cleaned.fields[dates[0]]
    of_value = [int(value[:4]) if value[:4].isdigit() else -1 for value in column.values]
    return np.asarray([*of_value, -1], dtype=np.int64)[column.codes]


def _start(schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode:
    def encode(cleaned: Cleaned) -> View:
        year = years(cleaned, schema)
        bits = np.zeros((cleaned.rows, BITS // 8), dtype=np.uint8)
        for one in np.unique(year).tolist():
            rows = np.flatnonzero(year == one)
            bits[rows] = plain(cleaned.take(rows), schema, derive(secret, "salt", project, str(one)))
        return View(bits=bits)

    return encode


SCHEME = Scheme(
    "salted",
    "salted by birth year",
    "A CLK whose positions also depend on the year of birth.",
    _start,
    classes=years,
)
