"""The operator's plan of shards, for schedulers: shards plan, run and show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pseudolink.cli.common import (
    FOLDER,
    NEW_PATH,
    READABLE,
    ask_passphrase,
    emit,
    json_option,
    passphrase_option,
    progress,
    refusals,
    size_in_bytes,
)
from pseudolink.errors import UsageError

if TYPE_CHECKING:
    from pseudolink.roles.shard_plan import Plan


@click.group()
def shards() -> None:
    """Operator: lay a linkage's join out in shards that any scheduler can run."""


@shards.command(
    epilog="Example: pseudolink shards plan council.encodings.package schools.encodings.package "
    "--agreement agreement.toml --schema schema.toml --key linkage-unit.party.key --memory 1G -o plan"
)
@click.argument("packages", nargs=-1, required=True, type=READABLE, metavar="PACKAGE...")
@click.option("--agreement", type=READABLE, required=True, help="The signed agreement (TOML).")
@click.option("--schema", type=READABLE, required=True, help="The linkage schema that it names (TOML).")
@click.option("--key", type=READABLE, required=True, help="The operator's ID.party.key.")
@click.option(
    "-o", "--output", type=NEW_PATH, required=True, help="New folder, the plan; all workers see it."
)
@click.option("--ledger", type=NEW_PATH, help="The operator's ledger, as of link; it is only read here.")
@click.option(
    "--withdrawals", type=READABLE, multiple=True, help="A custodian's withdrawal; give every one you hold."
)
@click.option("--every-pair", is_flag=True, help="All parties with one another, as link --every-pair.")
@click.option("--memory", metavar="SIZE", help="That one shard may take, such as 1G.")
@passphrase_option
@json_option
@refusals
def plan(
    packages: tuple[Path, ...],
    agreement: Path,
    schema: Path,
    key: Path,
    output: Path,
    ledger: Path | None,
    withdrawals: tuple[Path, ...],
    every_pair: bool,
    memory: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Open PACKAGEs and write a plan: the only step that needs the operator's key."""
    from pseudolink.keys.party import PartyKey
    from pseudolink.roles import shard_plan as role

    allowed = None if memory is None else size_in_bytes(memory)
    own = PartyKey.load(key, ask_passphrase(passphrase_file))
    with progress() as report:
        made = role.make(
            packages,
            agreement=agreement,
            schema=schema,
            key=own,
            output=output,
            ledger=ledger or output.parent / "ledger.jsonl",
            withdrawals=withdrawals,
            every_pair=every_pair,
            memory=allowed,
            report=report,
        )
    _tell(made, as_json=as_json)


@shards.command(epilog="Example: pseudolink shards run plan --share 3/16")
@click.argument("folder", type=FOLDER, metavar="PLAN")
@click.argument("numbers", nargs=-1, type=click.IntRange(min=0), metavar="[SHARD]...")
@click.option("--share", metavar="K/N", help="The K-th of N workers' share, from 0: for a job array.")
@json_option
@refusals
def run(folder: Path, numbers: tuple[int, ...], share: str | None, as_json: bool) -> None:
    """Run SHARDs of PLAN, or all that are left. Finished ones stay; running one twice is harmless."""
    from pseudolink.roles import shard_plan as role

    found = role.load(folder)
    chosen = list(found.shards)
    if share is not None:
        which, _, of = share.partition("/")
        if numbers or not (which.isdecimal() and of.isdecimal() and int(which) < int(of)):
            raise UsageError("--share is K/N with K from 0 to N - 1, and goes without numbers of shards")
        chosen = role.share_of(found, int(which), int(of))
    elif numbers:
        if max(numbers) >= len(found.shards):
            raise UsageError(f"the plan has shards 0 to {len(found.shards) - 1}")
        chosen = [found.shards[number] for number in dict.fromkeys(numbers)]
    with progress() as report:
        role.run(found, chosen, report)
    _tell(found, as_json=as_json)


@shards.command(epilog="Example: pseudolink shards show plan")
@click.argument("folder", type=FOLDER, metavar="PLAN")
@json_option
@refusals
def show(folder: Path, as_json: bool) -> None:
    """Say how many shards of PLAN are finished, and which are not."""
    from pseudolink.roles import shard_plan as role

    _tell(role.load(folder), as_json=as_json)


def _tell(plan: Plan, *, as_json: bool) -> None:
    left = [one.index for one in plan.left_to_do()]
    total = len(plan.shards)
    said = f"; left: {', '.join(map(str, left[:20]))}{', …' if len(left) > 20 else ''}" if left else ""
    result = {"plan": str(plan.folder), "shards": total, "left": left}
    emit(result, f"{total - len(left):,} of {total:,} shards finished{said}", as_json=as_json)
