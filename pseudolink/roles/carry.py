"""
What a custodian carries beside the encodings: payload columns, family tokens, the do-not-link list.

Source: specs/payload-v1.md; specs/encoding-v1.md, 7.6.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.agreement import Party
from pseudolink.clean.headings import column_key, expected_columns, lacking_fields
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
from pseudolink.roles.payload import Piece, columns_by_name
from pseudolink.schema import LinkageSchema

_BETWEEN = re.compile(r"[,;\t]")
_TOKEN_BYTES = 16

Index = npt.NDArray[np.intp]


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


def carried_columns(
    there: Sequence[str], party: Party, columns: Columns, source: str, schema: LinkageSchema
) -> dict[str, str]:
    """
    Column in the payload -> column of the extract.

    Raises:
        MissingColumnsError: columns of the payload, and of fields that are encoded, that are not there.
    """
    wanted = list(party.attributes if columns.attributes is None else columns.attributes)
    payloads.refuse_unpermitted(wanted, party.attributes, party=party.id)
    known = {name.strip().casefold() for name in there}
    names = {}
    if party.cohort:
        names[payloads.PROGRAMME_ID] = columns.programme_id
    if (party.cohort or party.families) and columns.family_id.casefold() in known:
        names[payloads.FAMILY_ID] = columns.family_id
        dates = {payloads.FAMILY_FROM: columns.family_from, payloads.FAMILY_TO: columns.family_to}
        names |= {name: column for name, column in dates.items() if column.casefold() in known}
    needed = [one.name for one in schema.fields.values() if one.name in party.fields and not one.optional]
    found = columns_by_name(
        there,
        [*names.values(), *wanted],
        source=source,
        lacking=lacking_fields(there, schema, needed),
        expected=expected_columns(schema),
    )
    return {name: found[column] for name, column in names.items()} | {name: found[name] for name in wanted}


def family_column(there: Sequence[str], carried: Mapping[str, str], columns: Columns) -> str | None:
    """The column of family IDs, also of an extract whose payload may not carry them."""
    named = column_key(columns.family_id)
    found = next((name for name in there if column_key(name) == named), None)
    return carried.get(payloads.FAMILY_ID, found)


def local_id(there: Sequence[str], party: Party, columns: Columns, source: str) -> str:
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
    return columns_by_name(there, [wanted], source=source)[wanted]


class PairList:
    """
    A custodian's list of pairs of people, and which records they turn out to be: people whom nothing
    may join, or records that are one person.

    ``see`` takes every row of the extract, ``take`` those that are encoded.

    Args:
        path: pairs of local IDs, two a line with a comma, semicolon or tab between; a heading without
            figures is harmless.
        column: of the extract, with the IDs.
        wrong: what a list is refused with that does not fit the extract.

    Raises:
        InputError: not readable as text.
    """

    def __init__(
        self, path: Path, column: str, wrong: type[DoNotLinkError | KnownLinksError] = DoNotLinkError
    ) -> None:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"cannot read {path.name}: {type(error).__name__}",
                advice="A list of pairs is text: one pair a line, as CSV (UTF-8).",
            ) from None
        self.column = column
        self.name = path.name
        self._wrong = wrong
        self._lines = [
            (number, [one.strip().strip('"') for one in _BETWEEN.split(line)])
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]
        self._listed = pa.array(sorted({one for _, ids in self._lines for one in ids} - {""}), pa.string())
        self._known: set[str] = set()
        self._records: dict[str, set[bytes]] = {}

    def _found(self, table: pa.Table) -> tuple[list[str], Index]:
        ids = pc.utf8_trim_whitespace(pc.fill_null(table.column(self.column).cast(pa.string()), ""))
        rows = np.flatnonzero(pc.is_in(ids, self._listed).to_numpy(zero_copy_only=False))
        return ids.take(pa.array(rows)).to_pylist(), rows

    def see(self, piece: Piece) -> None:
        """Note who of the list is in the extract."""
        self._known.update(self._found(piece.table)[0])

    def take(self, piece: Piece, records: npt.NDArray[np.uint8]) -> None:
        """Note which records they are; every one that bears an ID. ``records``: (n, 16), of the rows."""
        ids, rows = self._found(piece.table)
        for one, record in zip(ids, records[rows], strict=True):
            self._records.setdefault(one, set()).add(bytes(record))

    def _pairs(self) -> Iterator[tuple[int, list[str]]]:
        for place, (number, ids) in enumerate(self._lines):
            # A first line that names nobody is a heading, unless it has a figure: then it may be a
            # mistyped pair, and people would lose their protection without a word.
            figures = any(sign.isdigit() for one in ids for sign in one)
            if place or number > 1 or figures or any(one in self._known for one in ids):
                yield number, ids

    def check(self) -> None:
        """
        Raises:
            DoNotLinkError, or as said in ``wrong``: lines that are no pair of people of this extract,
                all of them. A mistyped ID would leave a person without the protection that the list
                is for.
        """
        problems = []
        for number, ids in self._pairs():
            strangers = sum(one not in self._known for one in ids)
            if len(ids) != 2:
                problems.append(Problem(f"line {number}", f"{len(ids)} IDs; a pair has two"))
            elif strangers:
                problems.append(
                    Problem(f"line {number}", f"{strangers} of its IDs are nobody's in this extract")
                )
            elif ids[0] == ids[1]:
                problems.append(Problem(f"line {number}", "the same ID twice"))
        if problems:
            raise self._wrong(problems, source=self.name)

    def local_pairs(self) -> list[tuple[str, str]]:
        """Pairs of local IDs, when the list holds."""
        return [(a, b) for _, (a, b) in self._pairs()]

    def pairs(self) -> apart.Pairs:
        """Pairs of record IDs, when every row has been taken and the list holds."""
        return apart.ordered(
            (x, y)
            for _, (a, b) in self._pairs()
            for x in self._records.get(a, ())
            for y in self._records.get(b, ())
            if x != y
        )


@dataclass(frozen=True)
class Lists:
    """What a custodian says of pairs of its own people."""

    apart: PairList | None = None
    together: PairList | None = None

    @classmethod
    def read(cls, do_not_link: Path | None, known_links: Path | None, column: str, party: Party) -> Lists:
        """
        Raises:
            NotPermittedError: known links from the cohort's custodian.
            InputError: not readable as text.
        """
        if known_links and party.cohort:
            raise NotPermittedError(
                f"{party.id!r} holds the cohort: each of its records is a person of the release",
                advice="Give the records of one person as versions of one.",
            )
        return cls(
            PairList(do_not_link, column) if do_not_link else None,
            PairList(known_links, column, KnownLinksError) if known_links else None,
        )

    @property
    def both(self) -> tuple[PairList, ...]:
        """Those that there are."""
        return tuple(one for one in (self.apart, self.together) if one is not None)

    def check(self) -> None:
        """
        Raises:
            DoNotLinkError, KnownLinksError: a list that does not fit the extract, or known links that
                join, directly or over others, what the do-not-link list keeps apart.
        """
        for one in self.both:
            one.check()
        if self.apart is None or self.together is None:
            return
        root: dict[str, str] = {}

        def find(one: str) -> str:
            while root.setdefault(one, one) != one:
                root[one] = root[root[one]]
                one = root[one]
            return one

        for a, b in self.together.local_pairs():
            root[find(a)] = find(b)
        against = sum(find(a) == find(b) for a, b in self.apart.local_pairs())
        if against:
            what = f"they join {against:,} pairs of the do-not-link list, directly or over others"
            raise KnownLinksError([Problem("", what)], source=self.together.name)


def finished(tables: Iterable[pa.Table], party: Party, listed: apart.Pairs) -> Iterator[pa.Table]:
    """The payload with family tokens for another party's family IDs, and the do-not-link list."""
    key = secrets.token_bytes(32)
    for table in tables:
        if not party.cohort and payloads.FAMILY_ID in table.column_names:
            place = table.column_names.index(payloads.FAMILY_ID)
            table = table.set_column(place, payloads.FAMILY_ID, tokens(table.column(payloads.FAMILY_ID), key))
        if listed:
            table = table.append_column(apart.APART, apart.column(table.column(payloads.RECORD), listed))
        yield table


def tokens(families: pa.ChunkedArray, key: bytes) -> pa.Array:
    """Family IDs as tokens under a key of one delivery: equal where the IDs are, and no more."""

    def token(family: str | None) -> str | None:
        if family is None:
            return None
        return hashlib.blake2b(family.encode(), digest_size=_TOKEN_BYTES, key=key).hexdigest()

    return pa.array([token(one) for one in families.to_pylist()], pa.string())
