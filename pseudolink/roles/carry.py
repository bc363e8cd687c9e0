"""
What a custodian carries beside the encodings: payload columns, family tokens, the do-not-link list.

Source: specs/payload-v1.md; specs/encoding-v1.md, 7.6.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.agreement import Party
from pseudolink.errors import (
    DoNotLinkError,
    InputError,
    KnownLinksError,
    NotPermittedError,
    Problem,
    UsageError,
)
from pseudolink.formats import apart
from pseudolink.formats import payload as payloads
from pseudolink.roles.encoding import columns_by_name

_BETWEEN = re.compile(r"[,;\t]")
_TOKEN_BYTES = 16


@dataclass(frozen=True)
class Columns:
    """
    Where the payload is in the extract.

    attributes: columns to carry; every attribute that the agreement permits when None.
    local_id: column by which lists of pairs name people; the programme ID when None.
    """

    programme_id: str = payloads.PROGRAMME_ID
    family_id: str = payloads.FAMILY_ID
    attributes: Sequence[str] | None = None
    family_from: str = payloads.FAMILY_FROM
    family_to: str = payloads.FAMILY_TO
    local_id: str | None = None


def carried(table: pa.Table, party: Party, columns: Columns, source: str) -> dict[str, str]:
    """Column in the payload -> column of the extract."""
    wanted = list(party.attributes if columns.attributes is None else columns.attributes)
    payloads.refuse_unpermitted(wanted, party.attributes, party=party.id)
    there = {name.strip().casefold() for name in table.column_names}
    names = {}
    if party.cohort:
        names[payloads.PROGRAMME_ID] = columns.programme_id
    if (party.cohort or party.families) and columns.family_id.casefold() in there:
        names[payloads.FAMILY_ID] = columns.family_id
        dates = {payloads.FAMILY_FROM: columns.family_from, payloads.FAMILY_TO: columns.family_to}
        names |= {name: column for name, column in dates.items() if column.casefold() in there}
    found = columns_by_name(table, [*names.values(), *wanted], source=source)
    return {name: found[column] for name, column in names.items()} | {name: found[name] for name in wanted}


def require_programme_ids(table: pa.Table, column: str, source: str) -> None:
    """
    Raises:
        InputError: a record of the cohort without a programme ID.
    """
    # The releaser would refuse the payload, when everybody's work is done; here it can be corrected.
    missing = [row for row, one in enumerate(table.column(column).to_pylist(), 1) if not (one or "").strip()]
    if missing:
        raise InputError(
            f"{source}: {len(missing):,} rows without a programme ID, first row {missing[0]:,}",
            advice="Everybody in the cohort needs one: the release names people by it.",
        )


def local_id(table: pa.Table, party: Party, columns: Columns, source: str) -> str:
    """
    The column of the extract by which lists of pairs name people.

    Raises:
        UsageError: a party without programme IDs has not said which it is.
    """
    wanted = columns.local_id or (columns.programme_id if party.cohort else None)
    if wanted is None:
        raise UsageError(
            "a list of pairs needs to know by which column it names people",
            advice="Name it: --local-id COLUMN. It is not sent to anybody.",
        )
    return columns_by_name(table, [wanted], source=source)[wanted]


def read_pairs(
    path: Path,
    table: pa.Table,
    column: str,
    wrong: type[DoNotLinkError | KnownLinksError] = DoNotLinkError,
) -> list[tuple[str, str]]:
    """
    Pairs of local IDs, two a line with a comma, semicolon or tab between; a heading is harmless.

    Raises:
        InputError: not readable as text.
        DoNotLinkError, or as said in ``wrong``: lines that are no pair of people of this extract, all
            of them. A mistyped ID would leave a person without the protection that the list is for.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path.name}: {type(error).__name__}") from None
    known = {(value or "").strip() for value in table.column(column).to_pylist()} - {""}
    pairs, problems = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        ids = [one.strip().strip('"') for one in _BETWEEN.split(line)]
        strangers = sum(one not in known for one in ids)
        if number == 1 and strangers == len(ids):
            continue  # a heading
        if len(ids) != 2:
            problems.append(Problem(f"line {number}", f"{len(ids)} IDs; a pair has two"))
        elif strangers:
            problems.append(Problem(f"line {number}", f"{strangers} of its IDs are nobody's in this extract"))
        elif ids[0] == ids[1]:
            problems.append(Problem(f"line {number}", "the same ID twice"))
        else:
            pairs.append((ids[0], ids[1]))
    if problems:
        raise wrong(problems, source=path.name)
    return pairs


def known_pairs(
    path: Path, table: pa.Table, column: str, party: Party, barred: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """
    Known links: pairs of local IDs that are one person, in the form of a do-not-link list.

    Args:
        barred: pairs on the do-not-link list.

    Raises:
        NotPermittedError: of the cohort's custodian.
        KnownLinksError: lines that are no pair of people, or that join what ``barred`` keeps apart.
    """
    if party.cohort:
        raise NotPermittedError(
            f"{party.id!r} holds the cohort: each of its records is a person of the release",
            advice="Give the records of one person as versions of one.",
        )
    pairs = read_pairs(path, table, column, KnownLinksError)
    root: dict[str, str] = {}

    def find(one: str) -> str:
        while root.setdefault(one, one) != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    for a, b in pairs:
        root[find(a)] = find(b)
    against = sum(find(a) == find(b) for a, b in barred)
    if against:
        what = f"they join {against:,} pairs of the do-not-link list, directly or over others"
        raise KnownLinksError([Problem("", what)], source=path.name)
    return pairs


def record_pairs(
    pairs: Sequence[tuple[str, str]],
    local_ids: Sequence[str | None],
    source: npt.NDArray[np.int64],
    records: npt.NDArray[np.uint8],
) -> apart.Pairs:
    """
    Pairs of record IDs from pairs of local IDs; every record that bears an ID.

    Args:
        local_ids: of each row that was encoded. source, records: (n,) and (n, 16), as encoded.
    """
    if not pairs:
        return frozenset()
    listed = {one for pair in pairs for one in pair}
    found: dict[str, set[bytes]] = {}
    for row, record in zip(source.tolist(), records, strict=True):
        one = (local_ids[row] or "").strip()
        if one in listed:
            found.setdefault(one, set()).add(bytes(record))
    return apart.ordered(
        (x, y) for a, b in pairs for x in found.get(a, ()) for y in found.get(b, ()) if x != y
    )


def finished(payload: pa.Table, party: Party, listed: apart.Pairs) -> pa.Table:
    """The payload with family tokens for another party's family IDs, and the do-not-link list."""
    if not party.cohort and payloads.FAMILY_ID in payload.column_names:
        payload = payload.set_column(
            payload.column_names.index(payloads.FAMILY_ID),
            payloads.FAMILY_ID,
            tokens(payload.column(payloads.FAMILY_ID)),
        )
    if listed:
        payload = payload.append_column(apart.APART, apart.column(payload.column(payloads.RECORD), listed))
    return payload


def tokens(families: pa.ChunkedArray) -> pa.Array:
    """Family IDs as random tokens, fresh for every delivery: equal where the IDs are, and no more."""
    drawn: dict[str, str] = {}
    for one in families.to_pylist():
        if one is not None and one not in drawn:
            drawn[one] = secrets.token_hex(_TOKEN_BYTES)
    return pa.array([None if one is None else drawn[one] for one in families.to_pylist()], pa.string())
