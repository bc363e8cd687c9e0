"""
The ceremony of the linkage key: every custodian contributes, nobody can steer the outcome.

First each custodian commits to 32 random bytes; only when all commitments are on the table does
anyone reveal, sealed to the other custodians. The last to reveal knows the others' bytes, and can
no longer change its own. The operator takes no part.

Source: specs/keys-v1.md, section 5.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pseudolink import files
from pseudolink.errors import (
    ArtefactError,
    KeyFileError,
    NotPermittedError,
    Problem,
    SignatureError,
    WrongKeyError,
)
from pseudolink.formats import canonical
from pseudolink.formats.binary import decode64, encode64, is_digest, prefixed
from pseudolink.keys import vault
from pseudolink.keys.derive import KEY_BYTES, spoken
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import SIGNATURE_BYTES, WRAP_BYTES, PartyKey, PartyPublic, verify, wrap

COMMITMENT: Final = "pseudolink/linkage-commitment/1"
REVEAL: Final = "pseudolink/linkage-reveal/1"
_LARGEST = 1024 * 1024
_COMMITMENT_KEYS = {"format", "agreement", "party", "commitment"}
_REVEAL_KEYS = {"format", "agreement", "party", "commitments", "sealed"}


@dataclass(frozen=True)
class Table:
    """
    Where a ceremony takes place: a folder that all custodians see, and who they are.

    agreement: its digest. custodians: id -> public keys, all custodians of the agreement.
    """

    folder: Path
    agreement: str
    custodians: Mapping[str, PartyPublic]

    def commitment_path(self, party: str) -> Path:
        return self.folder / f"{party}.commitment.json"

    def reveal_path(self, party: str) -> Path:
        return self.folder / f"{party}.reveal.json"

    def require_custodian(self, key: PartyKey) -> None:
        """
        Raises:
            NotPermittedError: not a custodian of the agreement (the operator above all).
            WrongKeyError: the agreement names other keys for it.
        """
        if key.id not in self.custodians:
            raise NotPermittedError(f"{key.id!r} is not a custodian; only custodians make the linkage key")
        if key.public != self.custodians[key.id]:
            raise WrongKeyError(f"the key of {key.id!r} is not the one in the agreement")


def _commit(agreement: str, party: str, contribution: bytes) -> str:
    parts = prefixed(agreement.encode(), party.encode(), contribution)
    return hashlib.sha256(COMMITMENT.encode() + b"\x00" + parts).hexdigest()


def _signed(raw: dict[str, Any], key: PartyKey) -> bytes:
    signature = key.sign(raw["format"].encode() + b"\x00" + canonical.dumps(raw))
    return canonical.dumps({**raw, "signature": encode64(signature)}) + b"\n"


def _read(path: Path, table: Table, party: str, form: str, keys: set[str]) -> dict[str, Any]:
    """One party's signed file on the table, checked; ValueError says what is wrong."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        raise ValueError("not on the table yet") from None
    except OSError as error:
        raise ValueError(error.strerror or "cannot be read") from None
    try:
        raw = canonical.loads(data.removesuffix(b"\n")) if len(data) <= _LARGEST else None
    except ArtefactError:
        raw = None
    if not isinstance(raw, dict) or set(raw) != {*keys, "signature"} or raw["format"] != form:
        raise ValueError("not such a file, or a damaged one")
    unsigned = {key: value for key, value in raw.items() if key != "signature"}
    try:
        signature = decode64(raw["signature"], SIGNATURE_BYTES)
        message = form.encode() + b"\x00" + canonical.dumps(unsigned)
        verify(table.custodians[party].signing_key, message, signature)
    except (ValueError, SignatureError):
        raise ValueError(f"not signed by {party}") from None
    if raw["party"] != party:
        raise ValueError("another party's file")
    if raw["agreement"] != table.agreement:
        raise ValueError("made under another agreement")
    return unsigned


def _commitments(table: Table) -> dict[str, str]:
    """
    Every custodian's commitment.

    Raises:
        ArtefactError: lists every one that is missing or wrong.
    """
    found: dict[str, str] = {}
    problems = []
    for party in sorted(table.custodians):
        path = table.commitment_path(party)
        try:
            value = _read(path, table, party, COMMITMENT, _COMMITMENT_KEYS)["commitment"]
            if not is_digest(value):
                raise ValueError("not a commitment")
            if value in found.values():
                raise ValueError("the same commitment as another custodian's")
            found[party] = value
        except ValueError as error:
            problems.append(Problem(path.name, str(error)))
    if len(table.custodians) < 2:
        problems.append(Problem("", "a linkage key is made by two or more custodians"))
    if problems:
        raise ArtefactError(problems, source="the ceremony")
    return found


def contribute(table: Table, key: PartyKey, secret: Path, passphrase: str) -> str:
    """
    Step 1: draw 32 random bytes, keep them in ``secret``, put the commitment on the table.

    Returns:
        the commitment, 64 hexadecimal characters.

    Raises:
        NotPermittedError, WrongKeyError: not one of the custodians.
        OutputExistsError: contributed already; nothing is replaced.

    Source: specs/keys-v1.md, section 5.2.
    """
    table.require_custodian(key)
    target = table.commitment_path(key.id)
    files.refuse_existing(target)
    contribution = secrets.token_bytes(KEY_BYTES)
    commitment = _commit(table.agreement, key.id, contribution)
    kept = {"agreement": table.agreement, "party": key.id, "contribution": encode64(contribution)}
    about = vault.facts(spoken(bytes.fromhex(commitment)[:16]), key.id)
    vault.write(Path(secret), canonical.dumps(kept), passphrase, "contribution", about)
    raw = {
        "format": COMMITMENT,
        "agreement": table.agreement,
        "party": key.id,
        "commitment": commitment,
    }
    try:
        files.write_bytes(target, _signed(raw, key))
    except BaseException:
        Path(secret).unlink(missing_ok=True)
        raise
    return commitment


def _own(table: Table, key: PartyKey, secret: Path, passphrase: str, commitments: Mapping[str, str]) -> bytes:
    secret = Path(secret)
    data = vault.read(secret, passphrase, "contribution")
    try:
        raw = canonical.loads(data)
        contribution = decode64(raw["contribution"], KEY_BYTES)
        mine = raw["agreement"] == table.agreement and raw["party"] == key.id
    except (ArtefactError, KeyError, TypeError, ValueError):
        raise KeyFileError(f"{secret.name}: does not hold a contribution") from None
    if not mine or commitments[key.id] != _commit(table.agreement, key.id, contribution):
        raise WrongKeyError(f"{secret.name}: not the contribution that {key.id!r} committed to here")
    return contribution


def _info(table: Table, sender: str, receiver: str) -> bytes:
    raw = {"format": REVEAL, "agreement": table.agreement, "from": sender, "to": receiver}
    return canonical.dumps(raw)


def reveal(table: Table, key: PartyKey, secret: Path, passphrase: str) -> Path:
    """
    Step 2: when every commitment is on the table, seal the contribution to the other custodians.

    Returns:
        the file that was put on the table.

    Raises:
        ArtefactError: a commitment is missing or wrong; every one is listed, nothing is revealed.
        NotPermittedError, WrongKeyError, KeyFileError, PassphraseError, OutputExistsError.

    Source: specs/keys-v1.md, section 5.3.
    """
    table.require_custodian(key)
    target = table.reveal_path(key.id)
    files.refuse_existing(target)
    commitments = _commitments(table)
    contribution = _own(table, key, secret, passphrase, commitments)
    others = {one: public for one, public in table.custodians.items() if one != key.id}
    raw = {
        "format": REVEAL,
        "agreement": table.agreement,
        "party": key.id,
        # Everyone must have seen the same commitments, or one was exchanged after a reveal.
        "commitments": canonical.digest(commitments),
        "sealed": {
            one: encode64(wrap(public.sealing_key, contribution, _info(table, key.id, one)))
            for one, public in others.items()
        },
    }
    files.write_bytes(target, _signed(raw, key))
    return target


def combine(table: Table, key: PartyKey, secret: Path, passphrase: str) -> LinkageKey:
    """
    Step 3: open the others' contributions, hold each against its commitment, derive the key.

    Raises:
        ArtefactError: a commitment or a reveal is missing or wrong; every one is listed.
        NotPermittedError, WrongKeyError, KeyFileError, PassphraseError.

    Source: specs/keys-v1.md, sections 5.4 and 5.5.
    """
    table.require_custodian(key)
    commitments = _commitments(table)
    contributions = {key.id: _own(table, key, secret, passphrase, commitments)}
    seen = canonical.digest(commitments)
    problems = []
    for party in sorted(set(table.custodians) - {key.id}):
        path = table.reveal_path(party)
        try:
            raw = _read(path, table, party, REVEAL, _REVEAL_KEYS)
            if raw["commitments"] != seen:
                raise ValueError("made over other commitments than those on the table")
            sealed = decode64(raw["sealed"][key.id], KEY_BYTES + WRAP_BYTES)
            opened = key.unwrap(sealed, _info(table, party, key.id))
            if not hmac.compare_digest(_commit(table.agreement, party, opened), commitments[party]):
                raise ValueError("not what this custodian committed to")
            contributions[party] = opened
        except (KeyError, TypeError, WrongKeyError):
            problems.append(Problem(path.name, f"holds nothing that {key.id} can open"))
        except ValueError as error:
            problems.append(Problem(path.name, str(error)))
    if problems:
        raise ArtefactError(problems, source="the ceremony")
    return LinkageKey.from_contributions(list(contributions.values()), table.agreement)
