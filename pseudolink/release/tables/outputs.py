"""
Summary statistics and models: the simple checks before either leaves a secure place.

Source: specs/tables-v1.md, section 7.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pseudolink.errors import Problem, UnsafeOutputError, UsageError
from pseudolink.release.tables.definition import Profile
from pseudolink.release.tables.people import People, Variable
from pseudolink.release.tables.rounding import rounded

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: What a group that is not told is called; not even its name is.
NOT_TOLD: Final = "(not told)"
_FORMULA: Final = re.compile(r"\s*([^~]+?)\s*~\s*(.+?)\s*")


@dataclass(frozen=True)
class Statistic:
    """One group: its categories, people rounded, mean and standard deviation; None where not told."""

    group: Mapping[str, str | None]
    people: int | None
    mean: float | None
    deviation: float | None

    def to_json(self) -> dict[str, Any]:
        """JSON-able data."""
        return {
            "group": dict(self.group),
            "people": self.people,
            "mean": self.mean,
            "standard_deviation": self.deviation,
        }


def summarise(people: People, by: Sequence[str], profile: Profile) -> list[Statistic]:
    """
    Mean and standard deviation of ``people.amount`` in every group that may be told of.

    Args:
        by: variables that make the groups; everybody is one without any.

    Groups are told where enough people and families have a value, no one or two of them decide the
    sum, and the values are not all the same. Where any is not told, others are not either until
    those together are as many as a group must be, so that no total gives one away.
    """
    amount = people.amount
    if amount is None:
        raise ValueError("there is nothing to summarise")
    held = ~np.isnan(amount)
    key, names = _groups(people, by)
    told: dict[int, Statistic] = {}
    size: dict[int, tuple[int, int]] = {}
    for number, name in enumerate(names):
        inside = held & (key == number)
        if not inside.any():
            continue
        values = amount[inside]
        families = np.unique(people.family[inside])
        size[number] = int(inside.sum()), len(families)
        if _fit(values, people.family[inside], profile):
            told[number] = Statistic(
                dict(zip(by, name, strict=True)),
                _count(len(values), profile),
                _digits(float(values.mean())),
                _digits(float(values.std(ddof=1))),
            )
    hidden = [number for number in size if number not in told]
    for number in sorted(told, key=lambda one: (*size[one], one)):
        people_, families_ = (sum(size[one][n] for one in hidden) for n in (0, 1))
        if not hidden or (len(hidden) > 1 and people_ >= profile.people and families_ >= profile.families):
            break
        hidden.append(number)
    found = [told[number] for number in sorted(told) if number not in hidden]
    return found + ([Statistic({NOT_TOLD: None}, None, None, None)] if hidden else [])


def _fit(values: npt.NDArray[np.float64], family: Index, profile: Profile) -> bool:
    """Whether mean and deviation of a group may be told (7.2)."""
    of_family = np.bincount(np.unique(family, return_inverse=True)[1], weights=values)
    if len(values) - 1 < profile.people or len(of_family) < profile.families or np.ptp(values) == 0:
        return False
    total = float(values.sum())
    for shares in (values, of_family):
        second, first = np.sort(shares)[-2:]
        if first >= profile.largest * total or first + second > profile.two * total:
            return False
        if total - first - second < profile.rest * first:
            return False
    return True


def _count(number: int, profile: Profile) -> int:
    return int(rounded(np.asarray([number], dtype=np.float64), profile.rounding)[0])


def _digits(value: float) -> float:
    """Three significant digits: a mean in full, times its people, is a sum in full."""
    return float(f"{value:.3g}")


def _groups(people: People, by: Sequence[str]) -> tuple[Index, list[tuple[str | None, ...]]]:
    key = np.zeros(people.n, dtype=np.int64)
    names: list[tuple[str | None, ...]] = [()]
    for name in by:
        variable = people.variables[name]
        key = key * len(variable.categories) + variable.codes
        names = [(*one, category) for one in names for category in variable.categories]
    return key, names


# ---------------------------------------------------------------- models


@dataclass(frozen=True)
class Model:
    """
    A regression as its formula says it.

    outcome: a column. terms: columns, or several whose interaction it is.
    """

    outcome: str
    terms: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, formula: str) -> Model:
        """
        From ``attendance ~ arm + sex:region``.

        Raises:
            UsageError: another form; ``*`` and functions are not read.
        """
        found = _FORMULA.fullmatch(formula)
        terms = [] if found is None else [part.split(":") for part in found[2].split("+")]
        clean = tuple(tuple(one.strip() for one in term) for term in terms)
        names = [one for term in clean for one in term]
        if found is None or not all(names) or any(set(one) & set("*()^|~") for one in names):
            raise UsageError(
                "a model has the form OUTCOME ~ TERM + TERM + ...",
                advice="A term is a column, or columns with : between them for their interaction.",
            )
        if len(set(clean)) < len(clean) or found[1] in names:
            raise UsageError("a column stands in the model twice")
        return cls(found[1], clean)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, the outcome first."""
        return tuple(dict.fromkeys([self.outcome, *(one for term in self.terms for one in term)]))


@dataclass(frozen=True)
class Checked:
    """A model that may be told of. people, families: rounded; freedom: degrees of freedom, rounded."""

    people: int
    families: int
    parameters: int
    freedom: int


def check_model(people: People, model: Model, numbers: Sequence[str], profile: Profile) -> Checked:
    """
    Check that the estimates of a model tell of nobody (7.3).

    Args:
        numbers: columns that hold numbers; all others hold categories.

    Raises:
        UnsafeOutputError: every rule that it breaks, without a value.
    """
    used = np.ones(people.n, dtype=bool)
    for name in model.columns:
        used &= ~_missing(people.variables[name])
    n, families = int(used.sum()), len(np.unique(people.family[used]))
    problems = []
    left, left_families = people.n - n, len(np.unique(people.family[~used]))
    if left and (left < profile.people or left_families < profile.families):
        problems.append(Problem("people", "a few are left out for missing values: comparing tells of them"))
    parameters = _parameters(people, used, model, numbers)
    for term in model.terms:
        categories = [one for one in term if one not in numbers]
        problems += _term_problems(people, used, term, categories, model.outcome, numbers, profile)
    if n - parameters < profile.people or families - parameters < profile.families:
        problems.append(
            Problem(
                "degrees of freedom", f"people and families are not {profile.people} more than parameters"
            )
        )
    if _is_a_table(people, used, model, numbers, parameters):
        problems.append(
            Problem("terms", "every combination has a parameter: its estimates are a table, make one")
        )
    if problems:
        raise UnsafeOutputError(list(dict.fromkeys(problems)))
    round_ = [_count(one, profile) for one in (n, families, min(n, families) - parameters)]
    return Checked(round_[0], round_[1], parameters, round_[2])


def _parameters(people: People, used: Flags, model: Model, numbers: Sequence[str]) -> int:
    """One, and for each term and every part of an interaction the product of its degrees of freedom."""
    free = {
        name: 1 if name in numbers else len(np.unique(people.variables[name].codes[used])) - 1
        for name in model.columns[1:]
    }
    parts = {
        frozenset(part)
        for term in model.terms
        for size in range(1, len(term) + 1)
        for part in combinations(term, size)
    }
    return 1 + sum(math.prod(free[name] for name in part) for part in parts)


def _missing(variable: Variable) -> Flags:
    none = variable.code(None)
    return np.asarray(variable.codes == none if none >= 0 else np.zeros(len(variable.codes), dtype=bool))


def _term_problems(
    people: People,
    used: Flags,
    term: Sequence[str],
    categories: Sequence[str],
    outcome: str,
    numbers: Sequence[str],
    profile: Profile,
) -> list[Problem]:
    if not categories:
        return []
    place = ":".join(term)
    key, _ = _groups(people, categories)
    problems = []
    if _some_few(people, key[used], used, profile):
        problems.append(Problem(place, "a category or combination has too few people or families"))
    if outcome not in numbers:
        answers = people.variables[outcome].codes
        both = key * len(people.variables[outcome].categories) + answers
        said = f"an answer of {outcome!r}"
        if _some_few(people, both[used], used, profile):
            problems.append(Problem(place, f"too few people or families of a category have {said}"))
        if len(np.unique(both[used])) < len(np.unique(key[used])) * len(np.unique(answers[used])):
            problems.append(Problem(place, f"nobody of a category has {said}: that tells of all"))
    return problems


def _some_few(people: People, key: Index, used: Flags, profile: Profile) -> bool:
    for one in np.unique(key):
        inside = key == one
        if inside.sum() < profile.people or len(np.unique(people.family[used][inside])) < profile.families:
            return True
    return False


def _is_a_table(people: People, used: Flags, model: Model, numbers: Sequence[str], parameters: int) -> bool:
    """Whether all terms are categories and every combination of them has a parameter of its own."""
    columns = list(dict.fromkeys(one for term in model.terms for one in term))
    if any(one in numbers for one in columns):
        return False
    if len(columns) == 1:
        return False  # one category at a time has been judged by its people and families
    key, _ = _groups(people, columns)
    return len(np.unique(key[used])) <= parameters
