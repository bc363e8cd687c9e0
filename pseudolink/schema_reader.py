"""
Reading a linkage schema: each part judged even when another is wrong, every problem kept.

Source: specs/linkage-schema-v1.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pseudolink import components
from pseudolink.errors import Problem

FORMAT = "pseudolink/linkage-schema/1"
MOST_PASSES = 64
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PASS_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")


@dataclass(frozen=True)
class SchemaField:
    """
    One field: how its columns are found and cleaned, and the shape of its filter segment.

    also: columns with further values of the field (a known-as name, an earlier postcode).
    common: share of the records above which a value can be no evidence; the kind's default if None.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    parts: tuple[str, str, str] | None
    formats: tuple[str, ...]
    optional: bool
    bits: int
    budget: int
    also: tuple[str, ...] = ()
    common: Decimal | None = None


@dataclass(frozen=True)
class Pass:
    """One pass: components that must agree exactly, and fields that may differ a little."""

    name: str
    on: tuple[str, ...]
    compare: tuple[str, ...]


@dataclass(frozen=True)
class Floor:
    """
    The security floor: most company allowed, and the largest connected component.

    decoys: whether random tokens hide the company that there is, and missing values.
    audit: whether encoding needs a fresh report of attacks that passed.
    """

    company: Decimal
    component: int
    decoys: bool = False
    audit: bool = False


# ---------------------------------------------------------------- structure (pydantic)

M = TypeVar("M", bound=BaseModel)
_Strict = ConfigDict(extra="forbid", strict=True)


_Column = Annotated[str, Field(pattern=r"\S")]


class _FieldModel(BaseModel):
    model_config = _Strict
    kind: str
    columns: Annotated[list[_Column], Field(min_length=1)] | None = None
    parts: Annotated[list[_Column], Field(min_length=3, max_length=3)] | None = None
    formats: list[str] = []
    optional: bool = False
    also: list[str] = []
    common: Annotated[float, Field(ge=0, le=1)] | None = None


class _PassModel(BaseModel):
    model_config = _Strict
    name: str
    on: list[str]
    compare: list[str] = []


class _FilterModel(BaseModel):
    model_config = _Strict
    bits: Literal[64, 128, 256, 512, 1024]
    budget: Annotated[int, Field(ge=1)]


class _FloorModel(BaseModel):
    model_config = _Strict
    company: Annotated[float, Field(ge=0, le=1)] = 0.05
    component: Annotated[int, Field(ge=1, le=1_000_000_000)] = 20
    decoys: bool = False
    audit: Literal["required"] | None = None


_TOP = {"format", "name", "fields", "passes", "filters", "floor", "description", "errors"}
_DEFAULT_FILTER = {
    "forename": (256, 100),
    "surname": (256, 100),
    "date": (128, 48),
    "postcode": (128, 48),
    "text": (256, 100),
}


def _decimal(share: float) -> Decimal:
    # abs: TOML knows -0.0, which is 0 and must have the digest of 0.
    return Decimal(repr(abs(share))).normalize()


def _structural(error: ValidationError, place: str) -> list[Problem]:
    """Pydantic's findings as problems; the offending input itself is left out."""
    found = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in item["loc"])
        found.append(Problem(f"{place}{where}", item["msg"]))
    return found


class Reader:
    """Collects problems while it reads; each part is judged even when another is wrong."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.problems: list[Problem] = []

    def problem(self, place: str, message: str) -> None:
        self.problems.append(Problem(place, message))

    def table(self, key: str) -> Mapping[str, Any]:
        value = self.raw.get(key, {})
        if not isinstance(value, dict):
            self.problem(key, "must be a table")
            return {}
        return value

    def model(self, kind: type[M], value: Any, place: str) -> M | None:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            self.problems.extend(_structural(error, place))
            return None

    def top(self) -> str:
        for key in self.raw:
            if key not in _TOP:
                self.problem(str(key), f"unknown key; known are {', '.join(sorted(_TOP))}")
        if self.raw.get("format") != FORMAT:
            self.problem("format", f"must be {FORMAT!r}")
        if "description" in self.raw and not isinstance(self.raw["description"], str):
            self.problem("description", "must be a string")
        name = self.raw.get("name")
        if not isinstance(name, str) or not name.strip():
            self.problem("name", "must be a non-empty string")
            return ""
        return name

    def fields(self) -> dict[str, SchemaField | None]:
        filters = self.filters()
        found: dict[str, SchemaField | None] = {}
        for name, value in self.table("fields").items():
            place = f"fields.{name}"
            found[name] = None
            if not _NAME.fullmatch(name) or name == components.NAMES:
                self.problem(place, "a field's name is lower case letters, digits and _, and not 'names'")
            model = self.model(_FieldModel, value, place)
            if model is None:
                continue
            if model.kind not in components.DERIVATIONS:
                self.problem(f"{place}.kind", f"unknown kind; known are {', '.join(components.DERIVATIONS)}")
                continue
            if (model.columns is None) == (model.parts is None):
                self.problem(place, "needs either columns or parts")
            if model.parts is not None and model.kind != "date":
                self.problem(f"{place}.parts", "only a date comes in parts (year, month, day)")
            if model.parts is not None and len(set(model.parts)) < len(model.parts):
                self.problem(f"{place}.parts", "year, month and day are three columns")
            if model.also and (model.kind == "sex" or model.parts is not None):
                self.problem(f"{place}.also", "a sex or a date in parts has no further values")
            if any(not column.strip() for column in model.also):
                self.problem(f"{place}.also", "a column's name is not blank")
            if model.common is not None and model.kind == "sex":
                self.problem(f"{place}.common", "a sex has no common values")
            if model.formats and model.kind != "date":
                self.problem(f"{place}.formats", "only a date has formats")
            bits, budget = filters.get(name, _DEFAULT_FILTER.get(model.kind, (0, 0)))
            parts = None if model.parts is None else (model.parts[0], model.parts[1], model.parts[2])
            found[name] = SchemaField(
                name,
                model.kind,
                tuple(model.columns or ()),
                parts,
                tuple(model.formats),
                model.optional,
                bits,
                budget,
                tuple(model.also),
                None if model.common is None else _decimal(model.common),
            )
        if not found:
            self.problem("fields", "a schema needs at least one field")
        for name in filters:
            field = found.get(name)
            if name not in found:
                self.problem(f"filters.{name}", "no such field")
            elif field is not None and field.kind not in components.COMPARABLE:
                self.problem(f"filters.{name}", f"a {field.kind} is never compared by filter")
        return found

    def filters(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for name, value in self.table("filters").items():
            model = self.model(_FilterModel, value, f"filters.{name}")
            if model is None:
                continue
            if model.budget > model.bits:
                self.problem(f"filters.{name}.budget", "more bits to set than the segment has")
            found[name] = (model.bits, model.budget)
        return found

    def floor(self) -> Floor:
        model = self.model(_FloorModel, self.raw.get("floor", {}), "floor") or _FloorModel()
        return Floor(_decimal(model.company), model.component, model.decoys, model.audit is not None)

    def errors(self) -> dict[str, float]:
        rates = {}
        for name, value in self.table("errors").items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                self.problem(f"errors.{name}", "a rate is a number from 0 to 1")
            else:
                rates[name] = float(value)
        return rates

    def passes(self, fields: Mapping[str, SchemaField | None], *, needed: bool) -> list[Pass]:
        raw = self.raw.get("passes", [])
        if not isinstance(raw, list) or (needed and not raw):
            self.problem("passes", "a schema needs at least one pass")
            return []
        if len(raw) > MOST_PASSES:
            self.problem("passes", f"{len(raw)} passes; at most {MOST_PASSES} are possible")
        found: list[Pass] = []
        names: dict[str, int] = {}
        keys: dict[frozenset[str], str] = {}
        for index, value in enumerate(raw):
            place = f"passes[{index}]"
            model = self.model(_PassModel, value, place) or self.lenient(value)
            if model is None:
                continue
            if not _PASS_NAME.fullmatch(model.name):
                self.problem(f"{place}.name", "lower case letters, digits, - and _, at most 48")
            if model.name in names:
                self.problem(f"{place}.name", f"the same name as passes[{names[model.name]}]")
            names.setdefault(model.name, index)
            self.on(model, place, fields)
            self.compare(model, place, fields)
            key = frozenset(model.on)
            if key and key in keys:
                self.problem(f"{place}.on", f"the same components as pass {keys[key]!r}")
            keys.setdefault(key, model.name)
            found.append(Pass(model.name, tuple(model.on), tuple(model.compare)))
        return found

    @staticmethod
    def lenient(value: Any) -> _PassModel | None:
        """What can still be judged of a pass whose structure is wrong elsewhere."""
        if not isinstance(value, dict):
            return None
        lists = {}
        for key in ("on", "compare"):
            items = value.get(key, [])
            lists[key] = [i for i in items if isinstance(i, str)] if isinstance(items, list) else []
        name = value.get("name")
        return _PassModel(name=name, **lists) if isinstance(name, str) and lists["on"] else None

    def on(self, model: _PassModel, place: str, fields: Mapping[str, SchemaField | None]) -> None:
        if not model.on:
            self.problem(
                f"{place}.on",
                "empty: such a pass compares all with all and gives every record company; "
                "it is not available under a security floor",
            )
        kinds = [f.kind for f in fields.values() if f is not None]
        # A field that is itself wrong may be the one that names needs: it is reported once.
        least = 0 if None in fields.values() else 1
        for position, component in enumerate(model.on):
            where = f"{place}.on[{position}]"
            name, derivation = components.split(component)
            if model.on.index(component) != position:
                self.problem(where, "named twice")
            elif name == components.NAMES:
                if derivation not in components.SORTED:
                    self.problem(where, f"names has {', '.join(components.SORTED)}")
                elif not all(least <= kinds.count(kind) <= 1 for kind in ("forename", "surname")):
                    self.problem(where, "needs exactly one forename field and one surname field")
            elif name not in fields:
                self.problem(where, f"no field {name!r}; fields are {', '.join(fields)}")
            elif (field := fields[name]) is not None:
                known = components.DERIVATIONS[field.kind]
                if derivation not in known:
                    listed = ", ".join(components.join(name, d) for d in known)
                    self.problem(where, f"a {field.kind} has {listed}")

    def compare(self, model: _PassModel, place: str, fields: Mapping[str, SchemaField | None]) -> None:
        for position, name in enumerate(model.compare):
            where = f"{place}.compare[{position}]"
            if model.compare.index(name) != position:
                self.problem(where, "named twice")
            elif name not in fields:
                self.problem(where, f"no field {name!r}; whole fields are compared")
            elif (field := fields[name]) is not None and field.kind not in components.COMPARABLE:
                self.problem(where, f"a {field.kind} is never compared by filter: it is equal or not")
            elif name in model.on:
                self.problem(where, "already in on: it is equal for every pair of this pass")
