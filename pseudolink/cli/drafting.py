"""An agreement drafted from answers: asked for one by one, or taken from a file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import click

from pseudolink.agreement import Agreement, load_agreement, parse_agreement
from pseudolink.agreement_rules import LISTED, RECEIVERS, ROLES, last_day
from pseudolink.cli.common import say
from pseudolink.errors import AgreementError, InputError, KeyFileError, Problem
from pseudolink.keys.party import load_public
from pseudolink.schema import LinkageSchema

_LINES = ("project", "purpose", "schema", "programme_ids", "programme_ids_reason", "objections")
_PARTY = ("id", "name", "role", "cohort", "objections", "fields", "attributes", "signing_key", "sealing_key")
_ANSWERS = {*_LINES, "starts", "expires", "reviews", "disclosure", "floor", "parties", "recipients"}


def yearly(starts: date, expires: date) -> list[date]:
    """A review each year."""
    found = []
    for years in range(1, 6):
        try:
            day = starts.replace(year=starts.year + years)
        except ValueError:
            day = date(starts.year + years, 2, 28)
        if day < expires:
            found.append(day)
    return found


def _value(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    # A JSON string is a TOML basic string.
    return json.dumps(value, ensure_ascii=False)


def text_of(raw: Mapping[str, Any]) -> str:
    """The agreement as TOML, in the order that people read it."""
    lines = ["# Drafted by pseudolink agreement init; a signature is over what it says, not over comments."]
    lines.append('format = "pseudolink/agreement/1"')
    names = (*_LINES[:3], "starts", "expires", "reviews", *_LINES[3:])
    lines += [f"{name} = {_value(raw[name])}" for name in names if raw.get(name) is not None]
    for table in ("floor", "disclosure"):
        if raw.get(table):
            lines += ["", f"[{table}]", *(f"{key} = {_value(value)}" for key, value in raw[table].items())]
    for party in raw["parties"]:
        lines += ["", "[[parties]]"]
        lines += [f"{key} = {_value(party[key])}" for key in _PARTY if party.get(key) is not None]
    lines += ["", "[recipients]", *(f"{key} = {_value(raw['recipients'][key])}" for key in raw["recipients"])]
    return "\n".join(lines) + "\n"


def from_file(path: Path, schema: LinkageSchema | None, today: date) -> str:
    """
    The agreement that a file of answers describes.

    The answers are those of an agreement, without ``format``; a party may name its public key file
    (``public``, beside the answers) instead of its keys; floor, digest, dates, reviews and recipients
    have defaults.

    Raises:
        AgreementError, InputError, KeyFileError: lists everything that is wrong; nothing is written.
    """
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path.name}: not answers in TOML ({type(error).__name__})") from None
    unknown = sorted(set(raw) - _ANSWERS)
    if unknown:
        raise AgreementError([Problem(key, "no such answer") for key in unknown], source=path.name)
    return _finished(raw, path.parent, schema, today, path.name)


def _finished(
    raw: dict[str, Any], folder: Path, schema: LinkageSchema | None, today: date, source: str
) -> str:
    filled = _filled(raw, folder, schema, today)
    parse_agreement({"format": "pseudolink/agreement/1", **filled}, source=source)
    return text_of(filled)


def _filled(raw: dict[str, Any], folder: Path, schema: LinkageSchema | None, today: date) -> dict[str, Any]:
    filled = {"starts": today, "programme_ids": "pseudonym", **raw}
    starts = filled["starts"]
    if type(starts) is date:
        filled.setdefault("expires", last_day(starts))
        if type(filled["expires"]) is date:
            filled.setdefault("reviews", yearly(starts, filled["expires"]))
    filled.setdefault("disclosure", {"profile": "strict"})
    if schema is not None:
        filled.setdefault("schema", schema.digest)
        filled.setdefault("floor", floor_of(schema))
    parties, problems = [], []
    for number, one in enumerate(filled.get("parties", [])):
        party = dict(one) if isinstance(one, dict) else {}
        named = party.pop("public", None)
        if named is not None:
            try:
                public = load_public(folder / str(named))
            except KeyFileError as error:
                problems.append(Problem(f"parties[{number}].public", error.message))
                continue
            if public.id != party.setdefault("id", public.id):
                problems.append(Problem(f"parties[{number}].public", f"the keys of {public.id!r}"))
            party |= {"signing_key": public.signing_key, "sealing_key": public.sealing_key}
        parties.append(party)
    if problems:
        raise AgreementError(problems)
    filled["parties"] = parties
    filled.setdefault("recipients", default_recipients(parties))
    return filled


def floor_of(schema: LinkageSchema) -> dict[str, Any]:
    """The floor of a schema as an agreement writes it."""
    return {"company": f"{float(schema.floor.company):.6g}", "component": schema.floor.component}


def default_recipients(parties: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Everyone whose role receives an artefact; a release goes to researchers where there are any."""
    found = {}
    for artefact in LISTED:
        by_role = [
            [p["id"] for p in parties if p.get("role") == role and "id" in p] for role in RECEIVERS[artefact]
        ]
        found[artefact] = next((ids for ids in by_role if ids), [])
    return found


def ask(schema: LinkageSchema | None, project: str, today: date) -> tuple[str, list[Problem]]:
    """
    Ask for every term at the prompt.

    Returns:
        the text, and what is still wrong with it: a draft is kept, so that nothing is typed twice.
    """
    say("Every answer can be corrected in the file afterwards. An empty answer takes what is in brackets.")
    raw: dict[str, Any] = {
        "project": _line("Name of the project", project or None),
        "purpose": _line("The one purpose, as people were told"),
        "starts": _date("First day on which anything may be transferred", today),
    }
    raw["expires"] = _date("Last day (at most five years)", last_day(raw["starts"]))
    raw["reviews"] = yearly(raw["starts"], raw["expires"])
    raw["objections"] = _line("How people object, and what happens then")
    if schema is None:
        raw["schema"] = _line("Digest of the linkage schema (pseudolink schema check prints it)")
        floor = {"company": _line("Security floor: share of records with company", "0.05")}
        raw["floor"] = {**floor, "component": click.prompt("largest component", 20, type=int, err=True)}
    raw["parties"] = _ask_parties(schema)
    raw["recipients"] = default_recipients(raw["parties"])
    filled = _filled(raw, Path(), schema, today)
    try:
        parse_agreement({"format": "pseudolink/agreement/1", **filled})
    except AgreementError as error:
        return text_of(filled), list(error.problems)
    return text_of(filled), []


def _ask_parties(schema: LinkageSchema | None) -> list[dict[str, Any]]:
    parties: list[dict[str, Any]] = []
    while True:
        file = click.prompt(
            f"Public key file of party {len(parties) + 1} (ID.party.pub; empty when all are there)",
            default="", show_default=False, err=True,
        )  # fmt: skip
        if not file:
            return parties
        try:
            public = load_public(Path(file))
        except KeyFileError as error:
            say(error.message)
            continue
        say(f"fingerprint {public.fingerprint}: compare it by voice")
        party: dict[str, Any] = {"id": public.id, "name": _line(f"Name of {public.id}")}
        party["role"] = click.prompt("Role", type=click.Choice(ROLES), err=True)
        if party["role"] == "custodian":
            party["cohort"] = click.confirm("Does it hold the cohort?", default=False, err=True)
            offered = ", ".join(schema.fields) if schema else None
            party["fields"] = _list("Fields that it may encode, with commas", offered)
            party["attributes"] = _list("Attributes that its payload may carry, with commas", "")
            choice = click.Choice(("person", "family"))
            party["objections"] = click.prompt(
                "Who is left out when one objects", "person", type=choice, err=True
            )
        parties.append({**party, "signing_key": public.signing_key, "sealing_key": public.sealing_key})


def _line(question: str, default: str | None = None) -> str:
    return str(click.prompt(question, default=default, err=True)).strip()


def _list(question: str, default: str | None) -> list[str]:
    answer = click.prompt(question, default=default, show_default=bool(default), err=True)
    return [one.strip() for one in str(answer).split(",") if one.strip()]


def _date(question: str, default: date) -> date:
    def read(text: str) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise click.BadParameter("write it as YYYY-MM-DD") from None

    convert: Callable[[str], date] = read
    answer: date = click.prompt(question, default=default.isoformat(), value_proc=convert, err=True)
    return answer


def amended(path: Path) -> tuple[str, Agreement]:
    """
    The text of an agreement as its next version, to be edited: everything else stays as it stands.

    Returns:
        the text, and the agreement that it amends.
    """
    old = load_agreement(path)
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    own = re.compile(r"(?m)^\s*(version|amends|first_transfer)\s*=.*\n")
    head, mark, rest = text.partition("\n[")
    lines = (
        f"version = {old.version + 1}\n"
        "# The digest of the version that this one amends; the first transfer stays what it was.\n"
        f'amends = "{old.digest}"\n'
        f"first_transfer = {old.first_transfer.isoformat()}\n"
    )
    head = own.sub("", head + "\n")
    # After the format's line, so that it stands before any table.
    head = re.sub(r"(?m)^(\s*format\s*=.*\n)", lambda found: found[1] + lines, head, count=1)
    return head.rstrip("\n") + "\n" + mark.lstrip("\n") + rest, old
