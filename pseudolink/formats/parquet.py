"""
Reading a Parquet file that came from somebody else.

Source: specs/linkmap-v1.md, section 3; specs/payload-v1.md, section 3.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, Problem


def read(path: Path, *, source: str) -> pa.Table:
    """
    The table of one file: every cell sound, every column once.

    Raises:
        ArtefactError: not a readable Parquet file, text that is not UTF-8, or columns that stand twice.
    """
    try:
        # One file and no data set: a folder called "party=x" on the way must not become a column.
        with pq.ParquetFile(path) as file:
            table = file.read()
        # Arrow takes text on trust; bytes that are no text would fail only when they are used.
        table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise ArtefactError([Problem("", "not a readable Parquet file")], source=source) from None
    names = table.column_names
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ArtefactError([Problem(name, "column stands more than once") for name in twice], source=source)
    return table
