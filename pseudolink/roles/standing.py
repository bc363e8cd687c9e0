"""
Whose key this is under an agreement, and whether that party may take the step.

Source: specs/agreement-v1.md, section 4.
"""

from __future__ import annotations

from typing import Final

from pseudolink.agreement import Agreement, Party, require_own_key
from pseudolink.errors import NotPermittedError
from pseudolink.keys.party import PartyKey

_ROLES: Final = {
    "custodian": ("a custodian", "custodians"),
    "operator": ("the operator", "the operator"),
    "releaser": ("the releaser", "the releaser"),
}


def require_role(agreement: Agreement, key: PartyKey, role: str, step: str) -> Party:
    """
    The party whose key this is, which has that role.

    Args:
        role: ``custodian``, ``operator`` or ``releaser``. step: what only that role does, as a verb.

    Raises:
        NotPermittedError: its id is no party's, or the party has another role.
        WrongKeyError: the agreement names other keys for that party.
    """
    party = require_own_key(agreement, key)
    if party.role != role:
        one, all_of_them = _ROLES[role]
        raise NotPermittedError(f"{party.id!r} is not {one}; only {all_of_them} {step}")
    return party
