"""
The operator: link the encodings of all parties. Holds no linkage key, no attribute, no identifier.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pseudolink import files
from pseudolink.agreement import Agreement, today_utc
from pseudolink.formats import linkmap, reviews
from pseudolink.formats.manifest import Manifest
from pseudolink.formats.summary import LinkageSummary
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain
from pseudolink.match.expect import Expected
from pseudolink.match.expect import expect as expected
from pseudolink.match.shards import Work
from pseudolink.report.linkage import render
from pseudolink.resolve.clusters import MOST_DUPLICATES
from pseudolink.roles import detail, duplicates, extending, shard_plan
from pseudolink.roles.candidates import candidates_table, expected_of
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.explaining import MODEL_FILE, model_of
from pseudolink.roles.joins import Engine, LocalEngine, half_of_memory
from pseudolink.roles.linkage import (
    Delivery,
    PairLinkage,
    Report,
    ends,
    link_all,
    pair_summary,
    party_summary,
    quiet,
)
from pseudolink.roles.opening import Opened, allowed, open_all
from pseudolink.roles.people import People, link_map, people_of
from pseudolink.roles.receiving import receive
from pseudolink.roles.resolving import Rules, require_known
from pseudolink.schema import LinkageSchema
from pseudolink.seal.package import seal

LINK_MAP = "link_map"
MAP_FILE = "linkmap.package"
REPORT_FILE = "report.html"
SUMMARY_FILE = "summary.json"
CANDIDATES_FILE = "candidates.parquet"
#: Code of the warning that groups of duplicates reached the cap (resolution-v1, 6.6).
CAPPED = "PL-RESOLVE-01"


@dataclass(frozen=True)
class Resolution:
    """
    What became of the links.

    links: party -> its records in the link map; carried: those that came over a third party's
    record. guarded: pairs that would be links but for the guard of twins. ambiguous, contradicted:
    links that other parties' evidence left out. duplicates: party -> groups of duplicates.
    warnings: (code, sentence).
    """

    links: dict[str, int]
    carried: dict[str, int]
    guarded: int
    ambiguous: int
    contradicted: int
    duplicates: dict[str, int]
    warnings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Linked:
    """
    What was written, and the summary that the report shows.

    left_out: giant blocks whose pairs were not compared, a sentence for each pass. state: for whoever
    extends this linkage, when it was asked for.
    """

    link_map: Path
    report: Path
    summary: LinkageSummary
    resolution: Resolution
    candidates: Path | None = None
    left_out: tuple[str, ...] = ()
    state: Path | None = None


def link(
    packages: Sequence[Path],
    *,
    agreement: Path,
    schema: Path,
    key: PartyKey,
    output: Path,
    ledger: Path,
    min_precision: float | None = None,
    threshold: float | None = None,
    rules: Rules | None = None,
    candidates: bool = False,
    extend: Path | None = None,
    extendable: bool = False,
    memory: int | None = None,
    withdrawals: Sequence[Path] = (),
    engine: Engine | None = None,
    shards: Path | None = None,
    today: date | None = None,
    report: Report = quiet,
) -> Linked:
    """
    Link the sealed encodings of two or more parties, each against the cohort.

    A run that was killed goes on where it was: it finds the finished parts of its joins beside the
    output. A run that ends by itself leaves nothing there.

    Args:
        packages: one package of encodings from each party, the cohort's among them.
        withdrawals: packages of custodians; their records are dropped before anything is compared.
        output: new folder; gets the link map sealed to the releaser, and the operator's report.
        min_precision, threshold: see ``linkage.link_pair``.
        rules: how links are resolved. candidates: leave the operator a file for clerical review.
        extend: folder of a finished linkage whose people keep their IDs (extending-v1).
        extendable: leave the state that an extension needs, sealed to the operator itself.
        memory: bytes that the join may take; half of the machine's when None. With another engine,
            bytes that one of its tasks may join.
        engine: where pairs are found; this machine when None. The result is the same.
        shards: plan of shards (``shard_plan``); those that are finished are taken from it.

    Raises:
        PseudolinkError: whatever does not fit; no output is left then.
    """
    files.refuse_existing(output)
    today = today or today_utc()
    agreed, design = allowed(packages, agreement, schema, key, today)
    engine = engine or LocalEngine()
    exchange = Exchange(ledger, key.id)
    with files.new_folder(output) as folder:
        opened = folder / "opened"
        opened.mkdir(mode=0o700)
        plain = folder / "plain.parquet"
        before = None if extend is None else extending.open_state(extend, plain, agreed, key, today)
        stated = {} if before is None else before.packages
        joins = engine.joins(opened, memory)
        given = open_all(packages, opened, agreed, design, key, today, report, exchange, stated, joins)
        gone = receive(withdrawals, agreed, key, exchange, opened, today)
        exchange.require_withdrawals()
        given = given.without(gone)
        deliveries, digests = given.deliveries, given.digests
        rules = rules or Rules()
        require_known(rules.labels, [one.encodings for one in deliveries])
        planned = None if shards is None else shard_plan.work_of(shards, deliveries, digests, agreed, design)
        merged, told = duplicates.merge(deliveries, rules)
        with files.work_folder(output, _decides(given, agreed, design, merged)) as place:
            work = Work(place, memory or half_of_memory())
            linkages = link_all(
                merged,
                min_precision=min_precision,
                threshold=threshold,
                rules=rules,
                work=planned or work,
                report=report,
            )
            known = extending.NO_HISTORY
            if before is not None:
                known = extending.history(before, given.older, linkages, work=work, report=report)
        summary = _summary(deliveries, linkages, agreed, today, engine.name)
        people = people_of(linkages)
        found = link_map(linkages, people, known.continues)
        if before is not None:
            found, changes = extending.tell(before, known, found, agreed.cohort.id)
            summary = replace(summary, extends=changes)
        resolved = _resolved(people, linkages, told, agreed.cohort.id)
        linkmap.save(found, plain)
        manifest = _manifest(found.num_rows, summary, resolved, agreed, key, today, exchange)
        sealed = seal(plain, folder / MAP_FILE, manifest, agreed, key, today=today)
        plain.unlink()
        carried = {}
        if extendable:
            extending.save_state(found, plain)
            own = extending.state_manifest(manifest, digests, sealed)
            carried["state"] = seal(plain, folder / extending.STATE_FILE, own, agreed, key, today=today)
            plain.unlink()
        shutil.rmtree(opened)
        summary = replace(summary, clusters=detail.clusters(found))
        (folder / REPORT_FILE).write_text(render(summary), encoding="utf-8", newline="\n")
        model = json.dumps(model_of(linkages).to_json(), indent=1)
        (folder / MODEL_FILE).write_text(model + "\n", encoding="utf-8", newline="\n")
        (folder / SUMMARY_FILE).write_text(
            json.dumps(summary.to_json(), indent=2) + "\n", encoding="utf-8", newline="\n"
        )
        if candidates:
            reviews.save_candidates(
                candidates_table(linkages), expected_of(linkages), folder / CANDIDATES_FILE
            )
        chain.append(
            ledger,
            key,
            step="link",
            agreement=agreed.digest,
            details={
                "packages": digests,
                "links": [{"left": p.left, "right": p.right, "links": p.links} for p in summary.pairs],
                "rules": {
                    "assignment": rules.assignment,
                    "every_pair": rules.every_pair,
                    "duplicates": sorted(rules.duplicates),
                    "labels": len(rules.labels),
                    "guard": rules.guard,
                },
                LINK_MAP: sealed,
                **exchange.details(),
                **({} if before is None else {"extends": _extends(summary, before.digest)}),
                **carried,
            },
        )
    kept = output / CANDIDATES_FILE if candidates else None
    state = output / extending.STATE_FILE if extendable else None
    return Linked(
        output / MAP_FILE, output / REPORT_FILE, summary, resolved, kept, _left_out(linkages), state
    )


def _extends(summary: LinkageSummary, state: str | None = None) -> dict[str, Any]:
    """The counts of extending-v1, 5.2, for a manifest or, with the state's digest, a receipt."""
    counts: dict[str, Any] = summary.to_json()["extends"]
    return counts if state is None else {**counts, "state": state}


def _resolved(
    people: People, linkages: Sequence[PairLinkage], told: Sequence[duplicates.Found], cohort: str
) -> Resolution:
    warnings = [
        (
            CAPPED,
            f"{one.party}: {one.capped:,} links of duplicates would have made groups of more than "
            f"{MOST_DUPLICATES} records and were left out; look for a value that many records share",
        )
        for one in told
        if one.capped
    ]
    return Resolution(
        links={party: len(joined) for party, joined in people.joined.items()},
        carried=dict(people.carried),
        guarded=sum(one.guarded for one in linkages if one.left.party == cohort),
        ambiguous=people.ambiguous,
        contradicted=people.contradicted,
        duplicates={one.party: one.groups for one in told},
        warnings=tuple(warnings),
    )


def _left_out(linkages: Sequence[PairLinkage]) -> tuple[str, ...]:
    """Blocks too large to compare, in words."""
    return tuple(
        f"{one.left.party} and {one.right.party}, pass {giant.name}: {giant.blocks:,} giant blocks "
        f"({giant.left_rows:,} and {giant.right_rows:,} rows, {giant.pairs:,} pairs) were left out"
        for one in linkages
        for giant in one.scored.candidates.giants
    )


def expect(
    packages: Sequence[Path],
    *,
    agreement: Path,
    schema: Path,
    key: PartyKey,
    output: Path,
    every_pair: bool = False,
    extend: Path | None = None,
    memory: int | None = None,
    today: date | None = None,
    report: Report = quiet,
) -> dict[tuple[str, str], Expected]:
    """
    What :func:`link` would bring and take, by two parties, from a sample. Nothing is written.

    Raises:
        PseudolinkError: whatever :func:`link` would refuse before it joins.
    """
    files.refuse_existing(output)
    today = today or today_utc()
    agreed, design = allowed(packages, agreement, schema, key, today)
    with files.scratch_folder(output) as folder:
        before = {}
        if extend is not None:
            state = extending.open_state(extend, folder / "plain.parquet", agreed, key, today)
            before = dict(state.packages)
        deliveries = open_all(packages, folder, agreed, design, key, today, report, before=before).deliveries
        most = memory or half_of_memory()
        return {
            (left.party, right.party): expected(left.encodings, right.encodings, most)
            for left, right in ends(deliveries, every_pair=every_pair)
        }


def _decides(given: Opened, agreed: Agreement, design: LinkageSchema, deliveries: Sequence[Delivery]) -> str:
    """One digest of all that decides what a join finds: other inputs, other finished shards."""
    # Records that are withdrawn are gone, and duplicates are one record.
    joined = [*deliveries, *([] if given.older is None else [given.older])]
    records = [(one.party, hashlib.sha256(one.encodings.records.tobytes()).hexdigest()) for one in joined]
    inputs = [*given.digests.items(), agreed.digest, design.digest, version("pseudolink"), records]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def _summary(
    deliveries: Sequence[Delivery],
    linkages: Sequence[PairLinkage],
    agreed: Agreement,
    today: date,
    engine: str,
) -> LinkageSummary:
    return LinkageSummary(
        project=agreed.project,
        purpose=agreed.purpose,
        agreement=agreed.digest,
        schema=agreed.schema,
        software=f"pseudolink {version('pseudolink')}",
        created=today.isoformat(),
        engine=engine,
        parties=tuple(party_summary(one, linkages) for one in deliveries),
        pairs=tuple(pair_summary(one) for one in linkages),
    )


def _manifest(
    rows: int,
    summary: LinkageSummary,
    resolved: Resolution,
    agreed: Agreement,
    key: PartyKey,
    today: date,
    exchange: Exchange,
) -> Manifest:
    quality = [
        {
            "left": pair.left,
            "right": pair.right,
            "links": resolved.links[pair.right],
            # As text: a manifest holds no floating point.
            "expected_precision": f"{pair.expected_precision:.4f}",
            "expected_recall": f"{pair.expected_recall:.4f}",
        }
        # Of parties beside the cohort nothing is said, not even how many people they share.
        for pair in summary.pairs
        if pair.left == agreed.cohort.id
    ]
    return Manifest(
        artefact=LINK_MAP,
        project=agreed.project,
        agreement=agreed.digest,
        schema=agreed.schema,
        key_check=agreed.key_check,
        sender=key.id,
        recipients=tuple(p.id for p in agreed.recipients_of(LINK_MAP)),
        purpose=agreed.purpose,
        created=today.isoformat(),
        expires=agreed.expires.isoformat(),
        rows=rows,
        software=summary.software,
        statistics={
            "pairs": quality,
            "duplicates": sorted(resolved.duplicates),
            **({} if summary.extends is None else {"extends": _extends(summary)}),
        },
        heads=exchange.outgoing(),
    )
