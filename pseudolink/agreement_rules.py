"""
The rules of an agreement: which role sends and receives what, and every check of the written form.

Source: specs/agreement-v1.md, sections 2 to 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pseudolink.errors import ArtefactError, Problem
from pseudolink.formats import canonical
from pseudolink.formats.binary import is_digest
from pseudolink.keys.party import PARTY_ID, check_sealing_key, check_signing_key

FORMAT = "pseudolink/agreement/1"
LONGEST_YEARS = 5
ROLES: Final = ("custodian", "operator", "releaser", "researcher", "reviewer")

#: artefact -> roles that send it, roles that may receive it.
SENDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "encodings": ("custodian",),
    "payload": ("custodian",),
    "link_map": ("operator",),
    "release": ("releaser",),
    "withdrawal": ("custodian",),
    "records": ("custodian",),
    "linkage_state": ("operator",),
}
RECEIVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "encodings": ("operator",),
    "payload": ("releaser",),
    "link_map": ("releaser",),
    "release": ("researcher", "releaser"),
    "withdrawal": ("operator", "releaser"),
    "records": ("custodian",),
    "linkage_state": ("operator",),
}
#: Those that an agreement lists recipients of; those of the others follow from it.
LISTED: Final = ("encodings", "payload", "link_map", "release")
#: artefact that a party seals to itself, whatever the agreement's recipients -> the role that does.
OWN: Final[Mapping[str, str]] = {"linkage_state": "operator"}
#: Columns of a payload that are not attributes.
NOT_ATTRIBUTES: Final = frozenset(
    {"record", "programme_id", "family_id", "family_from", "family_to", "apart"}
)
BACK_TO_CUSTODIAN: Final = "a custodian never receives a link map or a release; linked data do not go back"
ATTRIBUTES_TO_OPERATOR: Final = "the operator never receives a payload; it links without attributes"

#: What a release makes of an attribute of a person with several records of one party.
SEVERAL: Final = ("first", "sum", "list")
#: What columns of event tables begin with in a payload.
EVENTS: Final = "events."

_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")


M = TypeVar("M", bound=BaseModel)
_Strict = ConfigDict(extra="forbid", strict=True)
_Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
_Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S([^\x00-\x1f\x7f]*\S)?$")]


class FloorModel(BaseModel):
    """What the schema's floor must be; a share as text, because the canonical form has no fractions."""

    model_config = _Strict
    company: Annotated[str, Field(pattern=r"^(0|1|0\.[0-9]{1,6})$")]
    component: Annotated[int, Field(ge=1)]


class TopModel(BaseModel):
    model_config = _Strict
    format: Literal["pseudolink/agreement/1"]
    version: Annotated[int, Field(ge=1, le=9999)] = 1
    amends: str | None = None
    first_transfer: date | None = None
    reviews: list[date] = []
    floor: FloorModel
    project: _Line
    purpose: _Text
    schema_: Annotated[str, Field(alias="schema")]
    starts: date
    expires: date
    programme_ids: Literal["pseudonym", "as-supplied"] = "pseudonym"
    programme_ids_reason: _Text | None = None
    objections: _Text
    disclosure: dict[str, Any] | None = None
    parties: list[Any] = []
    recipients: dict[str, Any] = {}


class PartyModel(BaseModel):
    model_config = _Strict
    id: str
    name: _Line
    role: Literal["custodian", "operator", "releaser", "researcher", "reviewer"]
    signing_key: str
    sealing_key: str
    cohort: bool = False
    objections: Literal["person", "family"] | None = None
    fields_: Annotated[list[str], Field(alias="fields")] = []
    attributes: list[_Line] = []
    families: bool = False
    events: dict[str, list[_Line]] = {}
    several: dict[str, str] = {}


class _RecipientsModel(BaseModel):
    model_config = _Strict
    encodings: Annotated[list[str], Field(min_length=1)]
    payload: Annotated[list[str], Field(min_length=1)]
    link_map: Annotated[list[str], Field(min_length=1)]
    release: Annotated[list[str], Field(min_length=1)]


def last_day(starts: date) -> date:
    """The latest day on which an agreement may expire: five years after it starts."""
    try:
        return starts.replace(year=starts.year + LONGEST_YEARS)
    except ValueError:  # 29 February, or beyond year 9999
        return date(min(starts.year + LONGEST_YEARS, 9999), 2, 28)


class Terms(Protocol):
    """What an amendment is judged by; an Agreement has it."""

    @property
    def digest(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def amends(self) -> str | None: ...
    @property
    def project(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def first_transfer(self) -> date: ...


def amendment_problems(old: Terms, new: Terms) -> list[Problem]:
    """
    What keeps a text from being the next version of another.

    Source: specs/agreement-v1.md, section 6.
    """
    found = []
    if new.amends != old.digest:
        found.append(Problem("amends", "not the digest of that version"))
    if new.version != old.version + 1:
        found.append(Problem("version", f"must be {old.version + 1}"))
    if new.project != old.project:
        found.append(Problem("project", "an amendment keeps the project"))
    if new.purpose != old.purpose:
        # P1: what people were told their data is for does not change under them.
        found.append(Problem("purpose", "an amendment keeps the purpose; another one is another agreement"))
    if new.first_transfer != old.first_transfer:
        found.append(Problem("first_transfer", f"must stay {old.first_transfer.isoformat()}"))
    return found


class Reader:
    """Collects problems while it reads; each part is judged even when another is wrong."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.problems: list[Problem] = []

    def problem(self, place: str, message: str) -> None:
        self.problems.append(Problem(place, message))

    def model(self, kind: type[M], value: Any, place: str) -> M | None:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            for item in error.errors(include_url=False, include_input=False, include_context=False):
                where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in item["loc"])
                message = item["msg"]
                if where.endswith("floor.company"):
                    message = 'must be a share as text, such as "0.05"'
                elif item["type"] == "string_too_short":
                    message = "is empty"
                elif item["type"] == "string_pattern_mismatch":
                    message = "must not have control characters, nor spaces at its ends"
                self.problem(f"{place}{where}".lstrip("."), message)
            return None

    def top(self) -> TopModel | None:
        raw = self.raw
        model = self.model(TopModel, raw, "")
        if not is_digest(raw.get("schema", "")) and isinstance(raw.get("schema"), str):
            self.problem("schema", "must be the digest of a linkage schema: 64 hexadecimal digits")
        starts, expires = raw.get("starts"), raw.get("expires")
        if type(starts) is date and type(expires) is date:
            if expires <= starts:
                self.problem("expires", "must be after starts")
            elif expires > last_day(starts) and type(raw.get("first_transfer")) is not date:
                self.problem("expires", f"retention is longer than {LONGEST_YEARS} years from starts")
        self.versions(raw, starts, expires)
        reason = raw.get("programme_ids_reason")
        if raw.get("programme_ids") == "as-supplied" and reason is None:
            self.problem("programme_ids_reason", "as-supplied programme IDs need their reason recorded")
        if raw.get("programme_ids", "pseudonym") == "pseudonym" and reason is not None:
            self.problem("programme_ids_reason", "only for as-supplied programme IDs")
        try:
            canonical.dumps(raw.get("disclosure"))
        except ArtefactError as error:
            for place, message in error.problems:
                self.problem(f"disclosure.{place}", f"{message}; write a rate as text or as two integers")
        return model

    def versions(self, raw: Mapping[str, Any], starts: object, expires: object) -> None:
        """Agreement-v1 2.8 and 2.9: what a version names of the one before, and when it is looked at."""
        version, amends, first = raw.get("version", 1), raw.get("amends"), raw.get("first_transfer")
        if type(version) is int and version > 1:
            for key, value in (("amends", amends), ("first_transfer", first)):
                if value is None:
                    self.problem(key, "an amended version needs it")
        elif amends is not None:
            self.problem("amends", "only for a version above 1")
        if isinstance(amends, str) and not is_digest(amends):
            self.problem("amends", "must be the digest of the version before: 64 hexadecimal digits")
        if type(first) is date and type(starts) is date and type(expires) is date:
            if first > starts:
                self.problem("first_transfer", "must not be after starts")
            if expires > last_day(first):
                self.problem("expires", f"retention is longer than {LONGEST_YEARS} years from first_transfer")
        reviews = raw.get("reviews")
        if isinstance(reviews, list) and all(type(one) is date for one in reviews):
            if reviews != sorted(set(reviews)):
                self.problem("reviews", "must be in order, each day once")
            if type(starts) is date and type(expires) is date:
                for index, one in enumerate(reviews):
                    if not starts <= one <= expires:
                        self.problem(f"reviews[{index}]", "must be within starts and expires")

    def parties(self) -> list[PartyModel]:
        found: list[PartyModel] = []
        raw = self.raw.get("parties", [])
        seen: dict[tuple[str, str], str] = {}
        for index, value in enumerate(raw if isinstance(raw, list) else []):
            place = f"parties[{index}]"
            model = self.model(PartyModel, value, place)
            for key in ("id", "signing_key", "sealing_key"):
                text = value.get(key) if isinstance(value, dict) else None
                if isinstance(text, str):
                    self.unique(place, key, text, seen)
            if model is not None:
                self.party(place, model)
                found.append(model)
        if isinstance(raw, list) and len(found) == len(raw):
            self.counts(found)
        return found

    def unique(self, place: str, key: str, text: str, seen: dict[tuple[str, str], str]) -> None:
        where = f"{place}.{key}"
        if not text and key != "id":
            self.problem(where, "is empty; it stands in the party's file ID.party.pub")
            return
        if (key, text) in seen:
            self.problem(where, f"the same as {seen[key, text]}")
        seen[key, text] = where
        try:
            if key == "signing_key":
                check_signing_key(text)
            elif key == "sealing_key":
                check_sealing_key(text)
            elif not PARTY_ID.fullmatch(text):
                raise ValueError("must be lower-case letters, digits and -, at most 32")
        except ValueError as error:
            self.problem(where, str(error))

    def party(self, place: str, model: PartyModel) -> None:
        for key, names in (("fields", model.fields_), ("attributes", model.attributes)):
            if len({name.casefold() for name in names}) != len(names):
                self.problem(f"{place}.{key}", "names one twice")
            if names and model.role != "custodian":
                self.problem(f"{place}.{key}", "only a custodian has them")
        if model.role == "custodian" and not model.fields_:
            self.problem(f"{place}.fields", "a custodian needs at least one field that it may encode")
        if model.objections is not None and model.role != "custodian":
            self.problem(f"{place}.objections", "only a custodian has a policy on objections")
        if model.cohort and model.role != "custodian":
            self.problem(f"{place}.cohort", "only a custodian holds the cohort")
        if model.families and model.role != "custodian":
            self.problem(f"{place}.families", "only a custodian carries families")
        for index, name in enumerate(model.fields_):
            if not _FIELD.fullmatch(name):
                self.problem(f"{place}.fields[{index}]", "not the name of a schema field")
        for index, name in enumerate(model.attributes):
            if name in NOT_ATTRIBUTES or name.startswith(EVENTS):
                self.problem(f"{place}.attributes[{index}]", f"{name} is not an attribute")
        self.several(place, model)

    def several(self, place: str, model: PartyModel) -> None:
        """Event tables, and rules for people with several records."""
        for key, names in (("events", list(model.events)), ("several", list(model.several))):
            if names and model.role != "custodian":
                self.problem(f"{place}.{key}", "only a custodian has them")
        if model.several and model.cohort:
            self.problem(f"{place}.several", "a person of the cohort has one record of it")
        for name, columns in model.events.items():
            where = f"{place}.events.{name}"
            if not _FIELD.fullmatch(name):
                self.problem(where, "an event table is named by lower-case letters, digits and _")
            elif name in ("linked", "records") or name in model.attributes:
                self.problem(where, "a column of the release has this name already")
            if not columns or len({one.casefold() for one in columns}) != len(columns):
                self.problem(where, "needs columns, none twice")
            if set(columns) & NOT_ATTRIBUTES:
                self.problem(where, f"{', '.join(sorted(set(columns) & NOT_ATTRIBUTES))} is no event's")
        for name, rule in model.several.items():
            if name not in model.attributes:
                self.problem(f"{place}.several.{name}", "is not among the attributes")
            if rule not in SEVERAL:
                self.problem(f"{place}.several.{name}", f"must be one of {', '.join(SEVERAL)}")

    def counts(self, parties: list[PartyModel]) -> None:
        roles = [one.role for one in parties]
        if roles.count("custodian") < 2:
            self.problem("parties", "needs at least two custodians")
        if roles.count("operator") != 1:
            self.problem("parties", "needs exactly one operator")
        if roles.count("releaser") < 1:
            self.problem("parties", "needs at least one releaser")
        if sum(one.cohort for one in parties) != 1:
            self.problem("parties", "exactly one custodian has cohort = true")

    def recipients(self, parties: list[PartyModel]) -> dict[str, tuple[str, ...]]:
        raw = self.raw.get("recipients", {})
        self.model(_RecipientsModel, raw, "recipients")
        roles = {one.id: one.role for one in parties}
        listed = self.raw.get("parties", [])
        complete = isinstance(listed, list) and len(listed) == len(parties)
        found = {}
        for artefact in LISTED:
            allowed = RECEIVERS[artefact]
            names = raw.get(artefact) if isinstance(raw, dict) else None
            names = [n for n in names if isinstance(n, str)] if isinstance(names, list) else []
            for index, name in enumerate(names):
                place = f"recipients.{artefact}[{index}]"
                if names.index(name) != index:
                    self.problem(place, "named twice")
                elif name not in roles:
                    if complete:
                        self.problem(place, "not the id of a party")
                elif roles[name] == "custodian" and artefact in ("link_map", "release"):
                    self.problem(place, BACK_TO_CUSTODIAN)
                elif roles[name] == "operator" and artefact == "payload":
                    self.problem(place, ATTRIBUTES_TO_OPERATOR)
                elif roles[name] not in allowed:
                    self.problem(
                        place, f"a {roles[name]} receives no {artefact}; {' or '.join(allowed)} does"
                    )
            found[artefact] = tuple(sorted(names))
        return found
