"""
Pairs of filters with their Dice coefficients, as a file: Parquet or CSV.

Columns ``left`` and ``right`` (the number of each filter) and ``dice``, ordered by left, then by
right. Written as they come: memory does not grow with their number.

Source: specs/matching-v1.md, section 4.4; specs/clk-v1.md, section 11.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pseudolink.errors import UsageError
from pseudolink.files import new_file

Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]

SCHEMA = pa.schema([("left", pa.int64()), ("right", pa.int64()), ("dice", pa.float64())])
#: Endings of the files that can be written.
SUFFIXES = (".parquet", ".csv")
_GROUP = 1_000_000


def require_suffix(path: Path) -> None:
    """
    Raises:
        UsageError: pairs are written to .parquet or .csv, and the name says which.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path.name}: pairs are written to {' or '.join(SUFFIXES)}; the name says which")


def save(path: Path, chunks: Iterable[Pairs]) -> int:
    """
    Write chunks of pairs to a new file and return their number.

    Raises:
        UsageError: see :func:`require_suffix`.
        OutputExistsError, OutputError: see :func:`pseudolink.files.new_file`.
    """
    require_suffix(path)
    with new_file(path) as temporary:
        return _to_csv(temporary, chunks) if path.suffix.lower() == ".csv" else _to_parquet(temporary, chunks)


def _table(pairs: Pairs) -> pa.Table:
    return pa.table(list(pairs), schema=SCHEMA)


def _to_parquet(path: Path, chunks: Iterable[Pairs]) -> int:
    count = waiting = 0
    held: list[pa.Table] = []
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for pairs in chunks:
            held.append(_table(pairs))
            count += len(pairs[0])
            waiting += len(pairs[0])
            if waiting >= _GROUP:
                writer.write_table(pa.concat_tables(held), row_group_size=_GROUP)
                held, waiting = [], 0
        if waiting:
            writer.write_table(pa.concat_tables(held), row_group_size=_GROUP)
    return count


def _to_csv(path: Path, chunks: Iterable[Pairs]) -> int:
    count = 0
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as stream, pyarrow.csv.CSVWriter(stream, SCHEMA, write_options=options) as writer:
        stream.write((",".join(SCHEMA.names) + "\n").encode("ascii"))
        for pairs in chunks:
            writer.write_table(_table(pairs))
            count += len(pairs[0])
    return count
