"""
A linkage's join as a plan of shards that any scheduler can run, each when and where it likes.

A plan is a folder: the opened encodings, the schema, ``plan.json`` and, under ``work``, what is
finished. A shard is a function of the folder alone, needs no key, and is whole or absent; so it may be
run twice, by two machines, or again after it was killed. ``link`` takes what is finished and does the
rest.

Source: specs/engines-v1.md, section 4.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pseudolink import files
from pseudolink.agreement import Agreement, today_utc
from pseudolink.engines.errors import PlanError
from pseudolink.errors import OutputExistsError
from pseudolink.formats.encodings import Encodings, save
from pseudolink.formats.stored import StoredPasses, open_stored
from pseudolink.keys.party import PartyKey
from pseudolink.match import compare
from pseudolink.match.shards import Work, make_shard, shard_path
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.joins import half_of_memory
from pseudolink.roles.linkage import Delivery, Report, ends, quiet
from pseudolink.roles.opening import allowed, open_all
from pseudolink.roles.receiving import receive
from pseudolink.schema import LinkageSchema, load_schema

FORMAT = "pseudolink/shard-plan/1"
PLAN_FILE = "plan.json"
SCHEMA_FILE = "schema.toml"
WORK_FOLDER = "work"
ENCODINGS_FOLDER = "encodings"


@dataclass(frozen=True)
class Shard:
    """
    One shard: a pass of two parties, and a range of its tokens.

    index: its number in the plan, from 0. number: of the pass. part, count: which range of how many.
    """

    index: int
    left: str
    right: str
    number: int
    part: int
    count: int


@dataclass(frozen=True)
class Plan:
    """
    A plan as it lies in a folder.

    inputs: digest of packages, agreement, schema and software. memory: bytes that a shard may take.
    encodings: party -> digest of its file.
    """

    folder: Path
    inputs: str
    memory: int
    encodings: Mapping[str, str]
    shards: tuple[Shard, ...]

    @property
    def work(self) -> Work:
        """What a join in shards takes, with all that is finished."""
        return Work(self.folder / WORK_FOLDER, self.memory)

    def path(self, shard: Shard) -> Path:
        """Where a shard stands when it is finished."""
        folder = self.folder / WORK_FOLDER / shard.left / shard.right
        return shard_path(folder, shard.number, shard.part, shard.count)

    def left_to_do(self) -> list[Shard]:
        """Shards that are not finished, in order."""
        return [one for one in self.shards if not self.path(one).exists()]


def inputs_of(deliveries: Sequence[Delivery], digests: Mapping[str, str], agreement: str, schema: str) -> str:
    """One digest of all that decides what the shards of a plan hold."""
    # Records that are withdrawn are gone: a shard names rows by their place among those that stay.
    records = [(one.party, hashlib.sha256(one.encodings.records.tobytes()).hexdigest()) for one in deliveries]
    listed = [FORMAT, sorted(digests.items()), sorted(records), agreement, schema, version("pseudolink")]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def make(
    packages: Sequence[Path],
    *,
    agreement: Path,
    schema: Path,
    key: PartyKey,
    output: Path,
    ledger: Path,
    withdrawals: Sequence[Path] = (),
    every_pair: bool = False,
    memory: int | None = None,
    today: date | None = None,
    report: Report = quiet,
) -> Plan:
    """
    Open the packages of a linkage and lay out its join.

    Args:
        output: new folder, the plan. It holds encodings in the open, for the operator alone.
        ledger: of the operator, which is read: it knows of withdrawals. The receipt is ``link``'s.
        withdrawals: packages of custodians; what they withdraw is not in the plan.
        memory: bytes that one shard may take.

    Raises:
        PseudolinkError: whatever ``operator.link`` would refuse before it joins.
    """
    files.refuse_existing(output)
    today = today or today_utc()
    memory = memory or half_of_memory()
    agreed, design = allowed(packages, agreement, schema, key, today)
    with files.new_folder(output) as folder:
        opened = folder / ENCODINGS_FOLDER
        opened.mkdir(mode=0o700)
        exchange = Exchange(ledger, key.id)
        with tempfile.TemporaryDirectory(dir=opened) as name:
            place = Path(name)
            given = open_all(packages, place, agreed, design, key, today, report, exchange)
            gone = receive(withdrawals, agreed, key, exchange, place, today)
            exchange.require_withdrawals()
            deliveries = given.without(gone).deliveries
            held = {one.party: _put(one.encodings, opened / f"{one.party}.parquet") for one in deliveries}
        shards: list[dict[str, Any]] = []
        for left, right in ends(deliveries, every_pair=every_pair):
            (folder / WORK_FOLDER / left.party / right.party).mkdir(mode=0o700, parents=True)
            count = Work.ranges_of(left.encodings.rows + right.encodings.rows, memory)
            for number in range(len(design.passes)):
                for part in range(count):
                    shards.append(asdict(Shard(len(shards), left.party, right.party, number, part, count)))
        (folder / SCHEMA_FILE).write_bytes(schema.read_bytes())
        raw = {
            "format": FORMAT,
            "inputs": inputs_of(deliveries, given.digests, agreed.digest, design.digest),
            "memory": memory,
            "schema": design.digest,
            "encodings": held,
            "shards": shards,
        }
        (folder / PLAN_FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8", newline="\n")
    return load(output)


def _put(encodings: Encodings, path: Path) -> str:
    """Encodings into the plan; the digest of their file."""
    if isinstance(encodings.passes, StoredPasses):
        encodings.passes.path.rename(path)
    else:
        save(encodings, path)
    return _digest(path)


def work_of(
    folder: Path,
    deliveries: Sequence[Delivery],
    digests: Mapping[str, str],
    agreed: Agreement,
    design: LinkageSchema,
) -> Work:
    """
    The shards of a plan, for a linkage of these deliveries.

    Raises:
        PlanError: it is damaged, or was made for others.
    """
    plan = load(folder)
    if plan.inputs != inputs_of(deliveries, digests, agreed.digest, design.digest):
        raise PlanError(
            "the plan of shards was made for other packages, other withdrawals, another agreement or another "
            "version",
            advice="Make it again: pseudolink shards plan.",
        )
    return plan.work


def load(folder: Path) -> Plan:
    """
    Read a plan.

    Raises:
        PlanError: there is none, or it is damaged.
    """
    try:
        raw = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            raise ValueError
        shards = tuple(Shard(**one) for one in raw["shards"])
        plan = Plan(folder, str(raw["inputs"]), int(raw["memory"]), dict(raw["encodings"]), shards)
        names = set(plan.encodings)
        sound = all(
            {one.left, one.right} <= names and one.index == at and 0 <= one.part < one.count
            for at, one in enumerate(shards)
        )
        if not sound or load_schema(folder / SCHEMA_FILE).digest != raw["schema"]:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise PlanError(
            f"{folder} is no plan of shards, or a damaged one",
            advice="Make it again: pseudolink shards plan.",
        ) from None
    return plan


def run(plan: Plan, shards: Sequence[Shard], report: Report = quiet) -> int:
    """
    Run shards that are not finished; finished ones are left as they are.

    Returns:
        how many were run.

    Raises:
        PlanError: encodings of the plan are not those that it was made for.
        LinkageError: a pass so broad that its pairs cannot be compared.
    """
    design = load_schema(plan.folder / SCHEMA_FILE)
    checked: set[str] = set()
    done = 0
    for at, one in enumerate(shards):
        report("shards", at, len(shards))
        path = plan.path(one)
        if path.exists():
            continue
        for party in {one.left, one.right} - checked:
            _require(plan, party)
            checked.add(party)
        _run(plan, one, design, path)
        done += 1
    report("shards", len(shards), len(shards))
    return done


def _run(plan: Plan, one: Shard, design: LinkageSchema, path: Path) -> None:
    sides = [open_stored(_encodings(plan, party), design.layout) for party in (one.left, one.right)]
    name = design.passes[one.number].name
    columns = sides[0].passes[name], sides[1].passes[name]
    width = np.uint64(max(sides[1].rows, 1))
    levels = partial(compare.pass_levels, design)
    with suppress(OutputExistsError):  # another worker was faster, with the same bytes
        make_shard(path, name, one.number, one.part, one.count, columns, width, levels)


def share_of(plan: Plan, which: int, of: int) -> list[Shard]:
    """Every ``of``-th shard from number ``which`` on: what one of several workers takes."""
    return [one for one in plan.shards if one.index % of == which]


def _encodings(plan: Plan, party: str) -> Path:
    return plan.folder / ENCODINGS_FOLDER / f"{party}.parquet"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _require(plan: Plan, party: str) -> None:
    try:
        same = _digest(_encodings(plan, party)) == plan.encodings[party]
    except OSError:
        same = False
    if not same:
        raise PlanError(
            f"the encodings of {party!r} are not those that the plan was made for",
            advice="Make the plan again: pseudolink shards plan.",
        )
