"""
The custodian: clean, encode, split and seal an extract. Nothing ever comes back to this role.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink import files
from pseudolink.agreement import Agreement, Party, load_signed, require_own_key, today_utc
from pseudolink.clean.common import without_common
from pseudolink.clean.extract import clean_table
from pseudolink.clean.profile import FieldValues, values_of
from pseudolink.clean.profile import profile as profile_of
from pseudolink.clean.reader import column_key, read_extract
from pseudolink.encode import floor
from pseudolink.encode.tokens import Components
from pseudolink.errors import FloorError, InputError, NotPermittedError, WrongKeyError
from pseudolink.formats import apart as apart_lists
from pseudolink.formats import attack_report
from pseudolink.formats import payload as payloads
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import TOKEN_WORDS, PassColumns
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain
from pseudolink.roles import carry
from pseudolink.roles.carry import Columns
from pseudolink.roles.encoding import (
    Options,
    columns_of,
    coverage,
    encode_table_to,
    payload_table,
    without_objections,
)
from pseudolink.schema import LinkageSchema, load_schema
from pseudolink.seal.package import file_digest, seal

ENCODINGS = "encodings"
PAYLOAD = "payload"
SUFFIX = ".package"

__all__ = ["Columns", "Delivered", "Profiled", "encode", "profile", "read_objections"]


@dataclass(frozen=True)
class Delivered:
    """
    What was written, and what the custodian's own software may still know.

    unknown_objections: lines of the list of objections that are nobody's programme ID.
    do_not_link: pairs of records that nothing may join. known_links: that are one person.
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
    known_links: int = 0


@dataclass(frozen=True)
class Profiled:
    """
    What a profile found.

    counts: JSON-able, without any value. values: clear text about people, for a terminal in front
    of the custodian and nothing else; None unless it was asked for.
    """

    counts: dict[str, Any]
    values: dict[str, FieldValues] | None = field(repr=False)


def profile(
    extract: Any,
    schema: LinkageSchema,
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
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
    table = read_extract(extract, encoding=encoding, delimiter=delimiter)
    day = today or date.today()
    # A profile is for finding out what is wrong, so a field without its column is a finding too.
    cleaned = clean_table(table, schema, strict=strict, needed=(), today=day, source=_name(extract))
    counts = {
        "source": _name(extract),
        **profile_of(cleaned, schema, table, today=day),
        **_passes(without_common(cleaned, schema), schema),
    }
    return Profiled(counts, values_of(cleaned, schema, table, today=day) if with_values else None)


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


def _custodian(agreement: Agreement, key: PartyKey) -> Party:
    party = require_own_key(agreement, key)
    if party.role != "custodian":
        raise NotPermittedError(f"{party.id!r} is not a custodian; only custodians encode")
    return party


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


def read_objections(path: Path) -> list[str]:
    """Programme IDs of people who object, one a line; a heading is harmless."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path.name}: {type(error).__name__}") from None


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
    known_links: Path | None = None,
    options: Options | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
) -> Delivered:
    """
    Encode an extract under a signed agreement and seal both halves of it.

    Args:
        extract: path of a CSV or Parquet file, or a table in memory.
        output: new folder; gets the encodings for the operator and the payload for the releaser.
        ledger: where the receipt goes.
        do_not_link: list of pairs of people whom nothing may ever join, by ``columns.local_id``.
        known_links: list of pairs that are one person; not of the cohort.

    Raises:
        PseudolinkError: whatever does not fit; no output is left then.
    """
    files.refuse_existing(output)
    options = options or Options()
    columns = columns or Columns()
    agreed = load_signed(agreement, options.today)
    party = _custodian(agreed, key)
    design = load_schema(schema)
    agreed.require_schema(design.digest)
    check = _require_linkage_key(agreed, linkage_key)
    table = read_extract(extract, encoding=encoding, delimiter=delimiter)
    if design.floor.audit:
        day = options.today or today_utc()
        attack_report.require(options.audit, schema=design.digest, records=table.num_rows, today=day)
    carried = carry.carried(table, party, columns, _name(extract))
    if party.cohort:
        carry.require_programme_ids(table, carried[payloads.PROGRAMME_ID], _name(extract))
    lists = do_not_link or known_links
    local = carry.local_id(table, party, columns, _name(extract)) if lists else ""
    pairs = carry.read_pairs(do_not_link, table, local) if do_not_link else []
    known = carry.known_pairs(known_links, table, local, party, pairs) if known_links else []
    objecting = unknown = 0
    if objections is not None:
        listed = read_objections(objections)
        if payloads.PROGRAMME_ID not in carried:
            raise NotPermittedError("only the cohort's custodian has programme IDs to object by")
        table, objecting, unknown = without_objections(table, carried[payloads.PROGRAMME_ID], listed)
    local_ids = table.column(local).to_pylist() if lists else []
    table = _permitted_fields(table, design, party)
    with files.new_folder(output) as folder:
        write = _Writer(folder, agreed, party, key, check, options.today)
        plain = folder / "plain.parquet"
        written, cleaned = encode_table_to(
            plain,
            table,
            design,
            linkage_key.derive,
            agreed.project,
            party=party.id,
            options=options,
            needed=party.fields,
            source=_name(extract),
        )
        statistics = {
            "chance": written.chance.to_json(),
            "company": written.company.to_json(),
            "coverage": coverage(cleaned),
        }
        rows = len(written.records)
        people = len(np.unique(written.source))
        apart, together = (
            carry.record_pairs(one, local_ids, written.source, written.records) for one in (pairs, known)
        )
        for name, listed_pairs in ((apart_lists.APART, apart), (apart_lists.TOGETHER, together)):
            if listed_pairs:
                whole = folder / "whole.parquet"
                apart_lists.add(plain, listed_pairs, whole, name)
                whole.replace(plain)
        sent = write(ENCODINGS, plain, rows, statistics)
        payload = payload_table(written.records, written.source, table, carried)
        payload = carry.finished(payload, party, apart)
        payloads.save(payload, plain)
        held = write(PAYLOAD, plain, payload.num_rows, {})
        chain.append(
            ledger,
            key,
            step="encode",
            agreement=agreed.digest,
            details={
                "rows": people,
                "objections": objecting,
                "do_not_link": len(apart),
                "known_links": len(together),
                "schema": design.digest,
                ENCODINGS: sent,
                PAYLOAD: held,
            },
        )
    counts = {name: {"valid": c.valid, "filled": c.filled} for name, c in cleaned.counts.items()}
    return Delivered(
        people,
        objecting,
        output / f"{party.id}.{ENCODINGS}{SUFFIX}",
        output / f"{party.id}.{PAYLOAD}{SUFFIX}",
        written.company.share,
        written.company.largest_component,
        counts,
        written.records,
        written.source,
        unknown,
        len(apart),
        len(together),
    )


def _permitted_fields(table: pa.Table, design: LinkageSchema, party: Party) -> pa.Table:
    """Without the columns of fields that this party may not encode."""
    barred = columns_of(one for name, one in design.fields.items() if name not in party.fields)
    kept = columns_of(one for name, one in design.fields.items() if name in party.fields)
    kept |= {column_key(name) for name in party.attributes}
    drop = [name for name in table.column_names if column_key(name) in barred - kept]
    return table.drop_columns(drop) if drop else table


class _Writer:
    """Seals one artefact after another into the folder of a delivery."""

    def __init__(
        self, folder: Path, agreed: Agreement, party: Party, key: PartyKey, check: str, today: date | None
    ) -> None:
        self.folder, self.agreed, self.party, self.key, self.check = folder, agreed, party, key, check
        self.today = today or today_utc()

    def __call__(self, artefact: str, plain: Path, rows: int, statistics: dict[str, Any]) -> str:
        """Seal ``plain``, remove it, and return the package's digest."""
        manifest = Manifest(
            artefact=artefact,
            project=self.agreed.project,
            agreement=self.agreed.digest,
            schema=self.agreed.schema,
            key_check=self.check,
            sender=self.party.id,
            recipients=tuple(p.id for p in self.agreed.recipients_of(artefact)),
            purpose=self.agreed.purpose,
            created=self.today.isoformat(),
            expires=self.agreed.expires.isoformat(),
            rows=rows,
            software=f"pseudolink {version('pseudolink')}",
            content_sha256=file_digest(plain),
            statistics=statistics,
        )
        target = self.folder / f"{self.party.id}.{artefact}{SUFFIX}"
        digest = seal(plain, target, manifest, self.agreed, self.key, today=self.today)
        plain.unlink()
        return digest
