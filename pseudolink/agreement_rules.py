"""
The rules of an agreement: which role sends and receives what, and every check of the written form.

Source: specs/agreement-v1.md, sections 2 to 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal, TypeVar

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
    "linkage_state": ("operator",),
}
RECEIVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "encodings": ("operator",),
    "payload": ("releaser",),
    "link_map": ("releaser",),
    "release": ("researcher", "releaser"),
}
#: artefact that a party seals to itself, whatever the agreement's recipients -> the role that does.
OWN: Final[Mapping[str, str]] = {"linkage_state": "operator"}
#: Columns of a payload that are not attributes.
NOT_ATTRIBUTES: Final = frozenset(
    {"record", "programme_id", "family_id", "family_from", "family_to", "apart"}
)
BACK_TO_CUSTODIAN: Final = "a custodian never receives a link map or a release; linked data do not go back"
ATTRIBUTES_TO_OPERATOR: Final = "the operator never receives a payload; it links without attributes"

_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")


M = TypeVar("M", bound=BaseModel)
_Strict = ConfigDict(extra="forbid", strict=True)
_Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
_Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S([^\x00-\x1f\x7f]*\S)?$")]


class TopModel(BaseModel):
    model_config = _Strict
    format: Literal["pseudolink/agreement/1"]
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
    fields_: Annotated[list[str], Field(alias="fields")] = []
    attributes: list[_Line] = []
    families: bool = False


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
                if item["type"] == "string_pattern_mismatch":
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
            elif expires > last_day(starts):
                self.problem("expires", f"retention is longer than {LONGEST_YEARS} years from starts")
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
            if len(set(names)) != len(names):
                self.problem(f"{place}.{key}", "names one twice")
            if names and model.role != "custodian":
                self.problem(f"{place}.{key}", "only a custodian has them")
        if model.role == "custodian" and not model.fields_:
            self.problem(f"{place}.fields", "a custodian needs at least one field that it may encode")
        if model.cohort and model.role != "custodian":
            self.problem(f"{place}.cohort", "only a custodian holds the cohort")
        if model.families and model.role != "custodian":
            self.problem(f"{place}.families", "only a custodian carries families")
        for index, name in enumerate(model.fields_):
            if not _FIELD.fullmatch(name):
                self.problem(f"{place}.fields[{index}]", "not the name of a schema field")
        for index, name in enumerate(model.attributes):
            if name in NOT_ATTRIBUTES:
                self.problem(f"{place}.attributes[{index}]", f"{name} is not an attribute")

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
        for artefact, allowed in RECEIVERS.items():
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
