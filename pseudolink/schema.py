"""
The linkage schema: fields and their cleaning, passes, filters, the security floor.

Source: specs/linkage-schema-v1.md. Every problem is reported at once, with its place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pseudolink import components
from pseudolink.errors import Problem, SchemaError
from pseudolink.formats import canonical
from pseudolink.schema_reader import FORMAT, MOST_PASSES, Floor, Pass, Reader, SchemaField

__all__ = [
    "FORMAT",
    "MOST_PASSES",
    "Floor",
    "LinkageSchema",
    "Pass",
    "SchemaField",
    "load_schema",
    "parse_schema",
]


@dataclass(frozen=True)
class LinkageSchema:
    """
    A checked linkage schema. Build it with :func:`load_schema` or :func:`parse_schema`.

    errors: rates of mistakes for the planner; they change no encoding and no digest.
    """

    name: str
    fields: Mapping[str, SchemaField]
    passes: tuple[Pass, ...]
    floor: Floor
    canonical: Mapping[str, Any]
    errors: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal; comments and order of keys do not count."""
        return canonical.digest(self.canonical)

    @cached_property
    def layout(self) -> dict[str, int]:
        """Pass name -> bytes of its filter, 0 where it compares nothing."""
        return {p.name: sum(self.fields[f].bits for f in p.compare) // 8 for p in self.passes}

    @cached_property
    def used(self) -> dict[str, tuple[str, ...]]:
        """Field (or ``names``) -> derivations that some pass names in ``on``, in first-use order."""
        found: dict[str, list[str]] = {}
        for one in self.passes:
            for component in one.on:
                field, derivation = components.split(component)
                seen = found.setdefault(field, [])
                if derivation not in seen:
                    seen.append(derivation)
        return {field: tuple(derivations) for field, derivations in found.items()}

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """Fields that some pass compares by filter, in the order of the fields."""
        names = {field for one in self.passes for field in one.compare}
        return tuple(name for name in self.fields if name in names)

    @cached_property
    def named(self) -> tuple[str, ...]:
        """The forename and the surname field behind ``names.…`` components (empty if neither)."""
        first = [f.name for f in self.fields.values() if f.kind == "forename"][:1]
        last = [f.name for f in self.fields.values() if f.kind == "surname"][:1]
        return tuple(first + last)

    @cached_property
    def tracked(self) -> dict[str, tuple[str, ...]]:
        """
        Field -> derivations whose agreement decides which passes agree, in first-use order.

        A ``names.…`` component agrees when the derivation below it agrees on both names, so it is
        tracked on both.
        """
        found: dict[str, list[str]] = {name: [] for name in self.evidence}
        for used, derivations in self.used.items():
            inner = [components.SORTED[d] for d in derivations] if used == components.NAMES else derivations
            for name in self.named if used == components.NAMES else (used,):
                found[name].extend(d for d in inner if d not in found[name])
        return {name: tuple(derivations) for name, derivations in found.items()}

    @cached_property
    def evidence(self) -> tuple[str, ...]:
        """Fields that any pass uses, in the order of the fields."""
        names = set(self.used) | set(self.compared)
        if components.NAMES in names:
            names |= set(self.named)
        return tuple(name for name in self.fields if name in names)


def parse_schema(
    raw: Mapping[str, Any], *, source: str | None = None, passes_needed: bool = True
) -> LinkageSchema:
    """
    Check a schema that is already read from TOML.

    Raises:
        SchemaError: anything is wrong; lists every problem with its place.
    """
    reader = Reader(raw)
    name = reader.top()
    fields = reader.fields()
    passes = reader.passes(fields, needed=passes_needed)
    errors = reader.errors()
    floor = reader.floor()
    if reader.problems:
        raise SchemaError(reader.problems, source=source)
    checked = {key: field for key, field in fields.items() if field is not None}
    return LinkageSchema(
        name, checked, tuple(passes), floor, _canonical(name, checked, passes, floor), errors
    )


def _canonical(
    name: str, fields: Mapping[str, SchemaField], passes: list[Pass], floor: Floor
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": name,
        "fields": {
            f.name: {
                "kind": f.kind,
                "columns": list(f.columns),
                "parts": None if f.parts is None else list(f.parts),
                "formats": list(f.formats),
                "optional": f.optional,
                "bits": f.bits,
                "budget": f.budget,
                # These are absent where there is none, so that schemas without it keep their digest.
                **({"also": list(f.also)} if f.also else {}),
                **({} if f.common is None else {"common": format(f.common, "f")}),
            }
            for f in fields.values()
        },
        "field_order": list(fields),
        "passes": [{"name": p.name, "on": list(p.on), "compare": list(p.compare)} for p in passes],
        "floor": {
            "company": format(floor.company, "f"),
            "component": floor.component,
            **({"decoys": True} if floor.decoys else {}),
            **({"audit": "required"} if floor.audit else {}),
        },
    }


def load_schema(path: Path | str, *, passes_needed: bool = True) -> LinkageSchema:
    """
    Read and check a linkage schema file (TOML, UTF-8).

    Args:
        passes_needed: False for a file of fields that the planner is to find passes for.

    Raises:
        SchemaError: not TOML, or anything in it is wrong; lists every problem with its place.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise SchemaError([Problem("", "no such file")], source=str(path)) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SchemaError([Problem("", f"cannot be read: {reason}")], source=str(path)) from None
    except UnicodeDecodeError:
        raise SchemaError([Problem("", "not UTF-8 text")], source=str(path)) from None
    except RecursionError:
        raise SchemaError([Problem("", "nested too deeply")], source=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise SchemaError([Problem("", f"not TOML: {error}")], source=str(path)) from None
    return parse_schema(raw, source=str(path), passes_needed=passes_needed)
