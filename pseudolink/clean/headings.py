"""
Names of columns that are not there: what was looked for, what was found, and the line to add.

A file without a heading has somebody's cells in its first row. So names that were found are told only
where they plainly are a heading; else their number alone.

Source: specs/cleaning-v1.md, section 12.9.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final, NamedTuple

from pseudolink.errors import MissingColumnsError, Problem

if TYPE_CHECKING:
    from pseudolink.schema import LinkageSchema, SchemaField

#: How much two names must have in common for one to be suggested for the other.
ALIKE: Final = 0.6
_MOST_SHOWN: Final = 40

#: Common names of columns, letters and figures alone. None of them may be anybody's cell: no word
#: that is a surname, a forename, a place or a category stands here.
COMMON: Final = {
    "forename": ("forename", "forenames", "firstname", "givenname", "christianname", "fname"),
    "surname": ("surname", "lastname", "familyname", "lname"),
    "date": ("dob", "dateofbirth", "birthdate", "birthday", "bdate"),
    "postcode": ("postcode", "postalcode", "homepostcode", "zipcode"),
    "sex": ("sex", "gender"),
    "nino": ("nino", "ninumber", "nationalinsurancenumber", "nationalinsurance"),
    "upn": ("upn", "uniquepupilnumber", "pupilnumber"),
    "nhs": ("nhsnumber", "nhsno"),
    "uln": ("uln", "uniquelearnernumber", "learnernumber"),
    "other": (
        *("personid", "recordid", "programmeid", "familyid", "clientid", "customerid", "pupilid", "caseid"),
        *("address", "addressline1", "address1", "fullname", "ethnicity", "uprn", "uniqueid"),
    ),
}
_COMMON: Final = frozenset(name for names in COMMON.values() for name in names)
_POSTCODE: Final = re.compile(r"\s*[a-z]{1,2}[0-9][a-z0-9]?\s*[0-9][a-z]{2}\s*", re.IGNORECASE)


class Lacking(NamedTuple):
    """
    Columns that were looked for in vain.

    place: of the message. names: any of which would do, or all of which are needed. kind: of the
    field, for common names of it. field: the field of the schema that another name can be added to.
    """

    place: str
    names: Sequence[str]
    kind: str = ""
    field: SchemaField | None = None


def column_key(name: str) -> str:
    """How column names are compared: blanks at the ends and upper or lower case do not count."""
    return name.strip().casefold()


def letters(name: str) -> str:
    """A name without case, blanks and punctuation: how people write one name in many ways."""
    return "".join(one for one in name.casefold() if one.isalnum())


def _may_be_a_cell(name: str) -> bool:
    """Whether a name looks like a number, a date, a postcode or an address of somebody."""
    figures = sum(one.isdigit() for one in name)
    return (
        2 * figures >= len(letters(name))
        or figures >= 4
        or "@" in name
        or _POSTCODE.fullmatch(name) is not None
    )


def plainly_a_heading(names: Iterable[str], expected: Iterable[str] = ()) -> bool:
    """
    Whether names of columns are plainly names, and not the cells of somebody.

    True where no name may be a cell for its figures, and one is a common name of a column or two are
    expected, without regard to case, blanks and punctuation.
    """
    filled = [name for name in names if name.strip()]
    if any(_may_be_a_cell(name) for name in filled):
        return False
    there = {letters(name) for name in filled}
    return bool(there & _COMMON) or len(there & {letters(name) for name in expected}) > 1


def expected_columns(schema: LinkageSchema) -> list[str]:
    """Every column that a field can be read from, as the schema spells it."""
    fields = schema.fields.values()
    return [name for one in fields for name in (*one.columns, *(one.parts or ()), *one.also)]


def columns_told(source: str, names: Sequence[str], expected: Iterable[str] = ()) -> str:
    """The names of columns of a source in a sentence, or how many where they may be cells."""
    if not plainly_a_heading(names, expected):
        return f"Columns of {source}: {len(names):,}, not shown because they may be the first row of people."
    more = f" and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else ""
    return f"Columns of {source}: {', '.join(names[:_MOST_SHOWN])}{more}."


def lacking_fields(names: Sequence[str], schema: LinkageSchema, wanted: Collection[str]) -> list[Lacking]:
    """
    Fields without the columns that they need, of those wanted.

    Some of three parts without the others are a mistake even where the field is optional.
    """
    there = {column_key(name) for name in names}
    found = []
    for field in schema.fields.values():
        looked_for = field.parts or field.columns
        absent = [name for name in looked_for if column_key(name) not in there]
        complete = not absent if field.parts else len(absent) < len(looked_for)
        some = bool(field.parts) and len(absent) < len(looked_for)
        if not complete and (field.name in wanted or some):
            found.append(Lacking(f"field {field.name!r}", looked_for, field.kind, field))
    return found


def missing_columns(
    names: Sequence[str], lacking: Sequence[Lacking], *, expected: Iterable[str] = (), source: str = ""
) -> MissingColumnsError:
    """
    The refusal of an extract that lacks columns.

    Args:
        names: of the columns that are there; not told unless they plainly are a heading.
        expected: every name that is looked for, those found too.
    """
    known = [*expected, *(name for one in lacking for name in one.names)]
    shown = plainly_a_heading(names, known)
    near = _nearest(names, lacking, known) if shown else {}
    problems = []
    for place, one in enumerate(lacking):
        needs = ", ".join(one.names)
        if one.field is None:
            message = "no such column"
        else:
            message = f"needs {'columns' if one.field.parts else 'a column, one of'} {needs}"
        problems.append(Problem(one.place, message + (f"; perhaps {near[place]!r}" if place in near else "")))
    return MissingColumnsError(problems, source=source or None, advice=_advice(names, lacking, near, shown))


def fields_lacking(names: Sequence[str], schema: LinkageSchema, source: str) -> MissingColumnsError | None:
    """What a refusal would say of an extract under a schema; None where every field has its columns."""
    needed = [one.name for one in schema.fields.values() if not one.optional]
    lacking = lacking_fields(names, schema, needed)
    return (
        missing_columns(names, lacking, expected=expected_columns(schema), source=source) if lacking else None
    )


def _likeness(name: str, wanted: Iterable[str]) -> float:
    return max((SequenceMatcher(None, letters(name), letters(one)).ratio() for one in wanted), default=0.0)


def _nearest(names: Sequence[str], lacking: Sequence[Lacking], known: Iterable[str]) -> dict[int, str]:
    """Place in ``lacking`` -> the name most like what it needs; each name is given to one alone."""
    taken = {column_key(name) for name in known}
    free = [name for name in names if name.strip() and column_key(name) not in taken]
    scores = sorted(
        (
            (-_likeness(name, (*one.names, *COMMON.get(one.kind, ()))), place, at)
            for place, one in enumerate(lacking)
            for at, name in enumerate(free)
        ),
    )
    found: dict[int, str] = {}
    used: set[int] = set()
    for score, place, at in scores:
        if -score >= ALIKE and place not in found and at not in used:
            found[place] = free[at]
            used.add(at)
    return found


def _advice(names: Sequence[str], lacking: Sequence[Lacking], near: dict[int, str], shown: bool) -> str:
    if not shown:
        columns = f"{len(names):,} column{'s' if len(names) != 1 else ''}"
        return (
            f"There are {columns}. Their names are not shown: they may be the first row of people. "
            "The first line must be a heading with names of columns, such as those above."
        )
    more = f" and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else ""
    lines = [f"Columns that are there: {', '.join(names[:_MOST_SHOWN])}{more}."]
    additions = []
    for place, name in near.items():
        field = lacking[place].field
        if field is not None and not field.parts:
            aliases = json.dumps([*field.columns, name.strip()], ensure_ascii=False)
            additions += [f"    [fields.{field.name}]", f"    columns = {aliases}"]
    if any(one.field is not None and place not in near for place, one in enumerate(lacking)):
        lines.append(
            "  A field that you do not hold is taken out of your fields in the agreement, or gets "
            "optional = true in the schema."
        )
    if additions:
        lines += [
            "  Call them in the extract as the schema does, or let the schema know the names that you have:",
            *additions,
            "  This changes the digest of the schema, which a signed agreement names.",
        ]
    return "\n".join(lines)
