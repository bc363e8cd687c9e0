"""
A stream that has to be read more than once: what it gave is kept, where nobody else can read it.

Which values are common is known when every row has been seen, and rows that hold one are then
encoded anew; the advice at a refusal needs another reading too. A stream is encoded as a file is.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from pseudolink.clean.reader import CHUNK_ROWS, Extract, column_key
from pseudolink.engines.spill import Spill
from pseudolink.errors import InputError


class Kept(Extract):
    """
    A stream that can be read again when it has been read once.

    Args:
        columns: what is kept, as column names are compared; everything when None.
        spill: where it is kept, encrypted; in memory when None.
    """

    def __init__(
        self, stream: Extract, columns: Collection[str] | None = None, spill: Spill | None = None
    ) -> None:
        super().__init__(stream.name, stream.columns, stream.chunks, rows=stream.rows)
        self._stream, self._spill = stream, spill
        self._names = [name for name in stream.columns if columns is None or column_key(name) in columns]
        self._tables: list[pa.Table] = []
        self._begun = self._whole = False

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[pa.Table]:
        """
        As of an extract; a second reading gives the columns that are kept.

        Raises:
            InputError: the first reading broke off.
        """
        if not self._begun:
            self._begun = True
            for table in self._stream.chunks(size):
                self._keep(table.select(self._names))
                yield table
            self._whole = True
            return
        if not self._whole:
            raise InputError(f"{self.name} was not read to its end and cannot be read again")
        for table in self._again():
            for at in range(0, table.num_rows, size):
                yield table.slice(at, size)

    def _keep(self, table: pa.Table) -> None:
        if self._spill is None:
            self._tables.append(table)
            return
        stream = io.BytesIO()
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        self._spill.append(0, stream.getbuffer())

    def _again(self) -> Iterator[pa.Table]:
        if self._spill is None:
            yield from self._tables
        else:
            for data in self._spill.look(0):
                yield pa.ipc.open_stream(data).read_all()


@contextmanager
def read_again(extract: Extract, folder: Path) -> Iterator[Extract]:
    """
    The extract, or, of a stream, one that can be read again as long as the block runs.

    Args:
        folder: of the owner alone; what a stream gave waits in it, encrypted.
    """
    if extract.again:
        yield extract
        return
    with tempfile.TemporaryDirectory(dir=folder) as place:
        yield Kept(extract, spill=Spill(Path(place)))
