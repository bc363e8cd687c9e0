"""
The ledgers of several parties held against each other, offline.

Each ledger alone can be rewritten from some entry on by the party that signs it. What another party
has noted of it cannot: the entry of that number would have another digest.

Source: specs/receipt-v1.md, section 5.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pseudolink.errors import LedgerError, Problem
from pseudolink.formats.heads import HEADS
from pseudolink.formats.manifest import heads_fit
from pseudolink.formats.receipt import Receipt
from pseudolink.ledger import chain

#: Details of a receipt that name the packages that a step used: sender -> digest.
PACKAGES = ("packages", "payloads", "withdrawals")


@dataclass(frozen=True)
class Verified:
    """
    Ledgers that agree.

    receipts: party -> its receipts. seen: how many statements about another's ledger were compared.
    """

    receipts: Mapping[str, Sequence[Receipt]]
    seen: int


def verify(ledgers: Sequence[Path], publics: Mapping[str, str]) -> Verified:
    """
    Check every ledger by itself and what each says of the others.

    Args:
        publics: party id -> public signing key in base64.

    Raises:
        LedgerError: lists every problem, the first bad entry first.
    """
    problems: list[Problem] = []
    found: dict[str, list[Receipt]] = {}
    names: dict[str, str] = {}
    for ledger in map(Path, ledgers):
        try:
            receipts = chain.verify(ledger, publics)
        except LedgerError as error:
            problems += [Problem(f"{_name(ledger)}, {one.place}", one.message) for one in error.problems]
            continue
        parties = sorted({one.party for one in receipts})
        if len(parties) > 1:
            problems.append(
                Problem(_name(ledger), f"holds receipts of {', '.join(parties)}; of one party each")
            )
        elif parties and parties[0] in found:
            problems.append(
                Problem(_name(ledger), f"{parties[0]} has another ledger here: {names[parties[0]]}")
            )
        elif parties:
            found[parties[0]], names[parties[0]] = receipts, _name(ledger)
    compared, bad = _compare(found, names)
    problems += [one for _, _, one in sorted(bad, key=lambda each: each[:2])]
    if problems:
        raise LedgerError(problems, source="the ledgers", advice=f"The first bad entry: {problems[0].place}.")
    return Verified(found, compared)


def _name(ledger: Path) -> str:
    """Ledgers of all parties tend to have one name; their folders tell them apart."""
    return f"{ledger.resolve().parent.name}/{ledger.name}"


def _compare(
    found: Mapping[str, Sequence[Receipt]], names: Mapping[str, str]
) -> tuple[int, list[tuple[str, int, Problem]]]:
    compared = 0
    bad: list[tuple[str, int, Problem]] = []
    for party, receipts in found.items():
        for receipt in receipts:
            heads = receipt.details.get(HEADS)
            for other, head in heads.items() if isinstance(heads, Mapping) and heads_fit(heads) else ():
                if other not in found or not head["sequence"]:
                    continue
                compared += 1
                at = head["sequence"]
                theirs = found[other]
                said = f"{party} noted another entry here (its own line {receipt.sequence})"
                if at > len(theirs):
                    said = (
                        f"missing: {party} has seen it (its own line {receipt.sequence}); cut off or replaced"
                    )
                elif theirs[at - 1].digest == head["head"]:
                    continue
                bad.append((other, at, Problem(f"{names[other]}, line {at}", said)))
            for other, digest in _packages(receipt):
                if other not in found:
                    continue
                compared += 1
                if not any(digest in _texts(one.details) for one in found[other]):
                    said = f"no receipt of a package that {party} has used (its own line {receipt.sequence})"
                    bad.append((other, len(found[other]) + 1, Problem(names[other], said)))
    return compared, bad


def _packages(receipt: Receipt) -> list[tuple[str, str]]:
    """Sender and digest of the packages that a step used."""
    found: list[tuple[str, str]] = []
    for key in PACKAGES:
        sent = receipt.details.get(key)
        if isinstance(sent, Mapping):
            for party, digests in sent.items():
                several = digests if isinstance(digests, Mapping) else [digests]
                found += [(str(party), digest) for digest in several if isinstance(digest, str)]
    return found


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [text for one in value for text in _texts(one)] if isinstance(value, (list, tuple)) else []
