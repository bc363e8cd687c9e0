"""
The agreement: parties, roles, keys, purpose, what may be encoded and who may receive what.

Two rules are refused wherever they could be broken (here, when sealing and when opening): linked
data never go back to a custodian, and the operator never receives attributes.

Source: specs/agreement-v1.md. Every problem is reported at once, with its place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from pseudolink import agreement_signatures as signatures
from pseudolink.agreement_rules import FORMAT, OWN, Reader, amendment_problems
from pseudolink.errors import (
    AgreementAmendedError,
    AgreementError,
    AgreementExpiredError,
    AgreementUnsignedError,
    NotPermittedError,
    Problem,
    SchemaMismatchError,
    WrongKeyError,
)
from pseudolink.formats import canonical
from pseudolink.keys.party import PartyKey, PartyPublic


@dataclass(frozen=True)
class Party:
    """
    One party to an agreement; all from ``cohort`` on are a custodian's.

    events: event tables, name and columns. several: attribute and the rule for a person with several
    records. objections: who is left out when one person objects, ``person`` or ``family``; None for
    other roles.
    """

    id: str
    name: str
    role: str
    signing_key: str
    sealing_key: str
    cohort: bool = False
    fields: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    families: bool = False
    events: tuple[tuple[str, tuple[str, ...]], ...] = ()
    several: tuple[tuple[str, str], ...] = ()
    objections: str | None = None

    @cached_property
    def public(self) -> PartyPublic:
        """Its public keys."""
        return PartyPublic(self.id, self.signing_key, self.sealing_key)


@dataclass(frozen=True)
class Agreement:
    """
    A checked agreement; build it with :func:`parse_agreement`, :func:`load_agreement` or
    :func:`pseudolink.agreement.load_signed`.

    first_transfer: the first day of the first version; retention is counted from it.
    amends: digest of the version before; None in the first.
    floor: the security floor, ``(company as text, component)``.
    key_check: the check value that every custodian signed; None before that.
    """

    project: str
    purpose: str
    schema: str
    starts: date
    expires: date
    programme_ids: str
    programme_ids_reason: str | None
    objections: str
    disclosure: Mapping[str, Any] | None
    parties: tuple[Party, ...]
    recipients: Mapping[str, tuple[str, ...]]
    canonical: Mapping[str, Any]
    floor: tuple[str, int]
    first_transfer: date
    version: int = 1
    amends: str | None = None
    reviews: tuple[date, ...] = ()
    key_check: str | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal; comments and order of keys do not count."""
        return canonical.digest(self.canonical)

    def party(self, party_id: str) -> Party:
        """
        The party of this id.

        Raises:
            NotPermittedError: there is none.
        """
        for one in self.parties:
            if one.id == party_id:
                return one
        raise NotPermittedError(f"{party_id!r} is not a party to the agreement")

    def of_role(self, role: str) -> tuple[Party, ...]:
        """The parties of a role, in the order of the agreement."""
        return tuple(one for one in self.parties if one.role == role)

    @property
    def cohort(self) -> Party:
        """The custodian that every other is linked against."""
        return next(one for one in self.parties if one.cohort)

    def recipients_of(self, artefact: str) -> tuple[Party, ...]:
        """
        Who may receive an artefact, in order of id.

        Raises:
            NotPermittedError: no such artefact (a custodian's result among them).
        """
        if artefact in OWN:
            return tuple(sorted(self.of_role(OWN[artefact]), key=lambda one: one.id))
        if artefact not in self.recipients:
            raise NotPermittedError(f"the agreement knows no artefact {artefact!r}")
        return tuple(self.party(one) for one in self.recipients[artefact])

    def require_in_force(self, today: date) -> None:
        """
        Refuse a day before ``starts`` or after ``expires``.

        Raises:
            AgreementExpiredError: not yet in force, or over.
        """
        if today > self.expires:
            raise AgreementExpiredError(
                f"the agreement ended on {self.expires.isoformat()}",
                advice="What was made under it may only be destroyed now.",
            )
        if today < self.starts:
            raise AgreementExpiredError(f"the agreement begins on {self.starts.isoformat()}")

    def require_schema(self, schema_digest: str, floor: tuple[Any, int] | None = None) -> None:
        """
        Refuse another linkage schema, or another security floor, than the agreed one.

        Args:
            floor: (company, component) of the schema, where it is at hand.

        Raises:
            SchemaMismatchError: the digests or the floors differ.
        """
        if schema_digest != self.schema:
            raise SchemaMismatchError(
                f"the linkage schema {schema_digest[:12]}… is not the agreed one, {self.schema[:12]}…",
                advice="Use the schema file whose digest the agreement names.",
            )
        if floor is not None and not self.floor_is(*floor):
            raise SchemaMismatchError("the schema's security floor is not the one that the parties signed")

    def floor_is(self, company: Any, component: int) -> bool:
        """Whether a schema's floor is the agreed one."""
        return Fraction(self.floor[0]) == Fraction(str(company)) and self.floor[1] == component


def parse_agreement(raw: Mapping[str, Any], source: str | None = None) -> Agreement:
    """
    Check an agreement given as parsed TOML.

    Raises:
        AgreementError: anything in it is wrong; lists every problem with its place.

    Source: specs/agreement-v1.md, sections 2 to 4.
    """
    reader = Reader(raw)
    top = reader.top()
    models = reader.parties()
    recipients = reader.recipients(models)
    if reader.problems or top is None:
        raise AgreementError(reader.problems, source=source)
    parties = tuple(
        Party(
            id=model.id,
            name=model.name,
            role=model.role,
            signing_key=model.signing_key,
            sealing_key=model.sealing_key,
            cohort=model.cohort,
            fields=tuple(sorted(model.fields_)),
            attributes=tuple(sorted(model.attributes)),
            families=model.families,
            events=tuple(sorted((name, tuple(sorted(columns))) for name, columns in model.events.items())),
            several=tuple(sorted(model.several.items())),
            objections=(model.objections or "person") if model.role == "custodian" else None,
        )
        for model in models
    )
    return Agreement(
        project=top.project,
        purpose=top.purpose,
        schema=top.schema_,
        starts=top.starts,
        expires=top.expires,
        programme_ids=top.programme_ids,
        programme_ids_reason=top.programme_ids_reason,
        objections=top.objections,
        disclosure=top.disclosure,
        parties=parties,
        recipients=recipients,
        floor=(top.floor.company, top.floor.component),
        first_transfer=top.first_transfer or top.starts,
        version=top.version,
        amends=top.amends,
        reviews=tuple(top.reviews),
        canonical={
            "format": FORMAT,
            "version": top.version,
            "amends": top.amends,
            "first_transfer": (top.first_transfer or top.starts).isoformat(),
            "reviews": [one.isoformat() for one in top.reviews],
            "floor": {"company": top.floor.company, "component": top.floor.component},
            "project": top.project,
            "purpose": top.purpose,
            "schema": top.schema_,
            "starts": top.starts.isoformat(),
            "expires": top.expires.isoformat(),
            "programme_ids": top.programme_ids,
            "programme_ids_reason": top.programme_ids_reason,
            "objections": top.objections,
            "disclosure": top.disclosure,
            "parties": {
                one.id: {
                    "name": one.name,
                    "role": one.role,
                    "signing_key": one.signing_key,
                    "sealing_key": one.sealing_key,
                    "cohort": one.cohort,
                    "fields": list(one.fields),
                    "attributes": list(one.attributes),
                    # Absent where it is not agreed, so that agreements without it keep their digest.
                    **({"families": True} if one.families else {}),
                    **({"events": {name: list(c) for name, c in one.events}} if one.events else {}),
                    **({"several": dict(one.several)} if one.several else {}),
                    "objections": one.objections,
                }
                for one in parties
            },
            "recipients": {artefact: list(ids) for artefact, ids in recipients.items()},
        },
    )


def load_agreement(path: Path | str) -> Agreement:
    """
    Read and check an agreement file (TOML, UTF-8). Signatures are not looked at.

    Raises:
        AgreementError: not TOML, or anything in it is wrong; lists every problem with its place.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise AgreementError([Problem("", error.strerror or "cannot be read")], source=path.name) from None
    except UnicodeDecodeError:
        raise AgreementError([Problem("", "not UTF-8 text")], source=path.name) from None
    except tomllib.TOMLDecodeError as error:
        raise AgreementError([Problem("", f"not TOML: {error}")], source=path.name) from None
    return parse_agreement(raw, source=path.name)


def today_utc() -> date:
    """The day that dates of an agreement are compared with."""
    return datetime.now(UTC).date()


# ---------------------------------------------------------------- signatures


def signatures_path(path: Path | str) -> Path:
    """Where the signatures of an agreement file are: beside it."""
    path = Path(path)
    return path.with_name(path.name + ".signatures.jsonl")


def sign_agreement(
    path: Path | str,
    party_key: PartyKey,
    key_check: str | None = None,
    *,
    amends: Path | str | None = None,
    today: date | None = None,
) -> Agreement:
    """
    Sign an agreement file as one of its parties; an earlier signature of that party is replaced.

    Args:
        key_check: a custodian's check value of the linkage key (32 hexadecimal characters).
        amends: the file of the version before, when this one amends it. With the signature, that
            version is over for this party and for everyone who sees its signatures.

    Returns:
        the agreement that was signed.

    Raises:
        AgreementError, AgreementExpiredError: not one that can be signed (it may start later).
        NotPermittedError: not a party; or a check value from one who holds no linkage key.
        WrongKeyError: the key is not the one that the agreement names for this party.

    Source: specs/agreement-v1.md, section 5.
    """
    agreement = load_agreement(path)
    today = today or today_utc()
    agreement.require_in_force(max(today, agreement.starts))
    party = require_own_key(agreement, party_key)
    if key_check is not None and party.role != "custodian":
        raise NotPermittedError("only a custodian holds the linkage key and signs its check value")
    if key_check is not None and not signatures.is_check(key_check):
        raise WrongKeyError("a check value has 32 hexadecimal characters")
    _require_amendment(agreement, amends, today)
    line = signatures.make_line(agreement.digest, party_key, key_check, today)
    signatures.replace_line(signatures_path(path), line, party.id)
    if amends is not None and any(one.id == party.id for one in load_agreement(amends).parties):
        over = signatures.make_amended(str(agreement.amends), agreement.digest, party_key, today)
        signatures.replace_line(signatures_path(amends), over, party.id)
    return agreement


def _require_amendment(agreement: Agreement, amends: Path | str | None, today: date) -> None:
    if (agreement.version > 1) != (amends is not None):
        message = (
            "sign it together with the version that it amends" if amends is None else "it amends nothing"
        )
        raise AgreementError([Problem("amends", message)], advice="--amends names the file of that version.")
    if amends is not None:
        old = verify_signatures(amends)
        problems = amendment_problems(old, agreement)
        if today > old.expires:
            problems.append(Problem("amends", "that version has ended; what ended cannot be extended"))
        if problems:
            raise AgreementError(problems)


def require_own_key(agreement: Agreement, key: PartyKey) -> Party:
    """
    The party whose key this is.

    Raises:
        NotPermittedError: its id is no party's.
        WrongKeyError: the agreement names other keys for that party.
    """
    party = agreement.party(key.id)
    if key.public != party.public:
        raise WrongKeyError(
            f"the key of {key.id!r} is not the one in the agreement",
            advice="Compare the fingerprints of the key file and of the agreement.",
        )
    return party


def verify_signatures(path: Path | str) -> Agreement:
    """
    Read an agreement and check every party's signature, whatever the day (for a reviewer).

    Raises:
        AgreementError: the agreement itself is wrong.
        AgreementUnsignedError: lists every signature that is missing or wrong, and custodians
            whose check values of the linkage key differ.

    Source: specs/agreement-v1.md, section 5.
    """
    agreement = load_agreement(path)
    target = signatures_path(path)
    parties = {one.id: (one.role, one.signing_key) for one in agreement.parties}
    problems: list[Problem] = []
    checks: dict[str, str | None] = {}
    for place, line in signatures.read_lines(target):
        if signatures.kind_of(line) == signatures.AMENDED:
            continue
        try:
            party, value = signatures.check_line(line, agreement.digest, parties)
        except ValueError as error:
            problems.append(Problem(place, str(error)))
            continue
        if party in checks:
            problems.append(Problem(place, f"{party} has signed twice"))
        checks[party] = value
    for one in agreement.parties:
        if one.id not in checks:
            problems.append(Problem(one.id, f"no signature of this {one.role} that fits"))
    held = {one.id: checks[one.id] for one in agreement.of_role("custodian") if one.id in checks}
    if len(set(held.values())) > 1:
        for party_id, check in held.items():
            state = "signed without a check value" if check is None else "signed its own check value"
            problems.append(Problem(party_id, f"{state}; the custodians do not hold the same linkage key"))
    if problems:
        raise AgreementUnsignedError(problems, source=target.name)
    return replace(agreement, key_check=next(iter(held.values()), None))


def signature_dates(path: Path | str) -> dict[str, str]:
    """Party -> the day it signed this text, of the signatures that fit."""
    agreement = load_agreement(path)
    parties = {one.id: (one.role, one.signing_key) for one in agreement.parties}
    found = {}
    for _, line in signatures.read_lines(signatures_path(path)):
        try:
            party, _ = signatures.check_line(line, agreement.digest, parties)
        except ValueError:
            continue
        found[party] = signatures.day_of(line)
    return found


def load_signed(path: Path | str, today: date | None = None) -> Agreement:
    """
    Read an agreement that every party has signed and that is in force.

    Returns:
        the agreement; its ``key_check`` is what all custodians signed (None when none gave one).

    Raises:
        AgreementError, AgreementUnsignedError: see :func:`verify_signatures`.
        AgreementExpiredError: not in force on ``today`` (default: the current UTC date).
        AgreementAmendedError: a party has signed a version that amends this one.
    """
    agreement = verify_signatures(path)
    agreement.require_in_force(today or today_utc())
    parties = {one.id: one.signing_key for one in agreement.parties}
    by = signatures.amended_by(signatures_path(path), agreement.digest, parties)
    if by:
        raise AgreementAmendedError(
            f"this version {agreement.version} is amended: {', '.join(by)} signed the next one",
            advice="Use the version that amends it, once every party has signed that.",
        )
    return agreement
