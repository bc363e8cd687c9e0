"""
Encodings that stay on disk: one pass at a time comes into memory, and only the record IDs stay.

Source: specs/encoding-v1.md, section 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, Problem
from pseudolink.formats import apart
from pseudolink.formats.encodings import (
    TOKEN_WORDS,
    Encodings,
    Layout,
    PassColumns,
    fixed_values,
    from_table,
)


class StoredPasses(Mapping[str, PassColumns]):
    """The passes of a file of encodings, each read anew whenever it is asked for."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._layout = dict(layout)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def __getitem__(self, name: str) -> PassColumns:
        width = self._layout[name]
        with pq.ParquetFile(self._path) as file:
            table = file.read([f"{name}.token", f"{name}.filter"] if width else [f"{name}.token"])
        raw, present = fixed_values(table.column(f"{name}.token"))
        tokens = np.ascontiguousarray(raw).view("<u8").astype(np.uint64, copy=False)
        filters = fixed_values(table.column(f"{name}.filter"))[0] if width else None
        return PassColumns(tokens.reshape(len(raw), TOKEN_WORDS), present, filters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout)

    def __len__(self) -> int:
        return len(self._layout)

    def __repr__(self) -> str:
        return f"<StoredPasses {list(self._layout)}>"


def open_stored(path: Path, layout: Layout) -> Encodings:
    """
    Check encodings as ``encodings.load`` does, and leave their passes in the file.

    The file must stay as it is while the encodings are in use.

    Raises:
        ArtefactError: not Parquet, or not encodings of this layout.
    """
    source = path.name
    try:
        with pq.ParquetFile(path) as file:
            # The rules on columns, on a table of no rows; the list of pairs needs its rows.
            from_table(file.schema_arrow.empty_table(), layout, source=source)
            kept = file.read(["record", *({apart.APART, apart.TOGETHER} & set(file.schema_arrow.names))])
            records = kept.column("record")
            listed, problems = apart.read(kept)
            known, more = apart.read(kept, apart.TOGETHER)
            problems += more
            problems += [Problem("record", "has nulls")] if records.null_count else []
            for name, width in layout.items():
                if width and not _together(file, name):
                    problems.append(Problem(f"{name}.filter", "must be null exactly where the token is"))
    except (pa.ArrowException, OSError):
        raise ArtefactError([Problem("", "not a readable Parquet file")], source=source) from None
    if problems:
        raise ArtefactError(problems, source=source)
    return Encodings(fixed_values(records)[0], StoredPasses(path, layout), listed, known)


def _together(file: pq.ParquetFile, name: str) -> bool:
    columns = [f"{name}.token", f"{name}.filter"]
    return all(
        batch.column(0).is_valid().equals(batch.column(1).is_valid())
        for batch in file.iter_batches(columns=columns)
    )
