"""
The custodian: clean, encode, split and seal an extract. Nothing ever comes back to this role.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from pseudolink.clean.extract import clean_table
from pseudolink.clean.profile import profile as profile_of
from pseudolink.clean.reader import column_key, read_extract
from pseudolink.errors import InputError, NotPermittedError, WrongKeyError
from pseudolink.formats import payload as payloads
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.ledger import chain
from pseudolink.roles.encoding import (
    Options,
    columns_by_name,
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


@dataclass(frozen=True)
class Columns:
    """
    Where the payload is in the extract.

    attributes: columns to carry; every attribute that the agreement permits when None.
    """

    programme_id: str = payloads.PROGRAMME_ID
    family_id: str = payloads.FAMILY_ID
    attributes: Sequence[str] | None = None


@dataclass(frozen=True)
class Delivered:
    """
    What was written, and what the custodian's own software may still know.

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


def profile(
    extract: Any, schema: LinkageSchema, *, encoding: str = "utf-8", delimiter: str | None = None
) -> dict[str, Any]:
    """Counts, coverage and invalid values of an extract by field; no value is shown."""
    table = read_extract(extract, encoding=encoding, delimiter=delimiter)
    # A profile is for finding out what is wrong, so a field without its column is a finding too.
    return profile_of(clean_table(table, schema, needed=(), source=_name(extract)), schema)


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
    carried = _carried(table, party, columns, _name(extract))
    objecting = 0
    if objections is not None:
        listed = read_objections(objections)
        if payloads.PROGRAMME_ID not in carried:
            raise NotPermittedError("only the cohort's custodian has programme IDs to object by")
        table, objecting = without_objections(table, carried[payloads.PROGRAMME_ID], listed)
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
        sent = write(ENCODINGS, plain, rows, statistics)
        payload = payload_table(written.records, written.source, table, carried)
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
    )


def _carried(table: pa.Table, party: Party, columns: Columns, source: str) -> dict[str, str]:
    """Column in the payload -> column of the extract."""
    wanted = list(party.attributes if columns.attributes is None else columns.attributes)
    payloads.refuse_unpermitted(wanted, party.attributes, party=party.id)
    carried = {}
    if party.cohort:
        names = {payloads.PROGRAMME_ID: columns.programme_id}
        if any(name.strip().casefold() == columns.family_id.casefold() for name in table.column_names):
            names[payloads.FAMILY_ID] = columns.family_id
        found = columns_by_name(table, [*names.values(), *wanted], source=source)
        carried = {name: found[column] for name, column in names.items()}
    else:
        found = columns_by_name(table, wanted, source=source)
    return carried | {name: found[name] for name in wanted}


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
