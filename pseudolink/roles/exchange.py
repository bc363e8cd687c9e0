"""
What one party's ledger knows of the others', and what it tells them.

Each role seals with :meth:`Exchange.outgoing`, shows every manifest that it opens to
:meth:`Exchange.take`, and writes :meth:`Exchange.details` into its receipt.

Source: specs/receipt-v1.md, section 5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pseudolink.errors import Problem, ReplayError, WithdrawalMissingError
from pseudolink.formats import heads
from pseudolink.formats.manifest import Manifest, heads_fit
from pseudolink.ledger import chain

#: Of a receipt: sender -> digest of a withdrawal -> the sender's sequence then.
WITHDRAWALS = "withdrawals"


class Exchange:
    """The heads of ledgers that pass through one step of a party."""

    def __init__(self, ledger: Path, party: str) -> None:
        """
        Raises:
            LedgerError: the party's own ledger is not whole.
        """
        receipts = chain.read(ledger) if Path(ledger).is_file() else []
        self._party = party
        self._own = heads.of_chain(receipts)
        self._seen: dict[str, dict[str, Any]] = {}
        self._before: dict[str, dict[str, int]] = {}
        self._received: dict[str, dict[str, int]] = {}
        self._known: dict[str, dict[str, int]] = {}
        self._withdrawn: dict[str, dict[str, int]] = {}
        for one in receipts:
            seen = one.details.get(heads.HEADS)
            if seen is not None and heads_fit(seen):
                self._seen = heads.merge(self._seen, seen, source="the ledger")
            for sender, artefacts in dict(one.details.get(heads.RECEIVED, {})).items():
                mine = self._before.setdefault(sender, {})
                for artefact, sequence in dict(artefacts).items():
                    mine[artefact] = max(mine.get(artefact, 0), sequence)
            for sender, packages in dict(one.details.get(WITHDRAWALS, {})).items():
                self._known.setdefault(sender, {}).update(packages)

    def outgoing(self) -> dict[str, dict[str, Any]]:
        """What a manifest of this party carries: its own head, and the latest of others'."""
        return {**self._seen, self._party: self._own}

    def take(self, manifest: Manifest) -> None:
        """
        Note the heads of a package that was opened.

        Raises:
            LedgerForkError: its sender, or another party, has shown two histories.
            ReplayError: a later package of the same sender and artefact was used before.
        """
        source = f"the package of {manifest.sender}"
        self._seen = heads.merge(self._seen, manifest.heads, source=source)
        own = manifest.heads.get(manifest.sender)
        if own is None:
            return
        sequence = int(own["sequence"])
        latest = self._before.get(manifest.sender, {}).get(manifest.artefact, 0)
        if sequence < latest:
            raise ReplayError(
                f"{source} is older than {manifest.artefact} of the same party that were used before",
                advice="Use the latest package; an earlier one is over.",
            )
        mine = self._received.setdefault(manifest.sender, {})
        mine[manifest.artefact] = max(mine.get(manifest.artefact, 0), sequence)

    def withdrawn(self, manifest: Manifest, digest: str) -> None:
        """
        Note a withdrawal that was opened; several of one sender are no replay of each other.

        Raises:
            LedgerForkError: as :meth:`take`.
        """
        self._seen = heads.merge(self._seen, manifest.heads, source=f"the package of {manifest.sender}")
        own = manifest.heads.get(manifest.sender, {"sequence": 0})
        self._withdrawn.setdefault(manifest.sender, {})[digest] = int(own["sequence"])

    def require_withdrawals(self) -> None:
        """
        Refuse to go on without a withdrawal that this party has used before, unless the sender has
        delivered anew since: then those who withdrew are not in the delivery.

        Raises:
            WithdrawalMissingError: lists every one.
        """
        problems = []
        for sender, packages in sorted(self._known.items()):
            latest = max(self._received.get(sender, {}).values(), default=0)
            for digest, sequence in sorted(packages.items()):
                if digest not in self._withdrawn.get(sender, {}) and latest <= sequence:
                    problems.append(Problem(sender, f"its withdrawal {digest[:12]}… is missing"))
        if problems:
            raise WithdrawalMissingError(problems, advice="Name every withdrawal: --withdrawals.")

    def details(self) -> dict[str, Any]:
        """For this party's receipt."""
        found: dict[str, Any] = {heads.HEADS: self._seen, heads.RECEIVED: self._received}
        if self._withdrawn:
            found[WITHDRAWALS] = self._withdrawn
        return found
