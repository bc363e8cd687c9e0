"""
Whether an agreement permits a package: the same questions when it is sealed and when it is opened.

Source: specs/package-v1.md, section 4.
"""

from __future__ import annotations

from datetime import date

from pseudolink.agreement import Agreement, Party
from pseudolink.agreement_rules import ATTRIBUTES_TO_OPERATOR, BACK_TO_CUSTODIAN, OWN, RECEIVERS, SENDERS
from pseudolink.errors import (
    AgreementExpiredError,
    AgreementMismatchError,
    ArtefactError,
    NotPermittedError,
    Problem,
    SchemaMismatchError,
    WrongKeyError,
)
from pseudolink.formats.manifest import Manifest


def require_agreement(manifest: Manifest, agreement: Agreement) -> Party:
    """
    The sender, when the package belongs to this agreement.

    Raises:
        AgreementMismatchError: made under another agreement.
        NotPermittedError: the sender is not a party.
    """
    if manifest.agreement == agreement.amends:
        raise AgreementMismatchError(
            "made under the version that this agreement amends",
            advice="Encode and seal again under the amended version.",
        )
    if manifest.agreement != agreement.digest:
        raise AgreementMismatchError(
            f"made under another agreement ({manifest.agreement[:12]}…, here {agreement.digest[:12]}…)",
            advice="Every party must use the same signed agreement file.",
        )
    return agreement.party(manifest.sender)


def refuse_receiver(party: Party, artefact: str) -> None:
    """
    Refuse a party whose role may never hold an artefact, whatever a list of recipients says.

    Raises:
        NotPermittedError: a custodian and linked data, the operator and attributes, or another role.
    """
    if party.role == "custodian" and artefact in ("link_map", "release"):
        raise NotPermittedError(f"{party.id}: {BACK_TO_CUSTODIAN}")
    if party.role == "operator" and artefact == "payload":
        raise NotPermittedError(f"{party.id}: {ATTRIBUTES_TO_OPERATOR}")
    if party.role not in RECEIVERS.get(artefact, (OWN.get(artefact),)):
        raise NotPermittedError(f"{party.id}: a {party.role} receives no {artefact}")


def allowed_recipients(manifest: Manifest, agreement: Agreement) -> tuple[Party, ...]:
    """
    Who receives an artefact of this sender, in order of id.

    A custodian's own record index goes to itself alone; a withdrawal goes to everyone who holds
    encodings or payloads; the agreement lists the rest.
    """
    if manifest.artefact == "records":
        return (agreement.party(manifest.sender),)
    if manifest.artefact == "withdrawal":
        both = {*agreement.recipients["encodings"], *agreement.recipients["payload"]}
        return tuple(agreement.party(one) for one in sorted(both))
    return agreement.recipients_of(manifest.artefact)


def require_permitted(manifest: Manifest, agreement: Agreement) -> None:
    """
    Refuse a manifest that the agreement does not bear out, whatever the day.

    Raises:
        AgreementMismatchError, SchemaMismatchError, WrongKeyError: another agreement, project,
            purpose, linkage schema or linkage key.
        NotPermittedError: the sender's role does not send this, or the recipients are not those
            of the agreement.
        AgreementExpiredError: it would outlast the agreement.
    """
    sender = require_agreement(manifest, agreement)
    artefact = manifest.artefact
    if manifest.project != agreement.project:
        raise AgreementMismatchError("made for another project than the agreement's")
    if manifest.purpose != agreement.purpose:
        raise AgreementMismatchError("made for another purpose than the agreement's")
    if manifest.schema != agreement.schema:
        raise SchemaMismatchError(
            f"made under another linkage schema ({manifest.schema[:12]}…, agreed is {agreement.schema[:12]}…)"
        )
    if sender.role not in SENDERS[artefact]:
        raise NotPermittedError(f"{sender.id}: a {sender.role} sends no {artefact}")
    for one in manifest.recipients:
        refuse_receiver(agreement.party(one), artefact)
    allowed = tuple(one.id for one in allowed_recipients(manifest, agreement))
    if manifest.recipients != allowed:
        raise NotPermittedError(
            f"the recipients are not those of the agreement for {artefact}: {', '.join(allowed)}"
        )
    if date.fromisoformat(manifest.expires) > agreement.expires:
        raise AgreementExpiredError(f"it would outlast the agreement, which ends on {agreement.expires}")
    if None not in (manifest.key_check, agreement.key_check) and manifest.key_check != agreement.key_check:
        raise WrongKeyError(
            "made with another linkage key than the one the custodians signed",
            advice="Compare the fingerprints of the linkage keys.",
        )


def require_today(manifest: Manifest, agreement: Agreement, today: date) -> None:
    """
    Refuse a package or an agreement that is not in force.

    Raises:
        AgreementExpiredError: past its date, or before the agreement begins.
    """
    agreement.require_in_force(today)
    if today > date.fromisoformat(manifest.expires):
        raise AgreementExpiredError(
            f"the package ended on {manifest.expires}", advice="It may only be destroyed now."
        )


def require_listed(manifest: Manifest, wrapped: list[str]) -> None:
    """
    Refuse a package whose data key is sealed to others than its manifest says.

    Raises:
        ArtefactError: the two lists differ.
    """
    if list(manifest.recipients) != wrapped:
        problem = Problem("recipients", "the manifest and the sealed keys name different parties")
        raise ArtefactError([problem], source="the package")
