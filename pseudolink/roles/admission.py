"""
What of an extract goes into a delivery: which columns, and whose rows.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.agreement import Party
from pseudolink.clean.reader import Extract, column_key
from pseudolink.errors import InputError
from pseudolink.formats import payload as payloads
from pseudolink.roles.carry import Lists
from pseudolink.roles.encoding import columns_of
from pseudolink.roles.objections import LeftOut
from pseudolink.roles.payload import Piece
from pseudolink.schema import LinkageSchema


class Admission:
    """
    What is done with every chunk before it is cleaned: programme IDs are looked for, people who
    object are left out, and so are the columns of fields that this party may not encode.

    lists: the custodian's lists of pairs, which are to see everybody, those who object too.
    rows: of the extract, so far, whoever objects.
    """

    def __init__(
        self,
        extract: Extract,
        design: LinkageSchema,
        party: Party,
        carried: dict[str, str],
        source: str,
        out: LeftOut,
        lists: Lists | None = None,
    ) -> None:
        self._lists = lists or Lists()
        self._source = source
        self._cohort = carried[payloads.PROGRAMME_ID] if party.cohort else None
        self._out = out
        barred = columns_of(one for name, one in design.fields.items() if name not in party.fields)
        kept = columns_of(one for name, one in design.fields.items() if name in party.fields)
        kept |= {column_key(name) for name in party.attributes}
        self.columns = [name for name in extract.columns if column_key(name) not in barred - kept]
        self._carried = set(carried.values()) | {one.column for one in self._lists.both}
        self.rows = 0
        self._missing = 0
        self._counted = -1
        self._first_missing = 0

    def __call__(self, piece: Piece) -> Piece:
        if len(piece.rows):
            self.rows = max(self.rows, int(piece.rows[-1]) + 1)
        if self._cohort is not None:
            ids = pc.utf8_trim_whitespace(pc.fill_null(piece.table.column(self._cohort), ""))
            missing = piece.rows[pc.equal(ids, "").to_numpy(zero_copy_only=False)]
            if len(piece.rows) and piece.rows[-1] > self._counted:  # an extract may be read again
                self._counted = int(piece.rows[-1])
                if len(missing) and not self._missing:
                    self._first_missing = int(missing[0]) + 1
                self._missing += len(missing)
        for one in self._lists.both:
            one.see(piece)
        stay = self._out.stay(piece.rows)
        if not stay.all():
            piece = Piece(piece.table.filter(pa.array(stay)), piece.rows[stay])
        names = [n for n in piece.table.column_names if n in self.columns or n in self._carried]
        return Piece(piece.table.select(names), piece.rows)

    def check(self) -> None:
        """
        Raises:
            InputError: people of the cohort without a programme ID.
            DoNotLinkError, KnownLinksError: a list of pairs that does not fit the extract.
        """
        if self._missing:
            # The releaser would refuse the payload, when everybody's work is done; here it can be corrected.
            raise InputError(
                f"{self._source}: {self._missing:,} rows without a programme ID, "
                f"first row {self._first_missing:,}",
                advice="Everybody in the cohort needs one: the release names people by it.",
            )
        self._lists.check()
