"""
Erring copies of an extract's own people: what another agency might hold of them.

For the planner, which has no truth. Every row of a cleaned extract is copied with mistakes at
stated rates. Mistakes come together: in a share of the copies they are several times as frequent.

Source: specs/planning-v1.md, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from pseudolink.errors import Problem, SchemaError
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.synthetic import mistakes
from pseudolink.synthetic.streams import Flags, Strings, stream, strings

FACTOR: Final = 3.0


@dataclass(frozen=True)
class ErrorRates:
    """
    Chances per copy that a field differs from the original, by reason.

    typing, sound: per name, by keyboard and by ear. nickname: of forenames that have a short form.
    initial: the forename is an initial alone. surname_changed, moved: another surname, postcode.
    day, month, year: that part of the date is another one. day_month: the two exchanged. swapped:
    forename and surname exchanged. postcode: a slip. sex, number, text: a slip. missing: at least
    this share of every field is missing (or the extract's own share where that is more). careless:
    share of the copies that err FACTOR times as often as the rest of the rates say on average.
    """

    typing: float = 0.08
    sound: float = 0.03
    nickname: float = 0.08
    initial: float = 0.02
    surname_changed: float = 0.03
    day: float = 0.02
    month: float = 0.02
    year: float = 0.015
    day_month: float = 0.01
    swapped: float = 0.01
    postcode: float = 0.05
    moved: float = 0.05
    sex: float = 0.005
    number: float = 0.01
    text: float = 0.15
    missing: float = 0.03
    careless: float = 0.18

    @classmethod
    def of(cls, given: Mapping[str, float]) -> ErrorRates:
        """
        The defaults, with the rates that a schema gives.

        Raises:
            SchemaError: rates of unknown names; all listed.
        """
        known = [one.name for one in fields(cls)]
        unknown = [name for name in given if name not in known]
        if unknown:
            raise SchemaError(
                [Problem(f"errors.{name}", f"unknown rate; known are {', '.join(known)}") for name in unknown]
            )
        return replace(cls(), **dict(given))

    def times(self, factor: float) -> ErrorRates:
        """All mistakes so many times as frequent; the share of careless copies stays."""
        changed = {
            one.name: min(getattr(self, one.name) * factor, 1.0)
            for one in fields(self)
            if one.name != "careless"
        }
        return replace(self, **changed)


def _values(column: Column) -> Strings:
    values = strings(len(column.codes))
    held = np.asarray([*column.values, None], dtype=object)
    values[:] = held[column.codes]
    return values


def _column(values: Strings) -> Column:
    distinct = sorted({value for value in values if value is not None})
    number = {value: index for index, value in enumerate(distinct)}
    codes = np.asarray([-1 if value is None else number[value] for value in values], dtype=np.int32)
    return Column(tuple(distinct), codes)


def _name_mistake(mistake: mistakes.Mistake) -> mistakes.Mistake:
    """The same mistake on a canonical name, which is in capitals."""

    def made(value: str, rng: np.random.Generator) -> str:
        return mistake(value.title(), rng).upper() or value

    return made


def _initial(value: str, _: np.random.Generator) -> str:
    return value[:1]


def _text(value: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(value)))
    if value[at].isdigit():
        return value[:at] + str((int(value[at]) + int(rng.integers(1, 10))) % 10) + value[at + 1 :]
    return mistakes.typing(value.lower(), rng).upper() if len(value) > 2 else value


def _digit(value: str, rng: np.random.Generator) -> str:
    return mistakes.wrong_digit(value, rng) if any(c.isdigit() for c in value) else value


def _slip(value: str, rng: np.random.Generator) -> str:
    return mistakes.wrong_postcode(value, rng) if value[-3:-2].isdigit() else value


def _part(index: int, highest: int) -> mistakes.Mistake:
    """Another value of one part of a date (year, month, day); a part that is not known stays so."""

    def made(value: str, rng: np.random.Generator) -> str:
        parts = value.split("-")
        if "X" in parts[index]:
            return value
        if index == 0:
            parts[0] = f"{int(parts[0]) + (-10, -1, 1, 10)[int(rng.integers(4))]:04d}"
        else:
            parts[index] = f"{int(rng.integers(1, highest + 1)):02d}"
        return "-".join(parts)

    return made


def _exchanged(value: str, _: np.random.Generator) -> str:
    year, month, day = value.split("-")
    return f"{year}-{day}-{month}" if day.isdigit() and month.isdigit() and int(day) <= 12 else value


class _Copy:
    """One copy of all rows in the making."""

    def __init__(self, cleaned: Cleaned, rates: ErrorRates, rng: np.random.Generator) -> None:
        self.values = {name: _values(column) for name, column in cleaned.fields.items()}
        self.rates, self.rng, self.rows = rates, rng, cleaned.rows
        careless = rng.random(self.rows) < rates.careless
        rest = (1 - FACTOR * rates.careless) / max(1 - rates.careless, 1e-9)
        self.often = np.where(careless, FACTOR, max(rest, 0.0))

    def happens(self, chance: float) -> Flags:
        """Which rows a mistake of this chance befalls."""
        return self.rng.random(self.rows) < chance * self.often

    def err(self, name: str, chance: float, mistake: mistakes.Mistake) -> None:
        mistakes.apply(self.values[name], self.happens(chance), mistake, self.rng)

    def redraw(self, name: str, chance: float) -> None:
        """Another row's value: as frequent as it is in the extract."""
        rows = np.flatnonzero(self.happens(chance))
        self.values[name][rows] = self.values[name][self.rng.integers(self.rows, size=len(rows))]

    def lose(self, name: str, chance: float) -> None:
        self.values[name][self.happens(chance)] = None


def _err_name(copy: _Copy, name: str, kind: str) -> None:
    rates = copy.rates
    if kind == "forename":
        copy.err(name, rates.nickname, _name_mistake(mistakes.nickname))
        copy.err(name, rates.initial, _initial)
    else:
        copy.redraw(name, rates.surname_changed)
        copy.err(name, rates.surname_changed, _name_mistake(mistakes.hyphen))
    copy.err(name, rates.sound, _name_mistake(mistakes.sound))
    copy.err(name, rates.typing, _name_mistake(mistakes.typing))


def _err(copy: _Copy, name: str, kind: str) -> None:
    rates = copy.rates
    if kind in ("forename", "surname"):
        _err_name(copy, name, kind)
    elif kind == "date":
        for chance, mistake in (
            (rates.day, _part(2, 28)),
            (rates.month, _part(1, 12)),
            (rates.year, _part(0, 0)),
            (rates.day_month, _exchanged),
        ):
            copy.err(name, chance, mistake)
    elif kind == "postcode":
        copy.err(name, rates.postcode, _slip)
        copy.redraw(name, rates.moved)
    elif kind == "sex":
        copy.redraw(name, 2 * rates.sex)  # half of the draws hit the same sex
    elif kind == "text":
        copy.err(name, rates.text, _text)
    else:
        copy.err(name, rates.number, _digit)


def erring_copies(
    cleaned: Cleaned, kinds: Mapping[str, str], rates: ErrorRates, *, copies: int, seed: int
) -> Cleaned:
    """
    The rows of an extract, and below them ``copies`` erring copies of all of them.

    Args:
        cleaned: n rows. kinds: field -> kind.

    Returns:
        n * (copies + 1) rows; row n * c + i is copy c of row i, copy 0 the original. Components of
        it number equal values alike. The same for a seed, on every machine.
    """
    stacked: dict[str, list[Strings]] = {name: [_values(c)] for name, c in cleaned.fields.items()}
    named = [next((n for n, k in kinds.items() if k == kind), None) for kind in ("forename", "surname")]
    for number in range(copies):
        copy = _Copy(cleaned, rates, stream(seed, 7, number))
        for name, kind in kinds.items():
            _err(copy, name, kind)
        first, last = named
        if first is not None and last is not None:
            rows = copy.happens(rates.swapped)
            a, b = copy.values[first], copy.values[last]
            a[rows], b[rows] = b[rows], a[rows]
        for name, column in cleaned.fields.items():
            own = float((column.codes < 0).mean()) if cleaned.rows else 0.0
            if own < 1.0:
                copy.lose(name, max(rates.missing, own))
            stacked[name].append(copy.values[name])
    rows_of = np.tile(cleaned.source, copies + 1)
    columns = {name: _column(np.concatenate(parts)) for name, parts in stacked.items()}
    return Cleaned(cleaned.rows * (copies + 1), rows_of, columns, cleaned.counts)
