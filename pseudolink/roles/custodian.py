"""
The custodian: clean, encode, split and seal an extract. Nothing ever comes back to this role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pseudolink import files
from pseudolink.agreement import Agreement, load_signed, today_utc
from pseudolink.clean.common import Common, without_common
from pseudolink.clean.extract import clean_table
from pseudolink.clean.headings import fields_lacking
from pseudolink.clean.profile import FieldValues, values_of
from pseudolink.clean.profile import profile as profile_of
from pseudolink.clean.reader import open_extract, read_extract
from pseudolink.encode import floor
from pseudolink.encode.parts import Components
from pseudolink.engines.spill import SPILL, Spill
from pseudolink.errors import FloorError, MissingColumnsError, WrongKeyError
from pseudolink.formats import apart as apart_lists
from pseudolink.formats import attack_report
from pseudolink.formats import payload as payloads
from pseudolink.formats import records as indexes
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import TOKEN_WORDS, PassColumns
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain
from pseudolink.roles import carry
from pseudolink.roles import events as happenings
from pseudolink.roles.admission import Admission
from pseudolink.roles.carry import Columns
from pseudolink.roles.encoding import Encoder, Options, Report, coverage, quiet, settled
from pseudolink.roles.exchange import Exchange
from pseudolink.roles.objections import LeftOut, leave_out, read_list
from pseudolink.roles.payload import Payload, Piece
from pseudolink.roles.sealing import SUFFIX, Sealer
from pseudolink.roles.standing import require_role
from pseudolink.roles.streams import read_again
from pseudolink.roles.withdrawing import RECORDS, Index
from pseudolink.schema import LinkageSchema, load_schema
from pseudolink.seal.package import file_digest

ENCODINGS = "encodings"
PAYLOAD = "payload"

__all__ = ["Columns", "Delivered", "Profiled", "encode", "profile"]


@dataclass(frozen=True)
class Delivered:
    """
    What was written, and what the custodian's own software may still know.

    unknown_objections: lines of the list of objections that are nobody's programme ID.
    do_not_link: pairs of records that nothing may join. known_links: that are one person.
    events: event table -> events sent, and events of no record of the extract.
    records, source: (n, 16) uint8 and (n,) int64, which row of the extract each record ID stands
    for; in memory only, for whoever holds the extract anyway.
    """

    rows: int
    objections: int
    encodings: Path
    payload: Path
    company: float
    largest_component: int
    counts: dict[str, dict[str, Any]]
    records: npt.NDArray[np.uint8] = field(repr=False)
    source: npt.NDArray[np.int64] = field(repr=False)
    unknown_objections: int = 0
    do_not_link: int = 0
    events: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    known_links: int = 0


@dataclass(frozen=True)
class Profiled:
    """
    What a profile found.

    counts: JSON-able, without any value. values: clear text about people, for a terminal in front
    of the custodian and nothing else; None unless it was asked for. lacking: which columns are not
    there, and what is there in their place.
    """

    counts: dict[str, Any]
    values: dict[str, FieldValues] | None = field(repr=False)
    lacking: MissingColumnsError | None = None


def profile(
    extract: Any,
    schema: LinkageSchema,
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    sheet: str | None = None,
    today: date | None = None,
    strict: bool = False,
    with_values: bool = False,
) -> Profiled:
    """
    Count what an extract holds, field by field and pass by pass, and measure the floor.

    Nothing is encoded: company is counted from clear values, and is what encoding the same
    extract under the same schema will measure.

    Args:
        schema: may have no passes yet.
        strict: refuse an extract with cells that break a rule, and list their rows.
        with_values: look up the values behind the counts too.

    Raises:
        InputError: the extract cannot be read.
        FieldRuleError: strict, and cells break a rule.

    Source: specs/cleaning-v1.md, section 14.
    """
    table = read_extract(extract, encoding=encoding, delimiter=delimiter, sheet=sheet)
    day = today or date.today()
    # A profile is for finding out what is wrong, so a field without its column is a finding too.
    cleaned = clean_table(table, schema, strict=strict, needed=(), today=day, source=_name(extract))
    counts = {
        "source": _name(extract),
        **profile_of(cleaned, schema, table, today=day),
        **_passes(without_common(cleaned, schema), schema),
    }
    values = values_of(cleaned, schema, table, today=day) if with_values else None
    return Profiled(counts, values, fields_lacking(table.column_names, schema, _name(extract)))


def _passes(cleaned: Cleaned, schema: LinkageSchema) -> dict[str, Any]:
    """Cleaning-v1 14.6 and 14.7: what each pass will see, and company over all of them."""
    parts = Components(cleaned, schema)
    taking: dict[str, int] = {}

    def passes() -> Iterator[tuple[str, PassColumns]]:
        for one in schema.passes:
            columns = _alike(parts, one.on)
            taking[one.name] = len(np.unique(cleaned.source[columns.present]))
            yield one.name, columns

    records = np.ascontiguousarray(cleaned.source).view(np.uint8).reshape(cleaned.rows, -1)
    found = floor.measure_passes(records, passes())
    try:
        floor.enforce(found, schema.floor)
        holds = True
    except FloorError:
        holds = False
    return {
        "passes": [
            {
                "name": one.name,
                "on": list(one.on),
                "compare": list(one.compare),
                "rows": taking[one.name],
                "company": measured.company,
                "largest_block": measured.largest_block,
            }
            for one, measured in zip(schema.passes, found.passes, strict=True)
        ],
        "company": {
            "records": found.company,
            "share": found.share,
            "largest_component": found.largest_component,
            "floor": {"company": float(schema.floor.company), "component": schema.floor.component},
            "holds": holds,
        },
    }


def _alike(parts: Components, on: Sequence[str]) -> PassColumns:
    """Numbers that are equal where a pass's tokens would be; no key is needed for that."""
    rows = parts.cleaned.rows
    present = np.ones(rows, dtype=np.bool_)
    number = np.zeros(rows, dtype=np.int64)
    most = 1
    for part in parts.of_pass(on):
        width = len(part.start)  # one more than there are values
        if most > 2**62 // width:
            _, number = np.unique(number, return_inverse=True)
            most = rows
        present &= part.codes >= 0
        number = number * width + part.codes + 1
        most *= width
    tokens = np.zeros((rows, TOKEN_WORDS), dtype=np.uint64)
    tokens[:, 0] = number.astype(np.uint64)
    return PassColumns(tokens, present, None)


def _name(extract: Any) -> str:
    return Path(extract).name if isinstance(extract, (str, Path)) else "the table"


def _require_linkage_key(agreement: Agreement, key: LinkageKey) -> str:
    check = key.check_value(agreement.project, agreement.schema)
    if agreement.key_check is None:
        raise WrongKeyError(
            "the custodians have not signed a check value of the linkage key",
            advice="Sign the agreement again with --linkage-key, each custodian.",
        )
    if check != agreement.key_check:
        raise WrongKeyError(
            "this linkage key is not the one that the custodians signed for",
            advice="Compare the fingerprint with the other custodians.",
        )
    return check


def encode(
    extract: Any,
    *,
    agreement: Path,
    schema: Path,
    key: PartyKey,
    linkage_key: LinkageKey,
    output: Path,
    ledger: Path,
    columns: Columns | None = None,
    objections: Path | None = None,
    do_not_link: Path | None = None,
    events: Mapping[str, Path] | None = None,
    known_links: Path | None = None,
    options: Options | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    report: Report = quiet,
) -> Delivered:
    """
    Encode an extract under a signed agreement and seal both halves of it.

    Args:
        extract: path of a CSV, Parquet or Excel file, or a table in memory.
        output: new folder; gets the encodings for the operator and the payload for the releaser.
        ledger: where the receipt goes.
        do_not_link: list of pairs of people whom nothing may ever join, by ``columns.local_id``.
        known_links: list of pairs that are one person; not of the cohort.
        events: files of event tables, by the agreement's name of each; others are looked for in the
            extract. Lists and events need ``columns.local_id``.

    Raises:
        PseudolinkError: whatever does not fit; no output is left then.
    """
    files.refuse_existing(output)
    options = options or Options()
    columns = columns or Columns()
    agreed = load_signed(agreement, options.today)
    party = require_role(agreed, key, "custodian", "encode")
    design = load_schema(schema)
    agreed.require_schema(design.digest, (design.floor.company, design.floor.component))
    check = _require_linkage_key(agreed, linkage_key)
    opened = open_extract(extract, encoding=encoding, delimiter=delimiter, sheet=options.sheet)
    source = _name(extract)
    happened = happenings.gathered(
        opened,
        party,
        columns.local_id,
        events or {},
        encoding=encoding,
        delimiter=delimiter,
        source=source,
    )
    opened = happened.extract

    def audited(records: int) -> None:
        if design.floor.audit:
            day = options.today or today_utc()
            attack_report.require(options.audit, schema=design.digest, records=records, today=day)

    if opened.rows is not None:
        audited(opened.rows)
    carried = carry.carried_columns(opened.columns, party, columns, source, design)
    local = carry.local_id(opened.columns, party, columns, source) if do_not_link or known_links else ""
    objecting = read_list(objections, design) if objections is not None else None
    with files.new_folder(output) as folder, read_again(opened, folder) as opened:
        out = LeftOut.nobody()
        if objecting is not None:
            out = leave_out(
                opened,
                objecting,
                design,
                party,
                programme=carried.get(payloads.PROGRAMME_ID),
                family=carry.family_column(opened.columns, carried, columns),
                today=options.today,
            )
        write = Sealer(folder, agreed, party, key, check, options.today)
        write.heads = Exchange(ledger, party.id).outgoing()
        plain = folder / "plain.parquet"
        roads: list[tuple[Payload, Index, carry.Lists]] = []

        def gathered(common: Common) -> Encoder:
            roads.clear()
            for left in folder.glob(f"{SPILL}*"):  # of a first reading that found common values
                left.unlink()
            lists = carry.Lists.read(do_not_link, known_links, local, party)
            road = Admission(opened, design, party, carried, source, out, lists)
            payload = Payload(carried, lambda: Spill(folder), memory=options.memory, events=happened.lists)
            index = Index(carried, Spill(folder))

            def taken(piece: Piece, records: npt.NDArray[np.uint8]) -> None:
                payload.add(piece, records)
                index.add(happened.supplied(piece), records)
                for one in lists.both:
                    one.take(piece, records)

            encoder = Encoder(
                opened,
                design,
                linkage_key.derive,
                agreed.project,
                party=party.id,
                options=options,
                needed=party.fields,
                source=source,
                prepare=road,
                columns=road.columns,
                taken=taken,
                common=common,
                spill=lambda: Spill(folder),
                report=report,
            )
            encoder.gather(road.check)
            if opened.rows is None:  # a stream
                audited(road.rows)
            roads[:] = [(payload, index, lists)]
            return encoder

        encoder = settled(gathered)
        payload, index, lists = roads[0]
        written, fared = encoder.write(plain)
        statistics = {
            "chance": written.chance.to_json(),
            "company": written.company.to_json(),
            "coverage": coverage(fared),
        }
        rows, people = len(written.records), payload.rows
        apart, together = (one.pairs() if one else frozenset() for one in (lists.apart, lists.together))
        for name, pairs in ((apart_lists.APART, apart), (apart_lists.TOGETHER, together)):
            if pairs:
                whole = folder / "whole.parquet"
                apart_lists.add(plain, pairs, whole, name)
                whole.replace(plain)
        report("seal", 0, 3)
        sent = write(ENCODINGS, plain, rows, statistics)
        report("seal", 1, 3)
        payloads.write(carry.finished(payload.tables(), party, apart), plain)
        held = write(PAYLOAD, plain, people, {})
        report("seal", 2, 3)
        indexes.write(index.tables(), plain)
        digest = file_digest(Path(extract)) if isinstance(extract, (str, Path)) else None
        kept = write(RECORDS, plain, people, {"extract": digest})
        report("seal", 3, 3)
        chain.append(
            ledger,
            key,
            step="encode",
            agreement=agreed.digest,
            details={
                "rows": people,
                "objections": out.left_out,
                "do_not_link": len(apart),
                "known_links": len(together),
                **({"events": payload.events} if happened.events else {}),
                "objections_unknown": out.unknown,
                "schema": design.digest,
                "keys": {"linkage": linkage_key.fingerprint},
                ENCODINGS: sent,
                PAYLOAD: held,
                RECORDS: kept,
            },
        )
    counts = {name: {"valid": c.valid, "filled": c.filled} for name, c in fared.counts.items()}
    return Delivered(
        people,
        out.left_out,
        output / f"{party.id}.{ENCODINGS}{SUFFIX}",
        output / f"{party.id}.{PAYLOAD}{SUFFIX}",
        written.company.share,
        written.company.largest_component,
        counts,
        written.records,
        written.source if happened.rows is None else happened.rows[written.source],
        out.unknown,
        len(apart),
        happened.told(payload.events),
        len(together),
    )
