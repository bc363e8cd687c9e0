"""
The promises made to families, what keeps each, and what a project's artefacts show of it.

Source: specs/evidence-v1.md, section 3.
"""

from __future__ import annotations

from datetime import date

from pseudolink.roles.observed import Observed

Row = tuple[str, str, str]


def promises(seen: Observed, today: date) -> tuple[Row, ...]:
    """(promise, what keeps it, what was observed), P1 to P12 as they are numbered in SECURITY.md."""
    agreed = seen.agreement
    receipts = seen.receipts
    under = sum(one.agreement == agreed.digest for one in receipts)
    ledgers = (
        f"{len(receipts):,} receipts in {len(seen.ledgers)} ledgers" if seen.ledgers else "no ledger given"
    )
    custodians = {one.id for one in agreed.of_role("custodian")}
    reaching = sorted(
        one
        for artefact in ("link_map", "release")
        for one in agreed.recipients.get(artefact, ())
        if one in custodians
    )
    returned = [one for one in receipts if one.party in custodians and one.step in ("link", "release")]
    objections = sum(
        one.details["objections"]
        for one in seen.steps("encode")
        if type(one.details.get("objections")) is int
    )
    smallest = [
        f"{report.data['after']['smallest']:,}" for report in seen.of("disclosure") if "after" in report.data
    ]
    left = (agreed.expires - today).days
    years = (agreed.expires - agreed.starts).days / 365.25
    return (
        ("P1 used only for research", "purpose in the agreement, bound to every package",
         f"{under:,} of {len(receipts):,} receipts are under this agreement; {ledgers}"),
        ("P2 never used for decisions about individuals", "no individual-level result leaves the releaser",
         _statement(seen)),
        ("P3 linked data pseudonymised to reduce the risk", "release pseudonyms, microdata rules",
         f"programme IDs: {agreed.programme_ids}; smallest class after the rules: "
         f"{', '.join(smallest) or 'no disclosure report given'}"),
        ("P4 nobody identifiable in published reports", "tables with audited suppression",
         _tables(seen)),
        ("P5 never shared with a council or another agency", "recipients checked at each step",
         "no data team may receive links or a release, and no receipt shows one that made either"
         if not reaching and not returned
         else f"BROKEN: {', '.join(reaching) or 'a data team made links or a release'}"),
        ("P6 transferred and kept under the Data Protection Act", "sealed packages, signed receipts",
         f"signatures of the agreement and of {ledgers} verified"),
        ("P7 measures against unauthorised use", "roles, keys, signatures, ledger",
         f"{len(agreed.parties)} parties with a key of their own each"),
        ("P8 destroyed after five years", "expiry in every package, destruction of keys",
         f"the agreement runs {years:.1f} years; {left:,} days are left; "
         f"{len(seen.certificates)} destruction certificates given"),
        ("P9 people may object", "objections before encoding, withdrawal after",
         f"{objections:,} records left out before encoding; {len(seen.steps('withdraw'))} withdrawals"),
        ("P10 only workers who need to know", "access by role; no way back to casework",
         "roles: " + ", ".join(f"{one.id} ({one.role})" for one in agreed.parties)),
        ("P12 deleted when no longer needed", "early destruction is as easy as at the end",
         f"{len(seen.certificates)} destruction certificates given"),
    )  # fmt: skip


def _tables(seen: Observed) -> str:
    if not seen.tables:
        return "no ledger of published tables given"
    entries = [one for ledger in seen.tables.values() for one in ledger]
    cells = sum(len(one["cells"]) for one in entries)
    profiles = sorted({str(one["profile"]["name"]) for one in entries})
    return (
        f"{len(entries):,} tables with {cells:,} cells published in {len(seen.tables)} verified ledgers, "
        f"profile {', '.join(profiles) or '-'}"
    )


def _statement(seen: Observed) -> str:
    releases = seen.of("release")
    if not releases:
        return "no release description given"
    said = sum("decisions" in str(report.data.get("statement", "")) for report in releases)
    return f"{said} of {len(releases)} releases carry the statement"
